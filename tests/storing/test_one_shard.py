"""One shard whose quizzes and sessions are kept for good, on either database."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from quizd.store.place import FILE
from tests.contract.stores import (
    BACKENDS,
    Backend,
    PostgresBackend,
    backend_of,
)
from tests.storing.stage import (
    FAST,
    LOOK_S,
    PATIENCE_S,
    ask,
    metric,
    play,
    short_quiz,
    until,
    verbose,
)
from tests.support.server import Server

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """A database with all tables."""
    with backend_of(request.param, tmp_path) as backend:
        yield backend


def server_on(backend: Backend, data_dir: Path, **options: object) -> Server:
    """Return a server whose database is *backend*, not started."""
    url = {"database.url": backend.dsn} if isinstance(backend, PostgresBackend) else {}
    return Server(data_dir, {**FAST, **url, **options})


async def test_what_is_played_is_kept_and_leaves_the_journal(
    backend: Backend, tmp_path: Path
) -> None:
    """Session, participant, answer and result; then the journal lets go of it."""
    async with server_on(backend, tmp_path) as server:
        session = await play(server)
        await until(backend, "SELECT ended FROM write_behind", [(True,)])
        for table in ("sessions", "participants", "answers", "results"):
            found = await ask(backend, f"SELECT session_id FROM {table}")  # noqa: S608
            assert found == [(session,)], table
        async with server.api(server.author_token) as api:
            told = (await api.get(f"/sessions/{session}/results")).json()
        assert [each["participantName"] for each in told["results"]] == ["Ann"]
        assert await metric(server, "quizd_store_answers_written_total") == 1
        assert await metric(server, "quizd_store_waiting_batches") == 0
        assert (await verbose(server))["checks"]["store"] == "ok"
        # Renewals, after which the journal's file lets go, go on while one is open.
        await server.open_quiz(short_quiz())
        async with asyncio.timeout(PATIENCE_S):
            while _in_journal(tmp_path, session):  # noqa: ASYNC110 - another process
                await asyncio.sleep(LOOK_S)


def _in_journal(data_dir: Path, session: str) -> bool:
    db = sqlite3.connect(data_dir / FILE)
    query = "SELECT count(*) FROM journal_sessions WHERE session_id = ?"
    (count,) = db.execute(query, (session,)).fetchone()
    db.close()
    return bool(count)


async def test_what_was_not_written_is_written_after_a_kill(
    backend: Backend, tmp_path: Path
) -> None:
    """The journal has it; the next start goes on where the cursor stands."""
    late = server_on(backend, tmp_path, **{"database.linger_ms": 60_000})
    async with late:
        session = await play(late)
        await late.kill()
    assert await ask(backend, "SELECT * FROM answers") == []
    async with server_on(backend, tmp_path):
        await until(backend, "SELECT session_id FROM answers", [(session,)])


async def test_stopping_writes_what_waits(backend: Backend, tmp_path: Path) -> None:
    """Nobody has to start it again to have the results."""
    async with server_on(backend, tmp_path, **{"database.linger_ms": 60_000}) as server:
        session = await play(server)
    assert await ask(backend, "SELECT session_id FROM answers") == [(session,)]


async def test_a_newer_quizd_s_database_is_refused(
    backend: Backend, tmp_path: Path
) -> None:
    """The line names both revisions; nothing is changed."""
    async with server_on(backend, tmp_path):
        pass
    engine = backend.engine()
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE quizd_schema SET version_num = '9999'"))
    await engine.dispose()
    server = server_on(backend, tmp_path)
    with pytest.raises(RuntimeError, match=r"revision 9999.*up to 0002"):
        await server.start()
    await server.ended()


async def test_with_a_journal_in_memory_nothing_stays(tmp_path: Path) -> None:
    """Neither in the data folder nor in a temporary one."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    server = Server(tmp_path / "data", {**FAST, "journal.kind": "memory"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        async with server:
            await play(server)
            assert len(list(temporary.iterdir())) == 1
            assert (await verbose(server))["checks"]["store"] == "ok"
    assert list(temporary.iterdir()) == []
    assert not (tmp_path / "data" / FILE).exists()
