"""The life of one shard: start, watch, start again, leave, stay away.

A shard that dies is started again at once, then after growing pauses. After
``Pace.loop_deaths`` deaths in a row, each within ``Pace.settled_s`` of its start, it is
in a *restart loop*: that is logged as an error, and from then on it is tried every
``Pace.slow_s`` or so. It is never given up, because what keeps a shard from living
often lies outside (Redis away, a full disk) and is put right while nobody looks; a try
every half a minute costs nothing.

A shard that hangs is silent. Who looks after it counts looks, not time: a supervisor
that was itself asleep has not listened, and wakes up to one look only.
"""

import asyncio
import random
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from quizd.log import get_logger
from quizd.supervisor.child import Child

SILENT_LOOKS = 2  # as many pass without a sign of life; the next one kills

log = get_logger(__name__)


class State(StrEnum):
    """What a shard is doing."""

    WAITING = "waiting"  # for its next start
    STARTING = "starting"
    READY = "ready"
    LEAVING = "leaving"
    PARKED = "parked"  # drained, and away until it is wanted again


@dataclass(frozen=True, slots=True)
class Pace:
    """Times in seconds, and how many deaths make a loop."""

    first_s: float = 0.1
    slow_s: float = 30.0
    settled_s: float = 60.0
    loop_deaths: int = 5
    leave_s: float = 15.0  # from SIGTERM to SIGKILL
    alive_s: float = 15.0  # between looks; signs of life come twice as often
    all_ready_s: float = 30.0  # then systemd is told of those that are
    handshake_s: float = 0.2  # for handshakes under way, before a shard is sent away

    def pause_s(self, deaths: int, chance: float) -> float:
        """Return the pause after *deaths* in a row; *chance*, in [0, 1), is jitter."""
        grown_s = self.first_s * 2 ** min(deaths - 1, 32)
        whole_s = self.slow_s if deaths >= self.loop_deaths else grown_s
        return min(whole_s, self.slow_s) * (1 + chance) / 2


class Keeper:
    """Keeps the shard *index* running; *changed* is called when its state changes."""

    def __init__(
        self,
        index: int,
        start: Callable[[int], Child],
        pace: Pace,
        changed: Callable[[], None],
    ) -> None:
        self.index = index
        self.state = State.WAITING
        self.wanted = True
        self.child: Child | None = None
        self._start = start
        self._pace = pace
        self._changed = changed
        self._starts = 0
        self._deaths = 0
        self._silent = 0  # looks since the last sign of life
        self._asked = False
        self._woken = asyncio.Event()
        self._news = asyncio.Event()

    @property
    def loops(self) -> bool:
        """Whether it has died too often to be tried again at once."""
        return self._deaths >= self._pace.loop_deaths

    # -- by itself -----------------------------------------------------------------

    async def run(self) -> None:
        """Keep it running until cancelled; a child that runs then is let be."""
        while True:
            await (self._live() if self.wanted else self._stay_away())

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        self._asked = False
        self._starts += 1
        self._silent = 0
        try:
            self.child = self._start(self.index)
        except OSError as error:  # too many processes, or no memory: both pass
            self._deaths += 1
            log.warning("shard_not_started", shard=self.index, why=str(error))
            await self._pause()
            return
        log.info("shard_started", shard=self.index, pid=self.child.pid)
        self._become(State.STARTING)
        code = await asyncio.shield(self.child.exited)
        self.child = None
        settled = loop.time() - began_s >= self._pace.settled_s
        if self._asked:
            self._deaths = 0
            log.info("shard_left", shard=self.index, code=code)
        else:
            self._deaths = 1 if settled else self._deaths + 1
            log.warning("shard_died", shard=self.index, code=code)
            await self._pause()

    async def _stay_away(self) -> None:
        self._become(State.PARKED)
        await self._rest(None)

    async def _pause(self) -> None:
        pause_s = self._pace.pause_s(self._deaths, random.random())  # noqa: S311 - spreads starts
        if self.loops:
            log.error(
                "shard_loops",
                shard=self.index,
                deaths=self._deaths,
                again_s=round(pause_s, 1),
            )
        self._become(State.WAITING)
        if self.wanted:
            await self._rest(pause_s)

    async def _rest(self, longest_s: float | None) -> None:
        self._woken.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), longest_s)

    def _become(self, state: State) -> None:
        self.state = state
        news, self._news = self._news, asyncio.Event()
        news.set()
        self._changed()

    # -- what the child says -------------------------------------------------------

    def is_ready(self) -> None:
        """Note that the shard serves."""
        if self.state is State.STARTING:
            self._become(State.READY)  # first: who reads the line may connect
            log.info("shard_ready", shard=self.index)

    def is_alive(self) -> None:
        """Note a sign of life, which only a shard that serves gives.

        So it stands for a READY that was lost: while nobody listens, few notices are
        queued (unix(7)).
        """
        self._silent = 0
        self.is_ready()

    def is_stopping(self) -> None:
        """Note that the shard leaves, whoever told it to."""
        if self.child is not None and self.state is not State.LEAVING:
            self.child.told = True
            self._become(State.LEAVING)

    # -- what others want ----------------------------------------------------------

    def look(self) -> None:
        """Kill a child that serves and was silent for more than ``SILENT_LOOKS``.

        One that starts or leaves gives no signs, and may take its time.
        """
        if self.child is None or self.state is not State.READY:
            return
        self._silent += 1
        if self._silent > SILENT_LOOKS:
            log.error("shard_hangs", shard=self.index, pid=self.child.pid)
            self.child.send(signal.SIGKILL)

    def wake(self) -> None:
        """Start a waiting shard now."""
        self._woken.set()

    async def leave(self, handshake_s: float = 0.0) -> None:
        """Have the child leave in peace, and wait; kill one that takes too long.

        *handshake_s* goes by before it is asked: connections that are being made for
        it when others stop being made reach it still.
        """
        child = self.child
        if child is None:
            return
        if self.state is not State.LEAVING:
            self._become(State.LEAVING)
        await asyncio.sleep(handshake_s)
        if self.child is child:  # not dead and followed by another meanwhile
            self._asked = True
        child.ask_to_leave()
        try:
            await asyncio.wait_for(asyncio.shield(child.exited), self._pace.leave_s)
        except TimeoutError:
            log.warning("shard_killed", shard=self.index, after_s=self._pace.leave_s)
            child.send(signal.SIGKILL)
            await asyncio.shield(child.exited)

    async def park(self) -> None:
        """Have it leave, and stay away until a restart."""
        self.wanted = False
        await self.leave(self._pace.handshake_s)
        self.wake()
        while self.state is not State.PARKED:
            await self._news.wait()

    async def restart(self) -> bool:
        """Have it leave if it is there, and start it; return whether it gets ready.

        Where it doesn't, it is tried again like one that has died.
        """
        before = self._starts
        self.wanted = True
        await self.leave(self._pace.handshake_s)
        self.wake()
        while self._starts == before or self.state is State.STARTING:
            await self._news.wait()
        return self.state is State.READY
