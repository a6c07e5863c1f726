"""The table of the figures."""

from tests.bench.results import FIGURES, Results


def measured() -> Results:
    results = Results()
    results.note("tcp", [0.2, 0.4], "0.4 ms against 1 ms")
    results.note("missed", 0)
    results.note("audit", 21.4)
    return results


def test_the_worst_run_counts() -> None:
    lines = measured().table("two cores", "2026-01-02").splitlines()
    name = FIGURES["tcp"].name
    assert f"| {name} | <= 0.35 times | 0.40 times | **no** | 2 runs; 0.4 ms against 1 ms | 2026-01-02 |" in lines
    assert f"| {FIGURES['missed'].name} | <= 0 | 0 | yes |  | 2026-01-02 |" in lines
    assert f"| {FIGURES['audit'].name} |  | 21.40 ms |  |  | 2026-01-02 |" in lines
    assert "two cores" in lines


def test_what_was_not_measured_now_stands_as_before() -> None:
    before = measured().table("two cores", "2026-01-02")
    again = Results()
    again.note("tcp", 0.3)
    after = again.table("two cores", "2026-02-03", before)
    assert after.count("2026-02-03") == 1
    assert after.count("2026-01-02") == 2
    assert "0.40 times" not in after
    assert after.splitlines()[: len(before.splitlines()) - 1][:8] == before.splitlines()[:8]


def test_figures_of_another_machine_are_dropped() -> None:
    before = measured().table("two cores", "2026-01-02")
    assert "2026-01-02" not in Results().table("four cores", "2026-02-03", before)
