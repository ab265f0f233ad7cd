"""Which sessions are stored."""

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, func, select

from quizd.reports.reading import Reader
from quizd.store.tables import sessions, write_behind
from quizd.store.write_behind.rows import UNKNOWN

SESSION_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""What a session's id may be; nothing else is asked of the database."""

_TITLE = sessions.c.content["title"].as_string().label("title")
_COLUMNS = (
    sessions.c.session_id,
    sessions.c.quiz_id,
    sessions.c.quiz_version,
    _TITLE,
    sessions.c.opened_ms,
    sessions.c.ended_ms,
    sessions.c.end_reason,
    func.nullif(write_behind.c.participants, UNKNOWN),
)


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A run of a quiz, as far as it is written; instants in ms since the Unix epoch.

    ``participants`` counts all who have joined, also those who were removed since;
    ``None``: that is not known.
    """

    session_id: str
    quiz_id: str
    quiz_version: int
    title: str
    opened_ms: int
    ended_ms: int | None
    end_reason: str | None
    participants: int | None


class Before(NamedTuple):
    """A place in the list of sessions: behind the one opened then, with this id."""

    opened_ms: int
    session_id: str


class Sessions:
    """The stored sessions. Every method raises ``StoreUnavailable``."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def one(self, session_id: str) -> StoredSession | None:
        """Return a session, ``None`` where it is not stored."""
        if not SESSION_ID.fullmatch(session_id):
            return None
        query = _all().where(sessions.c.session_id == session_id)
        rows = await self._reader.rows(query)
        return StoredSession(*rows[0]) if rows else None

    async def page(
        self, limit: int, before: Before | None = None, quiz_id: str | None = None
    ) -> list[StoredSession]:
        """Return up to *limit* sessions, the latest first, of one quiz or of all."""
        query = _all()
        if quiz_id is not None:
            query = query.where(sessions.c.quiz_id == quiz_id)
        if before is not None:
            query = query.where(_behind(before))
        latest = sessions.c.opened_ms.desc(), sessions.c.session_id.desc()
        rows = await self._reader.rows(query.order_by(*latest).limit(limit))
        return [StoredSession(*row) for row in rows]


def _all() -> Select[Any]:
    counted = write_behind.c.session_id == sessions.c.session_id
    return select(*_COLUMNS).join_from(sessions, write_behind, counted, isouter=True)


def _behind(before: Before) -> ColumnElement[bool]:
    opened_ms, session_id = sessions.c.opened_ms, sessions.c.session_id
    earlier = (opened_ms < before.opened_ms) | (session_id < before.session_id)
    return (opened_ms <= before.opened_ms) & earlier
