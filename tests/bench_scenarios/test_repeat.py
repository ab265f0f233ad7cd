"""Runs in a row: what is kept of each, and when a target counts as held."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bench import repeat
from bench.scenarios.base import Outcome
from bench.standard import Step
from tests.bench_scenarios.canned import outcome

FIGURE = "ratio to the floor"


def in_turn(*ratios: float | None, faults: int = 0) -> Step:
    """Return a step that gives these ratios, one a run; ``None``: it breaks."""
    left = list(ratios)

    def run() -> Sequence[Outcome]:
        ratio = left.pop(0)
        if ratio is None:
            raise RuntimeError("no server")
        return [outcome(ratio, faults)]

    return Step(("canned",), 1, run)


def suite_of(step: Step) -> Callable[[], list[Step]]:
    """Return what stands for the standard suite."""
    return lambda: [step]


@pytest.mark.parametrize(
    ("ratios", "held"),
    [
        ((1.0, 1.05, 1.1), True),
        ((1.0, 1.2, 1.0), False),
        ((1.0, None, 1.0), False),
    ],
)
def test_a_target_is_held_only_in_every_run(
    tmp_path: Path, ratios: tuple[float | None, ...], held: bool
) -> None:
    """One miss is enough, and so is one run without the figure."""
    found = repeat.repeated([in_turn(*ratios)], len(ratios), tmp_path)
    assert found["held"] == {FIGURE: held}
    stored = json.loads((tmp_path / "repeated.json").read_text(encoding="utf-8"))
    assert stored["held"] == found["held"]
    values = [run["figures"].get(FIGURE, {}).get("value") for run in stored["runs"]]
    assert values == list(ratios)


def test_the_table_has_a_column_for_each_run(tmp_path: Path) -> None:
    """Misses are bold, figures without a target have no line."""
    found = repeat.repeated([in_turn(1.0, 1.25, None)], 3, tmp_path)
    (line,) = [row for row in repeat.table(found).splitlines() if FIGURE in row]
    assert line == (f"| {FIGURE} | P1 ≤ 1.1 | 1.00 | **1.25** | **none** | MISSED |")
    assert "time" not in found["held"]
    assert (tmp_path / "repeated.md").read_text(encoding="utf-8") == repeat.table(found)


@pytest.mark.parametrize(
    ("step", "status"),
    [(in_turn(9.9), 0), (in_turn(1.0, faults=2), 1), (in_turn(None), 1)],
)
def test_only_what_is_wrong_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: Step, status: int
) -> None:
    """A missed target is a result; a violation and a broken scenario are not."""
    monkeypatch.setattr(repeat, "steps", suite_of(step))
    words = ["--times", "1", "--scenarios", "canned", "--results", str(tmp_path)]
    assert repeat.main(words) == status


def test_an_unknown_scenario_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is measured, and by name."""
    assert repeat.main(["--scenarios", "fanuot"]) == 2
    assert "fanuot" in capsys.readouterr().err


def test_all_of_the_suite_is_repeated_unless_told() -> None:
    """Scenarios that share a crowd are taken together."""
    everything = {name for step in repeat.wanted([]) for name in step.names}
    assert everything >= {"fanout", "answers", "connect", "memory", "peers", "budgets"}
    (step,) = repeat.wanted(["personal_fanout"])
    assert step.names == ("fanout", "personal_fanout")
