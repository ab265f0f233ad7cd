"""The floor of every fan-out: ``send()`` once per socket, in compiled code, no more.

Takes any number of WebSocket connections with the least handshake that clients accept,
ignores what they say, and sends when told. Times are those of the loop alone.
"""

import argparse
import asyncio
import base64
import hashlib
import re
from array import array
from typing import cast

import uvloop

from bench.floors import control
from bench.floors._send_loop import send_round

KEY = re.compile(rb"\r\nsec-websocket-key: *([^\r\n]+)", re.IGNORECASE)
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
CLOSE = b"\x88\x00"
GOLDEN = 0.6180339887498949


class Socket(asyncio.Protocol):
    """A connection: waits for the request's head, then only for its end."""

    def __init__(self, sockets: dict[int, "Socket"]) -> None:
        self._sockets = sockets
        self._head = b""
        self._number = -1
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the head."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer the head, later a close; the rest is nobody's business."""
        if self._number >= 0:
            if data[0] == CLOSE[0]:
                self._transport.write(CLOSE)
                self._transport.close()
            return
        self._head += data
        key = KEY.search(self._head)
        if key is not None and self._head.endswith(b"\r\n\r\n"):
            self._transport.write(accepting(key[1].strip()))
            self._number = self._transport.get_extra_info("socket").fileno()
            self._sockets[self._number] = self

    def connection_lost(self, _: Exception | None) -> None:
        """Send no more."""
        if self._number >= 0:
            del self._sockets[self._number]


def accepting(key: bytes) -> bytes:
    """Return the answer to an upgrade with *key* (RFC 6455 section 4.2.2)."""
    accept = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n"
        b"connection: Upgrade\r\nsec-websocket-accept: " + accept + b"\r\n\r\n"
    )


class SendLoop:
    """The sockets, in the order of their coming, and what is sent to them.

    Each round begins at another place, as a fair server's would.
    """

    def __init__(self) -> None:
        self.sockets: dict[int, Socket] = {}
        self._seq = 0

    async def broadcast(self, argument: dict[str, object]) -> control.Reply:
        """Send one frame to all."""
        return await self._send(control.Order.of(argument), personal=False)

    async def personal(self, argument: dict[str, object]) -> control.Reply:
        """Send each its own frame, all of them ready beforehand."""
        return await self._send(control.Order.of(argument), personal=True)

    async def _send(self, order: control.Order, *, personal: bool) -> control.Reply:
        rounds, lost = [], 0
        for _ in range(order.times):
            self._seq += 1
            done, without = self._round(order.size_bytes, personal=personal)
            rounds.append(done)
            lost += without
            await asyncio.sleep(order.pause_s)
        return {**control.summary(rounds), "lost": lost}

    def _round(self, size: int, *, personal: bool) -> tuple[control.Round, int]:
        sockets = array("i", self.sockets)
        count = len(sockets)
        frames, stride = self._frames(count, size, personal=personal)
        started_ns, wall_ns, cpu_ns, waits, lost = send_round(
            sockets,
            int(self._seq * GOLDEN % 1 * count),
            frames,
            stride or len(frames),
            stride,
        )
        done = control.Round(
            self._seq, count - lost, started_ns, wall_ns, cpu_ns, waits
        )
        return done, lost

    def _frames(self, count: int, size: int, *, personal: bool) -> tuple[bytes, int]:
        """Return the frames in a row and from which to which is one; 0 for the same."""
        if not personal or not count:
            return control.frame(control.message(self._seq, size)), 0
        frames = [
            control.frame(control.message(self._seq, size, f"{place} "))
            for place in range(count)
        ]
        return b"".join(frames), len(frames[0])


async def serve(port: int) -> None:
    """Serve on *port* of loopback, 0 for a free one, until the end of input.

    Others may serve on it as well: the kernel then spreads who connects.
    """
    loop, floor = asyncio.get_running_loop(), SendLoop()
    server = await loop.create_server(
        lambda: Socket(floor.sockets),
        "127.0.0.1",
        port,
        backlog=control.BACKLOG,
        reuse_port=True,
    )
    control.prepare_process()
    commands = control.stat_commands(lambda: len(floor.sockets))
    commands |= {"broadcast": floor.broadcast, "personal": floor.personal}
    await control.obey(server.sockets[0].getsockname()[1], commands)


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    uvloop.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
