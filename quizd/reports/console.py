"""``quizd session``: what is stored of sessions, worked on without a server."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO, cast

import orjson

from quizd.accounts.tokens import secret_from
from quizd.clock import iso
from quizd.reports.replay import Until, differences, moment, replayed
from quizd.reports.reports import Reports
from quizd.reports.sessions import SESSION_ID, Before, StoredSession
from quizd.session.live import LiveSession
from quizd.session.phases import Phase
from quizd.settings import Settings
from quizd.store.migrations import check
from quizd.store.place import lasting_place
from quizd.store.transaction import named_failures

PAGE = 100
TOP = 10
DIFFERENCES_TOLD = 20

Say = Callable[[str], None]
Job = Callable[[Reports], Awaitable[bool]]


class UnknownSession(ValueError):  # noqa: N818 - says what is wrong
    """The database has nothing of this session."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"the database has no session {session_id}")


def run(settings: Settings, job: Job) -> bool:
    """Return what *job* says of the database in *settings*; nothing is made there.

    Raises ``StoreUnavailable``, and ``OSError`` or ``ValueError`` where database or
    key are missing or can't be used.
    """
    return asyncio.run(_run(settings, job))


async def _run(settings: Settings, job: Job) -> bool:
    place, key = lasting_place(settings), settings.audit_key_path
    if place.file is not None:
        _look_for("database", place.file, "data.dir or database.url")
    _look_for("key of the logs", key, "database.audit_key_file")
    engine = place.reading()
    try:
        async with named_failures():
            await check(engine)
        return await job(Reports(engine, secret_from(key)))
    finally:
        await engine.dispose()


def _look_for(what: str, path: Path, setting: str) -> None:
    if not path.exists():
        raise FileNotFoundError(
            f"there is no {what}: {path} is missing; it is made when quizd first "
            f"serves; if it is elsewhere, set {setting}"
        )


async def list_sessions(
    reports: Reports, say: Say, limit: int, quiz_id: str | None
) -> bool:
    """Say a line for each of up to *limit* sessions, the latest first."""
    before: Before | None = None
    while limit > 0:
        page = await reports.sessions.page(min(limit, PAGE), before, quiz_id)
        for session in page:
            say(_described(session))
            before = Before(session.opened_ms, session.session_id)
        limit = limit - PAGE if len(page) == PAGE else 0
    return True


async def verify(reports: Reports, say: Say, complain: Say, session_id: str) -> bool:
    """Say whether the stored log is complete and unaltered, and return it.

    Everything that is wrong is complained of. Raises :class:`UnknownSession`.
    """
    await _known(reports, session_id)
    verdict = await reports.log.verify(session_id)
    for problem in verdict.problems:
        complain(problem)
    if verdict.ok:
        say(f"the log of {session_id} is complete and unaltered")
        say(f"{verdict.index} batches, head {verdict.head.hex()}")
    return verdict.ok


async def replay(
    reports: Reports, say: Say, complain: Say, session_id: str, until: str | None
) -> bool:
    """Say how a session stood at *until*; return whether its results are the stored.

    *until* is as :func:`quizd.reports.replay.moment` takes it. Results are compared at
    the session's end, whatever is shown. Raises :class:`UnknownSession`, and
    ``ValueError`` for another *until*, or where the log can't be replayed.
    """
    then = moment(until) if until is not None else None
    await _known(reports, session_id)
    last = await replayed(reports.log, session_id, Until())
    shown = last
    if then is not None:
        shown = await replayed(reports.log, session_id, then)
    _show(shown, say)
    found = 0
    async for difference in differences(reports.results, last):
        found += 1
        if found <= DIFFERENCES_TOLD:
            complain(difference)
    _conclude(last, found, say, complain)
    return not found


async def export(
    reports: Reports, complain: Say, session_id: str, file: Path | None
) -> bool:
    """Write the log as JSON lines to *file*; return whether it was found to be whole.

    ``None`` is standard output. The file appears when it is complete, with mode 0600.
    Raises ``OSError`` and :class:`UnknownSession`.
    """
    stored = await _known(reports, session_id)
    ended = stored is None or stored.ended_ms is not None
    last = b""
    with _whole(file) as out:
        async for last in reports.log.chunks(session_id, ended=ended):
            out.write(last)
    found = orjson.loads(last.splitlines()[-1])
    for problem in found["problems"] or ():
        complain(problem)
    return found["verified"] is not False


@contextmanager
def _whole(path: Path | None) -> Iterator[BinaryIO]:
    """Give what to write to, which becomes *path* if all of it could be written."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}-", delete=False
    ) as file:
        try:
            yield cast("BinaryIO", file)
            file.close()
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


async def _known(reports: Reports, session_id: str) -> StoredSession | None:
    """Return a session, ``None`` where only its log could be stored.

    Raises :class:`UnknownSession`.
    """
    if SESSION_ID.fullmatch(session_id):
        stored = await reports.sessions.one(session_id)
        if stored is not None or await reports.log.is_there(session_id):
            return stored
    raise UnknownSession(session_id)


def _described(session: StoredSession) -> str:
    end = f"{session.end_reason} {_time(session.ended_ms)}" if session.ended_ms else "-"
    players = "?" if session.participants is None else session.participants
    return (
        f"{session.session_id}  opened {_time(session.opened_ms)}  ended {end}  "
        f"{players} players  {session.quiz_id}  {session.title}"
    )


def _time(at_ms: int | None) -> str:
    return "-" if at_ms is None else iso(at_ms)


def _show(session: LiveSession, say: Say) -> None:
    """Say where a session stands, and who leads."""
    state = session.state
    asked = f"{state.current + 1} of {len(state.quiz.questions)} questions asked"
    say(f"{iso(state.last_ms)}: {state.phase}, {asked}, {state.participants} players")
    for index, score, rank in state.board.top(TOP):
        say(f"{rank:>6}  {score:>8}  {state.participant_ids[index]}")


def _conclude(session: LiveSession, found: int, say: Say, complain: Say) -> None:
    if found > DIFFERENCES_TOLD:
        complain(f"and {found - DIFFERENCES_TOLD} more")
    if found:
        complain(f"{found} stored results are not those of the log")
    elif session.state.phase is not Phase.ENDED:
        say("the stored log does not reach the session's end: there are no results")
    else:
        count = len(session.state.participant_ids)
        say(f"scores and ranks of all {count} who joined are as stored")
