"""How scenarios follow each other, and what fails a run."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from bench import report, run
from bench.scenarios.base import Outcome
from bench.standard import LIMIT_S, Step, steps, suite
from tests.bench_scenarios.canned import outcome


def gives(*outcomes: Outcome) -> Step:
    """Return a step that comes to *outcomes* without doing anything."""
    names = tuple(f"scenario_{number}" for number in range(len(outcomes)))
    return Step(names, 1, lambda: outcomes)


def fails() -> Sequence[Outcome]:
    """Do what a scenario does that cannot start its server."""
    raise RuntimeError("no server")


def test_a_suite_without_violations_is_well(tmp_path: Path) -> None:
    """A missed target is a result and no failure."""
    assert suite([gives(outcome(), outcome(9.9))], 60, tmp_path)
    assert set(report.load(tmp_path)["runs"]) == {"scenario_0", "scenario_1"}


def test_a_violation_fails_the_suite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is printed, and stands in the file."""
    assert not suite([gives(outcome(faults=2))], 60, tmp_path)
    assert "VIOLATION 0: wrong rank" in capsys.readouterr().out
    assert report.load(tmp_path)["runs"]["scenario_0"]["violations"]["count"] == 2


def test_a_scenario_that_breaks_leaves_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The suite fails, with the reason, and the next scenario is measured."""
    assert not suite([Step(("broken",), 1, fails), gives(outcome())], 60, tmp_path)
    assert "no server" in capsys.readouterr().err
    assert "scenario_0" in report.load(tmp_path)["runs"]


def test_what_there_is_no_time_for_is_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line says so."""
    long = Step(("long",), 100, lambda: [outcome()])
    assert suite([long, gives(outcome())], 60, tmp_path)
    assert "long: skipped" in capsys.readouterr().out
    assert "long" not in report.load(tmp_path)["runs"]


def test_the_standard_suite_is_in_time() -> None:
    """Its parts together may take ten minutes at most where all goes as expected."""
    assert sum(step.seconds for step in steps()) <= LIMIT_S
    assert steps()[0].names == ("fanout", "personal_fanout")


def test_a_single_scenario_takes_its_place(tmp_path: Path) -> None:
    """The others' results stay where they are."""
    run.keep(run.begin(tmp_path, fresh=True), "fanout", outcome(), 1, tmp_path)
    run.keep(run.begin(tmp_path, fresh=False), "answers", outcome(2), 1, tmp_path)
    found = report.load(tmp_path)
    assert found["fanout"] == {"ratio": 1.05}
    assert found["answers"] == {"ratio": 2}
    assert found["machine"]["cores"] >= 1
