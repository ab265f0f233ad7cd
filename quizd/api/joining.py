"""Joining without the application: the way in of whole classes at once.

Taken are joins that are in order, of somebody new, to a session that is open. All else
is the route's (:func:`quizd.api.play.join`): opening a session, giving somebody
the place they have, refusing what is malformed, believing a proxy or not. What the
session itself refuses is told here, by the same problems as everywhere.
"""

import asyncio
import logging
import re
import time
from collections.abc import Iterable
from functools import partial
from typing import Any, Protocol, cast

import orjson
from starlette.requests import Request

from quizd.api.access import REPLY_TIMEOUT_S, is_in
from quizd.api.body import idempotency_key
from quizd.api.entering import Entrance, newcomer, ticket
from quizd.api.gate import complete
from quizd.api.join_rate import JoinRate
from quizd.api.names import FIELD, clean_name
from quizd.api.problems import problem_of
from quizd.api.services import CONTEXT, Context, Services, services_of
from quizd.codes import Reason, Refused
from quizd.log import get_logger
from quizd.metrics import REQUEST_SECONDS
from quizd.owner.handle import Handle
from quizd.session import events as ev
from quizd.session.state import State

PATH = re.compile(rb"/api/v1/quizzes/([A-Za-z0-9_-]{1,64})/join")
ROUTE = "join"
KEY = b"idempotency-key"
FORWARDED = b"x-forwarded-proto"
OK = 200
JOINED = REQUEST_SECONDS.labels(ROUTE, OK)

log = get_logger(__name__)
_levels = logging.getLogger("quizd.api.gate")  # which would log each request


class Exchange(Protocol):
    """A request that is here as a whole; it gets one answer, or is declined."""

    url: bytes
    body: bytes
    scope: dict[str, Any]
    disconnected: bool

    def reply(self, status: int, lines: bytes, body: bytes) -> None:
        """Answer with *status*, header *lines* and *body*."""
        ...

    def decline(self) -> None:
        """Leave it to the application after all."""
        ...


class DirectJoin:
    """Serves joins for whoever speaks HTTP."""

    suffix = b"/join"

    def __init__(self, services: Services) -> None:
        per_s = services.settings.limits.joins_per_s_per_address
        self._context = Context(services, JoinRate(per_s))
        self._services = services
        self._overdue = Overdue(REPLY_TIMEOUT_S)

    def serve(self, exchange: Exchange) -> bool:
        """Take a join; False: it is for the application."""
        if self._context.join_rate.is_on or _levels.isEnabledFor(logging.DEBUG):
            return False
        limits = self._services.settings.limits
        address = PATH.fullmatch(exchange.url)
        if address is None or len(exchange.body) > limits.request_bytes:
            return False
        exchange.scope[CONTEXT] = self._context
        joining = Joining(exchange, self._overdue)
        if not joining.begin(limits.name_chars):
            return False
        sessions, wanted = self._services.sessions, address[1].decode()
        handle = sessions.find_here(wanted)
        if handle is None or handle.ended.done():
            found = asyncio.ensure_future(sessions.find_open(wanted))
            found.add_done_callback(joining.found)
        else:
            joining.ask(handle)
        return True


class Joining:
    """One join under way."""

    __slots__ = ("_began_s", "_event", "_exchange", "_handle", "_overdue", "_request")

    _handle: Handle
    _event: ev.ParticipantJoined

    def __init__(self, exchange: Exchange, overdue: "Overdue") -> None:
        self._began_s = time.perf_counter()
        self._exchange = exchange
        self._overdue = overdue
        self._request = Request(exchange.scope)

    def begin(self, name_chars: int) -> bool:
        """Read the request; False where it is not in order, or not plain."""
        sent = {name for name, _ in self._exchange.scope["headers"]}
        if b"authorization" in sent or (FORWARDED in sent and not self._has_url()):
            return False
        try:
            key = idempotency_key(self._request) if KEY in sent else ""
            body = orjson.loads(self._exchange.body)
            name = clean_name(body.get(FIELD), name_chars)
        except (AttributeError, ValueError, Refused):
            return False
        self._event = newcomer(name, key)
        self._overdue.add(self)
        return True

    def found(self, found: asyncio.Future[Handle | None]) -> None:
        """Ask the session that was found; what there is to say else, the route says."""
        failed = found.cancelled() or found.exception() is not None
        handle = None if failed else found.result()
        if handle is None:
            self._decline()
        elif self._exchange.disconnected:
            self._overdue.settle(self)
        elif self._overdue.waits(self):
            self.ask(handle)

    def ask(self, handle: Handle) -> None:
        """Have the session decide."""
        self._handle = handle
        handle.submit(self._event).add_done_callback(self._joined)

    def _has_url(self) -> bool:
        """Tell whether the address is configured, whatever a proxy says of it."""
        return bool(services_of(self._request).settings.server.public_url)

    def give_up(self) -> None:
        """Answer that it took too long."""
        self._refuse(Refused(Reason.SHARD_UNAVAILABLE))

    def _joined(self, reply: asyncio.Future[int | None]) -> None:
        if reply.cancelled():
            self.give_up()
            return
        error = reply.exception()
        if error is None:
            index = cast("int", reply.result())
            self._handle.look(partial(self._answer, index))
        elif isinstance(error, Refused) and error.reason is Reason.SESSION_NOT_FOUND:
            self._decline()  # it has just ended; there may be a next one
        else:
            self._refuse(error)

    def _answer(self, index: int, state: State) -> None:
        if is_in(state, index):
            place = Entrance(
                self._handle, index, state.participant_ids[index], state.names[index]
            )
            content = orjson.dumps(ticket(self._request, place))
            self._reply(OK, HEAD % len(content), content)
        else:
            self._refuse(Refused(Reason.FORBIDDEN))

    def _decline(self) -> None:
        if self._overdue.settle(self):
            self._exchange.decline()

    def _refuse(self, error: BaseException) -> None:
        if not isinstance(error, Refused):
            log.error("request_failed", path=self._exchange.url, exc_info=error)
        answer = problem_of(cast("Exception", error)).response()
        lines = _lines(complete(answer.raw_headers))
        self._reply(answer.status_code, lines, bytes(answer.body))

    def _reply(self, status: int, lines: bytes, body: bytes) -> None:
        if self._overdue.settle(self):
            took_s = time.perf_counter() - self._began_s
            took = JOINED if status == OK else REQUEST_SECONDS.labels(ROUTE, status)
            took.observe(took_s)
            self._exchange.reply(status, lines, body)


class Overdue:
    """Gives up joins that wait for *after_s* seconds, with one timer for all."""

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._since_s: dict[Joining, float] = {}  # in the order of time
        self._timer: asyncio.TimerHandle | None = None

    def add(self, joining: Joining) -> None:
        """Look after *joining* until it is settled."""
        loop = asyncio.get_running_loop()
        self._since_s[joining] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._after_s, self._look)

    def waits(self, joining: Joining) -> bool:
        """Tell whether *joining* is not answered yet."""
        return joining in self._since_s

    def settle(self, joining: Joining) -> bool:
        """Forget *joining*; tell whether it was waiting."""
        return self._since_s.pop(joining, None) is not None

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        while self._since_s:
            joining, since_s = next(iter(self._since_s.items()))
            left_s = since_s + self._after_s - loop.time()
            if left_s > 0:
                self._timer = loop.call_later(left_s, self._look)
                return
            joining.give_up()


def _lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)


HEAD = b"content-length: %d\r\n" + _lines(
    complete([(b"content-type", b"application/json")])
)
