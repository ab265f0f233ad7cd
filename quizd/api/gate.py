"""What holds for every request: a bound on its body, headers, log, no traceback.

One plain ASGI layer, as each costs time on every request. It sits outside of
everything that may raise, so whatever nobody has expected ends here: logged, and told
as a problem that says nothing of the inside.
"""

import asyncio
import logging
import time
from collections.abc import Iterable

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quizd.api.problems import Code, Problem, problem_of
from quizd.api.services import CONTEXT, Context
from quizd.log import get_logger
from quizd.metrics import REQUEST_SECONDS

HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
"""What an answer gets unless it brings its own; tokens are in some of them."""

Header = tuple[bytes, bytes]

log = get_logger(__name__)
_levels = logging.getLogger(__name__)  # asks for the level without building a logger


class Gate:
    """The layer around *app*, which finds *context* in each request's scope."""

    def __init__(self, app: ASGIApp, *, context: Context) -> None:
        settings = context.services.settings
        self.app = app
        self.context = context
        self.body_max_bytes = settings.limits.request_bytes
        self.body_max_s = settings.timeouts.request_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; other kinds of connection pass."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope[CONTEXT] = self.context
        began_s = time.perf_counter()
        exchange = Exchange(self, scope, receive, send)
        await exchange.serve()
        _note(scope, exchange.status, time.perf_counter() - began_s)


def _note(scope: Scope, status: int, took_s: float) -> None:
    """Measure a request that was answered, by what has served it; log it."""
    if status:
        route = getattr(scope.get("endpoint"), "__name__", "none")
        REQUEST_SECONDS.labels(route, status).observe(took_s)
    if _levels.isEnabledFor(logging.DEBUG):
        log.debug(
            "request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            took_ms=round(took_s * 1000, 1),
        )


def complete(headers: Iterable[Header]) -> list[Header]:
    """Return an answer's *headers*, and those that it gets besides."""
    own = list(headers)
    names = {name for name, _ in own}
    return own + [header for header in HEADERS if header[0] not in names]


class Exchange:
    """One request and its answer; ``status`` is 0 until that begins."""

    __slots__ = (
        "_bytes",
        "_gate",
        "_is_whole",
        "_receive",
        "_scope",
        "_send",
        "_until_s",
        "status",
    )

    def __init__(self, gate: Gate, scope: Scope, receive: Receive, send: Send) -> None:
        self.status = 0
        self._gate = gate
        self._scope = scope
        self._receive = receive
        self._send = send
        self._bytes = 0
        self._is_whole = False
        self._until_s = 0.0

    async def serve(self) -> None:
        """Run the application; answer for it where it fails."""
        try:
            await self._gate.app(self._scope, self._take, self._give)
        except ClientDisconnect:
            return
        except Exception as error:
            if self.status:
                raise  # it is too late for another answer: the server cuts the line
            log.exception(
                "request_failed",
                method=self._scope["method"],
                path=self._scope["path"],
            )
            answer = problem_of(error).response()
            await answer(self._scope, self._receive, self._give)

    async def _give(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = complete(message["headers"])
        await self._send(message)

    async def _take(self) -> Message:
        """Return the request's next part; raise where the body is out of bounds."""
        if self._is_whole:
            return await self._receive()
        message = await self._part()
        if message["type"] == "http.request":
            self._is_whole = not message.get("more_body", False)
            self._bytes += len(message.get("body", b""))
            if self._bytes > self._gate.body_max_bytes:
                raise Problem(Code.PAYLOAD_TOO_LARGE)
        return message

    async def _part(self) -> Message:
        if not self._until_s:
            now_s = asyncio.get_running_loop().time()
            self._until_s = now_s + self._gate.body_max_s
        try:
            async with asyncio.timeout_at(self._until_s):
                return await self._receive()
        except TimeoutError:
            raise Problem(Code.REQUEST_TIMEOUT) from None
