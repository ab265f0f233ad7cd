"""The journal on Redis and the one in memory, asked the same at random."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import pytest

from quizd.journal import Exists, Fenced, Journal, Trimmed, Unknown
from quizd.journal.memory import MemoryJournal
from tests.journal.redis_stage import process
from tests.support.redis_server import RedisServer, needs_redis, redis_fixture

redis = redis_fixture

Terms = dict[str, dict[int, int]]
"""By session, and by the number of the call that gave them."""

Call = Callable[[Journal, Terms], Awaitable[object]]

REFUSALS = (Exists, Fenced, Unknown, Trimmed, ValueError)


class Twins:
    """The same calls to two journals, whose terms differ and have numbers here."""

    def __init__(self, *journals: Journal) -> None:
        self._each: list[tuple[Journal, Terms]] = [(one, {}) for one in journals]

    async def __call__(self, call: Call) -> object:
        """Call both, hold them to the same answer or refusal, and return it."""
        outcomes = [await self._outcome(call, *one) for one in self._each]
        assert outcomes[0] == outcomes[1]
        return outcomes[0]

    async def _outcome(self, call: Call, journal: Journal, terms: Terms) -> object:
        try:
            return await call(journal, terms)
        except REFUSALS as refusal:
            first_index = getattr(refusal, "first_index", None)
            return type(refusal).__name__, first_index


@needs_redis
@pytest.mark.parametrize("seed", range(6))
async def test_random_calls_against_the_journal_in_memory(
    redis: RedisServer, seed: int
) -> None:
    """Both give the same answers and refusals, whatever is asked for."""
    print(f"{seed=}")
    rng = random.Random(seed)
    async with process(redis) as one, MemoryJournal() as other:
        twins = Twins(one, other)
        for number in range(250):
            call = rng.choice(CALLS)
            await twins(call(rng, number))
        for name in NAMES:
            await twins(partial(everything, name))


NAMES = ("s", "t")


def some(rng: random.Random, number: int) -> tuple[str, int, int]:
    """Return a session, the number of a term, mostly a late one, and an index."""
    term = max(0, number - int(rng.expovariate(0.2)))
    return rng.choice(NAMES), term, rng.randrange(1, 12)


def term_of(terms: Terms, name: str, number: int) -> int:
    """Return the latest term of a session that was given up to call *number*."""
    given = [n for n in terms.get(name, {}) if n <= number]
    return terms[name][max(given)] if given else 1


def create(rng: random.Random, number: int) -> Call:
    """Create a session, which may be there."""
    name, _, _ = some(rng, number)

    async def call(journal: Journal, terms: Terms) -> object:
        term = await journal.create(name, "q", "1", b"%d" % number, number)
        terms[name] = {number: term}
        return None

    return call


def claim(rng: random.Random, number: int) -> Call:
    """Claim a session."""
    name, _, _ = some(rng, number)

    async def call(journal: Journal, terms: Terms) -> object:
        claim = await journal.claim(name, number)
        terms[name][number] = claim.term
        return claim.last_index, claim.last_hash

    return call


def append(rng: random.Random, number: int) -> Call:
    """Append what is next, or a repetition, or something that does not fit."""
    name, term, _ = some(rng, number)
    step, batch = rng.choice((1, 1, 1, 0, -1, 2)), rng.choice((b"x", b"y"))

    async def call(journal: Journal, terms: Terms) -> object:
        last_index = (await journal.position(name)).index
        await journal.append(name, term_of(terms, name, term), last_index + step, batch)
        return None

    return call


def finish(rng: random.Random, number: int) -> Call:
    """End a session, seldom."""
    name, term, _ = some(rng, number)
    is_meant = rng.random() < 0.3

    async def call(journal: Journal, terms: Terms) -> object:
        if is_meant:
            await journal.finish(name, term_of(terms, name, term))
        return None

    return call


def forget(rng: random.Random, number: int) -> Call:
    """Remove a session, which may not have ended."""
    name, _, _ = some(rng, number)
    return lambda journal, _: journal.forget(name)


def trim(rng: random.Random, number: int) -> Call:
    """Trim a log."""
    name, _, index = some(rng, number)
    return lambda journal, _: journal.trim(name, index)


def save_snapshot(rng: random.Random, number: int) -> Call:
    """Save a snapshot, which may not fit."""
    name, term, index = some(rng, number)
    parts = {rng.choice("abc"): b"%d" % number}
    return lambda journal, terms: journal.save_snapshot(
        name, term_of(terms, name, term), index, parts
    )


def read(rng: random.Random, number: int) -> Call:
    """Read what there is behind an index."""
    name, _, index = some(rng, number)

    async def call(journal: Journal, _: Terms) -> object:
        return [item async for item in journal.read(name, index - 1)]

    return call


def look(rng: random.Random, number: int) -> Call:
    """Ask for all that is known of one session."""
    name, _, _ = some(rng, number)
    return partial(everything, name)


async def everything(name: str, journal: Journal, _: Terms) -> object:
    """Return position, snapshot and lists, without what is the journal's own."""
    position = await journal.position(name)
    entry = await journal.entry(name)
    lists = [
        [e.session_id for e in await journal.sessions(include_ended=ended)]
        for ended in (False, True)
    ]
    snapshot = await journal.load_snapshot(name)
    same = replace(entry, term=0, alive_ms=0, owner="")
    return position.index, position.hash, same, snapshot, lists


CALLS = (
    create,
    claim,
    append,
    append,
    append,
    append,
    finish,
    forget,
    trim,
    save_snapshot,
    read,
    look,
)
