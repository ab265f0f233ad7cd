"""The lease in a thread: a busy loop keeps it, a dead one does not.

Redis is real, leases are short. Where a loop is to be busy, the test keeps it so until
what it waits for has happened elsewhere, with a bound that is far away.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from types import SimpleNamespace

import pytest
from redis.asyncio import Redis

from quizd.cluster import keys, lease
from quizd.cluster.base import ClusterUnavailable, LeaseGone, Member
from quizd.cluster.lease import LeaseThread
from quizd.cluster.members import Heed
from tests.support.redis_server import RedisServer, needs_redis, redis_fixture

pytestmark = needs_redis
redis = redis_fixture

LEASE_MS, RENEW_MS = 450, 100
PATIENCE_S = 20.0


class Shard:
    """One shard's lease, and what it was told."""

    def __init__(
        self, url: str, shard: str, instance: str = "1", machine: str = ""
    ) -> None:
        self.diary: list[str] = []
        self.gone: list[str] = []
        self.held_when_told: list[bool] = []
        self.turns: list[int] = []
        self.lease = LeaseThread(
            Redis.from_url(url, retry=None),
            Member(shard, instance, "eu", f"{shard}:1", machine=machine),
            lease_ms=LEASE_MS,
            renew_ms=RENEW_MS,
            heed=Heed(
                on_change=lambda changes: self.gone.extend(
                    member.owner for member in changes.gone
                ),
                on_lost=lambda: self._note("lost"),
                on_regained=lambda certain: self._note(f"regained {certain}"),
                on_evicted=lambda: self._note("evicted"),
            ),
        )

    def _note(self, what: str) -> None:
        self.diary.append(what)
        self.held_when_told.append(self.lease.holds())
        self.turns.append(threading.get_ident())

    @property
    def sees(self) -> str:
        """The live instances, as in ``a/1 b/1``."""
        return " ".join(member.owner for member in self.lease.live())


Start = Callable[..., Awaitable[Shard]]


@pytest.fixture
async def start(redis: RedisServer) -> AsyncIterator[Start]:
    """Start shards by their names; all are stopped in the end."""
    async with AsyncExitStack() as stack:

        async def begin(shard: str, instance: str = "1") -> Shard:
            made = Shard(redis.url, shard, instance)
            await made.lease.start()
            stack.push_async_callback(made.lease.stop)
            return made

        yield begin


def busy_until(condition: Callable[[], bool]) -> None:
    """Keep the loop from turning until *condition* is true."""
    until_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until_s


async def until(condition: Callable[[], bool]) -> None:
    """Wait until *condition* is true; fail if that takes very long."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - conditions have no events
            await asyncio.sleep(0.005)


async def test_a_loop_that_is_busy_keeps_its_lease(start: Start) -> None:
    """Three leases go by in one turn of the loop; nobody is told of any loss."""
    a, b = await start("a"), await start("b")
    await until(lambda: a.sees == b.sees == "a/1 b/1" and a.lease.settled)
    end_s = time.monotonic() + 3 * LEASE_MS / 1000
    held = True

    def over() -> bool:
        nonlocal held
        held &= a.lease.holds() and b.lease.holds()
        return time.monotonic() > end_s

    busy_until(over)
    assert held
    await asyncio.sleep(0)
    assert a.diary == b.diary == []
    assert a.gone == b.gone == []


async def test_a_loop_that_stands_still_loses_it(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is over while the loop stands; when it turns again, it is regained."""
    a = await start("a")
    await until(lambda: a.lease.settled)
    monkeypatch.setattr(lease, "STUCK_S", 0.3)
    busy_until(lambda: not a.lease.holds())
    assert a.diary == []
    await until(lambda: "lost" in a.diary)
    assert not a.held_when_told[0]
    await a.lease.held()
    assert [word.partition(" ")[0] for word in a.diary] == ["lost", "regained"]


async def test_what_is_regained_is_told_before_it_is_held(
    redis: RedisServer, start: Start
) -> None:
    """On the loop that started it; the last renewal before the loss is known."""
    a = await start("a")
    began_s = asyncio.get_running_loop().time()
    redis.pause()
    await until(lambda: a.diary == ["lost"])
    assert began_s - 2 * LEASE_MS / 1000 < a.lease.renewed_s < began_s + 1
    waiting = asyncio.create_task(a.lease.held())
    redis.resume()
    await waiting
    assert a.lease.holds()
    assert a.diary == ["lost", "regained True"]
    assert a.held_when_told == [False, False]
    assert set(a.turns) == {threading.get_ident()}


async def test_a_deadline_that_was_missed_by_nobody_keeps_nobody_waiting(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over for a moment, between a renewal's look and its end: that is no loss."""
    a = await start("a")
    looks = iter([False])
    monkeypatch.setattr(a.lease, "holds", lambda: next(looks, True))
    async with asyncio.timeout(PATIENCE_S):
        await a.lease.held()
    assert a.diary == []


async def test_a_new_instance_ends_the_old_one(start: Start) -> None:
    """The old one is told, holds nothing, and whoever waits for it hears so."""
    old = await start("a")
    new = await start("a", "2")
    await until(lambda: "evicted" in old.diary)
    assert not old.lease.holds()
    assert old.lease.me.leaving
    with pytest.raises(LeaseGone):
        await old.lease.held()
    assert not new.lease.me.leaving
    assert new.lease.holds()


async def test_stopping_wakes_whoever_waits(redis: RedisServer) -> None:
    """Nobody waits for a lease that was given back."""
    a = Shard(redis.url, "a")
    await a.lease.start()
    redis.pause()
    await until(lambda: not a.lease.holds())
    waiting = asyncio.create_task(a.lease.held())
    await asyncio.sleep(0)
    redis.resume()
    await a.lease.stop()
    with pytest.raises(LeaseGone):
        await waiting


async def test_without_redis_it_does_not_start(redis: RedisServer) -> None:
    """The failure is told, and no thread is left."""
    url = redis.url
    await redis.kill()
    before = threading.active_count()
    with pytest.raises(ClusterUnavailable):
        await Shard(url, "a").lease.start()
    assert threading.active_count() == before


async def test_refreshing_shows_who_has_just_joined(start: Start) -> None:
    """Before the next renewal is due, as soon as it is settled."""
    a = await start("a")
    for name in "bcd":
        await start(name)
        await a.lease.refresh()
        assert a.sees.endswith(f"{name}/1")
        assert a.lease.settled


async def test_a_callback_that_fails_costs_no_lease(
    redis: RedisServer, start: Start
) -> None:
    """What is called may raise; the lease is regained all the same."""
    a = await start("a")

    def fail(_: bool) -> None:
        raise RuntimeError("not our business")

    a.lease._heed = Heed(on_regained=fail)
    redis.pause()
    await until(lambda: not a.lease.holds())
    redis.resume()
    await a.lease.held()
    assert a.lease.holds()


async def test_a_start_that_is_given_up_leaves_nothing(
    redis: RedisServer, loop_errors: list[str]
) -> None:
    """Neither a task nor a record, at whatever moment the place gets free."""
    for late_s in (0.0, 0.05, 0.1, 0.15):
        there = Shard(redis.url, "a", "1", machine="there")
        await there.lease.start()
        here = Shard(redis.url, "a", "2", machine="here")
        starting = asyncio.create_task(here.lease.start())
        await asyncio.sleep(RENEW_MS / 1000)
        await there.lease.stop()
        await asyncio.sleep(late_s)
        starting.cancel()
        with suppress(asyncio.CancelledError):
            await starting
            await here.lease.stop()
        async with Redis.from_url(redis.url) as client:
            assert not await client.hexists(keys.MEMBERS, "a")
    assert not loop_errors


def test_before_the_start_nothing_is_held() -> None:
    """A shard that has not started may not act and knows nobody."""
    made = LeaseThread(
        SimpleNamespace(register_script=lambda _: None),  # type: ignore[arg-type]
        Member("a", "1", "eu", "a:1"),
    )
    assert not made.holds()
    assert made.live() == ()
    assert made.orphans([("s", "b/1")]) == []
