import base64
import hashlib
import re
from dataclasses import replace

import pytest

from portwatchd.diagnosis.words import diagnosis_words
from portwatchd.model import DiagnosisKind, Report
from portwatchd.web.pages import GRAVITY, ORDER, ROWS, TEXTS, Pages, lasting, moment
from tests.unit.reports import SCHOOL, report

NOW = 1_700_003_660.0
PAGES = Pages()


def of(name: str, kind: DiagnosisKind = DiagnosisKind.OK, since: float = 1_700_000_000.0) -> Report:
    return replace(report(kind, school=replace(SCHOOL, name=name)), since=since)


def page(*reports: Report, lang: str = "en", watched: int = 0, only: DiagnosisKind | None = None) -> str:
    return PAGES.landing(reports, watched=watched or len(reports), now=NOW, lang=lang, only=only)


def names(text: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="[^"]+">([^<]+)</a>', text)


def test_the_worst_come_first_and_of_them_the_latest() -> None:
    text = page(
        of("well"),
        of("open", DiagnosisKind.UNKNOWN),
        of("lately", DiagnosisKind.SERVICES_DOWN, since=1_700_000_600.0),
        of("long", DiagnosisKind.SERVICES_DOWN),
        of("dead", DiagnosisKind.LINE_DOWN),
        of("odd", DiagnosisKind.POLICY_VIOLATED),
    )
    assert names(text) == ["dead", "lately", "long", "odd", "open", "well"]


def test_schools_are_counted_by_diagnosis() -> None:
    text = page(of("a"), of("b"), of("c", DiagnosisKind.LINE_DOWN), watched=5)
    assert "<b>3</b> all" in text
    assert "<b>2</b> all well" in text
    assert "<b>1</b> line down" in text
    assert "2 more wait for their first round." in text
    assert "forwards lost" not in text


def test_one_diagnosis_alone() -> None:
    text = page(of("a"), of("c", DiagnosisKind.LINE_DOWN), only=DiagnosisKind.LINE_DOWN)
    assert names(text) == ["c"]
    assert "<b>2</b> all" in text


def test_rows_are_bounded_and_the_page_says_so() -> None:
    text = page(*(of(f"school-{n}") for n in range(ROWS + 5)))
    assert len(names(text)) == ROWS
    assert f"{ROWS} of {ROWS + 5} schools are shown" in text


def test_german() -> None:
    text = page(of("a", DiagnosisKind.LINE_DOWN), lang="de")
    assert '<html lang="de">' in text
    assert "Leitung tot" in text
    assert "Was zu tun ist" in text
    assert 'href="?lang=en"' in text


def test_names_are_text_and_never_markup() -> None:
    text = page(of('<script>alert("x")</script>/?#'))
    assert "<script" not in text
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;/?#</a>" in text
    assert 'href="api/v1/schools/%3Cscript%3Ealert%28%22x%22%29%3C%2Fscript%3E%2F%3F%23?lang=en"' in text


def test_a_page_without_schools() -> None:
    assert "No school to show." in page()


def test_nothing_is_fetched_and_the_style_is_the_one_that_the_policy_names() -> None:
    text = page(of("a"))
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in PAGES.policy
    assert "style=" not in text
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)


@pytest.mark.parametrize("kind", DiagnosisKind)
@pytest.mark.parametrize("lang", ["en", "de"])
def test_every_diagnosis_has_a_place_and_words(kind: DiagnosisKind, lang: str) -> None:
    assert kind in ORDER
    assert kind in GRAVITY
    assert diagnosis_words(kind, lang) in page(of("a", kind), lang=lang)
    assert all(words.en and words.de for words in TEXTS.values())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 min"), (59, "0 min"), (61, "1 min"), (3600, "1 h 0 min"), (3661, "1 h 1 min"), (90_000, "1 d 1 h")],
)
def test_how_long(seconds: float, text: str) -> None:
    assert lasting(seconds) == text


def test_moments_are_utc() -> None:
    assert moment(1_700_000_000.0) == "2023-11-14 22:13 UTC"
