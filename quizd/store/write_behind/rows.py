"""From records to rows: pure, and the same whoever does it and however often.

A batch becomes the rows of several tables. What a row needs of earlier batches, such
as how many had joined, travels in a :class:`Context` beside the cursor; so the queue
can begin anywhere, and nothing is held in memory for it. Answers stay packed: the
sinks have compiled code for them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import orjson

from quizd.session import records as rec

UNREADABLE = (rec.BadRecord, ValueError, TypeError, LookupError)
"""What a batch may raise that this version does not understand."""


UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Context:
    """What all batches so far come to, as far as the next one's rows depend on it.

    ``participants`` counts all who have joined, also those who were removed since; it
    is :data:`UNKNOWN` behind a batch that could not be read.
    """

    opened_ms: int = 0
    participants: int = 0
    ended: bool = False
    question_ids: tuple[str, ...] = ()


class Answers(NamedTuple):
    """One packed record of answers, and the columns that are not in it."""

    session_id: str
    opened_ms: int
    packed: bytes


@dataclass(slots=True)
class Rows:
    """Rows by table, columns as in :data:`INSERTED` and :data:`CHANGED`.

    ``results`` are those of all ``finished`` sessions, in place of earlier ones.
    """

    sessions: list[tuple[object, ...]] = field(default_factory=list)
    participants: list[tuple[object, ...]] = field(default_factory=list)
    session_questions: list[tuple[object, ...]] = field(default_factory=list)
    answers: list[Answers] = field(default_factory=list)
    closed: list[tuple[object, ...]] = field(default_factory=list)
    removed: list[tuple[object, ...]] = field(default_factory=list)
    ended: list[tuple[object, ...]] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    results: list[tuple[object, ...]] = field(default_factory=list)

    def add_results(
        self, session_id: str, results: Iterable[tuple[int, int, int]]
    ) -> None:
        """Add the results of a session: index, score and rank of everybody."""
        self.results += [(session_id, *result) for result in results]


INSERTED = {
    "sessions": (
        "session_id",
        "quiz_id",
        "quiz_version",
        "rules_version",
        "pin",
        "epoch",
        "capacity",
        "content",
        "opened_ms",
    ),
    "participants": (
        "session_id",
        "participant",
        "participant_id",
        "name",
        "key",
        "joined_ms",
    ),
    "session_questions": (
        "session_id",
        "question",
        "question_id",
        "start_ms",
        "end_ms",
    ),
    "results": ("session_id", "participant", "score", "rank"),
}
"""The columns of new rows, by table, but for answers."""


@dataclass(frozen=True, slots=True)
class Change:
    """An update: of which table, found by which columns, setting which."""

    table: str
    by: tuple[str, ...]
    sets: tuple[str, ...]


CHANGED = {
    "closed": Change(
        "session_questions", ("session_id", "question"), ("closed_ms", "close_reason")
    ),
    "removed": Change(
        "participants", ("session_id", "participant"), ("removed_ms", "banned")
    ),
    "ended": Change("sessions", ("session_id",), ("ended_ms", "end_reason")),
}
"""The updates, whose values are those of ``by`` and then those of ``sets``."""


class Translation:
    """One batch of one session as rows, and the context behind it.

    ``records`` are those of the batch, ``at_ms`` is the instant of the latest.
    """

    def __init__(self, session_id: str, context: Context) -> None:
        self.session_id = session_id
        self.records: list[rec.Record] = []
        self.rows = Rows()
        self.at_ms = 0
        self._context = context
        self._participants = context.participants

    @property
    def context(self) -> Context:
        """What goes before the next batch."""
        if self._participants == self._context.participants:
            return self._context
        return replace(self._context, participants=self._participants)

    def add(self, record: rec.Record) -> None:
        """Add *record*, and its rows; kinds that have none are passed over."""
        self.records.append(record)
        self.at_ms = max(self.at_ms, record.at_ms)
        known = ROWS_OF.get(type(record))
        if known is not None:
            known(self, record)
        if self._context.ended and type(record) not in NO_MATTER:
            self.rows.finished = [self.session_id]

    def _opened(self, record: rec.SessionOpened) -> None:
        questions = orjson.loads(record.quiz)["questions"]
        self._participants = 0
        self._context = Context(
            opened_ms=record.at_ms,
            question_ids=tuple(question["id"] for question in questions),
        )
        self.rows.sessions.append(
            (
                self.session_id,
                record.quiz_id,
                record.quiz_version,
                record.rules_version,
                record.pin,
                record.epoch,
                record.capacity,
                record.quiz,
                record.at_ms,
            )
        )

    def _joined(self, record: rec.ParticipantAdded) -> None:
        index = self._participants
        self._participants += 1
        self.rows.participants.append(
            (
                self.session_id,
                index,
                record.participant_id,
                record.name,
                record.key or None,
                record.at_ms,
            )
        )

    def _asked(self, record: rec.QuestionOpened) -> None:
        question_id = self._context.question_ids[record.index]
        row = (record.index, question_id, record.start_ms, record.end_ms)
        self.rows.session_questions.append((self.session_id, *row))

    def _answered(self, record: rec.AnswersAccepted) -> None:
        answers = Answers(self.session_id, self._context.opened_ms, record.packed)
        self.rows.answers.append(answers)

    def _closed(self, record: rec.QuestionClosed) -> None:
        row = (self.session_id, record.index, record.at_ms, record.reason)
        self.rows.closed.append(row)

    def _removed(self, record: rec.ParticipantRemoved) -> None:
        row = (self.session_id, record.participant, record.at_ms, record.banned)
        self.rows.removed.append(row)

    def _ended(self, record: rec.SessionEnded) -> None:
        self._context = replace(self._context, ended=True)
        self.rows.ended.append((self.session_id, record.at_ms, record.reason))


ROWS_OF: dict[type[rec.Record], Callable[[Translation, Any], None]] = {
    rec.SessionOpened: Translation._opened,
    rec.ParticipantAdded: Translation._joined,
    rec.QuestionOpened: Translation._asked,
    rec.AnswersAccepted: Translation._answered,
    rec.QuestionClosed: Translation._closed,
    rec.ParticipantRemoved: Translation._removed,
    rec.SessionEnded: Translation._ended,
}

NO_MATTER = frozenset({rec.OutageEnded, rec.Released, rec.EpochBegun})
"""Kinds that change no result when they come after the end."""


def translate(session_id: str, batch: bytes, context: Context) -> Translation:
    """Return the translation of *batch*, which *context* goes before.

    Raises one of :data:`UNREADABLE` where it is not a batch that this version knows.
    """
    if context.participants == UNKNOWN:
        raise rec.BadRecord("comes after a batch that can't be read")
    translation = Translation(session_id, context)
    for record in rec.unpack(batch):
        translation.add(record)
    return translation
