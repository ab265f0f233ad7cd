"""A real PostgreSQL on a free port of loopback, which a test may stop, kill or pause.

The server refuses to run as root, so it runs as ``postgres`` or ``nobody`` then, in a
folder which that user owns. It dies with whoever has started it. ``fsync`` is off: what
is killed here is a process, and what a process has written survives that.

A fresh database is a copy of a template, which is made once per server: a tenth of a
second instead of all migrations.
"""

import asyncio
import atexit
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import pytest

from quizd.store.engine import postgres_engine
from quizd.store.migrations import upgrade
from tests.support.ports import free_port

START_S = 30.0
STOP_S = 20.0
POLL_S = 0.02
USER = "quizd"
TEMPLATE = "quizd_template"
SETTINGS = {
    "autovacuum": "off",  # it would be in a template just when that is copied
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "40",
    "shared_buffers": "128MB",
    "timezone": "UTC",
}


@cache
def folder_of_programs() -> Path | None:
    """Return where ``initdb`` and ``postgres`` are, of the newest version there is."""
    found = shutil.which("postgres")
    if found is not None and (Path(found).resolve().parent / "psql").exists():
        return Path(found).resolve().parent
    folders = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest = max(folders, key=lambda path: int(path.parts[-3]), default=None)
    return newest.parent if newest is not None else None


needs_postgres = pytest.mark.skipif(
    folder_of_programs() is None, reason="PostgreSQL's server is not installed"
)


def _unprivileged() -> pwd.struct_passwd | None:
    """Return whom the server is to run as, ``None``: as whoever runs the tests."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("there is no unprivileged user to run PostgreSQL as")


def _children(pid: int) -> list[int]:
    """Return the processes whose parent is *pid*."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in listed.split()]


def _send(pid: int, number: signal.Signals) -> None:
    """Signal *pid*, which may have ended by itself."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _lives(pid: int) -> bool:
    """Tell whether *pid* still runs: one that is only to be reaped does not."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except OSError:
        return False


class PostgresServer:
    """One server with its own data; :meth:`close` ends it and removes the data."""

    def __init__(self) -> None:
        programs = folder_of_programs()
        assert programs is not None, "guard the test with needs_postgres"
        self._programs = programs
        self._user = _unprivileged()
        self.directory = Path(tempfile.mkdtemp(prefix="quizd-postgres-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._paused: list[int] = []
        self._numbers = itertools.count(1)
        if self._user is not None:
            os.chown(self.directory, self._user.pw_uid, self._user.pw_gid)
        self._run(
            "initdb",
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C",
            "--auth=trust",
            f"--username={USER}",
            f"--pgdata={self.data}",
        )

    @property
    def data(self) -> Path:
        """The folder of the cluster."""
        return self.directory / "data"

    def dsn(self, database: str = "postgres", port: int | None = None) -> str:
        """Return the address of *database*, through *port* where something is between.

        Raises nothing: whether the server runs is another matter.
        """
        return f"postgresql://{USER}@127.0.0.1:{port or self.port}/{database}"

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    # -- life --------------------------------------------------------------------

    def start(self) -> None:
        """Start the server and wait until it takes connections.

        It dies with the thread that has called this, so that must be one that lasts.
        """
        assert not self.running
        options = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        command = [
            *self._as_user(),
            str(self._programs / "postgres"),
            f"-D{self.data}",
            f"-p{self.port}",
            "-clisten_addresses=127.0.0.1",
            f"-cunix_socket_directories={self.directory}",
            *options,
        ]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a program we have found
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop at once but in order: connections are cut, nothing committed is lost."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Send SIGKILL to the server and all its workers, and wait for their end."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)  # so that it starts no more of them
        workers = _children(self._process.pid)
        for pid in [self._process.pid, *workers]:
            _send(pid, signal.SIGKILL)
        self._process.wait(STOP_S)
        _wait_for(lambda: not any(map(_lives, workers)))

    def restart(self) -> None:
        """Stop where it runs, and start."""
        if self.running:
            self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the server and all its workers: connections stay, nothing answers."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        self._paused = [self._process.pid, *_children(self._process.pid)]
        for pid in self._paused:
            _send(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let everything go on that :meth:`pause` has frozen."""
        for pid in self._paused:
            _send(pid, signal.SIGCONT)
        self._paused = []

    def close(self) -> None:
        """End the server, however it is, and remove its data."""
        self.resume()
        if self.running:
            self._end(signal.SIGQUIT)
        shutil.rmtree(self.directory, ignore_errors=True)

    # -- databases ---------------------------------------------------------------

    def make_template(self, prepare: Callable[[str], None]) -> None:
        """Make the template of all fresh databases; *prepare* is given its address.

        Nobody can connect to it afterwards: it can't be copied while somebody is in it.
        """
        self._psql(f"CREATE DATABASE {TEMPLATE}")
        prepare(self.dsn(TEMPLATE))
        self._psql(f"ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false")

    @contextmanager
    def fresh_database(self, template: str = TEMPLATE) -> Iterator[str]:
        """Give a copy of *template* by its name; it is gone afterwards."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self._psql(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield name
        finally:
            self.resume()
            if not self.running:
                self.start()
            self._psql(f"DROP DATABASE {name} WITH (FORCE)")

    # -- inside ------------------------------------------------------------------

    def _psql(self, statement: str) -> None:
        """Run one statement, also where an event loop is running."""
        command = [
            str(self._programs / "psql"),
            "--no-psqlrc",
            "--quiet",
            "--set=ON_ERROR_STOP=1",
            f"--command={statement}",
            self.dsn(),
        ]
        subprocess.run(  # noqa: S603 - a program we have found
            command, check=True, timeout=START_S, stdout=subprocess.DEVNULL
        )

    def _as_user(self) -> list[str]:
        """Return how to become the user, and to be ended when the parent ends."""
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            assert self._user is None, "setpriv (util-linux) is missing"
            return []
        if self._user is None:
            return [setpriv, "--pdeathsig=INT"]
        ids = [f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}"]
        return [setpriv, *ids, "--clear-groups", "--pdeathsig=INT"]

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(  # noqa: S603 - a program we have found
            [*self._as_user(), str(self._programs / program), *arguments],
            check=True,
            timeout=START_S,
            stdout=subprocess.DEVNULL,
            cwd=self.directory,
        )

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def _wait_until_ready(self) -> None:
        question = [str(self._programs / "pg_isready"), "-q", f"--dbname={self.dsn()}"]

        def ready() -> bool:
            assert self.running, (self.directory / "log").read_text()[-2000:]
            return subprocess.run(question, check=False).returncode == 0  # noqa: S603

        _wait_for(ready)


def _wait_for(done: Callable[[], bool]) -> None:
    for _ in range(round(START_S / POLL_S)):
        if done():
            return
        threading.Event().wait(POLL_S)
    raise TimeoutError("PostgreSQL takes too long")


@cache
def shared_server() -> PostgresServer:
    """Return the server that all tests of a run share, with the store's template."""
    server = PostgresServer()
    atexit.register(server.close)
    server.start()
    server.make_template(lambda dsn: asyncio.run(_upgrade(dsn)))
    return server


async def _upgrade(dsn: str) -> None:
    engine = postgres_engine(dsn)
    await upgrade(engine)
    await engine.dispose()
