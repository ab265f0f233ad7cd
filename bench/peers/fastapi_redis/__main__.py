"""Serve: ``python -m bench.peers.fastapi_redis --redis URL [--workers N]``.

Prints ``{"port": …, "pid": …}`` when it listens, and ends with its standard input.
"""

import argparse
import os
import secrets
import signal
import socket
import sys
import threading

from uvicorn import Config, Server
from uvicorn.supervisors import Multiprocess

from bench.floors import control
from bench.peers.fastapi_redis.app import REDIS, SECRET

PING_S = 25.0


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--redis", required=True, help="URL of the server")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    options = parser.parse_args()
    os.environ[REDIS] = options.redis
    os.environ.setdefault(SECRET, secrets.token_hex())
    serve(options.port, options.workers)


def serve(port: int, workers: int) -> None:
    """Serve on *port* of loopback, 0 for a free one."""
    config = Config(
        "bench.peers.fastapi_redis.app:app",
        loop="uvloop",
        http="httptools",
        workers=workers,
        backlog=control.BACKLOG,
        access_log=False,
        log_level="warning",
        ws_per_message_deflate=False,
        ws_ping_interval=PING_S,
        timeout_graceful_shutdown=1,
    )
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(control.BACKLOG)
        listener.set_inheritable(True)
        control.say({"port": listener.getsockname()[1], "pid": os.getpid()})
        threading.Thread(target=_end_with_input, daemon=True).start()
        if workers == 1:
            Server(config).run([listener])
        else:
            Multiprocess(config, sockets=[listener]).run()


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
