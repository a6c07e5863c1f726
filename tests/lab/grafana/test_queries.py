"""Every query of every dashboard is answered: without error, not empty, few series, in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.grafana.boards import PATHS, Asked, filled, label_values, load, panel_queries, variable_queries

if TYPE_CHECKING:
    from .conftest import Data
    from .prometheus import Answered

MOST_SERIES = 1_000
MOST_SECONDS = 2.0
TRIES = 4
"""The best of so many counts: a query that is too slow is so each time, a machine that is busy is not."""
SERVERS = ("daemon", "5,000 schools")
BOARDS = [path.stem for path in PATHS]

_NOTHING_ISOLATED = "no monitor was isolated"
EMPTY: dict[tuple[str, str, str], str] = {
    **{(server, board, "annotation Monitor isolated"): _NOTHING_ISOLATED for server in SERVERS for board in BOARDS},
    ("5,000 schools", "portwatch-monitor", "Scraped (A)"): "`up` is written by a scrape, and these were back-filled",
    ("5,000 schools", "portwatch-fleet", "Alerts firing (A)"): "rules are evaluated now, and the samples end before",
    ("daemon", "portwatch-certificates", "Renewal overdue (100) (A)"): "no simulated certificate is that old",
    ("daemon", "portwatch-certificates", "Not reachable for renewal (100) (A)"): "port 80 is well or wholly lost",
}
"""Queries that have no series: by server, dashboard and place, with the reason."""
MANY_VALUES = {
    ("portwatch-school", "variable school"): "names in a list to search in; the district narrows it",
    ("portwatch-ports", "variable school"): "as above",
    ("portwatch-certificates", "variable school"): "as above",
}


def values(data: Data, asked: Asked, *, district: str, school: str) -> dict[str, str]:
    """Return the variables' values as Grafana fills them in."""
    step = step_of(data, asked)
    single = asked.board == "portwatch-school"
    return {
        "job": ".+",
        "instance": ".+",
        "district": district,
        "school": data.school if single else school,
        "port_name": "smtp",
        "stage": "total",
        "__range": f"{int(data.end - data.begin)}s",
        "__rate_interval": f"{int(max(step + data.scrape_interval, 4 * data.scrape_interval))}s",
    }


def step_of(data: Data, asked: Asked) -> float:
    """Return the step that Grafana takes, but as many points as the panel may have."""
    return max((data.end - data.begin) / asked.points, 0.5)


def _best(here: Data, asked: Asked, expression: str) -> Answered:
    """Return the first answer within the limit, or the quickest."""
    answers: list[Answered] = []
    while len(answers) < TRIES and not (answers and answers[-1].seconds <= MOST_SECONDS):
        if asked.instant:
            answers.append(here.server.instant(expression, here.end))
        else:
            answers.append(here.server.over(expression, here.begin, here.end, step_of(here, asked)))
    return min(answers, key=lambda answer: answer.seconds)


@pytest.mark.timeout(120, func_only=True)
@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("name", SERVERS)
def test_every_query(data: dict[str, Data], board: str, name: str) -> None:
    here = data[name]
    loaded = load(next(path for path in PATHS if path.stem == board))
    wrong: list[str] = []
    slowest = 0.0
    count = 0
    for asked in panel_queries(loaded):
        for district, school, whole in ((".+", ".+", True), (f"({here.district}|none)", f"({here.school}|x)", False)):
            filled_in = filled(asked.expression, values(here, asked, district=district, school=school))
            answer = _best(here, asked, filled_in)
            count += 1
            slowest = max(slowest, answer.seconds)
            told = f"{name}, {asked}: {len(answer.series)} series in {answer.seconds:.3f} s"
            told += f" ({answer.cpu:.2f} s of processor)"
            print(told)  # noqa: T201 - a measurement
            if len(answer.series) > MOST_SERIES or answer.seconds > MOST_SECONDS:
                wrong.append(told)
            may_be_empty = (name, asked.board, asked.place) in EMPTY
            if whole and not answer.series and not may_be_empty:
                wrong.append(f"{told}: empty")
            if whole and answer.series and may_be_empty:
                wrong.append(f"{told}: is listed as empty")
    for asked in variable_queries(loaded):
        selector, label = label_values(filled(asked.expression, values(here, asked, district=".+", school=".+")))
        found, seconds = here.server.values(label, selector, here.begin, here.end)
        count += 1
        slowest = max(slowest, seconds)
        print(f"{name}, {asked}: {len(found)} values in {seconds:.3f} s")  # noqa: T201
        if not found or seconds > MOST_SECONDS:
            wrong.append(f"{name}, {asked}: {len(found)} values in {seconds:.3f} s")
        if len(found) > MOST_SERIES and (asked.board, asked.place) not in MANY_VALUES:
            wrong.append(f"{name}, {asked}: {len(found)} values")
    print(f"{name}, {board}: {count} queries, the slowest took {slowest:.3f} s")  # noqa: T201
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", SERVERS)
def test_schools_without_a_district_can_be_chosen_and_are_shown(data: dict[str, Data], name: str) -> None:
    here = data[name]
    board = load(next(path for path in PATHS if path.stem == "portwatch-fleet"))
    of_district = next(one for one in variable_queries(board) if one.place == "variable district")
    selector, label = label_values(filled(of_district.expression, values(here, of_district, district="", school="")))
    found, _ = here.server.values(label, selector, here.begin, here.end)
    assert {"none", here.district} <= set(found)
    schools = next(one for one in panel_queries(board) if one.place == "Schools (A)")
    counted: dict[str, float] = {}
    for district in (".+", *found):
        expression = filled(schools.expression, values(here, schools, district=district, school=""))
        (series,) = _best(here, schools, expression).series
        counted[district] = float(series["value"][1])
    (every,) = here.server.instant("count(group by (school) (portwatch_school_info))", here.end).series
    assert counted.pop(".+") == sum(counted.values()) == float(every["value"][1])
