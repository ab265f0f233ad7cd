"""From what is to be told to events: versioned JSON, a bounded number of rows each."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import orjson

from quizd.clock import iso
from quizd.events.translate import Row, Told
from quizd.session.quiz import Quiz
from quizd.session.state import State

VERSION = 1

ROWS = 64
"""Rows of one event at most: so the number of events bounds a stream's memory."""

Event = tuple[str, bytes]
"""A stream's name, and the JSON for its field ``event``."""


@dataclass(frozen=True, slots=True)
class Span:
    """Whose events these are, and of which batches; ``at_ms`` is the latest record's.

    ``through`` is the batch as of which a latest value is.
    """

    session_id: str
    quiz_id: str
    first: int
    through: int
    at_ms: int

    def event(self, stream: str, name: object, row: Row, kind: str = "") -> Event:
        """Return an event; *name* tells it apart from others of the same batches."""
        head = {
            "v": VERSION,
            "type": kind or stream,
            "id": f"{self.session_id}-{self.first}-{self.through}-{name}",
            "sessionId": self.session_id,
            "quizId": self.quiz_id,
            "through": self.through,
            "at": iso(self.at_ms),
        }
        return stream, orjson.dumps({**head, **row})


def told(span: Span, what: Told, quiz: Quiz, streams: Sequence[str]) -> Iterator[Event]:
    """Yield the events of *what* for *streams*, each of them in order."""
    for first, through in what.gaps:
        missed = Span(span.session_id, span.quiz_id, first, through, span.at_ms)
        for stream in streams:
            yield missed.event(stream, "gap", {"from": first}, "gap")
    if "joins" in streams:
        yield from _joins(span, what)
    if "phases" in streams:
        yield from _phases(span, what)
    if "answers" in streams:
        yield from _answers(span, what, quiz)


def _joins(span: Span, what: Told) -> Iterator[Event]:
    number = 0
    for rows in _pieces(what.joined):
        yield span.event("joins", number, {"joined": rows, "removed": []})
        number += 1
    for rows in _pieces(what.removed):
        yield span.event("joins", number, {"joined": [], "removed": rows})
        number += 1


def _phases(span: Span, what: Told) -> Iterator[Event]:
    for each in what.phases:
        index = each.index
        alone = Span(span.session_id, span.quiz_id, index, index, each.at_ms)
        yield alone.event("phases", each.number, each.row)


def _answers(span: Span, what: Told, quiz: Quiz) -> Iterator[Event]:
    number = 0
    for index, answers in what.answers.items():
        head: Row = {"questionId": quiz.question(index).id, "index": index}
        for rows in _pieces(answers):
            yield span.event("answers", number, {**head, "answers": rows})
            number += 1


def scores(
    span: Span, points: Iterable[tuple[str, int]], number: int
) -> Iterator[Event]:
    """Yield what participants have as of the span's last batch, from *number* on."""
    rows: list[Row] = [{"participantId": who, "score": score} for who, score in points]
    for piece in _pieces(rows):
        yield span.event("scores", number, {"scores": piece})
        number += 1


def board(state: State, size: int) -> list[Row]:
    """Return the first *size* lines of the leaderboard."""
    ids = state.participant_ids
    return [
        {"participantId": ids[who], "score": score, "rank": rank}
        for who, score, rank in state.board.top(size)
    ]


def results(state: State, size: int) -> Row:
    """Return what has come of a session that has ended."""
    return {
        "participants": state.participants,
        "questions": len(state.sheets),
        "answers": sum(sheet.answered for sheet in state.sheets),
        "leaderboard": board(state, size),
    }


def anchor(session_id: str, index: int, head: bytes) -> Event:
    """Return the event that tells the end of a session's log."""
    event = {
        "v": VERSION,
        "type": "anchor",
        "id": f"{session_id}-1-{index}-anchor",
        "sessionId": session_id,
        "through": index,
        "head": head.hex(),
    }
    return "results", orjson.dumps(event)


def _pieces(rows: list[Row]) -> Iterator[list[Row]]:
    for at in range(0, len(rows), ROWS):
        yield rows[at : at + ROWS]
