"""Instruction counts: what is held against the record, and what fails."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from bench import check
from bench.micro import record
from bench.micro.counted import CountFailed, count, instructions
from bench.micro.workloads import WORKLOADS, Workload
from bench.scenarios.base import number

COUNTS = {"ranking.freeze": 188.6, "wire.frame": 1105.0}
VALGRIND = shutil.which("valgrind")


def recorded(path: Path, counts: Mapping[str, float]) -> Path:
    """Record *counts*, as of this machine."""
    record.write(path / "instructions.json", counts, record.versions("valgrind"))
    return path / "instructions.json"


def counter(_: str) -> dict[str, float]:
    """Return :data:`COUNTS`, without counting."""
    return COUNTS


def test_the_same_counts_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each workload has a line of its own in the table, and nothing fails."""
    assert check.check("valgrind", recorded(tmp_path, COUNTS), counter) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in COUNTS)
    assert "FAILED" not in said


def test_a_doubled_count_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line names the workload, what it took, what it takes, and the ratio."""
    doctored = {**COUNTS, "wire.frame": COUNTS["wire.frame"] / 2}
    assert check.check("valgrind", recorded(tmp_path, doctored), counter) == 1
    failed = [line for line in capsys.readouterr().out.splitlines() if "FAILED" in line]
    before, now = number(doctored["wire.frame"]), number(COUNTS["wire.frame"])
    assert failed == [
        f"FAILED wire.frame: {before} before, {now} now, 2.00 times as many"
    ]


@pytest.mark.parametrize(
    ("ratio", "fails"), [(0.5, False), (1.25, False), (1.26, True)]
)
def test_a_quarter_more_is_let_pass(ratio: float, fails: bool) -> None:
    """The limit itself is allowed, and so is any improvement."""
    (row,) = record.compared({"one": 100.0}, {"one": 100.0 * ratio})
    assert bool(row.offence) is fails


def test_what_only_one_side_knows_fails() -> None:
    """A workload can't slip out of the comparison by being new, or being gone."""
    rows = record.compared({"gone": 1.0, "kept": 1.0}, {"new": 1.0, "kept": 1.0})
    offences = [row.offence for row in rows if row.offence]
    assert [text.partition(":")[0] for text in offences] == ["new", "gone"]
    assert any("–" in line for line in record.table(rows))


def test_without_a_record_there_is_nothing_to_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It fails, and says how to make one."""
    assert check.check("valgrind", tmp_path / "none.json", counter) == 1
    assert "--record" in capsys.readouterr().err


def test_another_file_is_no_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails in one line, and nothing is counted."""
    path = tmp_path / "instructions.json"
    path.write_text("[]", encoding="utf-8")
    monkeypatch.setattr("shutil.which", lambda _: "valgrind")
    assert check.main(["--file", str(path)]) == 1
    assert "no record" in capsys.readouterr().err


def test_what_is_recorded_passes(tmp_path: Path) -> None:
    """The record tells what it was made with, and is held right after it is made."""
    path = tmp_path / "results" / "instructions.json"
    assert check.write_down("valgrind", path, counter) == 0
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["instructions"] == COUNTS
    assert all(found[name] for name in ("cpu", "python", "compiler", "cython"))
    assert check.check("valgrind", path, counter) == 0


def test_another_compiler_is_told() -> None:
    """Counts of two compilers differ by more than the code does."""
    now = dict.fromkeys(record.VERSIONS, "one")
    lines = [*record.differing({**now, "compiler": "other"}, now)]
    assert lines == ["recorded with another compiler: other, here one"]


def test_without_valgrind_the_check_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, and a status that is neither passed nor failed."""
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert check.main([]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_profile_without_a_sum_is_an_error(tmp_path: Path) -> None:
    """A count is never guessed."""
    profile = tmp_path / "profile.1"
    profile.write_text("events: Ir\nsummary: 1234\n", encoding="utf-8")
    assert instructions(profile) == 1234
    profile.write_text("events: Ir\n", encoding="utf-8")
    with pytest.raises(CountFailed, match=r"profile\.1"):
        instructions(profile)


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda each: each.name)
def test_every_workload_can_be_done_again(workload: Workload) -> None:
    """Once, and twice as much, as counting does it."""
    for steps in (1, 2):
        workload.prepare(steps)()


@pytest.mark.skipif(VALGRIND is None, reason="valgrind is not installed")
def test_counting_is_exact_and_linear() -> None:
    """Two runs agree, and the interpreter's start is no part of a count."""
    one = [each for each in WORKLOADS if each.name == "answers.parse_answer"]
    first, second = (count(str(VALGRIND), one) for _ in range(2))
    assert first["answers.parse_answer"] == pytest.approx(
        second["answers.parse_answer"], rel=0.01
    )
    assert 100 < first["answers.parse_answer"] < 10_000
