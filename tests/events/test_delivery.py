"""What is promised of delivery: at least once, in order, and never felt by players."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
import pytest_asyncio

from quizd.events import STREAMS, EventOptions
from quizd.journal.memory import MemoryJournal
from quizd.redis_client import Client
from quizd.session.quiz import Quiz
from tests.events.complete import assert_all_told
from tests.events.stage import Game, Shard, on, played, shard, until
from tests.journal.redis_stage import client_of
from tests.session.play import multiple, quiz, single, true_false
from tests.support.redis_server import RedisServer, needs_redis

pytestmark = [needs_redis, pytest.mark.asyncio(loop_scope="module")]

QUESTIONS = (single(), multiple("red", "blue"), true_false(), single("blue"))
PLAY_S = 10.0
HASTE_S = 0.5
"""How long a client waits for an answer."""


def rules(feedback: str = "immediate") -> Quiz:
    """Return a quiz with all kinds of questions, led by its host."""
    return quiz(*QUESTIONS, advance="host", feedback=feedback, streak_bonus=True)


@pytest_asyncio.fixture(loop_scope="module")
async def journal() -> AsyncIterator[MemoryJournal]:
    """Return a journal that does not depend on Redis."""
    async with MemoryJournal() as one:
        yield one


@pytest.mark.parametrize("feedback", ["immediate", "on_close"])
async def test_a_game_is_told_once(
    client: Client, journal: MemoryJournal, feedback: str
) -> None:
    """Where nothing goes wrong every event is there once, in order, and all are."""
    async with shard(journal, client) as one:
        game = Game(one, await one.open("s1", rules(feedback)), random.Random(1))
        await game.join(9)
        await game.start()
        await one.told()
        await game.play_on()
        await one.told()
    await assert_all_told(journal, client)
    for stream in STREAMS:
        events = await on(client, stream)
        ids = [event["id"] for event in events]
        through = [event["through"] for event in events]
        assert len(set(ids)) == len(ids)
        assert through == sorted(through)


@pytest.mark.parametrize("feedback", ["immediate", "on_close"])
async def test_much_is_told_in_pieces(
    client: Client,
    journal: MemoryJournal,
    feedback: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However small they are, nothing is missing and no two are called the same."""
    monkeypatch.setattr("quizd.events.events.TAKE_BYTES", 300)
    monkeypatch.setattr("quizd.events.events.TELL_BYTES", 200)
    monkeypatch.setattr("quizd.events.lane.SCORES_AT_ONCE", 4)
    monkeypatch.setattr("quizd.events.lane.LARGE_BYTES", 100)
    monkeypatch.setattr("quizd.events.frame.ROWS", 2)
    monkeypatch.setattr("quizd.events.stream.AT_ONCE", 3)
    async with shard(journal, client) as one:
        await played(one, await one.open("s1", rules(feedback)), seed=2)
        await one.told()
    await assert_all_told(journal, client)
    for stream in STREAMS:
        ids = [event["id"] for event in await on(client, stream)]
        assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("seed", range(6))
async def test_the_next_owner_tells_what_the_last_one_did_not(
    client: Client, journal: MemoryJournal, seed: int
) -> None:
    """Owners die at any moment of a game; the streams have all of it in the end."""
    print(f"seed {seed}")
    rng = random.Random(seed)
    one = Shard(journal, client)
    one.events.start()
    game = Game(one, await one.open("s1", rules()), rng)
    await game.join(5)
    await game.start()
    for _ in range(3):
        await game.answer_all()
        for _ in range(rng.randrange(4)):
            await asyncio.sleep(0)
        if rng.random() < 0.5:
            await one.told()
        await one.die()
        one = Shard(journal, client, clock=one.clock)
        await one.owner.recover()
        one.events.start()
        game = Game(one, one.owner.runners()[0], rng)
        await game.close()
        await game.ask()
    await game.play_on()
    await one.told()
    await one.events.stop()
    await one.owner.stop()
    await assert_all_told(journal, client)


async def test_the_next_owner_does_not_begin_again(
    client: Client, journal: MemoryJournal
) -> None:
    """What was told is told again only where it is a latest value, which says so."""
    one = Shard(journal, client)
    one.events.start()
    game = Game(one, await one.open("s1", rules()), random.Random(10))
    await game.join(5)
    await game.start()
    await game.answer_all()
    await one.told()
    await one.die()
    before = {stream: len(await on(client, stream)) for stream in STREAMS}
    async with shard(journal, client, clock=one.clock) as two:
        await two.owner.recover()
        await until(lambda: two.metric("published_events_total") > 0)
        await two.told()
    after = {stream: len(await on(client, stream)) for stream in STREAMS}
    changes = {"phases": 1, "leaderboard": 1}  # the outage, and how things stand
    assert after == {name: n + changes.get(name, 0) for name, n in before.items()}


async def test_the_end_is_told_by_whoever_starts_next(
    client: Client, journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that has ended is taken over by nobody; its results come all the same.

    One that was never told of is older than the streams, and left alone.
    """
    monkeypatch.setattr("quizd.events.events.LEFT_S", 0.01)
    one = Shard(journal, client)
    one.events.start()
    game = Game(one, await one.open("s1", rules()), random.Random(9))
    await game.join(5)
    await game.start()
    await one.told()
    await one.events.stop()
    await game.play_on()
    await played(one, await one.open("s0", rules()), seed=9)
    await one.die()
    async with shard(journal, client) as two:
        await two.owner.recover()
        assert not two.owner.runners()
        await until(lambda: two.metric("published_events_total") > 0)
        await two.told()
    await assert_all_told(journal, client)
    assert {e["sessionId"] for e in await on(client, "phases")} == {"s1"}


async def test_redis_is_killed_and_play_goes_on(
    server: RedisServer, client: Client, journal: MemoryJournal
) -> None:
    """Nobody waits for it; when it is back, the streams have everything.

    Also what did not fit into memory meanwhile: it is in the journal.
    """
    options = EventOptions(streams=STREAMS, pause_s=0.0, queue_bytes=2000)
    async with shard(journal, client, options) as one:
        game = Game(one, await one.open("s1", rules()), random.Random(3))
        await game.join(20)
        await game.start()
        await one.told()
        await server.kill()
        async with asyncio.timeout(PLAY_S):
            await game.play_on()
        assert one.metric("waiting_bytes") <= 2000
        await until(lambda: one.metric("failures_total") > 0)
        await server.start()
        await one.told()
        assert one.metric("dropped_batches_total") > 0
        assert one.metric("gaps_total") == 0
    await assert_all_told(journal, client)


async def test_the_end_is_told_of_one_that_others_have_pushed_out(
    server: RedisServer, client: Client, journal: MemoryJournal
) -> None:
    """A session that ends while Redis is away has nothing more that would remind of it.

    Whoever plays on meanwhile fills the queue.
    """
    options = EventOptions(streams=STREAMS, pause_s=0.0, queue_bytes=2000)
    async with shard(journal, client, options) as one:
        game = Game(one, await one.open("s1", rules()), random.Random(11))
        await game.join(5)
        await game.start()
        await one.told()
        await server.kill()
        await game.play_on()
        other = Game(one, await one.open("s2", rules()), random.Random(12))
        await other.join(100)
        assert one.metric("waiting_bytes") <= 2000
        await server.start()
        await one.told()
        assert one.metric("dropped_batches_total") > 0
        assert one.metric("gaps_total") == 0
        phases = [e for e in await on(client, "phases") if e["sessionId"] == "s1"]
        assert phases[-1]["change"] == "ended"
        results = [e for e in await on(client, "results") if e["sessionId"] == "s1"]
        assert results[-1]["leaderboard"]
        joins = [e for e in await on(client, "joins") if e["sessionId"] == "s2"]
        assert joins[-1]["through"] == other.runner.index


async def test_redis_stands_still_and_play_goes_on(
    server: RedisServer, client: Client, journal: MemoryJournal
) -> None:
    """Who is not answered does not know what was kept; it is told again."""
    hasty = client_of(server, HASTE_S)
    async with aclosing(hasty), shard(journal, hasty) as one:
        game = Game(one, await one.open("s1", rules()), random.Random(4))
        await game.join(9)
        await game.start()
        server.pause()
        try:
            async with asyncio.timeout(PLAY_S):
                await game.play_on()
            await one.failed()
        finally:
            server.resume()
        await one.told()
    await assert_all_told(journal, client)


async def test_what_is_forgotten_leaves_a_gap_that_is_told(
    server: RedisServer, client: Client, journal: MemoryJournal
) -> None:
    """Redis has lost all, and the journal was trimmed: every stream says so.

    Latest values are whole all the same.
    """
    async with shard(journal, client) as one:
        runner = await one.open("s1", rules())
        game = Game(one, runner, random.Random(5))
        await game.join(9)
        await game.start()
        await game.answer_all()
        await one.told()
        await server.kill()
        server.wipe()
        await game.close()
        index = runner.index
        await journal.save_snapshot("s1", runner.term, index, {"all": b""})
        await journal.trim("s1", index)
        await game.ask()
        await one.failed()
        await server.start()
        await one.told()
        assert one.metric("gaps_total") == 1
        for stream in STREAMS:
            gaps = [e for e in await on(client, stream) if e["type"] == "gap"]
            assert [(e["from"], e["through"]) for e in gaps] == [(1, index)]
        (scores,) = [e for e in await on(client, "scores") if e["type"] == "scores"]
        board = runner.state.board
        assert {each["participantId"]: each["score"] for each in scores["scores"]} == {
            name: board.score(n) for n, name in enumerate(runner.state.participant_ids)
        }


async def test_a_fault_in_one_session_costs_no_other(
    client: Client, journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged, and the others are told."""
    async with shard(journal, client) as one:
        bad = await one.open("bad", rules())
        monkeypatch.setattr(bad, "read", broken)
        await played(one, bad, seed=6)
        await played(one, await one.open("s1", rules()), seed=6)
        await one.told()
        assert one.metric("failures_total") == 0
    await assert_all_told(journal, client)


def broken(_: object) -> None:
    """Fail as a bug does."""
    raise ZeroDivisionError


async def test_nothing_is_left_running(
    server: RedisServer, client: Client, journal: MemoryJournal
) -> None:
    """Stopping tells what waits; where Redis is away, it takes no longer for that."""
    one = Shard(journal, client)
    one.events.start()
    await played(one, await one.open("s1", rules()), seed=7)
    await one.events.stop()
    await one.owner.stop()
    await assert_all_told(journal, client)
    await server.kill()
    two = Shard(journal, client)
    two.events.start()
    await played(two, await two.open("s2", rules()), seed=8)
    async with asyncio.timeout(PLAY_S):
        await two.events.stop()
        await two.events.stop()
    await two.owner.stop()
