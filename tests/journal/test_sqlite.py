"""The journal on SQLite: its file, its lock, its failures, and ``kill -9``."""

import asyncio
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import reduce
from pathlib import Path

import pytest
import uvloop

from quizd.journal import NO_HASH, Fenced, JournalUnavailable, Unknown, chain
from quizd.journal.sqlite import SqliteJournal
from quizd.journal.sqlite_file import SCHEMA_VERSION
from quizd.journal.sqlite_writer import GROUP_ROWS
from tests.journal.appender import SESSIONS, content

ROOT = Path(__file__).resolve().parents[2]

VERSION_1 = (
    """CREATE TABLE journal_runs (
        run INTEGER PRIMARY KEY, alive_ms INTEGER NOT NULL)""",
    """CREATE TABLE journal_sessions (
        key INTEGER PRIMARY KEY, session_id TEXT NOT NULL UNIQUE,
        quiz_id TEXT NOT NULL, pin TEXT NOT NULL, term INTEGER NOT NULL,
        run INTEGER NOT NULL, claimed_ms INTEGER NOT NULL, alive_ms INTEGER NOT NULL,
        ended INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE journal_batches (
        session INTEGER NOT NULL, idx INTEGER NOT NULL, term INTEGER NOT NULL,
        batch BLOB NOT NULL, PRIMARY KEY (session, idx))""",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the journal's file is, in a directory that is to be made."""
    return tmp_path / "data" / "quizd.sqlite3"


@contextmanager
def writing_elsewhere(path: Path) -> Iterator[None]:
    """Hold the file's write lock, as a long transaction of the store would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def no_space_beyond(limit_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond *limit_bytes*."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def overwrite(path: Path, content: bytes, start: int = 0) -> None:
    """Put *content* into the file from *start* on, over whatever is there."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.seek(start)
        file.write(content)


def bytes_of(path: Path) -> bytes:
    """Return the content of a file."""
    return path.read_bytes()


async def log(journal: SqliteJournal, session_id: str) -> list[tuple[int, bytes]]:
    """Return all that *journal* has of a session."""
    return [item async for item in journal.read(session_id)]


async def append_all(
    journal: SqliteJournal, terms: dict[str, int], index: int, batch: bytes
) -> list[BaseException | None]:
    """Append *batch* to every session at once; return what each was told."""
    appends = (journal.append(name, term, index, batch) for name, term in terms.items())
    return await asyncio.gather(*appends, return_exceptions=True)


class TestFile:
    """What is on the disk, and who may use it."""

    async def test_is_for_its_owner_only(self, path: Path) -> None:
        """The directory has mode 0700, everything in it 0600."""
        async with SqliteJournal(path) as journal:
            await journal.create("s", "quiz", "1", b"1", 1)
            modes = {
                file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()
            }
        assert path.parent.stat().st_mode & 0o777 == 0o700
        names = ("", "-wal", "-shm", ".lock")
        assert modes == {f"quizd.sqlite3{name}": 0o600 for name in names}

    async def test_waits_for_the_disk(self, path: Path) -> None:
        """Batches are committed with a log and a sync, as `durability` says."""
        async with SqliteJournal(path) as journal:
            assert journal._run is not None
            db = journal._run._writer._ledger._db
            pragmas = ("journal_mode", "synchronous")
            values = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]
        assert values == ["wal", 2]

    async def test_only_one_process_at_a_time(self, path: Path) -> None:
        """A second process is told which one has the file, and harms nothing."""
        program = (
            "import asyncio, sys; from quizd.journal.sqlite import SqliteJournal\n"
            "asyncio.run(SqliteJournal(sys.argv[1]).start())"
        )
        alias = path.with_name("alias.sqlite3")
        async with SqliteJournal(path) as journal:
            alias.symlink_to(path)
            second = await asyncio.create_subprocess_exec(
                sys.executable, "-c", program, alias, cwd=ROOT, stderr=subprocess.PIPE
            )
            _, stderr = await second.communicate()
            await journal.create("s", "quiz", "1", b"1", 1)
        assert second.returncode == 1
        assert f"in use by process {os.getpid()}" in stderr.decode()

    async def test_a_newer_file_is_left_alone(self, path: Path) -> None:
        """A file of a later version is refused, by both numbers, and unchanged."""
        path.parent.mkdir()
        with closing(sqlite3.connect(path)) as db:
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        before = bytes_of(path)
        with pytest.raises(
            JournalUnavailable, match=r"newer quizd .*version 3.*knows 2"
        ):
            await SqliteJournal(path).start()
        assert bytes_of(path) == before

    async def test_a_file_of_version_1_is_brought_up_to_date(self, path: Path) -> None:
        """Its logs get their hashes, and everything else works as for a new file."""
        path.parent.mkdir()
        with closing(sqlite3.connect(path)) as db, db:
            for statement in VERSION_1:
                db.execute(statement)
            for key, name in ((1, "a"), (2, "b")):
                row: tuple[object, ...] = (key, name, "quiz", "1", 7, 1, 7, 7)
                sessions = "INSERT INTO journal_sessions VALUES (?,?,?,?,?,?,?,?,0)"
                db.execute(sessions, row)
                for index in (1, 2, 3):
                    row = (key, index, 7, f"{name}{index}".encode())
                    db.execute("INSERT INTO journal_batches VALUES (?, ?, ?, ?)", row)
            db.execute("INSERT INTO journal_runs VALUES (1, 7)")
            db.execute("PRAGMA user_version = 1")
        for _ in range(2):
            async with SqliteJournal(path) as journal:
                for name in "ab":
                    batches = [f"{name}{index}".encode() for index in (1, 2, 3)]
                    assert [batch for _, batch in await log(journal, name)] == batches
                    assert (await journal.position(name)).hash == reduce(
                        chain, batches, NO_HASH
                    )
        async with SqliteJournal(path) as journal:
            await journal.append("a", 7, 4, b"a4")
            await journal.save_snapshot("a", 7, 3, {"state": b"3"})
            assert await journal.trim("a", 4) == 3
            assert [entry.alive_ms for entry in await journal.sessions()] == [7, 7]

    async def test_a_failed_start_leaves_no_lock(self, path: Path) -> None:
        """Once the cause is out of the way the same file can be opened."""
        path.parent.mkdir()
        overwrite(path, b"these are not the bytes of a database" * 100)
        journal = SqliteJournal(path)
        with pytest.raises(JournalUnavailable, match="not an SQLite database"):
            await journal.start()
        os.truncate(path, 0)
        async with journal:
            await journal.create("s", "quiz", "1", b"1", 1)

    async def test_a_place_that_cannot_be(self, tmp_path: Path) -> None:
        """What the system says about the path is passed on."""
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(JournalUnavailable, match="file"):
            await SqliteJournal(tmp_path / "file" / "quizd.sqlite3").start()

    async def test_a_damaged_file_is_called_so(self, path: Path) -> None:
        """Pages that make no sense are an error of the storage, not an answer."""
        async with SqliteJournal(path) as journal:
            term = await journal.create("s", "quiz", "1", bytes(100_000), 1)
            await journal.append("s", term, 2, bytes(100_000))
        overwrite(path, b"\xa5" * 200_000, start=4096)
        with pytest.raises(JournalUnavailable, match="damaged"):
            async with SqliteJournal(path) as journal:
                await log(journal, "s")


class TestFailure:
    """When the storage fails, everybody hears of it, and nothing is lost."""

    async def test_a_full_disk_fails_the_group_and_the_next_one_tries_again(
        self, path: Path
    ) -> None:
        """Nobody's batch is acknowledged; repeated, each is kept once."""
        async with SqliteJournal(path) as journal:
            terms = {n: await journal.create(n, "quiz", "1", b"1", 1) for n in "abc"}
            batch = bytes(500_000)
            with no_space_beyond(400_000):
                told = await append_all(journal, terms, 2, batch)
                with pytest.raises(JournalUnavailable, match="disk"):
                    await journal.create("d", "quiz", "1", batch, 1)
            assert [type(one) for one in told] == [JournalUnavailable] * 3
            assert "disk" in str(told[0])
            assert await append_all(journal, terms, 2, batch) == [None] * 3
            await journal.create("d", "quiz", "1", batch, 1)
        async with SqliteJournal(path) as journal:
            for name in "abc":
                assert await log(journal, name) == [(1, b"1"), (2, batch)]
            assert await log(journal, "d") == [(1, batch)]

    async def test_a_lock_that_is_not_given_up(self, path: Path) -> None:
        """A program that keeps the file locked is named as the cause, once late."""
        async with SqliteJournal(path, busy_timeout_ms=20) as journal:
            term = await journal.create("s", "quiz", "1", b"1", 1)
            with writing_elsewhere(path):
                for write in (
                    journal.append("s", term, 2, b"2"),
                    journal.claim("s", 5),
                    journal.renew(5),
                    journal.finish("s", term),
                ):
                    with pytest.raises(JournalUnavailable, match="locked"):
                        await write
            await journal.append("s", term, 2, b"2")
            assert (await journal.entry("s")).term == term

    async def test_a_batch_that_was_kept_unheard_of(self, path: Path) -> None:
        """What another connection did to the file is found out, never overwritten."""
        async with SqliteJournal(path) as journal:
            term = await journal.create("s", "quiz", "1", b"1", 1)
            await journal.append("s", term, 2, b"2")
            with closing(sqlite3.connect(path)) as other, other:
                other.execute(
                    "INSERT INTO journal_batches (session, idx, term, batch, hash)"
                    " SELECT session, 3, term, ?, x'00' FROM journal_batches"
                    " WHERE idx = 2",
                    (b"3",),
                )
            with pytest.raises(JournalUnavailable):
                await journal.append("s", term, 3, b"3")
            await journal.append("s", term, 3, b"3")
            with pytest.raises(Fenced):
                await journal.append("s", term, 3, b"three")
            assert (await log(journal, "s"))[2:] == [(3, b"3")]

    def test_a_loop_that_closed_without_a_stop(self, path: Path) -> None:
        """The writer ends when there is nobody left to report to, and unlocks."""

        async def leave() -> None:
            journal = SqliteJournal(path)
            await journal.start()
            await journal.create("s", "quiz", "1", b"1", 1)
            elsewhere.__enter__()
            append = asyncio.create_task(journal.append("s", 1, 2, b"2"))
            await asyncio.sleep(0)
            append.cancel()

        elsewhere = writing_elsewhere(path)
        asyncio.run(leave())
        elsewhere.__exit__(None, None, None)
        for thread in threading.enumerate():
            if thread.name == "journal-writer":
                thread.join(10)
                assert not thread.is_alive()

        async def look() -> list[tuple[int, bytes]]:
            async with SqliteJournal(path) as journal:
                return await log(journal, "s")

        assert asyncio.run(look()) == [(1, b"1"), (2, b"2")]


class TestGone:
    """Sessions that are to go are not forgotten about by a restart."""

    async def test_a_restart_does_not_begin_the_time_again(self, path: Path) -> None:
        """It is counted from the first renewal, over all lives of the process."""
        async with SqliteJournal(path) as journal:
            await journal.finish("s", await journal.create("s", "quiz", "1", b"1", 1))
            await journal.expire("s", 10.0)
            await journal.renew(5_000)
        async with SqliteJournal(path) as journal:
            await journal.renew(14_999)
            assert (await journal.entry("s")).ended
            await journal.renew(15_000)
            with pytest.raises(Unknown):
                await journal.entry("s")

    async def test_nothing_of_it_stays_in_the_file(self, path: Path) -> None:
        """Rows of every table are gone."""
        async with SqliteJournal(path) as journal:
            term = await journal.create("s", "quiz", "1", b"1", 1)
            await journal.save_snapshot("s", term, 1, {"state": b"1"})
            await journal.finish("s", term)
            await journal.forget("s")
        with closing(sqlite3.connect(path)) as db:
            for table in ("sessions", "batches", "snapshots", "parts"):
                count = f"SELECT count(*) FROM journal_{table}"  # noqa: S608
                assert db.execute(count).fetchone() == (0,)

    async def test_a_snapshot_and_its_index_move_together(self, path: Path) -> None:
        """A disk that fills up between the parts leaves the one before, whole."""
        async with SqliteJournal(path) as journal:
            term = await journal.create("s", "quiz", "1", b"1", 1)
            await journal.append("s", term, 2, b"2")
            await journal.save_snapshot("s", term, 1, {"a": b"1", "b": b"1"})
            parts = {"a": b"2", "b": bytes(500_000)}
            with (
                no_space_beyond(400_000),
                pytest.raises(JournalUnavailable, match="disk"),
            ):
                await journal.save_snapshot("s", term, 2, parts)
            snapshot = await journal.load_snapshot("s")
            assert snapshot is not None
            assert (snapshot.index, snapshot.parts) == (1, {"a": b"1", "b": b"1"})
            await journal.save_snapshot("s", term, 2, {"a": b"2"})


class TestGroups:
    """How many commits there are is decided by what waits."""

    async def test_a_large_group_is_split(self, path: Path) -> None:
        """More sessions than rows of a statement take one commit more."""
        async with SqliteJournal(path) as journal:
            names = [f"s{n}" for n in range(GROUP_ROWS + 50)]
            terms = {n: await journal.create(n, "quiz", "1", b"1", 1) for n in names}
            before = journal.commits
            with writing_elsewhere(path):
                tasks = [
                    asyncio.create_task(journal.append(name, term, 2, b"2"))
                    for name, term in terms.items()
                ]
                await asyncio.sleep(0)
            await asyncio.gather(*tasks)
            assert 2 <= journal.commits - before <= 3

    async def test_idle_appends_are_not_held_back(self, path: Path) -> None:
        """One append after the other is one commit each."""
        async with SqliteJournal(path) as journal:
            term = await journal.create("s", "quiz", "1", b"1", 1)
            for index in range(2, 32):
                await journal.append("s", term, index, b"x")
            assert journal.commits == 31

    def test_runs_on_uvloop(self, path: Path) -> None:
        """The loop that the server uses serves the journal as well."""

        async def play() -> list[tuple[int, bytes]]:
            async with SqliteJournal(path) as journal:
                terms = {n: await journal.create(n, "q", "1", b"1", 1) for n in "abc"}
                assert await append_all(journal, terms, 2, b"2") == [None] * 3
                return await log(journal, "b")

        assert uvloop.run(play()) == [(1, b"1"), (2, b"2")]


def killed_after(path: Path, round_number: int, lines: int) -> list[str]:
    """Run the appender, kill it after *lines* lines, return all it has said."""
    module = "tests.journal.appender"
    command = [sys.executable, "-m", module, str(path), str(round_number)]
    with subprocess.Popen(  # noqa: S603 - our own program
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as appender:
        assert appender.stdout is not None
        said = [appender.stdout.readline() for _ in range(lines)]
        appender.send_signal(signal.SIGKILL)
        return [line for line in said + appender.stdout.readlines() if line]


async def test_kill_9_loses_nothing_that_was_acknowledged(path: Path) -> None:
    """After each kill every acknowledged batch and renewal is there, nothing torn."""
    seed = random.randrange(2**32)
    print(f"{seed=}")
    rng = random.Random(seed)
    acknowledged: dict[str, dict[int, int]] = {name: {} for name in SESSIONS}
    for round_number in range(1, 6):
        alive_ms = 0
        for line in killed_after(path, round_number, rng.randrange(1, 400)):
            name, *numbers = line.split()
            if name == "alive":
                alive_ms = int(numbers[0])
            else:
                acknowledged[name][int(numbers[0])] = int(numbers[1])
        async with SqliteJournal(path) as journal:
            for entry in await journal.sessions():
                terms = acknowledged[entry.session_id]
                check_contents(
                    entry.session_id, await log(journal, entry.session_id), terms
                )
                if entry.term in terms.values():  # its owner had begun to append
                    assert entry.alive_ms >= alive_ms
    assert sum(map(len, acknowledged.values())) > 0


def check_contents(
    session_id: str, found: list[tuple[int, bytes]], terms: dict[int, int]
) -> None:
    """Assert that *found* has no gap, all indices in *terms*, and no other bytes."""
    assert [index for index, _ in found] == list(range(1, len(found) + 1))
    batches = dict(found)
    for index, term in terms.items():
        assert batches[index] == content(session_id, index, term)
    for index, batch in found:
        term = int(batch.split(b";", 1)[0].split()[2])
        assert batch == content(session_id, index, term)
