"""Schools: names and hosts, labels, and tables as spreadsheets write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from portwatchd.config import load
from portwatchd.model import School


def schools(tmp_path: Path, text: str) -> tuple[School, ...]:
    path = tmp_path / "portwatchd.yml"
    path.write_text(text)
    return load(path).schools


def table(tmp_path: Path, data: bytes) -> list[tuple[str, str, str, tuple[tuple[str, str], ...]]]:
    (tmp_path / "schools.csv").write_bytes(data)
    found = schools(tmp_path, "school_files: [schools.csv]\n")
    return [(school.name, school.host, school.profile.name, school.labels) for school in found]


@pytest.mark.parametrize(
    ("fields", "server_name"),
    [
        ("host: a.example.org", "a.example.org"),
        ("host: a.example.org.", "a.example.org"),
        ("host: a.example.org, server_name: b.example.org", "b.example.org"),
        ("host: 203.0.113.7", ""),
        ("host: '2001:db8::7'", ""),
        ("host: 203.0.113.7, server_name: a.example.org", "a.example.org"),
    ],
)
def test_the_server_s_name_is_the_host_where_that_is_a_name(tmp_path: Path, fields: str, server_name: str) -> None:
    (school,) = schools(tmp_path, f"schools: [{{name: a, {fields}}}]\n")
    assert school.server_name == server_name


@pytest.mark.parametrize("written", ["no", "on", "22:30", "007", "1.10", "'null'", "Gymnasium am See (Kiel)", "a/b"])
def test_names_and_labels_are_text_as_written(tmp_path: Path, written: str) -> None:
    (school,) = schools(tmp_path, f"schools: [{{name: {written}, host: a.example.org, labels: {{x: {written}}}}}]\n")
    assert school.name == written.strip("'")
    assert school.labels == (("x", written.strip("'")),)


def test_labels_are_in_order_and_empty_ones_are_left_out(tmp_path: Path) -> None:
    (school,) = schools(tmp_path, "schools: [{name: a, host: a.example.org, labels: {z: 1, b: '', a: 2}}]\n")
    assert school.labels == (("a", "2"), ("z", "1"))


PLAIN = [("a", "a.example.org", "iserv", ()), ("b", "192.0.2.1", "iserv-sh", (("district", "nord"),))]


@pytest.mark.parametrize(
    "data",
    [
        b"name,host,profile,district\na,a.example.org,,\nb,192.0.2.1,iserv-sh,nord\n",
        b"\xef\xbb\xbfname,host,profile,district\r\na,a.example.org,,\r\nb,192.0.2.1,iserv-sh,nord\r\n",
        b"name;host;profile;district\r\na;a.example.org;;\r\nb;192.0.2.1;iserv-sh;nord\r\n",
        b"name\thost\tprofile\tdistrict\na\ta.example.org\tiserv\t\nb\t192.0.2.1\tiserv-sh\tnord",
        b'\n"name","host","profile","district"\n\n"a", a.example.org ,"",\n,,,\n"b","192.0.2.1","iserv-sh","nord"\n\n',
        b"district,profile,host,name\n,,a.example.org,a\nnord,iserv-sh,192.0.2.1,b\n",
    ],
    ids=["plain", "excel-utf8", "semicolons", "tabs", "quotes-and-blanks", "other-order"],
)
def test_tables_as_spreadsheets_write_them(tmp_path: Path, data: bytes) -> None:
    assert table(tmp_path, data) == PLAIN


def test_quotes_hide_separators_and_quotes(tmp_path: Path) -> None:
    data = b'name,host,motto\n"Nord, ""alt""",a.example.org,"x,y"\n'
    assert table(tmp_path, data) == [('Nord, "alt"', "a.example.org", "iserv", (("motto", "x,y"),))]


def test_a_table_can_name_the_server(tmp_path: Path) -> None:
    (tmp_path / "schools.csv").write_text("name,host,server_name\na,192.0.2.1,a.example.org\n")
    (school,) = schools(tmp_path, "school_files: [schools.csv]\n")
    assert (school.host, school.server_name) == ("192.0.2.1", "a.example.org")
