"""Joining by REST, with a few tries at a fixed interval."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import httpx

from quizd.client.faults import GaveUp, JoinRefused
from quizd.client.retry import OnProgress, Progress

Sleep = Callable[[float], Awaitable[object]]
TRANSIENT = {408, 425, 429}
RETRY_AFTER_CAP_S = 10.0


@dataclass(frozen=True, slots=True)
class Ticket:
    """What the socket asks for. The token is secret: it never goes into an address."""

    quiz_id: str
    participant_id: str
    token: str = field(repr=False)
    ws_url: str
    session_id: str = ""
    role: Literal["player", "host"] = "player"

    def address(self, epoch: int | None = None, after: int | None = None) -> str:
        """Return the socket's address; with *epoch* and *after*, to resume."""
        parts = urlsplit(self.ws_url)
        query = dict(parse_qsl(parts.query))
        query.pop("token", None)
        query["quizId"] = self.quiz_id
        if self.participant_id:
            query["participantId"] = self.participant_id
        if self.role == "host":
            query["role"] = "host"
        if epoch is not None and after is not None:
            query |= {"epoch": str(epoch), "after": str(after)}
        return urlunsplit(parts._replace(query=urlencode(query)))


@dataclass(frozen=True, slots=True)
class Joining:
    """One wish to take part. The key makes repeated tries one participant."""

    base_url: str
    quiz: str
    name: str
    idempotency_key: str
    tries: int = 3
    interval_s: float = 1.0


async def join(
    joining: Joining, http: httpx.AsyncClient, sleep: Sleep, tell: OnProgress
) -> Ticket:
    """Ask to take part and return the ticket.

    Network errors, 5xx and 429 are tried again. Raises :class:`JoinRefused` where the
    server says no, :class:`GaveUp` after the last try, and ``httpx.InvalidURL`` or
    ``httpx.UnsupportedProtocol`` where the address is none.
    """
    delay_s = 0.0
    cause: httpx.HTTPError | None = None
    for attempt in range(1, joining.tries + 1):
        tell(Progress("join", attempt, joining.tries, delay_s, cause))
        await sleep(delay_s)
        try:
            return _ticket(await _ask(joining, http))
        except httpx.UnsupportedProtocol:
            raise
        except (httpx.HTTPStatusError, httpx.TransportError) as error:
            cause = error
            delay_s = max(joining.interval_s, _retry_after_s(error))
    raise GaveUp("join", joining.tries, cause) from cause


async def _ask(joining: Joining, http: httpx.AsyncClient) -> httpx.Response:
    """Return an answer that is final; raise ``httpx.HTTPError`` for any other."""
    response = await http.post(
        f"{joining.base_url.rstrip('/')}/api/v1/quizzes/"
        f"{quote(joining.quiz, safe='')}/join",
        json={"participantName": joining.name},
        headers={"Idempotency-Key": joining.idempotency_key},
    )
    if response.is_server_error or response.status_code in TRANSIENT:
        response.raise_for_status()
    return response


def _ticket(response: httpx.Response) -> Ticket:
    body = _json_object(response)
    if not response.is_success:
        code, detail = body.get("code", "refused"), body.get("detail", "")
        raise JoinRefused(response.status_code, str(code), str(detail))
    try:
        return Ticket(
            quiz_id=body["quizId"],
            participant_id=body["participantId"],
            token=body["token"],
            ws_url=body["wsUrl"],
            session_id=body["sessionId"],
        )
    except KeyError as error:
        detail = f"the answer lacks {error}"
        raise JoinRefused(response.status_code, "not_a_quiz", detail) from error


def _json_object(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _retry_after_s(error: httpx.HTTPError) -> float:
    """Return what the server asks to wait, in seconds; 0 where it says nothing."""
    if not isinstance(error, httpx.HTTPStatusError):
        return 0.0
    wish = error.response.headers.get("Retry-After", "")
    return min(RETRY_AFTER_CAP_S, float(wish)) if wish.isdecimal() else 0.0
