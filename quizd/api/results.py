"""What is stored of a session: its results, and its log."""

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from quizd.accounts.tokens import Role
from quizd.api.access import bearer, check_author, settled
from quizd.api.documents import AUTHOR, HOST, WITH_SEAT, gives, takes, with_text
from quizd.api.problems import Problem, invalid
from quizd.api.replies import Json
from quizd.api.services import services_of
from quizd.clock import iso
from quizd.codes import Reason, Refused
from quizd.reports import Reports, csv_file
from quizd.reports.results import NO_RANK, Result, cursor_of, place_at
from quizd.reports.sessions import SESSION_ID, StoredSession
from quizd.session.phases import Phase

CSV = "text/csv"
JSON = "application/json"
LINES = "application/jsonl"
PAGE_MAX = 1000
PAGE = 100
INDEX_MAX = 2**62
CURSOR_MAX_CHARS = 64

_RANGE = re.compile(r"\s*([a-z0-9.+*/-]+)\s*(?:;\s*q=([01](?:\.[0-9]{0,3})?))?\s*")

router = APIRouter(tags=["results"])


@router.get(
    "/sessions/{session_id}/results",
    responses=with_text(
        gives("Results", *WITH_SEAT, Reason.TOO_EARLY, Reason.INVALID_MESSAGE), CSV
    ),
    openapi_extra=takes(tokens=(HOST, AUTHOR)),
)
async def read_results(
    request: Request,
    session_id: str,
    limit: Annotated[int | None, Query(ge=1, le=PAGE_MAX)] = None,
    cursor: Annotated[str | None, Query(max_length=CURSOR_MAX_CHARS)] = None,
    form: Annotated[Literal["json", "csv"] | None, Query(alias="format")] = None,
) -> Response:
    """Read final scores and ranks: in pages, or all of them as CSV.

    CSV is sent for `format=csv`, or where `Accept` prefers `text/csv`; `limit` and
    `cursor` are for JSON. `too_early`: the session goes on. `shard_unavailable`: what
    came last is still being written, or the database is away. Equal ranks are in the
    order of joining; who was removed comes last and has no rank.
    """
    stored = await _stored(request, session_id, ended=True)
    if form == "csv" or (form is None and _prefers_csv(request)):
        if limit is not None or cursor is not None:
            raise invalid("limit" if limit is not None else "cursor", "not with CSV")
        return await _as_csv(_reports(request), session_id)
    return await _as_json(_reports(request), stored, limit or PAGE, cursor)


@router.get(
    "/sessions/{session_id}/log",
    responses=with_text(gives(None, *WITH_SEAT, Reason.INVALID_MESSAGE), LINES),
    openapi_extra=takes(tokens=(HOST, AUTHOR)),
)
async def read_log(
    request: Request,
    session_id: str,
    after: Annotated[int, Query(ge=0, le=INDEX_MAX)] = 0,
    limit: Annotated[int | None, Query(ge=1, le=INDEX_MAX)] = None,
) -> Response:
    """Read what happened, a JSON object a line, up to `limit` batches behind `after`.

    The last line has `next`, which is the next `after`, or at the end of the log its
    `head`, and whether the whole log is `verified`, with `problems` where it is not;
    both are null while the session goes on.
    """
    stored = await _stored(request, session_id, ended=False)
    ended = stored.ended_ms is not None
    log = _reports(request).log
    return await _streamed(
        log.chunks(session_id, after, limit, ended=ended),
        LINES,
        f"log-{session_id}.jsonl",
    )


# -- who, and of what --------------------------------------------------------------


def _reports(request: Request) -> Reports:
    reports = services_of(request).reports
    if reports is None:
        raise _later("There is no database to report on.")
    return reports


async def _stored(request: Request, session_id: str, *, ended: bool) -> StoredSession:
    """Return a session as it is stored; where *ended*, only one that has.

    Raises what keeps it from being read: by whom it is asked, that it is unknown, that
    it goes on, or that it is not written yet.
    """
    existed = _check_reader(request, session_id)
    if not SESSION_ID.fullmatch(session_id):
        raise Refused(Reason.SESSION_NOT_FOUND)
    stored = await _reports(request).sessions.one(session_id)
    if stored is not None and (stored.ended_ms is not None or not ended):
        return stored
    phase = await _phase(request, session_id)
    if phase is None and stored is None and not existed:
        raise Refused(Reason.SESSION_NOT_FOUND, sessionId=session_id)
    if ended and phase not in (None, Phase.ENDED):
        members = {"detail": "The session goes on.", "details": {"phase": phase}}
        raise Problem(Reason.TOO_EARLY, members)
    raise _later("This is still being written to the database; come back later.")


def _check_reader(request: Request, session_id: str) -> bool:
    """Raise unless the token is an author's, or that of the session's host.

    Return whether it is the host's, and so shows that there was such a session.
    """
    services = services_of(request)
    try:
        grant = services.tokens.check(bearer(request), services.clock.now_ms())
    except Refused:
        check_author(request)
        return False
    if grant.role is not Role.HOST or grant.session_id != session_id:
        raise Refused(Reason.FORBIDDEN)
    return True


async def _phase(request: Request, session_id: str) -> Phase | None:
    """Return where a session stands that is still known; ``None``: it is not."""
    try:
        runner = await settled(services_of(request).sessions.session(session_id))
    except Refused as refused:
        if refused.reason is not Reason.SESSION_NOT_FOUND:
            raise
        return None
    return await settled(runner.read(lambda state: state.phase))


def _later(detail: str) -> Problem:
    return Problem(Reason.SHARD_UNAVAILABLE, {"detail": detail})


# -- in which form -----------------------------------------------------------------


def _prefers_csv(request: Request) -> bool:
    """Tell whether ``Accept`` names CSV with more weight than JSON (RFC 9110 12.5.1).

    Ranges with other parameters count as not understood.
    """
    weights = {CSV: 0.0, JSON: 0.0}
    for part in ",".join(request.headers.getlist("accept")).lower().split(","):
        named = _RANGE.fullmatch(part)
        if named is not None and named[1] in weights:
            weights[named[1]] = float(named[2] or 1)
    return weights[CSV] > weights[JSON]


async def _as_json(
    reports: Reports, stored: StoredSession, limit: int, cursor: str | None
) -> Response:
    try:
        after = None if cursor is None else place_at(cursor)
    except ValueError as error:
        raise invalid("cursor", str(error)) from None
    found = await reports.results.page(stored.session_id, limit + 1, after)
    page, more = found[:limit], len(found) > limit
    content = {
        **_session(stored),
        "results": [_result(result) for result in page],
        "nextCursor": cursor_of(page[-1].place) if more else None,
    }
    return Json(content, headers={"Vary": "Accept"})


def _session(stored: StoredSession) -> dict[str, Any]:
    return {
        "sessionId": stored.session_id,
        "quizId": stored.quiz_id,
        "quizVersion": stored.quiz_version,
        "title": stored.title,
        "openedAt": iso(stored.opened_ms),
        "endedAt": iso(stored.ended_ms or 0),
        "endReason": stored.end_reason,
        "participants": stored.participants,
    }


def _result(result: Result) -> dict[str, Any]:
    return {
        "participantId": result.participant_id,
        "participantName": result.name,
        "score": result.score,
        "rank": None if result.rank == NO_RANK else result.rank,
    }


async def _as_csv(reports: Reports, session_id: str) -> Response:
    content_type = f"{CSV}; charset=utf-8; header=present"
    parts = csv_file.parts(reports.results.pages(session_id))
    return await _streamed(parts, content_type, f"results-{session_id}.csv")


async def _streamed(
    parts: AsyncIterator[bytes], content_type: str, file_name: str
) -> Response:
    """Return an answer of *parts*, the first of which is there: it can be refused."""
    first = await anext(parts)

    async def all_parts() -> AsyncIterator[bytes]:
        yield first
        async for part in parts:
            yield part

    headers = {
        "Content-Type": content_type,
        "Content-Disposition": f'attachment; filename="{file_name}"',
        "Vary": "Accept",
    }
    return StreamingResponse(all_parts(), headers=headers)
