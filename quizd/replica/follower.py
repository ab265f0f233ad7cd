"""A session that another shard owns, as this shard's players meet it.

What comes down: the owner's durable batches, entered into a replica, whose effects go
to the connections here. What goes up: answers, joins, commands, and whose line is up.
The owner is found in the journal. When it falls silent, or says that there is more
than what came, the journal is read: there is no other way to repair, and after it
every connection here goes on with the next number, as if nothing had been lost.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import orjson

from quizd._fast.inbox import Inbox
from quizd.clock import Clock
from quizd.codes import Close, Reason, Refused
from quizd.journal.base import Journal, JournalUnavailable, Unknown
from quizd.log import get_logger
from quizd.owner.handle import answering
from quizd.owner.runner import Runner
from quizd.owner.subscriber import Subscriber
from quizd.replica.exchange import Exchange
from quizd.replica.messages import Answers, Item, Kind, Records, refused_of
from quizd.replica.outbox import Outbox
from quizd.replica.replica import Fit, Replica
from quizd.replica.requests import Requests
from quizd.session import events as ev
from quizd.session.phases import Phase
from quizd.session.state import State

T = TypeVar("T")

SILENCE_MS = 1_000
"""Four pulses: then the journal is asked who the owner is."""

RETRY_S = 0.1
REPORT_AFTER_END_MS = 2

NUMBERS_A_MS_BITS = 10
"""Numbers begin with the time: a later follower's are above those of an earlier one."""

DRIFT_PERIOD_MS = 10_000
"""Clocks of two machines go apart by less than 1 ms within this."""

log = get_logger(__name__)


async def at_once() -> None:
    """Take the journal's first word."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How far connections have seen a session: to a batch, its hash.

    And who is in, since when by the owner's time.
    """

    index: int
    last: bytes
    here: Mapping[int, int] = field(default_factory=dict)


class Follower:
    """One session of another shard; a `Handle`.

    *subscriber* gets its effects. `state` is there from the end of `ready` on.
    """

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        session_id: str,
        *,
        exchange: Exchange,
        journal: Journal,
        clock: Clock,
        waiting_max: int,
        shown: Shown | None = None,
        certainty: Callable[[], Awaitable[None]] = at_once,
    ) -> None:
        self.session_id = session_id
        self.loop = asyncio.get_running_loop()
        self.inbox = Inbox(waiting_max, self._soon)
        self.subscriber: Subscriber
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self.ready: asyncio.Future[None] = self.loop.create_future()
        self.ready.add_done_callback(_retrieve)
        self.owner = ""
        self.term = 0
        self.replica: Replica | None = None
        self.connected = 0
        self.here: dict[int, int] = dict(shown.here) if shown else {}
        self._shown = shown
        self._exchange = exchange
        self._journal = journal
        self._clock = clock
        self._waiting_max = waiting_max
        self._certainty = certainty
        self._expected: list[tuple[int, asyncio.Future[None]]] = []
        self._replies: deque[dict[str, Any]] = deque()
        self._looks: deque[Callable[[State], None]] = deque()
        self._others: list[ev.AnswerSubmitted] = []
        self._came: list[tuple[int, int]] = []
        self._went: list[int] = []
        number = clock.now_ms() << NUMBERS_A_MS_BITS
        self._outbox = Outbox(self._send_answers, waiting_max, number)
        self._requests = Requests(self._send_event, waiting_max, number)
        self._scheduled = False
        self._incomplete = asyncio.Event()
        self._heard_ms = clock.now_ms()
        self._offset_ms = 0
        self._offset_at_ms = 0
        self._report_timer: asyncio.TimerHandle | None = None
        self._refused: Refused | None = None
        self._stopped = False

    # -- what edge and API ask ----------------------------------------------------

    @property
    def synced(self) -> bool:
        """Whether the replica has been read."""
        return self.replica is not None

    @property
    def state(self) -> State:
        """The replica's state."""
        if self.replica is None:
            raise Refused(Reason.SHARD_UNAVAILABLE)
        return self.replica.session.state

    @property
    def waiting(self) -> int:
        """How many answers are here or under way."""
        return len(self.inbox) + len(self._outbox)

    def now_ms(self) -> int:
        """Return the owner's time, as far as its pulses tell."""
        return self._clock.now_ms() + self._offset_ms

    def lead_ms(self) -> int:
        """Return 0: the owner knows how long all fan-outs take."""
        return 0

    def look(self, look: Callable[[State], None]) -> None:
        """Call *look* with the replica's state, as soon as there is one."""
        if self.replica is not None:
            look(self.state)
        elif self._refused is None and len(self._looks) < self._waiting_max:
            self._looks.append(look)

    def read(self, look: Callable[[State], T]) -> asyncio.Future[T]:
        """Return what *look* sees of the replica's state."""
        reply: asyncio.Future[T] = self.loop.create_future()
        if self._refused is not None:
            reply.set_exception(self._refused)
        else:
            self.look(answering(reply, look))
        return reply

    def expect(self, participant: int) -> asyncio.Future[None]:
        """Return what is done when the records say that *participant* is in."""
        known: asyncio.Future[None] = self.loop.create_future()
        if self.replica is not None and participant < len(self.state.names):
            known.set_result(None)
        elif len(self._expected) < self._waiting_max:
            self._expected.append((participant, known))
        return known

    def submit(self, event: ev.Event) -> asyncio.Future[int | None]:
        """Pass *event* on to the owner, whoever that is by then."""
        reply: asyncio.Future[int | None] = self.loop.create_future()
        self._requests.put(event, self._clock.now_ms(), reply)
        return reply

    def post(self, event: ev.AnswerSubmitted) -> None:
        """Pass an answer of general form on, among those of the inbox."""
        if len(self._others) + len(self._outbox) >= self._waiting_max:
            self.subscriber.refuse(event.participant, Refused(Reason.SHARD_UNAVAILABLE))
            return
        self._others.append(event)
        self._soon()

    def came(self, participant: int) -> None:
        """Tell the owner that a player's line is up here."""
        since_ms = self.here[participant] = self.now_ms()
        self._came.append((participant, since_ms))
        self._soon()

    def went(self, participant: int) -> None:
        """Tell the owner that a player's line is down here."""
        self.here.pop(participant, None)
        self._went.append(participant)
        self._soon()

    # -- life ---------------------------------------------------------------------

    async def run(self) -> None:
        """Follow until stopped, or until there is no such session."""
        if self.replica is None and not await self._load():
            return
        while not self._stopped:
            await self._incomplete.wait()
            self._incomplete.clear()
            if not await self._insist(self._repair):
                return

    async def _load(self) -> bool:
        return await self._insist(self._load_and_attach)

    async def _insist(self, read: Callable[[], Awaitable[None]]) -> bool:
        """Read the journal until that succeeds; tell whether the session is there.

        A Redis that came back without it may be given it back by its owner.
        """
        certain = False
        while not self._stopped:
            try:
                await read()
            except Unknown:
                if certain:
                    refused = Refused(Reason.SESSION_NOT_FOUND)
                    self.fail(refused, Close.SESSION_NOT_FOUND)
                    return False
                await self._certainty()
                certain = True
            except JournalUnavailable as error:
                log.warning("journal_unavailable", error=str(error))
                certain = False
                await asyncio.sleep(RETRY_S)
            else:
                return True
        return False

    async def _load_and_attach(self) -> None:
        entry = await self._journal.entry(self.session_id)
        await self._load_replica()
        self._is_owned_by(entry.owner, entry.term)

    async def _load_replica(self) -> None:
        """Read as far as the connections here have seen; the rest has effects."""
        shown = self._shown
        replica = await Replica.load(
            self._journal, self.session_id, shown.index if shown else None
        )
        self._begin(replica)
        if shown is not None:
            if (replica.index, replica.last) != (shown.index, shown.last):
                self.subscriber.show_anew()
            self.suspect()

    def _begin(self, replica: Replica) -> None:
        if self._stopped:
            return
        self.replica = replica
        if not self.ready.done():
            self.ready.set_result(None)
        while self._looks:
            self._looks.popleft()(self.state)
        self._note_phase()

    def fail(self, refused: Refused, code: Close) -> None:
        """Give the session up: tell all who wait, and close their lines."""
        self._refused = refused
        self._looks.clear()
        self._requests.fail(refused)
        if not self.ready.done():
            self.ready.set_exception(refused)
        self.subscriber.close_all(code)

    def take_inbox(self, inbox: Inbox) -> None:
        """Go on with the inbox into which this shard's connections write."""
        self.inbox = inbox
        inbox.wake = self._soon
        self._soon()

    def hand_over(self, runner: Runner) -> None:
        """Give all that is under way to the runner that the session has here now."""
        now_ms = self._clock.now_ms()
        for participant, since_ms in self.here.items():
            runner.came(participant, since_ms=since_ms)
        known = len(runner.state.names)
        for answers, waited_ms in self._outbox.under_way(now_ms):
            received_ms = now_ms - waited_ms
            runner.inbox.unpack(answers.packed, received_ms, known)
            for participant, age_ms, payload in answers.others:
                runner.post(
                    ev.AnswerSubmitted(participant, received_ms - age_ms, payload)
                )
        for event in self._others:
            runner.post(event)
        self._requests.hand_over(runner.submit)
        while self._looks:
            runner.look(self._looks.popleft())
        self._cancel_report()
        runner.wake()

    def detach(self) -> None:
        """Tell the owner that nobody here follows any more."""
        self._send(Kind.DETACH, {})

    def note_failure(self, error: BaseException | None) -> None:
        """Give up where following has failed by a bug; players come back."""
        if error is not None:
            log.error("follower_failed", session_id=self.session_id, exc_info=error)
            refused = Refused(Reason.SHARD_UNAVAILABLE)
            self.fail(refused, Close.SERVICE_RESTART)

    def halt(self) -> None:
        """Let the replica stand as it is; a cancellation may not get through."""
        self._stopped = True
        self._incomplete.set()

    async def resume(self, halted: asyncio.Task[None]) -> None:
        """Go on after :meth:`halt`, once the task that followed has ended."""
        await asyncio.wait({halted})
        self._stopped = False
        self.suspect()
        await self.run()

    def stop(self) -> None:
        """Say nothing more."""
        self._cancel_report()
        self._requests.fail(Refused(Reason.SHARD_UNAVAILABLE))

    def pulse(self) -> None:
        """Do what is to be done every now and then: report, and mind the silence."""
        if self.replica is None or self.ended.done():
            return
        now_ms = self._clock.now_ms()
        self.report()
        self._outbox.send_again(now_ms)
        if now_ms - self._heard_ms >= SILENCE_MS:
            self._heard_ms = now_ms
            self.suspect()

    def suspect(self) -> None:
        """Look into the journal, and attach to the owner again."""
        self._incomplete.set()

    # -- the owner ----------------------------------------------------------------

    def _is_owned_by(self, owner: str, term: int) -> None:
        """Attach to *owner*, and ask it all that nobody has answered yet."""
        if term < self.term:
            return
        self.owner, self.term = owner, term
        self._attach()
        now_ms = self._clock.now_ms()
        self._outbox.send_again(now_ms, older_ms=0)
        self._requests.send_again(now_ms)
        self._soon()

    def _attach(self) -> None:
        self._send(Kind.ATTACH, {"here": sorted(self.here.items())})

    def _send(self, kind: Kind, body: dict[str, Any]) -> None:
        self._post(kind, orjson.dumps(body))

    def _post(self, kind: Kind, body: bytes) -> None:
        if self.owner:
            self._exchange.send(self.owner, Item(kind, self.session_id, body))

    def _send_answers(self, answers: Answers) -> None:
        sent = replace(answers, sent_ms=self.now_ms())
        self._post(Kind.ANSWERS, sent.pack())

    def _send_event(self, body: bytes) -> None:
        self._post(Kind.EVENT, body)

    def _soon(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self.loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Pass on what has come in during this turn of the loop."""
        self._scheduled = False
        if not self.owner:
            return
        if self._came or self._went:
            self._send(Kind.PRESENCE, {"came": self._came, "went": self._went})
            self._came, self._went = [], []
        if not self._outbox.full:
            self._flush_answers()

    def _flush_answers(self) -> None:
        size = len(self.inbox) + len(self._others)
        if not size:
            return
        now_ms = self._clock.now_ms()
        packed = self.inbox.pack(now_ms)
        others: list[object] = [
            [event.participant, now_ms - event.received_ms, event.payload]
            for event in self._others
        ]
        self.inbox.clear()
        self._others = []
        self._outbox.put(packed, others, size, now_ms)

    def report(self) -> None:
        """Tell the owner that all that came in until now is under way."""
        self._flush()
        self._send(
            Kind.REPORT,
            {
                "throughMs": self.now_ms(),
                "fanOutMs": self.subscriber.fan_out_ms(),
                "inFlight": self.subscriber.in_flight,
            },
        )

    # -- what the owner says --------------------------------------------------------

    def on_item(self, sender: str, item: Item) -> None:
        """Do what *item* of the owner says."""
        if item.kind is Kind.RECORDS:
            self._on_records(sender, Records.unpack(item.body))
            return
        body = orjson.loads(item.body)
        if item.kind is Kind.PULSE:
            self._on_pulse(sender, body)
        elif item.kind is Kind.TAKEN:
            self._outbox.taken(body["number"])
            self._soon()
        elif item.kind is Kind.REPLY:
            self._replies.append(body)
            self._pass_on_replies()
        elif item.kind is Kind.REFUSE:
            self.subscriber.refuse(body["participant"], refused_of(body))
        elif item.kind is Kind.REPEAT:
            self._repeat(body["participant"], body["index"])
        elif item.kind is Kind.REPLACED:
            self.subscriber.replace(body["participant"], "")

    def _repeat(self, participant: int, index: int) -> None:
        """Tell a result again; one that has not come down yet is told when it does."""
        sheets = self.state.sheets if self.replica is not None else []
        if index < len(sheets) and participant in sheets[index]:
            self.subscriber.repeat(participant, index)

    def _on_records(self, sender: str, records: Records) -> None:
        self._hear(sender, records.term, records.sent_ms)
        if self.replica is None or records.term < self.term:
            return
        fit = self.replica.fit(records)
        if fit is Fit.NEXT:
            self._enter(self.replica, records.index, records.batch)
        elif fit is not Fit.KNOWN:
            self._incomplete.set()

    def _pass_on_replies(self) -> None:
        """Tell those who asked, as soon as what they were told of can be seen here."""
        index = self.replica.index if self.replica is not None else 0
        while self._replies and self._replies[0]["index"] <= index:
            self._requests.replied(self._replies.popleft())
        if self._replies:
            self.suspect()

    def _on_pulse(self, sender: str, body: dict[str, Any]) -> None:
        self._hear(sender, body["term"], body["nowMs"])
        self.connected = body["connected"]
        replica = self.replica
        if replica is None or body["term"] < self.term:
            return
        if body["anew"]:
            self._is_owned_by(sender, body["term"])
        there = (body["index"], body["chain"])
        if there != (replica.index, replica.last.hex()):
            self._incomplete.set()

    def _hear(self, sender: str, term: int, sent_ms: int) -> None:
        """Note that the owner lives, and by how much its clock is ahead, at least.

        The way here only makes it look less ahead, so the largest is the best. It is
        let go slowly, as clocks drift.
        """
        if term < self.term:
            return
        now_ms = self._clock.now_ms()
        self._heard_ms = now_ms
        ahead_ms = sent_ms - now_ms
        first = term != self.term or sender != self.owner
        drift_ms = (now_ms - self._offset_at_ms) // DRIFT_PERIOD_MS
        if first or ahead_ms >= self._offset_ms - drift_ms:
            self._offset_ms, self._offset_at_ms = ahead_ms, now_ms
        if first and self.replica is not None:
            self._is_owned_by(sender, term)

    def _enter(self, replica: Replica, index: int, batch: bytes) -> None:
        if self._stopped:
            return
        self.subscriber.release(replica.enter(index, batch))
        self._note_phase()
        if self._expected:
            self._note_joins()
        if self._replies:
            self._pass_on_replies()

    def _note_joins(self) -> None:
        """Tell those who wait for a participant that has come in by now."""
        known = len(self.state.names)
        for participant, future in self._expected:
            if participant < known and not future.done():
                future.set_result(None)
        self._expected = [each for each in self._expected if not each[1].done()]

    def _note_phase(self) -> None:
        """Notice the end; be ready to report when the open question's time is over."""
        self._cancel_report()
        state = self.state
        if state.phase is Phase.ENDED and not self.ended.done():
            self.ended.set_result(None)
        if state.phase is Phase.QUESTION and state.deadline_ms is not None:
            after_ms = max(state.deadline_ms - self.now_ms(), 0) + REPORT_AFTER_END_MS
            self._report_timer = self.loop.call_later(after_ms / 1000, self.report)

    def _cancel_report(self) -> None:
        if self._report_timer is not None:
            self._report_timer.cancel()
            self._report_timer = None

    # -- repair -----------------------------------------------------------------------

    async def _repair(self) -> None:
        """Read what is missing; begin anew where the journal tells another story."""
        entry = await self._journal.entry(self.session_id)
        if self.replica is not None:
            await self._catch_up(self.replica, entry.term)
        self._is_owned_by(entry.owner, entry.term)

    async def _catch_up(self, replica: Replica, term: int) -> None:
        before = replica.index
        position = await self._journal.position(self.session_id)
        if before != replica.index:
            self._incomplete.set()  # it goes on meanwhile: compare when it stands
            return
        if position.index < replica.index and term <= self.term:
            await self._certainty()  # the owner gives it back, or somebody takes over
            self._incomplete.set()
            return
        batches = await replica.missing(
            self._journal, self.session_id, position.index, position.hash
        )
        if batches is not None:
            for index, batch in batches:
                if index == replica.index + 1:  # else the link was quicker
                    self._enter(replica, index, batch)
        else:
            log.warning("history_differs", session_id=self.session_id)
            self._begin(await Replica.load(self._journal, self.session_id))
            self.subscriber.show_anew()


def _retrieve(ready: asyncio.Future[None]) -> None:
    """Have a failure count as heard of, also when nobody waits for it."""
    if not ready.cancelled():
        ready.exception()
