"""A new owner gives back what earlier ones wrote, also where it has read none of it."""

import asyncio
from collections.abc import Callable

import pytest

from quizd.journal import Claim, Fenced, JournalUnavailable
from quizd.journal.redis import RedisJournal
from tests.journal.redis_stage import Owner, insist, process, wipe
from tests.support.redis_server import RedisServer, needs_redis, redis_fixture

pytestmark = needs_redis
redis = redis_fixture

PATIENCE_S = 20.0


async def until(condition: Callable[[], bool]) -> None:
    """Wait until *condition* is true; fail if that takes very long."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - conditions have no events
            await asyncio.sleep(0.005)


async def gathered(journal: RedisJournal) -> None:
    """Wait until nothing of an earlier owner is being read."""
    await until(lambda: journal._gathering._task is None)


async def claim_as_follower(journal: RedisJournal) -> Claim:
    """Claim the session as a shard does that has all of it: it reads from the end."""
    claim = await journal.claim("s", 0)
    assert [item async for item in journal.read("s", claim.last_index)] == []
    return claim


@pytest.mark.parametrize(
    ("trimmed", "saved"), [(0, 0), (0, 8), (5, 12), (12, 12), (20, 20)]
)
async def test_an_empty_redis_gets_back_what_an_earlier_owner_wrote(
    redis: RedisServer, trimmed: int, saved: int
) -> None:
    """All that was not trimmed, and the snapshot: only its claimer can know it."""
    async with process(redis) as first, process(redis, "b") as second:
        owner = Owner(first)
        await owner.create()
        await owner.append(19)
        for index in sorted({trimmed, saved} - {0}):
            parts = {f"q{index}": b"as of %d" % index}
            await first.save_snapshot("s", owner.term, index, parts)
        await first.trim("s", trimmed)
        before = await first.load_snapshot("s")
        owner.journal, owner.term = second, (await claim_as_follower(second)).term
        await owner.append()
        await gathered(second)
        await wipe(redis)
        await owner.append()
        found = [item async for item in second.read("s", trimmed)]
        assert found == owner.acknowledged[trimmed:]
        assert await second.load_snapshot("s") == before
        index = len(owner.acknowledged)
        await second.save_snapshot("s", owner.term, index, {"state": b"on"})
        assert await second.trim("s", index) == index


async def test_where_redis_is_away_it_is_read_later(redis: RedisServer) -> None:
    """A takeover in the middle of an outage is as safe as any, once that is over."""
    async with (
        process(redis) as first,
        process(redis, "b", timeout_s=0.2) as second,
    ):
        owner = Owner(first)
        await owner.create()
        await owner.append(9)
        owner.journal, owner.term = second, (await second.claim("s", 0)).term
        redis.pause()
        with pytest.raises(JournalUnavailable):  # as late as whoever reads is told so
            await second.position("s")
        assert second.held_bytes == 0
        redis.resume()
        await until(lambda: second.held_bytes == first.held_bytes)
        await wipe(redis)
        await owner.append()
        assert [item async for item in second.read("s")] == owner.acknowledged


async def test_reading_it_drops_nothing(redis: RedisServer) -> None:
    """Where there is no room, what is held of other sessions stays."""
    async with process(redis) as first, process(redis, "b", held_bytes=3000) as second:
        mine, taken = Owner(second, "t"), Owner(first)
        for owner in (mine, taken):
            await owner.create()
            await owner.append(9)
        await first.save_snapshot("s", taken.term, 5, {"state": b"5"})
        await second.claim("s", 0)
        await gathered(second)
        assert second.dropped == 0
        assert second.held_bytes > 2800
        await wipe(redis)
        await mine.append()
        assert [item async for item in second.read("t")] == mine.acknowledged


async def test_a_snapshot_without_room_is_left_out(redis: RedisServer) -> None:
    """It is not read again and again, and a loss is told when it comes to that."""
    async with process(redis) as first, process(redis, "b", held_bytes=3000) as second:
        owner = Owner(first)
        await owner.create()
        await first.save_snapshot("s", owner.term, 1, {"state": bytes(4000)})
        claim = await second.claim("s", 0)
        await gathered(second)
        assert second.held_bytes == 0
        await wipe(redis)
        with pytest.raises(Fenced, match="snapshot"):
            await insist(lambda: second.append("s", claim.term, 2, b"2"))


async def test_who_reads_is_stopped_with_the_journal(redis: RedisServer) -> None:
    """A server that hangs keeps nobody from stopping, and nothing is left behind."""
    async with process(redis) as first:
        owner = Owner(first)
        await owner.create()
        async with asyncio.timeout(3), process(redis, "b", timeout_s=10) as second:
            await second.claim("s", 0)
            redis.pause()
            await asyncio.sleep(0)
        redis.resume()
        assert second._gathering._task is None
        assert second.held_bytes == 0


async def test_what_was_taken_away_again_is_not_read(redis: RedisServer) -> None:
    """A session of somebody else by now takes no room here."""
    async with process(redis) as first, process(redis, "b") as second:
        owner = Owner(first)
        await owner.create()
        await owner.append(9)
        claim = await second.claim("s", 0)
        await first.claim("s", 0)
        with pytest.raises(Fenced):
            await second.append("s", claim.term, 11, b"late")
        await gathered(second)
        assert second.held_bytes == 0
