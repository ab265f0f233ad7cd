"""Final scores and ranks, in pages.

The order is that of ranks, equal ones by joining; who was removed has no rank and comes
last. A page begins behind a :class:`Place`, so the last page is found as quickly as the
first.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, select

from quizd.reports.reading import Reader
from quizd.store.tables import participants, results

PAGE_ROWS = 500
"""Making a page of so many is a few milliseconds of the event loop's time."""

NO_RANK = 0

_CURSOR = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})")


class Place(NamedTuple):
    """A place in the order of results: a rank, and a participant's index."""

    rank: int
    participant: int


@dataclass(frozen=True, slots=True)
class Result:
    """What a participant has come to; ``rank`` is 1-based, 0 for who was removed.

    ``participant_id`` is ``None`` where the join could not be written, ``name`` also
    where it was erased.
    """

    participant: int
    participant_id: str | None
    name: str | None
    score: int
    rank: int

    @property
    def place(self) -> Place:
        """Where this stands in the order."""
        return Place(self.rank, self.participant)


class Results:
    """The results of ended sessions. Every method raises ``StoreUnavailable``."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def page(
        self, session_id: str, limit: int, after: Place | None = None
    ) -> list[Result]:
        """Return up to *limit* results from behind *after* on."""
        unranked = after is not None and after.rank == NO_RANK
        page: list[Result] = []
        if not unranked:
            rows = await self._reader.rows(_ranked(session_id, limit, after))
            page = [Result(*row) for row in rows]
        if len(page) < limit:
            behind = after.participant if after and unranked else -1
            rest = _removed(session_id, limit - len(page), behind)
            rows = await self._reader.rows(rest)
            page += [Result(*row) for row in rows]
        return page

    async def pages(
        self, session_id: str, rows: int = PAGE_ROWS
    ) -> AsyncIterator[list[Result]]:
        """Yield all results, so many *rows* at a time; the last page may be empty."""
        after: Place | None = None
        while True:
            page = await self.page(session_id, rows, after)
            yield page
            if len(page) < rows:
                return
            after = page[-1].place

    async def by_participant(
        self, session_id: str, rows: int = PAGE_ROWS
    ) -> AsyncIterator[tuple[int, int, int]]:
        """Yield index, score and rank of everybody, in the order of joining."""
        last = -1
        columns = results.c.participant, results.c.score, results.c.rank
        here = results.c.session_id == session_id
        while True:
            query = select(*columns).where(here, results.c.participant > last)
            ordered = query.order_by(results.c.participant).limit(rows)
            page = await self._reader.rows(ordered)
            for who, score, rank in page:
                yield who, score, rank
            if len(page) < rows:
                return
            last = page[-1][0]


def cursor_of(place: Place) -> str:
    """Return *place* as text for an address."""
    return f"{place.rank}.{place.participant}"


def place_at(cursor: str) -> Place:
    """Return the place that *cursor* says; raise ``ValueError``."""
    parts = _CURSOR.fullmatch(cursor)
    if parts is None:
        raise ValueError("not the cursor of a page of results")
    return Place(int(parts[1]), int(parts[2]))


def _ranked(session_id: str, limit: int, after: Place | None) -> Select[Any]:
    rank, participant = results.c.rank, results.c.participant
    if after is None:
        wanted = rank > NO_RANK
    else:
        later = (rank > after.rank) | (participant > after.participant)
        wanted = (rank >= after.rank) & later
    return _named(session_id, wanted, limit)


def _removed(session_id: str, limit: int, behind: int) -> Select[Any]:
    removed = results.c.rank == NO_RANK
    return _named(session_id, removed & (results.c.participant > behind), limit)


def _named(session_id: str, wanted: ColumnElement[bool], limit: int) -> Select[Any]:
    """Return the query for a page with names, which are looked up for this page alone.

    Joined without the inner query, all names of a session might be read for each page.
    """
    page = (
        select(results.c.participant, results.c.score, results.c.rank)
        .where(results.c.session_id == session_id, wanted)
        .order_by(results.c.rank, results.c.participant)
        .limit(limit)
        .subquery()
    )
    who = (participants.c.session_id == session_id) & (
        participants.c.participant == page.c.participant
    )
    return (
        select(
            page.c.participant,
            participants.c.participant_id,
            participants.c.name,
            page.c.score,
            page.c.rank,
        )
        .join_from(page, participants, who, isouter=True)
        .order_by(page.c.rank, page.c.participant)
    )
