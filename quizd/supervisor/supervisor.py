"""All shards of a machine: signals in, children watched, notices out."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

from quizd.log import get_logger
from quizd.settings import Settings
from quizd.sockets import bind_group, drop_queued, steer
from quizd.supervisor.child import Child, spawn
from quizd.supervisor.control import LEAVING, NO, OK, control_path, controlled
from quizd.supervisor.keeper import Keeper, Pace, State
from quizd.supervisor.notify import (
    NOTIFY_SOCKET,
    READY,
    STOPPING,
    WATCHDOG,
    WATCHDOG_USEC,
    Notices,
    notify,
)

Command = Callable[[int], Sequence[str]]

# A shard that has drained still hands over its sessions and closes its files.
LEAVE_MARGIN_S = 5.0

_FAILED = "the supervisor failed, and its shards have left: its last lines say why"
_HOPELESS = "no shard comes up: their last lines say why"

log = get_logger(__name__)


class Supervisor:
    """Keeps one shard running for each socket of *group*, which it owns.

    *command* gives the command line of a shard by its index, a path first. *control*
    is the Unix socket for ``quizd drain``.
    """

    def __init__(
        self,
        group: Sequence[socket.socket],
        command: Command,
        control: Path,
        pace: Pace | None = None,
    ) -> None:
        self._group = group
        self._command = command
        self._control = control
        self._pace = pace or Pace()
        self._notices = Notices()
        self._keepers = [
            Keeper(index, self._start, self._pace, self._changed)
            for index in range(len(group))
        ]
        self.failed = False  # by a fault of its own
        self._ready_ever = False
        self._told_ready = self._waited = False
        self._over = asyncio.Event()
        self._roll_asked = asyncio.Event()
        self._moving = asyncio.Lock()  # one drain or restart at a time

    async def run(self) -> bool:
        """Keep the shards until SIGTERM or SIGINT; SIGHUP restarts one by one.

        A second SIGTERM ends them at once. Returns ``False`` where it has ``failed``,
        or where no shard has ever come up and all are in a restart loop: then the fault
        is theirs together.
        """
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        loop.add_signal_handler(signal.SIGHUP, self._told_to_roll)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told_to_stop)
        loop.add_reader(self._notices.sock, self._hear)
        loop.call_later(self._pace.all_ready_s, self._wait_no_longer)
        async with AsyncExitStack() as stack:
            stack.callback(self._notices.close)
            stack.callback(loop.remove_reader, self._notices.sock)
            stack.push_async_callback(self._leave)
            stack.push_async_callback(_cancel, self._begin())
            await stack.enter_async_context(controlled(self._control, self._handle))
            await self._over.wait()
        return not self.failed and (self._ready_ever or not self._hopeless())

    def _begin(self) -> list[asyncio.Task[None]]:
        jobs: list[Coroutine[Any, Any, None]] = [each.run() for each in self._keepers]
        jobs += [self._roll_when_asked(), self._look()]
        tasks = [asyncio.create_task(job) for job in jobs]
        for task in tasks:
            task.add_done_callback(self._check)
        return tasks

    def _check(self, task: asyncio.Task[None]) -> None:
        """End when one of our own tasks fails: systemd starts what is left anew."""
        if not task.cancelled():
            log.error("supervisor_failed", exc_info=task.exception())
            self.failed = True
            self._over.set()

    # -- children --------------------------------------------------------------------

    def _start(self, index: int) -> Child:
        variables = {
            NOTIFY_SOCKET: self._notices.name,
            WATCHDOG_USEC: str(round(self._pace.alive_s * 1e6)),
        }
        return spawn(self._command(index), self._group[index], variables)

    def _reap(self) -> None:
        for keeper in self._keepers:
            if keeper.child is not None and not keeper.child.exited.done():
                keeper.child.reap()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._pace.alive_s)
            self._hear()  # first: what was said while we were asleep
            for keeper in self._keepers:
                keeper.look()

    def _hear(self) -> None:
        with suppress(BlockingIOError):
            while True:
                pid, lines = self._notices.receive()
                for keeper in self._keepers:
                    if keeper.child is not None and keeper.child.pid == pid:
                        self._heard(keeper, lines)

    @staticmethod
    def _heard(keeper: Keeper, lines: list[str]) -> None:
        if READY in lines:
            keeper.is_ready()
        if WATCHDOG in lines:
            keeper.is_alive()
        if STOPPING in lines:
            keeper.is_stopping()

    def _changed(self) -> None:
        """Draw the consequences of a shard's new state."""
        if self._over.is_set():
            return
        ready = self._indices(State.READY)
        self._ready_ever = self._ready_ever or bool(ready)
        self._steer(ready)
        settled = len(ready) == len(self._keepers) or self._waited
        if ready and settled and not self._told_ready:
            self._told_ready = True
            notify(READY)
        notify(f"STATUS={self.status()}")
        if not self._ready_ever and self._hopeless():
            log.error("no_shard_comes_up", shards=len(self._keepers))
            self._over.set()

    def _wait_no_longer(self) -> None:
        """From now on one shard that serves is enough for the machine to."""
        self._waited = True
        self._changed()

    def _indices(self, state: State) -> list[int]:
        return [each.index for each in self._keepers if each.state is state]

    def _hopeless(self) -> bool:
        return all(keeper.loops for keeper in self._keepers)

    def _steer(self, ready: list[int]) -> None:
        """Send new connections to shards that serve; to all that will, if none does."""
        targets = ready or [each.index for each in self._keepers if each.wanted]
        try:
            steer(self._group, targets)
        except OSError as error:
            log.warning("cannot_steer", why=str(error))

    def status(self) -> str:
        """Return a line such as ``3 of 4 shards ready, starting: 2``."""
        ready = len(self._indices(State.READY))
        rest = [
            f"{state}: {' '.join(map(str, indices))}"
            for state in State
            if state is not State.READY and (indices := self._indices(state))
        ]
        return ", ".join([f"{ready} of {len(self._keepers)} shards ready", *rest])

    # -- leaving -----------------------------------------------------------------------

    def _told_to_stop(self) -> None:
        if self._over.is_set():
            for keeper in self._keepers:
                if keeper.child is not None:
                    keeper.child.send(signal.SIGKILL)
        self._over.set()

    async def _leave(self) -> None:
        notify(STOPPING)
        log.info("leaving", shards=len(self._keepers))
        leaving = [asyncio.create_task(keeper.leave()) for keeper in self._keepers]
        # Once the shards have closed theirs, nobody queues for who won't come back.
        for sock in self._group:
            sock.close()
        await asyncio.gather(*leaving)
        log.info("stopped")

    # -- restarts ----------------------------------------------------------------------

    def _told_to_roll(self) -> None:
        """Restart all; who waits for a next try has it now: the cause may be gone."""
        self._roll_asked.set()
        for keeper in self._keepers:
            if keeper.state is State.WAITING:
                keeper.wake()

    async def _roll_when_asked(self) -> None:
        while True:
            await self._roll_asked.wait()
            self._roll_asked.clear()
            async with self._moving:
                await self._roll()

    async def _roll(self) -> bool:
        """Restart one after the other; stop at one that doesn't get ready.

        The others then go on as they are: what is wrong with one, a bad setting or
        a bad version, would be wrong with all.
        """
        wanted = [keeper for keeper in self._keepers if keeper.wanted]
        log.info("rolling_restart", shards=len(wanted))
        for keeper in wanted:
            if not await keeper.restart():
                log.error("rolling_restart_stopped", shard=keeper.index)
                return False
        log.info("rolling_restart_done", shards=len(wanted))
        return True

    # -- requests ----------------------------------------------------------------------

    async def _handle(self, words: list[str]) -> str:
        match words:
            case ["drain"]:
                self._over.set()
                return LEAVING
            case ["restart"]:
                return await self._alone(self._restart_all)
            case ["drain" | "restart" as verb, index] if self._has(index):
                job = self._park if verb == "drain" else self._restart
                return await self._alone(lambda: job(self._keepers[int(index)]))
            case ["drain" | "restart", index]:
                return f"{NO}, there is no shard {index}: {self.status()}"
        return f"{NO}, that is no request"

    def _has(self, index: str) -> bool:
        return index.isdecimal() and int(index) < len(self._keepers)

    async def _alone(self, job: Callable[[], Coroutine[Any, Any, str]]) -> str:
        if self._moving.locked():
            return f"{NO}, another drain or restart is under way: {self.status()}"
        async with self._moving:
            return await job()

    async def _restart_all(self) -> str:
        done = await self._roll()
        return f"{OK if done else NO}, {self.status()}"

    async def _restart(self, keeper: Keeper) -> str:
        done = await keeper.restart()
        return f"{OK if done else NO}, {self.status()}"

    async def _park(self, keeper: Keeper) -> str:
        if not {*self._indices(State.READY)} - {keeper.index}:
            return f"{NO}, no other shard is ready: {self.status()}"
        await keeper.park()
        dropped = drop_queued(self._group[keeper.index])
        log.info("shard_parked", shard=keeper.index, dropped=dropped)
        return f"{OK}, shard {keeper.index} is drained"


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def supervise(settings: Settings, count: int, arguments: Sequence[str]) -> str:
    """Run *count* shards as *settings* say; *arguments* are more flags for each.

    Returns what went wrong, in words, or nothing when it was told to leave. Raises
    ``OSError`` where the port can't be had.
    """
    server = settings.server
    group = bind_group(server.host, server.port, count, server.backlog)
    port = str(group[0].getsockname()[1])
    me = [sys.executable, "-m", "quizd", "serve", "--port", port, *arguments]
    pace = Pace(leave_s=settings.timeouts.drain_s + LEAVE_MARGIN_S)
    log.info("supervising", shards=count, address=f"{server.host}, port {port}")

    async def main() -> str:
        supervisor = Supervisor(
            group,
            lambda index: [*me, "--shard-index", str(index)],
            control_path(settings.data.dir),
            pace,
        )
        if await supervisor.run():
            return ""
        return _FAILED if supervisor.failed else _HOPELESS

    return asyncio.run(main())


def shard_count(asked: int | None, configured: int, redis_url: str) -> int:
    """Return how many shards to run: *asked* by flag, else *configured*.

    Where both leave it open, with ``None`` or zero, it is one per core if they can
    share sessions through Redis, otherwise one. Raises ``ValueError`` for several
    without Redis.
    """
    cores = len(os.sched_getaffinity(0)) if redis_url else 1
    count = asked or configured or cores
    if count > 1 and not redis_url:
        raise ValueError(
            f"redis.url: must be set to run {count} shards, which share their sessions "
            "through Redis (cluster.shards, --shards)"
        )
    return count
