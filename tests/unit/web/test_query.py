import re
from dataclasses import replace

import pytest

from portwatchd.model import DiagnosisKind, Report
from portwatchd.web.query import language, selection
from tests.unit.reports import SCHOOL, report


def school(name: str, kind: DiagnosisKind, *labels: tuple[str, str]) -> Report:
    return report(kind, school=replace(SCHOOL, name=name, labels=labels))


REPORTS = {
    made.school.name: made
    for made in (
        school("c", DiagnosisKind.LINE_DOWN, ("district", "nord"), ("kind", "gym")),
        school("a", DiagnosisKind.OK, ("district", "nord")),
        school("b", DiagnosisKind.DNS_FAILED, ("district", "süd")),
        school("d", DiagnosisKind.OK),
    )
}


@pytest.mark.parametrize(
    ("items", "names", "more"),
    [
        ([], "abcd", False),
        ([("diagnosis", "ok")], "ad", False),
        ([("diagnosis", "ok"), ("diagnosis", "line_down")], "acd", False),
        ([("label.district", "nord")], "ac", False),
        ([("label.district", "nord"), ("label.district", "süd")], "abc", False),
        ([("label.district", "nord"), ("label.kind", "gym")], "c", False),
        ([("label.district", "")], "d", False),
        ([("label.district", "west")], "", False),
        ([("label.district", "nord"), ("diagnosis", "ok"), ("lang", "de")], "a", False),
        ([("limit", "2")], "ab", True),
        ([("limit", "2"), ("after", "b")], "cd", False),
        ([("limit", "4")], "abcd", False),
    ],
)
def test_the_schools_that_are_asked_for(items: list[tuple[str, str]], names: str, more: bool) -> None:
    page, further = selection(items).page(REPORTS)
    assert "".join(one.school.name for one in page) == names
    assert further is more


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("diagnose", "ok", "unknown parameter 'diagnose'"),
        ("label.", "x", "unknown parameter 'label.'"),
        ("diagnosis", "fine", "unknown diagnosis 'fine': there are unknown, dns_failed, "),
        ("limit", "0", "limit '0' is not"),
        ("limit", "-1", "limit '-1' is not"),
        ("limit", "ten", "limit 'ten' is not"),
        ("limit", "9" * 30, "is not a number"),
    ],
)
def test_what_is_asked_in_vain_is_named(key: str, value: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        selection([(key, value)])


@pytest.mark.parametrize(
    ("asked", "header", "lang"),
    [
        (None, "", "en"),
        (None, "de-DE,de;q=0.9,en;q=0.8", "de"),
        ("en", "de", "en"),
        ("de", "en", "de"),
    ],
)
def test_the_language(asked: str | None, header: str, lang: str) -> None:
    assert language(asked, header) == lang


def test_an_unknown_language_is_named() -> None:
    with pytest.raises(ValueError, match="unknown lang 'fr': there are en and de"):
        language("fr", "de")
