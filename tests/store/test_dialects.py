"""The store's SQL is not SQLite's alone."""

from sqlalchemy import Executable, event, make_url
from sqlalchemy.schema import CreateTable

from quizd.content import load
from quizd.store.engine import sqlite_engine
from quizd.store.quizzes import StoredQuizzes
from quizd.store.tables import metadata, quiz_versions

POSTGRES = make_url("postgresql+asyncpg://").get_dialect()()


def test_every_table_can_be_made_on_postgres() -> None:
    """With content as JSONB, so that questions can be asked of it there."""
    for table in metadata.sorted_tables:
        assert str(CreateTable(table).compile(dialect=POSTGRES))
    versions = str(CreateTable(quiz_versions).compile(dialect=POSTGRES))
    assert "content JSONB NOT NULL" in versions
    assert "created_ms BIGINT NOT NULL" in versions


async def test_every_statement_can_be_said_to_postgres() -> None:
    """Whatever the store asks of SQLite it can ask of Postgres."""
    engine = sqlite_engine(None)
    quizzes = StoredQuizzes(engine)
    await quizzes.start()
    asked: list[Executable] = []
    event.listen(
        engine.sync_engine,
        "before_execute",
        lambda _, element, *__: asked.append(element),
    )
    quiz = load("demo")
    await quizzes.ping()
    await quizzes.put("words", quiz, 7)
    await quizzes.put("words", quiz, 8)
    await quizzes.get("words")
    await quizzes.list(5, "a", always_open=True)
    await quizzes.delete("words", 9)
    await quizzes.stop()
    assert len(asked) >= 8
    for statement in asked:
        assert str(statement.compile(dialect=POSTGRES))  # type: ignore[attr-defined]
