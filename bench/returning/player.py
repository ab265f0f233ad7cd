"""One player that comes back: what it says, and what it holds the server to.

Within a connection every numbered message is one more than that before, the first one
more than the welcome's. An answer that was given is acknowledged before its question
ends, with the same words each time it is asked about. In the end the points of all
acknowledgements are the player's score.
"""

import random
from dataclasses import dataclass, field

from bench.load.tickets import Ticket
from bench.scenarios.base import Data

TOLD = ("receivedAt", "points", "correct")
AGAIN = "shard_unavailable"


@dataclass(slots=True)
class Player:
    """All that lasts longer than a connection; instants in seconds of one clock."""

    number: int
    ticket: Ticket
    rng: random.Random
    place: tuple[int, int] = (0, -1)
    silent: bool = False
    given: dict[str, Data] = field(default_factory=dict)
    results: dict[str, Data] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    breaks_s: list[float] = field(default_factory=list)
    lost_s: float | None = None
    welcomes: int = 0
    said_again: int = 0
    final: Data | None = None

    @property
    def pending(self) -> list[Data]:
        """Answers that nobody has acknowledged yet."""
        return [a for name, a in self.given.items() if name not in self.results]

    @property
    def url_tail(self) -> str:
        """Where it goes on: after the last number that it has seen."""
        who = f"quizId={self.ticket.quiz_id}&participantId={self.ticket.participant_id}"
        epoch, seq = self.place
        return f"{who}&epoch={epoch}&after={seq}" if epoch else who

    def fault(self, text: str) -> None:
        """Note that the server broke a rule."""
        self.faults.append(f"{self.number}: {text}")

    def is_lost(self, now_s: float) -> None:
        """Note that the line is down."""
        if self.lost_s is None:
            self.lost_s = now_s

    def is_welcome(self, payload: Data, now_s: float, *, again: bool = False) -> None:
        """Begin from the picture, which may not be an elder one.

        *again*: there was one on this line before, so it is not resumed.
        """
        place = (payload["epoch"], payload["seq"])
        if place < self.place:
            self.fault(f"history went back from {self.place} to {place}")
        if payload["resumed"] != (place == self.place and not again):
            self.fault(f"resumed is {payload['resumed']} at {place}")
        self.place = place
        self.welcomes += 1
        if self.lost_s is not None:
            self.breaks_s.append(now_s - self.lost_s)
            self.lost_s = None

    def take_number(self, kind: str, seq: int) -> None:
        """Hold a numbered message to being the next."""
        epoch, last = self.place
        if seq != last + 1:
            self.fault(f"{kind} has the number {seq} after {last}")
        self.place = (epoch, seq)

    def choose(self, question: Data) -> Data:
        """Give an answer: it is to be acknowledged from now on."""
        name = question["questionId"]
        chosen = self.rng.choice(question["options"])
        answer = {"questionId": name, "selectedOption": chosen}
        self.given[name] = answer
        return answer

    def keep(self, result: Data) -> None:
        """Keep an acknowledgement; hold a second one to the first."""
        name = result["questionId"]
        told = {key: result[key] for key in TOLD}
        if name not in self.given:
            self.fault(f"a result of no answer: {name}")
        if self.results.setdefault(name, told) != told:
            self.fault(f"{name} came to {self.results[name]}, then to {told}")

    def is_refused(self, payload: Data) -> bool:
        """Take an error; tell whether to say all again."""
        if payload["reason"] == AGAIN:
            self.said_again += 1
            return True
        self.fault(f"refused: {payload}")
        return False

    def has_ended(self, payload: Data) -> None:
        """Hold the end to all acknowledgements."""
        self.final = payload["you"]
        points = sum(result["points"] for result in self.results.values())
        if self.final["score"] != points:
            self.fault(f"{points} points came to a score of {self.final['score']}")
        for answer in self.pending:
            self.fault(f"{answer['questionId']} was never acknowledged")
