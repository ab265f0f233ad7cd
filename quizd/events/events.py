"""The task that tells. The package's docstring explains it."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from quizd.events.frame import Event, anchor
from quizd.events.lag import Lags
from quizd.events.lane import UNSURE, Lane, Lost, Parcel, Played
from quizd.events.leftover import Ended, untold
from quizd.events.options import EventOptions
from quizd.events.queue import Batches, Queue
from quizd.events.stream import Streams, StreamsAway
from quizd.journal.base import Journal, JournalUnavailable
from quizd.log import get_logger
from quizd.owner.logbook import read_session
from quizd.owner.runner import Runner
from quizd.redis_client import Client
from quizd.session.records import BadRecord

Gauge = tuple[str, str, Callable[[], float]]
Away = StreamsAway | JournalUnavailable

TAKE_BYTES = 1024 * 1024
"""Batches that are taken from the queue in one go, about."""

TELL_BYTES = 4 * TAKE_BYTES
"""What is told of one session in one go, about: batches and what is made of them."""

LANES_AT_ONCE = 8
REST_FACTOR = 4
"""A fifth of the time, at most, is for telling, as long as that keeps up."""

REST_MAX_S = 1.0
RETRY_FIRST_S = 0.1
RETRY_MAX_S = 5.0
LAG_S = 10.0
LEFT_S = 10.0
"""How long an owner that lives may take to tell the end of a session."""

ANCHORS = 10_000

log = get_logger(__name__)


class Events:
    """Tells what the sessions of this shard record, on streams of Redis.

    *client* is the caller's to close, after :meth:`stop`.
    """

    def __init__(
        self, client: Client, journal: Journal, options: EventOptions | None = None
    ) -> None:
        self._options = options or EventOptions()
        self._journal = journal
        self._streams = Streams(client, self._options.max_length)
        self._lags = Lags(client, self._options.streams)
        self._queue: Queue[Lane] = Queue(self._options.queue_bytes)
        self._restless: set[Lane] = set()
        self._anchors: list[Event] = []
        self._doubt = UNSURE + 1
        self._failed_in_a_row = 0
        self._telling = False
        self._rest_s = self._options.pause_s
        self._loop = asyncio.get_running_loop()
        self._work = asyncio.Event()
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.published = 0
        self.gaps = 0
        self.failures = 0

    # -- life --------------------------------------------------------------------

    def start(self) -> None:
        """Begin to tell; Redis may be away."""
        if self._options.streams:
            parts = (self._tell(), self._watch(), self._pick_up())
            self._tasks = [asyncio.create_task(part) for part in parts]

    async def stop(self, drain_s: float = 2.0) -> None:
        """Tell what waits, for at most *drain_s*, and end; harmless when not running.

        What is not told then is told by whoever owns the sessions next.
        """
        self._stopping.set()
        self._work.set()
        if not self._tasks:
            return
        await asyncio.wait(self._tasks, timeout=drain_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self._streams.close()

    # -- what others say ---------------------------------------------------------

    def listen(self, runner: Runner) -> None:
        """Tell what *runner* commits from now on, and what was not told before."""
        if self._options.streams:
            runner.on_commit.append(self._follow(runner))

    def _follow(self, played: Played) -> Callable[[int, bytes | None], None]:
        """Tell what was not told of a session; return what to call with more."""
        lane = Lane(played, self._options)

        def heard(index: int, batch: bytes | None) -> None:
            lane.heard = index
            self._queue.push(lane, index, batch)
            self._work.set()

        heard(played.index, None)
        return heard

    def anchored(self, session_id: str, index: int, head: bytes) -> None:
        """Tell the end of a session's audited log: the chain's head at batch *index*.

        A few are kept until Redis takes them; it is told at least once if this process
        lives that long.
        """
        if "results" in self._options.streams and len(self._anchors) < ANCHORS:
            self._anchors.append(anchor(session_id, index, head))
            self._work.set()

    # -- what it says of itself --------------------------------------------------

    @property
    def settled(self) -> bool:
        """Whether all there is to tell is told, boards that rest included."""
        return not (self._waits or self._telling or self._restless)

    @property
    def _waits(self) -> bool:
        return bool(self._queue or self._anchors)

    def gauges(self) -> list[Gauge]:
        """Return what is to be measured."""
        return [
            (
                "quizd_events_published_events_total",
                "Events added to streams.",
                lambda: self.published,
            ),
            (
                "quizd_events_waiting_bytes",
                "Bytes of batches that wait to be told.",
                lambda: self._queue.size_bytes,
            ),
            (
                "quizd_events_dropped_batches_total",
                "Batches that did not fit into memory, to be read from the journal.",
                lambda: self._queue.dropped,
            ),
            (
                "quizd_events_gaps_total",
                "Times that batches were forgotten before they were told.",
                lambda: self.gaps,
            ),
            (
                "quizd_events_failures_total",
                "Times that Redis could not be asked.",
                lambda: self.failures,
            ),
            *(self._lag_gauge(stream) for stream in self._options.streams),
        ]

    def _lag_gauge(self, stream: str) -> Gauge:
        return (
            f"quizd_events_{stream}_lag_events",
            f"Events of {stream} that the slowest consumer group has not finished.",
            lambda: self._lags.events[stream],
        )

    # -- the task ----------------------------------------------------------------

    async def _tell(self) -> None:
        while await self._has_work():
            began_s = self._loop.time()
            self._telling = True
            try:
                await self._round()
            except (StreamsAway, JournalUnavailable) as error:
                self._failed(error)
            else:
                self._failed_in_a_row = 0
                took_s = self._loop.time() - began_s
                rest_s = max(REST_FACTOR * took_s, self._options.pause_s)
                self._rest_s = min(rest_s, REST_MAX_S)
            self._telling = False
            await self._pause(self._rest_s)

    async def _has_work(self) -> bool:
        """Wait until there is something to tell, or nothing any more.

        The latter is so once all is told after :meth:`stop`, or can't be told now.
        """
        if not self._waits:
            self._work.clear()
            due_s = min((lane.board_due_s for lane in self._restless), default=None)
            if not self._stopping.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(due_s):
                        await self._work.wait()
        return not self._stopping.is_set() or (
            self._waits and not self._failed_in_a_row
        )

    async def _round(self) -> None:
        """Tell what waits; what that could not be done with is read again later."""
        work, anchors = self._queue.take(TAKE_BYTES), len(self._anchors)
        now_s = self._loop.time()
        for lane in self._restless:
            if lane.board_due_s <= now_s:
                work.setdefault(lane, deque())
        parts = await self._parcels(work)
        parcel, failed = Parcel(), {}
        for lane in work:
            part = parts[lane]
            if isinstance(part, Parcel):
                parcel.add(part)
            else:
                failed[lane] = part
        parcel.events += self._anchors[:anchors]
        try:
            lost = await self._streams.send(parcel.events, parcel.cursors)
        except StreamsAway:
            self._doubt += 1
            self._tell_again(work)
            raise
        self.published += len(parcel.events)
        del self._anchors[:anchors]
        self._tell_again(lane for lane in work if lane.session_id in lost)
        self._tell_again(failed)
        for error in failed.values():
            raise error

    def _tell_again(self, lanes: Iterable[Lane]) -> None:
        """Have these sessions gone on with from where their cursors are."""
        for lane in lanes:
            lane.forget()
            self._queue.push(lane, lane.heard, None)

    async def _parcels(self, work: Mapping[Lane, Batches]) -> dict[Lane, Parcel | Away]:
        """Return what each session comes to, a few of them at once."""
        made: dict[Lane, Parcel | Away] = {}
        waiting = iter(work.items())

        async def some() -> None:
            for lane, batches in waiting:
                made[lane] = await self._parcel(lane, batches)

        await asyncio.gather(*(some() for _ in range(min(LANES_AT_ONCE, len(work)))))
        return made

    async def _parcel(self, lane: Lane, batches: Batches) -> Parcel | Away:
        """Return what *batches* come to, or why that can't be known now.

        Nothing where it is another owner's business. A fault costs no other session
        anything.
        """
        try:
            return await self._parcel_of(lane, batches)
        except (StreamsAway, JournalUnavailable) as error:
            return error
        except Lost:
            pass
        except Exception:
            log.exception("events_failed", session_id=lane.session_id)
        lane.forget()
        self._restless.discard(lane)
        return Parcel()

    async def _parcel_of(self, lane: Lane, batches: Batches) -> Parcel:
        if lane.sure != self._doubt:
            lane.told = await self._streams.cursor(lane.session_id)
            lane.sure = self._doubt
        what = await lane.collect(batches, self._journal, TELL_BYTES)
        parcel = await lane.parcel(what)
        self._queue.put_back(lane, batches)
        self.gaps += len(what.gaps)
        if lane.board_moved:
            self._restless.add(lane)
        else:
            self._restless.discard(lane)
        return parcel

    def _failed(self, error: Exception) -> None:
        if not self._failed_in_a_row:
            log.warning("events_wait", error=str(error))
        self.failures += 1
        most_s = min(RETRY_FIRST_S * 2**self._failed_in_a_row, RETRY_MAX_S)
        self._failed_in_a_row = min(self._failed_in_a_row + 1, 16)
        self._rest_s = most_s * random.uniform(0.5, 1)  # noqa: S311 - no secret

    async def _pick_up(self) -> None:
        """Tell the end of sessions whose owner can't: it had the time, and has not."""
        try:
            found = await untold(self._journal, self._streams)
            if found:
                await self._pause(LEFT_S)
            for session_id, cursor in found.items():
                if await self._streams.cursor(session_id) == cursor:
                    self._follow(Ended(await read_session(self._journal, session_id)))
        except (StreamsAway, JournalUnavailable, LookupError, BadRecord) as error:
            log.warning("ended_sessions_not_told", error=str(error))

    async def _watch(self) -> None:
        """Look now and then how far behind consumers are."""
        while not self._stopping.is_set():
            with suppress(StreamsAway):
                await self._lags.read()
            await self._pause(LAG_S)

    async def _pause(self, seconds: float) -> None:
        """Rest, unless it is to end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
