"""Joining: whom one becomes, who is let in, where one is sent."""

import asyncio
import time
from hashlib import sha256
from unicodedata import normalize
from uuid import UUID

import pytest

from quizd.accounts.tokens import Grant, Role
from quizd.session import events as ev
from tests.api.stage import API, Opened, Stage, bearer

NAME_CHARS = 40


# -- what one gets -----------------------------------------------------------------


async def test_one_becomes_a_participant_of_the_open_session(stage: Stage) -> None:
    """The answer names quiz, session and participant, and its token opens the seat."""
    session = await stage.open()
    ticket = await stage.join("Ann")
    assert ticket["quizId"] == "words"
    assert ticket["sessionId"] == session.session_id
    assert ticket["participantName"] == "Ann"
    assert UUID(ticket["participantId"]).version == 4
    grant = stage.tokens.check(ticket["token"], stage.clock.now_ms())
    whose = ticket["participantId"][:8]
    assert grant == Grant(Role.PARTICIPANT, session.session_id, 0, whose)


async def test_the_pin_leads_to_the_same_session(stage: Stage) -> None:
    """A pin is an address like the quiz's id; the answer has the quiz's id."""
    session = await stage.open()
    ticket = await stage.join("Ann", session.pin)
    assert (ticket["quizId"], ticket["sessionId"]) == ("words", session.session_id)


async def test_tokens_are_kept_by_no_cache(stage: Stage) -> None:
    """An answer with a token in it is not to be stored."""
    await stage.open()
    answer = await stage.ask_to_join()
    assert answer.headers["cache-control"] == "no-store"


async def test_the_sockets_address_is_where_the_request_went(stage: Stage) -> None:
    """Without a configured address it follows the request, and has no token."""
    await stage.open()
    ticket = await stage.join()
    query = f"quizId=words&participantId={ticket['participantId']}"
    assert ticket["wsUrl"] == f"ws://quiz.test/ws?{query}"


async def test_the_sockets_address_follows_the_public_url() -> None:
    """Players are sent where the operator says, encrypted where that is."""
    async with Stage({"server": {"public_url": "https://play.example.org/"}}) as stage:
        await stage.open()
        ticket = await stage.join()
        assert ticket["wsUrl"].startswith("wss://play.example.org/ws?quizId=words&")


@pytest.mark.parametrize(
    "host", ["evil.test/path", "a b", "", 'x"><script>', "[::1", "h" * 262]
)
async def test_a_host_header_that_is_no_host_goes_nowhere(
    stage: Stage, host: str
) -> None:
    """Nothing but a host gets into an address; else it is where the server listens."""
    await stage.open()
    answer = await stage.ask_to_join(host=host)
    assert answer.json()["wsUrl"].startswith("ws://127.0.0.1:8080/ws?")


@pytest.mark.parametrize(
    "host",
    ["[::1]:8080", "quiz-1.example.org:443", "localhost", "h" * 255 + ":65535"],
)
async def test_a_host_header_is_used_as_it_is(stage: Stage, host: str) -> None:
    """Names, addresses and ports are taken from the request."""
    await stage.open()
    answer = await stage.ask_to_join(host=host)
    assert answer.json()["wsUrl"].startswith(f"ws://{host}/ws?")


# -- names -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  Ann  ", "Ann"),
        ("Ann\t \n Lee", "Ann Lee"),
        ("Ann\u2003Lee\u00a0", "Ann Lee"),
        ("Zoe\u0308", "Zoë"),
        ("أحمد\u200f", "أحمد\u200f"),
        ("👩‍🏫", "👩‍🏫"),
        ("x" * NAME_CHARS, "x" * NAME_CHARS),
        ("é" * NAME_CHARS, "é" * NAME_CHARS),
        (normalize("NFD", "ᾂ" * NAME_CHARS), "ᾂ" * NAME_CHARS),
    ],
)
async def test_names_are_put_on_one_line(stage: Stage, given: str, kept: str) -> None:
    """White space is trimmed and collapsed, characters are composed, the rest stays."""
    await stage.open()
    assert (await stage.join(given))["participantName"] == kept


@pytest.mark.parametrize(
    "name",
    [
        None,
        7,
        ["Ann"],
        "",
        " \t ",
        "x" * (NAME_CHARS + 1),
        "Ann\x00",
        "Ann\x1b[31m",
        "Ann\x7f",
        "nnA\u202e",
        "\u2066Ann\u2069",
        "\u200b",
        "\u200d\u0301",
        "\ue000",
        "\U0003fffe",
    ],
)
async def test_what_is_no_name_is_refused(stage: Stage, name: object) -> None:
    """Controls, what turns text around, blank and overlong names: 422, by field."""
    await stage.open()
    answer = await stage.ask_to_join(name)
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_message"
    assert [error["field"] for error in answer.json()["errors"]] == ["participantName"]


async def test_a_name_of_marks_is_no_work(stage: Stage) -> None:
    """Putting marks into order takes the square of their number: few are looked at."""
    await stage.open()
    began_s = time.process_time()
    answer = await stage.ask_to_join("a" + "\u0300" * 20_000 + "\u0316" * 20_000)
    assert time.process_time() - began_s < 0.2
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "participantName"


async def test_the_length_of_names_is_a_setting() -> None:
    """A board for long names can be had."""
    async with Stage({"limits": {"name_chars": 5}}) as stage:
        await stage.open()
        assert (await stage.ask_to_join("Annie")).status_code == 200
        assert (await stage.ask_to_join("Annika")).status_code == 422


async def test_equal_names_are_told_apart(stage: Stage) -> None:
    """The second of a name gets a number."""
    await stage.open()
    names = [(await stage.join(name))["participantName"] for name in ("Ann", "ANN")]
    assert names == ["Ann", "ANN (2)"]


# -- being the same person ---------------------------------------------------------


async def test_the_same_key_is_the_same_participant(stage: Stage) -> None:
    """A repeated join changes nothing, also under another name."""
    await stage.open()
    first = await stage.ask_to_join("Ann", idempotency_key="k1")
    again = await stage.ask_to_join("Anna", idempotency_key="k1")
    other = await stage.ask_to_join("Ann", idempotency_key="k2")
    assert again.json()["participantId"] == first.json()["participantId"]
    assert again.json()["participantName"] == "Ann"
    assert other.json()["participantId"] != first.json()["participantId"]


async def test_joins_at_once_with_one_key_are_one_participant(stage: Stage) -> None:
    """A repetition that overtakes the answer finds the same participant."""
    session = await stage.open()
    asked = [stage.ask_to_join("Ann", idempotency_key="k") for _ in range(5)]
    answers = await asyncio.gather(*asked)
    assert len({answer.json()["participantId"] for answer in answers}) == 1
    assert await stage.runner(session).read(lambda state: state.participants) == 1


async def test_keys_are_kept_hashed(stage: Stage) -> None:
    """Whoever reads the journal learns no key that would open a participant."""
    session = await stage.open()
    await stage.ask_to_join(idempotency_key="secret-key")
    kept = await stage.runner(session).read(lambda state: set(state.by_key))
    assert kept == {sha256(b"secret-key").hexdigest()}


@pytest.mark.parametrize("key", ["", "k" * 201])
async def test_a_key_has_a_length(stage: Stage, key: str) -> None:
    """1 to 200 characters; else the header is named."""
    await stage.open()
    answer = await stage.ask_to_join(idempotency_key=key)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


async def test_a_token_gets_its_participant_back(stage: Stage) -> None:
    """Also when nobody else is let in; with a token that holds longer."""
    session = await stage.open()
    ticket = await stage.join("Ann")
    await stage.lead(session, "lock")
    stage.clock.advance(60_000)
    answer = await stage.ask_to_join("Anna", **bearer(ticket["token"]))
    assert answer.status_code == 200
    assert answer.json()["participantId"] == ticket["participantId"]
    assert answer.json()["token"] != ticket["token"]


async def test_a_token_of_somebody_else_is_no_help(stage: Stage) -> None:
    """Expired, forged, of a host, of another session or of nobody: one is new."""
    session = await stage.open()
    await stage.open("other")
    elsewhere = await stage.join("Ann", "other")
    ticket = await stage.join("Ann")
    stage.clock.advance(25 * 3_600_000)
    never_in = stage.token(Role.PARTICIPANT, session.session_id, 1_000)
    for token in (
        ticket["token"],
        elsewhere["token"],
        stage.token(Role.HOST, session.session_id),
        never_in,
        "forged",
        "",
    ):
        answer = await stage.ask_to_join("Ann", **bearer(token))
        assert answer.status_code == 200
        assert answer.json()["participantId"] != ticket["participantId"]


async def test_who_was_removed_does_not_get_back_in(stage: Stage) -> None:
    """Neither a token nor a key brings a removed participant back."""
    session = await stage.open()
    ticket = (await stage.ask_to_join("Ann", idempotency_key="k")).json()
    await stage.lead(session, "kick", {"participantId": ticket["participantId"]})
    by_token = await stage.ask_to_join("Ann", **bearer(ticket["token"]))
    by_key = await stage.ask_to_join("Ann", idempotency_key="k")
    assert [by_token.json()["code"], by_key.json()["code"]] == ["forbidden"] * 2


# -- who is let in -----------------------------------------------------------------


@pytest.mark.parametrize("address", ["nothing", "123456", "not an id", "x" * 300])
async def test_without_a_session_there_is_nothing_to_join(
    stage: Stage, address: str
) -> None:
    """An unknown quiz, an unknown pin, and what can be neither."""
    answer = await stage.ask_to_join(address=address)
    assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")


async def test_a_hosted_quiz_waits_for_its_host(stage: Stage) -> None:
    """A quiz that is only stored is not open."""
    await stage.store()
    assert (await stage.ask_to_join()).json()["code"] == "session_not_found"


async def test_a_quiz_that_is_always_open_opens_with_the_first_join(
    stage: Stage,
) -> None:
    """All who come at once come into one session."""
    await stage.store(open="always")
    asked = [stage.ask_to_join(f"Player {number}") for number in range(10)]
    sessions = {answer.json()["sessionId"] for answer in await asyncio.gather(*asked)}
    assert len(sessions) == 1


async def test_after_its_end_an_open_quiz_opens_again(stage: Stage) -> None:
    """Whoever comes in the very moment of the end is in the next session."""
    session = await stage.open(open="always")
    ended = stage.runner(session).submit(ev.HostEnded())
    ticket = await stage.join()
    await ended
    assert ticket["sessionId"] != session.session_id


async def test_after_its_end_a_hosted_quiz_is_closed(stage: Stage) -> None:
    """The same moment, without a next session."""
    session = await stage.open()
    ended = stage.runner(session).submit(ev.HostEnded())
    answer = await stage.ask_to_join()
    await ended
    assert answer.json()["code"] == "session_not_found"


async def test_a_locked_session_takes_nobody(stage: Stage) -> None:
    """409 session_locked, until it is unlocked."""
    session = await stage.open()
    await stage.lead(session, "lock")
    answer = await stage.ask_to_join()
    assert (answer.status_code, answer.json()["code"]) == (409, "session_locked")
    await stage.lead(session, "lock", {"locked": False})
    assert (await stage.ask_to_join()).status_code == 200


async def test_a_full_session_takes_nobody(stage: Stage) -> None:
    """409 session_full, telling the limit."""
    await stage.open(max_participants=1)
    await stage.join()
    answer = await stage.ask_to_join("Ben")
    assert (answer.status_code, answer.json()["code"]) == (409, "session_full")
    assert answer.json()["details"] == {"limit": 1}


async def test_no_more_sessions_than_the_limit() -> None:
    """At the ceiling of sessions an always open quiz can't open another."""
    async with Stage({"limits": {"sessions": 1}}) as stage:
        await stage.open()
        await stage.store("other", open="always")
        answer = await stage.ask_to_join(address="other")
        assert (answer.status_code, answer.json()["code"]) == (409, "session_full")


async def test_a_banned_name_stays_out(stage: Stage) -> None:
    """The name of who was banned is forbidden to everybody."""
    session = await stage.open()
    ticket = await stage.join("Ann")
    kick = {"participantId": ticket["participantId"], "ban": True}
    await stage.lead(session, "kick", kick)
    answer = await stage.ask_to_join("ann")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_a_ban_holds_for_who_was_given_a_number(stage: Stage) -> None:
    """Nobody who is shown as ``Ann (2)`` gets back in by asking for ``Ann`` again."""
    session = await stage.open()
    await stage.join("Ann")
    ticket = await stage.join("Ann")
    kick = {"participantId": ticket["participantId"], "ban": True}
    await stage.lead(session, "kick", kick)
    answer = await stage.ask_to_join("Ann")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


# -- how often ---------------------------------------------------------------------


def _rate(per_s: float) -> dict[str, object]:
    return {"limits": {"joins_per_s_per_address": per_s}}


async def _join_from(stage: Stage, address: str) -> int:
    async with stage.client(address) as client:
        answer = await client.post(
            f"{API}/quizzes/words/join", json={"participantName": "Ann"}
        )
    return answer.status_code


async def test_one_address_may_join_so_often() -> None:
    """Beyond the rate it is told when to come back; others aren't concerned."""
    async with Stage(_rate(1 / 3600)) as stage:
        await stage.open()
        assert (await stage.ask_to_join()).status_code == 200
        answer = await stage.ask_to_join()
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert answer.headers["retry-after"] == "3600"
        assert await _join_from(stage, "192.0.2.1") == 200


async def test_a_site_of_ipv6_is_one_address() -> None:
    """Who has a /64 has one budget; an IPv4 address in IPv6 clothes is itself."""
    async with Stage(_rate(1 / 3600)) as stage:
        await stage.open()
        assert await _join_from(stage, "2001:db8::1") == 200
        assert await _join_from(stage, "2001:db8::2") == 429
        assert await _join_from(stage, "2001:db8:0:1::1") == 200
        assert await _join_from(stage, "::ffff:192.0.2.1") == 200
        assert await _join_from(stage, "192.0.2.1") == 429


async def test_a_unix_socket_has_no_rate() -> None:
    """Without an address there is nobody to count."""
    async with Stage(_rate(1 / 3600)) as stage:
        await stage.open()
        assert [await _join_from(stage, "") for _ in range(3)] == [200] * 3


async def test_rooms_share_an_address(stage: Stage) -> None:
    """Without a configured rate a whole school may come at once."""
    session: Opened = await stage.open()
    asked = [stage.ask_to_join(f"Player {number}") for number in range(50)]
    assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}
    assert await stage.runner(session).read(lambda state: state.participants) == 50
