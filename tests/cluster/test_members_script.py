"""The script that renews: who is dead, and what a member hears about itself.

Redis's clock cannot be moved. Instead the instants in the hash are moved back, which
is the same as time that passes.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import orjson
import pytest
from redis.asyncio import Redis, RedisCluster

from quizd.cluster import keys
from quizd.cluster.base import Member
from quizd.cluster.members_script import Register, Reply
from tests.support.redis_server import RedisServer, needs_redis

pytestmark = needs_redis

LEASE_MS = 60_000  # nothing that takes real time comes near it
STEP_MS = LEASE_MS // 4
KEEP_GONE_MS = 20 * LEASE_MS
A, B, C = (Member(shard, "1", "eu", f"{shard}:8080") for shard in "abc")
NEW_B = replace(B, instance="2")


@dataclass
class Hash:
    """The members in Redis, and what tests do to them."""

    client: Redis
    register: Register

    async def enter(self, *members: Member) -> list[Reply]:
        """Let all take their places; return what they are told."""
        return [await self.register.renew(member, 0) for member in members]

    async def fields(self) -> dict[str, dict[str, object]]:
        """Return everything that is stored."""
        stored = await self.client.hgetall(keys.MEMBERS)
        return {
            name.decode(): orjson.loads(value)
            for name, value in stored.items()
            if isinstance(name, bytes)
        }

    async def change(self, name: str, **values: object) -> None:
        """Write *values* into a field."""
        value = (await self.fields())[name] | values
        await self.client.hset(keys.MEMBERS, name, orjson.dumps(value))

    async def sleep(self, ms: int) -> None:
        """Let *ms* pass in which nobody does anything."""
        for name, value in (await self.fields()).items():
            moved = {
                key: instant - ms
                for key, instant in value.items()
                if isinstance(instant, int) and key in MOVED
            }
            await self.change(name, **moved)

    async def watch(self, ms: int, member: Member, born_ms: int) -> Reply:
        """Let *ms* pass in which *member* renews punctually; return the last answer."""
        for _ in range(ms // STEP_MS - 1):
            await self.sleep(STEP_MS)
            await self.register.renew(member, born_ms)
        await self.sleep(STEP_MS)
        return await self.register.renew(member, born_ms)


MOVED = {"alive_ms", "seen_ms", "since_ms"}


@pytest.fixture
async def members() -> AsyncIterator[Hash]:
    """An empty hash."""
    async with RedisServer() as server, Redis.from_url(server.url) as client:
        yield Hash(client, Register(client, LEASE_MS, KEEP_GONE_MS))


def shards(reply: Reply) -> str:
    """Return the shards that live, as one word."""
    return "".join(member.shard for member in reply.live)


class TestEntering:
    """A new instance takes its shard's place."""

    async def test_is_seen_by_all(self, members: Hash) -> None:
        """Who enters is told of all that are there, and they of it."""
        await members.enter(B)
        (reply,) = await members.enter(replace(A, leaving=True))
        assert not reply.evicted
        assert [replace(m, alive_ms=0) for m in reply.live] == [
            replace(A, leaving=True),
            B,
        ]
        seconds, _ = await members.client.time()
        assert all(0 <= seconds * 1000 + 999 - m.alive_ms < 5000 for m in reply.live)

    async def test_replaces_the_one_before(self, members: Hash) -> None:
        """The older instance is gone at once and hears of it; it changes nothing."""
        (old,) = await members.enter(B)
        (new,) = await members.enter(NEW_B)
        assert [member.owner for member in new.live] == ["b/2"]
        assert new.born_ms > old.born_ms
        stored = (await members.fields())["b"]
        evicted = await members.register.renew(B, old.born_ms)
        assert evicted.evicted
        assert (await members.fields())["b"] == stored
        assert not (await members.register.renew(NEW_B, new.born_ms)).evicted

    async def test_repeated_it_is_the_same_arrival(self, members: Hash) -> None:
        """An instance whose first answer was lost enters again as the same."""
        first, again = await members.enter(B, B)
        assert (again.born_ms, again.since_ms) == (first.born_ms, first.since_ms)

    async def test_an_old_one_does_not_come_back_into_a_wiped_hash(
        self, members: Hash
    ) -> None:
        """If Redis forgets both, the newer instance still wins."""
        (old,) = await members.enter(B)
        (new,) = await members.enter(NEW_B)
        await members.client.flushall()
        assert not (await members.register.renew(B, old.born_ms)).evicted
        back = await members.register.renew(NEW_B, new.born_ms)
        assert not back.evicted
        assert back.born_ms == new.born_ms
        assert (await members.register.renew(B, old.born_ms)).evicted


class TestMachines:
    """A place belongs to one machine while somebody lives there."""

    HERE, THERE = replace(B, machine="here"), replace(NEW_B, machine="there")

    async def test_another_one_is_told_and_changes_nothing(self, members: Hash) -> None:
        """It hears who has the place; who has it hears nothing."""
        (old,) = await members.enter(self.HERE)
        stored = (await members.fields())["b"]
        (reply,) = await members.enter(self.THERE)
        assert reply.taken_by is not None
        assert reply.taken_by.owner == "b/1"
        assert (await members.fields())["b"] == stored
        again = await members.register.renew(self.HERE, old.born_ms)
        assert not again.evicted
        assert not again.taken_by

    async def test_it_has_the_place_when_the_first_is_dead(self, members: Hash) -> None:
        """Who only asks watches as well: nobody else has to be there."""
        (old,) = await members.enter(self.HERE)
        last = await members.watch(LEASE_MS, self.THERE, 0)
        assert last.taken_by is not None
        assert last.dead == {"b"}
        (reply,) = await members.enter(self.THERE)
        assert not reply.taken_by
        assert [member.owner for member in reply.live] == ["b/2"]
        assert (await members.register.renew(self.HERE, old.born_ms)).evicted

    async def test_it_has_the_place_when_the_first_left(self, members: Hash) -> None:
        """Who gave the lease back has no machine."""
        await members.enter(self.HERE)
        await members.register.remove(self.HERE)
        (reply,) = await members.enter(self.THERE)
        assert not reply.taken_by

    @pytest.mark.parametrize("machines", ["here here", " here", "here ", " "])
    async def test_a_restart_waits_for_nobody(
        self, members: Hash, machines: str
    ) -> None:
        """Nor where one of them does not know its machine, as older versions."""
        first, then = machines.split(" ")
        await members.enter(replace(B, machine=first))
        (reply,) = await members.enter(replace(NEW_B, machine=then))
        assert not reply.taken_by
        assert [member.owner for member in reply.live] == ["b/2"]


class TestDeath:
    """Dead is who was silent for its lease while others were heard."""

    async def test_after_the_lease_and_not_before(self, members: Hash) -> None:
        """Just under a lease of silence is life, just over it is death."""
        a, _ = await members.enter(A, B)
        reply = await members.watch(LEASE_MS - STEP_MS, A, a.born_ms)
        assert shards(reply) == "ab"
        reply = await members.watch(2 * STEP_MS, A, a.born_ms)
        assert shards(reply) == "a"
        assert reply.dead == {"b"}

    async def test_each_has_its_own_lease(self, members: Hash) -> None:
        """A member is judged by the lease that it counts on itself."""
        a, _ = await members.enter(A, B)
        await members.change("b", lease_ms=3 * LEASE_MS)
        reply = await members.watch(2 * LEASE_MS, A, a.born_ms)
        assert shards(reply) == "ab"
        reply = await members.watch(LEASE_MS + STEP_MS, A, a.born_ms)
        assert shards(reply) == "a"

    @pytest.mark.parametrize("away_ms", [3 * STEP_MS, LEASE_MS, 100 * LEASE_MS])
    async def test_silence_does_not_count_while_nobody_was_heard(
        self, members: Hash, away_ms: int
    ) -> None:
        """After a time without any renewal everybody has a lease to come back."""
        a, _ = await members.enter(A, B)
        await members.watch(LEASE_MS - STEP_MS, A, a.born_ms)
        await members.sleep(away_ms)
        reply = await members.register.renew(A, a.born_ms)
        assert shards(reply) == "ab"
        assert reply.watched_ms < 1000
        reply = await members.watch(LEASE_MS - STEP_MS, A, a.born_ms)
        assert shards(reply) == "ab"
        reply = await members.watch(2 * STEP_MS, A, a.born_ms)
        assert shards(reply) == "a"

    async def test_another_run_of_redis_starts_anew(self, members: Hash) -> None:
        """A restart, however quick, gives everybody a lease to come back."""
        a, _ = await members.enter(A, B)
        await members.watch(LEASE_MS - STEP_MS, A, a.born_ms)
        await members.change(keys.WATCH, run="another")
        reply = await members.watch(LEASE_MS - STEP_MS, A, a.born_ms)
        assert shards(reply) == "ab"
        reply = await members.watch(3 * STEP_MS, A, a.born_ms)
        assert shards(reply) == "a"

    async def test_a_clock_that_was_set_back_starts_anew(self, members: Hash) -> None:
        """What lies in the future then counts as now, for the living and the dead."""
        a, _ = await members.enter(A, B)
        await members.sleep(-10 * LEASE_MS)
        reply = await members.register.renew(A, a.born_ms)
        assert reply.watched_ms < 1000
        assert [m.alive_ms for m in reply.live] == [reply.live[0].alive_ms] * 2
        reply = await members.watch(LEASE_MS + STEP_MS, A, a.born_ms)
        assert shards(reply) == "a"

    async def test_nobody_is_dead_in_a_wiped_hash(self, members: Hash) -> None:
        """Redis knows one again, and says that it has not watched for long."""
        a, _ = await members.enter(A, B)
        await members.watch(LEASE_MS // 2, A, a.born_ms)
        await members.client.flushall()
        reply = await members.register.renew(A, a.born_ms)
        assert shards(reply) == "a"
        assert reply.dead == frozenset()
        assert reply.watched_ms == 0

    async def test_works_where_redis_tells_nothing_of_itself(
        self, members: Hash
    ) -> None:
        """A user that may not ask for INFO has members all the same."""
        await members.client.acl_setuser("default", enabled=True, commands=["-info"])
        a, _ = await members.enter(A, B)
        reply = await members.watch(LEASE_MS + STEP_MS, A, a.born_ms)
        assert shards(reply) == "a"


class TestComingBack:
    """What an instance hears of itself after a silence."""

    async def test_undisturbed_if_nobody_spoke_the_verdict(self, members: Hash) -> None:
        """Silence in which nobody was heard changes nothing of its standing."""
        a, b = await members.enter(A, B)
        await members.sleep(10 * LEASE_MS)
        back = await members.register.renew(B, b.born_ms)
        assert back.since_ms == b.since_ms - 10 * LEASE_MS
        assert back.born_ms == b.born_ms
        assert (await members.register.renew(A, a.born_ms)).since_ms < a.since_ms

    async def test_since_now_if_it_was_declared_dead(self, members: Hash) -> None:
        """It lives again, and sees that it has been dead."""
        a, b = await members.enter(A, B)
        await members.watch(2 * LEASE_MS, A, a.born_ms)
        back = await members.register.renew(B, b.born_ms)
        assert shards(back) == "ab"
        assert back.since_ms >= b.since_ms
        assert back.born_ms == b.born_ms
        again = await members.register.renew(B, b.born_ms)
        assert again.since_ms == back.since_ms
        assert shards(await members.register.renew(A, a.born_ms)) == "ab"

    async def test_since_now_if_redis_has_forgotten(self, members: Hash) -> None:
        """Without its record nobody can say what was done meanwhile."""
        _, b = await members.enter(A, B)
        await members.sleep(STEP_MS)
        await members.client.hdel(keys.MEMBERS, "b")
        back = await members.register.renew(B, b.born_ms)
        assert back.since_ms >= b.since_ms
        assert back.born_ms == b.born_ms


class TestKeeping:
    """What is in the hash, and for how long."""

    async def test_the_dead_are_removed_in_the_end(self, members: Hash) -> None:
        """A dead shard's record goes after a long time, whoever renews then."""
        a, _, c = await members.enter(A, B, C)
        await members.watch(2 * LEASE_MS, A, a.born_ms)
        await members.register.renew(C, c.born_ms)
        assert "b" in await members.fields()
        await members.sleep(KEEP_GONE_MS)
        reply = await members.register.renew(C, c.born_ms)
        assert set(await members.fields()) == {"a", "c", keys.WATCH}
        assert shards(reply) == "ac"

    async def test_the_silent_are_not_removed_before_they_are_dead(
        self, members: Hash
    ) -> None:
        """After a long night in which nobody was heard, everybody is still there."""
        a, _ = await members.enter(A, B)
        await members.sleep(2 * KEEP_GONE_MS)
        assert shards(await members.register.renew(A, a.born_ms)) == "ab"
        assert "b" in await members.fields()

    async def test_what_is_no_record_is_thrown_away(self, members: Hash) -> None:
        """Nonsense in the hash costs nobody the lease."""
        sound = {"instance": "1", "alive_ms": 1, "lease_ms": 1}
        nonsense: dict[str, object] = {
            "text": "nothing",
            "list": [],
            "number": 1,
            "no such name!": sound,
            "no instance": {**sound, "instance": None},
            "odd": {**sound, "instance": "a b"},
            "timeless": {**sound, "alive_ms": "now"},
            "leaseless": {**sound, "lease_ms": None},
            keys.WATCH: "nothing",
        }
        for name, value in nonsense.items():
            text = value if value == "nothing" else orjson.dumps(value)
            assert isinstance(text, str | bytes)
            await members.client.hset(keys.MEMBERS, name, text)
        (reply,) = await members.enter(A)
        assert shards(reply) == "a"
        assert set(await members.fields()) == {"a", keys.WATCH}

    async def test_what_a_later_version_writes_stays(self, members: Hash) -> None:
        """Declaring somebody dead leaves fields alone that we don't know."""
        a, _ = await members.enter(A, B)
        await members.change("b", colour="red")
        await members.watch(2 * LEASE_MS, A, a.born_ms)
        stored = (await members.fields())["b"]
        assert (stored["colour"], stored["dead"]) == ("red", True)

    async def test_who_stops_removes_itself_only(self, members: Hash) -> None:
        """A record is removed by its own instance, never by the one before."""
        await members.enter(A, NEW_B)
        await members.register.remove(B)
        await members.register.remove(A)
        await members.register.remove(C)
        assert set(await members.fields()) == {"b", keys.WATCH}

    async def test_the_only_key_is_the_hash(self, members: Hash) -> None:
        """Nothing else is left in Redis, and it does not expire."""
        await members.enter(A, B)
        assert await members.client.keys("*") == [keys.MEMBERS.encode()]
        assert await members.client.pttl(keys.MEMBERS) == -1


async def test_clients_that_decode_and_clusters_will_do() -> None:
    """It does not matter how the client is set up or where the hash is."""
    async with RedisServer(cluster=True) as server:
        async with RedisCluster(host="127.0.0.1", port=server.port) as client:
            register = Register(client, LEASE_MS, KEEP_GONE_MS)
            reply = await register.renew(A, 0)
        async with Redis.from_url(server.url, decode_responses=True) as client:
            register = Register(client, LEASE_MS, KEEP_GONE_MS)
            assert shards(await register.renew(B, 0)) == "ab"
            assert (await register.renew(A, reply.born_ms)).born_ms == reply.born_ms
