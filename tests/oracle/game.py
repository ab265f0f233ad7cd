"""A game counted again from its records, in the plainest Python.

Written from the rules of play and from what a record's fields mean, and from nothing
else: neither the compiled core nor the session's state is asked, and the quiz is read
as the JSON that it is. What was recorded as an outcome (points, elapsed time) is worked
out again from the instants of receipt and held against the record.

All instants are milliseconds. Participants are indices in the order of joining.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from quizd.session import records as rec
from tests.oracle import packed
from tests.oracle.rules import (
    Answer,
    Game,
    Outcome,
    Reveal,
    Standing,
    bonus,
    listing,
    worth,
)


def recount(records: Iterable[rec.Record]) -> Game:
    """Count the game in *records*; fail where a recorded outcome is not right."""
    first, *rest = records
    assert isinstance(first, rec.SessionOpened), "a game begins with its opening"
    count = Count(json.loads(first.quiz))
    for record in rest:
        COUNT[type(record)](count, record)
    return count.game()


@dataclass(slots=True)
class Player:
    """One participant as counted so far."""

    name: str
    score: int = 0
    reached: int = 0
    streak: int = 0
    removed: bool = False


@dataclass(slots=True)
class Asked:
    """A question that was asked, with its clock and its answers."""

    index: int
    start_ms: int
    end_ms: int
    answers: dict[int, Answer] = field(default_factory=dict)


class Count:
    """The count, record by record."""

    def __init__(self, quiz: dict[str, Any]) -> None:
        self.settings = quiz["settings"]
        self.questions = quiz["questions"]
        self.phase = "lobby"
        self.interrupted = ""
        self.paused_ms = 0
        self.deadline_ms: int | None = None
        self.seq = 0
        self.turn = 0
        self.players: list[Player] = []
        self.asked: list[Asked] = []
        self.reveals: list[Reveal] = []

    # -- records -------------------------------------------------------------------

    def added(self, record: rec.ParticipantAdded) -> None:
        """Everybody has a name of their own, whatever its case."""
        taken = {player.name.casefold() for player in self.players}
        assert record.name.casefold() not in taken, f"{record.name} is there twice"
        self.turn += 1
        self.players.append(Player(record.name, reached=self.turn))

    def countdown(self, record: rec.CountdownStarted) -> None:
        """The countdown leads out of the lobby."""
        assert self.phase == "lobby"
        assert record.starts_ms - record.at_ms == self._ms("countdown_s")
        self.deadline_ms = record.starts_ms
        self._broadcast("starting")

    def opened(self, record: rec.QuestionOpened) -> None:
        """Questions come in their order, each for its whole time."""
        assert self.phase in ("starting", "reveal")
        assert record.index == len(self.asked)
        time_ms = self._time_ms(record.index)
        assert record.end_ms - record.start_ms == time_ms
        assert record.start_ms >= record.at_ms
        self.asked.append(Asked(record.index, record.start_ms, record.end_ms))
        self.deadline_ms = record.end_ms
        self._broadcast("question")

    def answered(self, record: rec.AnswersAccepted) -> None:
        """Each answer is worth what the rules say of the instant of its receipt."""
        question, answers = packed.unpack(record.packed)
        assert self.phase == "question"
        assert answers, "an empty record"
        assert question == len(self.asked) - 1
        for answer in answers:
            self._enter(self._judged(answer), answer)

    def closed(self, record: rec.QuestionClosed) -> None:
        """The close makes points count, at the latest, and settles streaks."""
        asked = self.asked[-1]
        assert record.index == asked.index
        assert "question" in (self.phase, self.interrupted)
        if self.settings["feedback"] == "on_close":
            for who in sorted(asked.answers):
                self._score(who, asked.answers[who].points)
        for who, player in enumerate(self.players):
            player.streak = self._streak(who, asked, still_open=False)
        self._broadcast("reveal")
        self.interrupted = ""
        by_timer = self.settings["advance"] == "timer"
        self.deadline_ms = record.at_ms + self._ms("reveal_s") if by_timer else None
        self.reveals.append(self._reveal(asked))

    def paused(self, record: rec.SessionPaused) -> None:
        """Countdowns, questions and reveals can be interrupted."""
        assert self.phase in ("starting", "question", "reveal")
        self.paused_ms, self.interrupted = record.at_ms, self.phase
        self._broadcast("paused")

    def resumed(self, record: rec.SessionResumed) -> None:
        """The clock goes on where it stood, not earlier than all are told."""
        assert self.phase == "paused"
        assert record.pause_ms >= record.at_ms - self.paused_ms
        self._broadcast(self.interrupted)
        self.interrupted = ""
        self._delay(record.pause_ms)

    def locked(self, _: rec.SessionLocked) -> None:
        """Who may come in changes nothing here."""

    def removed(self, record: rec.ParticipantRemoved) -> None:
        """The points stay, the place on the board goes."""
        player = self.players[record.participant]
        assert not player.removed
        player.removed = True

    def ended(self, _: rec.SessionEnded) -> None:
        """It ends once, and no question stays open."""
        assert self.phase not in ("question", "ended")
        assert self.interrupted != "question"
        self.deadline_ms = None
        self._broadcast("ended")

    def nothing(self, _: rec.Record) -> None:
        """Count nothing: owners change, and games go on."""

    def outage(self, record: rec.OutageEnded) -> None:
        """Time without an owner is given back, unless the clock stood still anyway."""
        assert record.outage_ms > 0
        if self.phase != "paused":
            self._delay(record.outage_ms)

    # -- parts ---------------------------------------------------------------------

    def _broadcast(self, phase: str) -> None:
        self.seq += 1
        self.phase = phase

    def _ms(self, setting: str) -> int:
        seconds: float = self.settings[setting]
        return round(seconds * 1000)

    def _delay(self, ms: int) -> None:
        if self.deadline_ms is not None:
            self.deadline_ms += ms
        if self.phase == "question":
            self.asked[-1].start_ms += ms
            self.asked[-1].end_ms += ms

    def _time_ms(self, index: int) -> int:
        seconds: float = self.questions[index]["time_s"]
        return round(seconds * 1000)

    def _options(self, index: int) -> Sequence[str]:
        question = self.questions[index]
        if question["type"] == "true_false":
            return ("True", "False")
        options: list[str] = question["options"]
        return options

    def _judged(self, answer: packed.Packed) -> Answer:
        asked = self.asked[-1]
        assert answer.received_ms <= asked.end_ms, "too late"
        options = self._options(asked.index)
        texts = {options[position] for position in answer.response}
        assert len(texts) == len(answer.response) > 0
        correct = texts == set(self.questions[asked.index]["correct"])
        elapsed_ms = max(answer.received_ms - asked.start_ms, 0)
        return Answer(
            question=asked.index,
            participant=answer.participant,
            received_ms=answer.received_ms,
            elapsed_ms=elapsed_ms,
            points=self._points(answer.participant, elapsed_ms) if correct else 0,
            correct=correct,
            chosen=tuple(answer.response),
        )

    def _points(self, who: int, elapsed_ms: int) -> int:
        index = self.asked[-1].index
        points = self.questions[index]["points"]
        speed = self.settings["scoring"] == "speed"
        total = worth(points, elapsed_ms, self._time_ms(index), speed=speed)
        if self.settings["streak_bonus"] and points:
            total += bonus(self.players[who].streak)
        return total

    def _enter(self, answer: Answer, recorded: packed.Packed) -> None:
        asked, who = self.asked[-1], answer.participant
        assert not self.players[who].removed
        assert who not in asked.answers, f"{who} answered twice"
        counted = (answer.elapsed_ms, answer.points, 1000 if answer.correct else 0)
        written = (recorded.elapsed_ms, recorded.points, recorded.credit)
        assert written == counted, f"recorded {written}, counted {counted}"
        asked.answers[who] = answer
        if self.settings["feedback"] == "immediate":
            self._score(who, answer.points)

    def _score(self, who: int, points: int) -> None:
        player = self.players[who]
        if points:
            player.score += points
            self.turn += not player.removed
            player.reached = self.turn

    def _streak(self, who: int, asked: Asked, *, still_open: bool) -> int:
        before = self.players[who].streak
        answer = asked.answers.get(who)
        if answer is None:
            return before if still_open else 0
        return before + 1 if answer.correct else 0

    def _reveal(self, asked: Asked) -> Reveal:
        chosen = [c for answer in asked.answers.values() for c in answer.chosen]
        options = range(len(self._options(asked.index)))
        ranked = sum(not player.removed for player in self.players)
        return Reveal(
            question=asked.index,
            answered=len(asked.answers),
            distribution=tuple(chosen.count(option) for option in options),
            outcomes=tuple(
                Outcome(
                    correct=who in asked.answers and asked.answers[who].correct,
                    points=asked.answers[who].points if who in asked.answers else 0,
                    standing=standing,
                    of=ranked,
                )
                for who, standing in enumerate(self._standings())
            ),
        )

    # -- results -------------------------------------------------------------------

    def _ranked(self) -> dict[int, tuple[int, int]]:
        return {
            who: (player.score, player.reached)
            for who, player in enumerate(self.players)
            if not player.removed
        }

    def _standings(self) -> tuple[Standing, ...]:
        ranked = {who: score for who, (score, _) in self._ranked().items()}
        return tuple(
            self._standing(who, list(ranked.values()), ranked=who in ranked)
            for who in range(len(self.players))
        )

    def _standing(self, who: int, scores: list[int], *, ranked: bool) -> Standing:
        score = self.players[who].score
        streak = self.players[who].streak
        if self.asked and "question" in (self.phase, self.interrupted):
            streak = self._streak(who, self.asked[-1], still_open=True)
        if not ranked:
            return Standing(score, 0, 0, 0, streak)
        better = [other for other in scores if other > score]
        behind = sum(other < score for other in scores)
        alone = len(scores) == 1
        return Standing(
            score=score,
            rank=1 + len(better),
            gap=min(better) - score if better else 0,
            percentile=100 if alone else 100 * behind // (len(scores) - 1),
            streak=streak,
        )

    def game(self) -> Game:
        """Return what the records come to so far."""
        asked = self.asked[-1] if self.asked else None
        return Game(
            phase=self.phase,
            deadline_ms=self.deadline_ms,
            seq=self.seq,
            names=tuple(player.name for player in self.players),
            removed=frozenset(w for w, p in enumerate(self.players) if p.removed),
            standings=self._standings(),
            board=tuple(listing(self._ranked())),
            answers=tuple(a for asked in self.asked for a in asked.answers.values()),
            reveals=tuple(self.reveals),
            clock=(asked.start_ms, asked.end_ms) if asked else None,
        )


COUNT: dict[type[rec.Record], Callable[[Count, Any], None]] = {
    rec.ParticipantAdded: Count.added,
    rec.CountdownStarted: Count.countdown,
    rec.QuestionOpened: Count.opened,
    rec.AnswersAccepted: Count.answered,
    rec.QuestionClosed: Count.closed,
    rec.SessionPaused: Count.paused,
    rec.SessionResumed: Count.resumed,
    rec.SessionLocked: Count.locked,
    rec.ParticipantRemoved: Count.removed,
    rec.SessionEnded: Count.ended,
    rec.OutageEnded: Count.outage,
    rec.Released: Count.nothing,
    rec.EpochBegun: Count.nothing,
}
