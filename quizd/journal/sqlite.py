"""The journal of one process, on an SQLite file of its own or the store's.

What the event loop sees is here; `sqlite_writer` is the thread that commits,
`sqlite_ledger` what it writes, `sqlite_read` what a second thread reads, and
`courtesy` how these threads come to their turn beside a loop under load.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, cast

from quizd.journal.base import (
    MAX_WAITING,
    Claim,
    JournalUnavailable,
    OnCommit,
    Position,
    SessionEntry,
    Snapshot,
)
from quizd.journal.courtesy import Courtesy
from quizd.journal.fence import check_parts
from quizd.journal.intake import Intake, IntakeJournal
from quizd.journal.sqlite_file import connect, unavailable
from quizd.journal.sqlite_ledger import Batch, Ledger
from quizd.journal.sqlite_read import (
    read_entries,
    read_entry,
    read_page,
    read_position,
    read_snapshot,
)
from quizd.journal.sqlite_writer import Append, Order, Report, Writer

BUSY_TIMEOUT_MS = 5000
"""How long a write waits for another connection's transaction to end."""

T = TypeVar("T")


class SqliteJournal(IntakeJournal):
    """Keeps batches in the SQLite file at *path*, which no other process may use.

    An append that finds the writer idle is committed at once; those that come while
    it is busy become one statement, up to 500 rows or 8 MiB. *on_commit* is called
    on the event loop. `start` raises `JournalUnavailable` if the file is in use (the
    text names the process), is not an SQLite file, or is of a newer version.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        max_waiting: int = MAX_WAITING,
        on_commit: OnCommit | None = None,
        busy_timeout_ms: int = BUSY_TIMEOUT_MS,
    ) -> None:
        super().__init__(max_waiting, on_commit)
        # Two names of one file must not lead to two locks.
        self._path = Path(path).resolve()
        self._busy_ms = busy_timeout_ms
        self._run: _Run | None = None

    async def start(self) -> None:
        """Lock and open the file, making it and its directory where missing."""
        if self._run is not None:
            raise RuntimeError("journal is running")
        run = _Run(self._path, self._intake)
        try:
            await run.open(self._busy_ms)
        except (sqlite3.Error, OSError) as error:
            raise unavailable(self._path, error) from error
        self._run = run
        self._intake.open()

    async def stop(self) -> None:
        """Commit what waits, refuse what comes, close; harmless when not running."""
        self._intake.close()
        run, self._run = self._run, None
        if run is not None:
            await run.close()

    async def create(
        self, session_id: str, quiz_id: str, pin: str, batch: bytes, now_ms: int
    ) -> int:
        """Create a session with *batch* at index 1; see `Journal.create`."""
        return await self._order(
            lambda ledger: ledger.create(session_id, quiz_id, pin, batch, now_ms),
            keeps=1,
        )

    async def claim(self, session_id: str, now_ms: int) -> Claim:
        """Own the session under a new term; see `Journal.claim`."""
        return await self._order(lambda ledger: ledger.claim(session_id, now_ms))

    async def append(
        self, session_id: str, term: int, index: int, batch: bytes
    ) -> None:
        """Add *batch* and wait until it is on the disk; see `Journal.append`."""
        self._intake.enter_append(session_id, batch)
        await self._running().append(Batch(session_id, term, index, batch))

    async def read(
        self, session_id: str, after_index: int = 0
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Yield ``(index, batch)`` in order; see `Journal.read`."""
        while page := await self._page(session_id, after_index):
            for index, batch in page:
                yield index, batch
            after_index = page[-1][0]

    async def sessions(self, *, include_ended: bool = False) -> list[SessionEntry]:
        """Return the sessions that have not ended, or all, oldest first."""
        return await self._read(
            lambda db: read_entries(db, include_ended=include_ended)
        )

    async def entry(self, session_id: str) -> SessionEntry:
        """Return what is known of one session. Raises `Unknown`."""
        return await self._read(lambda db: read_entry(db, session_id))

    async def finish(self, session_id: str, term: int) -> None:
        """Mark the session as ended; see `Journal.finish`."""
        await self._order(lambda ledger: ledger.finish(session_id, term))

    async def renew(self, now_ms: int) -> None:
        """Note that this process was alive at *now_ms*; see `Journal.renew`."""
        await self._order(lambda ledger: ledger.renew(now_ms))

    async def position(self, session_id: str) -> Position:
        """Return where the session's log stands. Raises `Unknown`."""
        return await self._read(lambda db: read_position(db, session_id))

    async def save_snapshot(
        self, session_id: str, term: int, index: int, parts: Mapping[str, bytes]
    ) -> None:
        """Keep a snapshot; see `Journal.save_snapshot`."""
        check_parts(parts)
        await self._order(
            lambda ledger: ledger.save_snapshot(session_id, term, index, parts)
        )

    async def load_snapshot(self, session_id: str) -> Snapshot | None:
        """Return the latest snapshot, if there is one. Raises `Unknown`."""
        return await self._read(lambda db: read_snapshot(db, session_id))

    async def trim(self, session_id: str, through_index: int) -> int:
        """Forget batches before the latest snapshot; see `Journal.trim`."""
        return await self._order(lambda ledger: ledger.trim(session_id, through_index))

    async def expire(self, session_id: str, after_s: float) -> None:
        """Let an ended session go later, counted from the next renewal on."""
        kept_ms = round(after_s * 1000)
        await self._order(lambda ledger: ledger.expire(session_id, kept_ms))

    async def forget(self, session_id: str) -> None:
        """Remove an ended session; see `Journal.forget`."""
        await self._order(lambda ledger: ledger.forget(session_id))

    @property
    def durability(self) -> str:
        """One sentence on what an acknowledged batch survives."""
        return (
            "SQLite with a write-ahead log and synchronous=FULL: an acknowledged "
            "answer survives the death of the process and loss of power"
        )

    async def _order(self, run: Callable[[Ledger], T], keeps: int = 0) -> T:
        self._intake.enter()
        return cast("T", await self._running().order(run, keeps))

    async def _page(self, session_id: str, after_index: int) -> list[tuple[int, bytes]]:
        return await self._read(lambda db: read_page(db, session_id, after_index))

    async def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await self._running().read(read)
        except sqlite3.Error as error:
            raise unavailable(self._path, error) from error

    def _running(self) -> "_Run":
        if self._run is None:
            raise JournalUnavailable("journal is not running")
        return self._run


class _Run:
    """The threads of a journal between its start and its stop."""

    def __init__(self, path: Path, intake: Intake) -> None:
        self._path = path
        self._intake = intake
        self._loop = asyncio.get_running_loop()
        self._courtesy = Courtesy(self._loop)
        self._reading = ThreadPoolExecutor(1, "journal-reader")
        self._writer: Writer
        self._db: sqlite3.Connection

    async def open(self, busy_ms: int) -> None:
        """Open the file and start the writer; on any failure, leave nothing open."""
        try:
            self._writer = await self._loop.run_in_executor(
                self._reading, self._open, busy_ms
            )
        except BaseException:
            self._reading.shutdown(wait=False)
            raise
        self._writer.start()

    def _open(self, busy_ms: int) -> Writer:
        ledger = Ledger(self._path, busy_ms)
        try:
            self._db = connect(self._path, busy_ms)
            self._db.execute("PRAGMA query_only = ON")
        except BaseException:
            ledger.close()
            raise
        return Writer(self._path, ledger, self._hand_back)

    async def close(self) -> None:
        """Let both threads do what they have been asked for, and end them."""
        await self._loop.run_in_executor(self._reading, self._db.close)
        self._writer.put(None)
        await self._loop.run_in_executor(self._reading, self._writer.join)
        self._reading.shutdown()

    async def append(self, batch: Batch) -> None:
        """Have *batch* kept."""
        future: asyncio.Future[object] = self._loop.create_future()
        self._put(Append(batch, future))
        await future

    async def order(self, run: Callable[[Ledger], object], keeps: int) -> object:
        """Have *run* called with the ledger and return what it returns."""
        future: asyncio.Future[object] = self._loop.create_future()
        self._put(Order(run, keeps, future))
        return await future

    async def read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Return what *read* returns for the reader's connection."""
        self._courtesy.enter()
        try:
            return await self._loop.run_in_executor(self._reading, read, self._db)
        finally:
            self._courtesy.leave()

    def _put(self, request: Append | Order) -> None:
        self._courtesy.enter()
        self._writer.put(request)

    def _hand_back(self, report: Report) -> bool:
        """Pass *report* to the loop; called in the writer's thread."""
        try:
            self._loop.call_soon_threadsafe(self._settle, report)
        except RuntimeError:  # the loop was closed without stopping the journal
            return False
        self._courtesy.come()
        return True

    def _settle(self, report: Report) -> None:
        self._courtesy.leave(len(report.outcomes))
        for request, outcome in report.outcomes:
            self._intake.leave(request.appends_to)
            _resolve(request.future, outcome)
        if report.kept:
            self._intake.committed(report.seconds, report.kept)


def _resolve(future: asyncio.Future[object], outcome: object) -> None:
    if future.done():  # whoever asked has gone away
        return
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
