"""Definitions for authors, and the list of what anybody can join."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import orjson
import pytest

from quizd.content import load
from quizd.quizfile.json_format import dump
from quizd.store.base import StoreUnavailable
from tests.api.stage import API, AS_AUTHOR, AUTHOR, Stage, bearer, quiz

QUIZZES = f"{API}/quizzes"


# -- authors -----------------------------------------------------------------------


async def test_a_quiz_is_kept_under_a_new_id(stage: Stage) -> None:
    """201, where it is, and what was understood."""
    answer = await stage.api.post(QUIZZES, headers=AS_AUTHOR, json=quiz())
    assert answer.status_code == 201
    body = answer.json()
    assert body["version"] == 1
    assert body["createdAt"] == body["updatedAt"] == "2026-01-01T00:00:00.000Z"
    assert answer.headers["location"] == f"{QUIZZES}/{body['quizId']}"
    found = await stage.api.get(answer.headers["location"], headers=AS_AUTHOR)
    assert found.json() == body
    other = await stage.api.post(QUIZZES, headers=AS_AUTHOR, json=quiz())
    assert other.json()["quizId"] != body["quizId"]


async def test_what_is_read_can_be_written(stage: Stage) -> None:
    """A shipped quiz comes back as it was, and is no new version then."""
    await stage.quizzes.put("demo", load("demo"), stage.clock.now_ms())
    found = await stage.api.get(f"{QUIZZES}/demo", headers=AS_AUTHOR)
    assert found.json()["quiz"] == orjson.loads(dump(load("demo")))
    again = await stage.api.put(
        f"{QUIZZES}/demo", headers=AS_AUTHOR, json=found.json()["quiz"]
    )
    assert (again.status_code, again.json()["version"]) == (200, 1)


async def test_an_id_can_be_chosen(stage: Stage) -> None:
    """201 when new, 200 with the next version when changed."""
    made = await stage.api.put(f"{QUIZZES}/words", headers=AS_AUTHOR, json=quiz())
    assert (made.status_code, made.json()["version"]) == (201, 1)
    stage.clock.advance(1_000)
    changed = await stage.api.put(f"{QUIZZES}/words", headers=AS_AUTHOR, json=quiz(3))
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert changed.json()["createdAt"] == made.json()["createdAt"]
    assert changed.json()["updatedAt"] == "2026-01-01T00:00:01.000Z"


@pytest.mark.parametrize("quiz_id", ["123456", "-x", "x" * 65, "a b", "ü"])
async def test_an_id_that_could_be_something_else_is_refused(
    stage: Stage, quiz_id: str
) -> None:
    """Digits alone would be a pin; other characters would be trouble in addresses."""
    answer = await stage.api.put(f"{QUIZZES}/{quiz_id}", headers=AS_AUTHOR, json=quiz())
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_message")
    assert [error["field"] for error in answer.json()["errors"]] == ["quizId"]


async def test_a_quiz_can_be_taken_out(stage: Stage) -> None:
    """204, then 404 for everything; its session goes on."""
    await stage.open()
    where = f"{QUIZZES}/words"
    assert (await stage.api.delete(where, headers=AS_AUTHOR)).status_code == 204
    for method in ("GET", "DELETE"):
        answer = await stage.api.request(method, where, headers=AS_AUTHOR)
        assert (answer.status_code, answer.json()["code"]) == (404, "quiz_not_found")
    assert (await stage.ask_to_join()).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_what_is_wrong_with_a_quiz_is_told_in_lines(
    stage: Stage, method: str
) -> None:
    """All of it at once, each with its place."""
    wrong = quiz()
    wrong["questions"][0]["time_s"] = 0
    wrong["questions"][1]["options"] = ["yes", "yes"]
    wrong["titel"] = "x"
    where = QUIZZES if method == "POST" else f"{QUIZZES}/words"
    answer = await stage.api.request(method, where, headers=AS_AUTHOR, json=wrong)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_message")
    assert answer.json()["problems"] == [
        "questions[0].time_s: must be at least 1, is 0",
        'titel: unknown key (did you mean "title"?)',
        'question 2 (id "question-2"): option "yes" is given twice',
    ]


async def test_a_text_that_can_not_be_kept_is_named(stage: Stage) -> None:
    """The character NUL, which not every database takes."""
    wrong = quiz()
    wrong["questions"][1]["text"] = "a\0b"
    answer = await stage.api.post(QUIZZES, headers=AS_AUTHOR, json=wrong)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_message")
    assert answer.json()["problems"] == [
        "quiz: questions[1].text must not hold the character NUL (U+0000)"
    ]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"title": NaN}'])
async def test_a_quiz_that_is_no_json_is_malformed(stage: Stage, body: bytes) -> None:
    """400, with the place where reading stopped."""
    answer = await stage.api.post(QUIZZES, headers=AS_AUTHOR, content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_message")
    assert len(answer.json()["problems"]) == 1


async def test_half_a_surrogate_pair_can_be_told(stage: Stage) -> None:
    """What UTF-8 can't hold is written out in the answer."""
    body = b'{"title": "\\ud800", "\\ud800": 1, "questions": []}'
    answer = await stage.api.post(QUIZZES, headers=AS_AUTHOR, content=body)
    assert answer.status_code == 422
    assert "\\ud800" in answer.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "?joinable=false"),
        ("POST", ""),
        ("GET", "/words"),
        ("PUT", "/words"),
        ("DELETE", "/words"),
        ("POST", "/words/open"),
    ],
)
@pytest.mark.parametrize("token", ["", AUTHOR[:-1], AUTHOR + "x", "ü"])
async def test_definitions_are_for_authors(
    stage: Stage, method: str, path: str, token: str
) -> None:
    """Any other token, and none, is unauthorized before anything is read."""
    await stage.store()
    headers = [(b"authorization", f"Bearer {token}".encode("latin-1"))]
    answer = await stage.api.request(method, QUIZZES + path, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_without_an_author_token_there_are_no_authors(stage: Stage) -> None:
    """An empty token in the configuration opens nothing."""
    stage.rebuild(author_token="")
    for headers in ({}, bearer(""), bearer(AUTHOR)):
        answer = await stage.api.get(QUIZZES, headers=headers)
        assert answer.status_code == 401


async def test_the_author_token_is_compared_in_constant_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole token goes into a comparison whose time tells nothing."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(given: bytes, right: bytes) -> bool:
        compared.append((given, right))
        return True

    monkeypatch.setattr("hmac.compare_digest", compare)
    answer = await stage.api.get(QUIZZES, headers=bearer("anything"))
    assert answer.status_code == 200
    assert compared == [(b"anything", AUTHOR.encode())]


async def test_authors_list_definitions_in_parts(stage: Stage) -> None:
    """The cursor of a part leads to the next, until there is none."""
    for number in range(5):
        await stage.store(f"quiz-{number}", open="always" if number else "host")
    listed: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = await stage.api.get(
            f"{QUIZZES}?limit=2&cursor={cursor}", headers=AS_AUTHOR
        )
        listed += answer.json()["quizzes"]
        cursor = answer.json()["nextCursor"]
    assert [each["quizId"] for each in listed] == [f"quiz-{n}" for n in range(5)]
    assert listed[0] == {
        "quizId": "quiz-0",
        "version": 1,
        "createdAt": "2026-01-01T00:00:00.000Z",
        "updatedAt": "2026-01-01T00:00:00.000Z",
        "title": "Yes or no",
        "language": "en",
        "level": "A1",
        "questions": 2,
        "open": "host",
    }
    assert listed[1]["open"] == "always"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        (f"cursor={'x' * 65}", "cursor"),
        ("joinable=perhaps", "joinable"),
    ],
)
async def test_lists_have_bounds(stage: Stage, query: str, field: str) -> None:
    """What is out of bounds is named."""
    answer = await stage.api.get(f"{QUIZZES}?{query}", headers=AS_AUTHOR)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_message")
    assert [error["field"] for error in answer.json()["errors"]] == [field]


# -- anybody -----------------------------------------------------------------------


async def _joinable(stage: Stage, query: str = "") -> list[str]:
    stage.clock.advance(1_000)
    answer = await stage.api.get(f"{QUIZZES}?joinable=true{query}")
    assert answer.status_code == 200, answer.text
    return [line["quizId"] for line in answer.json()["quizzes"]]


async def test_anybody_sees_what_can_be_joined(stage: Stage) -> None:
    """Open sessions with how many are in, and quizzes that open by themselves."""
    await stage.store("closed")
    await stage.store("always", open="always")
    await stage.open()
    await stage.join()
    answer = await stage.api.get(f"{QUIZZES}?joinable=true")
    common = {"title": "Yes or no", "level": "A1", "language": "en", "phase": "lobby"}
    assert answer.json() == {
        "quizzes": [
            {"quizId": "always", "participants": 0, **common},
            {"quizId": "words", "participants": 1, **common},
        ],
        "nextCursor": None,
    }


async def test_what_takes_nobody_is_not_listed(stage: Stage) -> None:
    """Locked, full, begun without late joining, ended; no lobby in its place."""
    locked = await stage.open("locked", open="always")
    await stage.open("full", max_participants=1)
    early = await stage.open("early", late_join=False)
    late = await stage.open("late")
    ended = await stage.open("ended")
    assert await _joinable(stage) == ["early", "ended", "full", "late", "locked"]
    await stage.lead(locked, "lock")
    await stage.join(address="full")
    for session in (early, late):
        await stage.lead(session, "start")
    assert await _joinable(stage) == ["early", "ended", "late"]
    for session in (early, late):
        await stage.lead(session, "next")
        await stage.lead(session, "pause")
    await stage.lead(ended, "end")
    assert await _joinable(stage) == ["late"]


async def test_the_list_comes_in_parts(stage: Stage) -> None:
    """The cursor goes on where a part ended, whatever has come or gone."""
    for number in range(4):
        await stage.open(f"quiz-{number}")
    first = await stage.api.get(f"{QUIZZES}?joinable=true&limit=2")
    assert first.json()["nextCursor"] == "quiz-1"
    assert await _joinable(stage, "&limit=2&cursor=quiz-1") == ["quiz-2", "quiz-3"]
    assert await _joinable(stage, "&limit=2&cursor=quiz-3") == []


async def test_the_list_outlives_the_database(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, quizzes that open by themselves stay, and new sessions come."""
    await stage.store("always", open="always")
    assert await _joinable(stage) == ["always"]

    async def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("gone")

    await stage.open("words")
    monkeypatch.setattr(stage.quizzes, "list", away)
    assert await _joinable(stage) == ["always", "words"]


async def test_the_list_is_made_once_a_second(stage: Stage) -> None:
    """Many who ask cost as much as one: within a second they get the same list."""
    assert await _joinable(stage) == []
    await stage.open()
    answer = await stage.api.get(f"{QUIZZES}?joinable=true")
    assert answer.json()["quizzes"] == []
    assert await _joinable(stage) == ["words"]


async def test_a_session_that_does_not_answer_is_left_out(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One session that waits for its journal holds up no list."""
    monkeypatch.setattr("quizd.owner.owner.PATIENCE_S", 0.01)
    stuck = await stage.open("stuck")
    await stage.open()
    stage.journal.hold()
    joining = stage.ask_to_join(address=stuck.quiz_id)
    assert await _while(stage, joining) == ["words"]


async def _while(stage: Stage, other: Coroutine[Any, Any, object]) -> list[str]:
    task = asyncio.create_task(other)
    await asyncio.sleep(0)
    try:
        return await _joinable(stage)
    finally:
        stage.journal.release()
        await task
