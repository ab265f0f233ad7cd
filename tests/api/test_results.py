"""Results and logs over REST: who may read them, in which form, and when not."""

import csv
import io
from collections.abc import AsyncIterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncEngine

from quizd.accounts.tokens import Role
from quizd.reports import Reports
from quizd.store.engine import postgres_engine, sqlite_engine
from quizd.store.migrations import upgrade
from quizd.store.tables import answers, participants, sessions
from quizd.store.write_behind import Options, Pacing, write_all
from quizd.store.write_behind.sqlite import SqliteSink
from tests.api.stage import API, AS_AUTHOR, Json, Opened, Stage, bearer

KEY = bytes(range(32))
NAMES = ("Ann", "=1+1", 'Bo "B", c', "Åse")
ACCEPTED = {
    "text/csv": "csv",
    "text/csv, */*": "csv",
    "TEXT/CSV;Q=0.5, application/json;q=0.4": "csv",
    "text/csv; q=0.5, application/json": "json",
    "application/json, text/csv": "json",
    "text/csv;q=0": "json",
    "*/*": "json",
    "": "json",
    "text/csv;;;=,": "json",
}
"""What is sent for which ``Accept``."""

WRONG_PAGES = (
    {"limit": 0},
    {"limit": 1001},
    {"limit": "many"},
    {"cursor": "nonsense"},
    {"cursor": "1." + "9" * 70},
    {"format": "xls"},
    {"format": "csv", "limit": 1},
    {"format": "csv", "cursor": "1.2"},
)
WRONG_LOGS = ({"after": -1}, {"limit": 0}, {"after": 2**63}, {"after": "x"})

UNUSED_PORT = 1
"""Where no database is: connecting is refused."""


class Played:
    """A session that was played to its end on a stage, and can be written."""

    def __init__(self, stage: Stage, engine: AsyncEngine, path: Path) -> None:
        self.stage = stage
        self.engine = engine
        self.path = path
        self.session: Opened
        self.tickets: list[Json] = []

    async def play(self) -> None:
        """Open a session; each answers one second after the one before, Åse not."""
        stage = self.stage
        self.session = await stage.open(feedback="immediate")
        self.tickets = [await stage.join(name) for name in NAMES]
        await stage.ask_first_question(self.session)
        for ticket in self.tickets[:-1]:
            stage.clock.advance(1000)
            await stage.answer(ticket, "yes")

    async def end(self) -> None:
        """End the session."""
        await self.stage.lead(self.session, "end")

    async def write(self) -> None:
        """Write all that the journal has to the database."""
        options = Options(key=KEY, pacing=Pacing(linger_s=0))
        sink = SqliteSink(self.path)
        await write_all(self.stage.journal, sink, self.stage.clock, options)

    async def change(self, *statements: object) -> None:
        """Do as somebody does who has the database but not the key."""
        async with self.engine.begin() as connection:
            for statement in statements:
                await connection.execute(statement)  # type: ignore[call-overload]

    async def ask(
        self,
        what: str = "results",
        headers: dict[str, str] | None = None,
        **query: Any,  # noqa: ANN401
    ) -> httpx.Response:
        """Ask for what is stored of the session, as its host unless told otherwise."""
        return await self.stage.api.get(
            f"{API}/sessions/{self.session.session_id}/{what}",
            headers=self.session.host if headers is None else headers,
            params=query,
        )


@pytest.fixture
async def going_on(stage: Stage, tmp_path: Path) -> AsyncIterator[Played]:
    """A session in its first question; nothing of it is written."""
    path = tmp_path / "quizd.sqlite3"
    engine = sqlite_engine(path)
    await upgrade(engine)
    stage.rebuild(reports=Reports(engine, KEY))
    played = Played(stage, engine, path)
    await played.play()
    yield played
    await engine.dispose()


@pytest.fixture
async def played(going_on: Played) -> Played:
    """The session, when it has ended and is written."""
    await going_on.end()
    await going_on.write()
    return going_on


def _code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


class TestResults:
    """Final scores and ranks."""

    async def test_are_what_the_players_were_shown(self, played: Played) -> None:
        """The same as the board at the end, with the session's own facts."""
        ticket = played.tickets[0]
        answer = await played.ask()
        body = answer.json()
        board = await played.stage.api.get(
            f"{API}/quizzes/{ticket['quizId']}/leaderboard",
            headers=bearer(ticket["token"]),
        )
        assert body["results"] == board.json()["leaderboard"]
        assert [each["participantName"] for each in body["results"]] == list(NAMES)
        assert body["sessionId"] == played.session.session_id
        assert body["title"] == "Yes or no"
        assert body["participants"] == len(NAMES)
        assert body["endedAt"] > body["openedAt"]
        assert body["nextCursor"] is None

    async def test_pages_are_the_whole(self, played: Played) -> None:
        """From cursor to cursor, until there is none, whatever their size."""
        whole = (await played.ask()).json()["results"]
        for limit in range(1, len(whole) + 2):
            pages = [page async for page in self._pages(played, limit)]
            assert [each for page in pages for each in page] == whole
            assert all(0 < len(page) <= limit for page in pages)

    async def _pages(self, played: Played, limit: int) -> AsyncIterator[list[Json]]:
        query: dict[str, Any] = {"limit": limit}
        while query.get("cursor", "") is not None:
            body = (await played.ask(**query)).json()
            yield body["results"]
            query["cursor"] = body["nextCursor"]

    async def test_csv_is_the_same(self, played: Played) -> None:
        """As a file, whose cells are no formulas."""
        answer = await played.ask(format="csv")
        assert answer.headers["content-type"].startswith("text/csv; charset=utf-8")
        assert answer.headers["content-disposition"] == (
            f'attachment; filename="results-{played.session.session_id}.csv"'
        )
        rows = list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))
        assert rows[1]["participantName"] == "'=1+1"
        rows[1]["participantName"] = "=1+1"
        whole = (await played.ask()).json()["results"]
        assert rows == [
            {key: str(value) for key, value in each.items()} for each in whole
        ]

    async def test_the_form_is_the_readers_choice(self, played: Played) -> None:
        """By ``Accept``, unless ``format`` says it."""
        for accept, form in ACCEPTED.items():
            headers = {**played.session.host, "Accept": accept}
            answer = await played.ask(headers=headers)
            assert form in answer.headers["content-type"], accept
            assert answer.headers["vary"] == "Accept"
            for asked in ("json", "csv"):
                answer = await played.ask(headers=headers, format=asked)
                assert asked in answer.headers["content-type"]

    async def test_who_was_removed_has_no_rank(self, going_on: Played) -> None:
        """And comes last, whatever the score was."""
        kicked = going_on.tickets[0]["participantId"]
        body = {"participantId": kicked, "ban": False}
        await going_on.stage.lead(going_on.session, "kick", body)
        await going_on.end()
        await going_on.write()
        *_, last = (await going_on.ask()).json()["results"]
        assert (last["participantId"], last["rank"]) == (kicked, None)
        assert last["score"] > 0

    async def test_a_name_that_was_erased(self, played: Played) -> None:
        """Is null; the score stays."""
        await played.change(update(participants).values(name=None))
        found = (await played.ask()).json()["results"]
        assert {each["participantName"] for each in found} == {None}
        assert found[0]["score"] > 0

    async def test_a_join_that_could_not_be_written(self, played: Played) -> None:
        """Leaves a result of nobody known."""
        await played.change(delete(participants))
        found = (await played.ask()).json()["results"]
        assert {each["participantId"] for each in found} == {None}


class TestWho:
    """The session's host and authors."""

    async def test_an_author_reads_all(self, played: Played) -> None:
        """Results and log."""
        for what in ("results", "log"):
            answer = await played.ask(what, headers=AS_AUTHOR)
            assert answer.status_code == httpx.codes.OK

    async def test_others_read_nothing(self, played: Played) -> None:
        """No participant, no host of another session, nobody without a token."""
        other = played.stage.token(Role.HOST, "0123456789abcdef")
        for what in ("results", "log"):
            for token in (played.tickets[0]["token"], other):
                answer = await played.ask(what, headers=bearer(token))
                assert _code(answer) == (403, "forbidden")
            for headers in ({}, bearer("wrong")):
                answer = await played.ask(what, headers=headers)
                assert _code(answer) == (401, "unauthorized")

    async def test_without_an_authors_token_there_are_no_authors(
        self, played: Played
    ) -> None:
        """An empty token opens nothing."""
        played.stage.rebuild(author_token="")
        answer = await played.ask(headers={"Authorization": "Bearer "})
        assert _code(answer) == (401, "unauthorized")


class TestWhenNot:
    """Every reason why there is nothing to read has its name."""

    async def test_an_unknown_session(self, played: Played) -> None:
        """Also what can't be the id of any."""
        for session_id in ("0123456789abcdef", "%00", "x" * 65, "%27", "%C3%A9"):
            for what in ("results", "log"):
                url = f"{API}/sessions/{session_id}/{what}"
                answer = await played.stage.api.get(url, headers=AS_AUTHOR)
                assert _code(answer) == (404, "session_not_found")

    @pytest.mark.parametrize("written", [False, True])
    async def test_a_session_that_goes_on(
        self, going_on: Played, *, written: bool
    ) -> None:
        """It is too early, whatever the database has already."""
        if written:
            await going_on.write()
        for headers in (None, AS_AUTHOR):
            answer = await going_on.ask(headers=headers)
            assert _code(answer) == (409, "too_early")
            assert answer.json()["details"] == {"phase": "question"}

    @pytest.mark.parametrize("written", [False, True])
    async def test_an_end_that_is_not_written_yet(
        self, going_on: Played, *, written: bool
    ) -> None:
        """The reader is to come back, and then it is there."""
        if written:
            await going_on.write()
        await going_on.end()
        for headers in (None, AS_AUTHOR):
            answer = await going_on.ask(headers=headers)
            assert _code(answer) == (503, "shard_unavailable")
            assert int(answer.headers["retry-after"]) > 0
            assert "still being written" in answer.json()["detail"]
        await going_on.write()
        assert (await going_on.ask()).status_code == httpx.codes.OK

    async def test_a_session_that_nobody_knows_any_more(self, played: Played) -> None:
        """Its host's token shows that there was one: it will be written."""
        stage = played.stage
        session_id = "fedcba9876543210"
        url = f"{API}/sessions/{session_id}/results"
        headers = bearer(stage.token(Role.HOST, session_id))
        answer = await stage.api.get(url, headers=headers)
        assert _code(answer) == (503, "shard_unavailable")

    async def test_an_end_that_nobody_knows_any_more(self, played: Played) -> None:
        """Where only the beginning is written, the rest will be."""
        await played.change(update(sessions).values(session_id="abc", ended_ms=None))
        url = f"{API}/sessions/abc/results"
        answer = await played.stage.api.get(url, headers=AS_AUTHOR)
        assert _code(answer) == (503, "shard_unavailable")

    @pytest.mark.parametrize("away", ["refused", "no tables", "busy", "none"])
    async def test_a_store_that_is_away(self, played: Played, away: str) -> None:
        """Or is to be left alone: come back later; play does not mind."""
        dsn = f"postgresql://nobody@127.0.0.1:{UNUSED_PORT}/none"
        engine = postgres_engine(dsn) if away == "refused" else sqlite_engine(None)
        if away == "busy":
            await upgrade(engine)
        reports = Reports(engine, KEY, lambda: away == "busy")
        played.stage.rebuild(reports=None if away == "none" else reports)
        for what in ("results", "log"):
            answer = await played.ask(what)
            assert _code(answer) == (503, "shard_unavailable")
            assert "retry-after" in answer.headers
        await engine.dispose()

    async def test_a_wrong_question(self, played: Played) -> None:
        """Is refused by the field that is wrong."""
        for what, queries in (("results", WRONG_PAGES), ("log", WRONG_LOGS)):
            for query in queries:
                answer = await played.ask(what, **query)
                assert _code(answer) == (422, "invalid_message"), query
                assert answer.json()["errors"][0]["field"] in query


class TestLog:
    """What happened, line by line."""

    async def test_is_told_and_verified(self, played: Played) -> None:
        """To the end; no name is in it."""
        answer = await played.ask("log")
        assert answer.headers["content-type"] == "application/jsonl"
        *lines, last = [orjson.loads(line) for line in answer.content.splitlines()]
        kinds = [line["kind"] for line in lines]
        assert (kinds[0], kinds[-1]) == ("SessionOpened", "SessionEnded")
        assert kinds.count("AnswersAccepted") == len(NAMES) - 1
        assert (last["verified"], last["problems"]) == (True, [])
        assert "Åse" not in answer.text

    async def test_an_altered_answer_is_told(self, played: Played) -> None:
        """The log comes with what is wrong."""
        await played.change(update(answers).values(points=1))
        last = (await played.ask("log")).content.splitlines()[-1]
        assert orjson.loads(last)["verified"] is False

    async def test_pages(self, played: Played) -> None:
        """The next page begins where the last one says."""
        whole = (await played.ask("log")).content.splitlines()
        found: list[bytes] = []
        after = 0
        while True:
            answer = await played.ask("log", after=after, limit=2)
            *lines, last = answer.content.splitlines()
            found += lines
            told = orjson.loads(last)
            if "next" not in told:
                break
            after = told["next"]
        assert [*found, last] == whole

    async def test_of_a_session_that_goes_on(self, going_on: Played) -> None:
        """Not yet there, then as far as it is written, without a verdict."""
        assert _code(await going_on.ask("log")) == (503, "shard_unavailable")
        await going_on.write()
        last = orjson.loads((await going_on.ask("log")).content.splitlines()[-1])
        assert (last["verified"], last["problems"]) == (None, None)


async def test_a_store_that_leaves_cuts_the_answer_off(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody takes half a file for a whole one: it ends in an error, not in order."""
    looks = count(1)
    reports = Reports(played.engine, KEY, lambda: next(looks) > 2)
    played.stage.rebuild(reports=reports)
    by_two = partial(reports.results.pages, rows=2)
    monkeypatch.setattr(reports.results, "pages", by_two)
    with pytest.raises(RuntimeError, match="response already started"):
        await played.ask(format="csv")
