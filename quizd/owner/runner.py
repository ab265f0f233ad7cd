"""Driving one session: the tick.

A tick drains what has arrived, decides it, enters the records into the state, commits
them as one batch and only then lets out what they caused. What arrives while a commit
is under way waits for the next tick, so an idle session commits at once and a busy
one in groups that grow with the load. The state is never more than the batch under
way ahead of the journal, and nobody sees it in between: reading goes through the same
queue (:meth:`Runner.read`).

Nothing here is decided: that is the session's. Nothing here is sent: that is the
subscriber's.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from quizd._fast.inbox import Inbox
from quizd._fast.scoring import Verdicts
from quizd.clock import Clock
from quizd.codes import Reason, Refused
from quizd.journal.base import Claim, Fenced, Journal, JournalUnavailable, chain
from quizd.log import get_logger
from quizd.owner.handle import Place, answering
from quizd.owner.lease import Forever, Lease
from quizd.owner.logbook import save_snapshot
from quizd.owner.outage import Outage
from quizd.owner.presence import HERE, Presence
from quizd.owner.subscriber import Subscriber
from quizd.session import effects as fx
from quizd.session import events as ev
from quizd.session import records as rec
from quizd.session.live import LiveSession
from quizd.session.phases import Phase
from quizd.session.state import State

T = TypeVar("T")

LEAD_FACTOR = 1.5
LATE_ANSWERS_MS = 250
"""How long other shards may take to hand over what came in before the end."""
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


@dataclass(slots=True)
class Waiting:
    """An event in the queue and who waits for what it comes to."""

    event: ev.Event
    reply: asyncio.Future[Any] | None


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
        self.complete_ms: Callable[[], int | None] = _always_complete
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

    def outage_ended(self, outage: Outage) -> None:
        """Let what came in until now count by the clock that goes on."""
        self._outage = outage
        outage.move_on(self.inbox)

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
        tick = Tick(self, self._clock.now_ms())
        settled, self._settled = self._settled, []
        tick.decide_all(self.inbox, self._waiting)
        if tick.records:
            try:
                await self._commit(rec.pack(tick.records))
            except Fenced:
                tick.give_up(self.subscriber)
                raise
            await self._speak_for_it()
        tick.release(self.subscriber)
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

    def due(self, now_ms: int) -> ev.Event | None:
        """Return the event that time itself brings now, if one is due."""
        state = self.state
        if state.phase in (Phase.PAUSED, Phase.ENDED):
            return None
        if self._passed(now_ms):
            return ev.DeadlinePassed(self.lead_ms())
        if state.phase is Phase.QUESTION and self._everybody_answered(now_ms):
            return ev.EverybodyAnswered(state.current, self.lead_ms())
        return None

    def _passed(self, now_ms: int) -> bool:
        """Tell whether the deadline has passed, for answers on their way as well."""
        deadline_ms = self.state.deadline_ms
        if deadline_ms is None or now_ms < deadline_ms:
            return False
        if self.state.phase is not Phase.QUESTION:
            return True
        return self._is_complete(deadline_ms) or (
            now_ms >= deadline_ms + LATE_ANSWERS_MS
        )

    def _is_complete(self, at_ms: int) -> bool:
        """Tell whether all shards have handed over what came in before *at_ms*."""
        complete_ms = self.complete_ms()
        return complete_ms is None or complete_ms >= at_ms

    def _everybody_answered(self, now_ms: int) -> bool:
        self.presence.expire(now_ms)
        sheet = self.state.sheet
        if sheet is None or sheet.answered < max(len(self.presence.connected), 1):
            return False
        expected = self.presence.expected()
        return bool(expected) and all(participant in sheet for participant in expected)

    # -- time --------------------------------------------------------------------

    def _set_timer(self) -> None:
        self._cancel_timer()
        at_ms = self._next_ms()
        if at_ms is not None:
            delay_ms = max(at_ms - self._clock.now_ms(), 0)
            self._timer = self.loop.call_later(delay_ms / 1000, self.wake)

    def _next_ms(self) -> int | None:
        state = self.state
        if state.phase is Phase.PAUSED:
            return None
        if state.phase is not Phase.QUESTION or state.deadline_ms is None:
            return state.deadline_ms
        deadline_ms = state.deadline_ms
        if self._clock.now_ms() >= deadline_ms:
            return deadline_ms + LATE_ANSWERS_MS
        expiry_ms = self.presence.next_expiry_ms()
        return deadline_ms if expiry_ms is None else min(expiry_ms, deadline_ms)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _always_complete() -> int | None:
    """Say that no other shard has answers on their way."""
    return None


class Tick:
    """What one tick has decided, until it is let out."""

    def __init__(self, runner: Runner, now_ms: int) -> None:
        self.records: list[rec.Record] = []
        self._runner = runner
        self._session = runner.session
        self._now_ms = now_ms
        self._effects: list[fx.Effect] = []
        self._after: list[Callable[[Subscriber], None]] = []

    def decide_all(self, inbox: Inbox, waiting: deque[Waiting]) -> None:
        """Decide the end of an outage, then answers, the queue, what time brings."""
        while waiting and isinstance(waiting[0].event, ev.OutageNoticed):
            self._decide_outage(waiting.popleft().event)
        if inbox.size:
            self._decide_inbox(inbox)
        for _ in range(len(waiting)):
            self._decide_waiting(waiting.popleft())
        event = self._runner.due(self._now_ms)
        if event is not None:
            self._enter(self._session.decide(event, self._now_ms))

    @property
    def reveals(self) -> bool:
        """Whether a question was closed."""
        return any(isinstance(effect, fx.RevealQuestion) for effect in self._effects)

    def release(self, subscriber: Subscriber) -> None:
        """Let out what is now durable."""
        for effect in self._effects:
            if isinstance(effect, fx.RemoveParticipant):
                self._runner.presence.forget(effect.participant)
        subscriber.release(self._effects)
        for say in self._after:
            say(subscriber)

    def give_up(self, subscriber: Subscriber) -> None:
        """Have those whose answers another owner never got send them again."""
        for effect in self._effects:
            if isinstance(effect, fx.SendResults):
                question = self._session.state.quiz.question(effect.index)
                for participant in effect.participants:
                    again = Refused(Reason.SHARD_UNAVAILABLE, questionId=question.id)
                    subscriber.refuse(participant, again)

    def _enter(self, records: list[rec.Record]) -> None:
        for record in records:
            self._effects.extend(self._session.apply(record))
        self.records += records

    def _decide_outage(self, event: ev.Event) -> None:
        try:
            records = self._session.decide(event, self._now_ms)
        except Refused:
            return  # it has ended
        self._enter(records)
        for record in records:
            if isinstance(record, rec.OutageEnded):
                self._runner.outage_ended(Outage(self._now_ms, record.outage_ms))

    # -- answers -------------------------------------------------------------------

    def _decide_inbox(self, inbox: Inbox) -> None:
        verdicts = self._session.judge(inbox)
        inbox.clear()
        if verdicts.record is not None:
            self._enter([rec.AnswersAccepted(self._now_ms, verdicts.record)])
        self._answer_rest(verdicts)

    def _answer_rest(self, verdicts: Verdicts) -> None:
        index = self._session.state.current
        for participant in verdicts.repeated:
            self._repeat(participant, index)
        question = self._session.state.question
        for participant, reason in verdicts.refused:
            details = {} if question is None else {"questionId": question.id}
            self._refuse(participant, Refused(Reason(reason), **details))
        for participant, received_ms, *texts in verdicts.general:
            names = ("questionId", "selectedOption", "answeredAt")
            payload = dict(zip(names, (text.decode() for text in texts), strict=True))
            self._decide_waiting(
                Waiting(ev.AnswerSubmitted(participant, received_ms, payload), None)
            )

    def _repeat(self, participant: int, index: int) -> None:
        self._after.append(lambda to: to.repeat(participant, index))

    def _refuse(self, participant: int, refused: Refused) -> None:
        self._after.append(lambda to: to.refuse(participant, refused))

    # -- the queue -----------------------------------------------------------------

    def _decide_waiting(self, waiting: Waiting) -> None:
        event, reply = waiting.event, waiting.reply
        try:
            result = self._decide_event(event)
        except Refused as refused:
            if reply is not None:
                self._after.append(_failing(reply, refused))
            elif isinstance(event, ev.AnswerSubmitted):
                self._refuse(event.participant, refused)
        else:
            if reply is not None:
                self._after.append(_resolving(reply, result))

    def _decide_event(self, event: ev.Event) -> int | None:
        if isinstance(event, ev.AnswerSubmitted):
            return self._decide_answer(event)
        self._enter(self._session.decide(event, self._now_ms))
        if isinstance(event, ev.ParticipantJoined):
            return self._session.joined_before(event)
        return None

    def _decide_answer(self, event: ev.AnswerSubmitted) -> int | None:
        counted_ms = self._runner.counted_ms(event.received_ms)
        event = replace(event, received_ms=counted_ms)
        index = self._session.repeated(event)
        if index is not None:
            self._repeat(event.participant, index)
            return index
        self._enter(self._session.decide(event, self._now_ms))
        return self._session.state.current


def _failing(
    reply: asyncio.Future[Any], error: Refused
) -> Callable[[Subscriber], None]:
    def fail(_: Subscriber) -> None:
        if not reply.done():
            reply.set_exception(error)

    return fail


def _resolving(
    reply: asyncio.Future[Any], result: int | None
) -> Callable[[Subscriber], None]:
    def resolve(_: Subscriber) -> None:
        if not reply.done():
            reply.set_result(result)

    return resolve
