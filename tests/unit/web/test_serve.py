import pytest

from portwatchd.web.serve import DEFAULT_ADDRESS, Address, parse_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (DEFAULT_ADDRESS, "127.0.0.1", 10052),
        (":10052", None, 10052),
        ("[::]:10052", "::", 10052),
        ("[::1]:1", "::1", 1),
        ("localhost:0", "localhost", 0),
        ("monitor.example.org:65535", "monitor.example.org", 65535),
    ],
)
def test_addresses(text: str, host: str | None, port: int) -> None:
    assert parse_address(text) == Address(host, port)


@pytest.mark.parametrize(
    "text", ["", "10052", "localhost", "localhost:", ":65536", ":-1", ":http", "::1:10052", "[::1]"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="listen address"):
        parse_address(text)
