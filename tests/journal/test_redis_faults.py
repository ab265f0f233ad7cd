"""The journal on a Redis that is killed, wiped, cut, paused and full."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from quizd.journal import (
    Fenced,
    JournalFull,
    JournalUnavailable,
    SessionEntry,
    Trimmed,
    Unknown,
)
from quizd.journal.redis import RedisJournal
from tests.journal.redis_stage import Copy, Owner, cut, insist, log, process, wipe
from tests.support.redis_server import RedisServer, needs_redis, redis_fixture

pytestmark = needs_redis

redis = redis_fixture


async def kill(server: RedisServer) -> None:
    """Kill the server and start it on what it has."""
    await server.kill()
    await server.start()


async def cut_some(server: RedisServer) -> None:
    """Take away several of the latest batches, the last one in half."""
    await cut(server, 1000)


class TestGivingBack:
    """An owner that lives loses nothing, whatever Redis has lost."""

    @pytest.mark.parametrize("fault", [kill, wipe, cut_some])
    async def test_everything_acknowledged_is_there_once_and_in_order(
        self, redis: RedisServer, fault: Callable[[RedisServer], Awaitable[None]]
    ) -> None:
        """After the next append of each session its log is what its owner knows."""
        async with process(redis) as journal:
            owners = [Owner(journal, name) for name in ("s", "t", "u")]
            for owner in owners:
                await owner.create()
            await asyncio.gather(*(owner.append(30) for owner in owners))
            before = await journal.sessions()
            await fault(redis)
            for owner in owners:
                await owner.append(2)
                assert await log(journal, owner.session_id) == owner.acknowledged
            after = await journal.sessions()
            assert [names(entry) for entry in after] == [names(e) for e in before]
            assert [entry.term for entry in after] == [e.term for e in before]

    @pytest.mark.parametrize("fault", [wipe, cut_some])
    async def test_sessions_that_rest_are_given_back_by_a_renewal(
        self, redis: RedisServer, fault: Callable[[RedisServer], Awaitable[None]]
    ) -> None:
        """Nobody has to append: whoever is alive notices within one renewal."""
        async with process(redis) as journal:
            owner = Owner(journal)
            await owner.create()
            await owner.append(20)
            await journal.renew(0)
            await fault(redis)
            await insist(lambda: journal.renew(0))
            assert await log(journal) == owner.acknowledged
            assert journal.repaired == 1
            await journal.renew(0)
            assert journal.repaired == 1

    async def test_an_older_copy(self, redis: RedisServer, tmp_path: Path) -> None:
        """A Redis that went back to an older state is brought forward from there."""
        async with process(redis) as journal:
            owner = Owner(journal)
            await owner.create()
            await owner.append(10)
            copy = Copy(redis, tmp_path / "copy")
            await owner.append(10)
            await copy.bring_back()
            await owner.append()
            assert await log(journal) == owner.acknowledged

    @pytest.mark.parametrize("fault", [kill, wipe, cut_some])
    async def test_a_position_is_never_before_what_was_acknowledged(
        self, redis: RedisServer, fault: Callable[[RedisServer], Awaitable[None]]
    ) -> None:
        """Whoever asks the owner's process first finds all of it given back."""
        async with process(redis) as journal:
            owner = Owner(journal)
            await owner.create()
            await owner.append(20)
            before = await journal.position("s")
            await fault(redis)
            assert await insist(lambda: journal.position("s")) == before
            assert await log(journal) == owner.acknowledged

    async def test_a_claim_that_was_lost(
        self, redis: RedisServer, tmp_path: Path
    ) -> None:
        """The term comes back with the batches; who had it before stays fenced."""
        async with process(redis) as first, process(redis, "b") as second:
            old = Owner(first)
            await old.create()
            await old.append(5)
            copy = Copy(redis, tmp_path / "copy")
            owner = Owner(second)
            owner.acknowledged = list(old.acknowledged)
            owner.term = (await second.claim("s", 0)).term
            await owner.append(3)
            await copy.bring_back()
            await insist(second.compare)
            entry = await second.entry("s")
            assert (entry.term, entry.owner) == (owner.term, "b")
            with pytest.raises(Fenced):
                await insist(lambda: first.append("s", old.term, 7, b"old"))
            await owner.append()
            assert await log(second) == owner.acknowledged

    async def test_what_an_earlier_owner_had_appended(
        self, redis: RedisServer, tmp_path: Path
    ) -> None:
        """Whoever took over and has read the log gives back all of it."""
        async with process(redis) as first:
            old = Owner(first)
            await old.create()
            copy = Copy(redis, tmp_path / "copy")
            await old.append(40)
        async with process(redis, "b") as second:
            owner = Owner(second)
            owner.term = (await second.claim("s", 0)).term
            owner.acknowledged = await log(second)
            assert owner.acknowledged == old.acknowledged
            await copy.bring_back()
            await owner.append()
            assert await log(second) == owner.acknowledged

    async def test_a_claim_of_ones_own_session_loses_nothing(
        self, redis: RedisServer, tmp_path: Path
    ) -> None:
        """A session that is reloaded by its owner comes back as far as it had been."""
        async with process(redis) as journal:
            owner = Owner(journal)
            await owner.create()
            copy = Copy(redis, tmp_path / "copy")
            await owner.append(9)
            for lose in (copy.bring_back, lambda: wipe(redis)):
                await lose()
                claim = await insist(lambda: journal.claim("s", 0))
                assert claim.last_index == len(owner.acknowledged)
                assert await log(journal) == owner.acknowledged
                owner.term = claim.term
                await owner.append()
            assert await log(journal) == owner.acknowledged

    @pytest.mark.parametrize("fault", [kill, wipe, cut_some])
    async def test_snapshots_and_trimmed_logs(
        self, redis: RedisServer, fault: Callable[[RedisServer], Awaitable[None]]
    ) -> None:
        """What was trimmed is not needed; the snapshot comes back with all parts."""
        async with process(redis) as journal:
            owner = Owner(journal)
            await owner.create()
            await owner.append(19)
            await journal.save_snapshot("s", owner.term, 8, {"q0": b"0", "state": b"8"})
            await journal.trim("s", 8)
            await journal.save_snapshot("s", owner.term, 20, {"state": b"20"})
            await journal.trim("s", 12)
            await owner.append(3)
            await fault(redis)
            await owner.append()
            snapshot = await journal.load_snapshot("s")
            assert snapshot is not None
            assert (snapshot.index, snapshot.parts) == (
                20,
                {"q0": b"0", "state": b"20"},
            )
            tail = [item async for item in journal.read("s", 20)]
            assert tail == owner.acknowledged[20:]
            await journal.save_snapshot("s", owner.term, 24, {"state": b"24"})
            assert await journal.trim("s", 24) == 24

    async def test_a_snapshot_is_the_first_to_notice(self, redis: RedisServer) -> None:
        """Saving, trimming and finishing give back what is missing, too."""
        async with process(redis) as journal:
            owner = Owner(journal)
            await owner.create()
            await owner.append(4)
            await wipe(redis)
            await insist(
                lambda: journal.save_snapshot("s", owner.term, 5, {"state": b"5"})
            )
            await wipe(redis)
            assert await insist(lambda: journal.trim("s", 3)) == 3
            await wipe(redis)
            await insist(lambda: journal.finish("s", owner.term))
            assert (await journal.entry("s")).ended
            assert [item async for item in journal.read("s", 3)] == (
                owner.acknowledged[3:]
            )

    async def test_an_end_that_was_lost(
        self, redis: RedisServer, tmp_path: Path
    ) -> None:
        """An ended session does not come back to life."""
        async with process(redis) as journal:
            owner = Owner(journal)
            await owner.create()
            copy = Copy(redis, tmp_path / "copy")
            await journal.finish("s", owner.term)
            await copy.bring_back()
            await insist(journal.compare)
            assert (await journal.entry("s")).ended
            assert await journal.sessions() == []
            assert len(await journal.sessions(include_ended=True)) == 1

    async def test_more_than_fits_into_one_step(
        self, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A long log is given back piece by piece."""
        monkeypatch.setattr("quizd.journal.redis_track.CHUNK_BATCHES", 7)
        async with process(redis) as journal:
            owner = Owner(journal)
            await owner.create()
            await owner.append(40)
            await wipe(redis)
            await owner.append()
            assert await log(journal) == owner.acknowledged


class TestCutShort:
    """The snapshot is given back before the log, and the giver does not get further."""

    @pytest.fixture
    def steps(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let 7 of 40 batches be given back, and then end the giver."""
        monkeypatch.setattr("quizd.journal.redis_track.CHUNK_BATCHES", 7)

    async def begin(self, journal: RedisJournal, redis: RedisServer) -> Owner:
        """Return an owner that has given back the first step to an empty Redis."""
        owner = Owner(journal)
        await owner.create()
        await owner.append(39)
        await journal.save_snapshot("s", owner.term, 30, {"state": b"30"})
        await wipe(redis)
        given: list[Any] = []

        async def once(*step: Any) -> None:  # noqa: ANN401 - as it is called
            if given:
                raise asyncio.CancelledError
            given.append(step)
            await journal._restore(*step)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(journal._repairs, "_restore", once)
            with pytest.raises(asyncio.CancelledError):
                await insist(lambda: journal.append("s", owner.term, 41, b"x"))
        look = await journal._reader.look("s")
        assert look is not None
        assert look.last_index == 7
        return owner

    @pytest.mark.usefixtures("steps")
    async def test_the_next_owner_goes_on_behind_the_snapshot(
        self, redis: RedisServer
    ) -> None:
        """What it appends is what the one after it reads behind the snapshot."""
        async with process(redis) as first, process(redis, "b") as second:
            owner = await self.begin(first, redis)
            claim = await second.claim("s", 0)
            snapshot = await second.load_snapshot("s")
            assert snapshot is not None
            assert (claim.last_index, claim.last_hash) == (30, snapshot.hash)
            on = [(index, b"on %d" % index) for index in range(31, 34)]
            for index, batch in on:
                await second.append("s", claim.term, index, batch)
            assert [item async for item in second.read("s", 30)] == on
            with pytest.raises(Trimmed):
                await log(second)
            with pytest.raises(Fenced):
                await first.append("s", owner.term, 41, b"x")
            await wipe(redis)
            await insist(lambda: second.append("s", claim.term, 34, b"on 34"))
            found = [item async for item in second.read("s", 30)]
            assert found == [*on, (34, b"on 34")]

    @pytest.mark.usefixtures("steps")
    async def test_its_own_claim_gives_back_the_rest(self, redis: RedisServer) -> None:
        """Nothing is lost where it is the same process that goes on."""
        async with process(redis) as journal:
            owner = await self.begin(journal, redis)
            claim = await insist(lambda: journal.claim("s", 0))
            assert claim.last_index == 40
            owner.term = claim.term
            await owner.append(2)
            found = [item async for item in journal.read("s", 30)]
            assert found == owner.acknowledged[30:]


class TestTooLate:
    """What cannot be given back is never passed over in silence."""

    async def test_what_is_no_longer_held(self, redis: RedisServer) -> None:
        """The owner is fenced, again and again; only a claim finds what is left."""
        async with process(redis, held_bytes=2000) as journal:
            owner = Owner(journal)
            await owner.create()
            await owner.append(30)
            assert journal.dropped > 0
            assert journal.held_bytes <= 2000
            await cut(redis, 5000)
            for _ in range(2):
                with pytest.raises(Fenced):
                    await owner.append()
            left = await log(journal)
            assert left == owner.acknowledged[: len(left)]
            assert (await journal.position("s")).index == len(left)
            claim = await journal.claim("s", 0)
            assert claim.last_index == len(left) < 31
            await journal.append("s", claim.term, len(left) + 1, b"on")

    async def test_everything_is_lost_and_not_all_is_held(
        self, redis: RedisServer
    ) -> None:
        """A log without its beginning is not put in its place."""
        async with process(redis, held_bytes=2000) as journal:
            owner = Owner(journal)
            await owner.create()
            await owner.append(30)
            await wipe(redis)
            with pytest.raises(Fenced):
                await owner.append()
            with pytest.raises(Unknown):
                await journal.entry("s")

    @pytest.mark.parametrize("others", [[], [b"other"], [b"1", b"2", b"3", b"4"]])
    async def test_a_session_that_somebody_else_has_taken(
        self, redis: RedisServer, tmp_path: Path, others: list[bytes]
    ) -> None:
        """After a loss the first who claims has it; the one before may not mend it."""
        async with process(redis) as first, process(redis, "b") as second:
            owner = Owner(first)
            await owner.create()
            await owner.append(4)
            copy = Copy(redis, tmp_path / "copy")
            await owner.append(4)
            await copy.bring_back()
            claim = await insist(lambda: second.claim("s", 0))
            assert claim.last_index == 5
            for index, batch in enumerate(others, 6):
                await second.append("s", claim.term, index, batch)
            with pytest.raises(Fenced):
                await owner.append()
            assert await insist(first.compare) == 0
            assert first.held_bytes == 0
            expected = [*owner.acknowledged[:5], *enumerate(others, 6)]
            assert await log(second) == expected
            assert (await second.position("s")).term == claim.term

    @pytest.mark.parametrize("behind", [0, 3])
    async def test_another_history(self, redis: RedisServer, behind: int) -> None:
        """A log that has the owner's term and not its hash is not the owner's."""
        async with process(redis) as journal:
            owner = Owner(journal)
            await owner.create()
            await owner.append(9)
            fields = ("hash", b"\0" * 8, "last", 10 - behind)
            await redis.command("HSET", "quizd:{s}:meta", *fields)
            for _ in range(2):
                with pytest.raises(Fenced):
                    await owner.append()
            assert await journal.compare() == 0
            position = await journal.position("s")
            assert (position.index, position.hash) == (10 - behind, b"\0" * 8)

    async def test_a_removed_session_stays_removed(self, redis: RedisServer) -> None:
        """Its owner does not take the removal by another process for a loss."""
        async with process(redis) as first, process(redis, "b") as second:
            owner = Owner(first)
            await owner.create()
            await owner.append(4)
            await first.finish("s", owner.term)
            await second.forget("s")
            assert await first.compare() == 0
            with pytest.raises(Fenced):
                await owner.append()
            with pytest.raises(Unknown):
                await first.entry("s")
            assert await first.sessions(include_ended=True) == []
            assert first.held_bytes == 0


class TestUnavailable:
    """No answer is not a refusal; whoever repeats is kept once."""

    async def test_a_paused_server(self, redis: RedisServer) -> None:
        """The append fails within the client's time; afterwards it is there once."""
        async with process(redis) as before, process(redis, timeout_s=0.3) as journal:
            owner = Owner(before)
            await owner.create()
            owner.journal = journal
            owner.term = (await insist(lambda: journal.claim("s", 0))).term
            redis.pause()
            for _ in range(2):
                with pytest.raises(JournalUnavailable):
                    await journal.append("s", owner.term, 2, b"s 2")
            redis.resume()
            await owner.append(2)
            assert await log(journal) == owner.acknowledged

    async def test_a_server_that_is_down(self, redis: RedisServer) -> None:
        """Every call says so, and works again when it is back."""
        async with process(redis) as journal:
            owner = Owner(journal)
            await owner.create()
            await redis.stop()
            for call in (
                journal.append("s", owner.term, 2, b"2"),
                journal.claim("s", 0),
                journal.create("t", "q", "1", b"1", 0),
                journal.finish("s", owner.term),
                journal.renew(0),
                journal.sessions(),
                journal.entry("s"),
                journal.load_snapshot("s"),
                log(journal),
            ):
                with pytest.raises(JournalUnavailable, match="Redis"):
                    await call
            await redis.start()
            await owner.append(2)
            assert await log(journal) == owner.acknowledged

    async def test_a_server_that_has_become_a_replica(self, redis: RedisServer) -> None:
        """A failover in progress is an outage, not the end of an owner."""
        async with process(redis) as journal:
            owner = Owner(journal)
            await owner.create()
            await redis.command("REPLICAOF", "127.0.0.1", 1)
            with pytest.raises(JournalUnavailable):
                await journal.append("s", owner.term, 2, b"s 2")
            await redis.command("REPLICAOF", "NO", "ONE")
            await owner.append(2)
            assert await log(journal) == owner.acknowledged

    async def test_a_server_that_has_forgotten_the_script(
        self, redis: RedisServer
    ) -> None:
        """It is taught again, and everybody in the group is served in order."""
        async with process(redis) as journal:
            owners = [Owner(journal, name) for name in "stuv"]
            for owner in owners:
                await owner.create()
            await redis.command("SCRIPT", "FLUSH")
            await asyncio.gather(*(owner.append() for owner in owners))
            for owner in owners:
                assert await log(journal, owner.session_id) == owner.acknowledged

    async def test_a_full_server(self, redis: RedisServer) -> None:
        """From 70 % of the memory on none begins, and appends go on until it is full.

        What is refused then is kept once there is room.
        """
        async with process(redis) as journal:
            owner = Owner(journal)
            await owner.create()
            used = await used_bytes(journal)
            await redis.command("CONFIG", "SET", "maxmemory", used * 100 // 75)
            with pytest.raises(JournalFull, match="70 %"):
                await journal.create("t", "q", "1", b"1", 0)
            assert any("70 %" in warning for warning in await journal.warnings())
            await owner.append(3)
            await redis.command("CONFIG", "SET", "maxmemory", used // 2)
            with pytest.raises(JournalUnavailable):
                await journal.append("s", owner.term, 5, b"s 5")
            assert await log(journal) == owner.acknowledged
            await redis.command("CONFIG", "SET", "maxmemory", 0)
            await owner.append(2)
            assert await log(journal) == owner.acknowledged
            await journal.create("t", "q", "1", b"1", 0)

    async def test_a_creation_that_could_not_be_listed(
        self, redis: RedisServer
    ) -> None:
        """Nobody hears of the session, and it goes by itself; claimed, it stays."""
        await redis.command("SET", "quizd:sessions", "in the way")
        async with process(redis) as journal:
            with pytest.raises(JournalUnavailable):
                await journal.create("s", "q", "1", b"1", 0)
            await redis.command("DEL", "quizd:sessions")
            assert await journal.sessions() == []
            for key in ("quizd:{s}:meta", "quizd:{s}:log"):
                assert 0 < int((await redis.command("PTTL", key))[1:]) <= 3_600_000
            await journal.claim("s", 0)
            for key in ("quizd:{s}:meta", "quizd:{s}:log"):
                assert await redis.command("PTTL", key) == b":-1"


class TestOwners:
    """Several processes want the same session."""

    async def test_two_that_fight_for_it(self, redis: RedisServer) -> None:
        """However claims and appends fall, every index is kept once, by the owner."""
        seed = random.randrange(2**32)
        print(f"{seed=}")
        rng = random.Random(seed)
        kept: dict[int, bytes] = {}

        async def fight(name: str) -> None:
            async with process(redis, name) as journal:
                for round_number in range(15):
                    claim = await journal.claim("s", 0)
                    index = claim.last_index
                    for number in range(rng.randrange(1, 6)):
                        batch = f"{name} {round_number} {number}".encode()
                        try:
                            await journal.append("s", claim.term, index + 1, batch)
                        except Fenced:
                            break
                        index += 1
                        assert index not in kept
                        kept[index] = batch

        async with process(redis, "c") as journal:
            await journal.create("s", "q", "1", b"first", 0)
            await asyncio.gather(fight("a"), fight("b"))
            assert await log(journal) == [(1, b"first"), *sorted(kept.items())]

    async def test_the_entry_names_the_owner(self, redis: RedisServer) -> None:
        """It is whoever created the session, and then whoever claimed it last."""
        async with process(redis, "a") as first, process(redis, "b") as second:
            await first.create("s", "q", "1", b"1", 0)
            assert (await second.entry("s")).owner == "a"
            await second.claim("s", 0)
            assert (await first.sessions())[0].owner == "b"

    async def test_a_process_of_the_same_name_is_another_one(
        self, redis: RedisServer
    ) -> None:
        """Renewals after a restart do not hide when the one before was alive."""
        async with process(redis, "a") as before:
            await before.create("s", "q", "1", b"1", 0)
            await before.renew(0)
            alive_ms = (await before.entry("s")).alive_ms
        async with process(redis, "a") as after:
            await after.renew(0)
            assert (await after.entry("s")).alive_ms == alive_ms


@pytest.mark.parametrize("seed", range(4))
async def test_random_faults(seed: int, tmp_path: Path) -> None:
    """Whatever happens to Redis in whatever order, what was acknowledged is there."""
    print(f"{seed=}")
    rng = random.Random(seed)
    options = {"appendonly": "yes", "appendfsync": rng.choice(["no", "always"])}
    async with RedisServer(options) as server, process(server) as journal:
        owners = [Owner(journal, name) for name in "abc"]
        for owner in owners:
            await owner.create()
        parts: dict[str, dict[str, bytes]] = {name: {} for name in "abc"}
        copy = Copy(server, tmp_path / "copy")
        for _ in range(8):
            action = rng.randrange(6)
            playing = [owner.append(rng.randrange(1, 30)) for owner in owners]
            tasks = [asyncio.create_task(one) for one in playing]
            await asyncio.sleep(rng.random() * 0.01)  # anywhere between the appends
            if action == 0:
                await wipe(server)
            elif action == 1:
                await cut(server, rng.randrange(3000))
            elif action == 2:
                await copy.bring_back()
            elif action == 3:
                await kill(server)
            elif action == 4:
                server.pause()
                await asyncio.sleep(0)
                server.resume()
            await asyncio.gather(*tasks)
            owner = rng.choice(owners)
            parts[owner.session_id][rng.choice("xyz")] = rng.randbytes(1)
            await insist(partial(save, owner, parts[owner.session_id]))
        await insist(journal.compare)
        for owner in owners:
            assert await log(journal, owner.session_id) == owner.acknowledged
            snapshot = await journal.load_snapshot(owner.session_id)
            assert (snapshot.parts if snapshot else {}) == parts[owner.session_id]


async def save(owner: Owner, parts: dict[str, bytes]) -> None:
    """Save a snapshot of all that its owner knows."""
    index = len(owner.acknowledged)
    await owner.journal.save_snapshot(owner.session_id, owner.term, index, parts)


def names(entry: SessionEntry) -> tuple[str, str, str, str, bool]:
    """Return what must be the same after all was given back."""
    return entry.session_id, entry.quiz_id, entry.pin, entry.owner, entry.ended


async def used_bytes(journal: object) -> int:
    """Return the memory that the journal's server uses."""
    info = await journal._client.info("memory")  # type: ignore[attr-defined]
    return int(info["used_memory"])
