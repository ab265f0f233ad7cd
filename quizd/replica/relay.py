"""The owner's side: those who follow a session, and what they pass on.

A relay stands between a runner and the connections of this shard, and hears what the
runner says. What concerns everybody the followers know from the records. What concerns
one player goes to the shard where that player's line is.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from quizd.codes import Close, Reason, Refused
from quizd.owner.presence import HERE
from quizd.owner.runner import Runner
from quizd.replica.again import Numbers
from quizd.replica.exchange import Exchange
from quizd.replica.lines import Lines
from quizd.replica.messages import (
    Answers,
    BadMessage,
    Item,
    Kind,
    Records,
    event_of,
    refusal,
)
from quizd.session import events as ev
from quizd.session.effects import Effect

GONE_MS = 5_000
"""A follower that has been silent for two rounds has no players here any more."""

REQUESTS_KEPT = 4_096


@dataclass(slots=True)
class Peer:
    """A shard that follows: up to when it has handed all over, in the owner's time.

    ``batches`` are those of its answers that have come.
    """

    heard_ms: int
    through_ms: int = 0
    fan_out_ms: float = 0.0
    in_flight: int = 0
    batches: Numbers = field(default_factory=Numbers)


@dataclass(slots=True)
class Seen:
    """Requests that came lately, so that one that comes again is done once."""

    keys: deque[tuple[str, int]] = field(default_factory=deque)
    replies: dict[tuple[str, int], Any] = field(default_factory=dict)

    def keep(self, key: tuple[str, int], reply: Any) -> None:  # noqa: ANN401 - a future
        """Remember *key*; forget the eldest beyond :data:`REQUESTS_KEPT`."""
        self.keys.append(key)
        self.replies[key] = reply
        if len(self.keys) > REQUESTS_KEPT:
            del self.replies[self.keys.popleft()]


class Relay:
    """A `Subscriber` that reaches the players of all shards."""

    def __init__(self, runner: Runner, here: Lines, exchange: Exchange) -> None:
        self.runner = runner
        self.here = here
        self.peers: dict[str, Peer] = {}
        self._exchange = exchange
        self._seen = Seen()
        runner.on_commit.append(self._committed)
        runner.deadlines.complete_ms = self._complete_ms

    # -- what the runner says --------------------------------------------------------

    def release(self, effects: Iterable[Effect]) -> None:
        """Do *effects* here; the others have the records."""
        self.here.release(effects)

    def repeat(self, participant: int, index: int) -> None:
        """Tell *participant* again what the answer to question *index* came to."""
        place = self.runner.presence.place_of(participant)
        if place == HERE:
            self.here.repeat(participant, index)
        else:
            self._send(place, Kind.REPEAT, {"participant": participant, "index": index})

    def refuse(self, participant: int, refused: Refused) -> None:
        """Tell *participant* why an input did not count."""
        place = self.runner.presence.place_of(participant)
        if place == HERE:
            self.here.refuse(participant, refused)
        else:
            self._refuse_at(place, participant, refused)

    def replace(self, participant: int, place: str) -> None:
        """Close the line of *participant* at *place*."""
        if place == HERE:
            self.here.replace(participant, place)
        else:
            self._send(place, Kind.REPLACED, {"participant": participant})

    def close_all(self, code: Close) -> None:
        """Close every connection here; followers keep theirs."""
        self.here.close_all(code)

    def show_anew(self) -> None:
        """Give everybody here the picture."""
        self.here.show_anew()

    def fan_out_ms(self) -> float:
        """Return how long the slowest of the last fan-outs took."""
        others = (peer.fan_out_ms for peer in self.peers.values())
        return max(self.here.fan_out_ms(), *others, 0.0)

    @property
    def in_flight(self) -> int:
        """How many deliveries are still to be made, on all shards."""
        return self.here.in_flight + sum(peer.in_flight for peer in self.peers.values())

    def _committed(self, index: int, batch: bytes) -> None:
        if not self.peers:
            return
        records = Records(
            self.runner.term, index, self.runner.last, self.runner.now_ms(), batch
        ).pack()
        for name in self.peers:
            self._post(name, Kind.RECORDS, records)

    def _complete_ms(self) -> int | None:
        """Return up to when all shards with players have handed over what came in."""
        places = set(self.runner.presence.connected.values())
        through = [
            peer.through_ms for name, peer in self.peers.items() if name in places
        ]
        return min(through, default=None)

    # -- what followers say -------------------------------------------------

    def on_item(self, sender: str, item: Item) -> None:
        """Take what a follower says."""
        if item.kind is Kind.ATTACH:
            self._on_attach(sender, orjson.loads(item.body))
            return
        if item.kind is Kind.DETACH:
            self.drop(sender)
            return
        peer = self.peers.get(sender)
        if peer is None:  # it was not known here yet, or was thought to be gone
            self.pulse_to(sender, anew=True)
            return
        peer.heard_ms = self.runner.now_ms()
        TAKE[item.kind](self, sender, item.body)

    def _on_attach(self, sender: str, body: dict[str, Any]) -> None:
        now_ms = self.runner.now_ms()
        self.peers.setdefault(sender, Peer(now_ms)).heard_ms = now_ms
        here = dict(body["here"])
        for participant in self.runner.presence.at(sender):
            if participant not in here:
                self.runner.went(participant, sender)
        for participant, since_ms in here.items():
            self._came(participant, sender, since_ms)
        self.pulse_to(sender)

    def _came(self, participant: int, sender: str, since_ms: int) -> None:
        if participant < len(self.runner.state.names):
            self.runner.came(participant, sender, since_ms)

    def _on_presence(self, sender: str, body: bytes) -> None:
        told = orjson.loads(body)
        for participant in told["went"]:
            self.runner.went(participant, sender)
        for participant, since_ms in told["came"]:
            self._came(participant, sender, since_ms)

    def _on_report(self, sender: str, body: bytes) -> None:
        told, peer = orjson.loads(body), self.peers[sender]
        peer.through_ms = told["throughMs"]
        peer.fan_out_ms, peer.in_flight = told["fanOutMs"], told["inFlight"]
        deadline_ms = self.runner.state.deadline_ms
        if deadline_ms is not None and peer.through_ms >= deadline_ms:
            self.runner.wake()
        self.pulse_to(sender)

    def _on_answers(self, sender: str, body: bytes) -> None:
        answers, batches = Answers.unpack(body), self.peers[sender].batches
        if answers.number not in batches:
            batches.add(answers.number)
            self._take(sender, answers)
        taken = {"number": answers.number}
        self.runner.settle(lambda: self._send(sender, Kind.TAKEN, taken))

    def _take(self, sender: str, answers: Answers) -> None:
        """Queue answers that have not been here before."""
        runner = self.runner
        received_ms = answers.received_ms(runner.now_ms())
        known = len(runner.state.names)
        try:
            counted_ms = runner.counted_ms(received_ms)
            refused = runner.inbox.unpack(answers.packed, counted_ms, known)
        except ValueError as error:
            raise BadMessage(str(error)) from error
        for participant in refused:
            full = Refused(Reason.SHARD_UNAVAILABLE)
            self._refuse_at(sender, participant, full)
        for participant, age_ms, payload in answers.others:
            runner.post(ev.AnswerSubmitted(participant, received_ms - age_ms, payload))

    def _on_event(self, sender: str, body: bytes) -> None:
        told = orjson.loads(body)
        key = (sender, told["id"])
        reply = self._seen.replies.get(key)
        if reply is None:
            runner = self.runner
            event = event_of(told, runner.lead_ms(), runner.now_ms())
            reply = runner.submit(event)
            self._seen.keep(key, reply)
        reply.add_done_callback(lambda done: self._reply(sender, told["id"], done))

    def _reply(self, sender: str, number: int, done: Any) -> None:  # noqa: ANN401 - a future
        error = None if done.cancelled() else done.exception()
        body: dict[str, Any] = {"id": number, "index": self.runner.index}
        if isinstance(error, Refused):
            body["refused"] = refusal(error)
        else:
            body["result"] = done.result()
        self._send(sender, Kind.REPLY, body)

    # -- every now and then ---------------------------------------------------

    def drop_silent(self, now_ms: int) -> None:
        """Forget followers that have not reported for long."""
        gone_ms = now_ms - GONE_MS
        for name in [n for n, peer in self.peers.items() if peer.heard_ms < gone_ms]:
            self.drop(name)

    def pulse_to(self, name: str, *, anew: bool = False) -> None:
        """Tell one follower where the log stands; *anew*: it is to attach again."""
        runner = self.runner
        self._send(
            name,
            Kind.PULSE,
            {
                "term": runner.term,
                "index": runner.index,
                "chain": runner.last.hex(),
                "nowMs": runner.now_ms(),
                "connected": runner.connected,
                "anew": anew,
            },
        )

    def drop(self, name: str) -> None:
        """Forget a follower; its players' lines are down."""
        if self.peers.pop(name, None) is not None:
            for participant in self.runner.presence.at(name):
                self.runner.went(participant, name)

    def _refuse_at(self, place: str, participant: int, refused: Refused) -> None:
        body = {"participant": participant, **refusal(refused)}
        self._send(place, Kind.REFUSE, body)

    def _send(self, peer: str, kind: Kind, body: dict[str, Any]) -> None:
        self._post(peer, kind, orjson.dumps(body))

    def _post(self, peer: str, kind: Kind, body: bytes) -> None:
        session_id = self.runner.state.session_id
        self._exchange.send(peer, Item(kind, session_id, body))


TAKE: dict[Kind, Callable[[Relay, str, bytes], None]] = {
    Kind.PRESENCE: Relay._on_presence,
    Kind.ANSWERS: Relay._on_answers,
    Kind.EVENT: Relay._on_event,
    Kind.REPORT: Relay._on_report,
}
