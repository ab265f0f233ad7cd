"""Texts of the messages, in quizd's protocol."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from bench.peers.fastapi_redis.quiz import Asked, Question
from quizd.clock import iso

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """A line of the board."""

    participant_id: str
    name: str
    score: int
    rank: int

    def told(self) -> Json:
        """Return it as messages have it."""
        return {
            "participantId": self.participant_id,
            "participantName": self.name,
            "score": self.score,
            "rank": self.rank,
        }


@dataclass(frozen=True, slots=True)
class Place:
    """Where one participant stands."""

    score: int
    rank: int
    of: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one answer came to."""

    correct: bool
    points: int


def text(kind: str, payload: Mapping[str, Any], **numbers: int) -> str:
    """Return one message; *numbers* is ``seq`` or ``version``."""
    return orjson.dumps({"type": kind, **numbers, "payload": payload}).decode()


def error(reason: str, **details: str) -> str:
    """Return the message that refuses another one."""
    return text("error", {"reason": reason, "details": details})


def with_you(shared: str, place: Place, outcome: Outcome | None) -> str:
    """Return the message *shared* with a player's own part at its end."""
    you = {"score": place.score, "rank": place.rank, "of": place.of}
    if outcome is not None:
        you |= {"correct": outcome.correct, "points": outcome.points}
    own = orjson.dumps(you).decode()
    return f'{shared[:-2]},"you":{own}}}}}'


def question(asked: Asked, total: int) -> Json:
    """Return the payload of ``new_question``; *total* questions are in the quiz."""
    question = asked.question
    return {
        "questionId": question.id,
        "text": question.text,
        "options": question.options,
        "startTime": iso(asked.start_ms),
        "endTime": iso(asked.end_ms),
        "index": asked.index,
        "total": total,
        "questionType": "single_choice",
        "points": question.points,
    }


def closed(question: Question, chosen: Counter[int]) -> Json:
    """Return the shared payload of ``question_closed``; *chosen* counts positions."""
    return {
        "questionId": question.id,
        "correctOptions": question.correct,
        "distribution": [
            {"option": option, "count": chosen[position]}
            for position, option in enumerate(question.options)
        ],
        "answered": chosen.total(),
    }


def board(standings: Sequence[Standing]) -> list[Json]:
    """Return the lines of a board."""
    return [standing.told() for standing in standings]
