"""The journal on Redis: its keys, its groups, what it holds, what it tells."""

import asyncio
import random

import pytest
import uvloop

from quizd.journal import JournalUnavailable, chain
from quizd.journal.redis import COMPARE_EVERY, RedisJournal
from quizd.journal.redis_health import survey
from quizd.journal.redis_keys import Keys
from quizd.journal.redis_lane import GROUP_REQUESTS
from quizd.journal.redis_script import SCRIPT
from quizd.journal.redis_track import Held, Kept
from tests.journal.redis_stage import Owner, client_of, insist, log, process, wipe
from tests.support.redis_server import RedisServer, needs_redis, redis_fixture

redis = redis_fixture


@needs_redis
class TestKeys:
    """What other programs find in Redis."""

    async def test_are_those_that_are_documented(self, redis: RedisServer) -> None:
        """One session has three keys of one slot; the rest belongs to all."""
        async with process(redis) as journal:
            owner = Owner(journal)
            await owner.create()
            await journal.create("t", "q", "1", b"1", 0)
            await journal.save_snapshot("s", owner.term, 1, {"state": b"x"})
            await journal.renew(0)
            await journal.finish("s", owner.term)
            client = client_of(redis)
            keys = set(await client.keys())
            await client.aclose()
        assert keys == {
            b"quizd:{s}:meta",
            b"quizd:{s}:log",
            b"quizd:{s}:snapshot",
            b"quizd:{t}:meta",
            b"quizd:{t}:log",
            b"quizd:sessions",
            b"quizd:sessions:ended",
            b"quizd:alive",
        }

    async def test_an_entry_is_named_by_term_and_index(
        self, redis: RedisServer
    ) -> None:
        """The stream holds each batch with the hash of the log up to it."""
        client = client_of(redis)
        async with process(redis) as journal:
            term = await journal.create("s", "q", "1", b"one", 0)
            later = (await journal.claim("s", 0)).term
            await journal.append("s", later, 2, b"two")
            entries = await client.xrange("quizd:{s}:log")
        await client.aclose()
        one = chain(b"", b"one")
        assert entries == [
            (f"{term}-1".encode(), {b"h": one, b"b": b"one"}),
            (f"{later}-2".encode(), {b"h": chain(one, b"two"), b"b": b"two"}),
        ]

    async def test_a_removed_session_leaves_a_mark_that_goes(
        self, redis: RedisServer
    ) -> None:
        """Only the note that it was removed stays, for a day."""
        async with process(redis) as journal:
            term = await journal.create("s", "q", "1", b"one", 0)
            await journal.finish("s", term)
            await journal.forget("s")
        client = client_of(redis)
        assert set(await client.keys("*s}*")) == {b"quizd:{s}:gone"}
        assert 0 < await client.pttl("quizd:{s}:gone") <= 86_400_000
        await client.aclose()


@needs_redis
class TestRestore:
    """What the script gives back, and what it does not touch."""

    @pytest.mark.parametrize(
        ("term", "behind", "before", "answer"),
        [
            (0, 1, chain(b"", b"one"), b"ok"),
            (0, 1, b"\0" * 8, b"moved"),
            (0, 0, b"", b"moved"),
            (0, 2, chain(b"", b"one"), b"moved"),
            (-1, 1, chain(b"", b"one"), b"term"),
            (+1, 1, chain(b"", b"one"), b"ok"),
        ],
    )
    async def test_only_goes_on_from_what_is_there(
        self, redis: RedisServer, term: int, behind: int, before: bytes, answer: bytes
    ) -> None:
        """The term must not be an earlier one, and index and hash must be the log's."""
        client = client_of(redis)
        async with process(redis) as journal:
            term += await journal.create("s", "q", "1", b"one", 0)
            entry, position = await journal.entry("s"), await journal.position("s")
            who = ("b", "b/1", term, "q", "1", 7, 0)
            batch = (term, 2, chain(before, b"two"), b"two")
            words = ("restore", term, *who, behind, before, 0, b"", 0, *batch)
            keys = Keys("quizd").of("s")
            reply = await client.eval(SCRIPT, len(keys), *keys, *words)
            assert reply[0] == answer
            if answer == b"ok":
                assert await log(journal) == [(1, b"one"), (2, b"two")]
                assert (await journal.entry("s")).term == term
            else:
                assert await log(journal) == [(1, b"one")]
                assert await journal.entry("s") == entry
                assert await journal.position("s") == position
        await client.aclose()


@needs_redis
class TestGroups:
    """How many round trips there are is decided by what waits."""

    async def test_a_large_group_is_split(self, redis: RedisServer) -> None:
        """More requests than one round trip takes are served by the next one."""
        async with process(redis) as journal:
            owners = [Owner(journal, f"s{n}") for n in range(GROUP_REQUESTS + 50)]
            await asyncio.gather(*(owner.create() for owner in owners))
            before = journal.commits
            redis.pause()
            tasks = [asyncio.create_task(owner.append()) for owner in owners]
            await asyncio.sleep(0)
            redis.resume()
            await asyncio.gather(*tasks)
            assert 2 <= journal.commits - before <= 3

    def test_runs_on_uvloop(self) -> None:
        """The loop that the server uses serves the journal as well."""

        async def play() -> list[tuple[int, bytes]]:
            async with RedisServer() as server, process(server) as journal:
                owner = Owner(journal)
                await owner.create()
                await owner.append(3)
                assert await log(journal) == owner.acknowledged
                return owner.acknowledged

        assert len(uvloop.run(play())) == 4

    async def test_a_cluster_gives_back_as_well(self) -> None:
        """Keys in different slots make no difference to what is repaired."""
        async with RedisServer(cluster=True) as server, process(server) as journal:
            owners = [Owner(journal, name) for name in "abcd"]
            for owner in owners:
                await owner.create()
                await owner.append(5)
            await wipe(server)
            await insist(lambda: journal.renew(0))
            for owner in owners:
                await owner.append()
                assert await log(journal, owner.session_id) == owner.acknowledged
            assert len(await journal.sessions()) == 4


class TestHeld:
    """What is held for a Redis that may lose it."""

    def test_never_exceeds_its_limit(self) -> None:
        """Random puts and discards: the oldest goes first, and bytes add up."""
        seed = random.randrange(2**32)
        print(f"{seed=}")
        rng = random.Random(seed)
        held = Held(limit_bytes=5_000)
        for _ in range(2_000):
            name = rng.choice("ab")
            key = rng.randrange(30) if rng.random() < 0.5 else "part"
            match rng.randrange(4):
                case 0:
                    held.discard(name, key)
                case 1:
                    held.discard_through(name, rng.randrange(10))
                case _:
                    held.put(name, key, Kept(bytes(rng.randrange(900))))
            assert 0 <= held.bytes <= 5_000
        assert held.dropped > 0
        held.discard_all("a")
        held.discard_all("b")
        assert held.bytes == 0

    def test_the_oldest_goes_first(self) -> None:
        """What is put again is as new."""
        held = Held(limit_bytes=3 * 300)
        for key in (1, 2, 1, 3, 4):
            held.put("s", key, Kept(bytes(100)))
        assert [key for key in range(5) if held.get("s", key)] == [1, 3, 4]

    @needs_redis
    async def test_goes_with_the_trim(self, redis: RedisServer) -> None:
        """What a snapshot stands for is held no longer, whoever trimmed it."""
        async with process(redis) as journal, process(redis, "b") as other:
            owner = Owner(journal)
            await owner.create()
            await owner.append(50)
            full = journal.held_bytes
            await journal.save_snapshot("s", owner.term, 51, {})
            await journal.trim("s", 25)
            half = journal.held_bytes
            await other.trim("s", 51)
            await journal.compare()
            assert full > half > 0 == journal.held_bytes
            await wipe(redis)

    @needs_redis
    async def test_redis_is_compared_now_and_then(self, redis: RedisServer) -> None:
        """A loss that no error has told of is found after some renewals."""
        async with process(redis) as journal:
            owner = Owner(journal)
            await owner.create()
            await journal.renew(0)
            await redis.command("DEL", "quizd:{s}:meta", "quizd:{s}:log")
            for _ in range(COMPARE_EVERY):
                await journal.renew(0)
            assert await log(journal) == owner.acknowledged


@needs_redis
class TestHealth:
    """What operators are told of the servers."""

    async def test_nothing_to_say_of_ours(self, redis: RedisServer) -> None:
        """With an append-only file that is always synced there is no warning."""
        async with process(redis) as journal:
            assert await journal.warnings() == []
            assert "appendfsync always" in journal.durability
            assert "loss of power" in journal.durability

    @pytest.mark.parametrize(
        ("options", "words", "warning"),
        [
            ({"appendonly": "no"}, "without an append-only file", "appendonly to yes"),
            ({"appendfsync": "everysec"}, "appendfsync everysec", "everysec"),
            ({"appendfsync": "no"}, "appendfsync no", "appendfsync no"),
        ],
    )
    async def test_names_what_a_server_does_not_survive(
        self, options: dict[str, object], words: str, warning: str
    ) -> None:
        """The weaker the file is synced, the less is promised."""
        server = RedisServer({"appendonly": "yes", **options})
        async with server, process(server) as journal:
            assert words in journal.durability
            (only,) = await journal.warnings()
            assert warning in only

    async def test_a_server_that_throws_sessions_away(self, redis: RedisServer) -> None:
        """A policy that evicts is named, with the one to set."""
        await redis.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        async with process(redis) as journal:
            (warning,) = await journal.warnings()
        assert "noeviction" in warning
        assert "allkeys-lru" in warning

    async def test_a_server_that_does_not_tell(self, redis: RedisServer) -> None:
        """Where an ACL forbids to ask, that is said, and the journal works."""
        rules = ("~*", "+@all", "-config", "-info", "-@admin", "+client|setname")
        await redis.command("ACL", "SETUSER", "default", "on", "nopass", *rules)
        async with process(redis) as journal:
            warnings = await journal.warnings()
            assert "unknown" in journal.durability
            assert len(warnings) == 2
            assert all("ACL" in warning for warning in warnings)
            owner = Owner(journal)
            await owner.create()
            await owner.append(3)
            assert await log(journal) == owner.acknowledged

    async def test_every_node_of_a_cluster_is_asked(self) -> None:
        """A warning names the node that it is about."""
        async with RedisServer(cluster=True) as server:
            client = client_of(server)
            found = await survey(client)
            await client.aclose()
        (warning,) = found.warnings
        assert f"127.0.0.1:{server.port}" in warning

    async def test_a_server_that_is_not_there(self, redis: RedisServer) -> None:
        """The start says so, and may be tried again."""
        client = client_of(redis)
        journal = RedisJournal(client, owner="a")
        await redis.stop()
        with pytest.raises(JournalUnavailable, match="nothing listens"):
            await journal.start()
        await redis.start()
        async with journal:
            await journal.create("s", "q", "1", b"1", 0)
        await client.aclose()
