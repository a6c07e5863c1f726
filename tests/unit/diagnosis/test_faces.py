"""Devices by their certificates and greetings, as they are met in the field."""

import pytest

from portwatchd.diagnosis.faces import FACES, face_of
from portwatchd.diagnosis.identity import software
from portwatchd.model import Certificate, Foreign, Observation, Outcome


def shown(subject: str = "", *san: str, issuer: str = "", greeting: bytes = b"") -> Observation:
    certificate = Certificate(subject, issuer, san, 0.0, 1.0, "aa", False, "self-signed", False) if subject else None
    return Observation(0.0, Outcome.OK, banner=Foreign(greeting), certificate=certificate)


@pytest.mark.parametrize(
    ("observation", "name"),
    [
        (shown("CN=fritz.box", "fritz.box", "www.fritz.box"), "FRITZ!Box"),
        (shown("CN=ab12cd.myfritz.net", "ab12cd.myfritz.net", issuer="CN=R11,O=Let's Encrypt,C=US"), "FRITZ!Box"),
        (shown(greeting=b"220 FRITZ!Box7590 FTP server ready."), "FRITZ!Box"),
        (shown(greeting=b"HTTP/1.1 200 OK | Title: FRITZ!Box"), "FRITZ!Box"),
        (shown("CN=LANCOM 1781VA,O=LANCOM Systems,C=DE"), "LANCOM"),
        (shown(greeting=b"SSH-2.0-lancom"), "LANCOM"),
        (shown("CN=speedport.ip", "speedport.ip"), "Speedport"),
        (shown("CN=unifi.local,O=Ubiquiti Inc.", "unifi.local"), "UniFi"),
        (shown(greeting=b"SSH-2.0-ROSSSH"), "MikroTik"),
        (shown(greeting=b"220 router FTP server (MikroTik 6.49.7) ready"), "MikroTik"),
        (shown("CN=synology,O=Synology Inc.,L=Taipel,C=TW"), "Synology"),
        (shown(greeting=b"HTTP/1.1 200 OK | Server: nginx | Title: Synology DiskStation"), "Synology"),
        (shown("CN=QNAP NAS,O=QNAP Systems\\, Inc."), "QNAP"),
        (shown(greeting=b"220 NASFTPD Turbo station 1.3.5a Server (ProFTPD)"), "QNAP"),
        (shown("CN=gym-nord.example.org", "gym-nord.example.org", greeting=b"SSH-2.0-OpenSSH_9.2p1 Debian-2"), None),
        (shown(greeting=b"\xff\xfe\x00"), None),
        (shown(), None),
    ],
)
def test_a_device_is_told_by_its_face(observation: Observation, name: str | None) -> None:
    face = face_of(observation)
    assert (face.name if face else None) == name


def test_every_face_is_said_in_both_languages_and_once() -> None:
    assert len({face.said for face in FACES}) == len(FACES)
    assert all(face.said.en and face.said.de for face in FACES)


@pytest.mark.parametrize(
    ("banner", "said"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", "OpenSSH Debian"),
        (b"SSH-2.0-OpenSSH_10.0p2 Debian-7", "OpenSSH Debian"),
        (b"SSH-2.0-OpenSSH_8.2", "OpenSSH"),
        (b"SSH-2.0-dropbear_2022.83", "dropbear"),
        (b"SSH-1.99-Cisco-1.25", "Cisco"),
        (b"220 no SSH", ""),
        (b"", ""),
    ],
)
def test_software_is_told_without_its_version(banner: bytes, said: str) -> None:
    assert software(Foreign(banner)) == said
