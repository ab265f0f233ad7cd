"""A real Redis in a process of its own, that a test may kill, pause and start again.

A server that is down for a while gets the same port again.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.support.ports import free_port

PROGRAM = shutil.which(os.environ.get("QUIZD_TEST_REDIS", "redis-server"))
"""What tests start; another version, or Valkey, where the environment names one."""

needs_redis = pytest.mark.skipif(PROGRAM is None, reason="redis-server is missing")

START_S = 20.0
STOP_S = 10.0
SLOTS = 16384
_LOOK_S = 0.005
_TRIES = 5


class RedisServer:
    """``redis-server`` on a free port of loopback, its data in a folder of its own.

    *options* are directives of redis.conf, given over a server that keeps nothing on
    the disk. With *cluster* it is the only node of a Redis Cluster and has all slots.
    The port stays the same from the first start on. A server that is still running
    is killed with the thread that has started it.
    """

    def __init__(
        self, options: Mapping[str, object] | None = None, *, cluster: bool = False
    ) -> None:
        self.options: dict[str, object] = {
            "save": "",
            "appendonly": "no",
            "databases": 16,
            "loglevel": "notice",
            **(options or {}),
        }
        self.cluster = cluster
        self.port = 0
        self._folder = tempfile.TemporaryDirectory(prefix="quizd-redis-")
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        """Start it."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it, however the test ended, and take its folder away."""
        if self.running:
            await self.kill()
        self._folder.cleanup()

    @property
    def url(self) -> str:
        """Where it is, as clients like it."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def dir(self) -> Path:
        """Its folder: the append-only file is below it."""
        return Path(self._folder.name)

    @property
    def running(self) -> bool:
        """Whether its process is there, paused or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start the process and wait until it serves what its files hold."""
        assert not self.running
        for _ in range(_TRIES):
            port = self.port or free_port()
            self._process = self._launch(port)
            if await self._serves(port):
                self.port = port
                if self.cluster:
                    await self._take_all_slots()
                return
        raise RuntimeError(f"redis-server did not start:\n{self.log}")

    async def stop(self) -> None:
        """Send SIGTERM and wait: what it keeps on the disk is complete."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """Send SIGKILL and wait: nothing is flushed, nothing is said."""
        await self._end(signal.SIGKILL)

    async def restart(self) -> None:
        """Stop it and start it on what its files hold."""
        await self.stop()
        await self.start()

    def pause(self) -> None:
        """Let it stand still (SIGSTOP); connections stay and nobody is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused one go on."""
        os.kill(self.pid, signal.SIGCONT)

    def wipe(self) -> None:
        """Take away all files of a server that is down."""
        assert not self.running
        for path in self.dir.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    async def command(self, *words: str | bytes | int) -> bytes:
        """Send one command on a connection of its own; return the first answer line.

        It needs no client library, so that it works for tests of one. Raises
        `OSError` where nobody answers.
        """
        return await _command(self.port, *words)

    @property
    def log(self) -> str:
        """What the server has said."""
        file = self.dir / "redis.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def _launch(self, port: int) -> subprocess.Popen[bytes]:
        options = {
            **self.options,
            "port": port,
            "bind": "127.0.0.1",
            "dir": self.dir,
            "logfile": self.dir / "redis.log",
            "daemonize": "no",
        }
        if self.cluster:
            options |= {"cluster-enabled": "yes", "cluster-config-file": "nodes.conf"}
        words = [w for name, v in options.items() for w in (f"--{name}", str(v))]
        assert PROGRAM is not None
        return subprocess.Popen(  # noqa: S603 - our own words
            ["setpriv", "--pdeathsig", "KILL", PROGRAM, *words],  # noqa: S607
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    async def _serves(self, port: int) -> bool:
        """Wait until it answers; tell whether it does, rather than having ended."""
        async with asyncio.timeout(START_S):
            while self.running:
                try:
                    if await _command(port, "PING") == b"+PONG":
                        return True
                except OSError:
                    pass
                await asyncio.sleep(_LOOK_S)
        return False

    async def _take_all_slots(self) -> None:
        await self.command("CLUSTER", "ADDSLOTS", *range(SLOTS))
        async with asyncio.timeout(START_S):
            # ASYNC110: another process tells nobody, it has to be looked at.
            while await self.command("GET", "none") != b"$-1":  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_S)

    async def _end(self, number: signal.Signals) -> None:
        process = self._process
        assert process is not None
        process.send_signal(number)
        async with asyncio.timeout(STOP_S):
            while process.poll() is None:  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_S)


async def _command(port: int, *words: str | bytes | int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        encoded = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        writer.write(b"*%d\r\n" % len(encoded))
        writer.writelines(b"$%d\r\n%s\r\n" % (len(w), w) for w in encoded)
        line = await reader.readline()
    finally:
        writer.close()
    if not line:
        raise ConnectionResetError("the server closed the connection")
    return line.rstrip()


def speaks_tls() -> bool:
    """Tell whether the program is linked with TLS: an option of building it."""
    return PROGRAM is not None and b"SSL_CTX_new" in Path(PROGRAM).read_bytes()


def has_sharded_pubsub() -> bool:
    """Tell whether the program is of version 7 at least."""
    words = [PROGRAM or "redis-server", "--version"]
    said = subprocess.run(words, capture_output=True, check=False)  # noqa: S603 - ours
    return b"v=6." not in said.stdout


async def _redis() -> AsyncIterator[RedisServer]:
    """Return a running server that is as durable as the configuration we ship."""
    async with RedisServer({"appendonly": "yes", "appendfsync": "always"}) as server:
        yield server


redis_fixture = pytest.fixture(name="redis")(_redis)
