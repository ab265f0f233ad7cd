"""Writing behind as it is measured: with a real database, and what fails the run."""

from pathlib import Path

from bench import report
from bench.__main__ import main
from bench.scenarios.base import Data
from bench.scenarios.write_behind import outcome
from bench.store.rush import Rush, Shape
from quizd._fast import scoring
from quizd.session import records as rec
from quizd.session.live import LiveSession
from tests.support.postgres_server import needs_postgres

FOUND: Data = {"seconds": 1.0, "expected": 500, "lost": 0, "duplicates": 0}
WRITTEN: Data = {**FOUND, "end_s": 0.1, "database_cpu_s": 0.5}


@needs_postgres
def test_it_is_measured(tmp_path: Path) -> None:
    """All figures are numbers of this run, and nothing is lost."""
    words = ["write_behind", "--players", "40", "--rounds", "2"]
    assert main([*words, "--results", str(tmp_path)]) == 0
    found = report.load(tmp_path)["write_behind"]
    assert found["answers"] == 40 * 20
    assert found["pairs"] == 2
    assert found["rows_per_second"] > 0 < found["copy_rows_per_second"]
    assert found["ratio_low"] <= found["ratio"] <= found["ratio_high"]
    assert found["database_cpu_ratio"] > 0 < found["visible_s"]
    assert (found["lost"], found["duplicates"], found["strange"]) == (0, 0, 0)


def test_what_is_lost_or_doubled_fails_the_run() -> None:
    """Wherever it was: behind the journal, by the floor, or while the journal grows."""
    fine = outcome([WRITTEN], [WRITTEN], FOUND)
    assert not fine.violations
    assert fine.data["ratio"] == 1.0
    for name in ("lost", "duplicates", "strange", "refused"):
        wrong = {**WRITTEN, name: 3}
        assert outcome([WRITTEN], [wrong], FOUND).violations.count == 3
        assert outcome([WRITTEN], [WRITTEN], {**FOUND, name: 3}).violations.count == 3


def test_the_journal_is_one_that_can_be_played() -> None:
    """Everybody has answered everything, and the rows are those answers."""
    rush = Rush(Shape(sessions=2, players=7, questions=3, tick=2), seed=1)
    rows = rush.rows()
    assert len(rows) == rush.shape.answers == len({row[:3] for row in rows})
    for session_id, parts in rush.sessions.items():
        batches = [*parts.lobby, *parts.play, *parts.end]
        records = [record for batch in batches for record in rec.unpack(batch)]
        packed = [r.packed for r in records if isinstance(r, rec.AnswersAccepted)]
        points = sum(a["points"] for each in packed for a in scoring.answers_in(each))
        board = LiveSession.replay(records).state.board
        assert sum(score for _, score, _ in board.page(0, 7)) == points
        assert points == sum(int(str(row[6])) for row in rows if row[0] == session_id)
