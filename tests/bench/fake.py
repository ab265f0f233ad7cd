"""A server that plays a game by heart, right or as wrong as a test wants it.

Each connection is told a script of its own: messages to send, and answers to wait for.
Nothing is computed while it plays, so a test can take any message out, double it or
change it, and the load generator has to notice.
"""

import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, BinaryIO, Self

import orjson

from bench.load.tickets import ACCEPT
from quizd.clock import SystemClock, iso
from tests.support.frames import FIN, MASKED, SIZES, TEXT, masked

Message = dict[str, Any]
CLOCK = SystemClock()
OPTIONS = ["north", "east", "south", "west"]
KEY: list[tuple[bytes | None, list[bytes]]] = [
    (b'"q1"', [b'"north"']),
    (b'"q2"', [b'"east"']),
]
POINTS = [[900, 700], [800, 800], [100, 50]]
"""What each player gets for each question; two of them tie in the end."""

PATIENCE_S = 20.0
OPEN_MS = 5000


@dataclass(frozen=True, slots=True)
class Await:
    """Wait for so many messages of the player's."""

    messages: int


@dataclass(frozen=True, slots=True)
class Raw:
    """Send these bytes as they are."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """Wait for a message of the player's, and answer it."""

    answer: Callable[[Message | bytes], Message]


@dataclass(frozen=True, slots=True)
class Until:
    """Do nothing before this instant, milliseconds since 1970."""

    at_ms: int


Step = Message | Await | Raw | Reply | Until
Script = list[Step]


def message(kind: str, payload: Message, seq: int | None = None) -> Message:
    """Return a message; numbered ones have *seq*."""
    numbers = {} if seq is None else {"seq": seq}
    return {"type": kind, **numbers, "payload": payload}


def script_of(player: int, now_ms: int, answers: int = 1) -> Script:
    """Return the script of a game of two questions without a fault.

    *answers*: how many come to each question, all shown at *now_ms*.
    """
    steps: Script = [
        message("welcome", {"seq": 3, "phase": "lobby", "you": {"score": 0}}),
        message("participants_changed", {"participants": 3}),
        message("quiz_starting", {"startsAt": iso(now_ms)}, 4),
    ]
    for index in range(2):
        steps += question_steps(player, index, answers, now_ms)
    ended = {"finalLeaderboard": board(), "you": place(player, 1)}
    return [*steps, message("quiz_ended", ended, 9)]


def question_steps(player: int, index: int, answers: int, now_ms: int) -> Script:
    """Return the steps of one question: shown, answered, closed."""
    shown = {
        "questionId": f"q{index + 1}",
        "text": 'Where, said he, is "type":"error"?',
        "options": OPTIONS,
        "startTime": iso(now_ms - 1000),
        "endTime": iso(now_ms + OPEN_MS),
        "index": index,
        "total": 2,
        "questionType": "single_choice",
        "points": 1000,
    }
    closed = {
        "questionId": f"q{index + 1}",
        "correctOptions": [OPTIONS[index]],
        "you": {**verdict(player, index), **place(player, index)},
    }
    result = {
        "questionId": f"q{index + 1}",
        "accepted": True,
        "receivedAt": iso(now_ms),
        **verdict(player, index),
        "score": sum(POINTS[player][: index + 1]),
        "rank": 1,
    }
    return [
        message("new_question", shown, 5 + 2 * index),
        Await(answers),
        *[message("answer_result", result)] * answers,
        message("question_closed", closed, 6 + 2 * index),
    ]


def verdict(player: int, index: int) -> Message:
    """Return whether the answer was right, and its points."""
    points = POINTS[player][index]
    return {"correct": points > 0, "points": points}


def scores(index: int) -> list[int]:
    """Return everybody's score after a question."""
    return [sum(points[: index + 1]) for points in POINTS]


def place(player: int, index: int) -> Message:
    """Return score, rank and of after a question."""
    everybody = scores(index)
    rank = 1 + sum(score > everybody[player] for score in everybody)
    return {"score": everybody[player], "rank": rank, "of": len(everybody)}


def board() -> list[Message]:
    """Return the final board."""
    lines = [
        {"participantId": f"p{player}", **place(player, 1)}
        for player in range(len(POINTS))
    ]
    return sorted(lines, key=lambda line: line["rank"])


@dataclass(slots=True)
class FakeServer:
    """Plays *scripts*, by the number in the path that a player asks for.

    *bytes_at_once*: how many bytes go into one packet, 0: whatever fits. ``controls``
    are the control frames that came while a text was waited for, opcode and payload;
    ``heard`` is what each player said. Use it with ``with``.
    """

    scripts: Sequence[Script]
    bytes_at_once: int = 0
    controls: list[tuple[int, bytes]] = field(default_factory=list)
    heard: dict[int, list[Message | bytes]] = field(default_factory=dict)
    _listener: socket.socket = field(init=False)
    _threads: list[threading.Thread] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        """Listen."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._run(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close all lines."""
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    def _run(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        for _ in self.scripts:
            try:
                line, _address = self._listener.accept()
            except OSError:  # the end
                return
            line.settimeout(PATIENCE_S)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._run(lambda line=line: self._serve(line))  # type: ignore[misc]

    def _serve(self, line: socket.socket) -> None:
        with line:
            reader = line.makefile("rb")
            head = b"".join(iter(reader.readline, b"\r\n"))
            number = int(head.split()[1].removeprefix(b"/"))
            self._send(
                line,
                b"HTTP/1.1 101 Switching Protocols\r\n"
                b"sec-websocket-accept: " + ACCEPT + b"\r\n\r\n",
            )
            try:
                heard = self.heard.setdefault(number, [])
                for step in self.scripts[number]:
                    heard += self._do(line, reader, step)
                self._over.wait(PATIENCE_S)
            except (OSError, EOFError):  # the player has left
                return

    def _do(
        self, line: socket.socket, reader: BinaryIO, step: Step
    ) -> list[Message | bytes]:
        """Do a step; return what was heard meanwhile."""
        if isinstance(step, Await):
            return [self._heard(reader) for _ in range(step.messages)]
        if isinstance(step, Reply):
            heard = self._heard(reader)
            self._send(line, frame(orjson.dumps(step.answer(heard))))
            return [heard]
        if isinstance(step, Until):
            self._over.wait(max(step.at_ms - CLOCK.now_ms(), 0) / 1000)
        elif isinstance(step, Raw):
            self._send(line, step.data)
        else:
            self._send(line, frame(orjson.dumps(step)))
        return []

    def _heard(self, reader: BinaryIO) -> Message | bytes:
        """Return the next text that the client sends; bytes where it isn't JSON."""
        opcode, payload = client_frame(reader)
        while opcode != TEXT:
            self.controls.append((opcode, payload))
            opcode, payload = client_frame(reader)
        try:
            decoded: Message = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return payload
        return decoded

    def _send(self, line: socket.socket, data: bytes) -> None:
        size = self.bytes_at_once or len(data)
        for at in range(0, len(data), size):
            line.sendall(data[at : at + size])


def frame(payload: bytes, opcode: int = TEXT, *, fin: bool = True) -> bytes:
    """Return a server's frame."""
    first = bytes([(FIN if fin else 0) | opcode])
    size = len(payload)
    if size < 126:
        return first + bytes([size]) + payload
    if size < 65_536:
        return first + bytes([126]) + size.to_bytes(2, "big") + payload
    return first + bytes([127]) + size.to_bytes(8, "big") + payload


def client_frame(reader: BinaryIO) -> tuple[int, bytes]:
    """Return opcode and payload of a client's frame; ``EOFError`` at the end."""
    head = taken(reader, 2)
    assert head[1] & MASKED, "a client masks (RFC 6455 section 5.1)"
    size = head[1] & ~MASKED
    if size in SIZES:
        size = int.from_bytes(taken(reader, SIZES[size]), "big")
    mask = taken(reader, 4)
    return head[0] & 0x0F, masked(taken(reader, size), mask)


def taken(reader: BinaryIO, size: int) -> bytes:
    """Return exactly *size* bytes."""
    data = reader.read(size)
    if len(data) < size:
        raise EOFError
    return data
