"""The implementations of the link, as its contract suite takes hold of them."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from typing import Any, Protocol

import pytest

from quizd.cluster.link import Link, Subscription
from quizd.cluster.link.line import Timing
from quizd.cluster.link.memory import MemoryHub, MemoryLink
from quizd.cluster.link.redis import RedisLink
from quizd.redis_client import RedisOptions
from tests.support.fault_proxy import FaultProxy, Faults
from tests.support.redis_server import PROGRAM, RedisServer
from tests.support.redis_topologies import (
    USER,
    a_cluster,
    a_guarded_server,
    a_sentinel_set,
    cut_off,
    running,
)

QUICK = Timing(
    heartbeat_s=0.1, backoff_first_s=0.01, backoff_most_s=0.05, refresh_s=0.1
)
"""So that tests that break things take no longer than need be."""

NOWHERE = "127.0.0.1:1"
SLICE_BYTES = 7

_numbers = itertools.count(1)


class Backend(Protocol):
    """Makes links of one implementation, all of them to the same place."""

    def make(self, **limits: int) -> Link:
        """Return a link that is not yet started."""
        ...

    def make_alone(self, **limits: int) -> Link:
        """Return a link to a place that is not there."""
        ...

    async def interrupt(self) -> None:
        """Break every connection; the place itself stays."""
        ...


class Memory:
    """Links of one hub."""

    def __init__(self) -> None:
        self._hub = MemoryHub()

    def make(self, **limits: int) -> Link:
        """Return a link to the hub."""
        return MemoryLink(self._hub, **limits)

    def make_alone(self, **limits: int) -> Link:
        """Return a link to a hub that is away."""
        hub = MemoryHub()
        hub.cut()
        return MemoryLink(hub, **limits)

    async def interrupt(self) -> None:
        """Be away for a moment."""
        self._hub.cut()
        self._hub.mend()


class Redis:
    """Links over servers whose connections *interrupt_port* can end."""

    def __init__(
        self, options: RedisOptions, alone: RedisOptions, ports: Callable[[], list[int]]
    ) -> None:
        self._options = options
        self._alone = alone
        self._ports = ports

    def make(self, **limits: int) -> Link:
        """Return a link of a shard of its own."""
        name = f"s{next(_numbers)}"
        return RedisLink(self._options, name, timing=QUICK, **limits)

    def make_alone(self, **limits: int) -> Link:
        """Return a link to a port on which nobody listens."""
        return RedisLink(self._alone, "alone", timing=QUICK, **limits)

    async def interrupt(self) -> None:
        """Have the servers close every connection."""
        for port in self._ports():
            await asyncio.to_thread(cut_off, port)


KINDS = ("memory", "single", "sliced", "cluster", "sentinel", "guarded")
"""``sliced``: pieces of 7 bytes each; ``guarded``: TLS, and a user who may little."""


class Servers:
    """What is running, each from the first time that it is asked for."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._running: dict[str, Any] = {}

    def get(self, kind: str) -> Any:  # noqa: ANN401 - each kind is another class
        """Return the servers of *kind*."""
        if kind not in self._running:
            if PROGRAM is None:
                pytest.skip("redis-server is missing")
            make: dict[str, Callable[[], Any]] = {
                "single": lambda: running(RedisServer()),
                "cluster": a_cluster,
                "sentinel": a_sentinel_set,
                "guarded": a_guarded_server,
            }
            self._running[kind] = self._stack.enter_context(make[kind]())
        return self._running[kind]


def _servers() -> Iterator[Servers]:
    """Return the servers that tests of a module share."""
    with ExitStack() as stack:
        yield Servers(stack)


servers_fixture = pytest.fixture(scope="module", name="servers")(_servers)


def _there(request: pytest.FixtureRequest, servers: Servers) -> tuple[str, Any]:
    """Return each kind in turn and what runs for it; no loop may run meanwhile."""
    kind = request.param
    if kind == "memory":
        return kind, None
    return kind, servers.get("single" if kind == "sliced" else kind)


there_fixture = pytest.fixture(params=KINDS, name="there")(_there)


@asynccontextmanager
async def _sliced(server: RedisServer) -> AsyncIterator[Backend]:
    async with FaultProxy(server.port) as proxy:
        proxy.faults = Faults(slice_bytes=SLICE_BYTES)
        url = f"redis://127.0.0.1:{proxy.port}"
        yield Redis(RedisOptions(url), NOBODY["single"], lambda: [server.port])


NOBODY = {
    "single": RedisOptions(f"redis://{NOWHERE}"),
    "cluster": RedisOptions(f"redis+cluster://{NOWHERE}"),
    "sentinel": RedisOptions(f"redis+sentinel://{NOWHERE}/none"),
    "guarded": RedisOptions(f"rediss://{NOWHERE}"),
}
"""Where nobody listens."""


def _direct(kind: str, there: Any) -> Backend:  # noqa: ANN401 - as Servers.get
    """Return the links of *kind*, without anything between."""
    options = guarded_options(there) if kind == "guarded" else RedisOptions(there.url)
    ports: dict[str, Callable[[], list[int]]] = {
        "single": lambda: [there.port],
        "cluster": lambda: list(there.ports),
        "sentinel": lambda: [there.master_port],
        "guarded": lambda: [there.server.port],
    }
    return Redis(options, NOBODY[kind], ports[kind])


def guarded_options(there: Any) -> RedisOptions:  # noqa: ANN401 - as Servers.get
    """Return the options with which a guarded server lets us in."""
    return RedisOptions(
        there.url,
        username=USER,
        password_file=str(there.password_file),
        tls_ca=str(there.files.authority),
        tls_certificate=str(there.files.certificate),
        tls_key=str(there.files.key),
    )


async def _backend(there: tuple[str, Any]) -> AsyncIterator[Backend]:
    """Return each implementation in turn."""
    kind, server = there
    if kind == "memory":
        yield Memory()
    elif kind == "sliced":
        async with _sliced(server) as sliced:
            yield sliced
    else:
        yield _direct(kind, server)


backend_fixture = pytest.fixture(name="backend")(_backend)


async def _pair(backend: Backend) -> AsyncIterator[tuple[Link, Link]]:
    """Return two running links."""
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(backend.make())
        two = await stack.enter_async_context(backend.make())
        yield one, two


pair_fixture = pytest.fixture(name="pair")(_pair)


def _channel(request: pytest.FixtureRequest) -> str:
    """Return a channel that no other test uses; its tag is a session's."""
    del request
    return f"quizd:{{s{next(_numbers)}}}:x"


channel_fixture = pytest.fixture(name="channel")(_channel)


class Taker:
    """Takes a channel: ``events`` are payloads, and None for each loss."""

    def __init__(self, link: Link, channel: str) -> None:
        self.events: list[bytes | None] = []
        self._news = asyncio.Event()
        self.subscription: Subscription = link.subscribe(
            channel, self._note, lambda: self._note(None)
        )

    def _note(self, event: bytes | None) -> None:
        self.events.append(event)
        self._news.set()

    @property
    def payloads(self) -> list[bytes]:
        """What has come."""
        return [event for event in self.events if event is not None]

    @property
    def losses(self) -> int:
        """How often it was told of a loss."""
        return self.events.count(None)

    async def until(self, is_so: Callable[[], object]) -> None:
        """Wait for an event after which *is_so*."""
        while not is_so():
            self._news.clear()
            await self._news.wait()

    async def got(self, count: int) -> list[bytes]:
        """Wait for *count* messages and return all that have come."""
        await self.until(lambda: len(self.payloads) >= count)
        return self.payloads

    async def lost(self, count: int) -> None:
        """Wait until it was told of *count* losses."""
        await self.until(lambda: self.losses >= count)


async def eventually(is_so: Callable[[], object]) -> None:
    """Wait until *is_so*, which tells nobody and has to be looked at."""
    while not is_so():  # noqa: ASYNC110
        await asyncio.sleep(0.002)


async def through(link: Link, channel: str, taker: Taker) -> None:
    """Publish until something arrives: either side may have been cut off."""
    before = len(taker.payloads)
    while len(taker.payloads) == before:
        link.publish(channel, b"on")
        await asyncio.sleep(0.005)


async def taking(link: Link, channel: str) -> Taker:
    """Return a taker that is ready."""
    taker = Taker(link, channel)
    await taker.subscription.ready
    return taker
