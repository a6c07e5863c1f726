import pytest

from portwatchd.config import built_in_profiles
from portwatchd.config.problem import Refused
from portwatchd.discovery.entries import Entry, listing, merged, resolved, understood
from portwatchd.discovery.groups import Group
from portwatchd.model import School

PROFILES = built_in_profiles()


@pytest.mark.parametrize(
    ("target", "host", "server_name"),
    [
        ("gym-nord.example.org", "gym-nord.example.org", "gym-nord.example.org"),
        ("gym-nord.example.org:443", "gym-nord.example.org", "gym-nord.example.org"),
        ("203.0.113.7", "203.0.113.7", ""),
        ("203.0.113.7:10052", "203.0.113.7", ""),
        ("2001:db8::7", "2001:db8::7", ""),
        ("[2001:db8::7]", "2001:db8::7", ""),
        ("[2001:DB8::7]:443", "2001:db8::7", ""),
    ],
)
def test_a_target_is_a_host_and_its_port_is_dropped(target: str, host: str, server_name: str) -> None:
    assert understood(target, {}) == (Entry(host, host, server_name, "iserv"), [])


@pytest.mark.parametrize(
    "target", ["", "https://gym-nord.example.org/", "a b", "0.0.0.0", "[a]:443", "a:b", "a:123456", "a/probe", "-"]
)
def test_what_is_no_target(target: str) -> None:
    with pytest.raises(Refused):
        understood(target, {})


def test_labels_say_who_it_is() -> None:
    entry, notes = understood(
        "203.0.113.7:443",
        {
            "name": "gs-sued",
            "school": "another",
            "profile": "iserv-sh",
            "server_name": "gs-sued.example.org",
            "__meta_netbox_id": "7",
            "__scheme__": "https",
            "district": "sued",
            "empty": "",
        },
    )
    assert entry == Entry("gs-sued", "203.0.113.7", "gs-sued.example.org", "iserv-sh", (("district", "sued"),))
    assert notes == []
    assert understood("203.0.113.7", {"school": "gs-sued"})[0].name == "gs-sued"


def test_a_label_that_cannot_be_had_leaves_the_school() -> None:
    entry, notes = understood("a.example.org", {"port": "443", "district": "a\x07b", "kind": "gym"})
    assert entry.labels == (("kind", "gym"),)
    assert notes == [
        "left out the label port: 'port' is taken: the metrics use this label themselves",
        "left out the label district: 'a\\x07b' holds U+0007, which cannot be shown",
    ]
    entry, notes = understood("a.example.org", {f"l{number:02}": "x" for number in range(40)})
    assert len(entry.labels) == 32
    assert "there are 40" in notes[0]


def test_one_bad_target_leaves_the_others() -> None:
    found = listing([Group(("a.example.org", "https://b/", "c.example.org"), {"district": "nord"})])
    assert list(found.entries) == ["a.example.org", "c.example.org"]
    assert found.refused == 1
    assert found.notes == ("target 'https://b/': 'https://b/' is a URL: write only the host",)


def test_the_ports_of_one_host_are_one_school_and_a_name_for_two_hosts_is_none() -> None:
    found = listing([Group(("a.example.org:25", "a.example.org:443"), {})])
    assert list(found.entries) == ["a.example.org"]
    assert found.refused == 0
    found = listing([Group(("a.example.org", "b.example.org"), {"name": "both"})])
    assert found.entries["both"].host == "a.example.org"
    assert found.refused == 1


def test_a_profile_that_is_unknown_makes_no_school() -> None:
    entries = listing([Group(("b",), {}), Group(("c",), {"profile": "unheard"})]).entries
    schools, unusable = resolved(entries, PROFILES)
    assert {name: school.profile.name for name, school in schools.items()} == {"b": "iserv"}
    assert unusable == {"c": "school 'c': unknown profile 'unheard'"}


def test_the_configuration_comes_before_what_is_found() -> None:
    own = School("a", "a.example.org", "a.example.org", PROFILES["iserv"])
    one, _ = resolved(
        listing([Group(("b.example.org",), {"name": "b"}), Group(("elsewhere",), {"name": "a"})]).entries, PROFILES
    )
    two, _ = resolved(listing([Group(("b.example.org",), {"name": "b"})]).entries, PROFILES)
    schools, notes = merged([own], {"one": one, "two": two})
    assert [(school.name, school.host) for school in schools] == [("a", "a.example.org"), ("b", "b.example.org")]
    assert notes == {"one": ["school 'a': is already in the configuration, as something else"], "two": []}
