"""What tests of a stored game share: a short quiz, its player, and who looks on."""

import asyncio
from typing import Any

import httpx
from sqlalchemy import text

from tests.contract.stores import Backend
from tests.support.quizzes import quick_quiz
from tests.support.server import Server

LOOK_S = 0.02
PATIENCE_S = 30.0
ALONE = {"start": "auto", "min_participants": 1, "countdown_s": 0.05, "reveal_s": 0.05}
FAST = {"journal.keep_ended_s": 0.2, "journal.renew_ms": 50, "play.lead_min_ms": 20}


def short_quiz(questions: int = 1) -> dict[str, Any]:
    """Return a quiz that one player starts and plays alone."""
    return quick_quiz(questions, ALONE)


async def play(server: Server) -> str:
    """Play a quiz of one question to its end; return the session."""
    opened = await server.open_quiz(short_quiz())
    await play_in(server, opened)
    return str(opened["sessionId"])


async def play_in(server: Server, opened: dict[str, Any]) -> None:
    """Join a session and give an answer that counts."""
    ticket = await server.join(opened["pin"], "Ann")
    async with server.api(ticket["token"]) as api:
        told = await answer(api, opened["quizId"])
        assert told["accepted"]


async def answer(api: httpx.AsyncClient, quiz_id: str) -> dict[str, Any]:
    """Answer the open question as soon as there is one."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            state = (await api.get(f"/quizzes/{quiz_id}/state")).json()
            if question := state.get("question"):
                body = {
                    "questionId": question["questionId"],
                    "selectedOption": question["options"][0],
                }
                reply = await api.post(f"/quizzes/{quiz_id}/answers", json=body)
                if reply.status_code == httpx.codes.OK:
                    told: dict[str, Any] = reply.json()
                    return told
            await asyncio.sleep(LOOK_S)


async def ask(backend: Backend, query: str) -> list[tuple[Any, ...]]:
    """Return the rows that the database has for *query*."""
    engine = backend.engine()
    async with engine.connect() as connection:
        rows = [tuple(row) for row in await connection.execute(text(query))]
    await engine.dispose()
    return rows


async def until(backend: Backend, query: str, wanted: list[tuple[Any, ...]]) -> None:
    """Wait until *query* gives *wanted*."""
    async with asyncio.timeout(PATIENCE_S):
        while await ask(backend, query) != wanted:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)


async def verbose(server: Server) -> dict[str, Any]:
    """Return what an operator is told; hold the server to being ready."""
    async with httpx.AsyncClient(base_url=server.url) as api:
        ready = await api.get("/readyz")
        assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
        told: dict[str, Any] = (await api.get("/readyz?verbose")).json()
        return told


async def metric(server: Server, name: str) -> float:
    """Return the value of a metric without labels."""
    async with httpx.AsyncClient(base_url=server.url) as api:
        lines = (await api.get("/metrics")).text.splitlines()
    found = [line for line in lines if line.startswith(f"{name} ")]
    assert len(found) == 1, name
    return float(found[0].split()[1])
