"""Joining by REST: what is tried again, what is not, and what a ticket says."""

import json
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from quizd.client import GaveUp, JoinRefused, QuizClient, Ticket
from tests.client.fake import Watch

ANSWER = {
    "quizId": "demo",
    "participantId": "p2",
    "sessionId": "s1",
    "token": "t",
    "wsUrl": "wss://quiz.example/ws",
}


class Desk:
    """Answers joins with the given responses, in their order, and keeps what came."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.watch = Watch()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer *request*."""
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def join(self, quiz: str = "demo", **how: object) -> Ticket:
        """Let a client join here."""
        async with httpx.AsyncClient(transport=httpx.MockTransport(self)) as http:
            client = QuizClient(self.watch.habits(), http=http)
            ticket = await client.join("http://quiz.example/", quiz, "Ann", **how)  # type: ignore[arg-type]
            assert client.ticket is ticket
            return ticket

    def keys(self) -> set[str]:
        """Return the different keys that were sent."""
        return {request.headers["Idempotency-Key"] for request in self.requests}


async def test_one_call_is_enough() -> None:
    """Name and key go out, the ticket comes back; nothing is waited for."""
    desk = Desk(httpx.Response(200, json=ANSWER))
    ticket = await desk.join()
    expected = Ticket("demo", "p2", "t", "wss://quiz.example/ws", session_id="s1")
    assert ticket == expected
    (request,) = desk.requests
    assert str(request.url) == "http://quiz.example/api/v1/quizzes/demo/join"
    assert json.loads(request.content) == {"participantName": "Ann"}
    assert desk.watch.time.slept_s == [0]


async def test_ids_are_quoted() -> None:
    """An id can't reach another path."""
    desk = Desk(httpx.Response(200, json=ANSWER))
    await desk.join("../admin?x=1")
    assert desk.requests[0].url.raw_path.endswith(b"/quizzes/..%2Fadmin%3Fx%3D1/join")


@pytest.mark.parametrize(
    "trouble",
    [
        lambda: httpx.Response(503),
        lambda: httpx.Response(500, text="<html>"),
        lambda: httpx.Response(429),
        lambda: httpx.ConnectError("refused"),
        lambda: httpx.ReadTimeout("slow"),
    ],
)
async def test_passing_trouble_is_tried_again(
    trouble: Callable[[], httpx.Response | Exception],
) -> None:
    """One second apart, with one key, so that it makes one participant; told aloud."""
    desk = Desk(trouble(), trouble(), httpx.Response(200, json=ANSWER))
    await desk.join()
    assert desk.watch.time.slept_s == [0, 1.0, 1.0]
    assert len(desk.keys()) == 1
    told = [(p.kind, p.attempt, p.of, p.delay_s) for p in desk.watch.progress]
    assert told == [("join", 1, 3, 0), ("join", 2, 3, 1.0), ("join", 3, 3, 1.0)]
    first, *later = [progress.error for progress in desk.watch.progress]
    assert first is None
    assert all(isinstance(error, httpx.HTTPError) for error in later)


async def test_it_gives_up_after_the_last_try() -> None:
    """The failure names the tries and the last cause."""
    last = httpx.ConnectError("refused")
    desk = Desk(httpx.Response(500), httpx.Response(500), last)
    with pytest.raises(GaveUp, match=r"join failed 3 times.*refused") as gave_up:
        await desk.join()
    assert (gave_up.value.kind, gave_up.value.cause) == ("join", last)
    assert desk.watch.time.slept_s == [0, 1.0, 1.0]


async def test_tries_interval_and_key_can_be_chosen() -> None:
    """The caller decides how long it may take and who it is."""
    desk = Desk(*[httpx.Response(502) for _ in range(2)])
    with pytest.raises(GaveUp):
        await desk.join(tries=2, interval_s=0.5, idempotency_key="ann-1")
    assert desk.watch.time.slept_s == [0, 0.5]
    assert desk.keys() == {"ann-1"}


@pytest.mark.parametrize(
    ("wish", "slept_s"), [("4", 4), ("0", 1), ("99", 10), ("x", 1)]
)
async def test_the_servers_wish_is_heard(wish: str, slept_s: float) -> None:
    """Retry-After lengthens the delay, up to a limit, and never shortens it."""
    busy = httpx.Response(503, headers={"Retry-After": wish})
    desk = Desk(busy, httpx.Response(200, json=ANSWER))
    await desk.join()
    assert desk.watch.time.slept_s == [0, slept_s]


async def test_a_refusal_is_final() -> None:
    """What the server means is not asked twice."""
    problem = {"code": "session_locked", "detail": "The host has closed the door."}
    desk = Desk(httpx.Response(409, json=problem))
    with pytest.raises(JoinRefused, match=r"session_locked.*door") as refused:
        await desk.join()
    assert (refused.value.status, refused.value.code) == (409, "session_locked")
    assert len(desk.requests) == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx.Response(200, text="<html>"), "not_a_quiz"),
        (httpx.Response(200, json=[1]), "not_a_quiz"),
        (httpx.Response(200, json={"quizId": "demo"}), "not_a_quiz"),
        (httpx.Response(404, text="nothing here"), "refused"),
    ],
)
async def test_other_servers_are_recognised(answer: httpx.Response, code: str) -> None:
    """An address that is no quizd gives a clear failure."""
    with pytest.raises(JoinRefused, match=code):
        await Desk(answer).join()


def query(address: str) -> dict[str, list[str]]:
    """Return the query of *address*."""
    return parse_qs(urlsplit(address).query)


def test_a_token_never_goes_into_an_address_or_a_log() -> None:
    """Even if the server put it there."""
    ticket = Ticket("demo", "p 2", "secret", "ws://h/ws?token=secret&x=1")
    address = ticket.address()
    assert "secret" not in address
    assert "secret" not in repr(Ticket("demo", "p 2", "secret", "ws://h/ws"))
    assert query(address) == {"quizId": ["demo"], "participantId": ["p 2"], "x": ["1"]}


def test_an_address_to_resume_has_epoch_and_after() -> None:
    """Also from the very beginning, where both are 0."""
    ticket = Ticket("demo", "p2", "t", "wss://h/ws")
    resumed = query(ticket.address(0, 0))
    assert (resumed["epoch"], resumed["after"]) == (["0"], ["0"])
    assert "after" not in query(ticket.address(None, None))


def test_a_host_says_so() -> None:
    """A host has no participant's id."""
    ticket = Ticket("demo", "", "t", "wss://h/ws", role="host")
    assert query(ticket.address()) == {"quizId": ["demo"], "role": ["host"]}
