"""What scenarios see of a peer."""

import importlib.util
import shutil
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from bench.floors.child import Child
from bench.floors.processes import cpu_s, rss_bytes
from bench.load.tickets import Dialect

HERE = Path(__file__).resolve().parent
INSTALL_S = 45


class Peer(ABC):
    """A server that is started, measured and stopped; use it with ``with``.

    ``can_play``: whether it plays quizzes (:class:`PlayingPeer`) or only sends what it
    is told. ``dialect``: what its frames look like (``bench.peers``); ``greeting``:
    what a client says at once, ``pong``: what it answers to ``ping``, in that dialect.
    """

    name: ClassVar[str]
    can_play: ClassVar[bool] = False
    dialect: ClassVar[Dialect] = "websocket"
    greeting: ClassVar[bytes] = b""
    ping: ClassVar[bytes] = b""
    pong: ClassVar[bytes] = b""

    @abstractmethod
    def available(self) -> str:
        """Return ``""``, or in one line why it cannot run here.

        Installs what a peer keeps beside itself (``node_modules``), once.
        """

    @abstractmethod
    def start(self) -> None:
        """Start it and wait until it serves.

        Raises :class:`bench.floors.child.ChildFailed` where it does not.
        """

    @abstractmethod
    def stop(self) -> None:
        """Stop it and what was started with it."""

    @property
    @abstractmethod
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""

    @property
    @abstractmethod
    def pids(self) -> list[int]:
        """The processes that serve the players, without Redis."""

    @abstractmethod
    def broadcast(
        self, size_bytes: int, times: int = 1, pause_ms: float = 0
    ) -> dict[str, Any]:
        """Have a message sent to all connections, *times* times.

        Return at least ``rounds``, each with ``seq`` and ``started_ns`` by
        CLOCK_MONOTONIC. Servers go on sending after they have answered: what a round
        has cost is the difference of :meth:`cpu_s` when everybody has got it.
        """

    @property
    def helper_pids(self) -> list[int]:
        """The processes it needs beside itself: Redis."""
        return []

    @property
    def url(self) -> str:
        """Where its REST interface is, without ``/api/v1``."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_path(self) -> str:
        """Path and query of the upgrade request of a connection that only listens."""
        return "/ws"

    def cpu_s(self) -> float:
        """Return the CPU seconds of the serving processes so far."""
        return cpu_s(self.pids)

    def rss_bytes(self) -> int:
        """Return the resident memory of the serving processes."""
        return rss_bytes(self.pids)

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.stop()


class ChildPeer(Peer):
    """A peer that is one process which obeys lines of JSON."""

    def __init__(self) -> None:
        self._child: Child | None = None

    @abstractmethod
    def _launch(self) -> Child:
        """Start the process."""

    @property
    def child(self) -> Child:
        """The process, while it runs."""
        if self._child is None:
            raise RuntimeError(f"{self.name} is not started")
        return self._child

    def start(self) -> None:
        """Start the process."""
        self._child = self._launch()

    def stop(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.child.port

    @property
    def pids(self) -> list[int]:
        """The one process."""
        return [self.child.pid]

    def broadcast(
        self, size_bytes: int, times: int = 1, pause_ms: float = 0
    ) -> dict[str, Any]:
        """Have the process send."""
        order = {"bytes": size_bytes, "times": times, "pause_ms": pause_ms}
        answer: dict[str, Any] = self.child.ask("broadcast", order)
        return answer


def lacks_program(name: str, package: str, path: str | None = None) -> str:
    """Return why program *name* of a Debian package is missing, ``""`` if it isn't."""
    if shutil.which(name, path=path):
        return ""
    return f"{name} is not installed (Debian: apt-get install {package})"


def lacks_module(name: str, requirement: str) -> str:
    """Return why Python module *name* is missing, ``""`` if it isn't."""
    if importlib.util.find_spec(name) is not None:
        return ""
    return f"{name} is not installed (pip install '{requirement}')"


def lacks_node(folder: str) -> str:
    """Install *folder*'s node packages; return why that does not work, else ``""``."""
    for program, package in (("node", "nodejs"), ("npm", "npm")):
        if not shutil.which(program):
            return f"{program} is not installed (Debian: apt-get install {package})"
    if (HERE / folder / "node_modules" / ".package-lock.json").exists():
        return ""
    return _npm_install(HERE / folder)


def _npm_install(folder: Path) -> str:
    command = ["npm", "install", "--no-audit", "--no-fund", "--omit=dev"]
    try:
        subprocess.run(  # noqa: S603 - a command of the bench
            command, cwd=folder, check=True, timeout=INSTALL_S, capture_output=True
        )
    except subprocess.TimeoutExpired:
        return f"npm install takes longer than {INSTALL_S} s"
    except subprocess.CalledProcessError as failed:
        said = failed.stderr.decode(errors="replace").strip().splitlines()
        errors = [line for line in said if "ERR" in line or "error" in line]
        return f"npm install fails: {(errors or said or ['no message'])[0]}"
    return ""
