"""Where the database is: a file beside the journal, or Postgres and perhaps a replica.

Everything that opens it, the server and the commands, does so by a :class:`Place`.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from sqlalchemy.ext.asyncio import AsyncEngine

from quizd.config import password_in
from quizd.settings import Settings
from quizd.store.engine import postgres_engine, reading_engine, sqlite_engine
from quizd.store.write_behind.postgres import PostgresSink
from quizd.store.write_behind.sink import Sink
from quizd.store.write_behind.sqlite import SqliteSink

FILE = "quizd.sqlite3"
"""In the data folder; the journal's file as well, where that is SQLite."""

QUIZ_STATEMENT_S = 5.0
"""Somebody waits for it; reports may take longer."""


@dataclass(frozen=True, slots=True)
class Place:
    """A *file*, or an address; with neither, nothing is kept anywhere.

    Addresses are libpq's and may hold passwords: they are in no repr.
    """

    file: Path | None = None
    dsn: str = field(default="", repr=False)
    replica_dsn: str = field(default="", repr=False)
    connections: int = 4
    timeout_s: float = 30.0

    def engine(self, statement_s: float = QUIZ_STATEMENT_S) -> AsyncEngine:
        """Return an engine; nothing is connected to yet.

        A statement on Postgres that takes longer than *statement_s* has failed. Raises
        ``OSError`` where the file can't be made.
        """
        if self.dsn:
            return postgres_engine(self.dsn, self.connections, statement_s=statement_s)
        return sqlite_engine(self.file)

    def reading(self) -> AsyncEngine:
        """Return an engine for reports: on the replica where there is one."""
        if self.dsn:
            return reading_engine(self.dsn, self.replica_dsn, self.connections)
        return sqlite_engine(self.file)

    def sink(self) -> Sink:
        """Return where the write-behind queue writes to.

        Raises ``ValueError`` where nothing is kept.
        """
        if self.dsn:
            return PostgresSink(self.dsn, self.timeout_s)
        if self.file is None:
            raise ValueError("what is not kept can't be written")
        return SqliteSink(self.file)

    def in_folder(self, folder: Path) -> "Place":
        """Return this place with a file in *folder*."""
        return replace(self, file=folder / FILE)


def place_of(settings: Settings) -> Place:
    """Return the place that *settings* name.

    That is none where the journal is memory and no address is given. Raises
    :class:`quizd.config.ConfigError` for a password file that can't be used.
    """
    database = settings.database
    if not database.url:
        kept = settings.journal.kind != "memory"
        return Place(settings.data.dir / FILE if kept else None)
    password = password_in("database.password_file", database.password_file)
    return Place(
        dsn=_with_password(database.url, password),
        replica_dsn=_with_password(database.replica_url, password),
        connections=database.connections,
        timeout_s=database.timeout_s,
    )


def lasting_place(settings: Settings) -> Place:
    """Return the place for a command, which needs one that outlasts it.

    Raises ``ValueError`` where there is none, and as :func:`place_of` does.
    """
    place = place_of(settings)
    if not (place.file or place.dsn):
        raise ValueError('journal.kind = "memory" keeps nothing: there is no database')
    return place


def _with_password(url: str, password: str) -> str:
    """Return *url* with *password* in the place of its own."""
    if not (url and password):
        return url
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    user = login.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, '')}@{hosts}"))
