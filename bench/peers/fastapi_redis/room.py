"""A session as one worker sees it: its sockets, the open question, what is sent."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import orjson
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from bench.peers.fastapi_redis import messages
from bench.peers.fastapi_redis.messages import Outcome, Place
from bench.peers.fastapi_redis.quiz import Asked, Session
from bench.peers.fastapi_redis.store import (
    NOTHING_YET,
    Event,
    Given,
    Result,
    State,
    Store,
)

LANES = 16
SENDS_A_TURN = 16
PATIENCE_S = 5.0
SLOW_CONSUMER = 4008
BATCH_MAX = 500
BOARD_EVERY_MS = 100
BOARD_LINES = 10


def text_message(text: str) -> Message:
    """Return the ASGI message that sends *text*; any number of sockets may share it."""
    return {"type": "websocket.send", "text": text}


@dataclass(slots=True, eq=False)
class Connection:
    """A player's socket."""

    socket: WebSocket
    participant_id: str

    async def send(self, message: Message) -> None:
        """Send *message*, if the player is still there."""
        if self.socket.application_state is WebSocketState.CONNECTED:
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                await self.socket.send(message)

    async def say(self, text: str) -> None:
        """Send a text."""
        await self.send(text_message(text))


Sending = tuple[Connection, Message]


@dataclass(slots=True)
class Answers:
    """Answers to one question: who comes while a call is under way shares the next."""

    store: Store
    session: Session
    asked: Asked
    _waiting: list[tuple[Given, asyncio.Future[Result]]] = field(default_factory=list)
    _task: asyncio.Task[None] | None = None

    async def submit(self, given: Given) -> Result:
        """Return what becomes of an answer."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((given, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[:BATCH_MAX]
                del self._waiting[:BATCH_MAX]
                await self._enter(batch)
        finally:
            self._task = None

    async def _enter(
        self, batch: Sequence[tuple[Given, asyncio.Future[Result]]]
    ) -> None:
        question_id = self.asked.question.id
        try:
            everybody, results = await self.store.enter(
                self.session, question_id, [given for given, _ in batch]
            )
        except RedisError as error:
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.cancelled():
                future.set_result(result)
        if everybody:
            await self.store.command(self.session, f"answered:{question_id}")


class Room:
    """Use :meth:`enter` to get one that listens already."""

    def __init__(self, store: Store, session: Session) -> None:
        self.store = store
        self.session = session
        self.connections: dict[Connection, None] = {}
        self.state: State = NOTHING_YET
        self.answers: Answers | None = None
        self._waiting: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._board: asyncio.Task[None] | None = None
        self._board_again = False

    @classmethod
    async def enter(cls, store: Store, session: Session) -> "Room":
        """Return the room, which hears from now on what happens in *session*."""
        room = cls(store, session)
        events = await store.listen(session, "events")
        room._turn(await store.state(session))
        room._tasks = [
            asyncio.create_task(room._hear(events)),
            asyncio.create_task(room._fan_out()),
        ]
        return room

    def leave(self) -> None:
        """Stop listening."""
        for task in self._tasks:
            task.cancel()

    def _turn(self, state: State) -> None:
        """Go to *state*; answers to its question are taken from now on."""
        self.state = state
        self.answers = None
        if state.asked is not None:
            self.answers = Answers(self.store, self.session, state.asked)

    # -- what is sent --------------------------------------------------------------

    async def _hear(self, events: PubSub) -> None:
        async for message in events.listen():
            event = Event.unpacked(self.session.quiz, message["data"])
            if event.is_board:
                self._drop_board()
            self._waiting.append(event)
            self._wake.set()

    def _drop_board(self) -> None:
        """Forget a board that has not been sent: the next one says it better."""
        for event in self._waiting:
            if event.is_board:
                self._waiting.remove(event)
                return

    async def _fan_out(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._deliver(self._waiting.popleft())

    async def _deliver(self, event: Event) -> None:
        if event.state is not None:
            self._turn(event.state)
        connections = list(self.connections)
        if event.is_personal:
            await self._send(await self._own(connections, event.text))
        else:
            message = text_message(event.text)
            await self._send((one, message) for one in connections)

    async def _own(
        self, connections: Sequence[Connection], text: str
    ) -> Iterator[Sending]:
        """Return *text* for each with an own part at its end."""
        question_id = orjson.loads(text)["payload"].get("questionId")
        places = await self.store.places(self.session)
        outcomes = await self._outcomes(question_id) if question_id else {}
        none = Outcome(correct=False, points=0) if question_id else None
        nobody = Place(0, len(places), len(places))

        def own(participant_id: str) -> Message:
            place = places.get(participant_id, nobody)
            outcome = outcomes.get(participant_id, none)
            return text_message(messages.with_you(text, place, outcome))

        return ((one, own(one.participant_id)) for one in connections)

    async def _outcomes(self, question_id: str) -> dict[str, Outcome]:
        right = self.session.quiz.question(question_id).right
        answers = await self.store.answers(self.session, question_id)
        return {
            name: Outcome(correct=given.option == right, points=given.points)
            for name, given in answers.items()
        }

    async def _send(self, sends: Iterator[Sending]) -> None:
        """Let several lanes share *sends*, so that a slow reader holds up only one."""
        await asyncio.gather(*(self._lane(sends) for _ in range(LANES)))

    async def _lane(self, sends: Iterator[Sending]) -> None:
        """Send what is left, with room for others in between.

        No task per message: most sends are done at once. Who does not read for long is
        shut out.
        """
        connection: Connection | None = None
        sent = True
        while sent:
            sent = False
            try:
                async with asyncio.timeout(PATIENCE_S):
                    for connection, message in islice(sends, SENDS_A_TURN):
                        sent = True
                        await connection.send(message)
            except TimeoutError:
                if connection is not None:
                    await self._shut_out(connection)
            await asyncio.sleep(0)

    async def _shut_out(self, connection: Connection) -> None:
        self.connections.pop(connection, None)
        with contextlib.suppress(RuntimeError):
            await connection.socket.close(SLOW_CONSUMER)

    # -- the board -----------------------------------------------------------------

    def score_changed(self) -> None:
        """Show the board soon, at most ten times a second."""
        if self._board is None:
            self._board = asyncio.create_task(self._show_board())
        else:
            self._board_again = True

    async def _show_board(self) -> None:
        """Show it, and again after a while if it has changed meanwhile."""
        while True:
            self._board_again = False
            version = await self.store.may_show_board(self.session, BOARD_EVERY_MS)
            if version:
                await self._publish_board(version)
            else:
                self._board_again = True
            await asyncio.sleep(BOARD_EVERY_MS / 1000)
            if not self._board_again:
                break
        self._board = None

    async def _publish_board(self, version: int) -> None:
        top = await self.store.top(self.session, BOARD_LINES)
        text = messages.text(
            "leaderboard_changed", {"leaderboard": messages.board(top)}, version=version
        )
        await self.store.publish(self.session, text)
