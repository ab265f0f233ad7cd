"""Quizzes on Postgres, where others commit between two statements of a transaction."""

from collections.abc import Iterator

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from quizd.content import load
from quizd.session.quiz import Quiz
from quizd.store import quizzes as module
from quizd.store.base import StoreUnavailable
from quizd.store.engine import postgres_engine, reading_engine
from quizd.store.quizzes import StoredQuizzes
from tests.support.postgres_server import needs_postgres, shared_server

pytestmark = needs_postgres

DEMO = load("demo")
OTHER = DEMO.model_copy(update={"title": "other"})


@pytest.fixture
def dsn() -> Iterator[str]:
    """The address of a fresh database."""
    with shared_server().fresh_database() as name:
        yield shared_server().dsn(name)


async def test_a_quiz_made_in_between_is_not_taken_for_ours(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's content is version 1, and ours is version 2."""
    ours, theirs = (StoredQuizzes(postgres_engine(dsn)) for _ in range(2))
    update = module._update

    async def interrupted(
        connection: AsyncConnection, quiz_id: str, quiz: Quiz, now_ms: int
    ) -> module._Marks | None:
        found = await update(connection, quiz_id, quiz, now_ms)
        if quiz == DEMO and found is None:
            assert (await theirs.put(quiz_id, OTHER, 7)).version == 1
        return found

    monkeypatch.setattr(module, "_update", interrupted)
    stored = await ours.put("words", DEMO, 8)
    assert (stored.version, stored.quiz) == (2, DEMO)
    assert await ours.get("words") == stored
    await ours.stop()
    await theirs.stop()


async def test_an_engine_for_reports_changes_nothing(dsn: str) -> None:
    """It reads what was written, on the replica where there is one."""
    writing = StoredQuizzes(postgres_engine(dsn))
    stored = await writing.put("words", DEMO, 7)
    reading = StoredQuizzes(reading_engine("postgresql://nowhere.invalid/", dsn))
    assert await reading.get("words") == stored
    with pytest.raises(StoreUnavailable, match="read-only"):
        await reading.put("words", OTHER, 8)
    await reading.stop()
    await writing.stop()


async def test_a_database_that_is_not_there_is_named_unavailable() -> None:
    """Whatever the driver raises while it connects."""
    nobody = StoredQuizzes(postgres_engine("postgresql://x@127.0.0.1:1/x"))
    missing = StoredQuizzes(postgres_engine(shared_server().dsn("missing")))
    for quizzes in (nobody, missing):
        for ask in (quizzes.ping, quizzes.start):
            with pytest.raises(StoreUnavailable):
                await ask()
        await quizzes.stop()
