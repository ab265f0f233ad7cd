"""The streams themselves: bounds, groups, lags, and what is switched on."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from quizd.events import STREAMS, EventOptions, stream_key
from quizd.journal.memory import MemoryJournal
from quizd.redis_client import Client
from quizd.session import events as ev
from quizd.session.quiz import Quiz
from tests.events.complete import assert_all_told
from tests.events.stage import Game, Shard, on, played, shard, until
from tests.journal.redis_stage import client_of
from tests.session.play import multiple, quiz, single
from tests.support.redis_server import RedisServer, needs_redis

pytestmark = [needs_redis, pytest.mark.asyncio(loop_scope="module")]

HEAD = bytes(range(32))
GROUP = "readers"


def rules() -> Quiz:
    """Return a short quiz, led by its host."""
    return quiz(single(), multiple("red", "blue"), advance="host")


@pytest_asyncio.fixture(loop_scope="module")
async def journal() -> AsyncIterator[MemoryJournal]:
    """Return a journal that does not depend on Redis."""
    async with MemoryJournal() as one:
        yield one


async def test_a_stream_is_bounded(client: Client, journal: MemoryJournal) -> None:
    """Redis keeps about as many events as asked for, the latest; it trims in nodes."""
    options = EventOptions(streams=("phases",), pause_s=0.0, max_length=100)
    async with shard(journal, client, options) as one:
        runner = await one.open("s1", rules())
        for number in range(250):
            await runner.submit(ev.HostLocked(locked=number % 2 == 0))
        await one.told()
        assert one.metric("published_events_total") == 251
    events = await on(client, "phases")
    assert 100 <= len(events) <= 200
    assert events[-1]["through"] == 251


async def test_only_what_is_asked_for_is_told(
    client: Client, journal: MemoryJournal
) -> None:
    """By default the streams whose cost does not grow with answers; or none."""
    light = ("joins", "phases", "leaderboard", "results")
    async with shard(journal, client, EventOptions(pause_s=0.0)) as one:
        await played(one, await one.open("s1", rules()), seed=1)
        await one.told()
        names = {name for name, _, _ in one.events.gauges()}
        assert {f"quizd_events_{each}_lag_events" for each in light} <= names
    assert {each for each in STREAMS if await on(client, each)} == set(light)
    async with shard(journal, client, EventOptions(streams=())) as one:
        await played(one, await one.open("s2", rules()), seed=1)
        one.events.anchored("s2", 9, HEAD)
        assert one.events.settled
    assert not [e for e in await on(client, "phases") if e["sessionId"] == "s2"]


async def test_an_unknown_stream_is_refused() -> None:
    """The message names it."""
    with pytest.raises(ValueError, match="no such stream: marks"):
        EventOptions(streams=("joins", "marks"))


async def test_groups_are_given_what_they_have_not_seen(
    client: Client, journal: MemoryJournal
) -> None:
    """Two consumers of a group share the events; another group gets all of them."""
    for group in (GROUP, "others"):
        await client.xgroup_create(stream_key("phases"), group, "0", mkstream=True)
    async with shard(journal, client) as one:
        await played(one, await one.open("s1", rules()), seed=2)
        await one.told()
    everything = await on(client, "phases")
    first, second = await given(client, GROUP, "a", 3), await given(client, GROUP, "b")
    assert len(first) == 3
    assert len(first) + len(second) == len(everything) == len(set(first + second))
    assert len(await given(client, "others", "a")) == len(everything)


async def test_lag_is_what_the_slowest_group_has_not_finished(
    client: Client, journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not given out counts, and what was not acknowledged."""
    monkeypatch.setattr("quizd.events.events.LAG_S", 0.01)
    key = stream_key("phases")
    await client.xgroup_create(key, GROUP, "0", mkstream=True)
    await client.xgroup_create(key, "quick", "$")
    async with shard(journal, client) as one:
        await played(one, await one.open("s1", rules()), seed=3)
        await one.told()
        count = len(await on(client, "phases"))
        await lags(one, count)
        numbers = await given(client, GROUP, "a") + await given(client, "quick", "a")
        await client.xack(key, "quick", *numbers)
        await lags(one, count)
        await client.xack(key, GROUP, *numbers)
        await lags(one, 0)


async def test_lag_is_counted_where_redis_can_not_say(
    client: Client, journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can't before version 7, and after an event in the middle was deleted."""
    monkeypatch.setattr("quizd.events.events.LAG_S", 0.01)
    key = stream_key("phases")
    async with shard(journal, client) as one:
        await played(one, await one.open("s1", rules()), seed=4)
        await one.told()
        entries: Any = await client.xrange(key)
        await client.xgroup_create(key, GROUP, entries[1][0])
        await client.xdel(key, entries[4][0])
        (group,) = await client.xinfo_groups(key)
        assert group.get("lag") is None
        await lags(one, len(entries) - 3)


async def test_the_end_of_the_audited_log_is_told(
    server: RedisServer, client: Client, journal: MemoryJournal
) -> None:
    """Also where Redis was away when it was known."""
    async with shard(journal, client) as one:
        await server.kill()
        one.events.anchored("s1", 41, HEAD)
        await one.failed()
        await server.start()
        await one.told()
    (event,) = await on(client, "results")
    assert (event["type"], event["sessionId"]) == ("anchor", "s1")
    assert (event["through"], event["head"]) == (41, HEAD.hex())


async def test_boards_come_at_their_rate(
    client: Client, journal: MemoryJournal
) -> None:
    """A change is told at once, further ones together; the last one is never lost."""
    rate = 4.0
    options = EventOptions(
        ("leaderboard",), pause_s=0.0, boards_per_s=rate, board_size=40
    )
    loop = asyncio.get_running_loop()
    async with shard(journal, client, options) as one:
        runner = await one.open("s1", quiz(single("red"), advance="host"))
        game = Game(one, runner, random.Random(6))
        await game.join(40)
        await game.start()
        began_s = loop.time()
        for who in range(40):
            payload = {"questionId": "q1", "selectedOption": "red"}
            answer = ev.AnswerSubmitted(who, one.clock.now_ms(), payload)
            await runner.submit(answer)
            await asyncio.sleep(0.01)
            one.clock.advance(100)
        await one.told()
        took_s = loop.time() - began_s
        board = runner.state.board.top(40)
    boards = await on(client, "leaderboard")
    assert 2 <= len(boards) <= 2 + rate * took_s
    shown = [(each["score"], each["rank"]) for each in boards[-1]["leaderboard"]]
    assert shown == [(score, rank) for _, score, rank in board]


async def test_a_cluster_does_as_well(journal: MemoryJournal) -> None:
    """Streams and cursors lie in different slots."""
    async with RedisServer(cluster=True) as server:
        client = client_of(server)
        async with shard(journal, client) as one:
            await played(one, await one.open("s1", rules()), seed=5)
            await one.told()
        await assert_all_told(journal, client)
        await client.aclose()


async def given(
    client: Client, group: str, consumer: str, count: int | None = None
) -> list[bytes]:
    """Return the numbers of the phases that a consumer is given."""
    key = stream_key("phases")
    reply: Any = await client.xreadgroup(group, consumer, {key: ">"}, count)
    return [number for _, entries in reply for number, _ in entries]


async def lags(one: Shard, events: int) -> None:
    """Wait until the metric says so many."""
    await until(lambda: one.metric("phases_lag_events") == events)
