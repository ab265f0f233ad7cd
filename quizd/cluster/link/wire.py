"""One connection to a Redis server, as plain as it can be.

Bytes that arrive go through hiredis' parser straight to a callback, within the loop
turn that has read them; there is no task, lock, timer or queue per message. That is
what redis-py's pub/sub spends most of its time on.

The protocol is RESP2 (https://redis.io/docs/latest/develop/reference/protocol-spec/),
which every version speaks: replies come in the order of the commands, and a connection
that has subscribed gets messages as arrays.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis

from quizd.redis_client import Host, Login, RedisUnusable

Address = Host | str
"""Host and port, or the path of a socket file."""

Reply = Any
"""Bytes, an integer, None, a list of these, or a `hiredis.ReplyError` as a value."""

Command = tuple[str, ...]

_MORE = object()
_PING = b"*1\r\n$4\r\nPING\r\n"


class Wire(asyncio.Protocol):
    """A connection: hands each reply to :attr:`replied`, which must not raise."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[BaseException | None] = loop.create_future()
        self.replied: Callable[[Reply], None] = _nobody
        self.heard = False
        self._reader = hiredis.Reader(notEnoughData=_MORE)
        self._transport: asyncio.Transport | None = None

    # -- asyncio's side ------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        """Parse what came and hand on every whole reply."""
        self.heard = True
        gets = self._reader.gets
        try:
            self._reader.feed(data)
            while (reply := gets()) is not _MORE:
                self.replied(reply)
        except hiredis.ProtocolError as error:
            self.abort(error)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Tell who waits for the end."""
        self._end(exc)

    def _end(self, error: BaseException | None) -> None:
        self.replied = _nobody
        if not self.ended.done():
            self.ended.set_result(error)

    # -- our side ------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send *data*; after the end it goes nowhere."""
        if self._transport is not None and not self.ended.done():
            self._transport.write(data)

    def write_parts(self, parts: list[bytes]) -> None:
        """Send *parts*, one after the other, with one system call where that goes."""
        if self._transport is not None and not self.ended.done():
            self._transport.writelines(parts)

    def ping(self) -> None:
        """Ask for a sign of life: a reply of any kind."""
        self.write(_PING)

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return not self.ended.done()

    def abort(self, reason: Exception | None = None) -> None:
        """End it now; *reason* is what :attr:`ended` tells."""
        if reason is not None:
            self._end(reason)
        if self._transport is not None:
            self._transport.abort()

    async def ask(self, *commands: Command, timeout_s: float) -> list[Reply]:
        """Send *commands* at once and return their replies, errors among them.

        Only while nothing else is under way. Raises `TimeoutError`, and `OSError` if
        the connection ends meanwhile.
        """
        replies: list[Reply] = []
        complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def collect(reply: Reply) -> None:
            replies.append(reply)
            if len(replies) == len(commands):
                self.replied = _nobody
                complete.set_result(None)

        self.replied = collect
        self.write(b"".join(map(packed, commands)))
        await asyncio.wait(
            (complete, cast("asyncio.Future[None]", self.ended)),
            timeout=timeout_s,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if not complete.done():
            raise _no_answer(self.ended)
        return replies


packed = cast(Callable[[Sequence[bytes | str]], bytes], hiredis.pack_command)
"""Return a command as bytes; hiredis types it as a tuple of exactly one word."""


def _nobody(reply: Reply) -> None:
    """Ignore a reply."""


def _no_answer(ended: asyncio.Future[BaseException | None]) -> OSError:
    if not ended.done():
        return TimeoutError()
    error = ended.result()
    return ConnectionResetError(str(error) if error else "closed the connection")


async def dial(
    address: Address,
    tls: ssl.SSLContext | None,
    login: Login,
    name: str,
    timeout_s: float,
) -> Wire:
    """Open a connection, log in and give it a name.

    Raises `RedisUnusable` for what the server refuses, `OSError`, `TimeoutError`.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(timeout_s):
        if isinstance(address, str):
            _, wire = await loop.create_unix_connection(Wire, address)
        else:
            _, wire = await loop.create_connection(Wire, *address, ssl=tls)
    try:
        await demand(wire, greeting(login, name), timeout_s=timeout_s)
    except BaseException:
        wire.abort()
        raise
    return wire


def greeting(login: Login, name: str) -> list[Command]:
    """Return the first commands of a connection."""
    commands: list[Command] = []
    if login.password or login.username:
        user = (login.username,) if login.username else ()
        commands.append(("AUTH", *user, login.password))
    return [*commands, ("CLIENT", "SETNAME", name)]


async def demand(
    wire: Wire, commands: Sequence[Command], *, timeout_s: float
) -> list[Reply]:
    """Return the replies to *commands*. Raises `RedisUnusable` if one is an error."""
    replies = await wire.ask(*commands, timeout_s=timeout_s)
    for command, reply in zip(commands, replies, strict=True):
        if isinstance(reply, hiredis.ReplyError):
            raise RedisUnusable(f"{command[0]}: {reply}")
    return replies
