"""A quiz that nobody has asked for yet, and a whole hall that joins it at once."""

import asyncio
from typing import Any

import httpx
from sqlalchemy import event

from tests.api.stage import API, AS_AUTHOR, Stage, quiz

HALL = 400


async def test_a_hall_that_joins_a_cold_quiz_makes_one_query() -> None:
    """Over the API, where the quiz opens with the first who joins."""
    async with Stage() as stage:
        body = quiz(open="always")
        made = await stage.api.post(f"{API}/quizzes", json=body, headers=AS_AUTHOR)
        address = f"{API}/quizzes/{made.json()['quizId']}/join"
        asked: list[str] = []

        def note(*arguments: Any) -> None:  # noqa: ANN401 - as SQLAlchemy calls
            asked.append(arguments[2])

        engine = stage.quizzes._engine.sync_engine
        event.listen(engine, "before_cursor_execute", note)
        names = [{"participantName": f"Player {number}"} for number in range(HALL)]
        replies = await asyncio.gather(
            *(stage.api.post(address, json=name) for name in names)
        )
        assert {reply.status_code for reply in replies} == {httpx.codes.OK}
        assert len({reply.json()["participantId"] for reply in replies}) == HALL
        assert len({reply.json()["sessionId"] for reply in replies}) == 1
        assert len(asked) == 1, asked
