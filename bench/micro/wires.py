"""Wires without a server: each writes into one end of a socket pair."""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

from picows.picows import WSTransport

from quizd._fast.wire import Policy, Wire

# Its stub knows no arguments.
NewTransport: Callable[..., WSTransport] = WSTransport

POLICY = Policy(
    message_bytes=4096,
    output_bytes=65_536,
    messages_per_s=20.0,
    message_burst=40.0,
    offset_ms=0,
)
READ_BYTES = 1 << 20


class Overflow(RuntimeError):  # noqa: N818 - what has happened
    """A socket took no more: what was measured is not the direct way out."""


class Bare:
    """What a wire sees of its transport: a socket that takes everything."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def get_extra_info(self, name: str) -> Any:  # noqa: ANN401 - as asyncio has it
        """Return the socket; there is no TLS."""
        return self._socket if name == "socket" else None

    def get_write_buffer_size(self) -> int:
        """Return that nothing waits."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None) -> None:
        """Do nothing: nothing ever waits."""

    def write(self, _: bytes) -> None:
        """Raise :class:`Overflow`."""
        raise Overflow("a socket is full")


class Wires:
    """*count* wires of participants 0, 1 …, connected, and their readers."""

    def __init__(self, count: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._pairs = [socket.socketpair() for _ in range(count)]
        self.wires = [Wire(POLICY, None, number) for number in range(count)]
        # A wire holds its transport, but whoever makes one holds it as well.
        self._transports = [
            self._connected(wire, near)
            for wire, (near, _) in zip(self.wires, self._pairs, strict=True)
        ]

    def _connected(self, wire: Wire, near: socket.socket) -> WSTransport:
        near.setblocking(False)
        quiet = logging.getLogger("bench.micro")
        transport = NewTransport(False, Bare(near), quiet, self._loop)
        wire.on_ws_connected(transport)
        return transport

    def drain(self) -> int:
        """Read all that was sent; return how many bytes that was."""
        return sum(map(drained, (far for _, far in self._pairs)))

    def close(self) -> None:
        """Close all sockets."""
        for near, far in self._pairs:
            near.close()
            far.close()
        self._loop.close()


def drained(far: socket.socket) -> int:
    """Read what there is; return how many bytes that was."""
    total = 0
    far.setblocking(False)
    while True:
        try:
            total += len(far.recv(READ_BYTES))
        except BlockingIOError:
            return total
