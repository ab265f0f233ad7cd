"""All reports on one database."""

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from quizd.reports.log import Log
from quizd.reports.reading import Reader
from quizd.reports.results import Results
from quizd.reports.sessions import Sessions
from quizd.store.audit import Audit


def _never() -> bool:
    return False


class Reports:
    """Reports on what *engine* leads to, which stays the caller's to dispose of.

    *key* is the secret that the logs are kept with. While *busy* says so the database
    is left alone, and everything raises ``StoreUnavailable``.
    """

    def __init__(
        self, engine: AsyncEngine, key: bytes, busy: Callable[[], bool] = _never
    ) -> None:
        reader = Reader(engine, busy)
        self.sessions = Sessions(reader)
        self.results = Results(reader)
        self.log = Log(reader, Audit(engine, key))
