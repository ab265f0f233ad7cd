"""What the store's schema promises, held against each database."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from quizd.content import load
from quizd.store import migrations
from quizd.store.migrations import WrongSchema, check, current, head, upgrade
from quizd.store.partitions import DAY_MS, PART_MS, Upkeep, maintain, name_of, start_of
from quizd.store.quizzes import StoredQuizzes
from quizd.store.tables import (
    answers,
    metadata,
    participants,
    quiz_versions,
    quizzes,
    security_events,
    session_log,
    sessions,
)
from tests.contract.stores import Backend, empty_fixture

empty = empty_fixture

NOW_MS = 1_767_225_600_000 + 3 * DAY_MS
AHEAD = "UPDATE quizd_schema SET version_num = '9999'"
PARTS = {"answers", "session_log"}


@pytest.fixture
async def engine(empty: Backend) -> AsyncIterator[AsyncEngine]:
    """An engine on a database without a table."""
    engine = empty.engine()
    yield engine
    await engine.dispose()


async def tables_of(engine: AsyncEngine) -> set[str]:
    """Return the names of all tables."""
    async with engine.connect() as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    return set(names)


class TestMigrations:
    """Bringing a database to the tables of this program."""

    async def test_all_steps_make_the_tables_of_the_program(
        self, engine: AsyncEngine
    ) -> None:
        """Column for column and index for index, on both databases."""
        await upgrade(engine)

        def differences(connection: Connection) -> list[Any]:
            options = {"compare_type": True, "version_table": migrations.VERSION_TABLE}
            context = MigrationContext.configure(connection, opts=options)
            return list(compare_metadata(context, metadata))

        async with engine.connect() as connection:
            assert await connection.run_sync(differences) == []

    async def test_a_database_knows_where_it_is(self, engine: AsyncEngine) -> None:
        """Nowhere at first, then at the head, where a second upgrade leaves it."""
        assert await current(engine) is None
        await upgrade(engine)
        assert await current(engine) == head()
        await upgrade(engine)
        await check(engine)
        assert await current(engine) == head()

    async def test_those_who_start_together_upgrade_once(
        self, empty: Backend, engine: AsyncEngine
    ) -> None:
        """Whoever comes second finds the work done."""
        others = [empty.engine() for _ in range(3)]
        await asyncio.gather(*(upgrade(each) for each in [engine, *others]))
        assert await current(engine) == head()
        for other in others:
            await other.dispose()

    async def test_a_database_that_is_ahead_is_refused(
        self, engine: AsyncEngine
    ) -> None:
        """The error names both revisions, and nothing is changed."""
        await upgrade(engine)
        async with engine.begin() as connection:
            await connection.execute(text(AHEAD))
        for use in (upgrade, check):
            with pytest.raises(WrongSchema, match=f"9999.*{head()}"):
                await use(engine)
        assert await current(engine) == "9999"

    async def test_a_database_that_is_behind_is_not_used(
        self, engine: AsyncEngine
    ) -> None:
        """The error says what is to be done."""
        with pytest.raises(WrongSchema, match=f"none.*{head()}.*quizd db upgrade"):
            await check(engine)

    async def test_quizzes_from_before_the_numbers_are_adopted(
        self, engine: AsyncEngine
    ) -> None:
        """Tables that the first quizd made keep every row."""
        first = [quizzes, quiz_versions]
        async with engine.begin() as connection:
            await connection.run_sync(lambda s: metadata.create_all(s, tables=first))
        store = StoredQuizzes(engine, upgrades=True)
        async with engine.begin() as connection:
            await connection.execute(insert(quizzes).values(_quiz_row()))
            await connection.execute(insert(quiz_versions).values(_version_row()))
        await store.start()
        found = await store.get("words")
        assert found is not None
        assert (found.version, found.quiz) == (1, load("demo"))
        assert await current(engine) == head()

    def test_the_revisions_are_those_of_the_files(self) -> None:
        """One line from the first to the head, without a branch."""
        (folder,) = migrations.__path__
        script = ScriptDirectory(folder)
        walked = [each.revision for each in script.walk_revisions()]
        assert tuple(reversed(walked)) == migrations.revisions()
        assert script.get_heads() == [head()]


def _quiz_row() -> dict[str, object]:
    quiz = load("demo")
    return {
        "quiz_id": "words",
        "version": 1,
        "digest": "0" * 64,
        "title": quiz.title,
        "language": quiz.language,
        "level": quiz.level,
        "questions": len(quiz.questions),
        "always_open": False,
        "created_ms": 7,
        "updated_ms": 7,
    }


def _version_row() -> dict[str, object]:
    content = load("demo").model_dump(mode="json")
    return {"quiz_id": "words", "version": 1, "content": content, "created_ms": 7}


class TestSchema:
    """Rows that the tables must take."""

    async def test_json_comes_back_as_it_was(self, engine: AsyncEngine) -> None:
        """Whatever is in it."""
        await upgrade(engine)
        details = {"a": [1, 2.5, None, True], "ü": {"": "\\u0000"}}
        row = {"at_ms": NOW_MS, "kind": "login", "actor": "u1", "details": details}
        async with engine.begin() as connection:
            await connection.execute(insert(security_events).values(row))
            await connection.execute(insert(security_events).values(row))
            found = (await connection.execute(select(security_events))).all()
        assert [each.details for each in found] == [details, details]
        assert len({each.id for each in found}) == 2

    async def test_names_may_be_erased(self, engine: AsyncEngine) -> None:
        """A participant without a name is still one."""
        await upgrade(engine)
        row = {
            "session_id": "s",
            "participant": 0,
            "participant_id": "p",
            "name": None,
            "joined_ms": NOW_MS,
        }
        async with engine.begin() as connection:
            await connection.execute(insert(participants).values(row))
            assert (await connection.execute(select(participants))).one().name is None


def answer_row(opened_ms: int) -> dict[str, object]:
    """Return an answer in a session opened then."""
    return {
        "session_id": f"s{opened_ms}",
        "question": 0,
        "participant": 0,
        "opened_ms": opened_ms,
        "received_ms": opened_ms,
        "elapsed_ms": 1,
        "points": 1,
        "credit": 1000,
        "response": b"\0",
        "answered_at": "",
    }


class TestUpkeep:
    """What is old leaves, what is to come has its place."""

    async def test_parts_are_made_ahead_and_dropped_behind(
        self, engine: AsyncEngine
    ) -> None:
        """On Postgres, SQLite has none; doing it again does nothing more."""
        await upgrade(engine)
        if engine.dialect.name == "sqlite":
            assert await maintain(engine, NOW_MS, 14) == Upkeep()
            return
        old_ms = NOW_MS - 10 * PART_MS
        await maintain(engine, old_ms, 0)
        upkeep = await maintain(engine, NOW_MS, 14)
        starts = [start_of(NOW_MS) + n * PART_MS for n in range(3)]
        expected = {name_of(part, start) for part in PARTS for start in starts}
        assert set(upkeep.made) == expected
        assert name_of("answers", start_of(old_ms)) in upkeep.dropped
        assert len(upkeep.dropped) == 6
        again = await maintain(engine, NOW_MS, 14)
        assert (again.made, again.dropped) == ((), ())
        kept = {name for name in await tables_of(engine) if "_p2" in name}
        assert kept == expected

    async def test_only_what_is_old_is_dropped(self, engine: AsyncEngine) -> None:
        """A session's answers and its log leave together; the session's row stays.

        A part leaves as a whole, so some sessions stay up to a week longer.
        """
        await upgrade(engine)
        opened = [NOW_MS - days * DAY_MS for days in (0, 13, 15, 22, 40, 400)]
        for at_ms in opened:
            await maintain(engine, at_ms, 0)
        async with engine.begin() as connection:
            for at_ms in opened:
                await connection.execute(insert(answers).values(answer_row(at_ms)))
                await connection.execute(insert(session_log).values(log_row(at_ms)))
                await connection.execute(insert(sessions).values(session_row(at_ms)))
        await maintain(engine, NOW_MS, 14)
        limit_ms = start_of(NOW_MS - 14 * DAY_MS)
        kept = {at_ms for at_ms in opened if at_ms >= limit_ms}
        assert len(kept) == 3
        async with engine.connect() as connection:
            for each in (answers, session_log):
                found = await connection.execute(select(each.c.opened_ms))
                assert set(found.scalars()) == kept
            assert len((await connection.execute(select(sessions))).all()) == 6

    async def test_a_retention_that_is_too_short_is_refused(
        self, engine: AsyncEngine
    ) -> None:
        """What is being played is never dropped."""
        with pytest.raises(ValueError, match="retention_days"):
            await maintain(engine, NOW_MS, 1)


def log_row(opened_ms: int) -> dict[str, object]:
    """Return a batch of the log of a session opened then."""
    marks = {"session_id": f"s{opened_ms}", "idx": 1, "opened_ms": opened_ms}
    return {**marks, "batch": b"1"}


def session_row(opened_ms: int) -> dict[str, object]:
    """Return a session opened then."""
    return {
        "session_id": f"s{opened_ms}",
        "quiz_id": "words",
        "quiz_version": 1,
        "rules_version": 1,
        "pin": "123456",
        "epoch": 1,
        "capacity": 10,
        "content": {},
        "opened_ms": opened_ms,
    }
