"""What holds for every request: bounds of the body, headers, the log."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import Message
from structlog.testing import capture_logs

from quizd.metrics import REGISTRY
from tests.api.stage import API, AS_AUTHOR, Json, Opened, Stage, bearer, quiz

LIMIT = 4096
SMALL = {"limits": {"request_bytes": LIMIT}}
PATHS = [
    ("POST", f"{API}/quizzes/words/join"),
    ("POST", f"{API}/quizzes/words/answers"),
    ("POST", f"{API}/quizzes/words/next"),
    ("POST", f"{API}/quizzes"),
    ("PUT", f"{API}/quizzes/words"),
]


def _headers_for(path: str, session: Opened, ticket: Json) -> dict[str, str]:
    if path.endswith("answers"):
        return bearer(ticket["token"])
    return session.host if path.endswith("next") else AS_AUTHOR


async def _parts(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


# -- bodies ------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_refused(
    method: str, path: str, chunked: bool
) -> None:
    """413 whether its length is declared or it comes in parts, on every call."""
    async with Stage(SMALL) as stage:
        session, ticket = await stage.open(), await stage.join()
        body = b" " * (LIMIT + 1)
        answer = await stage.api.request(
            method,
            path,
            headers=_headers_for(path, session, ticket),
            content=_parts(body[:LIMIT], body[LIMIT:]) if chunked else body,
        )
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
        assert answer.headers["connection"] == "close"


async def test_a_body_of_just_the_limit_is_taken() -> None:
    """The limit itself is allowed; so are parts that add up to it."""
    async with Stage(SMALL) as stage:
        await stage.open()
        body = b'{"participantName":"Ann"}'.ljust(LIMIT)
        for content in (body, _parts(body[:7], b"", body[7:])):
            answer = await stage.api.post(f"{API}/quizzes/words/join", content=content)
            assert answer.status_code == 200


async def test_a_body_has_to_arrive_in_time() -> None:
    """408 for an upload that trickles."""

    async def trickle() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with Stage({"timeouts": {"request_s": 0.001}}) as stage:
        await stage.open()
        answer = await stage.api.post(f"{API}/quizzes/words/join", content=trickle())
        assert (answer.status_code, answer.json()["code"]) == (408, "request_timeout")


async def test_who_goes_away_is_not_answered(stage: Stage) -> None:
    """A line that breaks in the middle of a body is no fault of ours."""
    parts: Iterator[Json] = iter(
        [
            {"type": "http.request", "body": b"{", "more_body": True},
            {"type": "http.disconnect"},
        ]
    )
    sent: list[Message] = []

    async def receive() -> Json:
        return next(parts)

    async def send(message: Message) -> None:
        sent.append(message)

    with capture_logs() as logged:
        await stage.app(_scope("POST", f"{API}/quizzes/words/join"), receive, send)
    assert sent == []
    assert [event["event"] for event in logged] in ([], ["request"])


def _scope(method: str, path: str) -> Json:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(b"host", b"quiz.test")],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8080),
    }


# -- headers -----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/livez", "/nothing", f"{API}/quizzes", "/metrics"])
async def test_every_answer_is_safe_to_show(stage: Stage, path: str) -> None:
    """Headers that keep a browser from making something else of it."""
    headers = (await stage.api.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    policy = "default-src 'none'; frame-ancestors 'none'"
    assert headers["content-security-policy"] == policy
    assert headers["cache-control"] == "no-store"


async def test_an_answer_may_bring_its_own_policy(stage: Stage) -> None:
    """Pages that are mounted beside the API say themselves what they need."""
    own = {"Content-Security-Policy": "default-src 'self'"}
    stage.app.add_route("/page", lambda _: PlainTextResponse("page", headers=own))
    async with stage.client() as client:
        client.event_hooks = {}
        headers = (await client.get("/page")).headers
    assert headers.get_list("content-security-policy") == ["default-src 'self'"]
    assert headers["x-content-type-options"] == "nosniff"


# -- faults ------------------------------------------------------------------------


async def test_a_fault_in_the_middle_of_an_answer_cuts_it(stage: Stage) -> None:
    """It is too late for a problem: the server is told, and ends the connection."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"begun"
        raise RuntimeError("in the middle")

    stage.app.add_route("/broken", lambda _: StreamingResponse(broken()))
    async with stage.client() as client:
        client.event_hooks = {}
        with pytest.raises(RuntimeError, match="in the middle"):
            await client.get("/broken")


async def test_other_kinds_of_connection_pass(stage: Stage) -> None:
    """The life of the server is not a request."""
    stages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return next(stages)

    async def send(message: Message) -> None:
        sent.append(message["type"])

    await stage.app({"type": "lifespan", "state": {}}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


# -- log ---------------------------------------------------------------------------


async def test_requests_are_logged_for_who_looks_closely(stage: Stage) -> None:
    """At debug: method, path, status, time; never a query or a token."""
    session = await stage.open()
    logging.getLogger("quizd.api.gate").setLevel(logging.DEBUG)
    try:
        with capture_logs() as logged:
            await stage.api.get(
                f"{API}/quizzes/words/state?token=secret", headers=session.host
            )
    finally:
        logging.getLogger("quizd.api.gate").setLevel(logging.NOTSET)
    assert [event.pop("took_ms") >= 0 for event in logged] == [True]
    assert logged == [
        {
            "event": "request",
            "log_level": "debug",
            "method": "GET",
            "path": f"{API}/quizzes/words/state",
            "status": 200,
        }
    ]


async def test_requests_are_measured(stage: Stage) -> None:
    """By what has served them, never by their address: labels are few."""

    def counted(route: str, status: str) -> float:
        labels = {"route": route, "status": status}
        name = "quizd_api_request_seconds_count"
        return REGISTRY.get_sample_value(name, labels) or 0.0

    joined = ("join", "200")
    led = ("host_next", "403")
    lost = ("none", "404")
    before = [counted(*each) for each in (joined, led, lost)]
    session = await stage.open()
    await stage.join()
    await stage.lead(session, "next")
    await stage.api.get("/nothing")
    after = [counted(*each) for each in (joined, led, lost)]
    assert after == [count + 1 for count in before]


async def test_requests_are_not_logged_for_others(stage: Stage) -> None:
    """Above debug an ordinary request leaves no line."""
    with capture_logs() as logged:
        await stage.api.post(f"{API}/quizzes", headers=AS_AUTHOR, json=quiz())
    assert logged == []
