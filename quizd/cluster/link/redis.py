"""The link over Redis pub/sub, on one server, a Sentinel's master or a Cluster."""

import asyncio
from contextlib import suppress
from functools import partial

from quizd.cluster.link.base import (
    QUEUE_BYTES,
    QUEUE_MESSAGES,
    Channel,
    Link,
)
from quizd.cluster.link.halves import Listener, Speaker
from quizd.cluster.link.line import TROUBLE, Setup, Timing
from quizd.cluster.link.outbox import Outbox
from quizd.cluster.link.routes import routes_to
from quizd.cluster.link.wire import Address
from quizd.log import get_logger
from quizd.redis_client import RedisOptions, explain, resolve

Place = tuple[Address, bool]
"""An address, and whether its pub/sub is sharded."""

_log = get_logger(__name__)


class Node:
    """One server as the link sees it; without an address a place to wait."""

    def __init__(
        self, place: Place | None, speaker: Speaker, listener: Listener
    ) -> None:
        self.place = place
        self.speaker = speaker
        self.listener = listener

    def start(self) -> None:
        """Connect, if it is known where."""
        if self.place is not None:
            self.speaker.start()
            self.listener.start()

    async def stop(self) -> None:
        """Hang up."""
        await self.speaker.stop()
        await self.listener.stop()

    @property
    def connected(self) -> bool:
        """Whether both halves are."""
        return self.speaker.wire is not None and self.listener.wire is not None


class RedisLink(Link):
    """A link whose connections are called ``quizd-<shard>-pub`` and ``-sub``.

    Each server has a queue of its own, with the ceilings given. Raises
    `RedisMisconfigured` when made with options that can't be right.
    """

    def __init__(
        self,
        options: RedisOptions,
        shard: str,
        *,
        timing: Timing = Timing(),  # noqa: B008 - frozen
        queue_messages: int = QUEUE_MESSAGES,
        queue_bytes: int = QUEUE_BYTES,
    ) -> None:
        super().__init__()
        self._timing = timing
        self._limits = {"max_messages": queue_messages, "max_bytes": queue_bytes}
        self._routes = routes_to(resolve(options), f"quizd-{shard}")
        self._nodes: dict[Place | None, Node] = {}
        self._homes: dict[Channel, Node] = {}
        self._problem = ""
        self._running = False
        self._stale = asyncio.Event()
        self._follower: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to connect and to follow the master or the slots."""
        self._running = True
        for node in self._nodes.values():
            node.start()
        for place in self._places():
            self._at(place)
        if self._routes.follows:
            self._follower = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Give what waits a moment to go out, then hang up; harmless when stopped."""
        if self._stopped:
            return
        self._stopped = True
        self._running = False
        if self._follower is not None:
            self._follower.cancel()
            with suppress(asyncio.CancelledError):
                await self._follower
        await asyncio.gather(*(one.speaker.drain() for one in self._nodes.values()))
        for channel in self._channels.values():
            channel.end()
        await asyncio.gather(*(one.stop() for one in self._nodes.values()))
        await asyncio.gather(*self._leaving)

    def publish(self, channel: str, payload: bytes) -> None:
        """Queue it at the server where the channel is."""
        if self._stopped:
            return
        self.counters.published += 1
        self.counters.published_bytes += len(payload)
        self._home(channel).speaker.publish(channel, payload)

    @property
    def connected(self) -> bool:
        """Whether all servers that there are have both connections."""
        nodes = self._nodes
        return any(nodes) and all(one.connected for at, one in nodes.items() if at)

    @property
    def waiting(self) -> tuple[int, int]:
        """What waits, at all servers."""
        boxes = [node.speaker.outbox for node in self._nodes.values()]
        return sum(map(len, boxes)), sum(box.queued_bytes for box in boxes)

    @property
    def problem(self) -> str:
        """What is wrong at the moment, in words; empty if nothing is known to be."""
        lines = [x for n in self._nodes.values() for x in (n.speaker, n.listener)]
        return "; ".join({one.problem for one in lines if one.problem}) or self._problem

    def _wanted(self, channel: Channel) -> None:
        home = self._homes[channel] = self._home(channel.name)
        home.listener.want(channel)

    def _unwanted(self, channel: Channel) -> None:
        self._homes.pop(channel).listener.drop(channel)

    # -- servers -------------------------------------------------------------------

    def _home(self, channel: str) -> Node:
        address = self._routes.address(channel)
        return self._at(None if address is None else (address, self._routes.sharded))

    def _places(self) -> set[Place]:
        return {(one, self._routes.sharded) for one in self._routes.addresses()}

    def _at(self, place: Place | None) -> Node:
        node = self._nodes.get(place)
        if node is None:
            node = self._nodes[place] = self._new_node(place)
            if self._running:
                node.start()
        return node

    def _new_node(self, place: Place | None) -> Node:
        address, sharded = place or ("", False)
        outbox = Outbox(self.counters, **self._limits)
        return Node(
            place,
            Speaker(self._setup(address, "pub"), outbox, sharded=sharded),
            Listener(self._setup(address, "sub"), sharded=sharded),
        )

    def _setup(self, address: Address, suffix: str) -> Setup:
        at = address if isinstance(address, str) else f"{address[0]}:{address[1]}"
        return Setup(
            name=f"{at} {suffix}",
            dial=partial(self._routes.dial, address, suffix),
            counters=self.counters,
            timing=self._timing,
            troubled=self._stale.set,
        )

    # -- following -----------------------------------------------------------------

    async def _follow(self) -> None:
        """Keep the routes: at intervals, and soon after any trouble."""
        while True:
            self._stale.clear()
            try:
                if await self._routes.refresh():
                    self._rerouted()
                self._problem = ""
            except TROUBLE as error:
                self._troubled(explain(error))
            except Exception as error:  # noqa: BLE001 - no bug may end it for good
                _log.exception("link_routes_failed")
                self._troubled(explain(error))
            await asyncio.sleep(self._timing.backoff_first_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timing.refresh_s):
                    await self._stale.wait()

    def _troubled(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            _log.warning("link_trouble", problem=problem)

    def _rerouted(self) -> None:
        """Bring channels and what waits to where they belong now.

        What waits keeps its order, and goes in before anything newer.
        """
        boxes = [node.speaker.outbox for node in self._nodes.values()]
        waiting = [message for box in boxes for message in box.take_all()]
        for channel, old in tuple(self._homes.items()):
            new = self._home(channel.name)
            if new is not old:
                self._homes[channel] = new
                old.listener.drop(channel)
                channel.break_off()
                new.listener.want(channel)
        for name, payload in waiting:
            self._home(name).speaker.publish(name, payload)
        self._forget_gone()

    def _forget_gone(self) -> None:
        places = self._places()
        for place in self._nodes.keys() - places:
            node = self._nodes.pop(place)
            task = asyncio.create_task(node.stop())
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        for place in places:
            self._at(place)
