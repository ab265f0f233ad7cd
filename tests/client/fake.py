"""A scripted server: each connection plays a scene, all messages are held to contract.

Time stands still: what the client sleeps is noted and over at once, but for its
heartbeats, which wait until a test lets them go.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import orjson
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from quizd.client import (
    Backoff,
    Habits,
    Message,
    Progress,
    Question,
    QuizClient,
    Ticket,
)
from quizd.clock import ManualClock
from tests.support.contract import check_client_message, check_server_message
from tests.support.samples import QUESTION, Sample, message, welcome

HEARTBEAT_S = 77.0
TOKEN = "tok-en_1"


@dataclass
class FakeTime:
    """Sleeps that end at once and move the clock; heartbeats wait for ``beat``."""

    clock: ManualClock = field(default_factory=ManualClock)
    slept_s: list[float] = field(default_factory=list)
    beat: asyncio.Event = field(default_factory=asyncio.Event)

    async def sleep(self, delay_s: float) -> None:
        """Note the delay and let it have passed."""
        if delay_s == HEARTBEAT_S:
            await self.beat.wait()
            self.beat.clear()
            return
        self.slept_s.append(delay_s)
        self.clock.advance(round(delay_s * 1000))
        await asyncio.sleep(0)


class HighestDelay:
    """A random source that always draws the upper end, and notes the ranges."""

    def __init__(self) -> None:
        self.ranges: list[tuple[float, float]] = []

    def uniform(self, low: float, high: float) -> float:
        """Return *high*."""
        self.ranges.append((low, high))
        return high


@dataclass
class Watch:
    """What a client reports while it plays."""

    progress: list[Progress] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    time: FakeTime = field(default_factory=FakeTime)
    rng: HighestDelay = field(default_factory=HighestDelay)

    def habits(self, **changed: Any) -> Habits:  # noqa: ANN401 - as Habits has them
        """Return habits that take time and chance from here and report here."""
        given: dict[str, Any] = {
            "backoff": Backoff(),
            "heartbeat_s": HEARTBEAT_S,
            "clock": self.time.clock,
            "sleep": self.time.sleep,
            "rng": self.rng,
            "on_progress": self.progress.append,
            "on_question": self.questions.append,
        }
        return Habits(**(given | changed))


@dataclass
class Line:
    """The server's end of one connection."""

    socket: ServerConnection

    @property
    def query(self) -> dict[str, str]:
        """The query of the address."""
        request = self.socket.request
        assert request is not None
        return {k: v[0] for k, v in parse_qs(urlsplit(request.path).query).items()}

    async def say(self, *samples: Sample) -> None:
        """Send messages that a player may get."""
        for sample in samples:
            text = json.dumps(sample)
            check_server_message(text)
            await self.socket.send(text)

    async def hear(self, kind: str) -> dict[str, Any]:
        """Return the payload of the next message of the *kind*; pass heartbeats over.

        Whatever comes has to be what a player may send.
        """
        while True:
            heard = check_client_message(await self.socket.recv(), "player")
            if heard["type"] == kind:
                return dict(heard["payload"])
            assert heard["type"] == "heartbeat"

    async def hear_heartbeat(self) -> None:
        """Wait until the client has sent a heartbeat: it is settled in."""
        heard = check_client_message(await self.socket.recv(), "player")
        assert heard["type"] == "heartbeat"

    async def close(self, code: int = 1000) -> None:
        """Close with a code."""
        await self.socket.close(code)

    async def abort(self) -> None:
        """Break the connection without a word."""
        self.socket.transport.abort()
        await self.socket.wait_closed()

    async def gone(self) -> int | None:
        """Wait until the client has left; return its close code."""
        try:
            while True:
                await self.socket.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None


Scene = Callable[[Line], Awaitable[object]]


class FakeServer:
    """Plays *scenes*, one per connection in their order; *always* after them."""

    def __init__(self, *scenes: Scene, always: Scene | None = None) -> None:
        self.lines: list[Line] = []
        self.failures: list[BaseException] = []
        self.refusals: list[int] = []
        """HTTP statuses to refuse the next handshakes with."""
        self._scenes = list(scenes)
        self._always = always
        self._server: Server | None = None
        self._desk: asyncio.Server | None = None
        self.joins: list[dict[str, Any]] = []

    @property
    def ws_url(self) -> str:
        """The socket's address."""
        assert self._server is not None
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"ws://127.0.0.1:{port}/ws"

    @property
    def base_url(self) -> str:
        """Where one joins."""
        assert self._desk is not None
        return f"http://127.0.0.1:{self._desk.sockets[0].getsockname()[1]}"

    def ticket(self) -> Ticket:
        """Return a player's ticket for this server."""
        return Ticket("demo", "p2", TOKEN, self.ws_url, "s1")

    async def __aenter__(self) -> Self:
        """Listen on loopback."""
        self._server = await serve(
            self._play,
            "127.0.0.1",
            0,
            process_request=self._admit,
            subprotocols=[Subprotocol("quizd.v1")],
            compression=None,
            close_timeout=1,
        )
        self._desk = await asyncio.start_server(self._join, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _fault: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Close everything; what a scene found wrong fails the test."""
        assert self._server is not None
        assert self._desk is not None
        self._desk.close()
        self._server.close()
        await self._server.wait_closed()
        if self.failures:
            raise self.failures[0]

    def _admit(self, socket: ServerConnection, _request: Request) -> Response | None:
        return socket.respond(self.refusals.pop(0), "no\n") if self.refusals else None

    async def _play(self, socket: ServerConnection) -> None:
        line = Line(socket)
        self.lines.append(line)
        scene = self._scenes.pop(0) if self._scenes else self._always
        try:
            assert scene is not None, "one connection too many"
            await scene(line)
        except ConnectionClosed:
            return
        except BaseException as failure:
            self.failures.append(failure)
            raise

    async def _join(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one join as the REST interface does."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            size = int(head.split("content-length: ")[1].split("\r\n")[0])
            self.joins.append(orjson.loads(await reader.readexactly(size)))
        except asyncio.IncompleteReadError:
            return writer.close()  # who asked has left
        body = orjson.dumps(
            {
                "quizId": "demo",
                "participantId": f"p{len(self.joins)}",
                "sessionId": "s1",
                "token": TOKEN,
                "wsUrl": self.ws_url,
            }
        )
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        return writer.close()


def close_after_welcome(code: int, **changed: object) -> Scene:
    """Return a scene that welcomes and closes."""

    async def scene(line: Line) -> None:
        await line.say(welcome(**changed))
        await line.close(code)

    return scene


def ended(seq: int) -> Sample:
    """Return the last broadcast."""
    place = {"score": 0, "rank": 1, "of": 1}
    return message("quiz_ended", {"finalLeaderboard": [], "you": place}, seq=seq)


def finale(seq: int) -> Scene:
    """Return a scene that welcomes as of *seq* and ends the quiz."""

    async def scene(line: Line) -> None:
        await line.say(welcome(seq=seq, resumed=True), ended(seq + 1))
        await line.gone()

    return scene


def question(seq: int) -> Sample:
    """Return the question as a broadcast."""
    return message("new_question", QUESTION, seq=seq)


async def play(client: QuizClient) -> list[Message]:
    """Return every message until the end."""
    async with aclosing(client.play()) as messages:
        return [one async for one in messages]


def player(server: FakeServer, watch: Watch, **habits: object) -> QuizClient:
    """Return a client with a ticket."""
    return QuizClient(watch.habits(**habits), ticket=server.ticket())
