"""What every journal promises: reading, groups, ends, outages, restarts."""

import asyncio
import random

import pytest

from quizd.journal import (
    Fenced,
    Journal,
    JournalUnavailable,
    Unknown,
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


class TestRead:
    """Reading goes page by page, in order, from anywhere."""

    async def test_over_several_pages(self, journal: Journal) -> None:
        """All batches come, in order, however they fall into pages."""
        term = await create(journal, first=b"")
        rng = random.Random(1)
        sizes = [rng.choice((0, 10, 3000, 70_000)) for _ in range(250)]
        print(f"{sizes=}")
        expected = [(1, b"")]
        for index, size in enumerate(sizes, 2):
            expected.append((index, rng.randbytes(size)))
            await journal.append("s", term, *expected[-1])
        assert await log(journal) == expected

    @pytest.mark.parametrize(("after_index", "first"), [(0, 1), (3, 4), (5, 6)])
    async def test_from_an_index_on(
        self, journal: Journal, after_index: int, first: int
    ) -> None:
        """Reading after an index yields those behind it, none after the last."""
        term = await create(journal)
        for index in range(2, 6):
            await journal.append("s", term, index, b"x")
        indices = [index async for index, _ in journal.read("s", after_index)]
        assert indices == list(range(first, 6))

    async def test_sees_what_comes_while_it_reads(self, journal: Journal) -> None:
        """A reader that takes its time is served what was appended meanwhile."""
        term = await create(journal, first=bytes(300_000))
        seen = []
        async for index, _ in journal.read("s"):
            seen.append(index)
            if index < 4:
                await journal.append("s", term, index + 1, bytes(300_000))
        assert seen[:2] == [1, 2]
        assert seen == sorted(set(seen))

    async def test_an_unknown_session(self, journal: Journal) -> None:
        """What does not exist is not read as empty."""
        with pytest.raises(Unknown):
            await log(journal, "nobody")
        with pytest.raises(Unknown):
            await journal.entry("nobody")


class TestEnd:
    """An ended session is out of the way and still there."""

    async def test_is_listed_only_on_request(self, journal: Journal) -> None:
        """Running sessions are listed oldest first, ended ones if asked for."""
        terms = {name: await create(journal, name) for name in ("b", "a", "c")}
        await journal.finish("a", terms["a"])
        assert [e.session_id for e in await journal.sessions()] == ["b", "c"]
        everyone = await journal.sessions(include_ended=True)
        assert [(e.session_id, e.ended) for e in everyone] == [
            ("b", False),
            ("a", True),
            ("c", False),
        ]
        assert await journal.entry("a") == everyone[1]

    async def test_keeps_its_batches_and_takes_corrections(
        self, journal: Journal
    ) -> None:
        """After the end the log can be read, and its owner may add to it."""
        term = await create(journal)
        await journal.finish("s", term)
        await journal.finish("s", term)
        await journal.append("s", term, 2, b"regraded")
        assert await log(journal) == [(1, b"1"), (2, b"regraded")]
        assert (await journal.entry("s")).ended

    async def test_finishing_an_unknown_session(self, journal: Journal) -> None:
        """Whoever ends what the journal has not has to reload."""
        with pytest.raises(Fenced):
            await journal.finish("nobody", NOW_MS)


class TestAlive:
    """Renewals tell afterwards how long an outage was."""

    async def test_a_renewal_moves_running_sessions_forwards(
        self, backend: Backend, journal: Journal
    ) -> None:
        """The latest renewal counts, whatever the order in which they come."""
        await create(journal)
        now_ms = await backend.now_ms()
        await journal.renew(now_ms)
        await journal.renew(now_ms - 100)
        assert backend.is_at((await journal.entry("s")).alive_ms, now_ms)
        assert backend.is_at((await journal.sessions())[0].alive_ms, now_ms)

    async def test_an_outage_is_visible_until_it_can_have_been_recorded(
        self, backend: Backend, journal: Journal
    ) -> None:
        """Neither a new process nor a claim hides when the last owner was alive.

        Only the first append of the new owner does: it is there to record that.
        """
        await create(journal)
        seen_ms = await backend.now_ms()
        await journal.renew(seen_ms)
        await journal.stop()
        async with backend.after_restart(journal) as later:
            await later.renew(await backend.now_ms())
            assert backend.is_at((await later.entry("s")).alive_ms, seen_ms)
            claim = await later.claim("s", await backend.now_ms())
            now_ms = await backend.now_ms()
            await later.renew(now_ms)
            assert backend.is_at(claim.alive_ms, seen_ms)
            assert backend.is_at((await later.entry("s")).alive_ms, seen_ms)
            await later.append("s", claim.term, 2, b"outage")
            assert backend.is_at((await later.entry("s")).alive_ms, now_ms)

    async def test_claims_without_an_append_add_up_to_one_outage(
        self, backend: Backend, journal: Journal
    ) -> None:
        """Owners that die before they record anything leave the beginning as it was."""
        await create(journal)
        seen_ms = await backend.now_ms()
        await journal.renew(seen_ms)
        for _ in range(3):
            claim = await journal.claim("s", await backend.now_ms())
            assert backend.is_at(claim.alive_ms, seen_ms)
            await journal.renew(await backend.now_ms())
        assert backend.is_at((await journal.entry("s")).alive_ms, seen_ms)

    async def test_a_claim_counts_once_its_owner_has_appended(
        self, backend: Backend, journal: Journal
    ) -> None:
        """Whoever appends under a term was alive when it was claimed."""
        await create(journal)
        now_ms = await backend.now_ms()
        claim = await journal.claim("s", now_ms)
        await journal.append("s", claim.term, 2, b"2")
        assert backend.is_at((await journal.entry("s")).alive_ms, now_ms)

    async def test_an_ended_session_stays_where_it_was(
        self, backend: Backend, journal: Journal
    ) -> None:
        """Renewals after the end are for others."""
        term = await create(journal)
        now_ms = await backend.now_ms()
        await journal.renew(now_ms)
        await journal.finish("s", term)
        await journal.renew(await backend.now_ms())
        assert backend.is_at((await journal.entry("s")).alive_ms, now_ms)


class TestGroups:
    """Those that wait for the same commit share it, and stay apart."""

    async def test_appends_of_many_sessions_share_a_commit(
        self, backend: Backend
    ) -> None:
        """What arrives during a commit is one commit, whatever its size."""
        seen: list[tuple[float, int]] = []
        async with backend.make(
            on_commit=lambda *commit: seen.append(commit)
        ) as journal:
            terms = {f"s{n}": await create(journal, f"s{n}") for n in range(100)}
            before, seen[:] = journal.commits, []
            with backend.no_commits(journal):
                tasks = [
                    await in_flight(journal, name, term, 2, name.encode())
                    for name, term in terms.items()
                ]
                assert journal.depth == 100
            await asyncio.gather(*tasks)
            assert 1 <= journal.commits - before <= 2
            assert journal.batches == 200
            assert journal.depth == 0
            assert sum(batches for _, batches in seen) == 100
            assert all(seconds >= 0 for seconds, _ in seen)
            for name in terms:
                assert await log(journal, name) == [(1, b"1"), (2, name.encode())]

    async def test_a_refusal_is_its_own_senders_only(
        self, backend: Backend, journal: Journal
    ) -> None:
        """In one commit there may be good, repeated and refused batches."""
        terms = {name: await create(journal, name) for name in ("a", "b", "c", "d")}
        await journal.append("c", terms["c"], 2, b"c")
        with backend.no_commits(journal):
            tasks = [
                await in_flight(journal, "a", terms["a"], 2, b"a"),
                await in_flight(journal, "b", terms["b"] - 1, 2, b"b"),
                await in_flight(journal, "c", terms["c"], 2, b"c"),
                await in_flight(journal, "d", terms["d"], 2, b"d"),
            ]
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [
            type(None),
            Fenced,
            type(None),
            type(None),
        ]
        logs = [len(await log(journal, name)) for name in "abcd"]
        assert logs == [2, 1, 2, 2]

    async def test_other_writes_keep_their_place(
        self, backend: Backend, journal: Journal
    ) -> None:
        """A claim between appends is served between them, a stop after all."""
        terms = {name: await create(journal, name) for name in ("a", "b", "c")}
        with backend.no_commits(journal):
            first = [await in_flight(journal, n, terms[n], 2, b"2") for n in "ab"]
            claims = [
                asyncio.create_task(journal.claim(name, NOW_MS + 1)) for name in "bc"
            ]
            await asyncio.sleep(0)
            fenced = await in_flight(journal, "c", terms["c"], 2, b"2")
            stop = asyncio.create_task(journal.stop())
            await asyncio.sleep(0)
        await asyncio.wait([*first, *claims, fenced, stop])
        assert [task.exception() for task in first] == [None, None]
        assert [task.result().last_index for task in claims] == [2, 1]
        assert isinstance(fenced.exception(), Fenced)
        assert stop.exception() is None

    async def test_refused_and_repeated_batches_are_not_counted(
        self, journal: Journal
    ) -> None:
        """The counters tell what was kept."""
        term = await create(journal)
        await journal.append("s", term, 2, b"2")
        await journal.append("s", term, 2, b"2")
        with pytest.raises(Fenced):
            await journal.append("s", term, 9, b"9")
        assert (journal.commits, journal.batches) == (2, 2)

    async def test_a_full_queue_refuses_at_once(self, backend: Backend) -> None:
        """One write too many is told so, those in the queue are served."""
        async with backend.make(max_waiting=3) as journal:
            terms = {f"s{n}": await create(journal, f"s{n}") for n in range(4)}
            with backend.no_commits(journal):
                tasks = [
                    await in_flight(journal, f"s{n}", terms[f"s{n}"], 2, b"2")
                    for n in range(3)
                ]
                with pytest.raises(JournalUnavailable, match="queue is full"):
                    await journal.append("s3", terms["s3"], 2, b"2")
                with pytest.raises(JournalUnavailable, match="queue is full"):
                    await journal.renew(NOW_MS)
            await asyncio.gather(*tasks)
            await journal.append("s3", terms["s3"], 2, b"2")


class TestLife:
    """Start, stop, and what is there afterwards."""

    async def test_everything_is_there_after_a_restart(
        self, backend: Backend, journal: Journal
    ) -> None:
        """Batches, terms and ends outlive the journal that took them."""
        terms = {name: await create(journal, name) for name in ("a", "b")}
        await journal.append("a", terms["a"], 2, b"2")
        await journal.finish("b", terms["b"])
        entries = await journal.sessions(include_ended=True)
        await journal.stop()
        async with backend.after_restart(journal) as later:
            assert await later.sessions(include_ended=True) == entries
            assert await log(later, "a") == [(1, b"1"), (2, b"2")]
            await later.append("a", terms["a"], 2, b"2")
            with pytest.raises(Fenced):
                await later.append("a", terms["a"] - 1, 3, b"3")
            claim = await later.claim("a", NOW_MS)
            await later.append("a", claim.term, 3, b"3")

    async def test_stopping_commits_what_waits(
        self, backend: Backend, journal: Journal
    ) -> None:
        """A stop lets those in, who had asked before, and nobody afterwards."""
        term = await create(journal)
        with backend.no_commits(journal):
            append = await in_flight(journal, "s", term, 2, b"2")
            stop = asyncio.create_task(journal.stop())
            await asyncio.sleep(0)
            with pytest.raises(JournalUnavailable, match="not running"):
                await journal.append("other", term, 2, b"2")
        await asyncio.gather(append, stop)
        async with backend.after_restart(journal) as later:
            assert await log(later) == [(1, b"1"), (2, b"2")]

    async def test_nothing_works_while_it_is_not_running(
        self, backend: Backend
    ) -> None:
        """Before the start and after the stop every call says so."""
        journal = backend.make()
        for _ in range(2):
            calls = (
                create(journal),
                journal.claim("s", NOW_MS),
                journal.append("s", 1, 2, b""),
                log(journal),
                journal.sessions(),
                journal.entry("s"),
                journal.finish("s", 1),
                journal.renew(NOW_MS),
                journal.position("s"),
                journal.save_snapshot("s", 1, 1, {}),
                journal.load_snapshot("s"),
                journal.trim("s", 1),
                journal.expire("s", 1),
                journal.forget("s"),
            )
            for call in calls:
                with pytest.raises(JournalUnavailable, match="not running"):
                    await call
            await journal.start()
            await journal.stop()
            await journal.stop()

    async def test_starting_twice_is_the_callers_fault(self, journal: Journal) -> None:
        """A second start raises and leaves the first one running."""
        with pytest.raises(RuntimeError, match="running"):
            await journal.start()
        await create(journal)

    async def test_says_what_it_survives(self, journal: Journal) -> None:
        """The sentence for operators is one."""
        assert len(journal.durability.split()) > 5
