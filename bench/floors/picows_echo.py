"""Bare picows: an echo and a broadcast, the floor of answers, connects and memory.

Text frames come back as they are. Nothing is kept per connection but what picows and
the loop keep themselves, and as little of that as they can be told to.
"""

import argparse

import picows
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest

from bench.floors import control

READ_BUFFER_BYTES = 2048  # less is not to be had


class Quiet:
    """A logger, in picows' eyes, that it need not make one for each connection."""

    def isEnabledFor(self, _level: int) -> bool:  # noqa: N802 - logging's name
        """Nothing is enabled."""
        return False

    def _nothing(self, *_args: object, **_kwargs: object) -> None:
        pass

    log = debug = info = warning = error = exception = _nothing


class Echo(WSListener):
    """One connection."""

    __slots__ = ("_transports",)

    def __init__(self, transports: dict[WSTransport, None]) -> None:
        self._transports = transports

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Take part in broadcasts."""
        self._transports[transport] = None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Send text back; pongs picows sends itself."""
        if frame.msg_type == WSMsgType.TEXT:
            transport.send(WSMsgType.TEXT, frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Take part no more."""
        self._transports.pop(transport, None)


class Broadcaster:
    """All connections, in the order of their coming."""

    def __init__(self) -> None:
        self.transports: dict[WSTransport, None] = {}
        self._seq = 0

    def listener(self, _: WSUpgradeRequest) -> WSListener:
        """Take whoever comes."""
        return Echo(self.transports)

    async def broadcast(self, argument: dict[str, object]) -> control.Reply:
        """Send one message to all."""
        order = control.Order.of(argument)

        def send(seq: int) -> int:
            text = control.message(seq, order.size_bytes)
            for transport in self.transports:
                transport.send(WSMsgType.TEXT, text)
            return len(self.transports)

        rounds = await control.rounds_of(order, send, self._seq)
        self._seq += order.times
        return control.summary(rounds)


async def serve(port: int, *, aiofastnet: bool) -> None:
    """Serve on *port*, 0 for a free one, until the end of input."""
    floor = Broadcaster()
    server = await picows.ws_create_server(
        floor.listener,
        "127.0.0.1",
        port,
        logger_name=Quiet(),  # type: ignore[arg-type] # its documentation allows it
        read_buffer_init_size=READ_BUFFER_BYTES,
        use_aiofastnet=aiofastnet,
        backlog=control.BACKLOG,
    )
    control.prepare_process()
    commands = control.stat_commands(lambda: len(floor.transports))
    commands["broadcast"] = floor.broadcast
    await control.obey(server.sockets[0].getsockname()[1], commands)


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--aiofastnet", action="store_true", help="its transports instead of the loop's"
    )
    options = parser.parse_args()
    uvloop.run(serve(options.port, aiofastnet=options.aiofastnet))


if __name__ == "__main__":
    main()
