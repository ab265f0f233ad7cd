"""A player or a host over ``websockets``, a client library that nobody here wrote."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from quizd.protocol.catalogue import Role
from tests.support.contract import check_server_message

PATIENCE_S = 15.0

Payload = dict[str, Any]


class Player:
    """A connection that always reads, and holds every message to the contract.

    ``seen`` is all that came; :meth:`message` and what is made of it go through that
    in order and never look back.
    """

    def __init__(self, socket: ClientConnection, role: Role) -> None:
        self.seen: list[dict[str, Any]] = []
        self.socket = socket
        self._role = role
        self._at = 0
        self._pulses = 0
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    @asynccontextmanager
    async def of(
        cls,
        ticket: Mapping[str, str],
        *,
        query: str = "",
        **options: Any,  # noqa: ANN401 - as connect() has them
    ) -> AsyncIterator[Self]:
        """Connect as whom *ticket*, what joining or opening gave, speaks of."""
        role: Role = "host" if "hostToken" in ticket else "player"
        token = ticket["hostToken" if role == "host" else "token"]
        url = f"{ticket['wsUrl']}&token={token}{query}"
        async with cls.at(url, role, **options) as player:
            yield player

    @classmethod
    @asynccontextmanager
    async def at(
        cls,
        url: str,
        role: Role = "player",
        **options: Any,  # noqa: ANN401 - as connect() has them
    ) -> AsyncIterator[Self]:
        """Connect to *url*."""
        quiet = {"ping_interval": None, "close_timeout": 2, "proxy": None}
        async with connect(url, **{**quiet, **options}) as socket:
            player = cls(socket, role)
            try:
                yield player
            finally:
                await player._leave()

    async def _read(self) -> None:
        try:
            while True:
                raw = await self.socket.recv()
                self.seen.append(check_server_message(raw, self._role))
                self._news.set()
        except ConnectionClosed:
            pass
        finally:
            self._news.set()

    async def _leave(self) -> None:
        """Stop reading; raise what broke the contract meanwhile."""
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading

    # -- what it says --------------------------------------------------------------

    async def say(self, kind: str, **payload: object) -> None:
        """Send a message."""
        await self.socket.send(json.dumps({"type": kind, "payload": payload}))

    async def answer(self, question_id: str, option: str) -> None:
        """Send an answer by an option's text."""
        await self.say(
            "answer_submission", questionId=question_id, selectedOption=option
        )

    async def say_raw(self, text: str | bytes) -> None:
        """Send one text frame with *text* as it is."""
        await self.socket.send(text, text=True)

    # -- what it hears -------------------------------------------------------------

    async def message(self, kind: str) -> dict[str, Any]:
        """Return the next message of *kind*, numbers included."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for place in range(self._at, len(self.seen)):
                    if self.seen[place]["type"] == kind:
                        self._at = place + 1
                        return self.seen[place]
                self._at = len(self.seen)
                await self._more(kind)

    async def next(self, kind: str) -> Payload:
        """Return the payload of the next message of *kind*."""
        payload: Payload = (await self.message(kind))["payload"]
        return payload

    async def _more(self, kind: str) -> None:
        if self._reading.done():
            self._reading.result()  # raises what broke the contract
            code = self.socket.close_code
            raise AssertionError(f"closed with {code} before a message {kind!r}")
        self._news.clear()
        await self._news.wait()

    async def pulse(self) -> None:
        """Hold the server to answering; everything sent before has been dealt with."""
        self._pulses += 1
        await self.say("heartbeat", sentAt=self._pulses)
        assert (await self.next("heartbeat"))["sentAt"] == self._pulses

    async def closed(self) -> int | None:
        """Wait until the server has closed; return the code."""
        async with asyncio.timeout(PATIENCE_S):
            await self._reading
        return self.socket.close_code

    @property
    def is_open(self) -> bool:
        """Whether the connection is up and everything kept to the contract so far."""
        return not self._reading.done()

    @property
    def seqs(self) -> list[int]:
        """The numbers of the broadcasts so far."""
        return [message["seq"] for message in self.seen if "seq" in message]

    def of_kind(self, kind: str) -> list[Payload]:
        """Return the payloads of all messages of *kind* so far."""
        return [one["payload"] for one in self.seen if one["type"] == kind]
