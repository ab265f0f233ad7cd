"""The websockets library as a fan-out server: its own ``broadcast()``, on uvloop."""

import argparse

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

from bench.floors import control

PING_S = 25.0


class Broadcaster:
    """All connections."""

    def __init__(self) -> None:
        self.connections: dict[ServerConnection, None] = {}
        self._seq = 0

    async def hold(self, connection: ServerConnection) -> None:
        """Keep *connection* until it is closed."""
        self.connections[connection] = None
        try:
            await connection.wait_closed()
        finally:
            del self.connections[connection]

    async def broadcast(self, argument: dict[str, object]) -> control.Reply:
        """Send one message to all."""
        order = control.Order.of(argument)

        def send(seq: int) -> int:
            text = control.message(seq, order.size_bytes).decode()
            broadcast(self.connections, text)
            return len(self.connections)

        rounds = await control.rounds_of(order, send, self._seq)
        self._seq += order.times
        return control.summary(rounds)


async def run(port: int) -> None:
    """Serve on *port* of loopback, 0 for a free one, until the end of input."""
    peer = Broadcaster()
    async with serve(
        peer.hold,
        "127.0.0.1",
        port,
        compression=None,
        backlog=control.BACKLOG,
        ping_interval=PING_S,
    ) as server:
        control.prepare_process()
        commands = control.stat_commands(lambda: len(peer.connections))
        commands["broadcast"] = peer.broadcast
        (listener,) = server.sockets
        await control.obey(listener.getsockname()[1], commands)


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    uvloop.run(run(parser.parse_args().port))


if __name__ == "__main__":
    main()
