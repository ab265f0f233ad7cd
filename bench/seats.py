"""Single seats in a session: the host, and players that are looked at closely.

They take what comes in a thread of their own, so that they never keep the server
waiting.
"""

import json
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from bench.load._http import Requests
from bench.load.tickets import Address, Ticket, join_requests

JOIN_LINES = 16
LOOK_S = 0.5
WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Heard:
    """A message: when it was read (CLOCK_MONOTONIC, ns), its type and its text."""

    at_ns: int
    kind: str
    text: str

    @property
    def size_bytes(self) -> int:
        """What the frame carries."""
        return len(self.text.encode())


class Seat:
    """A WebSocket that keeps all that it hears."""

    def __init__(self, url: str) -> None:
        self._line = ExitStack()
        self._socket = self._line.enter_context(
            connect(
                url,
                compression=None,
                ping_interval=None,
                max_size=None,
                open_timeout=WAIT_S,
                max_queue=None,
            )
        )
        self._heard: list[Heard] = []
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @classmethod
    def of_host(cls, address: Address, opened: Mapping[str, str]) -> Self:
        """Take the host's seat in what :meth:`bench.server.QuizServer.open` gave."""
        query = {
            "quizId": opened["quizId"],
            "role": "host",
            "token": opened["hostToken"],
        }
        return cls(f"ws://{address}/ws?{urlencode(query)}")

    @classmethod
    def of_player(cls, address: Address, ticket: Ticket) -> Self:
        """Take a player's seat."""
        query = {
            "quizId": ticket.quiz_id,
            "participantId": ticket.participant_id,
            "token": ticket.token,
        }
        return cls(f"ws://{address}/ws?{urlencode(query)}")

    def __enter__(self) -> Self:
        """Return itself: it is there already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave."""
        self._line.close()
        self._thread.join()

    def _listen(self) -> None:
        with suppress(ConnectionClosed):
            for text in self._socket:
                kind = json.loads(text)["type"]
                heard = Heard(time.monotonic_ns(), kind, str(text))
                with self._news:
                    self._heard.append(heard)
                    self._news.notify_all()

    def say(self, kind: str, **payload: object) -> None:
        """Send a message."""
        self._socket.send(json.dumps({"type": kind, "payload": payload}))

    def count(self, kind: str) -> int:
        """Return how many messages of type *kind* were heard so far."""
        with self._news:
            return sum(heard.kind == kind for heard in self._heard)

    def wait(self, kind: str, number: int = 1) -> Heard:
        """Return the message *number*, counted from 1, of type *kind*.

        Raises ``TimeoutError`` where it doesn't come.
        """
        until_s = time.monotonic() + WAIT_S
        while time.monotonic() < until_s:
            with self._news:
                found = [heard for heard in self._heard if heard.kind == kind]
                if len(found) >= number:
                    return found[number - 1]
                self._news.wait(LOOK_S)
        raise TimeoutError(f"{kind} did not come")


def join_all(address: Address, quiz: str, players: int) -> list[Ticket]:
    """Let so many players join, and return their tickets.

    Raises ``RuntimeError`` where one is refused, ``TimeoutError`` after half a minute
    without a response.
    """
    names = (f"Player {number}" for number in range(players))
    requests = join_requests(address, quiz, names)
    asking = Requests(address.host, address.port, requests, lines=JOIN_LINES)
    asking.ask()
    _answered(asking, players)
    responses = asking.responses()
    asking.close()
    for status, body in responses:
        if status != 200:
            raise RuntimeError(f"a join got {status or 'nothing'}: {body[:200]!r}")
    return [Ticket.of(body) for _, body in responses]


def _answered(asking: Requests, players: int) -> None:
    before, until_s = 0, time.monotonic() + WAIT_S
    while before < players:
        asking.run(LOOK_S)
        now = asking.counters()["answered"]
        if now > before:
            before, until_s = now, time.monotonic() + WAIT_S
        elif time.monotonic() > until_s:
            raise TimeoutError(f"{now} of {players} joined")
