"""The store on its database: one query for many, a shared file, failures by name."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from quizd.content import load
from quizd.journal.sqlite import SqliteJournal
from quizd.store import quizzes as module
from quizd.store.base import StoreUnavailable
from quizd.store.engine import BUSY_TIMEOUT_MS, sqlite_engine
from quizd.store.quizzes import StoredQuizzes
from quizd.store.tables import metadata

DEMO = load("demo")
OTHER = DEMO.model_copy(update={"title": "other"})


class Counted(StoredQuizzes):
    """A store that counts what it asks of the database."""

    def __init__(self, path: Path | None) -> None:
        engine = sqlite_engine(path)
        self.now_s = 0.0
        super().__init__(engine, lambda: self.now_s)
        self.statements: list[str] = []
        event.listen(engine.sync_engine, "before_cursor_execute", self._count)

    def _count(self, *arguments: Any) -> None:  # noqa: ANN401 - as SQLAlchemy calls
        self.statements.append(arguments[2])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is: in a folder that isn't there yet."""
    return tmp_path / "data" / "quizd.sqlite3"


@pytest.fixture
async def quizzes(path: Path) -> AsyncIterator[Counted]:
    """A running store with a quiz in it."""
    quizzes = Counted(path)
    await quizzes.start()
    await quizzes.put("words", DEMO, 7)
    quizzes.statements.clear()
    yield quizzes
    await quizzes.stop()


async def test_a_crowd_makes_one_query(quizzes: Counted) -> None:
    """A thousand who join a cold quiz cost one look-up, a hot one none."""
    found = await asyncio.gather(*(quizzes.get("words") for _ in range(1_000)))
    assert {each.quiz == DEMO for each in found if each} == {True}
    assert len(quizzes.statements) == 1
    await quizzes.get("words")
    assert len(quizzes.statements) == 1


async def test_writing_makes_the_next_read_a_query(quizzes: Counted) -> None:
    """Also where nothing was changed or the write has failed."""
    for change in (
        quizzes.put("words", OTHER, 8),
        quizzes.put("words", OTHER, 9),
        quizzes.delete("words", 10),
    ):
        await quizzes.get("words")
        await change
        quizzes.statements.clear()
        await quizzes.get("words")
        assert len(quizzes.statements) == 1


async def test_every_version_is_kept(quizzes: Counted, path: Path) -> None:
    """As JSON, with its instant; results that name a version can be read with it."""
    await quizzes.put("words", OTHER, 9)
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute(
            "SELECT version, created_ms, content ->> '$.title' FROM quiz_versions"
        ).fetchall()
    assert rows == [(1, 7, DEMO.title), (2, 9, "other")]


async def test_a_taken_id_is_not_overwritten(
    quizzes: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new id that is there already is drawn again."""
    ids = iter(["words", "words", "fresh"])
    monkeypatch.setattr(module, "new_quiz_id", lambda: next(ids))
    stored = await quizzes.put(None, OTHER, 9)
    assert stored.quiz_id == "fresh"
    found = await quizzes.get("words")
    assert found is not None
    assert found.quiz == DEMO


async def test_a_quiz_that_comes_meanwhile_is_no_conflict(
    quizzes: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process has written between the look and the write: look again."""
    looks = iter([False, True])
    update = module._update

    async def look(*arguments: Any) -> Any:  # noqa: ANN401 - whatever it takes
        return await update(*arguments) if next(looks) else None

    async def see_nothing(*_: object) -> None:
        return None

    monkeypatch.setattr(module, "_update", look)
    monkeypatch.setattr(module, "_unchanged", see_nothing)
    assert (await quizzes.put("words", OTHER, 9)).version == 2


async def test_a_quiz_that_is_always_in_between_is_a_failure(
    quizzes: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some tries the store says so."""

    async def see_nothing(*_: object) -> None:
        return None

    monkeypatch.setattr(module, "_update", see_nothing)
    monkeypatch.setattr(module, "_unchanged", see_nothing)
    with pytest.raises(StoreUnavailable):
        await quizzes.put("words", OTHER, 9)


async def test_ids_that_are_always_taken_end_in_a_failure(
    quizzes: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some tries the store says so."""
    monkeypatch.setattr(module, "new_quiz_id", lambda: "words")
    with pytest.raises(StoreUnavailable):
        await quizzes.put(None, OTHER, 9)


def test_the_file_is_private(path: Path) -> None:
    """It and its folder are for their owner alone."""
    sqlite_engine(path)
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


async def test_what_was_put_survives_a_restart(path: Path, quizzes: Counted) -> None:
    """Another store on the file has it."""
    await quizzes.stop()
    again = StoredQuizzes(sqlite_engine(path))
    await again.start()
    found = await again.get("words")
    await again.stop()
    assert found is not None
    assert (found.version, found.quiz) == (1, DEMO)


async def test_what_another_process_writes_is_seen(
    quizzes: Counted, path: Path
) -> None:
    """Soon: what is cached is good for so long."""
    other = StoredQuizzes(sqlite_engine(path))
    await quizzes.get("words")
    await other.put("words", OTHER, 8)
    await other.stop()
    found = []
    for wait_s in (0.0, module.CACHED_S):
        quizzes.now_s += wait_s
        found.append(await quizzes.get("words"))
    assert [each.quiz for each in found if each] == [DEMO, OTHER]


# -- beside the journal ----------------------------------------------------------------


async def test_journal_and_store_share_a_file(path: Path) -> None:
    """Both write at once, whoever came first, and neither fails."""
    quizzes = StoredQuizzes(sqlite_engine(path))
    await quizzes.start()
    async with SqliteJournal(path) as journal:
        term = await journal.create("s", "words", "123456", b"one", 7)

        async def play() -> None:
            for index in range(2, 40):
                await journal.append("s", term, index, b"more")

        async def write() -> None:
            for number in range(20):
                title = DEMO.model_copy(update={"title": str(number)})
                await quizzes.put("words", title, number)

        await asyncio.gather(play(), write(), write())
        assert (await journal.entry("s")).last_index == 39
    found = await quizzes.get("words")
    await quizzes.stop()
    assert found is not None
    assert found.version >= 20


async def test_a_write_waits_for_another_to_end(quizzes: Counted, path: Path) -> None:
    """It is patient: busy is no failure."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(quizzes.put("words", OTHER, 8))
        await asyncio.sleep(0.02)
        assert not writing.done()
        db.execute("COMMIT")
        assert (await writing).version == 2


async def test_patience_is_set_on_every_connection(path: Path) -> None:
    """As long as the journal's; foreign keys hold, the log is written ahead."""
    engine = sqlite_engine(path)
    async with engine.connect() as first, engine.connect() as second:
        for connection in (first, second):
            found = [
                (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
                for name in ("busy_timeout", "journal_mode", "foreign_keys")
            ]
            assert found == [BUSY_TIMEOUT_MS, "wal", 1]
    await engine.dispose()


# -- failures --------------------------------------------------------------------------


async def test_a_database_that_fails_is_named(quizzes: Counted, path: Path) -> None:
    """Every call raises the one exception that callers know."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE quiz_versions")
        db.execute("DROP TABLE quizzes")
    for call in (
        quizzes.put("words", OTHER, 8),
        quizzes.put(None, OTHER, 8),
        quizzes.get("words"),
        quizzes.list(10),
        quizzes.delete("words", 8),
    ):
        with pytest.raises(StoreUnavailable):
            await call


async def test_a_failed_write_leaves_nothing_stale(
    quizzes: Counted, path: Path
) -> None:
    """Whether it was kept is unknown, so what is cached can't be trusted."""
    await quizzes.get("words")
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE quiz_versions")
    with pytest.raises(StoreUnavailable):
        await quizzes.put("words", OTHER, 8)
    with pytest.raises(StoreUnavailable):
        await quizzes.get("words")


async def test_a_half_done_write_is_undone(quizzes: Counted, path: Path) -> None:
    """The row and its version come together or not at all."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE quiz_versions RENAME TO aside")
    with pytest.raises(StoreUnavailable):
        await quizzes.put("words", OTHER, 8)
    with closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE aside RENAME TO quiz_versions")
    found = await quizzes.get("words")
    assert found is not None
    assert (found.version, found.quiz) == (1, DEMO)


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """Before anything is asked of the database."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        sqlite_engine(tmp_path / "file" / "quizd.sqlite3")


async def test_tables_have_names_of_their_own(path: Path) -> None:
    """The journal's tables are in the same file."""
    async with SqliteJournal(path):
        pass
    with closing(sqlite3.connect(path)) as db:
        names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        journals = {name for (name,) in names}
    assert journals
    assert not journals & set(metadata.tables)
