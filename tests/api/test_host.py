"""Hosting by requests: opening a session and leading it."""

import asyncio

import pytest

from quizd.accounts.tokens import Grant, Role
from tests.api.stage import API, AS_AUTHOR, AUTHOR, Json, Stage, bearer

COMMANDS = ("start", "next", "skip", "pause", "resume", "lock", "kick", "end")


# -- opening -----------------------------------------------------------------------


async def test_opening_gives_everything_a_host_needs(stage: Stage) -> None:
    """Session, pin, token, and the addresses for host and players."""
    await stage.store()
    answer = await stage.api.post(f"{API}/quizzes/words/open", headers=AS_AUTHOR)
    assert answer.status_code == 201
    body = answer.json()
    assert body["wsUrl"] == "ws://quiz.test/ws?quizId=words&role=host"
    assert body["joinUrl"] == f"http://quiz.test/play/{body['pin']}"
    assert answer.headers["cache-control"] == "no-store"
    grant = stage.tokens.check(body["hostToken"], stage.clock.now_ms())
    assert grant == Grant(Role.HOST, body["sessionId"], 0)


async def test_opening_again_gives_the_open_session(stage: Stage) -> None:
    """200 with the same session, and a token that works."""
    session = await stage.open()
    answer = await stage.api.post(f"{API}/quizzes/words/open", headers=AS_AUTHOR)
    assert answer.status_code == 200
    assert answer.json()["sessionId"] == session.session_id


async def test_opening_at_once_opens_one_session(stage: Stage) -> None:
    """Two hosts of one quiz meet in one session."""
    await stage.store()
    asked = [
        stage.api.post(f"{API}/quizzes/words/open", headers=AS_AUTHOR) for _ in range(5)
    ]
    answers = await asyncio.gather(*asked)
    assert len({answer.json()["sessionId"] for answer in answers}) == 1


async def test_a_session_knows_its_version_of_the_quiz(stage: Stage) -> None:
    """A session goes on with what it was opened with; the next has the new version."""
    session = await stage.open()
    await stage.store(questions=7)
    assert len(stage.runner(session).state.quiz.questions) == 2
    await stage.lead(session, "end")
    assert len(stage.runner(await stage.open(questions=7)).state.quiz.questions) == 7


@pytest.mark.parametrize("quiz_id", ["nothing", "not an id", "123456"])
async def test_only_a_stored_quiz_can_be_opened(stage: Stage, quiz_id: str) -> None:
    """404 with a code that tells it from a missing session."""
    answer = await stage.api.post(f"{API}/quizzes/{quiz_id}/open", headers=AS_AUTHOR)
    assert (answer.status_code, answer.json()["code"]) == (404, "quiz_not_found")


async def test_only_authors_open(stage: Stage) -> None:
    """Not even the host of the session that is open."""
    session = await stage.open()
    for headers in ({}, bearer("wrong"), session.host):
        answer = await stage.api.post(f"{API}/quizzes/words/open", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_the_ceiling_of_sessions_is_told() -> None:
    """409 session_full where no more are taken."""
    async with Stage({"limits": {"sessions": 1}}) as stage:
        await stage.open()
        await stage.store("other")
        answer = await stage.api.post(f"{API}/quizzes/other/open", headers=AS_AUTHOR)
        assert (answer.status_code, answer.json()["code"]) == (409, "session_full")


async def test_a_journal_that_takes_nothing_is_told(stage: Stage) -> None:
    """503 with when to come back."""
    await stage.store()
    await stage.journal.stop()
    answer = await stage.api.post(f"{API}/quizzes/words/open", headers=AS_AUTHOR)
    assert (answer.status_code, answer.json()["code"]) == (503, "shard_unavailable")
    assert answer.headers["retry-after"] in "123"
    await stage.journal.start()


# -- leading -----------------------------------------------------------------------


async def test_a_host_leads_through_a_whole_quiz(stage: Stage) -> None:
    """Each command answers with where the session now stands."""
    session = await stage.open()
    await stage.join()

    async def stand(command: str) -> tuple[str, str | None, int]:
        answer = await stage.lead(session, command)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["participants"] == 1
        return body["phase"], body.get("questionId"), body["seq"]

    assert await stand("start") == ("starting", None, 1)
    assert await stand("next") == ("question", "question-1", 2)
    assert await stand("pause") == ("paused", "question-1", 3)
    assert await stand("resume") == ("question", "question-1", 4)
    assert await stand("next") == ("reveal", "question-1", 5)
    assert await stand("skip") == ("question", "question-2", 6)
    assert await stand("lock") == ("question", "question-2", 6)
    assert await stand("end") == ("ended", "question-2", 8)


async def test_a_question_starts_when_all_can_see_it(stage: Stage) -> None:
    """It starts as far ahead as the session's fan-out needs."""
    session = await stage.open()
    await stage.lead(session, "start")
    await stage.lead(session, "next")
    sheet = stage.runner(session).state.sheet
    assert sheet is not None
    picture = await stage.api.get(f"{API}/quizzes/words/state", headers=session.host)
    assert picture.json()["question"]["startTime"] == "2026-01-01T00:00:00.300Z"


async def test_a_repeated_command_does_nothing_twice(stage: Stage) -> None:
    """What the host saw is checked; the answer tells what is so."""
    session = await stage.open()
    await stage.lead(session, "start")
    expect = {"expect": {"phase": "starting"}}
    first = await stage.lead(session, "next", expect)
    again = await stage.lead(session, "next", expect)
    assert first.json() == again.json()
    assert again.json()["phase"] == "question"
    other = {"expect": {"questionId": "question-2"}}
    assert (await stage.lead(session, "next", other)).json() == first.json()


async def test_a_command_out_of_turn_is_forbidden(stage: Stage) -> None:
    """The answer tells the phase in which it came."""
    session = await stage.open()
    answer = await stage.lead(session, "resume")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert answer.json()["details"] == {"phase": "lobby"}


async def test_a_host_removes_somebody(stage: Stage) -> None:
    """Somebody who is there: else the field is named."""
    session = await stage.open()
    ticket = await stage.join()
    body = {"participantId": ticket["participantId"]}
    assert (await stage.lead(session, "kick", body)).json()["participants"] == 0
    answer = await stage.lead(session, "kick", {"participantId": "nobody"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert answer.json()["details"] == {"field": "participantId"}


@pytest.mark.parametrize(
    ("command", "body", "field"),
    [
        ("kick", {}, "participantId"),
        ("kick", {"participantId": "x", "ban": "yes"}, "ban"),
        ("lock", {"locked": 1}, "locked"),
        ("next", {"expect": "question"}, "expect"),
        ("next", {"expect": {"phase": 1}}, "expect.phase"),
        ("end", [], "body"),
    ],
)
async def test_a_command_that_says_nothing_sensible_is_refused(
    stage: Stage, command: str, body: Json, field: str
) -> None:
    """422 naming the field, and nothing has happened."""
    session = await stage.open()
    answer = await stage.lead(session, command, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_message")
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert stage.runner(session).state.seq == 0


async def test_a_command_that_is_no_json_is_malformed(stage: Stage) -> None:
    """400, as everywhere."""
    session = await stage.open()
    answer = await stage.api.post(
        f"{API}/quizzes/words/next", headers=session.host, content=b"{"
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_message")


@pytest.mark.parametrize("command", COMMANDS)
async def test_only_the_sessions_host_leads(stage: Stage, command: str) -> None:
    """Not a player, not another session's host, not the author, not nobody."""
    await stage.open()
    other = await stage.open("other")
    ticket = await stage.join()
    asked = [
        (401, {}),
        (401, bearer(AUTHOR)),
        (403, bearer(ticket["token"])),
        (403, other.host),
    ]
    for status, headers in asked:
        answer = await stage.api.post(
            f"{API}/quizzes/words/{command}", headers=headers, json={}
        )
        assert answer.status_code == status
