import asyncio
import gzip
import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as text_families

from portwatchd.metrics.families import CATALOGUE, PORTS, SCHOOLS
from portwatchd.metrics.negotiation import Wish
from portwatchd.metrics.own import OwnMetrics
from portwatchd.metrics.store import MetricStore
from portwatchd.model import SHOWN_LIMIT, DiagnosisKind, Family, Proof, Report, Verdict, VerdictKind
from tests.unit.metrics.samples import expected, openmetrics_families, told
from tests.unit.metrics.scraping import promtool, scraped
from tests.unit.metrics.test_render import CERTIFICATE
from tests.unit.reports import HTTPS, SCHOOL, SMTP, holes, port, report

BOTH = (Family.IPV4, Family.IPV6)


def of(name: str, kind: DiagnosisKind = DiagnosisKind.OK) -> Report:
    made = report(
        kind,
        replace(port(HTTPS), certificate=CERTIFICATE),
        holes(Family.IPV6),
        families=BOTH,
        school=replace(SCHOOL, name=name, labels=(("district", "nord"),)),
    )
    return replace(made, address_changes=((Family.IPV4, 3),))


def filled(*names: str) -> MetricStore:
    store = MetricStore()
    for name in names:
        store.put(of(name))
    return store


async def test_the_text_says_what_the_reports_say() -> None:
    read = list(text_families((await scraped(filled("a", "b"))).decode()))
    assert told(read) == expected(of("a")) | expected(of("b"))


async def test_openmetrics_says_what_the_reports_say() -> None:
    body = (await scraped(filled("a", "b"), Wish(openmetrics=True))).decode()
    assert body.endswith("\n# EOF\n")
    assert told(openmetrics_families(body)) == expected(of("a")) | expected(of("b"))


@given(name=st.text(max_size=SHOWN_LIMIT), label=st.text(min_size=1, max_size=SHOWN_LIMIT))
def test_any_label_value_is_read_as_it_was(name: str, label: str) -> None:
    store = MetricStore()
    made = report(DiagnosisKind.OK, school=replace(SCHOOL, name=name, labels=(("town", label),)))
    store.put(made)
    text = asyncio.run(scraped(store)).decode()
    assert told(text_families(text)) == expected(made)
    body = asyncio.run(scraped(store, Wish(openmetrics=True))).decode()
    assert told(openmetrics_families(body)) == expected(made)


async def test_families_and_types_are_those_of_the_catalogue_and_each_is_one_group() -> None:
    body = (await scraped(filled("a", "b", "c"))).decode()
    types = [line.split()[2:] for line in body.splitlines() if line.startswith("# TYPE")]
    assert types == [[family.name, family.kind.value] for family in (*PORTS, *SCHOOLS)]
    groups: list[str] = []
    for line in body.splitlines():
        name = line.partition("{")[0]
        if not line.startswith("#") and groups[-1:] != [name]:
            groups.append(name)
    assert len(set(groups)) == len(groups)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
async def test_promtool_has_nothing_to_say() -> None:
    own = OwnMetrics()
    store = MetricStore([own])
    store.put(of("gym-nord"))
    own.report(
        replace(
            of("gym-nord"), observations=tuple((p.service.name, p.observation) for p in of("x").ports if p.observation)
        )
    )
    own.canary("192.0.2.10:443", up=True)
    own.control(25, up=False)
    assert promtool(await scraped(store)) == ""


async def test_the_whole_catalogue_is_exported() -> None:
    store = MetricStore([OwnMetrics()])
    body = await scraped(store)
    assert [family.name for family in CATALOGUE if f"# TYPE {family.name} ".encode() not in body] == []


async def test_a_new_report_takes_the_place_of_the_former() -> None:
    store = filled("a")
    lost = port(SMTP, Verdict(VerdictKind.FORWARD_LOST, Proof.HOP))
    changed = report(DiagnosisKind.FORWARDS_LOST, lost, school=of("a").school)
    store.put(changed)
    assert len(store) == 1
    assert told(text_families((await scraped(store)).decode())) == expected(changed)


async def test_a_school_of_another_configuration_gets_new_labels() -> None:
    store = filled("a")
    moved = replace(of("a"), school=replace(of("a").school, host="new.example.org", labels=()))
    store.put(moved)
    assert told(text_families((await scraped(store)).decode())) == expected(moved)


async def test_a_removed_school_is_gone() -> None:
    store = filled("a", "b")
    store.remove("a")
    store.remove("never known")
    assert b'school="a"' not in await scraped(store)
    assert b'school="b"' in await scraped(store)


async def test_names_filter_families() -> None:
    names = frozenset({"portwatch_port_up", "portwatch_school_address_changes"})
    body = (await scraped(filled("a"), Wish(openmetrics=True, names=names))).decode()
    assert {m.name for m in openmetrics_families(body)} == names
    assert await scraped(filled("a"), Wish(names=frozenset({"nothing"}))) == b""


async def test_gzip_is_the_same_text() -> None:
    store = filled(*map(str, range(200)))
    assert gzip.decompress(await scraped(store, Wish(gzip=True))) == await scraped(store)


async def test_an_empty_store_is_a_valid_answer() -> None:
    assert list(text_families((await scraped(MetricStore())).decode()))
    assert (await scraped(MetricStore(), Wish(openmetrics=True))).endswith(b"# EOF\n")


async def test_a_scrape_sees_the_moment_it_came_whatever_is_put_meanwhile() -> None:
    store = filled(*(f"school-{n}" for n in range(300)))
    before = await scraped(store)
    pieces: list[bytes] = []
    async for piece in store.scrape(Wish()):
        pieces.append(piece)
        store.put(of(f"late-{len(pieces)}"))
        store.remove(f"school-{len(pieces)}")
    assert len(pieces) > 2
    assert b"".join(pieces) == before


async def test_pieces_are_bounded_and_the_loop_runs_between_them() -> None:
    store = filled(*(f"school-{n}" for n in range(300)))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    sizes = [len(piece) async for piece in store.scrape(Wish())]
    counting.cancel()
    assert max(sizes) < 2_000_000
    assert turns >= len(sizes)


class Slow:
    """Samples that take so many turns of the loop, and how often they were asked for."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked = 0
        self.error = error

    def pieces(self, wish: Wish) -> Iterator[bytes]:
        self.asked += 1
        for n in range(20):
            yield f"# {n}\n".encode()
        if self.error:
            raise self.error


@pytest.mark.parametrize("gzipped", [False, True])
async def test_scrapers_that_come_at_once_share_an_answer(gzipped: bool) -> None:
    slow = Slow()
    store = MetricStore([slow])
    store.put(of("a"))
    wish = Wish(gzip=gzipped)
    bodies = await asyncio.gather(*(scraped(store, wish) for _ in range(10)))
    assert slow.asked == 1
    assert len(set(bodies)) == 1
    await asyncio.gather(scraped(store, wish), scraped(store, Wish(openmetrics=True, gzip=gzipped)))
    assert slow.asked == 3


async def test_a_large_plain_answer_is_not_kept_for_others() -> None:
    slow = Slow()
    store = MetricStore([slow], shared_schools=0)
    store.put(of("a"))
    await asyncio.gather(scraped(store), scraped(store))
    assert slow.asked == 2
    await asyncio.gather(scraped(store, Wish(gzip=True)), scraped(store, Wish(gzip=True)))
    assert slow.asked == 3


async def test_a_failure_reaches_every_scraper_and_the_next_one_starts_anew() -> None:
    slow = Slow(ValueError("broken"))
    store = MetricStore([slow])
    answers = await asyncio.gather(scraped(store), scraped(store), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["broken", "broken"]
    slow.error = None
    assert (await scraped(store)).endswith(b"# 19\n")


async def test_a_scraper_that_leaves_takes_nothing_from_the_others() -> None:
    store = MetricStore([Slow()])
    store.put(of("a"))
    leaving = store.scrape(Wish())
    await anext(leaving)
    staying = asyncio.create_task(scraped(store))
    await asyncio.sleep(0)
    await leaving.aclose()  # type: ignore[attr-defined]
    assert (await staying).endswith(b"# 19\n")
