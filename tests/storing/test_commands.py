"""``quizd db`` and ``quizd queue``: what they print, and how they exit."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import CliRunner

from quizd.cli import app
from quizd.clock import ManualClock
from quizd.journal.memory import MemoryJournal
from quizd.session import records as rec
from quizd.store.write_behind import Options, write_all
from tests.contract.stores import BACKENDS, Backend, PostgresBackend, backend_of
from tests.store.games import game, record

RUNNER = CliRunner()
SESSION = "commands"


class Desk:
    """Runs commands on one database."""

    def __init__(self, backend: Backend, data_dir: Path) -> None:
        self.backend = backend
        self.env = {"QUIZD_DATA__DIR": str(data_dir)}
        if isinstance(backend, PostgresBackend):
            self.env["QUIZD_DATABASE__URL"] = backend.dsn

    def __call__(self, *words: str) -> tuple[int, list[str], str]:
        """Return the exit code, the lines printed and what was said of errors."""
        result = RUNNER.invoke(app, list(words), env=self.env)
        return result.exit_code, result.stdout.splitlines(), result.stderr

    def do(self, statement: str, **values: object) -> None:
        """Change the database behind everybody's back."""
        asyncio.run(self._do(statement, values))

    async def _do(self, statement: str, values: dict[str, Any]) -> None:
        engine: AsyncEngine = self.backend.engine()
        async with engine.begin() as connection:
            await connection.execute(text(statement), values)
        await engine.dispose()


@pytest.fixture(params=BACKENDS)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """Commands on a database without tables."""
    with backend_of(request.param, tmp_path, empty=True) as backend:
        yield Desk(backend, tmp_path)


@pytest.fixture
def desk(empty: Desk) -> Desk:
    """Commands on a database whose tables are those of this program."""
    assert empty("db", "upgrade")[0] == 0
    return empty


class TestDb:
    """The revision is told, and brought to date."""

    def test_from_nothing_to_now(self, empty: Desk) -> None:
        """Upgrading says from where to where, and does nothing the next time."""
        assert empty("db", "upgrade") == (0, ["revision none -> 0002"], "")
        assert empty("db", "upgrade") == (0, ["revision 0002, nothing to do"], "")
        told = (0, ["revision 0002, as this quizd needs"], "")
        assert empty("db", "current") == told

    def test_tables_that_are_behind(self, desk: Desk) -> None:
        """What to do is said, and scripts can tell."""
        desk.do("UPDATE quizd_schema SET version_num = '0001'")
        code, lines, _ = desk("db", "current")
        assert (code, lines) == (
            1,
            ['revision 0001, behind 0002: run "quizd db upgrade"'],
        )

    def test_tables_of_a_newer_quizd(self, desk: Desk) -> None:
        """They are told, and left alone."""
        desk.do("UPDATE quizd_schema SET version_num = '9999'")
        code, lines, _ = desk("db", "current")
        assert code == 1
        assert lines[0].startswith("revision 9999, ahead of 0002")
        for words in (("db", "upgrade"), ("queue", "list")):
            code, _, said = desk(*words)
            assert code == 1
            assert "revision 9999" in said

    def test_no_file_is_made_by_looking(self, tmp_path: Path) -> None:
        """The message names the file."""
        result = RUNNER.invoke(app, ["db", "current", "--data-dir", str(tmp_path)])
        assert result.exit_code == 1
        assert str(tmp_path / "quizd.sqlite3") in result.stderr
        assert list(tmp_path.iterdir()) == []


class TestAway:
    """A database that is not there is an error of one line."""

    @pytest.mark.parametrize(
        "words",
        [
            ("db", "current"),
            ("db", "upgrade"),
            ("queue", "list"),
            ("queue", "show", "1"),
            ("queue", "retry", "x"),
            ("queue", "drop", "1", "--yes"),
            ("quiz", "list"),
        ],
    )
    def test_nobody_listens(self, words: tuple[str, ...], tmp_path: Path) -> None:
        """Whatever is asked; the password is not repeated."""
        env = {
            "QUIZD_DATA__DIR": str(tmp_path),
            "QUIZD_DATABASE__URL": "postgresql://quizd:tell-nobody@127.0.0.1:1/quizd",
        }
        result = RUNNER.invoke(app, list(words), env=env)
        assert (result.exit_code, result.stdout) == (1, "")
        assert len(result.stderr.splitlines()) == 1
        assert "tell-nobody" not in result.stderr

    def test_nothing_is_kept(self, tmp_path: Path) -> None:
        """With a journal in memory there is no database to look at."""
        env = {"QUIZD_DATA__DIR": str(tmp_path), "QUIZD_JOURNAL__KIND": "memory"}
        result = RUNNER.invoke(app, ["queue", "list"], env=env)
        assert result.exit_code == 1
        assert "keeps nothing" in result.stderr


@pytest.fixture
def refused(desk: Desk) -> Desk:
    """Commands on a database that has refused the joins of a game.

    They stand in the way themselves: rows with the same keys are there.
    """
    records = game(SESSION, 3)
    joined = next(r for r in records if isinstance(r, rec.ParticipantAdded))
    desk.do(
        "INSERT INTO participants (session_id, participant, participant_id, joined_ms)"
        " VALUES (:session, 0, :id, 1)",
        session=SESSION,
        id=joined.participant_id,
    )
    asyncio.run(_write(desk.backend, records))
    return desk


async def _write(backend: Backend, records: list[rec.Record]) -> None:
    async with MemoryJournal() as journal:
        await record(journal, SESSION, [rec.pack([each]) for each in records])
        options = Options(key=bytes(32))
        await write_all(journal, backend.sink(), ManualClock(), options)


class TestQueue:
    """What was refused is listed, shown, tried again and given up."""

    def test_nothing_was_refused(self, desk: Desk) -> None:
        """Then there is nothing to say."""
        assert desk("queue", "list") == (0, [], "")
        for words in (("show", "7"), ("drop", "7", "--yes")):
            code, _, said = desk("queue", *words)
            assert (code, said) == (1, "quizd: there is no rejected batch 7\n")
        assert desk("queue", "retry", "nothing") == (0, [], "")

    def test_what_was_refused_is_listed_and_shown(self, refused: Desk) -> None:
        """One line each, with session, batch and reason; then what is in it."""
        code, lines, _ = refused("queue", "list")
        assert code == 0
        assert len(lines) == 1
        assert f"session {SESSION}" in lines[0]
        number = lines[0].split()[0]
        code, shown, _ = refused("queue", "show", number)
        assert code == 0
        assert shown[0] == lines[0]
        assert shown[1].startswith("ParticipantAdded {")

    def test_trying_again(self, refused: Desk) -> None:
        """Refused again it exits with 1; once the cause is mended it is written."""
        code, lines, _ = refused("queue", "retry", SESSION)
        assert code == 1
        assert len(lines) == 1
        refused.do("DELETE FROM participants WHERE joined_ms = 1")
        code, lines, _ = refused("queue", "retry", SESSION)
        assert (code, lines[0].split()[1]) == (0, "written")
        assert refused("queue", "list") == (0, [], "")

    def test_giving_up(self, refused: Desk) -> None:
        """Only who says so drops a batch."""
        number = refused("queue", "list")[1][0].split()[0]
        assert refused("queue", "drop", number)[0] == 1
        assert len(refused("queue", "list")[1]) == 1
        assert refused("queue", "drop", number, "--yes")[0] == 0
        assert refused("queue", "list") == (0, [], "")

    def test_a_batch_that_cannot_be_read(self, refused: Desk) -> None:
        """Its bytes are shown."""
        number = refused("queue", "list")[1][0].split()[0]
        refused.do("UPDATE rejected_records SET batch = :b", b=b"\xff\x00")
        _, shown, _ = refused("queue", "show", number)
        assert shown[1] == "this version can't read it: ff00"
