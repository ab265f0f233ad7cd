"""What can be joined now: a list that is made at most once a second.

Anybody may ask for it, and each line of it is asked of a session's own queue. So it is
made once for all who ask within a second, and pages are cut from it.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress

from quizd.clock import Clock
from quizd.owner.sessions import Sessions
from quizd.session.phases import Phase
from quizd.session.picture import Joinable as Line
from quizd.store.base import LIST_MAX, QuizSummary, Quizzes, StoreUnavailable

AGE_MAX_MS = 1_000


class Joinable:
    """The list, kept for a second."""

    def __init__(self, sessions: Sessions, quizzes: Quizzes, clock: Clock) -> None:
        self._sessions = sessions
        self._quizzes = quizzes
        self._clock = clock
        self._lines: Sequence[Line] = ()
        self._waiting: list[Line] = []
        self._made_ms: int | None = None
        self._making: asyncio.Task[None] | None = None

    async def page(
        self, limit: int, cursor: str | None
    ) -> tuple[Sequence[Line], str | None]:
        """Return up to *limit* lines by quiz id behind *cursor*; and the next one."""
        await self._refresh()
        start = bisect_right(self._lines, cursor or "", key=lambda line: line.quiz_id)
        lines = self._lines[start : start + limit]
        more = start + limit < len(self._lines)
        return lines, lines[-1].quiz_id if more else None

    async def _refresh(self) -> None:
        now_ms = self._clock.now_ms()
        if self._made_ms is not None and now_ms - self._made_ms < AGE_MAX_MS:
            return
        if self._making is None:
            self._making = asyncio.create_task(self._make(now_ms))
            self._making.add_done_callback(self._made)
        await asyncio.shield(self._making)

    def _made(self, making: asyncio.Task[None]) -> None:
        self._making = None
        if not making.cancelled():
            making.exception()  # whoever asked has it; nobody may be left

    async def _make(self, now_ms: int) -> None:
        # Without the database the quizzes that it last had are as open as before.
        with suppress(StoreUnavailable):
            self._waiting = await self._always_open()
        lines = {line.quiz_id: line for line in self._waiting}
        for line in await self._sessions.open_now():
            lines.pop(line.quiz_id, None)
            if line.joinable is not None:
                lines[line.quiz_id] = line.joinable
        self._lines = [lines[quiz_id] for quiz_id in sorted(lines)]
        self._made_ms = now_ms

    async def _always_open(self) -> list[Line]:
        lines: list[Line] = []
        cursor = None
        while True:
            page = await self._quizzes.list(LIST_MAX, cursor, always_open=True)
            lines += [_waiting(summary) for summary in page.items]
            cursor = page.cursor
            if cursor is None:
                return lines


def _waiting(summary: QuizSummary) -> Line:
    """Return the line of a quiz whose session opens with the first join."""
    return Line(
        summary.quiz_id,
        summary.title,
        Phase.LOBBY,
        0,
        summary.level,
        summary.language,
    )
