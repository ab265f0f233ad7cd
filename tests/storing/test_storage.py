"""The store of a shard, whole, in one process: its states, its upkeep, its end."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from quizd.clock import ManualClock
from quizd.journal.base import JournalUnavailable
from quizd.journal.memory import MemoryJournal
from quizd.metrics import GaugeCollector
from quizd.session import records as rec
from quizd.settings import Database
from quizd.store import storage as module
from quizd.store.base import StoreUnavailable
from quizd.store.migrations import WrongSchema
from quizd.store.place import FILE, Place
from quizd.store.storage import Storage, StorageOptions
from tests.store.games import game, record

DOCUMENTED = Path(__file__).parents[2] / "docs" / "store.md"
PATIENCE_S = 20.0
KEY = bytes(range(32))


class Listed(MemoryJournal):
    """A journal that says how often it was asked to let go, and fails when told."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, float]] = []
        self.failures: list[Exception] = []

    async def expire(self, session_id: str, after_s: float) -> None:
        """Let go, or fail."""
        self.asked.append((session_id, after_s))
        if self.failures:
            raise self.failures.pop()
        await super().expire(session_id, after_s)


@pytest.fixture
async def journal(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listed]:
    """A journal that is running; nobody waits long for what is done now and then."""
    monkeypatch.setattr(module, "ROUND_S", 0.001)
    monkeypatch.setattr(module, "AGAIN_S", 0.001)
    async with Listed() as journal:
        yield journal


def storage_of(journal: MemoryJournal, place: Place, **database: object) -> Storage:
    """Return a store, not started."""
    settings = Database.model_validate({"linger_ms": 1, **database})
    options = StorageOptions(key=KEY, database=settings, keep_ended_s=60)
    return Storage(place, journal, ManualClock(), options)


def names_in(folder: str) -> list[str]:
    """Return what is in *folder*, nothing where it is not there."""
    return [each.name for each in Path(folder).glob("*")]


async def until_told(journal: Listed, count: int) -> None:
    """Wait until the journal was asked so often to let go."""
    async with asyncio.timeout(PATIENCE_S):
        while len(journal.asked) < count:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.001)


async def ended(journal: MemoryJournal, session_id: str) -> None:
    """Have *journal* keep a whole game that is not marked as ended."""
    await record(journal, session_id, [rec.pack(game(session_id, 7))])


class TestTakingOut:
    """What is written whole leaves the journal."""

    async def test_an_ended_session(self, journal: Listed, tmp_path: Path) -> None:
        """It is kept for as long as is configured, counted from then."""
        await ended(journal, "s")
        term = (await journal.position("s")).term
        await journal.finish("s", term)
        storage = storage_of(journal, Place(tmp_path / "db"))
        await storage.start()
        await until_told(journal, 1)
        await storage.stop()
        assert journal.asked == [("s", 60)]

    async def test_one_whose_end_is_not_marked_yet(
        self, journal: Listed, tmp_path: Path
    ) -> None:
        """It is asked for again until it is, and no longer."""
        await ended(journal, "s")
        term = (await journal.position("s")).term
        storage = storage_of(journal, Place(tmp_path / "db"))
        await storage.start()
        await until_told(journal, 2)
        await journal.finish("s", term)
        async with asyncio.timeout(PATIENCE_S):
            while storage._whole:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.001)
        asked = len(journal.asked)
        await storage.stop()
        assert len(journal.asked) == asked

    async def test_a_journal_that_is_away(
        self, journal: Listed, tmp_path: Path
    ) -> None:
        """It is asked again."""
        journal.failures = [JournalUnavailable("away")] * 3
        await ended(journal, "s")
        await journal.finish("s", (await journal.position("s")).term)
        storage = storage_of(journal, Place(tmp_path / "db"))
        await storage.start()
        await until_told(journal, 4)
        await storage.stop()


class TestStates:
    """What an operator is told, and whether play needs the database."""

    async def test_nothing_is_kept(self, journal: Listed) -> None:
        """There is a file all the same, and it goes."""
        storage = storage_of(journal, Place())
        folder = storage._folder
        assert folder is not None
        await storage.start()
        assert FILE in names_in(folder.name)
        assert storage.state()["store"] == "ok"
        await storage.stop()
        assert names_in(folder.name) == []

    async def test_the_switch(self, journal: Listed, tmp_path: Path) -> None:
        """Held on, the database is spared, which is no fault."""
        storage = storage_of(journal, Place(tmp_path / "db"), buffering="on")
        await storage.start()
        assert storage.state()["store"].startswith("buffering")
        assert storage.is_spared()
        assert not storage.degraded
        await storage.stop()

    async def test_reports_have_a_replica(self, journal: Listed) -> None:
        """They need not wait then."""
        url = "postgresql://127.0.0.1:1/none"
        place = Place(dsn=url, replica_dsn=url)
        storage = storage_of(journal, place, buffering="on")
        assert not storage.is_spared()
        await storage.stop()

    async def test_a_postgres_that_is_away_at_the_start(
        self, journal: Listed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is tried until it has the right tables; until then nothing is written."""
        answers = [
            StoreUnavailable("nobody listens"),
            StoreUnavailable("nobody listens"),
            WrongSchema("revision 9999"),
        ]
        seen: list[str] = []
        storage = storage_of(journal, Place(dsn="postgresql://127.0.0.1:1/none"))
        begun = asyncio.Event()

        async def start() -> None:
            seen.append(storage.state()["store"])
            if answers:
                raise answers.pop(0)

        monkeypatch.setattr(storage.quizzes, "start", start)
        monkeypatch.setattr(storage.queue, "start", begun.set)
        await storage.start()
        assert storage.state()["store"].startswith("degraded")
        async with asyncio.timeout(PATIENCE_S):
            await begun.wait()
        assert seen == [
            "ok",
            "degraded: nobody listens",
            "degraded: nobody listens",
            "degraded: revision 9999",
        ]
        assert storage.state()["store"] == "ok"
        await storage.stop()

    async def test_wrong_tables_at_the_start(
        self, journal: Listed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A start is refused, as nothing good could come of it."""
        storage = storage_of(journal, Place(dsn="postgresql://127.0.0.1:1/none"))

        async def start() -> None:
            raise WrongSchema("revision 9999")

        monkeypatch.setattr(storage.quizzes, "start", start)
        with pytest.raises(WrongSchema):
            await storage.start()
        await storage.stop()

    async def test_a_file_that_cannot_be_used(
        self, journal: Listed, tmp_path: Path
    ) -> None:
        """It is the journal's disk, and no place to begin on."""
        file = tmp_path / "db"
        file.write_bytes(b"this is no database, whatever its name says" * 100)
        storage = storage_of(journal, Place(file))
        with pytest.raises(StoreUnavailable):
            await storage.start()
        await storage.stop()


async def test_every_metric_is_documented(journal: Listed, tmp_path: Path) -> None:
    """The page for operators names all of them and no other."""
    storage = storage_of(journal, Place(tmp_path / "db"))
    names = {name for name, _, _ in storage.gauges()}
    documented = set(re.findall(r"`(quizd_store_\w+)`", DOCUMENTED.read_text()))
    assert names == documented
    await storage.stop()


async def test_what_only_grows_is_a_counter(journal: Listed, tmp_path: Path) -> None:
    """Prometheus is told, so that it can take rates."""
    storage = storage_of(journal, Place(tmp_path / "db"))
    registry = CollectorRegistry()
    registry.register(GaugeCollector(storage.gauges()))
    lines = generate_latest(registry).decode().splitlines()
    assert "# TYPE quizd_store_failures_total counter" in lines
    assert "quizd_store_failures_total 0.0" in lines
    assert "# TYPE quizd_store_lag_seconds gauge" in lines
    await storage.stop()


def test_addresses_are_in_no_repr() -> None:
    """They may hold passwords."""
    place = Place(dsn="postgresql://a:tell@b/c", replica_dsn="postgresql://a:tell@d/c")
    assert "tell" not in repr(place)
    assert KEY.hex() not in repr(StorageOptions(key=KEY))
    assert str(KEY) not in repr(StorageOptions(key=KEY))
