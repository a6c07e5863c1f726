from dataclasses import replace

import pytest

from portwatchd.metrics.render import STORED, Labels, render
from portwatchd.model import (
    AddressReport,
    Certificate,
    DiagnosisKind,
    Family,
    Policy,
    PolicyFact,
    Proof,
    Report,
    School,
    Verdict,
    VerdictKind,
)
from tests.unit.reports import ALIAS, FTP_DATA, HTTPS, SCHOOL, SMTP, holes, port, report

CERTIFICATE = Certificate(
    subject="CN=gym-nord.example.org",
    issuer="CN=authority",
    san=("gym-nord.example.org",),
    not_before=1_690_000_000.0,
    not_after=1_697_000_000.5,
    fingerprint_sha256="ab" * 32,
    valid=False,
    reason="expired",
    names_match=True,
)


def lines(told: Report, family: str) -> list[str]:
    blocks = dict(zip((f.name for f in STORED), render(told, Labels(told.school)), strict=True))
    return b"".join(blocks[family]).decode().splitlines()


def one(told: Report, family: str, name: str) -> list[str]:
    return [line for line in lines(told, family) if f'port_name="{name}"' in line]


def test_a_port_that_lost_its_forward() -> None:
    lost = port(SMTP, Verdict(VerdictKind.FORWARD_LOST, Proof.HOP))
    told = report(DiagnosisKind.FORWARDS_LOST, lost)
    at = 'school="gym-nord",family="ipv4",port="25",port_name="smtp"'
    assert one(told, "portwatch_port_up", "smtp") == [f"portwatch_port_up{{{at}}} 0"]
    assert one(told, "portwatch_port_forwarded", "smtp") == [f"portwatch_port_forwarded{{{at}}} 0"]
    assert one(told, "portwatch_port_verdict", "smtp") == [
        f'portwatch_port_verdict{{{at},verdict="forward_lost",proof="hop"}} 1',
    ]
    assert one(told, "portwatch_port_verdict_since_timestamp_seconds", "smtp") == [
        f"portwatch_port_verdict_since_timestamp_seconds{{{at}}} 1700000000",
    ]
    assert lines(told, "portwatch_school_diagnosis") == [
        'portwatch_school_diagnosis{school="gym-nord",diagnosis="forwards_lost"} 1',
    ]


@pytest.mark.parametrize("kind", VerdictKind)
def test_up_is_said_of_every_verdict_but_where_nothing_is_known(kind: VerdictKind) -> None:
    judged = port(SMTP, Verdict(kind, Proof.NONE))
    ups = one(report(DiagnosisKind.OK, judged), "portwatch_port_up", "smtp")
    assert [line[-1] for line in ups] == [] if judged.up is None else [str(int(judged.up))]


def test_what_is_not_known_is_absent() -> None:
    unknown = replace(
        port(HTTPS, Verdict(VerdictKind.UNKNOWN, Proof.NONE)),
        forwarded=None,
        observation=None,
        policies=(PolicyFact(Policy.HSTS, holds=None),),
    )
    told = report(DiagnosisKind.OK, unknown)
    for family in ("up", "forwarded", "duration_seconds", "policy_ok"):
        assert one(told, f"portwatch_port_{family}", "https") == []
    assert (
        lines(replace(told, addresses=(AddressReport(Family.IPV4, "198.51.100.2"),)), "portwatch_school_exposed_host")
        == []
    )


def test_a_bad_certificate_shows_its_times() -> None:
    told = report(DiagnosisKind.POLICY_VIOLATED, replace(port(HTTPS), certificate=CERTIFICATE))
    (before,) = lines(told, "portwatch_port_certificate_not_before_timestamp_seconds")
    (after,) = lines(told, "portwatch_port_certificate_not_after_timestamp_seconds")
    assert before.endswith("} 1690000000")
    assert after.endswith("} 1697000000.5")


def test_a_range_counts_its_ports() -> None:
    told = report(DiagnosisKind.FORWARDS_LOST, holes())
    at = 'school="gym-nord",family="ipv4",port="63000-63099",port_name="ftp-data"'
    assert lines(told, "portwatch_range_ports") == [
        f'portwatch_range_ports{{{at},state="forwarded"}} 95',
        f'portwatch_range_ports{{{at},state="lost"}} 5',
        f'portwatch_range_ports{{{at},state="unknown"}} 0',
    ]
    assert one(told, "portwatch_port_up", FTP_DATA.name)[0].endswith(" 0")


def test_an_optional_port_is_not_required() -> None:
    (alias,) = one(report(DiagnosisKind.OK), "portwatch_port_required", ALIAS.name)
    assert alias.endswith(" 0")


def test_a_schools_own_labels_are_on_its_info_and_cannot_take_the_place_of_ours() -> None:
    school = replace(SCHOOL, labels=(("district", 'the "north"'), ("host", "elsewhere")))
    (info,) = lines(report(DiagnosisKind.OK, school=school), "portwatch_school_info")
    assert info == (
        'portwatch_school_info{school="gym-nord",host="gym-nord.example.org",profile="iserv",'
        r'district="the \"north\""} 1'
    )


def test_a_family_of_two_addresses_is_an_exposed_host_only_if_both_are() -> None:
    addresses = (
        AddressReport(Family.IPV4, "198.51.100.2", exposed_host=True),
        AddressReport(Family.IPV4, "198.51.100.3", exposed_host=False),
        AddressReport(Family.IPV6, "2001:db8::2", exposed_host=True),
    )
    told = replace(report(DiagnosisKind.OK), addresses=addresses)
    assert lines(told, "portwatch_school_exposed_host") == [
        'portwatch_school_exposed_host{school="gym-nord",family="ipv4"} 0',
        'portwatch_school_exposed_host{school="gym-nord",family="ipv6"} 1',
    ]
    assert len(lines(told, "portwatch_school_address_info")) == 3


def test_labels_are_made_once_and_anew_when_the_rows_change() -> None:
    labels = Labels(SCHOOL)
    both = report(DiagnosisKind.OK, families=(Family.IPV4, Family.IPV6))
    first, again = labels.ports(both.ports), labels.ports(both.ports)
    assert all(a is b for a, b in zip(first, again, strict=True))
    turned = labels.ports(tuple(reversed(both.ports)))
    assert turned == list(reversed(first))
    assert labels.ports(both.ports[:2]) == first[:2]


def test_a_school_of_no_ports_has_its_own_series() -> None:
    told = replace(report(DiagnosisKind.DNS_FAILED), ports=(), addresses=())
    made = render(told, Labels(School("x", "x.example.org", "x.example.org", SCHOOL.profile)))
    assert len(made) == len(STORED)
    assert [bool(block) for block in made[-7:]] == [True, True, True, True, False, False, False]
