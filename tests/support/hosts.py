"""Hosts of their own on this machine: network namespaces on one bridge.

Needs root and a kernel that allows namespaces. The processes of a host see nothing
but their own address; their cable can be pulled.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from asyncio.subprocess import DEVNULL
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.redis_server import START_S
from tests.support.server import Server

NETWORK = f"10.213.{os.getpid() % 250 + 1}"
"""A test run's own, so that two runs do not meet."""

DIE_WITH_US = ("setpriv", "--pdeathsig", "KILL")
LOOK_S = 0.02


def run(*words: str) -> None:
    """Run a command; raise ``CalledProcessError`` where it fails."""
    subprocess.run(words, check=True, capture_output=True)  # noqa: S603 - our own words


def why_not() -> str:
    """Return in a few words why there can be no hosts here, nothing if there can."""
    if os.geteuid() != 0:
        return "needs root"
    if shutil.which("ip") is None:
        return "ip (iproute2) is missing"
    name = f"quizd-try-{os.getpid()}"
    try:
        run("ip", "netns", "add", name)
        run("ip", "netns", "exec", name, "ip", "link", "set", "lo", "up")
    except subprocess.CalledProcessError:
        return "network namespaces are not allowed here"
    finally:
        with suppress(subprocess.CalledProcessError):
            run("ip", "netns", "delete", name)
    return ""


class Host:
    """A namespace with one cable to the bridge."""

    def __init__(self, network: str, number: int) -> None:
        self.name = f"{network}-{number}"
        self.address = f"{NETWORK}.{number}"
        self.cable = f"q{os.getpid() % 10_000}v{number}"
        self.enter = ("ip", "netns", "exec", self.name)

    def unplug(self) -> None:
        """Pull the cable: nothing comes or goes, and nobody is told."""
        run("ip", "link", "set", self.cable, "down")

    def plug(self) -> None:
        """Put it back."""
        run("ip", "link", "set", self.cable, "up")

    def disturb(self, *words: str) -> bool:
        """Have ``tc netem`` disturb the cable; tell whether the kernel can."""
        try:
            run("tc", "qdisc", "add", "dev", self.cable, "root", "netem", *words)
        except (OSError, subprocess.CalledProcessError):
            return False
        return True

    def calm(self) -> None:
        """End all disturbance."""
        with suppress(OSError, subprocess.CalledProcessError):
            run("tc", "qdisc", "delete", "dev", self.cable, "root")


class Network:
    """So many hosts, and this one, on a bridge."""

    def __init__(self, count: int) -> None:
        self._name = f"q{os.getpid() % 10_000}"
        self.hosts = [Host(self._name, number) for number in range(1, count + 1)]

    def __enter__(self) -> Self:
        """Build it."""
        bridge = f"{self._name}b"
        try:
            run("ip", "link", "add", bridge, "type", "bridge")
            run("ip", "address", "add", f"{NETWORK}.254/24", "dev", bridge)
            run("ip", "link", "set", bridge, "up")
            for host in self.hosts:
                self._add(host, bridge)
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take it away."""
        self._remove()

    def _add(self, host: Host, bridge: str) -> None:
        run("ip", "netns", "add", host.name)
        ends = ("peer", "name", "eth0", "netns", host.name)
        run("ip", "link", "add", host.cable, "type", "veth", *ends)
        run("ip", "link", "set", host.cable, "master", bridge)
        run("ip", "link", "set", host.cable, "up")
        run(*host.enter, "ip", "link", "set", "lo", "up")
        address = f"{host.address}/24"
        run(*host.enter, "ip", "address", "add", address, "dev", "eth0")
        run(*host.enter, "ip", "link", "set", "eth0", "up")

    def _remove(self) -> None:
        for host in self.hosts:
            with suppress(subprocess.CalledProcessError):
                run("ip", "netns", "delete", host.name)
            with suppress(subprocess.CalledProcessError):
                run("ip", "link", "delete", host.cable)
        with suppress(subprocess.CalledProcessError):
            run("ip", "link", "delete", f"{self._name}b")


class HostedServer(Server):
    """``quizd serve`` on a host."""

    def __init__(
        self,
        host: Host,
        data_dir: Path,
        options: Mapping[str, object],
        command: Sequence[str],
    ) -> None:
        super().__init__(data_dir, {**options, "server.host": host.address}, command)
        self.host = host
        self.entry = (*DIE_WITH_US, *host.enter)

    @property
    def url(self) -> str:
        """Where REST is."""
        return f"http://{self.host.address}:{self.port}"

    @property
    def ws_url(self) -> str:
        """Where the socket is, without a query."""
        return f"ws://{self.host.address}:{self.port}/ws"


class HostedRedis:
    """A Redis on a host, as durable as we ship it, that all hosts reach."""

    def __init__(self, host: Host, port: int = 6379) -> None:
        self.host = host
        self.url = f"redis://{host.address}:{port}/0"
        self._port = port
        self._folder = tempfile.TemporaryDirectory(prefix="quizd-redis-")
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        """Start it and wait until it takes connections."""
        options = {
            "bind": self.host.address,
            "port": self._port,
            "dir": self._folder.name,
            "protected-mode": "no",
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
        }
        words = [w for name, v in options.items() for w in (f"--{name}", str(v))]
        self._process = await asyncio.create_subprocess_exec(
            *DIE_WITH_US, *self.host.enter, "redis-server", *words, stdout=DEVNULL
        )
        async with asyncio.timeout(START_S):
            while not await self._answers():  # noqa: ASYNC110
                await asyncio.sleep(LOOK_S)
        return self

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(self.host.address, self._port)
        except OSError:
            return False
        writer.close()
        return True

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()
        self._folder.cleanup()
