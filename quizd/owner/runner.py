"""Driving one session: the tick.

A tick drains what has arrived, decides it, enters the records into the state, commits
them as one batch and only then lets out what they caused. What arrives while a commit
is under way waits for the next tick, so an idle session commits at once and a busy
one in groups that grow with the load. The state is never more than the batch under
way ahead of the journal, and nobody sees it in between: reading goes through the same
queue (:meth:`Runner.read`).

Nothing here is decided: :mod:`quizd.owner.tick` has the session do that, and
:mod:`quizd.owner.deadlines` says what time brings. Nothing here is sent: that is the
subscriber's.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from quizd._fast.inbox import Inbox
from quizd.clock import Clock
from quizd.codes import Reason, Refused
from quizd.journal.base import Claim, Fenced, Journal, JournalUnavailable, chain
from quizd.log import get_logger
from quizd.owner.deadlines import Deadlines
from quizd.owner.handle import Place, answering
from quizd.owner.lease import Forever, Lease
from quizd.owner.logbook import save_snapshot
from quizd.owner.outage import Outage
from quizd.owner.presence import HERE, Presence
from quizd.owner.subscriber import Subscriber
from quizd.owner.tick import Tick, Waiting
from quizd.session import events as ev
from quizd.session import records as rec
from quizd.session.live import LiveSession
from quizd.session.phases import Phase
from quizd.session.state import State

T = TypeVar("T")

LEAD_FACTOR = 1.5
RETRY_FIRST_S = 0.05
RETRY_MAX_S = 2.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one session's runner."""

    waiting: int = 200_000
    lead_min_ms: int = 300


@dataclass(frozen=True, slots=True)
class Means:
    """What all runners of a shard work with."""

    journal: Journal
    clock: Clock
    limits: Limits
    lease: Lease = field(default_factory=Forever)


class Runner:
    """One session, its queue and its way into the journal."""

    def __init__(
        self,
        session: LiveSession,
        claim: Claim,
        means: Means,
        inbox: Inbox | None = None,
    ) -> None:
        limits = means.limits
        self.session = session
        self.presence = Presence()
        self.inbox = Inbox(limits.waiting, self.wake) if inbox is None else inbox
        self.inbox.wake = self.wake
        self.subscriber: Subscriber
        self.on_commit: list[Callable[[int, bytes], None]] = []
        self.deadlines = Deadlines(session.state, self.presence, self.lead_ms)
        self._term = claim.term
        self._index = claim.last_index
        self.last = claim.last_hash
        self._journal = means.journal
        self._clock = means.clock
        self._limits = limits
        self._lease = means.lease
        self._waiting: deque[Waiting] = deque()
        self._open: set[asyncio.Future[Any]] = set()
        self._looks: deque[Callable[[State], None]] = deque()
        self._settled: list[Callable[[], None]] = []
        self._outage = Outage(0, 0)
        self._busy = False
        self._abandoned = False
        self._retired = False
        self._short_to: int | None = None
        self._saving: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._awake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self.loop = asyncio.get_running_loop()
        self.ended = self.loop.create_future()

    @property
    def term(self) -> int:
        """The term under which records are appended."""
        return self._term

    @property
    def index(self) -> int:
        """The number of the latest batch that is durable."""
        return self._index

    @property
    def connected(self) -> int:
        """How many players have their line up, on all shards."""
        return len(self.presence.connected)

    @property
    def waiting(self) -> int:
        """How many answers and other events wait for the next tick."""
        return len(self.inbox) + len(self._waiting)

    @property
    def synced(self) -> bool:
        """Always: a runner begins with a state."""
        return True

    @property
    def state(self) -> State:
        """The session's state; only right inside :meth:`read` and effects."""
        return self.session.state

    # -- what others call --------------------------------------------------------

    def wake(self) -> None:
        """Say that something waits."""
        self._awake.set()

    def now_ms(self) -> int:
        """Return session time."""
        return self._clock.now_ms()

    def expect(self, _: int) -> asyncio.Future[None]:
        """Return what is done: an owner knows who is in."""
        done: asyncio.Future[None] = self.loop.create_future()
        done.set_result(None)
        return done

    def submit(self, event: ev.Event) -> asyncio.Future[int | None]:
        """Queue *event*; the future ends when what it comes to is durable.

        Its result is the number a reader would need: the participant's index for a
        join, the question's for an answer, else ``None``. It raises
        :class:`quizd.codes.Refused`, ``shard_unavailable`` where the queue is full.
        """
        reply: asyncio.Future[int | None] = self.loop.create_future()
        if self._abandoned or len(self._waiting) >= self._limits.waiting:
            reply.set_exception(Refused(Reason.SHARD_UNAVAILABLE))
            return reply
        self._watch(reply)
        self._waiting.append(Waiting(event, reply))
        self.wake()
        return reply

    def post(self, event: ev.AnswerSubmitted) -> None:
        """Queue an answer; the participant's connection is told what it comes to."""
        if len(self._waiting) >= self._limits.waiting:
            self.subscriber.refuse(event.participant, Refused(Reason.SHARD_UNAVAILABLE))
            return
        self._waiting.append(Waiting(event, None))
        self.wake()

    def read(self, look: Callable[[State], T]) -> asyncio.Future[T]:
        """Call *look* with a state that is durable; the future holds its result."""
        reply: asyncio.Future[T] = self.loop.create_future()
        if self._abandoned or len(self._looks) >= self._limits.waiting:
            reply.set_exception(Refused(Reason.SHARD_UNAVAILABLE))
            return reply
        self._watch(reply)
        self.look(answering(reply, look))
        return reply

    def look(self, look: Callable[[State], None]) -> None:
        """Call *look* with a state that is durable: now, or when the tick is done.

        Too many looks that wait, which only a journal that is away can lead to, are
        dropped; who waits for them gives up by its own deadline.
        """
        if self._abandoned or len(self._looks) >= self._limits.waiting:
            return
        if self._busy or not self._lease.holds():
            self._looks.append(look)
            self.wake()
        else:
            look(self.state)

    def look_from(self, place: Place, look: Callable[[State], None]) -> None:
        """Call *look*: what is not here did not happen, whatever *place* says."""
        del place
        self.look(look)

    def settle(self, settled: Callable[[], None]) -> None:
        """Call *settled* when all that waits now is durable and let out."""
        self._settled.append(settled)
        self.wake()

    def _watch(self, reply: asyncio.Future[Any]) -> None:
        self._open.add(reply)
        reply.add_done_callback(self._open.discard)

    def abandon(self) -> None:
        """Tell all who wait, and who will ask, that this runner answers no more.

        What is in the inbox stays: the connections keep it for whoever comes next. So
        do answers of general form and looks, until :meth:`hand_over`.
        """
        self._abandoned = True
        self._cancel_timer()
        self._settled.clear()
        for reply in tuple(self._open):
            if not reply.done():
                reply.set_exception(Refused(Reason.SHARD_UNAVAILABLE))

    def hand_over(
        self,
        post: Callable[[ev.AnswerSubmitted], None],
        look: Callable[[Callable[[State], None]], None],
    ) -> None:
        """Give what nobody has heard the outcome of to whoever has the session now."""
        waiting, self._waiting = self._waiting, deque()
        for each in waiting:
            if isinstance(each.event, ev.AnswerSubmitted) and each.reply is None:
                post(each.event)
        looks, self._looks = self._looks, deque()
        for wanted in looks:
            look(wanted)

    def wait_for_all(self) -> None:
        """Expect everybody for a while: after a restart their lines come back."""
        for participant in range(len(self.state.names)):
            if participant not in self.state.removed:
                self.presence.went(participant, self._clock.now_ms())

    def notice_outage(self, outage: ev.OutageNoticed) -> None:
        """Decide, before anything else, that nobody ran the session for a while."""
        self._waiting.appendleft(Waiting(outage, None))
        self._busy = True
        self.wake()

    def counted_ms(self, received_ms: int) -> int:
        """Return when an answer counts as received: outages are nobody's time."""
        return self._outage.counted_ms(received_ms)

    def came(
        self, participant: int, place: str = HERE, since_ms: int | None = None
    ) -> None:
        """Note that a player's line is up at *place* since then, by default now.

        Of two lines the elder is closed.
        """
        if since_ms is None:
            since_ms = self._clock.now_ms()
        elder = self.presence.came(participant, place, since_ms)
        if elder is not None:
            self.subscriber.replace(participant, elder)

    def went(self, participant: int, place: str = HERE) -> None:
        """Note that a player's line is down."""
        self.presence.went(participant, self._clock.now_ms(), place)
        if self.state.phase is Phase.QUESTION:
            self.wake()

    # -- the tick ----------------------------------------------------------------

    async def run(self) -> None:
        """Tick until cancelled; raise what a bug or a fenced journal raises."""
        while True:
            self._set_timer()
            await self._awake.wait()
            self._awake.clear()
            if self._retired:
                return
            await self.tick()

    async def retire(self) -> None:
        """Finish the tick under way, begin no other one, and record the leaving.

        Raises what the journal raises.
        """
        self._retired = True
        self._cancel_timer()
        await self._idle.wait()
        self._busy = True  # who looks now is answered by the next owner
        released = rec.Released(self._clock.now_ms())
        self.session.apply(released)
        await self._commit(rec.pack([released]))

    async def tick(self) -> None:
        """Decide what waits, commit it, let its effects out."""
        self._busy = True
        self._idle.clear()
        await self._speak_for_it()
        tick = Tick(self.session, self._outage, self._clock.now_ms())
        settled, self._settled = self._settled, []
        tick.decide_all(self.inbox, self._waiting, self.deadlines.due)
        self._outage = tick.outage
        if tick.records:
            try:
                await self._commit(rec.pack(tick.records))
            except Fenced:
                tick.give_up(self.subscriber)
                raise
            await self._speak_for_it()
        tick.release(self.subscriber, self.presence)
        for call in settled:
            call()
        while self._looks:
            self._looks.popleft()(self.state)
        self._busy = False
        self._idle.set()
        if tick.reveals:
            self._save_snapshot()
        if self.state.phase is Phase.ENDED and not self.ended.done():
            self.ended.set_result(None)

    def _save_snapshot(self) -> None:
        """Have the log made short, beside play; one that fails is made up for later."""
        if self._saving is None or self._saving.done():
            self._saving = self.loop.create_task(self._save())

    async def _save(self) -> None:
        session_id = self.state.session_id
        try:
            self._short_to = await save_snapshot(
                self._journal, session_id, self._term, self._short_to
            )
        except (JournalUnavailable, Fenced) as error:
            log.info("snapshot_not_saved", session_id=session_id, error=str(error))
            self._short_to = None

    async def _speak_for_it(self) -> None:
        """Go on only while no other shard can have taken the session over."""
        if not self._lease.holds():
            await self._lease.held()

    async def _commit(self, batch: bytes) -> None:
        """Append *batch*, again and again while the journal cannot say that it did."""
        delay_s = RETRY_FIRST_S
        while True:
            try:
                await self._journal.append(
                    self.state.session_id, self._term, self._index + 1, batch
                )
            except JournalUnavailable as error:
                log.warning(
                    "journal_unavailable",
                    session_id=self.state.session_id,
                    error=str(error),
                    retry_s=delay_s,
                )
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, RETRY_MAX_S)
            else:
                self._index += 1
                self.last = chain(self.last, batch)
                for hear in self.on_commit:
                    hear(self._index, batch)
                return

    def lead_ms(self) -> int:
        """Return how far ahead a question has to start for all to see it in time."""
        measured_ms = LEAD_FACTOR * self.subscriber.fan_out_ms()
        return max(self._limits.lead_min_ms, round(measured_ms))

    # -- time --------------------------------------------------------------------

    def _set_timer(self) -> None:
        self._cancel_timer()
        now_ms = self._clock.now_ms()
        at_ms = self.deadlines.next_ms(now_ms)
        if at_ms is not None:
            self._timer = self.loop.call_later(max(at_ms - now_ms, 0) / 1000, self.wake)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
