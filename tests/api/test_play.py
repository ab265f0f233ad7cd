"""Playing by requests: the picture, the leaderboard, answers."""

import asyncio

import pytest

from quizd.accounts.tokens import Role
from tests.api.stage import API, Json, Opened, Stage, bearer

READS = ("state", "leaderboard")


async def _read(
    stage: Stage, what: str, headers: dict[str, str], quiz_id: str = "words"
) -> Json:
    answer = await stage.api.get(f"{API}/quizzes/{quiz_id}/{what}", headers=headers)
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    return body


# -- who may -----------------------------------------------------------------------


@pytest.mark.parametrize("what", READS)
@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic eDp5", "Bearer é"])
async def test_reading_needs_a_token(stage: Stage, what: str, header: str) -> None:
    """Without a valid one the answer says which kind is wanted."""
    await stage.open()
    headers = [(b"authorization", header.encode("latin-1"))] if header else []
    answer = await stage.api.get(f"{API}/quizzes/words/{what}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == 'Bearer realm="quizd"'


async def test_an_expired_token_is_none(stage: Stage) -> None:
    """After its life a token opens nothing."""
    await stage.open()
    ticket = await stage.join()
    stage.clock.advance(24 * 3_600_000)
    answer = await stage.answer(ticket, "yes")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("what", READS)
async def test_a_token_is_for_its_own_session(stage: Stage, what: str) -> None:
    """Neither another quiz nor another pin may be read with it."""
    await stage.open()
    other = await stage.open("other")
    ticket = await stage.join()
    for address in ("other", other.pin, "nothing"):
        answer = await stage.api.get(
            f"{API}/quizzes/{address}/{what}", headers=bearer(ticket["token"])
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("what", READS)
async def test_the_pin_is_an_address(stage: Stage, what: str) -> None:
    """By id and by pin it is the same."""
    session = await stage.open()
    headers = bearer((await stage.join())["token"])
    by_pin = await _read(stage, what, headers, session.pin)
    assert by_pin == await _read(stage, what, headers)


@pytest.mark.parametrize("what", READS)
async def test_the_host_may_read(stage: Stage, what: str) -> None:
    """With nothing of one's own in it."""
    session = await stage.open()
    await stage.join()
    body = await _read(stage, what, session.host)
    assert body.get("you", {"role": "host"}) == {"role": "host"}
    if what == "state":  # no board before the first question
        assert (body["participants"], "leaderboard" in body) == (1, False)
    else:
        assert [line["participantName"] for line in body["leaderboard"]] == ["Ann"]


async def test_a_host_does_not_answer(stage: Stage) -> None:
    """Answers are for participants."""
    session = await stage.open()
    answer = await stage.api.post(
        f"{API}/quizzes/words/answers", headers=session.host, json={}
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_a_session_that_is_forgotten_is_not_found(stage: Stage) -> None:
    """A token may outlive its session."""
    headers = bearer(stage.token(Role.PARTICIPANT, "forgotten"))
    answer = await stage.api.get(f"{API}/quizzes/words/state", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")


async def test_who_was_removed_sees_nothing(stage: Stage) -> None:
    """The token of a removed participant is forbidden everything."""
    session = await stage.open()
    ticket = await stage.join()
    await stage.lead(session, "kick", {"participantId": ticket["participantId"]})
    for what in READS:
        answer = await stage.api.get(
            f"{API}/quizzes/words/{what}", headers=bearer(ticket["token"])
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await stage.answer(ticket, "yes")).status_code == 403


# -- the picture -------------------------------------------------------------------


async def test_the_picture_is_that_of_welcome(stage: Stage) -> None:
    """In the lobby: who one is, how many there are, no question."""
    session = await stage.open()
    ticket = await stage.join()
    picture = await _read(stage, "state", bearer(ticket["token"]))
    assert picture["phase"] == "lobby"
    assert picture["pin"] == session.pin
    assert picture["participantId"] == ticket["participantId"]
    assert picture["participants"] == 1
    assert picture["resumed"] is False
    assert "question" not in picture


async def test_the_picture_has_the_open_question(stage: Stage) -> None:
    """With what is left of its time, and whether one has answered it."""
    session = await stage.open()
    ticket = await stage.join()
    await stage.ask_first_question(session)
    stage.clock.advance(5_000)
    question = (await _read(stage, "state", bearer(ticket["token"])))["question"]
    assert question["questionId"] == "question-1"
    assert (question["remainingMs"], question["answered"]) == (15_000, False)
    await stage.answer(ticket, "no")
    question = (await _read(stage, "state", bearer(ticket["token"])))["question"]
    assert question["answered"] is True


async def test_the_picture_has_the_right_answer_from_the_close_on(
    stage: Stage,
) -> None:
    """Not a moment before; with what it came to for oneself, a host apart."""
    session = await stage.open()
    ann = await stage.join()
    idle = bearer((await stage.join("Idle"))["token"])
    await stage.ask_first_question(session)
    await stage.answer(ann, "yes")
    for headers in (bearer(ann["token"]), idle, session.host):
        assert "reveal" not in await _read(stage, "state", headers)
    await stage.lead(session, "next")
    reveal = (await _read(stage, "state", bearer(ann["token"])))["reveal"]
    assert reveal["correctOptions"] == ["yes"]
    assert reveal["explanation"] == "Yes it is."
    assert reveal["distribution"][0] == {"option": "yes", "count": 1}
    assert (reveal["answered"], reveal["question"]["answered"]) == (1, True)
    assert (reveal["you"]["points"], reveal["you"]["rank"]) == (1000, 1)
    reveal = (await _read(stage, "state", idle))["reveal"]
    assert reveal["question"]["answered"] is False
    assert (reveal["you"]["correct"], reveal["you"]["gapToNext"]) == (False, 1000)
    shown = (await _read(stage, "state", session.host))["reveal"]
    assert "you" not in shown
    assert shown["question"]["text"] == "Number 1?"
    await stage.lead(session, "next")
    assert "reveal" not in await _read(stage, "state", session.host)


async def test_the_picture_has_title_and_lock(stage: Stage) -> None:
    """For players and hosts alike."""
    session = await stage.open()
    headers = bearer((await stage.join())["token"])
    before = await _read(stage, "state", headers)
    assert (before["title"], before["locked"]) == ("Yes or no", False)
    await stage.lead(session, "lock")
    assert (await _read(stage, "state", session.host))["locked"] is True


async def test_after_the_end_the_result_can_be_read(stage: Stage) -> None:
    """Picture and leaderboard stay for a while."""
    session = await stage.open()
    headers = bearer((await stage.join())["token"])
    await stage.lead(session, "end")
    assert (await _read(stage, "state", headers))["phase"] == "ended"
    assert (await _read(stage, "leaderboard", headers))["total"] == 1


# -- the leaderboard ---------------------------------------------------------------


async def test_the_leaderboard_comes_in_parts(stage: Stage) -> None:
    """Both limit and offset cut it; one's own place is always there."""
    session = await stage.open()
    tickets = [await stage.join(f"Player {number}") for number in range(12)]
    await stage.ask_first_question(session)
    for ticket in tickets:
        stage.clock.advance(1_000)
        await stage.answer(ticket, "yes")
    headers = bearer(tickets[11]["token"])
    board = await _read(stage, "leaderboard", headers)
    assert len(board["leaderboard"]) == 10
    assert board["total"] == 12
    assert (board["you"]["rank"], board["you"]["of"]) == (12, 12)
    rest = await _read(stage, "leaderboard?limit=5&offset=10", headers)
    assert [line["rank"] for line in rest["leaderboard"]] == [11, 12]
    beyond = await _read(stage, "leaderboard?offset=10000000", headers)
    assert beyond["leaderboard"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=ten", "limit"),
        ("offset=-1", "offset"),
        ("offset=99999999999999999999", "offset"),
    ],
)
async def test_parts_have_bounds(stage: Stage, query: str, field: str) -> None:
    """A limit or an offset out of bounds is named."""
    session = await stage.open()
    answer = await stage.api.get(
        f"{API}/quizzes/words/leaderboard?{query}", headers=session.host
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_message")
    assert [error["field"] for error in answer.json()["errors"]] == [field]


# -- answers -----------------------------------------------------------------------


async def _asked(stage: Stage, feedback: str = "immediate") -> tuple[Opened, Json]:
    session = await stage.open(feedback=feedback)
    ticket = await stage.join()
    await stage.ask_first_question(session)
    return session, ticket


async def test_an_answer_is_told_its_result(stage: Stage) -> None:
    """Points by the time since the question's start, and the rank that makes."""
    _, ticket = await _asked(stage)
    stage.clock.advance(10_000)
    answer = await stage.answer(ticket, "yes")
    assert answer.json() == {
        "questionId": "question-1",
        "accepted": True,
        "receivedAt": "2026-01-01T00:00:10.300Z",
        "correct": True,
        "points": 750,
        "score": 750,
        "rank": 1,
    }


async def test_the_same_answer_again_gets_the_same_result(stage: Stage) -> None:
    """Also after the question is closed."""
    session, ticket = await _asked(stage)
    first = await stage.answer(ticket, "yes")
    stage.clock.advance(3_000)
    assert (await stage.answer(ticket, "yes")).json() == first.json()
    await stage.lead(session, "next")
    assert (await stage.answer(ticket, "yes")).json() == first.json()


async def test_with_late_feedback_the_result_tells_nothing(stage: Stage) -> None:
    """Only that the answer counts."""
    _, ticket = await _asked(stage, feedback="on_close")
    answer = (await stage.answer(ticket, "yes")).json()
    assert set(answer) == {"questionId", "accepted", "receivedAt"}


async def test_the_first_answer_stands(stage: Stage) -> None:
    """Another one is refused."""
    _, ticket = await _asked(stage)
    await stage.answer(ticket, "no")
    answer = await stage.answer(ticket, "yes")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_answered")


async def test_answers_count_while_their_question_is_open(stage: Stage) -> None:
    """Before, during a pause and afterwards each has its own refusal."""
    session, ticket = await _asked(stage)
    codes = {}
    codes["next"] = await stage.answer(ticket, "yes", 2)
    codes["unknown"] = await stage.answer(ticket, "yes", 9)
    codes["option"] = await stage.answer(ticket, "perhaps")
    await stage.lead(session, "pause")
    codes["paused"] = await stage.answer(ticket, "yes")
    await stage.lead(session, "resume")
    stage.clock.advance(60_000)
    codes["late"] = await stage.answer(ticket, "yes")
    found = {
        name: (answer.status_code, answer.json()["code"])
        for name, answer in codes.items()
    }
    assert found == {
        "next": (409, "too_early"),
        "unknown": (404, "unknown_question"),
        "option": (422, "invalid_option"),
        "paused": (409, "question_not_open"),
        "late": (409, "too_late"),
    }
    assert codes["next"].json()["details"] == {"questionId": "question-2"}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_message"),
        (b"\xff", 400, "invalid_message"),
        (b"", 400, "invalid_message"),
        (b"[" * 100_000, 400, "invalid_message"),
        (b"[]", 422, "invalid_message"),
        (b"{}", 422, "invalid_message"),
        (b'{"questionId": 1}', 422, "invalid_message"),
        (b'{"questionId": "question-1"}', 422, "invalid_option"),
        (b'{"questionId": "question-1", "participantId": "x"}', 403, "forbidden"),
        (
            b'{"questionId":"question-1","selectedOption":"yes","answeredAt":1}',
            422,
            "invalid_message",
        ),
    ],
)
async def test_what_is_no_answer_is_refused(
    stage: Stage, body: bytes, status: int, code: str
) -> None:
    """400 for what is not JSON, else the same reasons as over the socket."""
    _, ticket = await _asked(stage)
    answer = await stage.api.post(
        f"{API}/quizzes/words/answers", headers=bearer(ticket["token"]), content=body
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_many_answer_at_once(stage: Stage) -> None:
    """Everybody is told their own result."""
    session = await stage.open()
    tickets = [await stage.join(f"Player {number}") for number in range(20)]
    await stage.ask_first_question(session)
    options = ["yes" if number % 2 else "no" for number in range(20)]
    asked = [
        stage.answer(ticket, option)
        for ticket, option in zip(tickets, options, strict=True)
    ]
    answers = await asyncio.gather(*asked)
    assert [answer.json()["correct"] for answer in answers] == [
        option == "yes" for option in options
    ]
