"""The store of quizzes: definitions in versions, which a session never changes."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass

from quizd.session.quiz import Quiz

LIST_MAX = 1000

QUIZ_ID = re.compile(r"(?![0-9]+\Z)[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""What a quiz's id may be; one of digits alone would be taken for a pin."""

QUIZ_ID_WANTED = "must be 1 to 64 of A-Z a-z 0-9 . _ -, and not digits alone"


class StoreUnavailable(Exception):  # noqa: N818 - names the state, like HTTP's 503
    """The database fails or can't be reached; whether a write was kept is unknown."""


@dataclass(frozen=True, slots=True)
class StoredQuiz:
    """One version of a quiz; instants are milliseconds since the Unix epoch.

    ``version`` counts from 1 and grows with every change of content.
    """

    quiz_id: str
    version: int
    quiz: Quiz
    created_ms: int
    updated_ms: int


@dataclass(frozen=True, slots=True)
class QuizSummary:
    """What a list shows of a quiz; ``questions`` is how many it has."""

    quiz_id: str
    version: int
    title: str
    language: str
    level: str
    questions: int
    always_open: bool
    created_ms: int
    updated_ms: int


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, and the cursor of the next part: ``None`` after the last."""

    items: tuple[QuizSummary, ...]
    cursor: str | None


class Quizzes(ABC):
    """Keeps quizzes by id. Every method may raise :class:`StoreUnavailable`."""

    @abstractmethod
    async def start(self) -> None:
        """Make ready; only after this anything can be asked."""

    @abstractmethod
    async def stop(self) -> None:
        """Let go of the database; harmless when not started."""

    @abstractmethod
    async def ping(self) -> None:
        """Raise :class:`StoreUnavailable` unless the database answers."""

    @abstractmethod
    async def put(self, quiz_id: str | None, quiz: Quiz, now_ms: int) -> StoredQuiz:
        """Keep *quiz* under *quiz_id*, or under a new id where that is ``None``.

        The same content again is no new version. A version's number is never given
        to another content, not even after :meth:`delete`. Raises ``ValueError`` for
        an id that is not as :data:`QUIZ_ID` wants it.
        """

    @abstractmethod
    async def get(self, quiz_id: str) -> StoredQuiz | None:
        """Return the latest version, ``None`` where there is no such quiz."""

    @abstractmethod
    async def list(
        self, limit: int, cursor: str | None = None, *, always_open: bool = False
    ) -> Page:
        """Return up to *limit* quizzes (1 to :data:`LIST_MAX`), ordered by id.

        *cursor* is that of the page before. With *always_open* only those that open
        a session by themselves.
        """

    @abstractmethod
    def forget(self, quiz_id: str) -> None:
        """Keep nothing of a quiz in memory: another process has changed it."""

    @abstractmethod
    async def delete(self, quiz_id: str, now_ms: int) -> bool:
        """Take the quiz out; return whether it was there. Open sessions go on."""
