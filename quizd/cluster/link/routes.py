"""Where the messages of a channel go: to the server, the master, or a slot's primary.

A Cluster whose version knows sharded pub/sub (7.0) has each channel on the primary of
its slot. An older one sends every message to every node anyway, so that one node will
do; what its nodes lose among themselves nobody can tell.
"""

import binascii
import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from functools import lru_cache

from quizd.cluster.link.line import TROUBLE
from quizd.cluster.link.wire import Address, Command, Reply, Wire, demand, dial
from quizd.redis_client import (
    Host,
    Login,
    Mode,
    RedisUnusable,
    Target,
    explain,
    said_hello,
)

SLOTS = 16_384
"""Of a Redis Cluster, by its specification."""


class Routes(ABC):
    """A table of addresses; *name* is what its own connections are called."""

    sharded = False
    follows = True

    def __init__(self, target: Target, name: str) -> None:
        self._target = target
        self._name = name

    @abstractmethod
    def address(self, channel: str) -> Address | None:
        """Return where *channel* is, None if that is not known yet."""

    @abstractmethod
    def addresses(self) -> set[Address]:
        """Return all that :meth:`address` may name."""

    @abstractmethod
    async def refresh(self) -> bool:
        """Ask again; return whether something has changed.

        Raises `RedisUnusable` if nobody answers.
        """

    async def dial(self, address: Address, suffix: str) -> Wire:
        """Return a connection to a server that may be spoken to; errors are dial's."""
        return await self._open(address, self._target.login, suffix)

    async def _open(self, address: Address, login: Login, suffix: str) -> Wire:
        target = self._target
        name = f"{self._name}-{suffix}"
        return await dial(address, target.tls, login, name, target.timeout_s)

    async def _ask(
        self, hosts: Iterable[Host], login: Login, *commands: Command
    ) -> tuple[Host, list[Reply]]:
        """Return who of *hosts* answered first, in their order, and what."""
        problems = []
        for host in hosts:
            try:
                wire = await self._open(host, login, "routes")
                try:
                    timeout_s = self._target.timeout_s
                    return host, await demand(wire, commands, timeout_s=timeout_s)
                finally:
                    wire.abort()
            except TROUBLE as error:
                problems.append(f"{host[0]}:{host[1]} {explain(error)}")
        raise RedisUnusable("; ".join(problems))


class OneServer(Routes):
    """Everything is at one address, which never changes."""

    follows = False

    def address(self, channel: str) -> Address | None:
        """Return the server, whatever the channel."""
        del channel
        return self._target.path or self._target.hosts[0]

    def addresses(self) -> set[Address]:
        """Return the server."""
        return {self._target.path or self._target.hosts[0]}

    async def refresh(self) -> bool:
        """Nothing can change."""
        return False


class SentinelMaster(Routes):
    """Everything is at the master that the Sentinels name."""

    def __init__(self, target: Target, name: str) -> None:
        super().__init__(target, name)
        self._sentinels = list(target.hosts)
        self._master: Host | None = None

    def address(self, channel: str) -> Address | None:
        """Return the master, whatever the channel."""
        del channel
        return self._master

    def addresses(self) -> set[Address]:
        """Return the master."""
        return {self._master} if self._master else set()

    async def refresh(self) -> bool:
        """Ask the Sentinels; the one that answered is asked first the next time."""
        service = self._target.service
        query = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)
        sentinel, (reply,) = await self._ask(
            tuple(self._sentinels), self._target.sentinel_login, query
        )
        self._sentinels.sort(key=lambda one: one != sentinel)
        if reply is None:
            raise RedisUnusable(f"its Sentinels know no service {service!r}")
        before, self._master = self._master, (reply[0].decode(), int(reply[1]))
        return self._master != before

    async def dial(self, address: Address, suffix: str) -> Wire:
        """Return a connection, if what answers thinks of itself as the master."""
        wire = await super().dial(address, suffix)
        try:
            timeout_s = self._target.timeout_s
            (role,) = await demand(wire, [("ROLE",)], timeout_s=timeout_s)
        except BaseException:
            wire.abort()
            raise
        if role[0] != b"master":
            wire.abort()
            raise RedisUnusable("is not the master any more")
        return wire


class ClusterNodes(Routes):
    """Each channel is at the primary of its slot, or all at one where that will do."""

    def __init__(self, target: Target, name: str) -> None:
        super().__init__(target, name)
        self._slots: list[Host | None] = [None] * SLOTS
        self._primaries: set[Address] = set()

    def address(self, channel: str) -> Address | None:
        """Return the primary of the channel's slot."""
        return self._slots[slot(channel)]

    def addresses(self) -> set[Address]:
        """Return all primaries that have slots."""
        return self._primaries

    async def refresh(self) -> bool:
        """Ask any node, those of the last answer first."""
        host, replies = await self._ask(
            self._candidates(), self._target.login, ("HELLO",), ("CLUSTER", "SLOTS")
        )
        hello, ranges = replies
        self.sharded = said_hello(hello, Mode.CLUSTER).has_sharded_pubsub
        slots = _table(ranges, host)
        if not self.sharded:
            slots = [self._one_of(slots)] * SLOTS
        changed = slots != self._slots
        self._slots = slots
        self._primaries = {one for one in slots if one is not None}
        return changed

    def _candidates(self) -> Iterator[Host]:
        known = [one for one in self._primaries if not isinstance(one, str)]
        random.shuffle(known)
        yield from known
        yield from (one for one in self._target.hosts if one not in self._primaries)

    def _one_of(self, slots: list[Host | None]) -> Host | None:
        """Return the one that serves all channels, the same as before if possible."""
        primaries = sorted({one for one in slots if one is not None})
        if self._slots[0] in primaries:
            return self._slots[0]
        return random.choice(primaries) if primaries else None  # noqa: S311


def _table(ranges: list[Reply], asked: Host) -> list[Host | None]:
    """Return the primary of each slot from the reply to CLUSTER SLOTS.

    A node that does not know its own address leaves it out: it is who was *asked*.
    """
    slots: list[Host | None] = [None] * SLOTS
    for first, last, primary, *_ in ranges:
        name = primary[0].decode() if primary[0] else asked[0]
        host = (name, primary[1])
        slots[first : last + 1] = [host] * (last + 1 - first)
    return slots


@lru_cache(maxsize=65_536)
def slot(channel: str) -> int:
    """Return a channel's slot: CRC16 (XMODEM) of its hash tag, if it has one.

    https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
    """
    raw = channel.encode()
    start = raw.find(b"{")
    end = raw.find(b"}", start + 1)
    if start >= 0 and end > start + 1:
        raw = raw[start + 1 : end]
    return binascii.crc_hqx(raw, 0) % SLOTS


def routes_to(target: Target, name: str) -> Routes:
    """Return the routes of *target*'s kind."""
    kinds: dict[Mode, type[Routes]] = {
        Mode.SINGLE: OneServer,
        Mode.SENTINEL: SentinelMaster,
        Mode.CLUSTER: ClusterNodes,
    }
    return kinds[target.mode](target, name)
