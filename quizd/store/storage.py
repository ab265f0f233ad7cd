"""The store of one shard, whole: quizzes, what is written behind, and upkeep.

Play needs none of it once a session is open. So a Postgres that is away is waited for
beside play, and whatever it misses meanwhile is in the journal; only tables that are
not those of this program keep a shard from starting. A file is another matter: it is
the journal's disk, and one that can't be used is no place to begin on.

Where nothing is to be kept, there is a file all the same, in a folder of its own that
goes when the shard stops: reports and replays work until then.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from quizd.clock import Clock
from quizd.log import get_logger
from quizd.settings import Database
from quizd.store.base import StoreUnavailable
from quizd.store.migrations import WrongSchema
from quizd.store.partitions import maintain
from quizd.store.place import Place
from quizd.store.quizzes import StoredQuizzes
from quizd.store.transaction import named_failures
from quizd.store.write_behind import Options, Pacing, State, Switch, WriteBehind
from quizd.store.write_behind.queue import OnClosed, nobody_anchors
from quizd.store.write_behind.source import Entry, Source

FIRST_TRY_S = 5.0
"""How long a start waits for the database."""

AGAIN_S = 1.0
ROUND_S = 1.0
"""Between two looks for sessions to be taken out of the journal."""

LOOK_AROUND_S = 10.0
UPKEEP_S = 6 * 3600.0

Gauge = tuple[str, str, Callable[[], float]]
"""A metric's name, its help, and how it is read."""

log = get_logger(__name__)


class Known(Protocol):
    """What is to be known of a session's state."""

    @property
    def session_id(self) -> str:
        """Which session it is."""
        ...


class Running(Protocol):
    """A session that is played here, as far as the store is concerned."""

    on_commit: list[Callable[[int, bytes], None]]

    @property
    def state(self) -> Known:
        """Its state."""
        ...

    @property
    def index(self) -> int:
        """The number of the latest batch that is durable."""
        ...


class Keeper(Source, Protocol):
    """A journal that sessions can be taken out of."""

    async def expire(self, session_id: str, after_s: float) -> None:
        """Take an ended session off the list, and its data away *after_s* from now.

        Raises ``ValueError`` for one that is not marked as ended.
        """
        ...


Mine = Callable[[Sequence[Entry]], Iterable[Entry]]
"""Picks the journal's sessions that are this shard's to write."""


def all_of(entries: Sequence[Entry]) -> Iterable[Entry]:
    """Pick all, as a shard does that is alone."""
    return entries


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """``key`` is the secret of the sessions' logs.

    ``keep_ended_s`` is how long the journal keeps an ended session that is written;
    ``on_closed`` is told of each log that is complete, as by the queue.
    """

    key: bytes = field(repr=False)
    database: Database = field(default_factory=Database)
    keep_ended_s: float = 3600.0
    mine: Mine = all_of
    on_closed: OnClosed = nobody_anchors


def pacing_of(database: Database) -> Pacing:
    """Return the queue's pacing as the settings have it."""
    return Pacing(
        linger_s=database.linger_ms / 1000,
        slow_s=database.slow_ms / 1000,
        buffer_linger_s=database.buffer_linger_ms / 1000,
        switch=Switch(database.buffering),
    )


class Storage:
    """Owns the engines and the queue of a shard.

    ``quizzes`` is the store of quizzes, ``reading`` an engine for reports, ``queue``
    what writes behind.
    """

    def __init__(
        self, place: Place, journal: Keeper, clock: Clock, options: StorageOptions
    ) -> None:
        self._folder: TemporaryDirectory[str] | None = None
        if not (place.file or place.dsn):
            self._folder = TemporaryDirectory(prefix="quizd-")
            place = place.in_folder(Path(self._folder.name))
        self._may_be_away = bool(place.dsn)
        self._has_replica = bool(place.replica_dsn)
        self._journal = journal
        self._clock = clock
        self._options = options
        self._engine = place.engine()
        self.quizzes = StoredQuizzes(self._engine)
        self.reading: AsyncEngine = place.reading()
        self.queue = WriteBehind(journal, place.sink(), clock, self._queue_options())
        self._away = ""
        self._whole: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    def _queue_options(self) -> Options:
        database = self._options.database
        return Options(
            key=self._options.key,
            pacing=pacing_of(database),
            mine=self._options.mine,
            on_closed=self._options.on_closed,
            on_written=self._is_whole,
            keep_bytes=database.memory_bytes,
        )

    # -- life --------------------------------------------------------------------

    async def start(self) -> None:
        """Make ready, as far as the database is there; sessions may run before.

        Raises :class:`quizd.store.migrations.WrongSchema` where its tables are not
        those of this program, and ``StoreUnavailable`` for a file that can't be used.
        """
        try:
            async with asyncio.timeout(FIRST_TRY_S if self._may_be_away else None):
                await self.quizzes.start()
        except WrongSchema:
            raise
        except (StoreUnavailable, TimeoutError) as error:
            if not self._may_be_away:
                raise
            self._note_away(str(error) or "no answer")
            self._tasks.append(asyncio.create_task(self._wait()))
        else:
            self._begin()

    async def stop(self, drain_s: float = 2.0) -> None:
        """Write what waits, for at most *drain_s*, and let go of everything."""
        self._stopping = True  # a cancellation may end in a call to Redis
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.queue.stop(drain_s)
        await self.quizzes.stop()
        await self.reading.dispose()
        if self._folder is not None:
            await asyncio.to_thread(self._folder.cleanup)

    def _begin(self) -> None:
        self.queue.start()
        self._tasks += [
            asyncio.create_task(self._take_out()),
            asyncio.create_task(self._look_around()),
            asyncio.create_task(self._keep_fit()),
        ]

    # -- sessions ----------------------------------------------------------------

    def listen(self, runner: Running) -> None:
        """Write a session behind from now on, from wherever the store has it."""
        session_id = runner.state.session_id
        self.queue.notify(session_id, runner.index)
        runner.on_commit.append(partial(self.queue.notify, session_id))

    def release(self, session_id: str) -> None:
        """Leave a session to the shard that plays it from now on."""
        self.queue.release(session_id)

    def _is_whole(self, session_id: str) -> None:
        self._whole.add(session_id)

    # -- what it says of itself --------------------------------------------------

    def is_spared(self) -> bool:
        """Tell whether reports should leave the database alone, which is slow."""
        return self.queue.buffering and not self._has_replica

    def state(self) -> dict[str, str]:
        """Return how the store is, for people."""
        queue = self.queue
        waiting = f"{queue.depth_batches} batches, the oldest for {queue.lag_s:.1f} s"
        found = {"store": self._verdict(), "write-behind": waiting}
        if parked := len(queue.parked):
            found["store warning"] = f"{parked} sessions are not written: see the log"
        return found

    def _verdict(self) -> str:
        if self._away or self.queue.state is State.DEGRADED:
            return f"degraded: {self._away or self.queue.error}"
        if self.queue.state is State.BUFFERING:
            return "buffering: the database is slow, or is held to be"
        return "ok"

    def gauges(self) -> list[Gauge]:
        """Return what is to be measured; a name that ends in _total is a counter's."""
        return _gauges(self)

    @property
    def degraded(self) -> bool:
        """Whether the database is away, as far as it was tried."""
        return bool(self._away) or self.queue.state is State.DEGRADED

    # -- what goes on --------------------------------------------------------------

    async def _wait(self) -> None:
        """Begin as soon as the database is there and has the right tables."""
        while True:
            await asyncio.sleep(AGAIN_S)
            try:
                await self.quizzes.start()
            except StoreUnavailable as error:
                self._note_away(str(error))
            else:
                break
        self._away = ""
        log.info("store_is_back")
        self._begin()

    def _note_away(self, why: str) -> None:
        if why != self._away:
            log.warning("store_away", error=why)
        self._away = why

    async def _take_out(self) -> None:
        """Have the journal let go of sessions that are written whole."""
        while not self._stopping:
            await asyncio.sleep(ROUND_S)
            for session_id in tuple(self._whole):
                if not await self._expire(session_id):
                    break

    async def _expire(self, session_id: str) -> bool:
        """Take a session out of the journal; tell whether that can be asked now.

        One whose end is not marked yet is asked for again.
        """
        try:
            await self._journal.expire(session_id, self._options.keep_ended_s)
        except ValueError:
            return True
        except Exception as error:  # noqa: BLE001 - whatever a journal raises
            log.warning("session_not_expired", error=str(error))
            return False
        self._whole.discard(session_id)
        return True

    async def _look_around(self) -> None:
        """Take up sessions that ended where nobody is left to write them."""
        while not self._stopping:
            await asyncio.sleep(LOOK_AROUND_S)
            try:
                await self.queue.look_around()
            except Exception as error:  # noqa: BLE001 - whatever a journal raises
                log.warning("journal_not_looked_through", error=str(error))

    async def _keep_fit(self) -> None:
        """Make the parts of the weeks to come, and drop what is old.

        Every shard does; the database lets one at a time.
        """
        days = self._options.database.retention_days
        if not (days or self._may_be_away):
            return  # a file has no parts to be made
        while True:
            try:
                async with named_failures():
                    done = await maintain(self._engine, self._clock.now_ms(), days)
            except StoreUnavailable as error:
                log.warning("store_not_kept_fit", error=str(error))
            else:
                if done.dropped or done.deleted_rows:
                    log.info(
                        "old_answers_dropped",
                        parts=done.dropped,
                        rows=done.deleted_rows,
                    )
            await asyncio.sleep(UPKEEP_S)


def _gauges(storage: Storage) -> list[Gauge]:
    queue = storage.queue
    return [
        (
            "quizd_store_degraded",
            "1 while the database is away.",
            lambda: float(storage.degraded),
        ),
        (
            "quizd_store_buffering",
            "1 while the database is slow and is spared.",
            lambda: float(queue.buffering),
        ),
        (
            "quizd_store_lag_seconds",
            "How long the oldest batch has waited to be written.",
            lambda: queue.lag_s,
        ),
        (
            "quizd_store_waiting_batches",
            "Batches that wait to be written.",
            lambda: queue.depth_batches,
        ),
        (
            "quizd_store_waiting_bytes",
            "Their bytes, as far as they are known.",
            lambda: queue.depth_bytes,
        ),
        (
            "quizd_store_kept_bytes",
            "Bytes of waiting batches that are in memory.",
            lambda: queue.kept_bytes,
        ),
        (
            "quizd_store_write_p95_seconds",
            "The 95th percentile of the latest writes.",
            lambda: queue.write_p95_s,
        ),
        (
            "quizd_store_parked_sessions",
            "Sessions that are not written any more: the log says why.",
            lambda: len(queue.parked),
        ),
        (
            "quizd_store_batches_written_total",
            "Batches written behind.",
            lambda: queue.batches_written,
        ),
        (
            "quizd_store_answers_written_total",
            "Answers written behind.",
            lambda: queue.answers_written,
        ),
        (
            "quizd_store_units_written_total",
            "Transactions of the write-behind queue.",
            lambda: queue.units_written,
        ),
        (
            "quizd_store_batches_rejected_total",
            "Batches whose rows the database refused: quizd queue list.",
            lambda: queue.batches_rejected,
        ),
        (
            "quizd_store_failures_total",
            "Attempts to write that failed and are repeated.",
            lambda: queue.failures,
        ),
        (
            "quizd_store_cursors_moved_total",
            "Attempts to write what another shard had written.",
            lambda: queue.cursors_moved,
        ),
    ]
