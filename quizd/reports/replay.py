"""A session played again from its stored log, and held to what is stored.

Replay decides nothing: it enters the records, so it gives the scores and ranks that the
players were shown, whatever the rules are today.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from quizd.reports.log import Log
from quizd.reports.results import Results
from quizd.session import records as rec
from quizd.session.live import LiveSession
from quizd.session.phases import Phase
from quizd.store.write_behind.results import Incomplete, replay, results_in
from quizd.store.write_behind.rows import UNREADABLE

LAST_INDEX = 2**63 - 1

Batches = AsyncIterator[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Until:
    """A moment of a session: behind a batch, or an instant in ms since the epoch."""

    index: int = LAST_INDEX
    at_ms: int | None = None


def moment(text: str) -> Until:
    """Return the moment that *text* names; raise ``ValueError``.

    It is the number of a batch, or an instant in ISO 8601 with its offset from UTC,
    such as ``2026-01-31T09:30:00.000Z``.
    """
    if re.fullmatch(r"[0-9]{1,18}", text):
        return Until(index=int(text))
    wanted = "a batch's number, or an instant such as 2026-01-31T09:30:00.000Z"
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not {wanted}") from error
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC: {wanted}")
    return Until(at_ms=round(instant.timestamp() * 1000))


async def replayed(log: Log, session_id: str, until: Until) -> LiveSession:
    """Return the session as it was at *until*; participants have no names in it.

    Raises ``StoreUnavailable``, and ``ValueError`` where there was nothing yet or the
    log can't be read.
    """
    batches = log.batches(session_id)
    if until.at_ms is not None:
        batches = _before(batches, until.at_ms)
    try:
        return await replay(batches, until.index)
    except Incomplete as error:
        raise ValueError(f"nothing to replay: {error}") from error
    except UNREADABLE as error:
        raise ValueError(f"the log can't be replayed: {error}") from error


async def _before(batches: Batches, at_ms: int) -> Batches:
    """Yield what was recorded until *at_ms*, of the last batch maybe a part."""
    async for index, batch in batches:
        records = list(rec.unpack(batch))
        early = list(takewhile(lambda record: record.at_ms <= at_ms, records))
        if early:
            yield index, rec.pack(early)
        if len(early) < len(records):
            return


async def differences(results: Results, session: LiveSession) -> AsyncIterator[str]:
    """Yield a line for each participant whose stored result is not that of *session*.

    One that has not ended ought to have no results.
    """
    state = session.state
    ended = state.phase is Phase.ENDED
    played = {who: rest for who, *rest in results_in(session)} if ended else {}
    async for who, *stored in results.by_participant(state.session_id):
        replays = played.pop(who, None)
        if replays != stored:
            yield _difference(who, stored, replays)
    for who, replays in played.items():
        yield _difference(who, None, replays)


def _difference(who: int, stored: list[int] | None, replays: list[int] | None) -> str:
    told = [
        "nothing" if result is None else "score {}, rank {}".format(*result)
        for result in (stored, replays)
    ]
    return f"participant {who}: stored {told[0]}; replayed {told[1]}"
