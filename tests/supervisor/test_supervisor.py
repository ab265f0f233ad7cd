"""The supervisor over stand-in shards: deaths, signals, rolling restarts."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.supervisor.crew import PATIENCE_S, Crew, is_gone, until

EVERY_S = 0.005


class Load:
    """New connections at a steady pace, whatever becomes of those before."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        self.answered: list[int] = []
        self.failed: list[Exception] = []
        self._asked: set[asyncio.Task[None]] = set()
        self._going = asyncio.create_task(self._go())

    async def _go(self) -> None:
        while True:
            task = asyncio.create_task(self._ask())
            self._asked.add(task)
            task.add_done_callback(self._asked.discard)
            await asyncio.sleep(EVERY_S)

    async def _ask(self) -> None:
        try:
            self.answered.append((await self.crew.ask())[0])
        except (OSError, TimeoutError) as error:
            self.failed.append(error)

    async def end(self) -> None:
        """Begin no more, and wait for the last answer."""
        self._going.cancel()
        with suppress(asyncio.CancelledError):
            await self._going
        if self._asked:
            await asyncio.wait(self._asked)


class TestDeath:
    """A shard that dies comes back, and disturbs nobody else."""

    async def test_others_are_undisturbed(self, tmp_path: Path) -> None:
        """Connections of the others live on; new ones go to them, then to all."""
        async with Crew(tmp_path, 2) as crew, AsyncExitStack() as stack:
            await crew.all_ready()
            lines = [await stack.enter_async_context(crew.line()) for _ in range(40)]
            served_by = [await line.ask() for line in lines]
            ours, others = crew.shard_pid(1), crew.shard_pid(0)
            assert set(served_by) == {(0, others), (1, ours)}
            os.kill(others, signal.SIGKILL)
            await crew.event("shard_died", shard=0, code=-signal.SIGKILL)
            for line, who in zip(lines, served_by, strict=True):
                if who == (1, ours):
                    assert await line.ask() == who
            await crew.event("shard_ready", 2, shard=0)
            answers = {await crew.ask() for _ in range(40)}
            assert answers == {(0, crew.shard_pid(0)), (1, ours)}
            assert crew.shard_pid(0) != others

    async def test_queued_connections_are_served(self, tmp_path: Path) -> None:
        """What waits on the socket of a shard that dies is served by the next one."""
        async with Crew(tmp_path, 1) as crew:
            await crew.all_ready()
            first = crew.shard_pid(0)
            os.kill(first, signal.SIGSTOP)
            asking = [asyncio.create_task(crew.ask()) for _ in range(20)]
            await until(lambda: _queued(crew.port, 20))
            assert not any(task.done() for task in asking)
            os.kill(first, signal.SIGKILL)
            answers = set(await asyncio.gather(*asking))
            assert answers == {(0, crew.shard_pid(0))}
            assert crew.shard_pid(0) != first

    async def test_restart_loop(self, tmp_path: Path) -> None:
        """One that dies at every start is told, tried slowly, and comes up one day."""
        (tmp_path / "die-0").touch()
        async with Crew(tmp_path, 2) as crew:
            await crew.event("shard_ready", shard=1)
            told = await crew.event("shard_loops", shard=0)
            assert told["deaths"] == 3
            assert told["level"] == "error"
            assert {index for index, _ in [await crew.ask() for _ in range(30)]} == {1}
            (tmp_path / "die-0").unlink()
            await crew.event("shard_ready", shard=0)
            assert not crew.of("shard_died", shard=1)

    async def test_nobody_comes_up(self, tmp_path: Path) -> None:
        """Where all die at every start, the supervisor ends with a failure."""
        for index in range(2):
            (tmp_path / f"die-{index}").touch()
        async with Crew(tmp_path, 2) as crew:
            assert await crew.exit_code() == 1
            assert len(crew.of("shard_died", code=3)) >= 6
            assert crew.of("no_shard_comes_up")

    async def test_no_program(self, tmp_path: Path) -> None:
        """A command that can't be run is a death like others."""
        async with Crew(tmp_path, 1, ["/nonexistent/quizd"]) as crew:
            assert await crew.exit_code() == 1
            assert crew.of("shard_died", code=127)

    async def test_no_process_to_be_had(self, tmp_path: Path) -> None:
        """A fork that fails is tried again; signals come through, others stay."""
        async with Crew(tmp_path, 2, forks={3: "BlockingIOError"}) as crew:
            await crew.all_ready()
            before = _blocked(crew.pid)
            os.kill(crew.shard_pid(0), signal.SIGKILL)
            await crew.event("shard_not_started", shard=0, why="not this time")
            await crew.event("shard_ready", 2, shard=0)
            assert _blocked(crew.pid) == before
            assert not crew.of("shard_died", shard=1)
            crew.send(signal.SIGTERM)
            assert await crew.exit_code() == 0

    async def test_never_a_process(self, tmp_path: Path) -> None:
        """Where none can be had from the start, the supervisor ends with a failure."""
        forks = dict.fromkeys(range(1, 100), "BlockingIOError")
        async with Crew(tmp_path, 2, forks=forks) as crew:
            assert await crew.exit_code() == 1
            assert crew.of("no_shard_comes_up")

    async def test_restart_without_process(self, tmp_path: Path) -> None:
        """A restart says that its fork failed, and the shard is tried again."""
        async with Crew(tmp_path, 2, forks={3: "BlockingIOError"}) as crew:
            await crew.all_ready()
            crew.send(signal.SIGHUP)
            assert (await crew.event("rolling_restart_stopped"))["shard"] == 0
            await crew.event("shard_ready", 2, shard=0)

    async def test_own_fault(self, tmp_path: Path) -> None:
        """Where it fails itself, shards leave in peace, and it ends with a failure."""
        async with Crew(tmp_path, 2, forks={3: "RuntimeError"}) as crew:
            await crew.all_ready()
            other = crew.shard_pid(1)
            os.kill(crew.shard_pid(0), signal.SIGKILL)
            assert await crew.exit_code() == 1
            assert crew.of("supervisor_failed")
            assert (tmp_path / f"told-{other}").read_text() == "SIGTERM\n"

    @pytest.mark.parametrize("shards", [1, 3])
    async def test_parent_is_killed(self, tmp_path: Path, shards: int) -> None:
        """Shards leave when their supervisor dies, however it dies."""
        async with Crew(tmp_path, shards) as crew:
            await crew.all_ready()
            crew.send(signal.SIGKILL)
            await crew.exit_code()
            pids = [crew.shard_pid(index) for index in range(shards)]
            await until(lambda: all(map(is_gone, pids)))


def _blocked(pid: int) -> str:
    """Return the signals that a process blocks (proc(5), status)."""
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(row for row in rows if row.startswith("SigBlk:"))


class TestHanging:
    """A shard that gives no signs of life any more."""

    async def test_started_anew(self, tmp_path: Path) -> None:
        """It is killed and follows itself; others, who give signs, are let be."""
        asked_of_itself = {"WATCHDOG_PID": "1", "WATCHDOG_USEC": "1"}
        async with Crew(
            tmp_path, 2, pace={"alive_s": 0.3}, environ=asked_of_itself
        ) as crew:
            await crew.all_ready()
            hanging, other = crew.shard_pid(0), crew.shard_pid(1)
            os.kill(hanging, signal.SIGSTOP)
            await crew.event("shard_hangs", shard=0, pid=hanging)
            await crew.event("shard_died", shard=0, code=-signal.SIGKILL)
            await crew.event("shard_ready", 2, shard=0)
            answers = {await crew.ask() for _ in range(40)}
            assert answers == {(0, crew.shard_pid(0)), (1, other)}
            assert len(crew.of("shard_started")) == 3

    async def test_supervisor_was_paused(self, tmp_path: Path) -> None:
        """One that has slept through many looks has nobody killed for its own sleep."""
        looks, signs = 4, 2
        async with Crew(tmp_path, 2, pace={"alive_s": 0.2}) as crew:
            await crew.all_ready()
            alive = [tmp_path / f"alive-{crew.shard_pid(index)}" for index in range(2)]
            await until(lambda: all(path.exists() for path in alive))
            for number in (signal.SIGSTOP, signal.SIGCONT):
                crew.send(number)
                wanted = [_lines(path) + looks * signs for path in alive]
                await until(lambda: [*map(_lines, alive)] >= wanted)  # noqa: B023
            assert len(crew.of("shard_started")) == 2


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def _listens(port: int) -> list[int]:
    """Return how many connections each socket of *port* queues (proc(5), net/tcp)."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [
        int(fields[4].rpartition(":")[2], 16)
        for fields in rows
        if fields[3] == "0A" and fields[1].endswith(f":{port:04X}")
    ]


def _queued(port: int, count: int) -> bool:
    """Tell whether *count* connections wait to be accepted."""
    return sum(_listens(port)) >= count


class TestLeaving:
    """SIGTERM and SIGINT end all shards, in peace if possible."""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    async def test_in_peace(self, tmp_path: Path, number: signal.Signals) -> None:
        """Each shard is asked once, finishes its connections, and nobody is killed."""
        async with Crew(tmp_path, 2) as crew:
            await crew.all_ready()
            async with crew.line() as line:
                index, pid = await line.ask()
                crew.send(number)
                await until((tmp_path / f"told-{pid}").exists)
                assert await line.ask() == (index, pid)
            assert await crew.exit_code() == 0
            for shard in range(2):
                pid = crew.shard_pid(shard)
                assert (tmp_path / f"told-{pid}").read_text() == "SIGTERM\n"
                assert is_gone(pid)
            assert not crew.of("shard_killed")

    async def test_during_a_restart(self, tmp_path: Path) -> None:
        """A shard that leaves already isn't asked again, which would end it at once."""
        async with Crew(tmp_path, 1) as crew:
            await crew.all_ready()
            async with crew.line() as line:
                who = await line.ask()
                told = tmp_path / f"told-{who[1]}"
                crew.send(signal.SIGHUP)
                await until(told.exists)
                crew.send(signal.SIGTERM)
                await crew.event("leaving")
                assert await line.ask() == who
            assert await crew.exit_code() == 0
            assert told.read_text() == "SIGTERM\n"
            assert len(crew.of("shard_started")) == 1

    async def test_port_is_closed(self, tmp_path: Path) -> None:
        """While the last players leave, new connections are refused, not queued."""
        async with Crew(tmp_path, 2) as crew:
            await crew.all_ready()
            async with crew.line() as line:
                who = await line.ask()
                crew.send(signal.SIGTERM)
                await until(lambda: not _listens(crew.port))
                with pytest.raises(ConnectionRefusedError):
                    await crew.ask()
                assert await line.ask() == who
            assert await crew.exit_code() == 0

    async def test_deaf(self, tmp_path: Path) -> None:
        """A shard that doesn't leave is killed when its time is over."""
        (tmp_path / "deaf-1").touch()
        async with Crew(tmp_path, 2, pace={"leave_s": 0.5}) as crew:
            await crew.all_ready()
            crew.send(signal.SIGTERM)
            assert await crew.exit_code() == 0
            assert [each["shard"] for each in crew.of("shard_killed")] == [1]
            assert is_gone(crew.shard_pid(1))

    async def test_at_once(self, tmp_path: Path) -> None:
        """A second SIGTERM kills what has not left yet."""
        (tmp_path / "deaf-0").touch()
        async with Crew(tmp_path, 1, pace={"leave_s": 3600}) as crew:
            await crew.all_ready()
            crew.send(signal.SIGTERM)
            await crew.event("leaving")
            crew.send(signal.SIGTERM)
            assert await crew.exit_code() == 0
            assert is_gone(crew.shard_pid(0))

    async def test_while_starting_again(self, tmp_path: Path) -> None:
        """A shard that waits for its next try is not started any more."""
        (tmp_path / "die-0").touch()
        async with Crew(tmp_path, 2, pace={"slow_s": 3600}) as crew:
            await crew.event("shard_loops", shard=0)
            await crew.event("shard_ready", shard=1)
            crew.send(signal.SIGTERM)
            assert await crew.exit_code() == 0

    async def test_terminal(self, tmp_path: Path) -> None:
        """Ctrl-C in a terminal reaches the supervisor alone: a shard has a session."""
        async with Crew(tmp_path, 1) as crew:
            await crew.all_ready()
            shard = crew.shard_pid(0)
            assert os.getsid(shard) == shard != os.getsid(crew.pid)


class TestRolling:
    """SIGHUP restarts all, one by one, without a moment of nobody there."""

    async def test_under_load(self, tmp_path: Path) -> None:
        """No connection is refused, reset or left alone, while all are replaced."""
        async with Crew(tmp_path, 3) as crew:
            await crew.all_ready()
            before = [crew.shard_pid(index) for index in range(3)]
            load = Load(crew)
            crew.send(signal.SIGHUP)
            await crew.event("rolling_restart_done")
            await load.end()
            assert not load.failed
            assert set(load.answered) == {0, 1, 2}
            after = [crew.shard_pid(index) for index in range(3)]
            assert not {*before} & {*after}
            assert all(is_gone(pid) for pid in before)

    async def test_one_at_a_time(self, tmp_path: Path) -> None:
        """The next one leaves when the one before is ready."""
        async with Crew(tmp_path, 3) as crew:
            await crew.all_ready()
            crew.send(signal.SIGHUP)
            await crew.event("rolling_restart_done")
            steps = ("shard_left", "shard_ready")
            order = [
                (entry["event"], entry["shard"])
                for entry in crew.log
                if entry["event"] in steps
            ]
            assert order[3:] == [(step, index) for index in range(3) for step in steps]

    async def test_alone(self, tmp_path: Path) -> None:
        """A single shard's connections wait for the next process."""
        async with Crew(tmp_path, 1) as crew:
            await crew.all_ready()
            load = Load(crew)
            crew.send(signal.SIGHUP)
            await crew.event("rolling_restart_done")
            await load.end()
            assert not load.failed

    async def test_twice(self, tmp_path: Path) -> None:
        """SIGHUP during a rolling restart makes another one, for newer settings."""
        async with Crew(tmp_path, 2) as crew:
            await crew.all_ready()
            crew.send(signal.SIGHUP)
            await crew.event("rolling_restart")
            crew.send(signal.SIGHUP)
            await crew.event("rolling_restart_done", 2)
            assert len(crew.of("shard_started")) == 6

    async def test_bad_version(self, tmp_path: Path) -> None:
        """It stops at a shard that doesn't come up; the others are left in peace."""
        async with Crew(tmp_path, 2) as crew:
            await crew.all_ready()
            for index in range(2):
                (tmp_path / f"die-{index}").touch()
            crew.send(signal.SIGHUP)
            stopped = await crew.event("rolling_restart_stopped")
            assert stopped["shard"] == 0
            assert {await crew.ask() for _ in range(20)} == {(1, crew.shard_pid(1))}
            for index in range(2):
                (tmp_path / f"die-{index}").unlink()
            crew.send(signal.SIGHUP)
            await crew.event("rolling_restart_done")
            assert len(crew.of("shard_started", shard=1)) == 2


class TestNotices:
    """The supervisor tells systemd how it stands."""

    async def test_ready_and_stopping(self, tmp_path: Path) -> None:
        """READY=1 comes when all shards are ready, once; STOPPING=1 at the end."""
        (tmp_path / "die-1").touch()
        with _systemd(tmp_path) as (sock, environ):
            async with Crew(tmp_path, 2, environ=environ) as crew:
                heard = [await _datagram(sock)]
                while "1 of 2 shards ready, waiting: 1" not in heard[-1]:
                    heard.append(await _datagram(sock))
                assert "READY=1" not in heard
                (tmp_path / "die-1").unlink()
                while "2 of 2 shards ready" not in heard[-1]:
                    heard.append(await _datagram(sock))
                os.kill(crew.shard_pid(1), signal.SIGKILL)
                await crew.event("shard_ready", 2, shard=1)
                crew.send(signal.SIGTERM)
                while heard[-1] != "STOPPING=1":
                    heard.append(await _datagram(sock))
                assert heard.count("READY=1") == 1
                assert await crew.exit_code() == 0

    async def test_ready_without_all(self, tmp_path: Path) -> None:
        """One that does not come up leaves the machine to those that serve."""
        (tmp_path / "die-1").touch()
        with _systemd(tmp_path) as (sock, environ):
            async with Crew(
                tmp_path,
                2,
                pace={"all_ready_s": 1.0},
                environ=environ,
            ) as crew:
                await crew.event("shard_loops", shard=1)
                heard = [await _datagram(sock)]
                while "READY=1" not in heard:
                    heard.append(await _datagram(sock))
                assert not any("2 of 2 shards ready" in line for line in heard)


@contextmanager
def _systemd(folder: Path) -> Iterator[tuple[socket.socket, dict[str, str]]]:
    """Listen as systemd does; give the socket, and what children are told of it."""
    address = str(folder / "n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(address)
        sock.settimeout(PATIENCE_S)
        yield sock, {"NOTIFY_SOCKET": address}


async def _datagram(sock: socket.socket) -> str:
    data = await asyncio.to_thread(sock.recv, 4096)
    return data.decode()
