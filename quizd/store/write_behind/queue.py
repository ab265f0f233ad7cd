"""The queue itself: one task per shard. The package's docstring explains it."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from quizd._fast.rows import count_of
from quizd.clock import Clock
from quizd.log import get_logger
from quizd.store.log import KEY_MIN_BYTES
from quizd.store.write_behind.collect import Collector, SourceFailed
from quizd.store.write_behind.followed import KEEP_BYTES, Sessions, nobody_cares
from quizd.store.write_behind.pace import Pace, Pacing, State, Switch
from quizd.store.write_behind.results import ResultsOf
from quizd.store.write_behind.sink import (
    CursorMoved,
    Refusal,
    Sink,
    SinkTimeout,
    SinkUnavailable,
    UnitRefused,
)
from quizd.store.write_behind.source import Entry, Source
from quizd.store.write_behind.unit import Unit

TRIM_BATCHES = 64
"""Written batches that the journal is told to let go of at once."""

MOVED_PAUSE_S = 0.05

log = get_logger(__name__)


OnClosed = Callable[[str, int, bytes], None]
"""Told the end of a log that is complete: session, index and head."""


def nobody_anchors(_session_id: str, _index: int, _head: bytes) -> None:
    """Pass over a log that is complete."""


@dataclass(frozen=True, slots=True)
class Options:
    """``key`` is the secret of the log's chain, of at least 16 bytes.

    ``mine`` tells which of the journal's sessions are this shard's to write;
    ``results_of`` takes the place of replaying an ended session where the application
    knows better. ``on_closed`` is told the end of each log that is complete: session,
    index and head. ``on_written`` is told of each ended session that is found to be in
    the database whole, also of what was written before the start. ``keep_bytes``
    bounds the batches that are kept in memory.
    """

    key: bytes
    pacing: Pacing = field(default_factory=Pacing)
    mine: Callable[[Sequence[Entry]], Iterable[Entry]] = lambda entries: entries
    results_of: ResultsOf | None = None
    on_closed: OnClosed = nobody_anchors
    on_written: Callable[[str], None] = nobody_cares
    keep_bytes: int = KEEP_BYTES


class WriteBehind:
    """Writes what *source* has of this shard's sessions to *sink*, exactly once."""

    def __init__(
        self, source: Source, sink: Sink, clock: Clock, options: Options
    ) -> None:
        if len(options.key) < KEY_MIN_BYTES:
            raise ValueError(f"the log's key needs at least {KEY_MIN_BYTES} bytes")
        self._source = source
        self._sink = sink
        self._clock = clock
        self._options = options
        self._sessions = Sessions(clock.now_ms, options.keep_bytes, options.on_written)
        unit_bytes = options.pacing.unit_bytes or sink.unit_bytes
        self._pace = Pace(replace(options.pacing, unit_bytes=unit_bytes))
        self._collector = Collector(
            source,
            sink,
            self._sessions,
            options.results_of,
            options.pacing.certain_s,
        )
        self._ahead = Unit(options.key)
        self._work = asyncio.Event()
        self._hurry = asyncio.Event()
        self._done = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self.batches_written = 0
        self.answers_written = 0
        self.units_written = 0
        self.batches_rejected = 0
        self.failures = 0
        self.cursors_moved = 0

    # -- life --------------------------------------------------------------------

    def start(self) -> None:
        """Begin, with what the journal has from before; the database may be away."""
        self._stopped = False
        self._task = asyncio.create_task(self._run())

    async def stop(self, drain_s: float = 5.0) -> None:
        """Write what waits, for at most *drain_s*, and end; harmless when not running.

        What is not written then is written by whoever owns the sessions next.
        """
        if self._task is None:
            return
        if self.state is not State.DEGRADED:
            with suppress(TimeoutError):
                await self.drain(drain_s)
        self._stopped = True  # a cancellation may end in a call to Redis
        self._task.cancel()
        await asyncio.wait({self._task})
        self._task = None
        await self._sink.disconnect()

    async def drain(self, timeout_s: float | None = None) -> None:
        """Wait until all that was announced is written; raise ``TimeoutError``."""
        self._hurry.set()
        try:
            async with asyncio.timeout(timeout_s):
                await self._done.wait()
        finally:
            self._hurry.clear()

    # -- what others say ---------------------------------------------------------

    def notify(self, session_id: str, index: int, batch: bytes | None = None) -> None:
        """Say that the journal has *batch* of a session at *index*.

        To be called by the owner after each commit; cheap, and never waits.
        """
        self._sessions.announce(session_id, index, batch)
        if not self._sessions.caught_up:
            self._done.clear()
            self._work.set()
        if self._sessions.kept_bytes >= self._pace.unit_bytes:
            self._hurry_once()

    async def look_around(self) -> None:
        """Take up what the journal has and nobody has told of; raise what it raises.

        For sessions that ended where their owner could not write them any more.
        """
        entries = await self._source.sessions(include_ended=True)
        for entry in self._options.mine(entries):
            self.notify(entry.session_id, entry.last_index)

    def release(self, session_id: str) -> None:
        """Say that another shard owns the session now."""
        self._sessions.forget(session_id)

    @property
    def switch(self) -> Switch:
        """Whether the buffering mode goes by what is measured, or is held."""
        return self._pace.switch

    @switch.setter
    def switch(self, switch: Switch) -> None:
        self._pace.switch = switch

    # -- what it says of itself --------------------------------------------------

    @property
    def state(self) -> State:
        """How things are with the database."""
        return self._pace.state

    @property
    def error(self) -> str:
        """What the last attempt failed with; empty where it did not."""
        return self._pace.error

    @property
    def buffering(self) -> bool:
        """Whether the database is to be spared, by reports above all."""
        return self._pace.buffering

    @property
    def write_p95_s(self) -> float:
        """The 95th percentile of the latest writes, in seconds."""
        return self._pace.write_p95_s

    @property
    def depth_batches(self) -> int:
        """Batches that wait to be written."""
        return self._sessions.waiting_batches

    @property
    def depth_bytes(self) -> int:
        """Their bytes, as far as they were told."""
        return self._sessions.waiting_bytes

    @property
    def lag_s(self) -> float:
        """How long the oldest of them has waited."""
        return self._sessions.lag_s

    @property
    def kept_bytes(self) -> int:
        """Bytes of batches in memory that wait to be written; bounded."""
        return self._sessions.kept_bytes

    @property
    def parked(self) -> dict[str, str]:
        """Sessions that are not written any more, each with the reason."""
        return dict(self._sessions.parked)

    # -- the task ----------------------------------------------------------------

    async def _run(self) -> None:
        await self._resume()
        while not self._stopped:
            if self._sessions.caught_up:
                self._pace.caught_up()
                self._done.set()
                await self._hear(None)
                await self._pause(self._pace.linger_s)
            elif (ready_s := self._sessions.ready_s) > 0:
                await self._hear(ready_s)
            await self._round()

    async def _hear(self, until_s: float | None) -> None:
        """Wait for word of a batch, until *until_s* by the event loop's clock."""
        self._work.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until_s):
                await self._work.wait()

    async def _resume(self) -> None:
        """Take up every session that the journal has from before."""
        while not self._stopped:
            try:
                await self.look_around()
            except Exception as error:  # noqa: BLE001 - whatever a journal raises
                await self._failed(SourceFailed(str(error)))
            else:
                return

    async def _round(self) -> None:
        """Write one unit, or find out why not and wait a moment."""
        limit_bytes = self._pace.unit_bytes
        unit, self._ahead = self._ahead, Unit(self._options.key)
        try:
            if not unit.items:
                await self._collector.fill(unit, limit_bytes)
            if unit.items:
                await self._collector.add_results(unit)
                await self._write(unit, limit_bytes)
        except CursorMoved:
            self.cursors_moved += 1
            self._give_up(unit)
            await asyncio.sleep(MOVED_PAUSE_S)
        except UnitRefused as error:
            self._give_up(unit)
            self._part(unit, str(error))
        except (SinkUnavailable, SourceFailed) as error:
            self._give_up(unit)
            await self._failed(error)
        except Exception as error:
            log.exception("write-behind failed unexpectedly")
            self._give_up(unit)
            await self._failed(error)
        else:
            if unit.size_bytes < limit_bytes:
                await self._pause(self._pace.linger_s)

    def _give_up(self, unit: Unit) -> None:
        """Forget *unit* and what was to come after it; read the cursors again."""
        self._sessions.unsure([*unit.moves, *self._ahead.moves])
        self._ahead = Unit(self._options.key)

    async def _write(self, unit: Unit, limit_bytes: int) -> None:
        """Write *unit*; where it is full, collect the next one meanwhile."""
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        writing = asyncio.create_task(self._sink.write(unit, self._clock.now_ms()))
        try:
            if unit.size_bytes >= limit_bytes:
                await self._fill_ahead(limit_bytes)
            refused = await writing
        finally:
            if not writing.done():
                writing.cancel()
                await asyncio.wait({writing})
        self._pace.wrote(loop.time() - started_s, unit.size_bytes)
        self._count(unit, refused)
        self._sessions.wrote(unit)
        self._close_logs(unit)
        self._collector.alone.difference_update(unit.moves)
        await self._trim(unit)

    async def _fill_ahead(self, limit_bytes: int) -> None:
        try:
            await self._collector.fill_ahead(self._ahead, limit_bytes)
        except SourceFailed:  # the next round meets it, too
            self._sessions.unsure(self._ahead.moves)
            self._ahead = Unit(self._options.key)

    def _close_logs(self, unit: Unit) -> None:
        """Tell the end of each log that is complete, so that it is known elsewhere."""
        for session_id, move in unit.moves.items():
            after = move.after
            if after.context.ended:
                log.info(
                    "session log closed",
                    session_id=session_id,
                    index=after.index,
                    head=after.head.hex(),
                )
                self._options.on_closed(session_id, after.index, after.head)

    def _count(self, unit: Unit, refused: Iterable[Refusal]) -> None:
        self.units_written += 1
        self.batches_written += len(unit.items)
        for item in unit.items:
            self.answers_written += sum(count_of(a.packed) for a in item.rows.answers)
        for refusal in refused:
            self.batches_rejected += 1
            log.error(
                "batch rejected by the database",
                session_id=refusal.item.session_id,
                index=refusal.item.index,
                code=refusal.code,
                error=refusal.error,
            )

    async def _failed(self, error: Exception) -> None:
        self.failures += 1
        self._sessions.doubt_anew()
        timed_out = isinstance(error, SinkTimeout)
        pause_s = self._pace.failed(str(error), timed_out=timed_out)
        if self._pace.failures == 1:
            log.warning("write-behind waits", error=str(error))
        await asyncio.sleep(pause_s)

    def _part(self, unit: Unit, error: str) -> None:
        """Try the sessions of a refused unit one by one; park the one that it is."""
        if len(unit.moves) > 1:
            self._collector.alone.update(unit.moves)
            return
        for session_id in unit.moves:
            self._collector.park(session_id, error)

    async def _pause(self, seconds: float) -> None:
        """Let batches gather, unless somebody waits for them or they are enough."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()

    def _hurry_once(self) -> None:
        if not self._pace.buffering and not self._hurry.is_set():
            self._hurry.set()
            asyncio.get_running_loop().call_soon(self._hurry.clear)

    async def _trim(self, unit: Unit) -> None:
        """Have the journal let go of what is written; if it can't, the next time."""
        for session_id, move in unit.moves.items():
            index, ended = move.after.index, move.after.context.ended
            followed = self._sessions.get(session_id)
            trimmed = followed.trimmed if followed else 0
            if index - trimmed < TRIM_BATCHES and not ended:
                continue
            try:
                await self._source.trim(session_id, index)
            except Exception as error:  # noqa: BLE001 - whatever a journal raises
                log.warning("journal not trimmed", error=str(error))
                return
            if followed:  # and be it that it was released meanwhile
                followed.trimmed = index


async def write_all(
    source: Source, sink: Sink, clock: Clock, options: Options
) -> WriteBehind:
    """Write all that *source* has, and return the queue, which has ended.

    For what is to be done without a server, and to be measured: waits as long as the
    database is away.
    """
    queue = WriteBehind(source, sink, clock, options)
    queue.start()
    try:
        await queue.drain()
    finally:
        await queue.stop(0)
    return queue
