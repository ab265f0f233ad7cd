"""uWebSockets through socketify as a fan-out server: ``publish`` to one topic."""

import argparse

from socketify import (  # type: ignore[import-untyped,import-not-found,unused-ignore]
    App,
    AppListenOptions,
    OpCode,
    WebSocket,
)

from bench.floors import control
from bench.floors.redis_server import free_port

TOPIC = "everybody"
IDLE_S = 60  # uWebSockets pings by itself before that


class Broadcaster:
    """One application with one topic."""

    def __init__(self, port: int) -> None:
        self.app = App()
        self.count = 0
        self._port = port
        self._seq = 0
        self.app.ws(
            "/*",
            {
                "idle_timeout": IDLE_S,
                "send_pings_automatically": True,
                "open": self._open,
                "close": self._close,
            },
        )

    def _open(self, socket: WebSocket) -> None:
        socket.subscribe(TOPIC)
        self.count += 1

    def _close(self, *_: object) -> None:
        self.count -= 1

    async def broadcast(self, argument: dict[str, object]) -> control.Reply:
        """Publish one message."""
        order = control.Order.of(argument)

        def send(seq: int) -> int:
            text = control.message(seq, order.size_bytes)
            self.app.publish(TOPIC, text, OpCode.TEXT)
            return self.count

        rounds = await control.rounds_of(order, send, self._seq)
        self._seq += order.times
        return control.summary(rounds)

    async def obey(self) -> None:
        """Do what the input says until its end."""
        control.prepare_process()
        commands = control.stat_commands(lambda: self.count)
        commands["broadcast"] = self.broadcast
        await control.obey(self._port, commands)


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    port = parser.parse_args().port or free_port()
    peer = Broadcaster(port)
    peer.app.listen(AppListenOptions(port=port, host="127.0.0.1"))
    peer.app.loop.run_until_complete(peer.obey())


if __name__ == "__main__":
    main()
