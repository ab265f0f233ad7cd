"""Results in pages and as CSV, on each database."""

import csv
import io
import random
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from quizd.reports import Reports, csv_file
from quizd.reports.results import NO_RANK, Place, Result, cursor_of, place_at
from quizd.store.base import StoreUnavailable
from quizd.store.engine import sqlite_engine
from quizd.store.migrations import upgrade
from quizd.store.tables import participants, results
from tests.reports import stored
from tests.reports.stored import ENDED, KEY, OPEN, Asked, change, in_order

filled, engine, reports = stored.filled, stored.engine, stored.reports

MANY = 100_000
MAY_SCAN = ("SCAN anon", "SCAN sessions USING INDEX")
"""A page that has been made; and sessions in the order of an index, up to a limit."""

WATCHED = 20_000
PEAK_MAX_BYTES = 2_000_000
"""Results are more than 300 bytes each while they are objects."""


async def pages_of(reports: Reports, session_id: str, size: int) -> list[Result]:
    """Return all results by pages of *size*, from cursor to cursor as text."""
    found: list[Result] = []
    after: Place | None = None
    while True:
        page = await reports.results.page(session_id, size, after)
        assert len(page) <= size
        found += page
        if len(page) < size:
            return found
        after = place_at(cursor_of(page[-1].place))


async def csv_of(reports: Reports, session_id: str, rows: int = 3) -> bytes:
    """Return the CSV file, made by *rows* at a time."""
    pages = reports.results.pages(session_id, rows)
    return b"".join([part async for part in csv_file.parts(pages)])


def read_csv(content: bytes) -> list[dict[str, str]]:
    """Return the lines as a program reads them."""
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


@pytest.mark.parametrize("session_id", ENDED)
async def test_pages_and_file_are_the_oracles_recount(
    reports: Reports, session_id: str
) -> None:
    """Whatever the size of a page: names, scores and ranks of everybody, once each."""
    expected = in_order(session_id)
    for size in range(1, len(expected) + 2):
        assert await pages_of(reports, session_id, size) == expected, size
        found = read_csv(await csv_of(reports, session_id, size))
        assert [row["participantId"] for row in found] == [
            each.participant_id for each in expected
        ]
        assert [(row["rank"], int(row["score"])) for row in found] == [
            (str(each.rank or ""), each.score) for each in expected
        ]
        assert [row["participantName"].removeprefix("'") for row in found] == [
            each.name for each in expected
        ]


async def test_a_session_that_goes_on_has_no_results(reports: Reports) -> None:
    """Nor has one that is unknown."""
    assert await reports.results.page(OPEN, 10) == []
    assert await reports.results.page("unknown", 10) == []
    assert read_csv(await csv_of(reports, "unknown")) == []


async def test_by_participant_is_everybody_in_the_order_of_joining(
    reports: Reports,
) -> None:
    """In slices of any size."""
    expected = sorted((r.participant, r.score, r.rank) for r in in_order(ENDED[0]))
    for rows in (1, 2, 100):
        found = [each async for each in reports.results.by_participant(ENDED[0], rows)]
        assert found == expected


async def test_an_erased_name_is_an_empty_cell(
    reports: Reports, engine: AsyncEngine
) -> None:
    """The result stays, by the participant's id."""
    session_id = ENDED[1]
    first = in_order(session_id)[0]
    this = (participants.c.session_id == session_id) & (
        participants.c.participant == first.participant
    )
    await change(engine, update(participants).where(this).values(name=None))
    try:
        assert (await reports.results.page(session_id, 1))[0].name is None
        line = (await csv_of(reports, session_id)).splitlines()[1]
        assert line.endswith(b',"%s",' % str(first.participant_id).encode())
    finally:
        await change(engine, update(participants).where(this).values(name=first.name))


@pytest.mark.parametrize("cursor", ["", "1", "1.", "-1.2", "1.2.3", "a.b", "1.²"])
def test_what_is_no_cursor(cursor: str) -> None:
    """Is refused, before the database is asked."""
    with pytest.raises(ValueError, match="cursor"):
        place_at(cursor)


async def test_no_report_reads_a_whole_table(
    reports: Reports, engine: AsyncEngine
) -> None:
    """Each statement finds its rows by an index, those of the audit as well."""
    asked = Asked(engine)
    session_id = ENDED[0]
    await reports.sessions.one(session_id)
    page = await reports.sessions.page(2)
    await reports.sessions.page(2, stored.before(page[-1]))
    await reports.sessions.page(2, stored.before(page[-1]), "quiz")
    await pages_of(reports, session_id, 2)
    [_ async for _ in reports.results.by_participant(session_id)]
    [_ async for _ in reports.log.chunks(session_id, 2)]
    [_ async for _ in reports.log.chunks(OPEN, ended=False)]
    assert any("answers" in statement for statement, _ in asked.statements)
    plans = await _plans(engine, list(asked.statements))
    assert len(plans) >= 10
    for statement, plan in plans:
        for step in plan:
            assert "Seq Scan" not in step, (statement, plan)
            assert not step.startswith("SCAN ") or step.startswith(MAY_SCAN), plan


async def _plans(
    engine: AsyncEngine, statements: Sequence[tuple[str, object]]
) -> list[tuple[str, list[str]]]:
    """Return how the database would go about each statement, step by step.

    These tables are so small that Postgres would rather read them whole; forbidden to,
    it does so only where there is no other way.
    """
    postgres = engine.dialect.name == "postgresql"
    plans = []
    async with engine.connect() as connection:
        if postgres:
            await connection.execute(text("SET enable_seqscan = off"))
        for statement, parameters in statements:
            if "SELECT" not in statement:
                continue
            explain = "EXPLAIN " if postgres else "EXPLAIN QUERY PLAN "
            rows = await connection.exec_driver_sql(explain + statement, parameters)  # type: ignore[arg-type]
            plans.append((statement, [str(row[-1]).strip() for row in rows]))
    return plans


class TestCells:
    """What a spreadsheet may make of a cell."""

    @pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@A1", "\t=1", "\r=1", " =1"])
    def test_formulas(self, name: str) -> None:
        """Nothing that begins like one is left at the beginning of a cell."""
        assert csv_file.text_cell(name) == f'"\'{name}"'

    @pytest.mark.parametrize("mark", "＝＋－＠")
    def test_wide_marks(self, mark: str) -> None:
        """Some spreadsheets take these for the narrow ones."""
        assert csv_file.text_cell(f"{mark}1").startswith("\"'")

    def test_quotes_and_separators_stay_in_their_cell(self) -> None:
        """Whoever reads the file gets one cell, as it was."""
        rng = random.Random(5)
        for _ in range(300):
            name = "".join(rng.choices("\",;'\n\r =a", k=rng.randint(1, 6)))
            line = csv_file.text_cell(name) + ",x\r\n"
            [[cell, x]] = csv.reader(io.StringIO(line, newline=""))
            assert x == "x"
            assert cell in (name, f"'{name}"), repr(name)
            assert cell[0] not in "=+-@\t\r\n"

    def test_nothing(self) -> None:
        """A name that is gone is an empty cell, one that is empty a quoted one."""
        assert (csv_file.text_cell(None), csv_file.text_cell("")) == ("", '""')


async def test_a_busy_database_is_left_alone(engine: AsyncEngine) -> None:
    """While it is slow, reports fail by name and it is asked nothing."""
    busy = True
    reports = Reports(engine, KEY, lambda: busy)
    asked = Asked(engine)
    with pytest.raises(StoreUnavailable, match="slow"):
        await reports.results.page(ENDED[0], 1)
    with pytest.raises(StoreUnavailable, match="slow"):
        [_ async for _ in reports.log.chunks(ENDED[0])]
    assert not asked.statements
    busy = False
    assert await reports.results.page(ENDED[0], 1)


class TestMany:
    """A hundred thousand participants."""

    @pytest.fixture
    async def reports(self, tmp_path: Path) -> AsyncIterator[Reports]:
        """Reports on a file with their results, some of whom share a rank."""
        engine = sqlite_engine(tmp_path / "many.sqlite3")
        await upgrade(engine)
        who = range(MANY)
        joined = [("s", n, f"id-{n}", f"Player {n}", 1) for n in who]
        scored = [("s", n, MANY - n, 1 + n // 20 if n % 7 else NO_RANK) for n in who]
        names = ("session_id", "participant", "participant_id", "name", "joined_ms")
        kept = ("session_id", "participant", "score", "rank")
        async with engine.begin() as connection:
            for table, columns, rows in (
                (participants, names, joined),
                (results, kept, scored),
            ):
                values = [dict(zip(columns, row, strict=True)) for row in rows]
                await connection.execute(insert(table), values)
        yield Reports(engine, KEY)
        await engine.dispose()

    async def test_are_never_in_memory_at_once(self, reports: Reports) -> None:
        """The file comes in parts; what is held is a page, whatever their number.

        Memory is watched from the start and for a part of them, as watching is slow:
        already if these were kept, it would be too much.
        """
        lines = peak_bytes = 0
        tracemalloc.start()
        try:
            async for part in csv_file.parts(reports.results.pages("s")):
                lines += part.count(b"\r\n")
                if lines > WATCHED and tracemalloc.is_tracing():
                    peak_bytes = tracemalloc.get_traced_memory()[1]
                    tracemalloc.stop()
        finally:
            tracemalloc.stop()
        assert lines == MANY + 1
        assert 0 < peak_bytes < PEAK_MAX_BYTES
