"""What can be joined now: a list that is made at most once a second.

Anybody may ask for it, and each line of it is asked of a session's own queue. So it is
made once for all who ask within a second, and pages are cut from it.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from quizd.clock import Clock
from quizd.owner.owner import Owner
from quizd.session.phases import Phase
from quizd.session.state import State
from quizd.store.base import LIST_MAX, QuizSummary, Quizzes

AGE_MAX_MS = 1_000
PATIENCE_S = 2.0
"""A session that doesn't answer within this is left out."""


@dataclass(frozen=True, slots=True)
class Line:
    """A quiz that can be joined."""

    quiz_id: str
    title: str
    phase: Phase
    participants: int
    level: str
    language: str


class Joinable:
    """The list, kept for a second."""

    def __init__(self, owner: Owner, quizzes: Quizzes, clock: Clock) -> None:
        self._owner = owner
        self._quizzes = quizzes
        self._clock = clock
        self._lines: Sequence[Line] = ()
        self._made_ms: int | None = None
        self._making: asyncio.Task[None] | None = None

    async def page(
        self, limit: int, cursor: str | None
    ) -> tuple[Sequence[Line], str | None]:
        """Return up to *limit* lines by quiz id behind *cursor*, and the next cursor.

        Raises ``StoreUnavailable``.
        """
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
        lines = {line.quiz_id: line for line in await self._always_open()}
        running = [
            runner for runner in self._owner.runners() if not runner.ended.done()
        ]
        for runner in running:
            lines.pop(runner.state.quiz_id, None)
        asked = [runner.read(_line) for runner in running]
        if asked:
            await asyncio.wait(asked, timeout=PATIENCE_S)
        for answer in asked:
            line = _answered(answer)
            if line is not None:
                lines[line.quiz_id] = line
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


def _answered(answer: asyncio.Future[Line | None]) -> Line | None:
    if not answer.done():
        answer.cancel()
        return None
    return None if answer.exception() else answer.result()


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


def _line(state: State) -> Line | None:
    return _shown(state) if _can_be_joined(state) else None


def _can_be_joined(state: State) -> bool:
    settings = state.quiz.settings
    begun = state.active_phase not in (Phase.LOBBY, Phase.STARTING)
    most = min(settings.max_participants or state.capacity, state.capacity)
    return not (
        state.phase is Phase.ENDED
        or state.locked
        or (begun and not settings.late_join)
        or state.participants >= most
    )


def _shown(state: State) -> Line:
    quiz = state.quiz
    return Line(
        state.quiz_id,
        quiz.title,
        state.phase,
        state.participants,
        quiz.level,
        quiz.language,
    )
