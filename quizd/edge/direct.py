"""One kind of request served without the ASGI application.

A task, a scope, a router and a response object are most of what a small request costs.
Where a whole class joins at once, that is what they wait for. So a request that came
whole, and is an ordinary one, is offered to a :class:`Direct` first. Whatever that does
not take, and whatever is not whole or not ordinary, goes the application's way, as if
nobody had looked at it: there is no second set of refusals, bounds and deadlines here.
"""

import asyncio
from typing import Any, Protocol, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState


class Direct(Protocol):
    """Serves ``POST`` requests whose address ends in ``suffix``."""

    suffix: bytes

    def serve(self, exchange: "Exchange") -> bool:
        """Take *exchange*, to be answered now or later; False: not this one."""
        ...


class Exchange:
    """A request that is here as a whole, and its answer.

    ``scope`` is the beginning of an ASGI scope. For uvicorn's protocol this is the
    cycle of request and response that is under way.
    """

    __slots__ = (
        "_protocol",
        "body",
        "disconnected",
        "keep_alive",
        "response_complete",
        "scope",
        "url",
    )

    def __init__(self, protocol: "DirectHttp", body: bytes) -> None:
        self._protocol = protocol
        self.url: bytes = protocol.url
        self.scope = cast("dict[str, Any]", protocol.scope)
        self.body = body
        self.keep_alive = True
        self.disconnected = False
        self.response_complete = False

    @property
    def message_event(self) -> "Exchange":
        """What uvicorn tells that the peer has gone; nobody waits for it."""
        return self

    def set(self) -> None:
        """Tell nobody."""

    def reply(self, status: int, lines: bytes, body: bytes) -> None:
        """Answer; *lines* are the headers, each with its CRLF, the length included."""
        if self.response_complete or self.disconnected:
            return
        self.response_complete = True
        transport = self._protocol.transport
        if not self.keep_alive:
            lines += b"connection: close\r\n"
        transport.write(STATUS_LINE[status] + lines + b"\r\n" + body)
        if not self.keep_alive:
            transport.close()
        self._protocol.on_response_complete()

    def decline(self) -> None:
        """Have the application answer after all."""
        if not self.disconnected:
            self._protocol.serve_by_application(self)


class DirectHttp(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which offers what it can to *direct* first."""

    def __init__(
        self, config: Config, state: ServerState, direct: Direct | None
    ) -> None:
        super().__init__(config, state, {})
        self._direct = direct
        self._held: bytes | None = None  # body of a request that may be served directly

    def data_received(self, data: bytes) -> None:
        """Take *data*; a request that is not whole by now is the application's."""
        super().data_received(data)
        if self._held is not None:
            held, self._held = self._held, None
            super().on_headers_complete()
            self._pass_on(held)

    def on_headers_complete(self) -> None:
        """Hold back a request that may be served directly."""
        if self._may_be_direct():
            self._held = b""
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Keep the body of a request that is held back."""
        if self._held is None:
            super().on_body(body)
        else:
            self._held += body

    def on_message_complete(self) -> None:
        """Offer the request, if it is one to offer."""
        held, self._held = self._held, None
        if held is not None:
            if self._is_taken(held):
                return
            super().on_headers_complete()
            self._pass_on(held)
        super().on_message_complete()

    def serve_by_application(self, exchange: Exchange) -> None:
        """Start the application on a request that was taken and is declined now."""
        path = exchange.url.decode("ascii")
        exchange.scope.update(
            method="POST", path=path, raw_path=exchange.url, query_string=b""
        )
        cycle = RequestResponseCycle(
            scope=cast("Any", exchange.scope),
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=exchange.keep_alive,
            on_response=self.on_response_complete,
        )
        cycle.body += exchange.body
        cycle.more_body = False
        cycle.message_event.set()
        if cast("object", self.cycle) is exchange:
            self.cycle = cycle
        self._start_asgi_task(cycle, self.app)

    def busy(self) -> bool:
        """Tell whether a request is being served."""
        cycle: RequestResponseCycle | None = self.cycle  # none before the first one
        return cycle is not None and not cycle.response_complete

    def _may_be_direct(self) -> bool:
        parser = self.parser
        return (
            self._direct is not None
            and self.url.endswith(self._direct.suffix)
            and parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and not self.expect_100_continue
            and not self.flow.write_paused
            and not self.busy()
        )

    def _is_taken(self, body: bytes) -> bool:
        before, exchange = self.cycle, Exchange(self, body)
        # From now on we are busy, and what follows in the pipeline waits.
        self.cycle = cast("RequestResponseCycle", exchange)
        taken = self._direct is not None and self._direct.serve(exchange)
        if not taken:
            self.cycle = before
        return taken

    def _pass_on(self, body: bytes) -> None:
        if body:
            super().on_body(body)
