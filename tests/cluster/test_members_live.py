"""Members and their leases on a real Redis: deaths, outages, replacements.

Leases are short, and each wait is for a condition, with a bound that is far away.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from quizd.cluster import keys
from quizd.cluster.base import LeaseGone
from quizd.cluster.members import Heed, Member, Members
from tests.support.redis_server import RedisServer, needs_redis, redis_fixture

pytestmark = needs_redis
redis = redis_fixture

LEASE_MS, RENEW_MS = 450, 100
LEASE_S = LEASE_MS / 1000
PATIENCE_S = 20.0
CHILD = Path(__file__).with_name("lease_child.py")


class Shard:
    """One member with a client of its own, and what it was told."""

    def __init__(
        self,
        server: RedisServer,
        shard: str,
        instance: str = "1",
        *,
        lease_ms: int = LEASE_MS,
    ) -> None:
        self.diary: list[str] = []
        self.gone: list[str] = []
        self.client = Redis.from_url(server.url, retry=None)
        self.members = Members(
            self.client,
            Member(shard, instance, "eu", f"{shard}:1"),
            lease_ms=lease_ms,
            renew_ms=RENEW_MS,
            heed=Heed(
                on_change=lambda changes: self.gone.extend(
                    member.owner for member in changes.gone
                ),
                on_lost=lambda: self.diary.append("lost"),
                on_regained=lambda certain: self.diary.append(f"regained {certain}"),
                on_evicted=lambda: self.diary.append("evicted"),
            ),
        )

    @property
    def sees(self) -> str:
        """The live instances, as in ``a/1 b/1``."""
        return " ".join(member.owner for member in self.members.live())

    async def crash(self) -> None:
        """Fall silent without a word, as a process that was killed."""
        task = self.members._task
        assert task is not None
        while not task.done():
            task.cancel()  # a client may lose the first one
            await asyncio.sleep(0.001)


class Cluster:
    """Shards on one Redis; all that were started are stopped in the end."""

    def __init__(self, server: RedisServer, stack: AsyncExitStack) -> None:
        self.server = server
        self._stack = stack

    async def start(self, *names: str, lease_ms: int = LEASE_MS) -> list[Shard]:
        """Start shards one after the other; wait until each sees all of them."""
        shards = [
            Shard(self.server, *name.split("/"), lease_ms=lease_ms) for name in names
        ]
        for shard in shards:
            await shard.members.start()
            self._stack.push_async_callback(shard.client.aclose)
            self._stack.push_async_callback(shard.members.stop)
        everybody = " ".join(names)
        await until(lambda: all(shard.sees == everybody for shard in shards))
        await until(lambda: all(shard.members.settled for shard in shards))
        return shards


@pytest.fixture
async def cluster(redis: RedisServer) -> AsyncIterator[Cluster]:
    """An empty cluster."""
    async with AsyncExitStack() as stack:
        yield Cluster(redis, stack)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until *condition* is true; fail if that takes very long."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - conditions have no events
            await asyncio.sleep(0.005)


def now_s() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


class TestComingAndGoing:
    """Shards that start, stop, leave and die."""

    async def test_all_see_all(self, cluster: Cluster) -> None:
        """Three shards see each other, agree on the ring, and hold their leases."""
        shards = await cluster.start("a/1", "b/1", "c/1")
        assert {shard.sees for shard in shards} == {"a/1 b/1 c/1"}
        assert {shard.members.ring().shards for shard in shards} == {("a", "b", "c")}
        assert all(shard.members.holds() for shard in shards)

    async def test_a_dead_shard_is_gone_after_its_lease(self, cluster: Cluster) -> None:
        """Others declare it dead, but only when it cannot think that it may act."""
        a, b, c = await cluster.start("a/1", "b/1", "c/1")
        entries = [(f"s{n}", f"{'abc'[n % 3]}/1") for n in range(60)]
        await b.crash()
        while b.members.holds():
            assert a.sees == c.sees == "a/1 b/1 c/1"
            await asyncio.sleep(0.005)
        await until(lambda: a.sees == c.sees == "a/1 c/1")
        assert a.gone == c.gone == ["b/1"]
        taken = a.members.orphans(entries) + c.members.orphans(entries)
        assert sorted(taken) == sorted(s for s, owner in entries if owner == "b/1")
        assert b.members.orphans(entries) == []

    async def test_a_stopped_shard_is_gone_at_once(self, cluster: Cluster) -> None:
        """Who gives its lease back is not waited for."""
        a, b = await cluster.start("a/1", "b/1")
        began_s = now_s()
        await b.members.stop()
        await until(lambda: a.sees == "a/1")
        assert now_s() - began_s < LEASE_S
        assert a.members.orphans([("s", "b/1")]) == ["s"]

    async def test_a_leaving_shard_lives_but_gets_nothing(
        self, cluster: Cluster
    ) -> None:
        """Others still reach it and leave it what it has, outside of the ring."""
        a, b = await cluster.start("a/1", "b/1")
        await b.members.leave()
        await until(lambda: a.members.ring().shards == ("a",))
        assert a.sees == "a/1 b/1"
        assert a.members.orphans([("s", "b/1")]) == []
        assert b.members.holds()

    async def test_a_shard_that_joins_takes_nothing(self, cluster: Cluster) -> None:
        """Placement is sticky: what has a live owner stays where it is."""
        (a,) = await cluster.start("a/1")
        b = Shard(cluster.server, "b")
        await b.members.start()
        await until(lambda: a.sees == "a/1 b/1" and b.members.settled)
        entries = [(f"s{n}", "a/1") for n in range(50)]
        assert a.members.orphans(entries) == b.members.orphans(entries) == []
        await b.members.stop()
        await b.client.aclose()


class TestReplacing:
    """A new instance of a shard."""

    async def test_the_old_one_is_told_and_ends(self, cluster: Cluster) -> None:
        """The new one has the place at once; the old one finds out and gives up."""
        a, old = await cluster.start("a/1", "b/1")
        new = Shard(cluster.server, "b", "2")
        await new.members.start()
        await until(lambda: "evicted" in old.diary)
        assert old.diary == ["lost", "evicted"]
        assert not old.members.holds()
        with pytest.raises(LeaseGone):
            await old.members.held()
        await until(lambda: a.sees == "a/1 b/2")
        assert a.gone == ["b/1"]
        await old.members.stop()
        assert new.members.holds()
        await asyncio.sleep(2 * RENEW_MS / 1000)
        assert (new.diary, a.sees) == ([], "a/1 b/2")
        await new.members.stop()
        await new.client.aclose()

    async def test_an_old_one_in_a_wiped_redis_stays_replaced(
        self, cluster: Cluster
    ) -> None:
        """If Redis forgets everybody, the newer instance is still the one."""
        (old,) = await cluster.start("b/1")
        new = Shard(cluster.server, "b", "2")
        await new.members.start()
        await new.client.flushall()
        await until(lambda: "evicted" in old.diary)
        await asyncio.sleep(2 * RENEW_MS / 1000)
        assert new.diary == []
        assert new.members.holds()
        await new.members.stop()
        await new.client.aclose()


async def _kill(server: RedisServer) -> None:
    await server.kill()


async def _pause(server: RedisServer) -> None:
    server.pause()


async def _start(server: RedisServer) -> None:
    await server.start()


async def _start_empty(server: RedisServer) -> None:
    server.wipe()
    await server.start()


async def _resume(server: RedisServer) -> None:
    server.resume()


OUTAGES = {
    "killed": (_kill, _start),
    "killed and wiped": (_kill, _start_empty),
    "paused": (_pause, _resume),
}


@pytest.mark.parametrize("outage", OUTAGES)
class TestOutage:
    """Redis away, and back."""

    async def test_nobody_dies_of_it(self, cluster: Cluster, outage: str) -> None:
        """All lose their leases and have them back; nobody is ever missed."""
        away, back = OUTAGES[outage]
        shards = await cluster.start("a/1", "b/1", "c/1")
        await away(cluster.server)
        await until(lambda: all(shard.diary == ["lost"] for shard in shards))
        await asyncio.sleep(2 * LEASE_S)
        assert not any(shard.members.holds() for shard in shards)
        assert {shard.sees for shard in shards} == {"a/1 b/1 c/1"}
        await back(cluster.server)
        for shard in shards:
            await asyncio.wait_for(shard.members.held(), PATIENCE_S)
        certain = outage != "killed and wiped"
        assert all(s.diary == ["lost", f"regained {certain}"] for s in shards)
        await until(lambda: all(shard.members.settled for shard in shards))
        assert {shard.sees for shard in shards} == {"a/1 b/1 c/1"}
        assert [shard.gone for shard in shards] == [[], [], []]

    async def test_who_died_meanwhile_is_missed_after_a_lease(
        self, cluster: Cluster, outage: str
    ) -> None:
        """One that does not come back is dead a whole lease after Redis is back."""
        away, back = OUTAGES[outage]
        a, b = await cluster.start("a/1", "b/1")
        await away(cluster.server)
        await b.crash()
        await until(lambda: a.diary == ["lost"])
        await asyncio.sleep(2 * LEASE_S)
        before_s = now_s()
        await back(cluster.server)
        await asyncio.wait_for(a.members.held(), PATIENCE_S)
        assert a.sees == "a/1 b/1"
        assert a.members.orphans([("s", "b/1")]) == []
        await until(lambda: a.sees == "a/1")
        assert now_s() - before_s >= LEASE_S
        assert a.members.orphans([("s", "b/1")]) == ["s"]


async def test_a_wiped_hash_costs_nothing(cluster: Cluster) -> None:
    """Members whose records vanish write them again, and nobody notices."""
    a, b = await cluster.start("a/1", "b/1", lease_ms=4 * LEASE_MS)
    for _ in range(3):
        await a.client.delete(keys.MEMBERS)
        await until(lambda: not a.members.settled)
        await until(lambda: a.members.settled and b.members.settled)
    assert a.sees == b.sees == "a/1 b/1"
    assert a.diary == b.diary == a.gone == b.gone == []


async def test_a_newcomer_in_a_wiped_redis_takes_nothing_too_early(
    cluster: Cluster,
) -> None:
    """Who knows nobody waits a lease before it takes anything over."""
    (a,) = await cluster.start("a/1")
    await a.client.flushall()
    b = Shard(cluster.server, "b")
    await b.members.start()
    assert b.members.orphans([("s", "a/1"), ("t", "z/1")]) == []
    await until(lambda: b.members.settled)
    assert b.members.orphans([("s", "a/1")]) == []
    await b.members.stop()
    await b.client.aclose()


# -- processes that are stopped ------------------------------------------------------


class Child:
    """`lease_child.py` as a process, and the lines that it says."""

    def __init__(self, process: Process) -> None:
        self.process = process

    async def hears(self) -> str:
        """Return the next line; what is logged beside is left out."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            async for line in self.process.stdout:
                if line.startswith(b"> "):
                    return line[2:].decode().strip()
        raise EOFError("the process has ended")

    async def lines(self, number: int) -> list[str]:
        """Return the next *number* lines."""
        return [await self.hears() for _ in range(number)]

    def stop(self) -> None:
        """Let it stand still (SIGSTOP), in the middle of a turn of its loop."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"stop\n")

    def go_on(self) -> None:
        """Let it go on (SIGCONT)."""
        self.process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def child(server: RedisServer, shard: str, instance: str) -> AsyncIterator[Child]:
    """Run a member in a process of its own."""
    words = [server.url, shard, instance, str(LEASE_MS), str(RENEW_MS)]
    path = os.pathsep.join(path for path in sys.path if path)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(CHILD),
        *words,
        env={**os.environ, "PYTHONPATH": path},
        stdin=PIPE,
        stdout=PIPE,
    )
    try:
        one = Child(process)
        assert await one.hears() == "started True"
        yield one
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class TestStoppedProcess:
    """SIGSTOP past the lease, then SIGCONT."""

    async def test_wakes_up_without_its_lease(self, cluster: Cluster) -> None:
        """It holds nothing at first, then holds again, and knows that it was dead."""
        (a,) = await cluster.start("a/1")
        async with child(cluster.server, "b", "1") as b:
            await until(lambda: a.sees == "a/1 b/1")
            b.stop()
            await until(lambda: a.sees == "a/1")
            assert a.members.orphans([("s", "b/1")]) == ["s"]
            b.go_on()
            assert await b.lines(3) == ["woke up False", "lost", "regained False"]
            await until(lambda: a.sees == "a/1 b/1")
            assert a.members.orphans([("s", "b/1")]) == []

    async def test_wakes_up_replaced(self, cluster: Cluster) -> None:
        """If its place was taken meanwhile, it never holds again."""
        (a,) = await cluster.start("a/1")
        async with child(cluster.server, "b", "1") as old:
            old.stop()
            async with child(cluster.server, "b", "2"):
                await until(lambda: a.sees == "a/1 b/2")
                await asyncio.sleep(LEASE_S)
                old.go_on()
                assert await old.lines(3) == ["woke up False", "lost", "evicted"]
                assert a.sees == "a/1 b/2"

    async def test_stopped_with_everybody_else_nothing_was_taken(
        self, cluster: Cluster
    ) -> None:
        """If nobody was awake to declare it dead, it goes on as before."""
        async with (
            child(cluster.server, "a", "1") as a,
            child(cluster.server, "b", "1") as b,
        ):
            a.stop()
            b.stop()
            await asyncio.sleep(2 * LEASE_S)
            a.go_on()
            b.go_on()
            for one in (a, b):
                assert await one.lines(3) == ["woke up False", "lost", "regained True"]

    async def test_killed_it_is_gone(self, cluster: Cluster) -> None:
        """A process that was killed is dead a lease later, and back when it starts."""
        (a,) = await cluster.start("a/1")
        async with child(cluster.server, "b", "1") as b:
            await until(lambda: a.sees == "a/1 b/1")
            b.process.kill()
            await until(lambda: a.sees == "a/1")
        async with child(cluster.server, "b", "2"):
            await until(lambda: a.sees == "a/1 b/2")
        assert a.gone == ["b/1"]
