"""A participant in a live quiz: joins, plays, and comes back after every break."""

import asyncio
import random
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import httpx
from websockets.exceptions import ConnectionClosed

from quizd.client.answers import AnswerBook
from quizd.client.faults import NotConnected
from quizd.client.join import Joining, Sleep, Ticket, join
from quizd.client.messages import Given, Message, Question, answer_field, encode
from quizd.client.picture import Picture
from quizd.client.retry import Backoff, Course, OnProgress, Progress
from quizd.client.server_clock import ServerClock
from quizd.client.visit import BREAKS, Game, Visit
from quizd.clock import Clock, SystemClock, iso

OnQuestion = Callable[[Question], object]
Inbox = asyncio.Queue[Message | None]


def ignore(_what: object) -> None:
    """Do nothing: the callback of those who do not listen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How a client behaves, and what it takes time and chance from.

    ``inbox_size`` bounds the messages not yet consumed; while it is full the client
    does not read, and the server's rule for slow consumers decides. Callbacks are
    called in the event loop and must not block.
    """

    backoff: Backoff = field(default_factory=Backoff)
    heartbeat_s: float = 10.0
    inbox_size: int = 256
    clock: Clock = field(default_factory=SystemClock)
    sleep: Sleep = asyncio.sleep
    rng: random.Random = field(default_factory=random.SystemRandom)
    on_progress: OnProgress = ignore
    on_question: OnQuestion = ignore


class QuizClient:
    """One participant. ``join`` (or ``ticket``), then ``play``; ``answer`` meanwhile.

    *http* is used for joining, and stays the caller's; without it, one is made.
    """

    def __init__(
        self,
        habits: Habits | None = None,
        *,
        http: httpx.AsyncClient | None = None,
        ticket: Ticket | None = None,
    ) -> None:
        self._habits = habits or Habits()
        self._http = http
        self.ticket = ticket
        self.picture = Picture()
        self._answers = AnswerBook()
        self._server_clock = ServerClock(self._habits.clock)
        self._visit: Visit | None = None
        self._announced: tuple[int | None, str] | None = None

    @property
    def score(self) -> int:
        """The points so far."""
        return self.picture.score

    @property
    def rank(self) -> int | None:
        """The own place, counted from 1, as last told."""
        return self.picture.rank

    @property
    def epoch(self) -> int | None:
        """The epoch of the last welcome."""
        return self.picture.epoch

    @property
    def seq(self) -> int | None:
        """The number of the last broadcast received."""
        return self.picture.seq

    def server_now_ms(self) -> int:
        """Return milliseconds since the Unix epoch by the server's clock."""
        return self._server_clock.now_ms()

    async def join(
        self,
        base_url: str,
        quiz: str,
        name: str,
        *,
        tries: int = 3,
        interval_s: float = 1.0,
        idempotency_key: str | None = None,
    ) -> Ticket:
        """Join *quiz* (its id or pin) at the server *base_url* and keep the ticket.

        Raises :class:`JoinRefused` where the server says no and :class:`GaveUp` after
        the last try. All tries carry one key, so that they make one participant.
        """
        key = idempotency_key or secrets.token_hex(16)
        joining = Joining(base_url, quiz, name, key, tries, interval_s)
        async with AsyncExitStack() as stack:
            http = self._http
            if http is None:
                http = await stack.enter_async_context(httpx.AsyncClient())
            self.ticket = await join(
                joining, http, self._habits.sleep, self._habits.on_progress
            )
        return self.ticket

    async def play(self) -> AsyncGenerator[Message, None]:
        """Yield every message until the quiz is over, coming back after each break.

        ``picture`` is as of the last message received, which may lie ahead of the one
        that is yielded.

        Raises :class:`GaveUp` when no try to connect succeeds, :class:`Dismissed` when
        the server wants no other. Use ``contextlib.aclosing`` to leave early.
        """
        inbox: Inbox = asyncio.Queue(self._habits.inbox_size)
        task = asyncio.create_task(self._come_and_go(inbox))
        task.add_done_callback(lambda _: _wake(inbox))
        try:
            while not (task.done() and inbox.empty()):
                message = await inbox.get()
                if message is not None:
                    yield message
            task.result()
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()
            self._answers.forsake()

    def answer(self, question: Question, given: Given) -> asyncio.Future[Message]:
        """Send an answer; the future holds its ``answer_result``.

        It is sent again after every break until it is acknowledged. The future raises
        :class:`AnswerRefused` where the server did not take the answer and
        :class:`AnswerLost` where play ended first.
        """
        payload = {
            "questionId": question.question_id,
            **answer_field(question.question_type, given),
            "answeredAt": iso(self.server_now_ms()),
        }
        text = encode("answer_submission", payload)
        return self._answers.add(question.question_id, text)

    async def send(self, kind: str, payload: dict[str, object] | None = None) -> None:
        """Send any other message, such as ``get_leaderboard`` or a host's command.

        It is sent once; raises :class:`NotConnected` where that is not possible now.
        """
        if self._visit is None or not self._visit.welcomed:
            raise NotConnected(kind)
        try:
            await self._visit.send(kind, payload or {})
        except ConnectionClosed as closed:
            raise NotConnected(kind) from closed

    async def _come_and_go(self, inbox: Inbox) -> None:
        """Connect, and connect again after every break, until it is over."""
        game = self._game(inbox)
        course = Course(self._habits.backoff, self._habits.rng)
        while True:
            progress = course.next_try()
            await self._approach(progress)
            self._visit = visit = Visit(game)
            try:
                return await visit.run()
            except BREAKS as cause:
                course.broke(cause, welcomed=visit.welcomed, lasted_s=visit.lasted_s())
            if visit.back_at_ms is not None:
                await visit.pause_until_then()
                course.called_back()

    async def _approach(self, progress: Progress) -> None:
        self._habits.on_progress(progress)
        await self._habits.sleep(progress.delay_s)

    def _game(self, inbox: Inbox) -> Game:
        if self.ticket is None:
            msg = "join first"
            raise RuntimeError(msg)
        habits = self._habits

        async def deliver(message: Message) -> None:
            self._announce()
            await inbox.put(message)

        return Game(
            self.ticket,
            self.picture,
            self._answers,
            self._server_clock,
            habits.clock,
            habits.sleep,
            habits.heartbeat_s,
            deliver,
        )

    def _announce(self) -> None:
        """Call ``on_question`` once for each question that waits for an answer."""
        question = self.picture.question
        if question is None or question.answered:
            return
        known = (self.picture.epoch, question.question_id)
        if known != self._announced:
            self._announced = known
            self._habits.on_question(question)


def _wake(inbox: Inbox) -> None:
    """Let a waiting reader see that no message will come; a full inbox needs none."""
    if not inbox.full():
        inbox.put_nowait(None)
