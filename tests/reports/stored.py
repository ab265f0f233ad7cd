"""Databases that games were written to, for all tests of a module.

What reports must say of them is the oracle's recount of the records.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import Executable, event
from sqlalchemy.ext.asyncio import AsyncEngine

from quizd.clock import ManualClock
from quizd.journal.memory import MemoryJournal
from quizd.reports import Reports
from quizd.reports.results import Result
from quizd.reports.sessions import Before, StoredSession
from quizd.session import records as rec
from quizd.store.migrations import upgrade
from quizd.store.write_behind import Options, Pacing, write_all
from tests.contract.stores import BACKENDS, Backend, backend_of
from tests.oracle.game import recount
from tests.store.games import batches, game, record

KEY = bytes(range(32))
PACING = Pacing(linger_s=0)

NAMES = (
    '=HYPERLINK("http://127.0.0.1/","Ann")',
    "+1",
    "-1+1",
    "@SUM(A1)",
    "\N{FULLWIDTH EQUALS SIGN}1",
    " =1",
    'a "b", c;d',
    "Åse Øst \N{SNOWMAN}",
    "plain",
)
"""What players may be called; some look like formulas."""

OPEN = "still-open"
"""The session that has not ended."""


def _named(records: Sequence[rec.Record]) -> list[rec.Record]:
    """Return *records* with the first of those who join called as in :data:`NAMES`."""
    names = iter(NAMES)
    return [
        replace(each, name=next(names, each.name))
        if isinstance(each, rec.ParticipantAdded)
        else each
        for each in records
    ]


def games() -> dict[str, list[rec.Record]]:
    """Return the records of some games by session; one of them is cut off."""
    played = {
        f"game-{seed}": _named(game(f"game-{seed}", seed)) for seed in range(40, 46)
    }
    played[OPEN] = game(OPEN, 50)[:-1]
    return played


GAMES = games()
ENDED = [name for name in GAMES if name != OPEN]
PACKED = {name: batches(GAMES[name], random.Random(name)) for name in GAMES}


async def fill(backend: Backend, packed: dict[str, list[bytes]] = PACKED) -> None:
    """Make the tables, and write sessions to them."""
    engine = backend.engine()
    await upgrade(engine)
    await engine.dispose()
    async with MemoryJournal() as journal:
        for name, each in packed.items():
            await record(journal, name, each)
        options = Options(key=KEY, pacing=PACING)
        await write_all(journal, backend.sink(), ManualClock(), options)


@pytest.fixture(scope="module", params=BACKENDS)
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Backend]:
    """A database with :data:`GAMES`; a test leaves it as it was."""
    folder = tmp_path_factory.mktemp("filled")
    with backend_of(request.param, folder) as backend:
        asyncio.run(fill(backend))
        yield backend


@pytest.fixture
async def engine(filled: Backend) -> AsyncIterator[AsyncEngine]:
    """An engine on it."""
    engine = filled.engine()
    yield engine
    await engine.dispose()


@pytest.fixture
def reports(engine: AsyncEngine) -> Reports:
    """The reports on it."""
    return Reports(engine, KEY)


@dataclass(frozen=True, slots=True)
class Counted:
    """What the oracle makes of somebody's game."""

    participant_id: str
    name: str
    score: int
    rank: int


def counted(session_id: str) -> dict[int, Counted]:
    """Return everybody's result by index, as the oracle counts it."""
    records = GAMES[session_id]
    ids = [r.participant_id for r in records if isinstance(r, rec.ParticipantAdded)]
    counted = recount(records)
    return {
        index: Counted(ids[index], counted.names[index], each.score, each.rank)
        for index, each in enumerate(counted.standings)
    }


def before(session: StoredSession) -> Before:
    """Return the place in the list behind *session*."""
    return Before(session.opened_ms, session.session_id)


def in_order(session_id: str) -> list[Result]:
    """Return the results that pages must have, in their order."""
    found = [
        Result(index, each.participant_id, each.name, each.score, each.rank)
        for index, each in counted(session_id).items()
    ]
    return sorted(found, key=lambda r: (r.rank == 0, r.rank, r.participant))


async def change(engine: AsyncEngine, *statements: Executable) -> None:
    """Do as somebody does who has the database but not the key."""
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(statement)


class Asked:
    """The statements that an engine was asked, as the database got them."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.statements: list[tuple[str, object]] = []
        event.listen(engine.sync_engine, "before_cursor_execute", self._note)

    def _note(self, *about: object) -> None:
        _, _, statement, parameters, *_ = about
        assert isinstance(statement, str)
        self.statements.append((statement, parameters))
