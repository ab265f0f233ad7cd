"""``quizd serve`` as processes: real shards under the supervisor, and under systemd."""

import asyncio
import os
import resource
import shutil
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.supervisor.crew import PATIENCE_S, Crew, drain, is_gone, until
from tests.support.quizzes import quick_quiz
from tests.support.server import Server
from tests.support.socket_player import Player

QUIZD = [sys.executable, "-m", "quizd", "serve"]
REAL = [*QUIZD, "--shard-index", "{index}", "--data-dir", "{folder}/{index}"]
BRIEF = {"QUIZD_LOG__FORMAT": "json", "QUIZD_TIMEOUTS__DRAIN_S": "0.2"}


def shard_pids(server: Server) -> list[int]:
    """Return the processes that its supervisor has started so far."""
    return [each["pid"] for each in server.log if each["event"] == "shard_started"]


async def heard(server: Server, event: str, count: int = 1) -> None:
    """Wait until *server* has logged *event* so many times."""
    await until(lambda: [e["event"] for e in server.log].count(event) >= count)


class TestSupervised:
    """One shard under a supervisor, which needs no Redis."""

    async def test_killed_in_play(self, tmp_path: Path) -> None:
        """A shard that is killed comes back on the same port with its sessions."""
        async with Server(tmp_path, command=("serve", "--shards", "1")) as server:
            opened = await server.open_quiz(quick_quiz(1, {}))
            ticket = await server.join(opened["pin"], "Ann")
            async with Player.of(ticket) as player:
                before = await player.next("welcome")
                os.kill(shard_pids(server)[0], signal.SIGKILL)
                # At once, while nobody is there: the supervisor's socket queues it.
                async with Player.of(ticket, open_timeout=PATIENCE_S) as again:
                    after = await again.next("welcome")
            assert after["participantId"] == before["participantId"]
            assert after["participants"] == 1
            assert len(shard_pids(server)) == 2

    async def test_drained(self, tmp_path: Path) -> None:
        """It leaves with the supervisor; players are asked to come back."""
        async with Server(tmp_path, command=("serve", "--shards", "1")) as server:
            opened = await server.open_quiz(quick_quiz(1, {}))
            ticket = await server.join(opened["pin"], "Ann")
            async with Player.of(ticket) as player:
                await player.next("welcome")
                assert await drain(tmp_path) == (0, "it has left")
                assert (await player.next("reconnect"))["reason"] == "restart"
            assert all(map(is_gone, [server.pid, *shard_pids(server)]))

    async def test_restart_on_request(self, tmp_path: Path) -> None:
        """The shard is replaced, while clients only wait."""
        async with Server(tmp_path, command=("serve", "--shards", "1")) as server:
            assert await drain(tmp_path, "--restart") == (0, "1 of 1 shards ready")
            async with server.api() as api:
                assert (
                    await api.get("/quizzes")
                ).status_code == httpx.codes.UNAUTHORIZED
            assert len(shard_pids(server)) == 2

    async def test_bad_data_dir(self, tmp_path: Path) -> None:
        """Where no shard can start, the command fails after a few tries."""
        (tmp_path / "file").touch()
        process = await asyncio.create_subprocess_exec(
            *QUIZD,
            *("--shards", "1", "--port", "0", "--data-dir", str(tmp_path / "file")),
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        assert process.returncode == 1
        assert said.endswith(b"quizd: no shard comes up: their last lines say why\n")


class TestAlone:
    """One shard without a supervisor."""

    async def test_drained(self, tmp_path: Path) -> None:
        """``quizd drain`` ends it in peace, and can't start it again."""
        async with Server(tmp_path) as server:
            code, said = await drain(tmp_path, "--restart")
            assert code == 1
            assert said.startswith("quizd: this is no supervisor")
            assert await drain(tmp_path) == (0, "it has left")
            await heard(server, "stopped")

    async def test_by_index(self, tmp_path: Path) -> None:
        """A shard of several that has no supervisor is asked itself."""
        async with Server(tmp_path, command=("serve", "--shard-index", "3")) as server:
            assert (await drain(tmp_path, "--shard", "2"))[0] == 1
            assert await drain(tmp_path, "--shard", "3") == (0, "it has left")
            assert all(each["shard"] == 3 for each in server.log)

    async def test_notices(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It tells systemd when it is ready, that it lives, and that it leaves."""
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        monkeypatch.setenv("WATCHDOG_USEC", "40000")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.bind(str(tmp_path / "n"))
            async with Server(tmp_path / "data"):
                said = [await asyncio.to_thread(sock.recv, 100) for _ in range(4)]
                assert said == [b"READY=1", *[b"WATCHDOG=1"] * 3]
            sock.setblocking(False)
            rest = []
            with suppress(BlockingIOError):
                while True:
                    rest.append(sock.recv(100))
            assert rest[-1] == b"STOPPING=1"

    async def test_few_files(self, tmp_path: Path) -> None:
        """Where files are short, it serves fewer and says what to do."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = {"limits.connections": hard}
        async with Server(tmp_path, wanted) as server:
            (told,) = [e for e in server.log if e["event"] == "fewer_connections"]
            assert told["serving"] < hard == told["wanted"]
            assert f"allow {hard + 1100} open files" in told["advice"]
            raised = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
            assert raised == (hard, hard)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)


async def test_shards_need_redis(tmp_path: Path) -> None:
    """Several shards without Redis are refused, with the key to set."""
    process = await asyncio.create_subprocess_exec(
        *QUIZD,
        *("--shards", "2", "--data-dir", str(tmp_path)),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == 1
    assert said.startswith(b"quizd: redis.url: must be set to run 2 shards")
    assert not [*os.scandir(tmp_path)]


async def test_supervisor_fails(tmp_path: Path) -> None:
    """A fault of the supervisor's own fails the command, with words of its own."""
    code = (
        "import os, quizd.cli as cli; from unittest.mock import patch\n"
        "with patch('os.fork', side_effect=RuntimeError('broken')): cli.main()"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, "serve", "--shards", "1", "--port", "0"),
        *("--data-dir", str(tmp_path)),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == 1
    assert said.splitlines()[-1].startswith(b"quizd: the supervisor failed")


async def test_rolling(tmp_path: Path) -> None:
    """While real shards are replaced, every request on the port is answered."""
    patient = {**os.environ, **BRIEF, "QUIZD_TIMEOUTS__DRAIN_S": "3"}
    async with Crew(tmp_path, 2, REAL, environ=patient) as crew:
        await crew.all_ready()
        statuses: list[int] = []

        async def load() -> None:
            while True:
                async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
                    url = f"http://127.0.0.1:{crew.port}/livez"
                    statuses.append((await client.get(url)).status_code)

        loads = [asyncio.create_task(load()) for _ in range(4)]
        crew.send(signal.SIGHUP)
        await crew.event("rolling_restart_done")
        for task in loads:
            assert not task.done()
            task.cancel()
        await asyncio.gather(*loads, return_exceptions=True)
        assert {*statuses} == {httpx.codes.OK}
        crew.send(signal.SIGTERM)
        assert await crew.exit_code() == 0


ACTIVATE = shutil.which("systemd-socket-activate")


@pytest.mark.skipif(ACTIVATE is None, reason="systemd-socket-activate is not installed")
async def test_socket_activation(tmp_path: Path) -> None:
    """A shard serves on the socket that systemd owns, started by its first client."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert ACTIVATE is not None
    process = await asyncio.create_subprocess_exec(
        *(ACTIVATE, "--listen", f"127.0.0.1:{port}", "--fdname", "quizd"),
        *(*QUIZD, "--shard-index", "0", "--data-dir", str(tmp_path), "--port", "1"),
        env={**os.environ, **BRIEF},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        await process.stderr.readline()  # that it listens
        async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
            answer = await client.get(f"http://127.0.0.1:{port}/livez")
        assert answer.status_code == httpx.codes.OK
        process.terminate()
    finally:
        _, said = await process.communicate()
    assert f'"addresses": ["127.0.0.1:{port}"]'.encode() in said
    assert process.returncode == 0
