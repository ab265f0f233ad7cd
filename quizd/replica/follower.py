"""A session that another shard owns, as this shard's players meet it.

What comes down: the owner's durable batches, entered into a replica, whose effects go
to the connections here. What goes up: see `upward`. The owner is found in the journal.
When it falls silent, or says that there is more than what came, the journal is read:
there is no other way to repair, and after it every connection here goes on with the
next number, as if nothing had been lost.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import orjson

from quizd._fast.inbox import Inbox
from quizd.codes import Close, Reason, Refused
from quizd.journal.base import Journal
from quizd.log import get_logger
from quizd.owner.handle import Place, answering
from quizd.owner.runner import Runner
from quizd.owner.subscriber import Subscriber
from quizd.replica.exchange import PULSE_S, Exchange
from quizd.replica.messages import Item, Kind, Records, refused_of
from quizd.replica.owner_time import OwnerTimes
from quizd.replica.repair import Another, Repair, at_once, tell_of_loss
from quizd.replica.replica import Fit, Replica, Shown
from quizd.replica.upward import Upward
from quizd.replica.waiters import Waiters
from quizd.session import events as ev
from quizd.session.phases import Phase
from quizd.session.state import State

T = TypeVar("T")

REPORT_AFTER_END_MS = 2

UNTOLD_MS = 5_000
"""Two rounds of pulses: then the journal is asked who owns the session.

Its owner may live and have it no longer.
"""

log = get_logger(__name__)


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
        times: OwnerTimes,
        waiting_max: int,
        shown: Shown | None = None,
        certainty: Callable[[], Awaitable[None]] = at_once,
    ) -> None:
        self.session_id = session_id
        self.loop = asyncio.get_running_loop()
        self.subscriber: Subscriber
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self.ready: asyncio.Future[None] = self.loop.create_future()
        self.ready.add_done_callback(_retrieve)
        self.term = 0
        self.replica: Replica | None = None
        self.connected = 0
        self._shown = shown
        self._journal = journal
        self._times = times
        self._told_ms = times.here_ms()
        self._up = Upward(
            session_id, exchange, times, waiting_max, shown.here if shown else {}
        )
        self.inbox = self._up.inbox
        self._repairs = Repair(journal, session_id, certainty)
        self._waiters = Waiters(waiting_max, self._up.replied)
        self._incomplete = asyncio.Event()
        self._report_timer: asyncio.TimerHandle | None = None
        self._asking: asyncio.TimerHandle | None = None
        self._refused: Refused | None = None
        self._heir: Runner | None = None

    # -- what edge and API ask ----------------------------------------------------

    @property
    def synced(self) -> bool:
        """Whether the replica has been read."""
        return self.replica is not None

    @property
    def state(self) -> State:
        """The replica's state; once it is handed over, the runner's."""
        if self._heir is not None:
            return self._heir.state
        if self.replica is None:
            raise Refused(Reason.SHARD_UNAVAILABLE)
        return self.replica.session.state

    @property
    def owner(self) -> str:
        """The process that owns the session, empty until it is found."""
        return self._up.owner

    @property
    def here(self) -> Mapping[int, int]:
        """The players whose lines are up here, and since when by the owner's time."""
        return self._up.here

    @property
    def waiting(self) -> int:
        """How many answers are here or under way."""
        return self._up.waiting

    def now_ms(self) -> int:
        """Return the owner's time, as far as its pulses tell."""
        return self._up.now_ms()

    def lead_ms(self) -> int:
        """Return 0: the owner knows how long all fan-outs take."""
        return 0

    def look(self, look: Callable[[State], None]) -> None:
        """Call *look* with the replica's state, as soon as there is one."""
        if self._heir is not None:
            self._heir.look(look)
        elif self.replica is not None:
            look(self.state)
        elif self._refused is None:
            self._waiters.look(look)

    def look_from(self, place: Place, look: Callable[[State], None]) -> None:
        """Call *look* once the replica is at *place*, or as far as the owner is."""
        here = self._heir is None and self.replica is not None
        if here and self._waiters.look_from(place, self.state, self.now_ms(), look):
            self._ask_soon()
        else:
            self.look(look)

    def read(self, look: Callable[[State], T]) -> asyncio.Future[T]:
        """Return what *look* sees of the replica's state."""
        if self._heir is not None:
            return self._heir.read(look)
        reply: asyncio.Future[T] = self.loop.create_future()
        if self._refused is not None:
            reply.set_exception(self._refused)
        else:
            self.look(answering(reply, look))
        return reply

    def expect(self, participant: int) -> asyncio.Future[None]:
        """Return what is done when *participant* is in, or is known to be nobody."""
        if self._heir is not None:
            return self._heir.expect(participant)
        known: asyncio.Future[None] = self.loop.create_future()
        known.add_done_callback(_retrieve)
        if self._refused is not None:
            known.set_exception(self._refused)
        elif self.replica is not None and participant < len(self.state.names):
            known.set_result(None)
        else:
            self._waiters.expect(participant, self.now_ms(), known)
            self._ask_soon()
        return known

    def submit(self, event: ev.Event) -> asyncio.Future[int | None]:
        """Pass *event* on to the owner, whoever that is by then."""
        return self._up.submit(event)

    def post(self, event: ev.AnswerSubmitted) -> None:
        """Pass an answer of general form on, among those of the inbox."""
        if not self._up.post(event):
            self.subscriber.refuse(event.participant, Refused(Reason.SHARD_UNAVAILABLE))

    def came(self, participant: int) -> None:
        """Tell the owner that a player's line is up here."""
        self._up.came(participant)

    def went(self, participant: int) -> None:
        """Tell the owner that a player's line is down here."""
        self._up.went(participant)

    # -- life ---------------------------------------------------------------------

    async def run(self) -> None:
        """Follow until stopped, or until there is no such session."""
        read = self._repair if self.synced else self._load_and_attach
        while not self._stopped:
            if not await self._repairs.insist(read):
                self.fail(Refused(Reason.SESSION_NOT_FOUND), Close.SESSION_NOT_FOUND)
                return
            read = self._repair
            await self._incomplete.wait()
            self._incomplete.clear()

    @property
    def _stopped(self) -> bool:
        return self._repairs.stopped

    async def _load_and_attach(self) -> None:
        """Read as far as the connections here have seen; the rest has effects."""
        entry = await self._journal.entry(self.session_id)
        shown = self._shown
        through = shown.index if shown else None
        replica = await Replica.load(
            self._journal, self.session_id, entry.term, through
        )
        self._begin(replica)
        if shown is not None:
            if (replica.index, replica.last) != (shown.index, shown.last):
                self.subscriber.show_anew()
            self.suspect()
        self._is_owned_by(entry.owner, entry.term)

    def _begin(self, replica: Replica) -> None:
        if self._stopped:
            return
        self.replica = replica
        if not self.ready.done():
            self.ready.set_result(None)
        self._waiters.give_looks(lambda look: look(self.state))
        self._note_phase()

    def fail(self, refused: Refused, code: Close) -> None:
        """Give the session up: tell all who wait, and close their lines."""
        self._refused = refused
        self._waiters.drop_looks()
        self._waiters.fail_expected(refused)
        self._up.fail(refused)
        if not self.ready.done():
            self.ready.set_exception(refused)
        self.subscriber.close_all(code)

    def take_inbox(self, inbox: Inbox) -> None:
        """Go on with the inbox into which this shard's connections write."""
        self.inbox = inbox
        self._up.take_inbox(inbox)

    def hand_over(self, runner: Runner) -> None:
        """Give all that is under way to the runner that the session has here now."""
        self._heir = runner
        self._up.hand_over(runner)
        if not self.ready.done():
            self.ready.set_result(None)
        self._waiters.give_looks(runner.look)
        self._waiters.expect_nobody()
        self._cancel_report()
        runner.wake()

    def detach(self) -> None:
        """Tell the owner that nobody here follows any more."""
        self._up.send(Kind.DETACH, {})

    def note_failure(self, error: BaseException | None) -> None:
        """Give up where following has failed by a bug; players come back."""
        if error is not None:
            log.error("follower_failed", session_id=self.session_id, exc_info=error)
            refused = Refused(Reason.SHARD_UNAVAILABLE)
            self.fail(refused, Close.SERVICE_RESTART)

    def halt(self) -> None:
        """Let the replica stand as it is; a cancellation may not get through."""
        self._repairs.stopped = True
        self._incomplete.set()

    async def resume(self, halted: asyncio.Task[None]) -> None:
        """Go on after :meth:`halt`, once the task that followed has ended."""
        await asyncio.wait({halted})
        self._repairs.stopped = False
        self.suspect()
        await self.run()

    def stop(self) -> None:
        """Say nothing more."""
        self._cancel_report()
        refused = Refused(Reason.SHARD_UNAVAILABLE)
        self._waiters.fail_expected(refused)
        self._up.fail(refused)

    def pulse(self) -> None:
        """Do what is to be done every now and then: report, and mind the silence."""
        if self.replica is None or self.ended.done():
            return
        if self._asking is None:
            self.report()
        self._up.send_late_again()
        if self._times.here_ms() - self._told_ms >= UNTOLD_MS:
            self._told_ms = self._times.here_ms()
            self.suspect()

    def _ask_soon(self) -> None:
        """Have the owner say soon, and again, what it has, as long as anybody waits."""
        if self._asking is None and self._waiters.anybody:
            self._asking = self.loop.call_later(PULSE_S, self._ask)

    def _ask(self) -> None:
        self._asking = None
        self._waiters.note_time(self.now_ms(), self.look)
        if self._waiters.anybody and not self.ended.done():
            self.report()
            self._ask_soon()

    def suspect(self) -> None:
        """Look into the journal, and attach to the owner again."""
        self._incomplete.set()

    def report(self) -> None:
        """Tell the owner that all that came in until now is under way.

        It tells where its log stands.
        """
        self._up.report(self.subscriber.fan_out_ms(), self.subscriber.in_flight)

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
            self._up.taken(body["number"])
        elif item.kind is Kind.REPLY:
            self._on_reply(body)
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
            self._enter(self.replica, records.index, records.batch, records.term)
        elif fit is not Fit.KNOWN:
            self._incomplete.set()

    def _on_reply(self, body: dict[str, Any]) -> None:
        """Tell who asked, as soon as what it is told of can be seen here."""
        index = self.replica.index if self.replica is not None else 0
        if self._waiters.reply(body, index):
            self.suspect()

    def _on_pulse(self, sender: str, body: dict[str, Any]) -> None:
        self._hear(sender, body["term"], body["nowMs"])
        self.connected = body["connected"]
        replica = self.replica
        if replica is None or body["term"] < self.term:
            return
        if body["anew"]:
            self._is_owned_by(sender, body["term"])
        if body["term"] > replica.term:
            self._repairs.hear(body["term"], body["index"])
        there = (body["index"], body["chain"])
        if there == (replica.index, replica.last.hex()):
            replica.term = body["term"]
            self._waiters.note_all_known(body["nowMs"], self.look)
        else:
            self._incomplete.set()

    def _hear(self, sender: str, term: int, sent_ms: int) -> None:
        """Note that the owner lives, and what time it has."""
        if term < self.term:
            return
        self._told_ms = self._times.here_ms()
        self._times.of(sender).hear(sent_ms)
        new = term != self.term or sender != self.owner
        if new and self.replica is not None:
            self._is_owned_by(sender, term)

    def _is_owned_by(self, owner: str, term: int) -> None:
        """Attach to *owner*, unless a later one has been heard of."""
        if term >= self.term:
            self.term = term
            self._up.attach(owner)

    def _enter(self, replica: Replica, index: int, batch: bytes, term: int) -> None:
        if self._stopped:
            return
        self.subscriber.release(replica.enter(index, batch, term))
        self._note_phase()
        self._waiters.note_joins(len(self.state.names))
        self._waiters.note_place(self.state, self.look)
        if self._waiters.pass_on_replies(index):
            self.suspect()

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
            await self._catch_up(self.replica)
        self._is_owned_by(entry.owner, entry.term)

    async def _catch_up(self, replica: Replica) -> None:
        found = await self._repairs.find(replica)
        if found is None:
            self._incomplete.set()
        elif isinstance(found, Another):
            self._waiters.drop_replies()
            self._begin(found.replica)
            self.subscriber.show_anew()
            if found.lost:
                tell_of_loss(self.submit, replica.session.state.epoch)
        else:
            for index, batch in found.batches:
                if index == replica.index + 1:  # else the link was quicker
                    self._enter(replica, index, batch, found.term)


def _retrieve(ready: asyncio.Future[None]) -> None:
    """Have a failure count as heard of, also when nobody waits for it."""
    if not ready.cancelled():
        ready.exception()
