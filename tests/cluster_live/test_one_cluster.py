"""Three shards behave as one server, whichever of them is asked."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.support.cluster import ShardServers
from tests.support.quizzes import quick_quiz
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.socket_player import Player

HOST_LEADS = {
    "start": "host",
    "advance": "host",
    "min_participants": 1,
    "countdown_s": 60,
}
ALWAYS_OPEN = {"open": "always", "start": "auto", "min_participants": 50}
JOINS = 12

pytestmark = [
    needs_redis,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(name="shards", scope="module", loop_scope="module")
async def _shards(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[ShardServers]:
    """Start a Redis and three shards, for all tests of this file."""
    async with (
        RedisServer({"appendonly": "yes", "appendfsync": "always"}) as redis,
        ShardServers(tmp_path_factory.mktemp("data"), redis.url, 3) as shards,
    ):
        yield shards
    assert not shards.errors(), shards.story()


async def command(
    shards: ShardServers, shard: int, opened: dict[str, Any], name: str, **body: object
) -> dict[str, Any]:
    """Have the host command through a shard."""
    async with shards[shard].api(opened["hostToken"]) as api:
        reply = await api.post(f"/quizzes/{opened['quizId']}/{name}", json=body)
    assert reply.status_code == httpx.codes.OK, reply.text
    done: dict[str, Any] = reply.json()
    return done


def led_quiz(questions: int) -> dict[str, Any]:
    """Return a quiz in which nothing happens but by the host, or all answers."""
    quiz = quick_quiz(questions, HOST_LEADS)
    for question in quiz["questions"]:
        question["time_s"] = 60
    return quiz


def through(shards: ShardServers, shard: int, ticket: dict[str, Any]) -> dict[str, Any]:
    """Return *ticket* for a connection to a shard."""
    query = ticket["wsUrl"].partition("?")[2]
    return {**ticket, "wsUrl": f"{shards[shard].ws_url}?{query}"}


async def test_a_quiz_that_all_open_at_once_has_one_session(
    shards: ShardServers,
) -> None:
    """Whoever asks, and however often: the same session, pin and quiz."""
    first = await shards[0].open_quiz(quick_quiz(1, HOST_LEADS))
    stored = quick_quiz(1, HOST_LEADS)
    async with shards[0].api(shards[0].author_token) as api:
        quiz_id = (await api.post("/quizzes", json=stored)).json()["quizId"]

    async def open_at(shard: int) -> dict[str, Any]:
        async with shards[shard].api(shards[0].author_token) as api:
            reply = await api.post(f"/quizzes/{quiz_id}/open")
        assert reply.status_code in (httpx.codes.OK, httpx.codes.CREATED), reply.text
        opened: dict[str, Any] = reply.json()
        return opened

    opened = await asyncio.gather(*(open_at(shard % 3) for shard in range(9)))
    assert len({each["sessionId"] for each in opened}) == 1
    assert len({each["pin"] for each in opened}) == 1
    assert opened[0]["pin"] != first["pin"]


async def test_first_joins_of_a_quiz_that_is_always_open_meet(
    shards: ShardServers,
) -> None:
    """Nobody opened it: the joins do, on all shards at once, and once."""
    async with shards[0].api(shards[0].author_token) as api:
        quiz = quick_quiz(1, ALWAYS_OPEN)
        quiz_id = (await api.post("/quizzes", json=quiz)).json()["quizId"]
    tickets = await asyncio.gather(
        *(shards[n % 3].join(quiz_id, f"P{n}") for n in range(JOINS))
    )
    assert len({ticket["sessionId"] for ticket in tickets}) == 1
    assert len({ticket["participantId"] for ticket in tickets}) == JOINS


async def test_who_has_joined_on_one_shard_is_known_on_another(
    shards: ShardServers,
) -> None:
    """The connection comes milliseconds after the join, and is welcome at once."""
    opened = await shards[0].open_quiz(quick_quiz(1, HOST_LEADS))
    clock = asyncio.get_running_loop().time
    waits_s = []
    for number in range(JOINS):
        there, here = number % 3, (number + 1 + number // 3) % 3
        ticket = await shards[there].join(opened["pin"], f"P{number}")
        asked_s = clock()
        async with Player.of(through(shards, here, ticket)) as player:
            welcome = await player.next("welcome")
            waits_s.append(clock() - asked_s)
            assert welcome["participantId"] == ticket["participantId"]
    print(f"welcome after {sorted(waits_s)}")
    assert sorted(waits_s)[JOINS // 2] < 0.5


async def test_a_host_leads_through_any_shard(shards: ShardServers) -> None:
    """Each command by another shard; players of all shards hear the same numbers."""
    opened = await shards[0].open_quiz(led_quiz(2))
    tickets = [await shards[n].join(opened["pin"], f"P{n}") for n in range(3)]
    async with (
        Player.of(through(shards, 1, tickets[0])) as one,
        Player.of(through(shards, 2, tickets[1])) as two,
        Player.of(through(shards, 0, tickets[2])) as three,
    ):
        players = (one, two, three)
        for player in players:
            await player.next("welcome")
        await command(shards, 1, opened, "start")
        told = await command(shards, 2, opened, "next")
        assert told["phase"] == "question"
        for player in players:
            question = await player.next("new_question")
            await player.answer(question["questionId"], question["options"][0])
        for player in players:
            assert (await player.next("answer_result"))["accepted"]
        expect = {"phase": "question", "questionId": "question-0"}
        await command(shards, 0, opened, "next", expect=expect)
        await command(shards, 1, opened, "next", expect=expect)  # it is done: nothing
        for player in players:
            await player.next("question_closed")
        await command(shards, 2, opened, "end")
        for player in players:
            await player.next("quiz_ended")
        assert one.seqs == two.seqs == three.seqs
        assert all(later == before + 1 for before, later in pairwise(one.seqs))


async def test_every_shard_lists_all_open_sessions(shards: ShardServers) -> None:
    """What can be joined is the same list everywhere."""
    quizzes = []
    for number in range(6):
        opened = await shards[number % 3].open_quiz(quick_quiz(1, HOST_LEADS))
        quizzes.append(opened["quizId"])
    owners = {line["shard"] for s in shards.servers for line in s.log if _opens(line)}
    for shard in shards.servers:
        async with shard.api() as api:
            reply = await api.get("/quizzes", params={"joinable": "true"})
        listed = [line["quizId"] for line in reply.json()["quizzes"]]
        assert set(quizzes) <= set(listed), f"owners: {owners}"
        assert len(set(listed)) == len(listed)


def _opens(line: dict[str, Any]) -> bool:
    return bool(line["event"] == "session_opened")


async def test_who_is_removed_on_one_shard_is_out_on_another(
    shards: ShardServers,
) -> None:
    """The line closes by name, and does not come back on any shard."""
    opened = await shards[0].open_quiz(quick_quiz(1, HOST_LEADS))
    for number in range(3):
        ticket = await shards[number].join(opened["pin"], f"P{number}")
        who = {"participantId": ticket["participantId"]}
        elsewhere = through(shards, (number + 1) % 3, ticket)
        async with Player.of(elsewhere) as player:
            await player.next("welcome")
            await command(shards, (number + 2) % 3, opened, "kick", **who)
            assert (await player.next("removed"))["reason"] == "kicked"
            assert await player.closed() == 4010
        async with Player.of(through(shards, number, ticket)) as player:
            assert await player.closed() == 4010


async def test_a_newer_connection_on_another_shard_wins(shards: ShardServers) -> None:
    """The elder one closes with 4009, wherever both are, and the newer one plays."""
    opened = await shards[0].open_quiz(led_quiz(1))
    ticket = await shards[0].join(opened["pin"], "Ann")
    for first, second in ((0, 1), (1, 2), (2, 0)):
        async with Player.of(through(shards, first, ticket)) as elder:
            await elder.next("welcome")
            async with Player.of(through(shards, second, ticket)) as newer:
                await newer.next("welcome")
                assert await elder.closed() == 4009
                await newer.pulse()
                assert newer.is_open
    await command(shards, 0, opened, "start")
    await command(shards, 1, opened, "next")
    async with Player.of(through(shards, 1, ticket)) as player:
        question = (await player.next("welcome"))["question"]
        await player.answer(question["questionId"], question["options"][0])
        assert (await player.next("answer_result"))["accepted"]
