"""A redis-server of one's own, on a free port of loopback, its data in a folder."""

import shutil
import socket
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Literal, Self

import redis

from bench.floors.child import ChildFailed, Unavailable

START_S = 10.0
POLL_S = 0.01
MISSING = "redis-server is not installed (Debian: apt-get install redis-server)"


def unavailable() -> str:
    """Return why there can be no server, ``""`` where there can."""
    return "" if shutil.which("redis-server") else MISSING


class RedisServer:
    """A server that lives as long as the ``with`` around it.

    *appends*: it writes every change to its file, and syncs that as *syncs* says,
    once a second or, with ``always``, before it answers. Raises :class:`Unavailable`
    where it is not installed.
    """

    def __init__(
        self,
        *,
        appends: bool = False,
        syncs: Literal["everysec", "always"] = "everysec",
    ) -> None:
        reason = unavailable()
        if reason:
            raise Unavailable(reason)
        self.port = free_port()
        self._appends = appends
        self._syncs = syncs
        self._folder = tempfile.TemporaryDirectory(prefix="bench-redis-")
        self._process = subprocess.Popen(  # noqa: S603 - a command of the bench
            self._command(), stdout=subprocess.DEVNULL
        )
        try:
            self._wait()
        except ChildFailed:
            self.stop()
            raise

    def __enter__(self) -> Self:
        """Return itself: it runs already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self.stop()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def url(self) -> str:
        """Where it is, for clients."""
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        """Return a blocking client that gives text."""
        return redis.Redis(port=self.port, decode_responses=True)

    def stop(self) -> None:
        """End it and remove its folder."""
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()

    def _command(self) -> list[str]:
        settings = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": self._folder.name,
            "save": "",
            "appendonly": "yes" if self._appends else "no",
            "appendfsync": self._syncs,
            "daemonize": "no",
        }
        words = [
            word for name, value in settings.items() for word in ("--" + name, value)
        ]
        return ["redis-server", *words]

    def _wait(self) -> None:
        end_s = time.monotonic() + START_S
        with self.client() as client:
            while time.monotonic() < end_s and self._process.poll() is None:
                try:
                    client.ping()
                except redis.ConnectionError:
                    time.sleep(POLL_S)
                else:
                    return
        raise ChildFailed("redis-server does not start")


def free_port() -> int:
    """Return a port of loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
