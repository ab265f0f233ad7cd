"""From a session's records to what is to be told of them; pure.

Nothing here needs a session's state as of a batch: only its quiz, which never changes,
and the ids of its participants, to which more are added behind. What does need it is
only named: whose score has changed, and whether the board may have.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from quizd._fast import scoring
from quizd.clock import iso
from quizd.session import records as rec
from quizd.session.questions.base import Question
from quizd.session.quiz import Quiz

Row = dict[str, Any]

ROW_BYTES = 128
"""About what an answer or a join takes as JSON."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a session's records speak of: ``ids`` are its participants' in order.

    Whether ``answers`` and ``scores`` are to be told: they are most of the work.
    """

    quiz: Quiz
    ids: Sequence[str]
    answers: bool
    scores: bool


@dataclass(frozen=True, slots=True)
class PhaseChange:
    """A change of phase: the ``number``-th record of batch ``index`` at ``at_ms``."""

    index: int
    number: int
    at_ms: int
    row: Row


@dataclass(slots=True)
class Told:
    """What batches ``first`` to ``through`` say, and when the latest record was made.

    ``answers`` are by question; ``changed`` holds the participants whose points have
    counted at once, ``closed`` the questions whose points have counted at their close.
    """

    first: int = 0
    through: int = 0
    at_ms: int = 0
    joined: list[Row] = field(default_factory=list)
    removed: list[Row] = field(default_factory=list)
    phases: list[PhaseChange] = field(default_factory=list)
    answers: dict[int, list[Row]] = field(default_factory=dict)
    changed: dict[int, None] = field(default_factory=dict)
    closed: list[int] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    moves_board: bool = False
    ended: bool = False
    size_bytes: int = 0

    def add(self, index: int, batch: bytes, subject: Subject) -> None:
        """Add what *batch* says; raise ``BadRecord`` where it can't be read."""
        self._reach(index, index)
        self.size_bytes += len(batch)
        for number, record in enumerate(rec.unpack(batch)):
            self.at_ms = max(self.at_ms, record.at_ms)
            note = NOTES.get(type(record))
            if note is not None:
                note(self, subject, record)
            shown = SHOWN.get(type(record))
            if shown is not None:
                row = shown(subject.quiz, record)
                self.phases.append(PhaseChange(index, number, record.at_ms, row))

    def miss(self, first: int, through: int) -> None:
        """Note that nobody knows any more what these batches said."""
        self._reach(first, through)
        self.gaps.append((first, through))
        self.moves_board = True

    def _reach(self, first: int, through: int) -> None:
        self.first = self.first or first
        self.through = through

    # -- records -----------------------------------------------------------------

    def _added(self, _: Subject, record: rec.ParticipantAdded) -> None:
        self.joined.append(
            {"participantId": record.participant_id, "at": iso(record.at_ms)}
        )
        self.size_bytes += ROW_BYTES
        self.moves_board = True

    def _removed(self, subject: Subject, record: rec.ParticipantRemoved) -> None:
        row = {
            "participantId": subject.ids[record.participant],
            "at": iso(record.at_ms),
            "banned": record.banned,
        }
        self.removed.append(row)
        self.moves_board = True

    def _answered(self, subject: Subject, record: rec.AnswersAccepted) -> None:
        at_once = subject.quiz.settings.feedback == "immediate"
        self.moves_board |= at_once
        if not (subject.answers or subject.scores):
            return
        answers = scoring.answers_in(record.packed)
        if at_once and subject.scores:
            self.changed.update((each["participant"], None) for each in answers)
        if subject.answers:
            index = scoring.question_of(record.packed)
            choices = _Choices(subject.quiz.question(index))
            rows = [_row(each, subject.ids, choices) for each in answers]
            self.answers.setdefault(index, []).extend(rows)
        self.size_bytes += ROW_BYTES * len(answers)

    def _closed(self, subject: Subject, record: rec.QuestionClosed) -> None:
        self.moves_board = True
        if subject.quiz.settings.feedback != "immediate":
            self.closed.append(record.index)

    def _ended(self, _: Subject, __: rec.SessionEnded) -> None:
        self.ended = True


class _Choices(dict[bytes, list[int]]):
    """By a response: the positions in the question's distribution it counts in."""

    def __init__(self, question: Question) -> None:
        self._question = question

    def __missing__(self, response: bytes) -> list[int]:
        self[response] = list(self._question.buckets(response))
        return self[response]


def _row(answer: Mapping[str, Any], ids: Sequence[str], choices: _Choices) -> Row:
    return {
        "participantId": ids[answer["participant"]],
        "elapsedMs": answer["elapsed_ms"],
        "points": answer["points"],
        "credit": answer["credit"],
        "choices": choices[answer["response"]],
    }


NOTES: dict[type[rec.Record], Callable[[Told, Subject, Any], None]] = {
    rec.ParticipantAdded: Told._added,
    rec.ParticipantRemoved: Told._removed,
    rec.AnswersAccepted: Told._answered,
    rec.QuestionClosed: Told._closed,
    rec.SessionEnded: Told._ended,
}


def _opened(_: Quiz, record: rec.SessionOpened) -> Row:
    return {"change": "opened", "quizVersion": record.quiz_version, "pin": record.pin}


def _starting(_: Quiz, record: rec.CountdownStarted) -> Row:
    return {"change": "starting", "startsAt": iso(record.starts_ms)}


def _question(quiz: Quiz, record: rec.QuestionOpened) -> Row:
    return {
        "change": "question",
        "questionId": quiz.question(record.index).id,
        "index": record.index,
        "startTime": iso(record.start_ms),
        "endTime": iso(record.end_ms),
    }


def _reveal(quiz: Quiz, record: rec.QuestionClosed) -> Row:
    return {
        "change": "reveal",
        "questionId": quiz.question(record.index).id,
        "index": record.index,
        "reason": record.reason,
    }


def _paused(_: Quiz, __: rec.SessionPaused) -> Row:
    return {"change": "paused"}


def _resumed(_: Quiz, record: rec.SessionResumed) -> Row:
    return {"change": "resumed", "stoodMs": record.pause_ms}


def _outage(_: Quiz, record: rec.OutageEnded) -> Row:
    return {"change": "outage_ended", "stoodMs": record.outage_ms}


def _locked(_: Quiz, record: rec.SessionLocked) -> Row:
    return {"change": "locked" if record.locked else "unlocked"}


def _over(_: Quiz, record: rec.SessionEnded) -> Row:
    return {"change": "ended", "reason": record.reason}


SHOWN: dict[type[rec.Record], Callable[[Quiz, Any], Row]] = {
    rec.SessionOpened: _opened,
    rec.CountdownStarted: _starting,
    rec.QuestionOpened: _question,
    rec.QuestionClosed: _reveal,
    rec.SessionPaused: _paused,
    rec.SessionResumed: _resumed,
    rec.OutageEnded: _outage,
    rec.SessionLocked: _locked,
    rec.SessionEnded: _over,
}
