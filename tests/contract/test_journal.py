"""What every journal promises: who may add what, held against each of them."""

import asyncio
import random

import pytest

from quizd.journal import (
    MAX_BATCH_BYTES,
    NO_HASH,
    Claim,
    Exists,
    Fenced,
    Journal,
    SessionEntry,
    Unknown,
    chain,
)
from tests.contract.journals import (
    NOW_MS,
    Backend,
    backend_fixture,
    create,
    in_flight,
    journal_fixture,
    log,
)

backend = backend_fixture
journal = journal_fixture


class TestCreate:
    """A session begins with its first batch."""

    async def test_keeps_the_first_batch_and_what_identifies_the_session(
        self, backend: Backend, journal: Journal
    ) -> None:
        """A created session has one batch, the time as its term, and its names."""
        now_ms = await backend.now_ms()
        term = await journal.create("s", "quiz-7", "111222", b"one", now_ms)
        assert backend.is_at(term, now_ms)
        assert await log(journal) == [(1, b"one")]
        entry = await journal.entry("s")
        assert entry == SessionEntry(
            "s", "quiz-7", "111222", term, 1, False, term, entry.owner
        )

    async def test_refuses_an_id_that_is_taken(self, journal: Journal) -> None:
        """Creating a session again raises and changes nothing of the first."""
        await create(journal, first=b"one")
        before = await journal.entry("s")
        with pytest.raises(Exists):
            await journal.create("s", "other", "999999", b"two", NOW_MS + 5)
        assert await journal.entry("s") == before
        assert await log(journal) == [(1, b"one")]

    async def test_a_term_is_never_zero(self, journal: Journal) -> None:
        """A clock that stands at zero still gives a term that can be compared."""
        assert await journal.create("s", "quiz", "1", b"", 0) >= 1


class TestAppend:
    """Batches are kept in order, once, and only from the owner."""

    async def test_adds_in_order(self, journal: Journal) -> None:
        """What was appended is read back, numbered and in order."""
        term = await create(journal)
        for index in range(2, 8):
            await journal.append("s", term, index, b"batch %d" % index)
        assert await log(journal) == [
            (1, b"1"),
            *((index, b"batch %d" % index) for index in range(2, 8)),
        ]
        assert (await journal.entry("s")).last_index == 7

    @pytest.mark.parametrize("index", [-1, 0, 4, 1000])
    async def test_refuses_an_index_that_leaves_a_gap(
        self, journal: Journal, index: int
    ) -> None:
        """Neither a skipped index nor one before the first is accepted."""
        term = await create(journal)
        await journal.append("s", term, 2, b"2")
        for batch in (b"1", b"2", b"x"):
            with pytest.raises(Fenced):
                await journal.append("s", term, index, batch)
        assert await log(journal) == [(1, b"1"), (2, b"2")]

    async def test_refuses_a_session_that_it_does_not_know(
        self, journal: Journal
    ) -> None:
        """An owner whose session the journal has not has to reload."""
        with pytest.raises(Fenced):
            await journal.append("nobody", NOW_MS, 2, b"x")

    async def test_a_refusal_does_not_stop_the_session(self, journal: Journal) -> None:
        """After a refusal the right batch is accepted as if nothing had been."""
        term = await create(journal)
        with pytest.raises(Fenced):
            await journal.append("s", term, 3, b"x")
        await journal.append("s", term, 2, b"y")
        assert await log(journal) == [(1, b"1"), (2, b"y")]

    async def test_repeating_an_accepted_batch_is_accepted(
        self, journal: Journal
    ) -> None:
        """The same term, index and bytes are answered with success and kept once."""
        term = await create(journal, first=b"1")
        await journal.append("s", term, 2, b"2")
        await journal.append("s", term, 3, b"3")
        for index in (3, 2, 1):
            await journal.append("s", term, index, b"%d" % index)
        assert await log(journal) == [(1, b"1"), (2, b"2"), (3, b"3")]
        await journal.append("s", term, 4, b"4")

    async def test_another_batch_under_a_taken_index_is_refused(
        self, journal: Journal
    ) -> None:
        """What is kept is never replaced, not even by its owner."""
        term = await create(journal)
        await journal.append("s", term, 2, b"2")
        with pytest.raises(Fenced):
            await journal.append("s", term, 2, b"two")
        assert await log(journal) == [(1, b"1"), (2, b"2")]

    async def test_an_empty_batch_is_one(self, journal: Journal) -> None:
        """A batch of no bytes is kept and repeated like any other."""
        term = await create(journal)
        await journal.append("s", term, 2, b"")
        await journal.append("s", term, 2, b"")
        assert await log(journal) == [(1, b"1"), (2, b"")]

    async def test_large_batches(self, journal: Journal) -> None:
        """Batches of 2 MB come back to the last byte, and so do those behind them."""
        term = await create(journal)
        batches = [random.Random(n).randbytes(2_000_000) for n in (2, 3)]
        await journal.append("s", term, 2, batches[0])
        await journal.append("s", term, 3, batches[1])
        await journal.append("s", term, 4, b"small")
        assert (await log(journal))[1:] == [
            (2, batches[0]),
            (3, batches[1]),
            (4, b"small"),
        ]

    async def test_a_batch_over_the_limit_is_refused(self, journal: Journal) -> None:
        """What would hold up everyone else does not get in."""
        term = await create(journal)
        with pytest.raises(ValueError, match="over"):
            await journal.append("s", term, 2, bytes(MAX_BATCH_BYTES + 1))
        assert journal.depth == 0

    async def test_a_second_append_in_flight_is_the_callers_fault(
        self, backend: Backend, journal: Journal
    ) -> None:
        """A session waits for one append before the next; the first is not harmed."""
        term = await create(journal)
        with backend.no_commits(journal):
            first = await in_flight(journal, "s", term, 2, b"2")
            with pytest.raises(RuntimeError, match="in flight"):
                await journal.append("s", term, 3, b"3")
        await first
        await journal.append("s", term, 3, b"3")

    async def test_a_cancelled_append_may_be_repeated(
        self, backend: Backend, journal: Journal
    ) -> None:
        """Going away takes nothing back: the batch is kept, and once."""
        term = await create(journal)
        with backend.no_commits(journal):
            append = await in_flight(journal, "s", term, 2, b"2")
            append.cancel()
            await asyncio.sleep(0)
        await journal.renew(NOW_MS)  # served after the append
        await journal.append("s", term, 2, b"2")
        assert await log(journal) == [(1, b"1"), (2, b"2")]


class TestOwnership:
    """A term fences every earlier one."""

    async def test_a_claim_gives_a_later_term_and_where_the_log_stands(
        self, backend: Backend, journal: Journal
    ) -> None:
        """The term is the time; index, hash and last sign of life are as they were."""
        term = await create(journal)
        await journal.append("s", term, 2, b"2")
        alive_ms = (await journal.entry("s")).alive_ms
        now_ms = await backend.now_ms()
        claim = await journal.claim("s", now_ms)
        assert backend.is_at(claim.term, now_ms)
        after_2 = chain(chain(NO_HASH, b"1"), b"2")
        assert claim == Claim(claim.term, 2, alive_ms, after_2)
        assert (await journal.entry("s")).term == claim.term

    async def test_a_clock_that_is_behind_still_gives_a_later_term(
        self, journal: Journal
    ) -> None:
        """Claims at the same instant, or before, each have a term of their own."""
        term = await create(journal)
        for now_ms in (NOW_MS, NOW_MS, NOW_MS - 50):
            before, term = term, (await journal.claim("s", now_ms)).term
            assert term > before

    async def test_claiming_an_unknown_session(self, journal: Journal) -> None:
        """Only what exists can be owned."""
        with pytest.raises(Unknown):
            await journal.claim("nobody", NOW_MS)

    async def test_an_earlier_owner_is_fenced(self, journal: Journal) -> None:
        """After a claim no append and no end of the earlier owner is accepted."""
        old = await create(journal)
        new = (await journal.claim("s", NOW_MS + 1)).term
        with pytest.raises(Fenced):
            await journal.append("s", old, 2, b"old")
        with pytest.raises(Fenced):
            await journal.finish("s", old)
        await journal.append("s", new, 2, b"new")
        with pytest.raises(Fenced):
            await journal.append("s", old, 3, b"old")
        assert await log(journal) == [(1, b"1"), (2, b"new")]

    async def test_an_earlier_owner_cannot_even_repeat(self, journal: Journal) -> None:
        """An accepted batch is not accepted again under a term that has passed."""
        old = await create(journal)
        await journal.append("s", old, 2, b"2")
        new = (await journal.claim("s", NOW_MS + 1)).term
        for term in (old, new):
            with pytest.raises(Fenced):
                await journal.append("s", term, 2, b"2")

    async def test_a_term_from_the_future_is_refused(self, journal: Journal) -> None:
        """Terms are compared for equality; only the journal gives them."""
        term = await create(journal)
        with pytest.raises(Fenced):
            await journal.append("s", term + 1, 2, b"x")

    async def test_what_was_asked_for_before_a_claim_is_in_it(
        self, backend: Backend, journal: Journal
    ) -> None:
        """A claim either sees an earlier append or fences it; never neither."""
        term = await create(journal)
        with backend.no_commits(journal):
            append = await in_flight(journal, "s", term, 2, b"2")
            claim = asyncio.create_task(journal.claim("s", NOW_MS + 1))
            await asyncio.sleep(0)
        await asyncio.wait([append, claim])
        kept = 1 if append.exception() else 2
        assert claim.result().last_index == kept
        assert len(await log(journal)) == kept


@pytest.mark.parametrize("seed", range(4))
async def test_random_owners_against_a_model(backend: Backend, seed: int) -> None:
    """Whatever owners do, only the current one adds, and only what is next.

    The model of a session is its term and a list of (term, batch).
    """
    print(f"{seed=}")
    rng = random.Random(seed)
    journal = backend.make()
    await journal.start()
    names = ("a", "b")
    terms = {name: await create(journal, name, b"0") for name in names}
    model = {name: [(terms[name], b"0")] for name in names}
    for _ in range(120):
        name = rng.choice(names)
        kept = model[name]
        action = rng.randrange(8)
        if action == 0:
            terms[name] = (await journal.claim(name, NOW_MS + rng.randrange(9))).term
        elif action == 1 and rng.random() < 0.3:
            await journal.stop()
            journal = backend.after_restart(journal)
            await journal.start()
        else:
            term = terms[name] - (rng.random() < 0.2)
            index = len(kept) + rng.choice((0, 1, 1, 1, 2))
            batch = rng.choice((b"x", b"y"))
            is_next = term == terms[name] and index == len(kept) + 1
            is_same = term == terms[name] and kept[index - 1 :] == [(term, batch)]
            if is_next or is_same:
                await journal.append(name, term, index, batch)
                kept += [(term, batch)] * is_next
            else:
                with pytest.raises(Fenced):
                    await journal.append(name, term, index, batch)
        assert (await journal.entry(name)).last_index == len(kept)
    for name in names:
        assert [batch for _, batch in await log(journal, name)] == [
            batch for _, batch in model[name]
        ]
    await journal.stop()
