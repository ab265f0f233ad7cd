"""Joining without the application: the same answers, as far as it goes.

All that ``test_join`` holds is held here once more, of joins that are offered to the
direct way first.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast
from unittest.mock import patch

import httpx
import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from quizd.api.joining import DirectJoin, Joining, Overdue
from quizd.owner.handle import Handle
from quizd.owner.runner import Runner
from quizd.session.events import Event
from tests.api.stage import API, Stage, bearer
from tests.api.test_join import *  # noqa: F403 - all of it, on another way in
from tests.support import virtual_time

Headers = dict[str, str]


class Whole:
    """A request that came whole, and what became of it."""

    def __init__(self, request: httpx.Request, client: str) -> None:
        self.url = request.url.raw_path
        self.body = request.content
        headers = [(name.lower(), value) for name, value in request.headers.raw]
        self.scope: dict[str, Any] = {
            "type": "http",
            "scheme": "http",
            "client": (client, 50_000),
            "headers": headers,
        }
        self.disconnected = False
        self.answer: asyncio.Future[httpx.Response | None] = asyncio.Future()

    def reply(self, status: int, lines: bytes, body: bytes) -> None:
        """Keep the answer."""
        pairs = [line.split(b": ", 1) for line in lines.split(b"\r\n")[:-1]]
        headers = [(name, value) for name, value in pairs]
        self.answer.set_result(httpx.Response(status, headers=headers, content=body))

    def decline(self) -> None:
        """Note it."""
        self.answer.set_result(None)


class DirectFirst(httpx.AsyncBaseTransport):
    """Offers what ends in ``/join`` to *direct*, and gives the rest to *behind*."""

    def __init__(self, direct: DirectJoin, behind: httpx.ASGITransport) -> None:
        self.direct = direct
        self.behind = behind
        self.taken: list[bool] = []
        self.under_way = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Serve it."""
        if request.method == "POST" and request.url.path.endswith("/join"):
            whole = Whole(request, self.behind.client[0])
            taken = self.direct.serve(whole)
            self.under_way += taken
            answer = await whole.answer if taken else None
            self.taken.append(answer is not None)
            if answer is not None:
                return answer
        return await self.behind.handle_async_request(request)


class DirectStage(Stage):
    """A stage on which joins come directly where they can."""

    way: DirectFirst

    def client(self, address: str = "127.0.0.1", **options: Any) -> httpx.AsyncClient:  # noqa: ANN401
        """Return a client that calls from *address*."""
        believing: Any = ProxyHeadersMiddleware(cast("Any", self.app))
        behind = httpx.ASGITransport(believing, client=(address, 50_000))
        self.way = DirectFirst(DirectJoin(self.services), behind)
        return httpx.AsyncClient(
            transport=self.way,
            base_url="http://quiz.test",
            event_hooks={"response": [self.conformance]},
            **options,
        )

    async def both(self, name: object = "Ann", **headers: str) -> list[httpx.Response]:
        """Return the answers to one request on both ways."""
        direct = await self.ask_to_join(name, **headers)
        assert self.way.taken[-1]
        with patch.object(self.way, "direct", Nobody()):
            return [direct, await self.ask_to_join(name, **headers)]


class Nobody:
    """Takes no request."""

    def serve(self, _: Whole) -> bool:
        """Take none."""
        return False


@pytest.fixture
async def stage() -> AsyncIterator[DirectStage]:
    """Return a stage that runs."""
    async with DirectStage() as running:
        yield running


# -- the same answers ----------------------------------------------------------------


async def test_a_join_in_order_is_taken(stage: DirectStage) -> None:
    """By the quiz's id and by the pin; its answer differs in nothing from the other."""
    session = await stage.open()
    direct, other = await stage.both("Ann")
    assert direct.status_code == other.status_code == 200
    assert [name for name, _ in direct.headers.raw] == [
        name for name, _ in other.headers.raw
    ]
    assert direct.headers["content-length"] == str(len(direct.content))
    assert list(direct.json()) == list(other.json())
    assert direct.json()["participantId"] != other.json()["participantId"]
    await stage.join("Bea", session.pin)
    assert stage.way.taken == [True, False, True]


async def test_what_the_session_refuses_is_the_same_problem(stage: DirectStage) -> None:
    """Status, headers and body, to the byte."""
    session = await stage.open(max_participants=1)
    await stage.join()
    await refused_alike(stage, 409, "session_full")
    await stage.lead(session, "lock", {"locked": True})
    await refused_alike(stage, 409, "session_locked")


async def test_who_was_removed_is_refused_alike(stage: DirectStage) -> None:
    """The same key is the same participant, who is out."""
    session = await stage.open()
    joined = await stage.ask_to_join(Idempotency_Key="mine")
    body = {"participantId": joined.json()["participantId"]}
    await stage.lead(session, "kick", body)
    await refused_alike(stage, 403, "forbidden", Idempotency_Key="mine")


async def refused_alike(
    stage: DirectStage, status: int, code: str, **headers: str
) -> None:
    """Assert that both ways refuse with *status* and *code*."""
    direct, other = await stage.both("Bea", **headers)
    assert (direct.status_code, direct.json()["code"]) == (status, code)
    assert direct.headers.raw == other.headers.raw
    assert direct.content == other.content


async def test_what_nobody_expected_says_nothing_of_itself(stage: DirectStage) -> None:
    """A bug is a 500 here as well."""
    await stage.open()

    def failing(runner: Runner, _: Event) -> asyncio.Future[int | None]:
        reply: asyncio.Future[int | None] = runner.loop.create_future()
        reply.set_exception(KeyError("secret"))
        return reply

    with patch.object(Runner, "submit", failing):
        answer = await stage.ask_to_join()
    assert stage.way.taken == [True]
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text


# -- what is left to the application -------------------------------------------------


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", {}),
        (b"{", {}),
        (b"[]", {}),
        (b"null", {}),
        (b'"Ann"', {}),
        (b"{}", {}),
        (b'{"participantName": 7}', {}),
        (b'{"participantName": ""}', {}),
        (b'{"participantName": "\xff"}', {}),
        (b'{"participantName": "Ann"}', {"Idempotency-Key": ""}),
        (b'{"participantName": "Ann"}', {"Idempotency-Key": "k" * 201}),
        (b'{"participantName": "Ann"}', bearer("no-token")),
    ],
)
async def test_what_is_not_plainly_in_order_is_not_taken(
    stage: DirectStage, body: bytes, headers: Headers
) -> None:
    """Nothing is changed by looking at it; the application says what is wrong."""
    session = await stage.open()
    url = f"{API}/quizzes/words/join"
    await stage.api.post(url, content=body, headers=headers)
    assert stage.way.taken == [False]
    joined = [*stage.runner(session).state.names]
    assert joined in ([], ["Ann"])  # a strange token does no harm


async def test_body_over_the_bound_is_not_taken(stage: DirectStage) -> None:
    """The application has read as much of it as it may, and says so."""
    await stage.open()
    answer = await stage.ask_to_join("x" * stage.settings.limits.request_bytes)
    assert (answer.status_code, stage.way.taken) == (413, [False])


@pytest.mark.parametrize(
    "address", ["words?a=1", "w%6Frds", "other", "words/x", "", "x" * 65, "wörds"]
)
async def test_strange_addresses_are_not_taken(
    stage: DirectStage, address: str
) -> None:
    """Only what can be an id or a pin, and is one here."""
    await stage.open()
    path, _, query = address.partition("?")
    url = f"{API}/quizzes/{path}/join" + (f"?{query}" if query else "")
    await stage.api.post(url, json={"participantName": "Ann"})
    assert stage.way.taken == [False]


async def test_joins_with_a_rate_are_not_taken() -> None:
    """The application counts them."""
    async with DirectStage({"limits": {"joins_per_s_per_address": 5}}) as stage:
        await stage.open()
        await stage.join()
        assert stage.way.taken == [False]


async def test_requests_that_are_logged_are_not_taken(
    stage: DirectStage, caplog: pytest.LogCaptureFixture
) -> None:
    """The application's gate writes them down."""
    await stage.open()
    with caplog.at_level("DEBUG", logger="quizd.api.gate"):
        await stage.join()
    assert stage.way.taken == [False]


async def test_session_that_has_ended_is_not_taken(stage: DirectStage) -> None:
    """There may be a next one, which the application opens."""
    session = await stage.open(open="always")
    await stage.lead(session, "end")
    ticket = await stage.join()
    assert ticket["sessionId"] != session.session_id
    assert stage.way.taken == [False]


async def test_session_that_ends_meanwhile_is_left_to_the_application(
    stage: DirectStage,
) -> None:
    """It was open when the join came: the next one is opened all the same."""
    session = await stage.open(open="always")
    ending = asyncio.ensure_future(stage.lead(session, "end"))
    runner = stage.runner(session)
    while not runner._waiting:  # noqa: ASYNC110 - the end is queued
        await asyncio.sleep(0)
    ticket = await stage.join()
    assert ticket["sessionId"] != session.session_id
    assert stage.way.taken == [False]
    assert (await ending).status_code == 200


async def test_behind_a_proxy_the_address_is_encrypted(stage: DirectStage) -> None:
    """Which proxies are believed is known where the application is run."""
    await stage.open()
    for proto, scheme, taken in (("https", "wss", False), ("", "ws", True)):
        headers = {"X_Forwarded_Proto": proto} if proto else {}
        answer = await stage.ask_to_join(**headers)
        assert answer.json()["wsUrl"].startswith(f"{scheme}://quiz.test/ws?")
        assert stage.way.taken[-1] is taken


async def test_proxies_are_no_matter_where_the_address_is_configured() -> None:
    """Nothing that a proxy says would change the answer."""
    async with DirectStage({"server": {"public_url": "https://a.example"}}) as stage:
        await stage.open()
        answer = await stage.ask_to_join(X_Forwarded_Proto="http")
        assert answer.json()["wsUrl"].startswith("wss://a.example/ws?")
        assert stage.way.taken == [True]


# -- of a session that is elsewhere ---------------------------------------------------


class Elsewhere:
    """Sessions that are known here only when they have been found."""

    def __init__(self, stage: Stage) -> None:
        self.owner = stage.owner
        self.found = asyncio.Event()

    def find_here(self, _: str) -> None:
        """Know none."""

    async def find_open(self, address: str) -> Handle | None:
        """Find it when it is time."""
        await self.found.wait()
        return await self.owner.find_open(address)


async def elsewhere(stage: DirectStage, address: str = "words") -> tuple[Any, Whole]:
    """Offer a join; return who finds the session, and the request, which was taken."""
    sessions = Elsewhere(stage)
    services = replace(stage.services, sessions=cast("Any", sessions))
    url = f"http://quiz.test{API}/quizzes/{address}/join"
    whole = Whole(httpx.Request("POST", url, json={"participantName": "Ann"}), "::1")
    assert DirectJoin(services).serve(whole)
    return sessions, whole


async def test_a_session_that_is_elsewhere_is_found(stage: DirectStage) -> None:
    """And joined as one that is here; one that is nowhere is the application's."""
    opened = await stage.open()
    for address, status in (("words", 200), (opened.pin, 200), ("nowhere", None)):
        sessions, whole = await elsewhere(stage, address)
        await asyncio.sleep(0)
        assert not whole.answer.done()
        sessions.found.set()
        async with asyncio.timeout(1):
            answer = await whole.answer
        assert (answer and answer.status_code) == status


async def test_who_is_told_no_does_not_join_later(
    stage: DirectStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a retry would make one more of the same player."""
    await stage.open()
    monkeypatch.setattr("quizd.api.joining.REPLY_TIMEOUT_S", 0.01)
    sessions, whole = await elsewhere(stage)
    answer = await whole.answer
    assert answer is not None
    assert answer.status_code == 503
    sessions.found.set()
    await asyncio.sleep(0.02)
    (handle,) = stage.owner.handles()
    assert handle.state.names == []


async def test_who_has_hung_up_does_not_join(stage: DirectStage) -> None:
    """There would be nobody to have the place."""
    await stage.open()
    sessions, whole = await elsewhere(stage)
    whole.disconnected = True
    sessions.found.set()
    await asyncio.sleep(0.02)
    (handle,) = stage.owner.handles()
    assert handle.state.names == []
    assert not whole.answer.done()


# -- time ----------------------------------------------------------------------------


class Late:
    """A join whose answer does not come."""

    def __init__(self, overdue: Overdue) -> None:
        self.overdue = overdue
        self.loop = asyncio.get_running_loop()
        self.given_up_s: list[float] = []
        overdue.add(cast("Joining", self))

    def settle(self) -> bool:
        """Let it be answered."""
        return self.overdue.settle(cast("Joining", self))

    def give_up(self) -> None:
        """Note when."""
        assert self.settle()
        self.given_up_s.append(round(self.loop.time(), 3))


def test_each_join_has_its_own_time() -> None:
    """One timer looks after all, those that are settled cost it nothing."""

    async def main() -> None:
        start_s, overdue = asyncio.get_running_loop().time(), Overdue(10)
        joins = []
        for wait_s in (0, 3, 0.5, 20):
            await asyncio.sleep(wait_s)
            joins.append(Late(overdue))
        joins.append(Late(overdue))
        assert joins[3].settle()
        await asyncio.sleep(30)
        after_s = [[at_s - start_s for at_s in join.given_up_s] for join in joins]
        assert after_s == [[10], [13], [13.5], [], [33.5]]
        assert not joins[3].settle()

    virtual_time.run(main)


async def test_nobody_waits_for_ever(stage: DirectStage) -> None:
    """In the end one is told to come back, and the answer is not awaited any more."""
    await stage.open()
    reply: asyncio.Future[int | None] = asyncio.Future()
    with patch.object(Runner, "submit", lambda *_: reply):
        asking = asyncio.ensure_future(stage.ask_to_join())
        while not stage.way.under_way:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0)
    overdue = stage.way.direct._overdue
    with patch.object(overdue, "_after_s", 0):
        overdue._look()
    answer = await asking
    assert (answer.status_code, answer.json()["code"]) == (503, "shard_unavailable")
    assert answer.headers["retry-after"] in "123"
    reply.set_result(0)
    await stage.join()
    assert stage.way.taken == [True, True]


async def test_reply_that_is_cancelled_is_an_answer_too(stage: DirectStage) -> None:
    """The session can't be had."""
    await stage.open()
    reply: asyncio.Future[int | None] = asyncio.Future()
    reply.cancel()
    with patch.object(Runner, "submit", lambda *_: reply):
        answer = await stage.ask_to_join()
    assert (answer.status_code, answer.json()["code"]) == (503, "shard_unavailable")
    assert stage.way.taken == [True]
