"""Postgres is away: play goes on, sessions open, and everything is written later."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.stores import PostgresBackend
from tests.storing.stage import (
    FAST,
    ask,
    metric,
    play,
    play_in,
    short_quiz,
    until,
    verbose,
)
from tests.support.postgres_server import needs_postgres, shared_server
from tests.support.server import Server

pytestmark = [needs_postgres, pytest.mark.timeout(180)]


async def reopen(server: Server, quiz_id: str) -> dict[str, Any]:
    """Open another session of a stored quiz."""
    async with server.api(server.author_token) as api:
        opened = await api.post(f"/quizzes/{quiz_id}/open", timeout=20)
    assert opened.status_code == httpx.codes.CREATED, opened.text
    return {"quizId": quiz_id, **opened.json()}


async def author(server: Server) -> httpx.Response:
    """Ask the store to keep a quiz."""
    async with server.api(server.author_token) as api:
        return await api.post("/quizzes", json=short_quiz(), timeout=20)


@pytest.fixture
def backend() -> Iterator[PostgresBackend]:
    """A database with all tables."""
    with shared_server().fresh_database() as database:
        yield PostgresBackend(database)


@pytest.fixture
def bare() -> Iterator[PostgresBackend]:
    """A database without tables."""
    with shared_server().fresh_database("template0") as database:
        yield PostgresBackend(database)


async def test_play_goes_on_without_the_database(
    backend: PostgresBackend, tmp_path: Path
) -> None:
    """Before, while and after it is away, and over a start while it is away."""
    postgres = shared_server()
    options = {**FAST, "database.url": backend.dsn}
    async with Server(tmp_path, options) as server:
        first = await play(server)
        await until(backend, "SELECT ended FROM write_behind", [(True,)])
        (quiz_id,) = (await ask(backend, "SELECT quiz_id FROM quizzes"))[0]
        await asyncio.to_thread(postgres.stop)

        refused = await author(server)
        assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert refused.json()["code"] == "shard_unavailable"
        opened = await reopen(server, quiz_id)
        await play_in(server, opened)
        told = await verbose(server)
        assert told["status"] == "degraded: store"
        assert told["checks"]["store"].startswith("degraded: ")
        assert await metric(server, "quizd_store_degraded") == 1
        assert await metric(server, "quizd_store_waiting_batches") > 0
        assert await metric(server, "quizd_store_lag_seconds") > 0

        await server.kill()
        await server.start()
        told = await verbose(server)
        assert told["status"] == "degraded: store"
        assert (await author(server)).status_code == 503

        postgres.start()
        sessions = sorted([first, opened["sessionId"]])
        query = "SELECT session_id FROM {} ORDER BY session_id"
        for table in ("answers", "results"):
            await until(backend, query.format(table), [(s,) for s in sessions])
        assert (await author(server)).status_code == httpx.codes.CREATED
        assert (await verbose(server))["status"] == "ready"
        assert await metric(server, "quizd_store_degraded") == 0


async def test_wrong_tables_are_an_error_that_says_what_to_do(
    bare: PostgresBackend, tmp_path: Path
) -> None:
    """A Postgres is never upgraded by serving."""
    server = Server(tmp_path, {"database.url": bare.dsn})
    with pytest.raises(RuntimeError, match='run "quizd db upgrade"'):
        await server.start()
    await server.ended()
