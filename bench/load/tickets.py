"""From a server's address and a quiz to the bytes that players begin with."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from sys import intern
from typing import Any, Literal, Self
from urllib.parse import quote, urlsplit

import orjson

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = base64.b64encode(b"one key for all.")
"""Every client's nonce: nothing here depends on its being another's (RFC 6455, 1.3)."""

ACCEPT = base64.b64encode(hashlib.sha1(KEY + GUID, usedforsecurity=False).digest())
"""What a server has to answer to :data:`KEY`."""

Dialect = Literal["websocket", "socket.io"]
"""What a server's frames look like."""

Key = list[tuple[bytes | None, list[bytes]]]
"""For each question its id and the correct options, as JSON strings."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens, in the clear."""

    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        """Return the address in *url*; raise ``ValueError`` for TLS or no host."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "ws"} or not parts.hostname:
            raise ValueError(f"{url!r} is not like http://127.0.0.1:8080")
        return cls(parts.hostname, parts.port or 80)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a player got by joining."""

    quiz_id: str
    participant_id: str
    token: str

    @classmethod
    def of(cls, body: bytes) -> Self:
        """Return the ticket in the body of a join's response."""
        joined = orjson.loads(body)
        quiz_id = intern(joined["quizId"])  # one text for thousands of tickets
        return cls(quiz_id, joined["participantId"], joined["token"])


def post(address: Address, path: str, body: object, token: str = "") -> bytes:
    """Return a whole ``POST`` request with *body* as JSON, for a line that stays."""
    text = orjson.dumps(body)
    bearer = f"Authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {address}\r\n{bearer}"
        f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    )
    return head.encode() + text


def join_requests(
    address: Address, quiz: str, names: Iterable[str], base: str = "/api/v1"
) -> list[bytes]:
    """Return the requests by which players of these *names* join *quiz*, id or pin."""
    path = f"{base}/quizzes/{quote(quiz, safe='')}/join"
    return [post(address, path, {"participantName": name}) for name in names]


def handshake(
    address: Address, path: str = "/", subprotocols: Sequence[str] = ()
) -> bytes:
    """Return the request head of a WebSocket (RFC 6455 section 4.1)."""
    offered = ", ".join(subprotocols)
    protocol = f"Sec-WebSocket-Protocol: {offered}\r\n" if offered else ""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {KEY.decode()}\r\n{protocol}\r\n"
    ).encode()


def game_head(
    address: Address, ticket: Ticket, dialect: Dialect = "websocket"
) -> bytes:
    """Return the request head by which the owner of *ticket* enters the game.

    *dialect*: what the server's frames look like, as in ``bench.peers``.
    """
    query = (
        f"quizId={quote(ticket.quiz_id, safe='')}"
        f"&participantId={quote(ticket.participant_id, safe='')}"
    )
    if dialect == "socket.io":
        token = quote(ticket.token, safe="")
        path = f"/socket.io/?EIO=4&transport=websocket&{query}&token={token}"
        return handshake(address, path)
    return handshake(address, f"/ws?{query}", ("quizd.v1", f"bearer.{ticket.token}"))


def key_of(quiz: Mapping[str, Any]) -> Key:
    """Return ids and correct options of a quiz definition's questions.

    A question without an id is called by its place, ``q1``, ``q2``, as by the server.
    """
    return [
        (
            orjson.dumps(question.get("id", f"q{number}")),
            [orjson.dumps(text) for text in question.get("correct", ())],
        )
        for number, question in enumerate(quiz["questions"], 1)
    ]
