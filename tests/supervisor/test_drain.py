"""``quizd drain``: shards leave one by one, stay away, and come back on request."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from structlog.testing import capture_logs

from quizd.supervisor.control import LEAVING, control_path, controlled, request
from tests.supervisor.crew import PATIENCE_S, Crew, drain, is_gone

NOBODY = 65534


class TestOneShard:
    """A shard of several."""

    async def test_away_and_back(self, tmp_path: Path) -> None:
        """It finishes its connections, stays away, and is back when asked for."""
        async with Crew(tmp_path, 2) as crew:
            await crew.all_ready()
            first = crew.shard_pid(0)
            assert await drain(tmp_path, "--shard", "0") == (0, "shard 0 is drained")
            assert is_gone(first)
            assert {index for index, _ in [await crew.ask() for _ in range(30)]} == {1}
            assert len(crew.of("shard_started", shard=0)) == 1
            back = await drain(tmp_path, "--shard", "0", "--restart")
            assert back == (0, "2 of 2 shards ready")
            answers = {await crew.ask() for _ in range(40)}
            assert answers == {(0, crew.shard_pid(0)), (1, crew.shard_pid(1))}

    async def test_rolling_leaves_it_away(self, tmp_path: Path) -> None:
        """A rolling restart is for those who serve; again, a drain changes nothing."""
        async with Crew(tmp_path, 2) as crew:
            await crew.all_ready()
            for _ in range(2):
                code, _ = await drain(tmp_path, "--shard", "1")
                assert code == 0
            crew.send(signal.SIGHUP)
            await crew.event("rolling_restart_done")
            assert len(crew.of("shard_started", shard=1)) == 1
            crew.send(signal.SIGTERM)
            assert await crew.exit_code() == 0

    async def test_last(self, tmp_path: Path) -> None:
        """The last one that serves is not drained."""
        async with Crew(tmp_path, 2) as crew:
            await crew.all_ready()
            await drain(tmp_path, "--shard", "0")
            assert await drain(tmp_path, "--shard", "1") == (
                1,
                "quizd: no other shard is ready: 1 of 2 shards ready, parked: 0",
            )
            assert await crew.ask() == (1, crew.shard_pid(1))

    @pytest.mark.parametrize("flags", [(), ("--restart",)])
    async def test_unknown(self, tmp_path: Path, flags: tuple[str, ...]) -> None:
        """A shard that doesn't exist is an error that says which do."""
        async with Crew(tmp_path, 2) as crew:
            await crew.all_ready()
            assert await drain(tmp_path, "--shard", "2", *flags) == (
                1,
                "quizd: there is no shard 2: 2 of 2 shards ready",
            )

    async def test_does_not_come_up(self, tmp_path: Path) -> None:
        """A restart that fails says so, instead of waiting for better times."""
        async with Crew(tmp_path, 2) as crew:
            await crew.all_ready()
            (tmp_path / "die-1").touch()
            assert await drain(tmp_path, "--shard", "1", "--restart") == (
                1,
                "quizd: 1 of 2 shards ready, waiting: 1",
            )


class TestAll:
    """The whole quizd of a data folder."""

    async def test_leaves(self, tmp_path: Path) -> None:
        """The command ends when the supervisor and all shards have ended."""
        async with Crew(tmp_path, 2) as crew:
            await crew.all_ready()
            assert await drain(tmp_path) == (0, "it has left")
            assert is_gone(crew.pid)
            assert all(is_gone(crew.shard_pid(index)) for index in range(2))
            assert await crew.exit_code() == 0

    async def test_restart(self, tmp_path: Path) -> None:
        """With --restart, all are restarted one by one, and the command waits."""
        async with Crew(tmp_path, 2) as crew:
            await crew.all_ready()
            code = await drain(tmp_path, "--restart")
            assert code == (0, "2 of 2 shards ready")
            await crew.all_ready(2)

    async def test_not_two_at_a_time(self, tmp_path: Path) -> None:
        """While one restart is under way, the next is refused."""
        (tmp_path / "deaf-0").touch()
        async with Crew(tmp_path, 2, pace={"leave_s": 3600}) as crew:
            await crew.all_ready()
            crew.send(signal.SIGHUP)
            await crew.event("rolling_restart")
            code, said = await drain(tmp_path, "--restart")
            assert code == 1
            assert said.startswith("quizd: another drain or restart is under way: ")

    async def test_nobody_there(self, tmp_path: Path) -> None:
        """Where nothing runs, or no longer runs, the command says so."""
        missing = tmp_path / "missing"
        told = f"quizd: no quizd serves {missing}"
        assert await drain(missing) == (1, told)
        assert await drain(missing, "--shard", "3") == (
            1,
            f"quizd: no quizd with shard 3 serves {missing}",
        )
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / "control.sock"))
        assert await drain(tmp_path) == (1, f"quizd: no quizd serves {tmp_path}")


class TestControl:
    """The socket itself."""

    async def test_long_path(self, tmp_path: Path) -> None:
        """A data folder may have a longer name than addresses have room for."""
        folder = tmp_path / ("long" * 40)

        async def handle(words: list[str]) -> str:
            return " ".join(["ok,", *words])

        async with controlled(control_path(folder), handle):
            answer = await asyncio.to_thread(request, folder, 7, "drain")
            assert answer == "ok, drain 7"
            assert control_path(folder).stat().st_mode & 0o777 == 0o600

    async def test_no_socket(self, tmp_path: Path) -> None:
        """Where it can't be made, quizd serves without it."""
        folder = tmp_path / "file"
        folder.touch()
        async with controlled(control_path(folder), _refuse):
            with pytest.raises(OSError, match="Not a directory"):
                await asyncio.to_thread(request, folder, None, "drain")

    async def test_is_the_firsts(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A second quizd on the same folder has it when the first has ended."""
        monkeypatch.setattr("quizd.supervisor.control._AGAIN_S", 0.01)
        path = control_path(tmp_path)

        async def ask() -> str:
            return await asyncio.to_thread(request, tmp_path, None, "drain")

        async def handle(_: list[str]) -> str:
            return "ok, second"

        async with AsyncExitStack() as second:
            async with controlled(path, _refuse):
                with capture_logs() as logs:
                    await second.enter_async_context(controlled(path, handle))
                    await asyncio.sleep(0.05)
                assert await ask() == await _refuse([])
                assert [line["why"] for line in logs] == ["another quizd listens"]
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    with suppress(ConnectionError):
                        assert await ask() == "ok, second"
                        break
                    await asyncio.sleep(0.01)

    async def test_one_that_hangs_holds_up_nobody(self, tmp_path: Path) -> None:
        """It has the socket though it takes nobody; the loop does not wait for it."""
        path = control_path(tmp_path)
        with socket.socket(socket.AF_UNIX) as hung, ExitStack() as queue:
            hung.bind(str(path))
            hung.listen(0)
            for _ in range(3):
                one = queue.enter_context(socket.socket(socket.AF_UNIX))
                one.setblocking(False)
                with suppress(BlockingIOError):
                    one.connect(str(path))
            async with asyncio.timeout(PATIENCE_S), controlled(path, _refuse):
                assert path.is_socket()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave what is root's")
    async def test_what_another_user_left(self) -> None:
        """A socket that we may not even ask is made anew: the folder is ours."""
        with as_nobody() as folder:
            async with controlled(control_path(folder), _refuse):
                answer = await asyncio.to_thread(request, folder, None, "drain")
        assert answer == await _refuse([])

    async def test_death_is_no_answer(self, tmp_path: Path) -> None:
        """An end before the answer is not taken for success."""
        async with running(DIES, tmp_path) as process:
            assert process.stdout is not None
            await process.stdout.readline()
            with pytest.raises(ConnectionError):
                await asyncio.to_thread(request, tmp_path, None, "drain")

    async def test_end_is_the_end(self, tmp_path: Path) -> None:
        """Who leaves is heard to have left when the process is gone, not before."""
        async with running(LINGERS, tmp_path) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            await process.stdout.readline()
            asking = asyncio.create_task(
                asyncio.to_thread(request, tmp_path, None, "drain")
            )
            assert await process.stdout.readline() == b"no loop any more\n"
            assert not asking.done()
            process.stdin.close()
            assert await asking == LEAVING
            assert await process.wait() == 0


DIES = """
import os, socket, sys
sock = socket.socket(socket.AF_UNIX)
os.chdir(sys.argv[1])
sock.bind("control.sock")
sock.listen()
print("listening", flush=True)
sock.accept()[0].recv(1)
os.kill(os.getpid(), 9)
"""

LINGERS = """
import asyncio, pathlib, sys
from quizd.supervisor.control import LEAVING, control_path, controlled

async def main():
    asked = asyncio.Event()
    async def handle(_):
        asked.set()
        return LEAVING
    async with controlled(control_path(pathlib.Path(sys.argv[1])), handle):
        print("listening", flush=True)
        await asked.wait()

asyncio.run(main())
print("no loop any more", flush=True)
sys.stdin.read()
"""


@asynccontextmanager
async def running(program: str, folder: Path) -> AsyncIterator[Process]:
    """Run a Python program with *folder* as its argument; end it afterwards."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(folder), stdin=PIPE, stdout=PIPE
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


@contextmanager
def as_nobody() -> Iterator[Path]:
    """Be another user meanwhile, with a folder where root has left a socket."""
    with TemporaryDirectory() as name, socket.socket(socket.AF_UNIX) as dead:
        folder = Path(name)
        dead.bind(str(control_path(folder)))
        control_path(folder).chmod(0o600)
        folder.chmod(0o777)  # as an own one; without the sticky bit
        os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            os.seteuid(0)


async def _refuse(_: list[str]) -> str:
    return f"no, {os.getpid()}"
