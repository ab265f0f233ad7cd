"""A player who speaks plain WebSocket or socket.io, one message at a time."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import orjson
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from bench.load.tickets import Dialect

Message = dict[str, Any]
PATIENCE_S = 30.0


class Player:
    """A ticket's connection, open within ``with``, and all that has come by it."""

    def __init__(self, ticket: Message, dialect: Dialect) -> None:
        self.participant_id: str = ticket["participantId"]
        self.received: list[Message] = []
        self.socket: ClientConnection
        self._url = ticket["wsUrl"] + "&" + urlencode({"token": ticket["token"]})
        self._wrapped = dialect == "socket.io"
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Connect; raise ``PermissionError`` where the token opens nothing."""
        try:
            connecting = connect(self._url, compression=None)
        except InvalidStatus as refused:
            raise PermissionError(refused.response.status_code) from refused
        with ExitStack() as stack:
            self.socket = stack.enter_context(connecting)
            if self._wrapped:
                self._enter_namespace()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Go."""
        self._stack.close()

    def _enter_namespace(self) -> None:
        assert self._text().startswith("0{")
        self.socket.send("40")
        entered = self._text()
        if not entered.startswith("40{"):
            raise PermissionError(entered)

    def say(self, kind: str, payload: Message) -> None:
        """Send a message."""
        text = orjson.dumps({"type": kind, "payload": payload}).decode()
        self.socket.send(f'42["{kind}",{text}]' if self._wrapped else text)

    def until(self, kind: str, wanted: Callable[[Message], bool] = bool) -> Message:
        """Read until a message of *kind* whose payload is *wanted* comes."""
        end_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s:
            message = self._read()
            self.received.append(message)
            if message["type"] == kind and wanted(message["payload"]):
                return message
        raise AssertionError(f"no {kind} came, but {self.received[-3:]}")

    def _read(self) -> Message:
        text = self._text()
        if self._wrapped:
            assert text.startswith('42["'), text
            text = text[text.index("{") : text.rindex("}") + 1]
        message: Message = orjson.loads(text)
        return message

    def _text(self) -> str:
        text = self.socket.recv(PATIENCE_S)
        assert isinstance(text, str)
        return text

    def numbers(self) -> list[int]:
        """Return the numbers of the broadcasts that came, in order."""
        return [message["seq"] for message in self.received if "seq" in message]
