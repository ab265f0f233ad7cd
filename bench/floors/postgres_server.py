"""A PostgreSQL of one's own, on a free port of loopback, its data in a folder.

Its settings are PostgreSQL's own, so a commit is on the disk before it is answered;
only the connection's address and the log are chosen here. The server refuses to run as
root: then it runs as ``postgres`` or ``nobody``.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.floors.child import ChildFailed, Unavailable
from bench.floors.redis_server import free_port

START_S = 30.0
STOP_S = 30.0
POLL_S = 0.02
USER = "quizd"
UNPRIVILEGED = ("postgres", "nobody")
MISSING = "PostgreSQL is not installed (Debian: apt-get install postgresql)"


def programs() -> Path | None:
    """Return the folder of ``initdb`` and ``postgres``, of the newest version here."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest = max(found, key=lambda path: int(path.parts[-3]), default=None)
    if newest is None and (other := shutil.which("postgres")) is not None:
        newest = Path(other).resolve()
    return newest.parent if newest is not None else None


class PostgresServer:
    """A server that lives as long as the ``with`` around it.

    Raises :class:`Unavailable` where it is not installed, :class:`ChildFailed` where it
    does not start.
    """

    def __init__(self) -> None:
        folder = programs()
        if folder is None:
            raise Unavailable(MISSING)
        self._programs = folder
        self._user = unprivileged()
        self._folder = tempfile.TemporaryDirectory(prefix="bench-postgres-")
        self.port = free_port()
        if self._user is not None:
            os.chown(self._folder.name, self._user.pw_uid, self._user.pw_gid)
        try:
            self._make()
            self._process = self._start()
        except BaseException:
            self._folder.cleanup()
            raise

    def __enter__(self) -> Self:
        """Return itself: it runs already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self.stop()

    def dsn(self, database: str = "postgres") -> str:
        """Return the address of *database*."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def stop(self) -> None:
        """End it, cutting all connections, and remove its folder."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def _make(self) -> None:
        words = ["--no-sync", "--encoding=UTF8", "--locale=C", "--auth=trust"]
        program = [str(self._programs / "initdb"), f"--username={USER}"]
        command = [*self._as_user(), *program, *words, self._data]
        done = subprocess.run(  # noqa: S603 - a program we have found
            command, cwd=self._folder.name, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ChildFailed(f"initdb: {done.stderr.strip()}")

    def _start(self) -> subprocess.Popen[bytes]:
        command = [
            *self._as_user(),
            str(self._programs / "postgres"),
            f"-D{self._data}",
            f"-p{self.port}",
            "-clisten_addresses=127.0.0.1",
            f"-cunix_socket_directories={self._folder.name}",
        ]
        with (Path(self._folder.name) / "log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - a program we have found
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        end_s = time.monotonic() + START_S
        while time.monotonic() < end_s and process.poll() is None:
            if self._answers():
                return process
            time.sleep(POLL_S)
        process.kill()
        process.wait()
        raise ChildFailed((Path(self._folder.name) / "log").read_text())

    def _answers(self) -> bool:
        ready = [str(self._programs / "pg_isready"), "-q", f"--dbname={self.dsn()}"]
        return subprocess.run(ready, check=False).returncode == 0  # noqa: S603 - as above

    @property
    def _data(self) -> str:
        return str(Path(self._folder.name) / "data")

    def _as_user(self) -> list[str]:
        if self._user is None:
            return []
        ids = [f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}"]
        return ["setpriv", *ids, "--clear-groups"]


def unprivileged() -> pwd.struct_passwd | None:
    """Return whom a server of root's is to run as, ``None`` for anybody else's.

    Raises :class:`Unavailable` where there is nobody, or no way to become it.
    """
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    found = next((known[name] for name in UNPRIVILEGED if name in known), None)
    if found is None or shutil.which("setpriv") is None:
        raise Unavailable("PostgreSQL refuses root, and there is no other user for it")
    return found
