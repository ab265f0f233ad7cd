"""A client that may do anything: bytes on a TCP connection, and nothing in between."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from quizd.protocol.catalogue import Role
from tests.support.contract import check_server_message
from tests.support.frames import CLOSE, PING, PONG, TEXT, Frame, split

PATIENCE_S = 15.0
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # of that key (RFC 6455 section 1.3)
SWITCHING = 101


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def request(
    target: str,
    *lines: str,
    method: str = "GET",
    version: str = "HTTP/1.1",
    body: bytes = b"",
) -> bytes:
    """Return a request with header *lines*; Host is there unless they have one."""
    if not any(line.lower().startswith("host:") for line in lines):
        lines = ("Host: localhost", *lines)
    head = "\r\n".join([f"{method} {target} {version}", *lines, "", ""])
    return head.encode("latin-1") + body


def upgrade(target: str, *lines: str, leaving_out: str = "") -> bytes:
    """Return a request for a WebSocket; the header *leaving_out* is not in it."""
    usual = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY.decode(),
    }
    own = {line.partition(":")[0].lower() for line in lines}
    rest = [
        f"{name}: {value}"
        for name, value in usual.items()
        if name != leaving_out and name.lower() not in own
    ]
    return request(target, *rest, *lines)


def target(ticket: Mapping[str, str], **query: object) -> str:
    """Return the socket's target for what joining or opening gave.

    *query* is added; ``token`` replaces the ticket's own, ``None`` leaves it out.
    """
    parts = urlsplit(ticket["wsUrl"])
    token = ticket.get("token") or ticket.get("hostToken")
    pairs = [
        f"{name}={value}"
        for name, value in {"token": token, **query}.items()
        if value is not None
    ]
    return "?".join([parts.path, "&".join([parts.query, *pairs])])


class Raw:
    """A TCP connection to the server, with or without a WebSocket on it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._rest = b""
        self._frames: list[Frame] = []

    @classmethod
    @asynccontextmanager
    async def to(
        cls,
        port: int,
        *,
        receive_bytes: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> AsyncIterator[Self]:
        """Connect to *port* of loopback; *receive_bytes* bounds the kernel's buffer."""
        sock = socket.socket()
        sock.setblocking(False)
        if receive_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        name = "localhost" if tls else None
        streams = await asyncio.open_connection(
            sock=sock, ssl=tls, server_hostname=name
        )
        one = cls(*streams)
        try:
            yield one
        finally:
            one.abort()

    def send(self, data: bytes) -> None:
        """Send *data*."""
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until the kernel has taken it."""
        await self._writer.drain()

    async def drip(self, data: bytes) -> None:
        """Send *data* byte by byte, each in a packet of its own."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in data:
            self._writer.write(bytes([byte]))
            await asyncio.sleep(0)

    def stop_reading(self) -> None:
        """Take nothing more from the kernel."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def go_on_reading(self) -> None:
        """Take again what there is."""
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]

    def half_close(self) -> None:
        """Send FIN: nothing more comes from here."""
        self._writer.write_eof()

    def reset(self) -> None:
        """End with RST instead of FIN."""
        sock = self._writer.get_extra_info("socket")
        linger = b"\x01\0\0\0\0\0\0\0"  # on, 0 s
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.abort()

    def abort(self) -> None:
        """Be gone."""
        self._writer.transport.abort()

    # -- HTTP ----------------------------------------------------------------------

    async def answer(self) -> Answer:
        """Return the next HTTP answer."""
        async with asyncio.timeout(PATIENCE_S):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip("\r\n").split("\r\n")
            pairs = [line.partition(":") for line in lines]
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            size = int(headers.get("content-length", 0))
            body = await self._reader.readexactly(size)
        return Answer(int(first.split(" ")[1]), headers, body)

    async def upgraded(self, data: bytes) -> Self:
        """Send *data*, a request, and hold the server to switching protocols."""
        self.send(data)
        answer = await self.answer()
        assert answer.status == SWITCHING, answer
        assert answer.headers["sec-websocket-accept"] == ACCEPT
        return self

    # -- WebSocket -----------------------------------------------------------------

    async def frame(self) -> Frame:
        """Return the next frame; raise ``EOFError`` where the line ends instead."""
        async with asyncio.timeout(PATIENCE_S):
            while not self._frames:
                data = await self._reader.read(65_536)
                if not data:
                    raise EOFError
                self._frames, self._rest = split(self._rest + data)
        return self._frames.pop(0)

    async def message(self, kind: str, role: Role = "player") -> dict[str, Any]:
        """Return the next message of *kind*; others are held to the contract too."""
        while True:
            frame = await self.frame()
            assert frame.opcode in (TEXT, PING, PONG), frame
            if frame.opcode == TEXT:
                message = check_server_message(frame.payload, role)
                if message["type"] == kind:
                    return message

    async def close_frame(self) -> Frame:
        """Return the close frame; messages before it are checked when all is read.

        The server does not wait long for who reads slowly.
        """
        before = []
        while (frame := await self.frame()).opcode != CLOSE:
            before.append(frame)
        for earlier in before:
            assert earlier.opcode != TEXT or check_server_message(earlier.payload)
        return frame

    async def ended(self) -> None:
        """Wait for the end of the line, be it by FIN or RST."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                while await self._reader.read(65_536):
                    pass
            except ConnectionError:
                pass
