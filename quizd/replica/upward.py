"""What goes from a follower up to the owner: answers, events, whose line is up.

All of it is kept until the owner has answered, so that it can be said again to the
same one after a break, to the next one, or be handed over to a runner that is here.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from quizd._fast.inbox import Inbox
from quizd.codes import Refused
from quizd.owner.runner import Runner
from quizd.replica.exchange import Exchange
from quizd.replica.messages import Answers, Item, Kind
from quizd.replica.outbox import Outbox
from quizd.replica.owner_time import OwnerTimes
from quizd.replica.requests import Requests
from quizd.session import events as ev

NUMBERS_A_MS_BITS = 10
"""Numbers begin with the time: a later follower's are above those of an earlier one."""


class Upward:
    """The way to the owner of one session; ``owner`` is empty until it is found.

    ``here`` are the players whose lines are up here, and since when by its time.
    """

    def __init__(
        self,
        session_id: str,
        exchange: Exchange,
        times: OwnerTimes,
        waiting_max: int,
        here: Mapping[int, int],
    ) -> None:
        self.owner = ""
        self.here = dict(here)
        self.inbox = Inbox(waiting_max, self.soon)
        self._session_id = session_id
        self._exchange = exchange
        self._times = times
        self._time = times.of(self.owner)
        self._waiting_max = waiting_max
        self._loop = asyncio.get_running_loop()
        self._others: list[ev.AnswerSubmitted] = []
        self._came: list[tuple[int, int]] = []
        self._went: list[int] = []
        number = times.here_ms() << NUMBERS_A_MS_BITS
        self._outbox = Outbox(self._send_answers, waiting_max, number)
        self._requests = Requests(self._send_event, waiting_max, number)
        self._scheduled = False

    @property
    def waiting(self) -> int:
        """How many answers are here or under way."""
        return len(self.inbox) + len(self._outbox)

    def now_ms(self) -> int:
        """Return the owner's time, as far as it tells."""
        return self._time.now_ms()

    # -- what is to go up ---------------------------------------------------------

    def submit(self, event: ev.Event) -> asyncio.Future[int | None]:
        """Pass *event* on to the owner, whoever that is by then."""
        reply: asyncio.Future[int | None] = self._loop.create_future()
        self._requests.put(event, self._times.here_ms(), reply)
        return reply

    def post(self, event: ev.AnswerSubmitted) -> bool:
        """Pass an answer of general form on; False where too many are under way."""
        if len(self._others) + len(self._outbox) >= self._waiting_max:
            return False
        self._others.append(event)
        self.soon()
        return True

    def came(self, participant: int) -> None:
        """Tell that a player's line is up here."""
        since_ms = self.here[participant] = self._time.now_ms()
        self._came.append((participant, since_ms))
        self.soon()

    def went(self, participant: int) -> None:
        """Tell that a player's line is down here."""
        self.here.pop(participant, None)
        self._went.append(participant)
        self.soon()

    def take_inbox(self, inbox: Inbox) -> None:
        """Go on with the inbox into which this shard's connections write."""
        self.inbox = inbox
        inbox.wake = self.soon
        self.soon()

    # -- to whom ------------------------------------------------------------------

    def attach(self, owner: str) -> None:
        """Follow *owner*, and ask it all that nobody has answered yet."""
        self.owner, self._time = owner, self._times.of(owner)
        self.send(Kind.ATTACH, {"here": sorted(self.here.items())})
        now_ms = self._times.here_ms()
        self._outbox.send_again(now_ms, older_ms=0)
        self._requests.send_again(now_ms)
        self.soon()

    def taken(self, number: int) -> None:
        """Forget answers up to batch *number*: they are durable or refused."""
        self._outbox.taken(number)
        self.soon()

    def replied(self, body: Mapping[str, Any]) -> None:
        """Take the owner's word on an event."""
        self._requests.replied(body)

    def send_late_again(self) -> None:
        """Send again what has not been answered for long."""
        self._outbox.send_again(self._times.here_ms())

    def report(self, fan_out_ms: float, in_flight: int) -> None:
        """Tell the owner that all that came in until now is under way."""
        self.flush()
        told = {"throughMs": self._time.now_ms(), "fanOutMs": fan_out_ms}
        self.send(Kind.REPORT, {**told, "inFlight": in_flight})

    def fail(self, refused: Refused) -> None:
        """Tell all who wait for a reply that there will be none."""
        self._requests.fail(refused)

    def hand_over(self, runner: Runner) -> None:
        """Give all that is under way to the runner that the session has here now."""
        now_ms = self._times.here_ms()
        known = len(runner.state.names)
        for participant, since_ms in self.here.items():
            if participant < known:
                runner.came(participant, since_ms=since_ms)
        for answers, waited_ms in self._outbox.under_way(now_ms):
            received_ms = now_ms - waited_ms
            runner.inbox.unpack(answers.packed, received_ms, known)
            for participant, age_ms, payload in answers.others:
                event = ev.AnswerSubmitted(participant, received_ms - age_ms, payload)
                _post(runner, event, known)
        for event in self._others:
            _post(runner, event, known)
        self._requests.hand_over(runner.submit)
        self.owner = ""  # a flush that is due leaves the inbox to the runner

    # -- sending ------------------------------------------------------------------

    def send(self, kind: Kind, body: dict[str, Any]) -> None:
        """Tell the owner something, if it is known who that is."""
        self._post(kind, orjson.dumps(body))

    def soon(self) -> None:
        """Pass on what has come in, at the end of this turn of the loop."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Pass on what has come in until now."""
        self._scheduled = False
        if not self.owner:
            return
        if self._came or self._went:
            self.send(Kind.PRESENCE, {"came": self._came, "went": self._went})
            self._came, self._went = [], []
        if not self._outbox.full:
            self._flush_answers()

    def _flush_answers(self) -> None:
        size = len(self.inbox) + len(self._others)
        if not size:
            return
        now_ms = self._times.here_ms()
        packed = self.inbox.pack(now_ms)
        others: list[object] = [
            [event.participant, now_ms - event.received_ms, event.payload]
            for event in self._others
        ]
        self.inbox.clear()
        self._others = []
        self._outbox.put(packed, others, size, now_ms)

    def _send_answers(self, answers: Answers) -> None:
        sent = replace(answers, sent_ms=self._time.now_ms())
        self._post(Kind.ANSWERS, sent.pack())

    def _send_event(self, body: bytes) -> None:
        self._post(Kind.EVENT, body)

    def _post(self, kind: Kind, body: bytes) -> None:
        if self.owner:
            self._exchange.send(self.owner, Item(kind, self._session_id, body))


def _post(runner: Runner, event: ev.AnswerSubmitted, known: int) -> None:
    """Give *runner* an answer, unless its player's joining was lost."""
    if event.participant < known:
        runner.post(event)
