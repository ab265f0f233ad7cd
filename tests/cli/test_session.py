"""``quizd session`` on each database: what it prints where, and how it exits."""

import asyncio
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from sqlalchemy import Executable, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import CliRunner, Result

from quizd.cli import app
from quizd.clock import iso
from quizd.session import records as rec
from quizd.store.log import START, log_form, next_head
from quizd.store.tables import answers, log_heads, results, session_log
from tests.contract.stores import BACKENDS, PostgresBackend, backend_of
from tests.reports.stored import (
    ENDED,
    GAMES,
    KEY,
    OPEN,
    PACKED,
    change,
    counted,
    fill,
    in_order,
)

RUNNER = CliRunner()
NAME = ENDED[0]
LAST = len(PACKED[NAME])
UNUSED_PORT = 1
"""Where no database is: connecting is refused."""

HERE = session_log.c.session_id == NAME
HEAD_HERE = log_heads.c.session_id == NAME


class Stored:
    """A data folder, and a database with games that the commands are to find."""

    def __init__(self, folder: Path, engine: Callable[[], AsyncEngine]) -> None:
        self.folder = folder
        self.config = folder / "quizd.toml"
        self._engine = engine

    def run(self, *arguments: str) -> Result:
        """Run a command; one that fails says why in lines, not by a traceback."""
        where = ["--config", str(self.config), "--data-dir", str(self.folder)]
        result = RUNNER.invoke(app, ["session", *arguments, *where])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert (result.exit_code != 0) == bool(result.stderr), result.output
        assert result.exit_code in (0, 1)
        return result

    def problems(self, *arguments: str) -> list[str]:
        """Run a command; return what it complains of, nothing where it succeeds."""
        return self.run(*arguments).stderr.splitlines()

    def change(self, *statements: Executable) -> None:
        """Do as somebody does who has the database but not the key."""
        asyncio.run(self._with_engine(lambda engine: change(engine, *statements)))

    def batch(self, index: int) -> bytes:
        """Return what is stored of a batch."""
        query = select(session_log.c.batch).where(HERE, session_log.c.idx == index)

        async def read(engine: AsyncEngine) -> bytes:
            async with engine.connect() as connection:
                return (await connection.execute(query)).scalar_one()  # type: ignore[no-any-return]

        return asyncio.run(self._with_engine(read))  # type: ignore[return-value]

    async def _with_engine(self, job: Callable[[AsyncEngine], object]) -> object:
        engine = self._engine()
        try:
            return await job(engine)  # type: ignore[misc]
        finally:
            await engine.dispose()


@pytest.fixture(scope="module", params=BACKENDS)
def stored(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stored]:
    """All tests share it: each leaves it as it was."""
    folder = tmp_path_factory.mktemp("data")
    with backend_of(request.param, folder) as backend:
        asyncio.run(fill(backend))
        stored = Stored(folder, backend.engine)
        url = backend.dsn if isinstance(backend, PostgresBackend) else ""
        stored.config.write_text(f'[database]\nurl = "{url}"\n')
        write_key(folder, KEY)
        yield stored


def write_key(folder: Path, key: bytes) -> None:
    """Put the logs' key where the server keeps it."""
    path = folder / "audit.key"
    path.touch(mode=0o600)
    path.write_bytes(key)


class TestList:
    """What is stored, the latest first."""

    def test_a_line_for_each(self, stored: Stored) -> None:
        """With when it was, of which quiz, and how many played."""
        lines = stored.run("list").stdout.splitlines()
        assert {line.split()[0] for line in lines} == set(GAMES)
        [line] = [line for line in lines if line.startswith(NAME)]
        first, *_, last = GAMES[NAME]
        assert isinstance(first, rec.SessionOpened)
        assert isinstance(last, rec.SessionEnded)
        joined = sum(isinstance(r, rec.ParticipantAdded) for r in GAMES[NAME])
        assert f"opened {iso(first.at_ms)}" in line
        assert f"ended {last.reason} {iso(last.at_ms)}" in line
        assert f"{joined} players  {first.quiz_id}" in line
        [line] = [line for line in lines if line.startswith(OPEN)]
        assert "ended -" in line

    def test_in_pages(self, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
        """However many are read at once, up to the limit."""
        whole = stored.run("list").stdout.splitlines()
        for page in (1, 2, 100):
            monkeypatch.setattr("quizd.reports.console.PAGE", page)
            for limit in (1, 3, len(whole), 50):
                lines = stored.run("list", "--limit", str(limit)).stdout.splitlines()
                assert lines == whole[:limit]

    def test_of_one_quiz(self, stored: Stored) -> None:
        """And of one that nobody has played."""
        first = GAMES[NAME][0]
        assert isinstance(first, rec.SessionOpened)
        lines = stored.run("list", "--quiz", first.quiz_id).stdout.splitlines()
        assert len(lines) == len(GAMES)
        assert stored.run("list", "--quiz", "none").stdout == ""


class TestVerify:
    """The exit code is the verdict; what is wrong is on standard error."""

    def test_a_whole_log(self, stored: Stored) -> None:
        """Every game's is, also that of one that goes on; the head is shown."""
        for name in GAMES:
            result = stored.run("verify", name)
            head = START
            for index, batch in enumerate(PACKED[name], 1):
                head = next_head(
                    KEY, head, name, index, log_form(batch, list(rec.unpack(batch)))
                )
            assert result.exit_code == 0
            assert result.stdout.splitlines() == [
                f"the log of {name} is complete and unaltered",
                f"{len(PACKED[name])} batches, head {head.hex()}",
            ]

    def test_one_byte_of_one_stored_answer(self, stored: Stored) -> None:
        """Whichever it is, in the log."""
        index, at = _an_answer()
        whole, rng = stored.batch(index), random.Random(2)
        this = HERE & (session_log.c.idx == index)
        for place in [*range(at, at + 27, 5), *rng.sample(range(at, len(whole)), 3)]:
            damaged = bytearray(whole)
            damaged[place] ^= 1 << rng.randrange(8)
            stored.change(update(session_log).where(this).values(batch=bytes(damaged)))
            assert stored.run("verify", NAME).exit_code == 1, place
        assert not stored.problems("verify", ENDED[1])
        stored.change(update(session_log).where(this).values(batch=whole))
        assert not stored.problems("verify", NAME)

    def test_one_value_of_one_answer_that_reports_read(self, stored: Stored) -> None:
        """The question is named."""
        index, _ = _an_answer()
        [accepted] = [r for r in rec.unpack(PACKED[NAME][index - 1]) if _answers(r)]
        question = int.from_bytes(accepted.packed[:2], "little")  # type: ignore[attr-defined]
        who = int.from_bytes(accepted.packed[6:10], "little")  # type: ignore[attr-defined]
        this = (answers.c.session_id == NAME) & (answers.c.question == question)
        this &= answers.c.participant == who
        for change_by in (1, -1):
            by = answers.c.received_ms + change_by
            stored.change(update(answers).where(this).values(received_ms=by))
            wrong = [f"the answers to question {question} are not those of the log"]
            assert stored.problems("verify", NAME) == (wrong if change_by > 0 else [])

    def test_a_tail_that_was_cut(self, stored: Stored) -> None:
        """Also where the head's number is set back with it."""
        last = stored.batch(LAST)
        first = GAMES[NAME][0]
        back = {"session_id": NAME, "idx": LAST, "opened_ms": first.at_ms}
        stored.change(delete(session_log).where(HERE, session_log.c.idx == LAST))
        assert stored.problems("verify", NAME) == [
            f"the log ends with batch {LAST - 1}, its head is of {LAST}"
        ]
        stored.change(update(log_heads).where(HEAD_HERE).values(idx=LAST - 1))
        assert stored.problems("verify", NAME) == ["the log does not lead to its head"]
        stored.change(
            insert(session_log).values(**back, batch=last),
            update(log_heads).where(HEAD_HERE).values(idx=LAST),
        )
        assert not stored.problems("verify", NAME)

    def test_a_chain_made_again_without_the_key(self, stored: Stored) -> None:
        """Over another log, or over the same."""
        head = heads = START
        for index, batch in enumerate(PACKED[NAME], 1):
            heads = next_head(
                KEY, heads, NAME, index, log_form(batch, list(rec.unpack(batch)))
            )
            head = next_head(
                bytes(32), head, NAME, index, log_form(batch, list(rec.unpack(batch)))
            )
        stored.change(update(log_heads).where(HEAD_HERE).values(head=head))
        assert stored.problems("verify", NAME) == ["the log does not lead to its head"]
        stored.change(update(log_heads).where(HEAD_HERE).values(head=heads))
        assert not stored.problems("verify", NAME)

    def test_with_another_key(self, stored: Stored) -> None:
        """Nothing is proven."""
        write_key(stored.folder, bytes(32))
        assert stored.problems("verify", NAME) == ["the log does not lead to its head"]
        write_key(stored.folder, KEY)


class TestReplay:
    """Played again, scores and ranks are those that are stored, or it says so."""

    def test_the_end(self, stored: Stored) -> None:
        """Where it stands, who leads, and that all is as stored."""
        result = stored.run("replay", NAME)
        where, *board, verdict = result.stdout.splitlines()
        assert "ended" in where
        ranked = [each for each in in_order(NAME) if each.rank][:10]
        assert sorted(line.split() for line in board) == sorted(
            [str(each.rank), str(each.score), each.participant_id] for each in ranked
        )
        assert verdict == (
            f"scores and ranks of all {len(counted(NAME))} who joined are as stored"
        )

    def test_until(self, stored: Stored) -> None:
        """A batch or an instant; results are compared all the same."""
        records = GAMES[NAME]
        at_ms = next(r.at_ms for r in records if isinstance(r, rec.QuestionOpened))
        for until in ("1", iso(at_ms)):
            lines = stored.run("replay", NAME, "--until", until).stdout.splitlines()
            assert ("lobby" if until == "1" else "question") in lines[0]
            assert lines[-1].endswith("as stored")

    def test_other_results(self, stored: Stored) -> None:
        """Each that differs is a line, up to some."""
        here = results.c.session_id == NAME
        stored.change(update(results).where(here).values(score=results.c.score + 1))
        *told, verdict = stored.problems("replay", NAME)
        count = len(counted(NAME))
        assert len(told) == count
        assert verdict == f"{count} stored results are not those of the log"
        stored.change(update(results).where(here).values(score=results.c.score - 1))
        assert not stored.problems("replay", NAME)

    def test_a_session_that_goes_on(self, stored: Stored) -> None:
        """There is nothing to compare with, which is as it should be."""
        result = stored.run("replay", OPEN)
        assert "does not reach the session's end" in result.stdout

    def test_what_is_no_moment(self, stored: Stored) -> None:
        """Is told, with an example; so is one before the beginning."""
        [line] = stored.problems("replay", NAME, "--until", "noon")
        assert "'noon' is not a batch's number, or an instant such as" in line
        [line] = stored.problems("replay", NAME, "--until", "0")
        assert "nothing to replay" in line

    def test_a_log_that_can_not_be_read(self, stored: Stored) -> None:
        """Is told."""
        whole = stored.batch(2)
        this = HERE & (session_log.c.idx == 2)
        stored.change(update(session_log).where(this).values(batch=whole[:-1]))
        [line] = stored.problems("replay", NAME)
        assert line.startswith("quizd: the log can't be replayed: ")
        stored.change(update(session_log).where(this).values(batch=whole))


class TestExport:
    """The log as JSON lines."""

    def test_to_a_file_and_to_standard_output(self, stored: Stored) -> None:
        """The same, whole, and for its owner alone."""
        file = stored.folder / "log.jsonl"
        assert stored.run("export", NAME, str(file)).stdout == ""
        assert file.stat().st_mode & 0o777 == 0o600
        content = file.read_bytes()
        assert stored.run("export", NAME).stdout_bytes == content
        *lines, last = [orjson.loads(line) for line in content.splitlines()]
        assert lines[0]["kind"] == "SessionOpened"
        assert {line["batch"] for line in lines} == set(range(1, LAST + 1))
        assert (last["verified"], last["batch"]) == (True, LAST)

    def test_a_log_that_is_not_whole(self, stored: Stored) -> None:
        """Is exported, and told."""
        stored.change(update(log_heads).where(HEAD_HERE).values(idx=LAST + 1))
        result = stored.run("export", NAME)
        assert orjson.loads(result.stdout.splitlines()[-1])["verified"] is False
        assert "its head is of" in result.stderr
        stored.change(update(log_heads).where(HEAD_HERE).values(idx=LAST))

    def test_a_folder_that_is_missing(self, stored: Stored) -> None:
        """Is told, and no half of a file is left."""
        before = set(stored.folder.iterdir())
        [line] = stored.problems("export", NAME, str(stored.folder / "no" / "x"))
        assert "No such file" in line
        assert set(stored.folder.iterdir()) == before

    def test_of_a_session_that_goes_on(self, stored: Stored) -> None:
        """As far as it is written, without a verdict."""
        last = stored.run("export", OPEN).stdout.splitlines()[-1]
        assert orjson.loads(last)["verified"] is None


@pytest.mark.parametrize("command", ["verify", "replay", "export"])
def test_an_unknown_session(stored: Stored, command: str) -> None:
    """Is told by each command; so is what can't be the id of any."""
    for session_id in ("unknown", "no'id", "\x00"):
        [line] = stored.problems(command, session_id)
        assert line == f"quizd: the database has no session {session_id}"


COMMANDS = (("list",), ("verify", NAME), ("replay", NAME), ("export", NAME))


@pytest.mark.parametrize("command", COMMANDS)
class TestWithout:
    """What is missing is told in a line, and nothing is made of it."""

    def test_a_database(self, command: tuple[str, ...], tmp_path: Path) -> None:
        """There is no file; none is made."""
        [line] = self._problems(tmp_path, *command)
        assert line == (
            f"quizd: there is no database: {tmp_path / 'quizd.sqlite3'} is missing; "
            "it is made when quizd first serves; if it is elsewhere, set data.dir or "
            "database.url"
        )
        assert [path.name for path in tmp_path.iterdir()] == ["quizd.toml"]

    def test_a_key(self, command: tuple[str, ...], tmp_path: Path) -> None:
        """A new one would prove nothing; which setting names it is told."""
        (tmp_path / "quizd.sqlite3").touch()
        [line] = self._problems(tmp_path, *command)
        assert f"there is no key of the logs: {tmp_path / 'audit.key'} is" in line
        assert line.endswith("if it is elsewhere, set database.audit_key_file")
        assert not (tmp_path / "audit.key").exists()

    def test_tables(self, command: tuple[str, ...], tmp_path: Path) -> None:
        """What to do is told."""
        (tmp_path / "quizd.sqlite3").touch()
        write_key(tmp_path, KEY)
        [line] = self._problems(tmp_path, *command)
        assert 'run "quizd db upgrade"' in line

    def test_a_server(self, command: tuple[str, ...], tmp_path: Path) -> None:
        """Postgres is away."""
        write_key(tmp_path, KEY)
        dsn = f"postgresql://nobody@127.0.0.1:{UNUSED_PORT}/none"
        lines = self._problems(tmp_path, *command, url=dsn)
        assert lines[0].startswith("quizd: ")

    def _problems(self, folder: Path, *command: str, url: str = "") -> list[str]:
        stored = Stored(folder, lambda: pytest.fail("no test of these changes any"))
        stored.config.write_text(f'[database]\nurl = "{url}"\n')
        return stored.problems(*command)


def _answers(record: rec.Record) -> bool:
    return isinstance(record, rec.AnswersAccepted)


def _an_answer() -> tuple[int, int]:
    """Return a batch that is one record of answers, and where in it the first is."""
    for index, batch in enumerate(PACKED[NAME], 1):
        if [_answers(record) for record in rec.unpack(batch)] == [True]:
            question_and_count = 6
            return index, rec.HEADER.size + rec.AT_BYTES + question_and_count
    pytest.fail("no such batch")
