"""The queue's SQLite side alone: what passes, and what the journal notices of it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from quizd.clock import ManualClock
from quizd.journal.sqlite import SqliteJournal
from quizd.session import records as rec
from quizd.store.engine import sqlite_engine
from quizd.store.migrations import upgrade
from quizd.store.write_behind import Options, Pacing, write_all
from quizd.store.write_behind.sink import SinkUnavailable
from quizd.store.write_behind.sqlite import SqliteSink
from tests.store.games import expected, game, record, stored

OPTIONS = Options(key=bytes(32), pacing=Pacing(linger_s=0))


async def test_a_file_that_cannot_be_used_is_a_passing_failure(tmp_path: Path) -> None:
    """No folder, no tables, no database: an operator can mend all of it."""
    (tmp_path / "text").write_text("no database, but long enough to be none" * 100)
    for name in ("missing/quizd.sqlite3", "empty.sqlite3", "text"):
        sink = SqliteSink(tmp_path / name)
        with pytest.raises(SinkUnavailable):
            await sink.cursors(["s"])
        await sink.disconnect()


async def test_journal_and_store_share_a_file(tmp_path: Path) -> None:
    """Both go on beside each other, and a new process finds what was written."""
    path = tmp_path / "quizd.sqlite3"
    engine = sqlite_engine(path)
    records = game("s", 3)
    async with SqliteJournal(path) as journal:
        await upgrade(engine)
        await record(journal, "s", [rec.pack([each]) for each in records])
        await write_all(journal, SqliteSink(path), ManualClock(), OPTIONS)
    async with SqliteJournal(path) as journal:
        again = await write_all(journal, SqliteSink(path), ManualClock(), OPTIONS)
        assert again.batches_written == 0
    assert await stored(engine) == expected([records])
    await engine.dispose()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
