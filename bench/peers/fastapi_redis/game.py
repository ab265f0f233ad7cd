"""Leading a session: the worker that opened it does, by timer and by commands."""

import asyncio
from collections import Counter

from redis.asyncio.client import PubSub

from bench.peers.fastapi_redis import messages
from bench.peers.fastapi_redis.quiz import Asked, Question, Session
from bench.peers.fastapi_redis.store import State, Store
from quizd.clock import Clock, iso

FINAL_LINES = 100


class Ended(Exception):  # noqa: N818 - the host's wish, not a failure
    """The host ends the quiz."""


class Game:
    """One run of a quiz; *commands* is the channel that says what the host wants."""

    def __init__(
        self, store: Store, session: Session, clock: Clock, commands: PubSub
    ) -> None:
        self._store = store
        self._session = session
        self._clock = clock
        self._channel = commands
        self._commands: asyncio.Queue[str] = asyncio.Queue()
        self._seq = 0

    async def lead(self) -> None:
        """Lead from the lobby to the end."""
        listening = asyncio.create_task(self._listen())
        try:
            await self._play()
        except Ended:
            pass
        finally:
            listening.cancel()
            await self._channel.aclose()  # type: ignore[no-untyped-call] # redis-py
        top = await self._store.top(self._session, FINAL_LINES)
        await self._turn(
            "ended", "quiz_ended", {"finalLeaderboard": messages.board(top)}
        )

    async def _listen(self) -> None:
        async for message in self._channel.listen():
            self._commands.put_nowait(message["data"])

    async def _play(self) -> None:
        quiz = self._session.quiz
        await self._until("start")
        countdown_s = quiz.settings.countdown_s
        starts_ms = self._clock.now_ms() + round(countdown_s * 1000)
        payload = {"startsAt": iso(starts_ms), "inSeconds": countdown_s}
        await self._turn("starting", "quiz_starting", payload)
        await self._until(timeout_s=countdown_s)
        for index, question in enumerate(quiz.questions):
            await self._ask(index)
            await self._reveal(question)

    async def _ask(self, index: int) -> None:
        quiz = self._session.quiz
        asked = Asked.of(quiz, index, self._clock.now_ms())
        payload = messages.question(asked, len(quiz.questions))
        await self._turn("question", "new_question", payload, asked)
        timeout_s = (asked.end_ms - self._clock.now_ms()) / 1000
        await self._until("next", f"answered:{asked.question.id}", timeout_s=timeout_s)

    async def _reveal(self, question: Question) -> None:
        answers = await self._store.close_question(self._session, question.id)
        chosen = Counter(given.option for given in answers.values())
        await self._turn("reveal", "question_closed", messages.closed(question, chosen))
        settings = self._session.quiz.settings
        by_timer = settings.advance == "timer"
        await self._until("next", timeout_s=settings.reveal_s if by_timer else None)

    async def _turn(
        self,
        phase: str,
        kind: str,
        payload: messages.Json,
        asked: Asked | None = None,
    ) -> None:
        self._seq += 1
        text = messages.text(kind, payload, seq=self._seq)
        await self._store.turn(self._session, State(phase, self._seq, asked), text)

    async def _until(self, *commands: str, timeout_s: float | None = None) -> None:
        """Wait for one of *commands* or *timeout_s*; raise ``Ended`` at the end."""
        try:
            async with asyncio.timeout(timeout_s):
                while (command := await self._commands.get()) not in commands:
                    if command == "end":
                        raise Ended
        except TimeoutError:
            return
