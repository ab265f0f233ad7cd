"""A connection that is kept: dialled, watched, given up when silent, dialled again.

How soon a dead server is noticed: every ``heartbeat_s`` a PING goes out, and a
connection on which nothing at all has come for ``misses`` heartbeats is given up. That
is ``(misses + 1) * heartbeat_s`` after the last byte at the latest. Heartbeats are
counted, not time: a process that stood still for a while first reads what has come.
"""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from quizd.cluster.link.base import Counters
from quizd.cluster.link.wire import Wire
from quizd.log import get_logger
from quizd.redis_client import RedisUnusable, explain

_log = get_logger(__name__)

Dial = Callable[[], Awaitable[Wire]]

TROUBLE = (OSError, TimeoutError, RedisUnusable)
"""What may come out of dialling and asking."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds, and heartbeats that may be missed; a failover is noticed by asking."""

    heartbeat_s: float = 0.5
    misses: int = 3
    backoff_first_s: float = 0.05
    backoff_most_s: float = 2.0
    refresh_s: float = 2.0
    drain_s: float = 1.0


class Backoff:
    """Pauses that double from first to most, each anywhere between half and whole.

    Without the dice, shards that lost the same server would all come back at once.
    """

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._next_s = timing.backoff_first_s

    def reset(self) -> None:
        """Begin again with the first."""
        self._next_s = self._timing.backoff_first_s

    async def pause(self) -> None:
        """Sleep for the next one."""
        pause_s = self._next_s * random.uniform(0.5, 1)  # noqa: S311 - no secret
        self._next_s = min(2 * self._next_s, self._timing.backoff_most_s)
        await asyncio.sleep(pause_s)


@dataclass(frozen=True, slots=True)
class Setup:
    """What a line is made of; *troubled* hears of each failure of it."""

    name: str
    dial: Dial
    counters: Counters
    timing: Timing
    troubled: Callable[[], None]


class Line(ABC):
    """Keeps one connection.

    ``wire`` is None while there is no connection. ``problem`` says what went wrong
    last, and is empty while all is well.
    """

    def __init__(self, setup: Setup) -> None:
        self.wire: Wire | None = None
        self.problem = ""
        self._setup = setup
        self._counters = setup.counters
        self._timing = setup.timing
        self._was_up = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to dial."""
        self._task = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Hang up; harmless when not started."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    @abstractmethod
    def _begin(self, wire: Wire) -> None:
        """Make use of a new connection."""

    @abstractmethod
    def _end(self) -> None:
        """Note that it has ended."""

    def _beat(self, wire: Wire) -> None:
        """Ask for a sign of life."""
        wire.ping()

    async def _keep(self) -> None:
        backoff = Backoff(self._timing)
        while True:
            try:
                await self._live(await self._setup.dial(), backoff)
            except TROUBLE as error:
                self.trouble(explain(error))
            except Exception as error:  # noqa: BLE001 - no bug may end it for good
                _log.exception("link_line_failed", line=self._setup.name)
                self.trouble(explain(error))
            await backoff.pause()

    async def _live(self, wire: Wire, backoff: Backoff) -> None:
        """Use a connection until it ends, which is always an exception."""
        self._counters.reconnects += self._was_up
        self._was_up = True
        self.wire = wire
        try:
            self._begin(wire)
            await self._watch(wire, backoff)
        finally:
            self.wire = None
            wire.abort()
            self._end()

    async def _watch(self, wire: Wire, backoff: Backoff) -> None:
        silent = 0
        while silent < self._timing.misses:
            wire.heard = False
            self._beat(wire)
            await asyncio.wait({wire.ended}, timeout=self._timing.heartbeat_s)
            if not wire.alive:
                raise _end_of(wire)
            silent += 1
            if wire.heard:
                silent = 0
                self.problem = ""
                backoff.reset()
        raise TimeoutError(f"was silent for {silent} heartbeats")

    def trouble(self, problem: str) -> None:
        """Note what is wrong; the same thing is logged once."""
        if problem != self.problem:
            self.problem = problem
            _log.warning("link_trouble", line=self._setup.name, problem=problem)
        self._setup.troubled()


def _end_of(wire: Wire) -> Exception:
    """Return why a wire has ended, as one of `TROUBLE`."""
    reason = wire.ended.result()
    if isinstance(reason, TROUBLE):
        return reason
    return ConnectionResetError(str(reason or "by the server"))
