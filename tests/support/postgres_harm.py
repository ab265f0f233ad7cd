"""What may happen to a Postgres that is written to, beside its death."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]

from tests.support.postgres_server import PostgresServer

END_CONNECTIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'quizd write-behind' AND datname = current_database()
"""

FAIL_THRICE = """
    CREATE SEQUENCE IF NOT EXISTS failures;
    SELECT setval('failures', 1, false);
    CREATE OR REPLACE FUNCTION fail_thrice() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('failures') <= 3 THEN
            RAISE EXCEPTION 'made to fail' USING ERRCODE = '{code}';
        END IF;
        RETURN NULL;
    END $$;
    DROP TRIGGER IF EXISTS failing ON answers;
    CREATE TRIGGER failing AFTER INSERT ON answers
        FOR EACH STATEMENT EXECUTE FUNCTION fail_thrice();
"""
"""The next three writes of answers fail with an SQLSTATE; a sequence is not undone."""

DRIVERS_OWN = "ConnectionDoesNotExistError('connection was closed in the middle"
"""asyncpg leaves a future behind when a COPY begins on a connection just ended."""

DISK_BYTES = 48 * 1024 * 1024
BALLAST = "ballast"
PIECE = bytes(4096)


class SmallDisk:
    """A small file system of its own at *path*, where a database may be put."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self) -> None:
        """Leave no room on it."""
        with (self.path / BALLAST).open("wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(PIECE)
            except OSError:
                return

    def free(self) -> None:
        """Take away what has filled it."""
        (self.path / BALLAST).unlink()


@contextmanager
def small_disk(path: Path) -> Iterator[SmallDisk | None]:
    """Mount a tmpfs at *path*, which is made; ``None`` where that is not allowed."""
    path.mkdir(exist_ok=True)
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None or os.geteuid() != 0:
        yield None
        return
    words = ["-t", "tmpfs", "-o", f"size={DISK_BYTES}", "quizd-test", str(path)]
    made = subprocess.run([mount, *words], check=False, capture_output=True)  # noqa: S603 - of the system
    if made.returncode:
        yield None
        return
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run([umount, "--lazy", str(path)], check=True)  # noqa: S603 - of the system


async def run(server: PostgresServer, statement: str, database: str) -> None:
    """Run *statement* in *database*."""
    connection = await asyncpg.connect(server.dsn(database))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def move_to(server: PostgresServer, database: str, disk: SmallDisk) -> None:
    """Have all of *database* on *disk*; nobody may be connected to it."""
    owner = server.data.stat()
    folder = disk.path / "space"
    folder.mkdir()
    os.chown(folder, owner.st_uid, owner.st_gid)
    name = f"small_{database}"
    await run(server, f"CREATE TABLESPACE {name} LOCATION '{folder}'", "postgres")
    await run(server, f"ALTER DATABASE {database} SET TABLESPACE {name}", "postgres")


async def move_back(server: PostgresServer, database: str) -> None:
    """Have *database* be where :func:`move_to` has found it."""
    home = f"ALTER DATABASE {database} SET TABLESPACE pg_default"
    await run(server, home, "postgres")
    await run(server, f"DROP TABLESPACE small_{database}", "postgres")
