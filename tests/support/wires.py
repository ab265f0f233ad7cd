"""Wires and hubs without a server: one end of a socket pair instead of a connection."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from picows.picows import WSTransport

from quizd._fast.inbox import Inbox
from quizd._fast.wire import Policy, Wire
from quizd.clock import ManualClock
from quizd.edge.connection import Connection, Desk, Visit
from quizd.edge.listener import QUIET
from quizd.owner.handle import Place
from quizd.protocol.catalogue import Role
from quizd.session import records as rec
from quizd.session.live import RULES_VERSION, LiveSession
from quizd.session.quiz import Quiz
from quizd.session.state import State
from tests.support.contract import check_server_message
from tests.support.frames import CLOSE, TEXT, Frame, split

# Its stub knows no arguments.
NewTransport: Callable[..., WSTransport] = WSTransport


class Kept:
    """What stands between a wire and its socket: keeps what the kernel won't take."""

    def __init__(self, sock: socket.socket) -> None:
        self.kept = b""
        self.high_bytes: int | None = None
        self.ended: list[str] = []
        self._socket = sock

    def get_extra_info(self, name: str) -> Any:  # noqa: ANN401 - as asyncio has it
        """Return the socket; there is no TLS."""
        return self._socket if name == "socket" else None

    def get_write_buffer_size(self) -> int:
        """Return how much is kept."""
        return len(self.kept)

    def set_write_buffer_limits(self, high: int | None = None) -> None:
        """Note the limit."""
        self.high_bytes = high

    def write(self, data: bytes) -> None:
        """Keep *data*."""
        self.kept += data

    def close(self) -> None:
        """Note it."""
        self.ended.append("closed")

    def abort(self) -> None:
        """Note it."""
        self.ended.append("aborted")


class Line:
    """The peer's side of a wire: reads what it sends."""

    def __init__(self) -> None:
        self.near, self._far = socket.socketpair()
        self.near.setblocking(False)
        self._far.setblocking(False)
        self.transport = Kept(self.near)
        self._rest = b""

    def connect(self, wire: Wire) -> WSTransport:
        """Tell *wire* that its connection is up; needs a running loop."""
        loop = asyncio.get_running_loop()
        transport: WSTransport = NewTransport(False, self.transport, QUIET, loop)
        wire.on_ws_connected(transport)
        return transport

    def read(self) -> bytes:
        """Return the bytes that came since the last call."""
        data = b""
        while part := self._received():
            data += part
        return data

    def frames(self) -> list[Frame]:
        """Return the frames that came since the last call."""
        found, self._rest = split(self._rest + self.read())
        return found

    def _received(self) -> bytes:
        try:
            return self._far.recv(65_536)
        except BlockingIOError:
            return b""

    def messages(self, role: Role = "player") -> list[dict[str, Any]]:
        """Return the messages that came since the last call, held to the contract."""
        return [
            check_server_message(frame.payload, role)
            for frame in self.frames()
            if frame.opcode == TEXT
        ]

    def close_code(self) -> int | None:
        """Return the code of the close frame that came last."""
        codes = [frame.code for frame in self.frames() if frame.opcode == CLOSE]
        return codes[-1] if codes else None

    def cut(self) -> None:
        """Close both ends."""
        self.near.close()
        self._far.close()

    def __del__(self) -> None:
        self.cut()


def policy(**changed: float) -> Policy:
    """Return a policy of generous bounds, with *changed* ones."""
    bounds: dict[str, Any] = {
        "message_bytes": 4096,
        "output_bytes": 65_536,
        "messages_per_s": 1000.0,
        "message_burst": 1000.0,
        "offset_ms": 0,
    }
    return Policy(**{**bounds, **changed})


@dataclass
class Census:
    """Counts connections, as the edge does."""

    up: int = 0

    def opened(self, _: Connection) -> None:
        """One more."""
        self.up += 1

    def gone(self, _: Connection) -> None:
        """One less."""
        self.up -= 1


class StageRunner:
    """A runner that is always durable: a look is had at once."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.inbox = Inbox(1000, lambda: None)
        self.loop = asyncio.get_running_loop()
        self.connected = 0
        self.present: list[tuple[str, int]] = []

    def look(self, look: Callable[[State], None]) -> None:
        """Call *look* now."""
        look(self.state)

    def look_from(self, place: Place, look: Callable[[State], None]) -> None:
        """Call *look* now, wherever *place* is."""
        del place
        self.look(look)

    def now_ms(self) -> int:
        """Return the instant of every test."""
        return 0

    def came(self, participant: int) -> None:
        """Note it."""
        self.connected += 1
        self.present.append(("came", participant))

    def went(self, participant: int) -> None:
        """Note it."""
        self.connected -= 1
        self.present.append(("went", participant))


QUIZ: dict[str, Any] = {
    "title": "Stage",
    "settings": {"scoring": "fixed", "start": "host", "advance": "host"},
    "questions": [
        {
            "type": "single_choice",
            "text": "Which word is a verb?",
            "options": ["run", "green"],
            "correct": ["run"],
            "time_s": 60,
        },
        {
            "type": "single_choice",
            "text": "Which word is a colour?",
            "options": ["run", "green"],
            "correct": ["green"],
            "time_s": 60,
        },
    ],
}


def session(players: int, **settings: object) -> LiveSession:
    """Return a session in its lobby with *players* in it, ``p0`` and so on."""
    quiz = Quiz.model_validate({**QUIZ, "settings": {**QUIZ["settings"], **settings}})
    opened = rec.SessionOpened(
        at_ms=0,
        session_id="s1",
        quiz_id="stage",
        quiz_version=1,
        rules_version=RULES_VERSION,
        pin="123456",
        epoch=1,
        capacity=1000,
        quiz=quiz.model_dump_json(),
    )
    live = LiveSession(State(opened))
    for index in range(players):
        live.apply(rec.ParticipantAdded(0, f"p{index}", f"Player {index}", ""))
    return live


class Caller:
    """A connection to a hub, and the line on which its messages arrive."""

    def __init__(self, desk: Desk, visit: Visit, life: Census | None = None) -> None:
        self.line = Line()
        self.connection = Connection(
            desk, visit, policy(), ManualClock(0), life or Census()
        )
        self._role: Role = "host" if visit.participant is None else "player"
        self._transport: WSTransport

    @classmethod
    def player(cls, desk: Desk, index: int, **visit: int) -> "Caller":
        """Connect participant *index*."""
        return cls(desk, Visit(index, f"p{index}", **visit)).up()

    @classmethod
    def host(cls, desk: Desk) -> "Caller":
        """Connect a host."""
        return cls(desk, Visit(None)).up()

    def up(self) -> "Caller":
        """Bring the line up."""
        self._transport = self.line.connect(self.connection)
        return self

    def down(self) -> None:
        """Bring the line down."""
        self.connection.on_ws_disconnected(self._transport)

    def got(self) -> list[dict[str, Any]]:
        """Return the messages that came since the last call."""
        return self.line.messages(self._role)

    def kinds(self) -> list[str]:
        """Return the types of the messages that came since the last call."""
        return [message["type"] for message in self.got()]

    def send(self, kind: str, **payload: object) -> None:
        """Let the connection take a message."""
        self.connection.on_text(orjson.dumps({"type": kind, "payload": payload}))
