"""The file of --web.config.file, held against Prometheus' own tool where it is at hand."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
import trustme

from portwatchd.config import ConfigError
from portwatchd.web.access import read_access

EXAMPLE = Path(__file__).parents[3] / "deploy" / "web-config.example.yml"
HASH = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
TLS = "tls_server_config: {cert_file: a.crt, key_file: a.key"
GOOD = {
    "empty": "",
    "comments and null": "# nobody\nbasic_auth_users: ~\n",
    "users": f"basic_auth_users: {{alice: {HASH}, bob: {HASH}}}",
    "tls": f"{TLS}}}",
    "client certificates": f"{TLS}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt}}",
    "versions": f"{TLS}, min_version: TLS12, max_version: TLS13, prefer_server_cipher_suites: true}}",
    "suites": f"{TLS}, cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256], curve_preferences: [CurveP256]}}",
    "headers": "http_server_config: {http2: true, headers: {Strict-Transport-Security: max-age=31536000}}",
}
BAD = {
    "unknown key": ("basic_auth: {}", "basic_auth: unknown key"),
    "a password": ("basic_auth_users: {alice: secret}", "basic_auth_users.alice: is no bcrypt hash"),
    "no key": ("tls_server_config: {cert_file: a.crt}", "tls_server_config.key_file: is missing"),
    "no such file": ("tls_server_config: {cert_file: b.crt, key_file: a.key}", "No such file"),
    "a key that is none": ("tls_server_config: {cert_file: a.crt, key_file: a.crt}", "tls_server_config: "),
    "a version": (f"{TLS}, min_version: SSL3}}", "'SSL3' is no version"),
    "a suite": (f"{TLS}, cipher_suites: [RC4]}}", "'RC4' is no cipher suite"),
    "authority without verifying": (f"{TLS}, client_ca_file: ca.crt}}", "client_ca_file: is of no use"),
    "another header": ("http_server_config: {headers: {Server: x}}", "'Server' cannot be set"),
    "a header's value": ("http_server_config: {headers: {X-Content-Type-Options: no}}", "is no value of"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    authority = trustme.CA()
    made = authority.issue_cert("localhost")
    (tmp_path / "a.crt").write_bytes(b"".join(pem.bytes() for pem in made.cert_chain_pems))
    (tmp_path / "a.key").write_bytes(made.private_key_pem.bytes())
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    return tmp_path


def promtool(file: Path) -> bool:
    done = subprocess.run(["promtool", "check", "web-config", file], capture_output=True, check=False, cwd=file.parent)
    return done.returncode == 0


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_what_is_good(folder: Path, text: str) -> None:
    (folder / "web.yml").write_text(text)
    access, context = read_access(folder / "web.yml")
    assert (context is not None) is ("tls" in text)
    assert len(access.users) == text.count(HASH)
    if shutil.which("promtool"):
        assert promtool(folder / "web.yml")


@pytest.mark.parametrize(("text", "reason"), BAD.values(), ids=BAD)
def test_what_is_bad(folder: Path, text: str, reason: str) -> None:
    (folder / "web.yml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_access(folder / "web.yml")
    assert reason in str(caught.value)
    assert "secret" not in str(caught.value)
    if shutil.which("promtool"):
        assert not promtool(folder / "web.yml")


def test_stricter_than_the_toolkit_where_it_protects_nobody(folder: Path) -> None:
    (folder / "web.yml").write_text(f"{TLS}, client_auth_type: RequireAnyClientCert}}")
    with pytest.raises(ConfigError, match="lets anybody in who makes a certificate"):
        read_access(folder / "web.yml")


def test_the_context_is_what_the_file_says(folder: Path) -> None:
    (folder / "web.yml").write_text(
        f"{TLS}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt, min_version: TLS13, "
        "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]}"
    )
    access, context = read_access(folder / "web.yml")
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert {cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"} == {
        "ECDHE-RSA-AES256-GCM-SHA384"
    }
    assert [file.name for file in access.files] == ["a.crt", "a.key", "ca.crt"]


def test_the_example(folder: Path) -> None:
    shutil.copy(EXAMPLE, folder / "web.yml")
    shutil.copy(folder / "a.crt", folder / "tls.crt")
    shutil.copy(folder / "a.key", folder / "tls.key")
    access, context = read_access(folder / "web.yml")
    assert context is not None
    assert list(access.users) == ["prometheus"]
    if shutil.which("promtool"):
        assert promtool(folder / "web.yml")
