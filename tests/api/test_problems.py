"""Problems: one shape, stable codes, nothing of the inside."""

import asyncio
import json
from http import HTTPStatus
from pathlib import Path

import pytest
from fastapi import FastAPI
from structlog.processors import format_exc_info
from structlog.testing import capture_logs

from quizd.api import access, problems
from quizd.api.problems import MEANING, STATUS, Code, Problem, problem_of
from quizd.codes import Reason, Refused
from quizd.store.base import StoreUnavailable
from tests.api.stage import API, AS_AUTHOR, Stage

WANTED = {
    "unauthorized": 401,
    "forbidden": 403,
    "session_not_found": 404,
    "unknown_question": 404,
    "quiz_not_found": 404,
    "not_found": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "session_full": 409,
    "session_locked": 409,
    "question_not_open": 409,
    "too_early": 409,
    "too_late": 409,
    "already_answered": 409,
    "payload_too_large": 413,
    "wrong_region": 421,
    "invalid_message": 422,
    "invalid_option": 422,
    "unknown_type": 422,
    "rate_limited": 429,
    "internal": 500,
    "shard_unavailable": 503,
}


def test_every_code_has_its_status() -> None:
    """The table is a contract: of every reason and every code of HTTP's own."""
    assert {code.value: status.value for code, status in STATUS.items()} == WANTED
    assert {*Reason, *Code} == set(STATUS) == set(MEANING)


@pytest.mark.parametrize("reason", list(Reason))
def test_a_refusal_tells_what_the_socket_would(reason: Reason) -> None:
    """Reason and details are the same facts."""
    response = problem_of(Refused(reason, questionId="q1")).response()
    body = json.loads(bytes(response.body))
    assert response.media_type == "application/problem+json"
    assert body == {
        "type": "about:blank",
        "title": HTTPStatus(response.status_code).phrase,
        "status": WANTED[reason],
        "code": reason.value,
        "detail": MEANING[reason],
        "details": {"questionId": "q1"},
    }


def test_not_all_are_asked_back_at_once() -> None:
    """Of many whom we can't serve in one moment some come sooner than others."""
    problems = [Problem(Reason.SHARD_UNAVAILABLE) for _ in range(100)]
    assert {problem.headers["Retry-After"] for problem in problems} == {"1", "2", "3"}


@pytest.mark.parametrize(
    ("code", "header", "value"),
    [
        (Reason.UNAUTHORIZED, "www-authenticate", 'Bearer realm="quizd"'),
        (Reason.RATE_LIMITED, "retry-after", "1"),
        (Code.PAYLOAD_TOO_LARGE, "connection", "close"),
        (Code.REQUEST_TIMEOUT, "connection", "close"),
    ],
)
def test_some_problems_say_what_to_do(
    code: Reason | Code, header: str, value: str
) -> None:
    """By the header that HTTP has for it."""
    assert Problem(code).response().headers[header] == value


async def test_what_is_not_there_is_a_problem(stage: Stage) -> None:
    """404 everywhere, with or without a slash too many."""
    for path in ("/nothing", API, f"{API}/quizzes/", "/livez/", "/docs", "/redoc"):
        answer = await stage.api.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_wrong_method_is_a_problem(stage: Stage) -> None:
    """405, naming those that are right."""
    answer = await stage.api.get(f"{API}/quizzes/words/join")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


async def test_a_fault_tells_nothing_of_the_inside(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 for the client; the traceback is in the log."""

    async def fail(_: str) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(stage.quizzes, "get", fail)
    with capture_logs([format_exc_info]) as logged:
        answer = await stage.api.get(f"{API}/quizzes/words", headers=AS_AUTHOR)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert [event["event"] for event in logged] == ["request_failed"]
    assert "a secret of the inside" in logged[0]["exception"]


async def test_a_database_that_fails_is_told(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 and when to come back; which database is nobody's business but the log's."""

    async def fail(_: str) -> None:
        raise StoreUnavailable("no route to db.internal")

    monkeypatch.setattr(stage.quizzes, "get", fail)
    with capture_logs() as logged:
        answer = await stage.ask_to_join()
    assert (answer.status_code, answer.json()["code"]) == (503, "shard_unavailable")
    assert answer.headers["retry-after"] in "123"
    assert "db.internal" not in answer.text
    assert "db.internal" in logged[0]["error"]


async def test_a_session_that_does_not_answer_is_not_waited_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request ends, with 503, while the journal is away; the session goes on."""
    monkeypatch.setattr(access, "REPLY_TIMEOUT_S", 0.01)
    await stage.open()
    stage.journal.hold()
    answer = await stage.ask_to_join()
    assert (answer.status_code, answer.json()["code"]) == (503, "shard_unavailable")
    stage.journal.release()
    assert (await stage.ask_to_join()).status_code == 200


async def test_a_session_that_does_not_open_is_not_waited_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening goes on, though, and is there for the next who asks."""
    monkeypatch.setattr(access, "REPLY_TIMEOUT_S", 0.01)
    await stage.store(open="always")
    stage.journal.hold()
    assert (await stage.ask_to_join()).json()["code"] == "shard_unavailable"
    stage.journal.release()
    assert (await stage.ask_to_join()).status_code == 200
    assert len(stage.owner) == 1


async def test_a_session_that_cannot_open_leaves_the_loop_in_order(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal comes when nobody waits any more."""
    monkeypatch.setattr(access, "REPLY_TIMEOUT_S", 0.01)
    await stage.store(open="always")
    answering = asyncio.Event()

    async def refuse(*_: object) -> None:
        await answering.wait()
        raise Refused(Reason.SESSION_FULL)

    monkeypatch.setattr(stage.owner, "open", refuse)
    assert (await stage.ask_to_join()).json()["code"] == "shard_unavailable"
    answering.set()


async def test_a_full_queue_is_told() -> None:
    """Who finds no place in a session's queue is told to come back."""
    async with Stage({"limits": {"inbox": 16}}) as stage:
        await stage.open()
        stage.journal.hold()
        first = asyncio.create_task(stage.ask_to_join("First"))
        await asyncio.sleep(0.01)
        asked = [
            asyncio.create_task(stage.ask_to_join(f"Player {number}"))
            for number in range(17)
        ]
        done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result().status_code for task in done} == {503}
        stage.journal.release()
        answers = [await task for task in (first, *asked)]
        assert [answer.status_code for answer in answers].count(503) == 1


def test_problems_are_installed_by_the_module_that_has_them() -> None:
    """Any application can tell problems, the pages' too."""
    app = FastAPI()
    problems.install(app)
    assert {Problem, Refused, StoreUnavailable} <= set(app.exception_handlers)


def test_no_code_is_left_undocumented() -> None:
    """The names of codes stand in the module, once each."""
    source = Path(problems.__file__).read_text()
    for code in Code:
        assert source.count(f'"{code.value}"') == 1
