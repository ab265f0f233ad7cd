"""The handles of the journal in memory: failures and commits on order."""

import asyncio

import pytest

from quizd.journal import JournalUnavailable
from quizd.journal.memory import MemoryJournal

APPENDS = 5


async def play(journal: MemoryJournal) -> int:
    """Append until the log is complete, repeating what fails; return the failures."""
    term = await journal.create("s", "quiz", "1", b"1", 1)
    failures = 0
    index = 2
    while index < 2 + APPENDS:
        try:
            await journal.append("s", term, index, b"%d" % index)
            index += 1
        except JournalUnavailable:
            failures += 1
    return failures


async def log(journal: MemoryJournal) -> list[tuple[int, bytes]]:
    """Return all that *journal* has of the session."""
    return [item async for item in journal.read("s")]


@pytest.mark.parametrize("nth", range(1, APPENDS + 1))
@pytest.mark.parametrize("handle", ["fail_on", "lose_reply_on"])
async def test_whoever_repeats_ends_with_the_same_log(handle: str, nth: int) -> None:
    """Whichever append fails, and whether it was kept or not, the log is the same."""
    async with MemoryJournal() as journal:
        getattr(journal, handle).add(nth)
        assert await play(journal) == 1
        assert await log(journal) == [(n, b"%d" % n) for n in range(1, 2 + APPENDS)]


async def test_a_failed_append_is_not_kept_and_one_without_reply_is() -> None:
    """The two halves of an unknown outcome can be told apart afterwards."""
    async with MemoryJournal(fail_on=[1], lose_reply_on=[2]) as journal:
        term = await journal.create("s", "quiz", "1", b"1", 1)
        for kept in (1, 2):
            with pytest.raises(JournalUnavailable):
                await journal.append("s", term, 2, b"2")
            assert len(await log(journal)) == kept


async def test_writes_stay_in_flight_until_they_are_released() -> None:
    """While held nothing has an outcome; afterwards everything has, in order."""
    async with MemoryJournal() as journal:
        term = await journal.create("s", "quiz", "1", b"1", 1)
        journal.hold()
        append = asyncio.create_task(journal.append("s", term, 2, b"2"))
        claim = asyncio.create_task(journal.claim("s", 5))
        done, _ = await asyncio.wait([append, claim], timeout=0)
        assert not done
        assert journal.depth == 2
        journal.release()
        assert (await claim).last_index == 2
        await append


async def test_what_is_kept_is_visible_only_after_the_release() -> None:
    """A held batch is not in the log: nobody may hear of it yet."""
    async with MemoryJournal() as journal:
        term = await journal.create("s", "quiz", "1", b"1", 1)
        journal.hold()
        append = asyncio.create_task(journal.append("s", term, 2, b"2"))
        await asyncio.sleep(0)
        assert await log(journal) == [(1, b"1")]
        journal.release()
        await append
        assert await log(journal) == [(1, b"1"), (2, b"2")]
