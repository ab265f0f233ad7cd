"""What every journal promises: snapshots, what is forgotten, and whole sessions."""

import random

import pytest

from quizd.journal import (
    MAX_BATCH_BYTES,
    NO_HASH,
    Fenced,
    Journal,
    Position,
    Snapshot,
    Trimmed,
    Unknown,
    chain,
)
from tests.contract.journals import (
    NOW_MS,
    Backend,
    backend_fixture,
    create,
    journal_fixture,
    log,
)

backend = backend_fixture
journal = journal_fixture


def hash_of(*batches: bytes) -> bytes:
    """Return the hash of a log of these batches."""
    log_hash = NO_HASH
    for batch in batches:
        log_hash = chain(log_hash, batch)
    return log_hash


async def fill(journal: Journal, last_index: int) -> int:
    """Create a session whose batches are their indices; return its term."""
    term = await create(journal)
    for index in range(2, last_index + 1):
        await journal.append("s", term, index, b"%d" % index)
    return term


async def tail(journal: Journal, after_index: int) -> list[int]:
    """Return the indices that are read behind *after_index*."""
    return [index async for index, _ in journal.read("s", after_index)]


class TestPosition:
    """Two that have seen the same hash have seen the same log."""

    async def test_goes_along_with_the_log(self, journal: Journal) -> None:
        """Term, index and hash are those of the log, after every append."""
        term = await create(journal, first=b"a")
        assert await journal.position("s") == Position(term, 1, hash_of(b"a"))
        await journal.append("s", term, 2, b"")
        assert await journal.position("s") == Position(term, 2, hash_of(b"a", b""))

    async def test_repeats_and_refusals_leave_it(self, journal: Journal) -> None:
        """Only what was kept is in the hash."""
        term = await fill(journal, 3)
        before = await journal.position("s")
        await journal.append("s", term, 3, b"3")
        with pytest.raises(Fenced):
            await journal.append("s", term, 3, b"other")
        assert await journal.position("s") == before

    async def test_a_claim_changes_the_term_alone(self, journal: Journal) -> None:
        """The chain goes on across terms."""
        await fill(journal, 2)
        claim = await journal.claim("s", NOW_MS + 9)
        assert await journal.position("s") == Position(
            claim.term, 2, hash_of(b"1", b"2")
        )
        assert claim.last_hash == hash_of(b"1", b"2")
        await journal.append("s", claim.term, 3, b"3")
        assert (await journal.position("s")).hash == hash_of(b"1", b"2", b"3")

    async def test_outlives_the_process(
        self, backend: Backend, journal: Journal
    ) -> None:
        """A new process finds the hash and carries it on."""
        term = await fill(journal, 3)
        before = await journal.position("s")
        await journal.stop()
        async with backend.after_restart(journal) as later:
            assert await later.position("s") == before
            await later.append("s", term, 4, b"4")
            assert (await later.position("s")).hash == chain(before.hash, b"4")

    async def test_depends_on_where_batches_end(self) -> None:
        """The same bytes in other batches are another log."""
        assert hash_of(b"ab", b"c") != hash_of(b"a", b"bc")
        assert len({hash_of(), hash_of(b""), hash_of(b"", b"")}) == 3

    async def test_an_unknown_session(self, journal: Journal) -> None:
        """What does not exist stands nowhere."""
        with pytest.raises(Unknown):
            await journal.position("nobody")


class TestSnapshot:
    """A snapshot stands for the log up to its index."""

    async def test_comes_back_as_it_was_saved(self, journal: Journal) -> None:
        """Index, hash up to it, and every byte of every part."""
        term = await fill(journal, 3)
        assert await journal.load_snapshot("s") is None
        parts = {"state": bytes(range(256)), "q0": b"", "é": b"x" * 100_000}
        await journal.save_snapshot("s", term, 2, parts)
        assert await journal.load_snapshot("s") == Snapshot(
            2, hash_of(b"1", b"2"), parts
        )

    async def test_what_is_not_saved_again_stays(self, journal: Journal) -> None:
        """Parts are merged by name over those of the snapshot before."""
        term = await fill(journal, 3)
        await journal.save_snapshot("s", term, 2, {"state": b"old", "q0": b"closed"})
        await journal.save_snapshot("s", term, 3, {"state": b"new", "q1": b"closed"})
        snapshot = await journal.load_snapshot("s")
        assert snapshot is not None
        assert snapshot.index == 3
        assert snapshot.parts == {"state": b"new", "q0": b"closed", "q1": b"closed"}

    async def test_saving_again_is_harmless(self, journal: Journal) -> None:
        """Whoever did not hear of the outcome saves the same once more."""
        term = await fill(journal, 3)
        for _ in range(2):
            await journal.save_snapshot("s", term, 2, {"state": b"2"})
        await journal.trim("s", 2)
        await journal.save_snapshot("s", term, 2, {"state": b"2"})
        assert await journal.load_snapshot("s") == Snapshot(
            2, hash_of(b"1", b"2"), {"state": b"2"}
        )

    @pytest.mark.parametrize("index", [-1, 0, 1, 4])
    async def test_only_of_the_log_and_only_forwards(
        self, journal: Journal, index: int
    ) -> None:
        """Neither beyond the log nor before the latest snapshot, and nothing mixed."""
        term = await fill(journal, 3)
        await journal.save_snapshot("s", term, 2, {"state": b"2"})
        with pytest.raises(Fenced):
            await journal.save_snapshot("s", term, index, {"state": b"x", "y": b"y"})
        snapshot = await journal.load_snapshot("s")
        assert snapshot is not None
        assert (snapshot.index, snapshot.parts) == (2, {"state": b"2"})

    async def test_only_from_the_owner(self, journal: Journal) -> None:
        """An owner whose term has passed saves nothing."""
        old = await fill(journal, 2)
        new = (await journal.claim("s", NOW_MS + 9)).term
        for name, term in (("s", old), ("s", new + 1), ("nobody", new)):
            with pytest.raises(Fenced):
                await journal.save_snapshot(name, term, 2, {"state": b"x"})
        assert await journal.load_snapshot("s") is None
        await journal.save_snapshot("s", new, 2, {"state": b"2"})

    async def test_too_large_a_one_is_refused(self, journal: Journal) -> None:
        """The limit of a batch holds for all parts together."""
        term = await fill(journal, 2)
        half = bytes(MAX_BATCH_BYTES // 2 + 1)
        with pytest.raises(ValueError, match="over"):
            await journal.save_snapshot("s", term, 2, {"a": half, "b": half})

    async def test_outlives_the_process_and_its_owner(
        self, backend: Backend, journal: Journal
    ) -> None:
        """The next owner starts from it, and adds to it."""
        term = await fill(journal, 3)
        await journal.save_snapshot("s", term, 2, {"state": b"2", "q0": b"0"})
        await journal.trim("s", 2)
        await journal.stop()
        async with backend.after_restart(journal) as later:
            claim = await later.claim("s", NOW_MS + 9)
            snapshot = await later.load_snapshot("s")
            assert snapshot is not None
            assert snapshot.parts == {"state": b"2", "q0": b"0"}
            assert [item async for item in later.read("s", 2)] == [(3, b"3")]
            await later.save_snapshot("s", claim.term, 3, {"state": b"3"})
            after = await later.load_snapshot("s")
            assert after is not None
            assert after.parts == {"state": b"3", "q0": b"0"}

    async def test_an_unknown_session(self, journal: Journal) -> None:
        """No snapshot is something else than no session."""
        with pytest.raises(Unknown):
            await journal.load_snapshot("nobody")


class TestTrim:
    """What a snapshot stands for may be forgotten, nothing else."""

    async def test_forgets_what_it_is_told_to(self, journal: Journal) -> None:
        """Batches up to the index are gone, those behind are not."""
        term = await fill(journal, 6)
        await journal.save_snapshot("s", term, 5, {"state": b"5"})
        assert await journal.trim("s", 3) == 3
        for after_index in (0, 1, 2):
            with pytest.raises(Trimmed) as refusal:
                await tail(journal, after_index)
            assert refusal.value.first_index == 4
        assert await tail(journal, 3) == [4, 5, 6]

    async def test_never_beyond_the_latest_snapshot(self, journal: Journal) -> None:
        """However much it is told to; and nothing where there is no snapshot."""
        term = await fill(journal, 6)
        assert await journal.trim("s", 6) == 0
        assert await tail(journal, 0) == [1, 2, 3, 4, 5, 6]
        await journal.save_snapshot("s", term, 4, {"state": b"4"})
        assert await journal.trim("s", 1000) == 4
        assert await tail(journal, 4) == [5, 6]

    async def test_again_and_backwards_is_harmless(self, journal: Journal) -> None:
        """What is forgotten stays so, and the answer says up to where."""
        term = await fill(journal, 6)
        await journal.save_snapshot("s", term, 5, {"state": b"5"})
        for through in (4, 4, 2, -1):
            assert await journal.trim("s", through) == 4
        assert await tail(journal, 4) == [5, 6]

    async def test_the_whole_log(self, journal: Journal) -> None:
        """Index, hash and the chance to repeat the latest append stay."""
        term = await fill(journal, 3)
        before = await journal.position("s")
        await journal.save_snapshot("s", term, 3, {"state": b"3"})
        assert await journal.trim("s", 3) == 3
        with pytest.raises(Trimmed) as refusal:
            await tail(journal, 2)
        assert refusal.value.first_index == 4
        assert await tail(journal, 3) == []
        assert await journal.position("s") == before
        await journal.append("s", term, 3, b"3")
        with pytest.raises(Fenced):
            await journal.append("s", term, 3, b"other")
        await journal.append("s", term, 4, b"4")
        assert await tail(journal, 3) == [4]

    async def test_across_terms(self, journal: Journal) -> None:
        """Which owner had added a batch makes no difference."""
        await fill(journal, 3)
        for index in (4, 5, 6):
            term = (await journal.claim("s", NOW_MS + index)).term
            await journal.append("s", term, index, b"%d" % index)
            await journal.save_snapshot("s", term, index, {"state": b"x"})
        for through in (2, 3, 4, 5):
            assert await journal.trim("s", through) == through
            assert await tail(journal, through) == list(range(through + 1, 7))

    async def test_what_is_forgotten_cannot_be_repeated(self, journal: Journal) -> None:
        """It cannot be compared any more."""
        term = await fill(journal, 4)
        await journal.save_snapshot("s", term, 3, {"state": b"3"})
        await journal.trim("s", 3)
        with pytest.raises(Fenced):
            await journal.append("s", term, 2, b"2")

    async def test_a_reader_in_between_is_told(self, journal: Journal) -> None:
        """Whoever reads slowly never misses batches without hearing of it."""
        term = await create(journal, first=bytes(300_000))
        for index in range(2, 700):
            await journal.append("s", term, index, bytes(2000))
        await journal.save_snapshot("s", term, 690, {"state": b"x"})
        reader = journal.read("s")
        seen = [(await anext(reader))[0]]
        assert await journal.trim("s", 690) == 690
        with pytest.raises(Trimmed):
            seen.extend([index async for index, _ in reader])
        assert seen == list(range(1, len(seen) + 1))

    async def test_outlives_the_process(
        self, backend: Backend, journal: Journal
    ) -> None:
        """A new process does not find what was forgotten, and goes on behind it."""
        term = await fill(journal, 3)
        await journal.save_snapshot("s", term, 3, {"state": b"3"})
        await journal.trim("s", 3)
        await journal.stop()
        async with backend.after_restart(journal) as later:
            with pytest.raises(Trimmed):
                await tail(later, 0)
            claim = await later.claim("s", NOW_MS + 9)
            assert (claim.last_index, claim.last_hash) == (
                3,
                hash_of(*b"1 2 3".split()),
            )
            await later.append("s", claim.term, 4, b"4")
            assert await tail(later, 3) == [4]

    async def test_an_unknown_session(self, journal: Journal) -> None:
        """Only what exists can be forgotten in part."""
        with pytest.raises(Unknown):
            await journal.trim("nobody", 1)


class TestGone:
    """Ended sessions leave when they are told to, all of them."""

    async def test_forgotten_as_if_it_had_never_been(self, journal: Journal) -> None:
        """No entry, no log, no snapshot; the id is free again."""
        term = await fill(journal, 3)
        await journal.save_snapshot("s", term, 2, {"state": b"2"})
        await journal.trim("s", 2)
        await journal.finish("s", term)
        await journal.forget("s")
        await journal.forget("s")
        assert await journal.sessions(include_ended=True) == []
        for call in (log(journal), journal.entry("s"), journal.load_snapshot("s")):
            with pytest.raises(Unknown):
                await call
        with pytest.raises(Fenced):
            await journal.append("s", term, 4, b"4")
        await create(journal, first=b"again")
        assert await log(journal) == [(1, b"again")]
        assert await journal.load_snapshot("s") is None

    async def test_a_running_one_stays(self, journal: Journal) -> None:
        """Nobody takes a session away while it is played."""
        await fill(journal, 3)
        with pytest.raises(ValueError, match="has not ended"):
            await journal.forget("s")
        with pytest.raises(ValueError, match="has not ended"):
            await journal.expire("s", 1)
        assert len(await log(journal)) == 3
        assert [entry.session_id for entry in await journal.sessions()] == ["s"]

    async def test_an_unknown_one_is_no_trouble(self, journal: Journal) -> None:
        """Whoever repeats a removal is not refused."""
        await journal.forget("nobody")
        await journal.expire("nobody", 1)

    async def test_an_expiring_one_is_off_the_list_and_still_there(
        self, journal: Journal
    ) -> None:
        """Until it goes, its log is read by its id and may be corrected."""
        term = await fill(journal, 3)
        await create(journal, "t")
        await journal.finish("s", term)
        await journal.expire("s", 3600)
        await journal.expire("s", 3600)
        names = [e.session_id for e in await journal.sessions(include_ended=True)]
        assert names == ["t"]
        await journal.append("s", term, 4, b"regraded")
        assert len(await log(journal)) == 4

    async def test_an_expired_one_is_gone(
        self, backend: Backend, journal: Journal
    ) -> None:
        """Its time is counted from then, or from the next renewal."""
        for name in ("s", "t"):
            await journal.finish(name, await create(journal, name))
        await journal.expire("t", 3600)
        await journal.expire("s", 0.0)
        await journal.renew(await backend.now_ms())
        await journal.renew(await backend.now_ms())
        with pytest.raises(Unknown):
            await journal.entry("s")
        assert (await journal.entry("t")).ended


@pytest.mark.parametrize("seed", range(3))
async def test_random_keeping_against_a_model(backend: Backend, seed: int) -> None:
    """Appends, snapshots, trims, claims and restarts leave what a plain list does."""
    print(f"{seed=}")
    rng = random.Random(seed)
    journal = backend.make()
    await journal.start()
    term = await create(journal, first=b"0")
    batches, parts, saved, trimmed = [b"0"], dict[str, bytes](), 0, 0
    for step in range(150):
        action = rng.randrange(8)
        if action == 0:
            term = (await journal.claim("s", NOW_MS + step)).term
        elif action == 1:
            index, name = rng.randint(max(saved, 1), len(batches)), rng.choice("abc")
            await journal.save_snapshot("s", term, index, {name: b"%d" % step})
            parts[name], saved = b"%d" % step, index
        elif action == 2:
            through = rng.randint(0, len(batches) + 1)
            trimmed = max(trimmed, min(through, saved))
            assert await journal.trim("s", through) == trimmed
        elif action == 3 and rng.random() < 0.3:
            await journal.stop()
            journal = backend.after_restart(journal)
            await journal.start()
        else:
            batches.append(rng.randbytes(rng.randrange(9)))
            await journal.append("s", term, len(batches), batches[-1])
        position = await journal.position("s")
        assert position == Position(term, len(batches), hash_of(*batches))
    snapshot = await journal.load_snapshot("s")
    assert (snapshot.parts if snapshot else {}) == parts
    assert (snapshot.hash if snapshot else NO_HASH) == hash_of(*batches[:saved])
    kept = [batch async for _, batch in journal.read("s", trimmed)]
    assert kept == batches[trimmed:]
    await journal.stop()
