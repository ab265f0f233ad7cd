"""Two shards as they are served: what is played through either of them is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import httpx
import pytest
import pytest_asyncio

from quizd.events import STREAMS
from quizd.redis_client import Client
from tests.events.complete import answers_told, joined
from tests.events.stage import LOOK_S, PATIENCE_S, Event, on
from tests.journal.redis_stage import client_of
from tests.support.cluster import ShardServers
from tests.support.quizzes import OPTIONS, quick_quiz
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.scrape import metric

pytestmark = [needs_redis, pytest.mark.asyncio(loop_scope="module")]

RULES = {"start": "host", "advance": "host", "min_participants": 1}
PUBLISHED = "quizd_events_published_events_total"
MESSAGE_S = 0.1
TOLD = {"events.streams": ",".join(STREAMS)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shards(
    server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ShardServers]:
    """Start two shards, once for this file."""
    data_dir = tmp_path_factory.mktemp("data")
    async with ShardServers(data_dir, server.url, 2, TOLD) as both:
        yield both
    assert not both.errors(), both.story()


async def test_a_game_and_the_end_of_its_log_are_told(
    server: RedisServer, shards: ShardServers
) -> None:
    """Over REST, through the shard that has not opened it."""
    async with aclosing(client_of(server)) as client:
        opened = await shards[0].open_quiz(quick_quiz(1, RULES))
        address = f"/quizzes/{opened['quizId']}"
        ticket = await shards[1].join(opened["pin"], "Ann")
        async with shards[1].api(opened["hostToken"]) as host:
            for command in ("start", "next"):
                await said(host, f"{address}/{command}")
            question, *_ = await until_told(client, "phases", "question")
            body = {"questionId": question["questionId"], "selectedOption": OPTIONS[0]}
            async with shards[1].api(ticket["token"]) as player:
                await said(player, f"{address}/answers", body)
            await said(host, f"{address}/end")
        results, *_ = await until_told(client, "results", "results")
        anchor, *_ = await until_told(client, "results", "anchor")
        told = sum([await metric(each, PUBLISHED) for each in shards.servers])
        who = ticket["participantId"]
        assert joined(await on(client, "joins")) == {who}
        assert answers_told(await on(client, "answers")).keys() == {(0, who)}
        assert (results["participants"], results["answers"]) == (1, 1)
        assert anchor["sessionId"] == results["sessionId"] == opened["sessionId"]
        assert told > 0


async def said(
    api: httpx.AsyncClient, path: str, body: dict[str, str] | None = None
) -> None:
    """Have a command or an answer accepted, which is too early before the start."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            reply = await api.post(path, json=body or {})
            if reply.status_code == httpx.codes.OK:
                return
            assert "too_early" in reply.text, reply.text
            await asyncio.sleep(LOOK_S)


async def until_told(client: Client, stream: str, kind: str) -> list[Event]:
    """Return the events of a type or change, once there are any."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = await on(client, stream)
            wanted = [e for e in found if kind in (e["type"], e.get("change"))]
            if wanted:
                return wanted
            await asyncio.sleep(LOOK_S)


async def test_a_changed_quiz_is_given_as_it_is(shards: ShardServers) -> None:
    """The other shard has had the elder definition in memory a moment ago."""
    one, two = (each.api(each.author_token) for each in shards.servers)
    async with one, two:
        made = await one.post("/quizzes", json=quick_quiz(1, RULES))
        address = f"/quizzes/{made.json()['quizId']}"
        for number in range(5):
            quiz = {**quick_quiz(1, RULES), "title": f"Title {number}"}
            assert (await two.get(address)).is_success
            assert (await one.put(address, json=quiz)).is_success
            await asyncio.sleep(MESSAGE_S)
            assert quiz["title"] in (await two.get(address)).text
