"""Whether this machine can carry what is configured, and what to do where it can't.

Each ``check_*`` looks at one thing and changes nothing. It returns a :class:`Check`,
whose advice says what to do when it is not in order.
"""

import asyncio
import ctypes
import errno
import importlib
import os
import resource
import socket
import ssl
import stat
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from quizd.accounts.tokens import SECRET_MIN_BYTES
from quizd.cluster.link.trial import try_link
from quizd.config import ConfigError
from quizd.journal.base import JournalUnavailable
from quizd.journal.redis_health import survey
from quizd.redis_client import (
    RedisMisconfigured,
    RedisOptions,
    RedisUnusable,
    check,
    connect,
    hang_up,
)
from quizd.settings import Journal, Server, Settings
from quizd.sockets import RESERVE_FILES, fitting
from quizd.store.base import StoreUnavailable
from quizd.store.place import place_of
from quizd.store.survey import survey as survey_store

# A clock outside these years was never set.
PLAUSIBLE_YEARS = range(2026, 2100)

_CLOCK_SAMPLE_S = 0.05
_CLOCK_SLACK_MS = 100  # a busy machine may pause between the two readings

_LINK_S = 5.0  # more than a node that is there needs

_CORE = Path(__file__).parent / "_fast"
_TIMEX_BYTES = 512  # more than struct timex has on any machine
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised

_PORT_ADVICE = {
    errno.EADDRINUSE: "stop the program that listens there (see: ss -ltnp), or "
    "set server.port to another",
    errno.EACCES: "set server.port to 1024 or above, or allow this program lower ones",
    errno.EADDRNOTAVAIL: "set server.host to an address of this machine",
}

_SYNCHRONISED = {
    True: ", synchronised",
    False: ", not synchronised: times shown to people may be off",
    None: "",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One finding; ``advice`` is what to do about it, and empty when all is well."""

    name: str
    detail: str
    advice: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is to be done."""
        return not self.advice


@dataclass(frozen=True, slots=True)
class ClockSample:
    """Wall clock and monotonic clock, read together, in milliseconds."""

    wall_ms: int
    monotonic_ms: int

    @classmethod
    def take(cls) -> "ClockSample":
        """Read both clocks now."""
        return cls(time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000)


def examine(settings: Settings) -> list[Check]:
    """Return what every check finds, in the order in which to put things right."""
    before = ClockSample.take()
    time.sleep(_CLOCK_SAMPLE_S)
    return [
        check_clock(before, ClockSample.take(), synchronised=synchronised()),
        check_core(),
        check_open_files(
            settings.limits.connections, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        ),
        check_data_dir(settings.data.dir),
        check_secret(settings.secret_path),
        check_author_token(settings.author_token_path),
        check_audit_key(settings.audit_key_path),
        check_memory(settings),
        check_database(settings),
        check_tls(settings.server),
        check_port(settings.server),
    ]


def report(checks: Iterable[Check]) -> None:
    """Print *checks* as a table on standard output, advice below what needs it."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for found in checks:
        mark = Text("ok", "green") if found.ok else Text("FAILS", "bold red")
        table.add_row(mark, found.name, Text(found.detail))
        if found.advice:
            table.add_row("", "", Text(f"→ {found.advice}", "yellow"))
    Console().print(table)


def check_core(
    folder: Path = _CORE, load: Callable[[str], object] = importlib.import_module
) -> Check:
    """Check that *load* can import every module that has a face or source there."""
    faces = {path.stem for path in folder.iterdir() if path.suffix in {".pyi", ".pyx"}}
    broken = [name for name in sorted(faces) if not _loads(name, load)]
    if faces and not broken:
        return Check("compiled core", ", ".join(sorted(faces)))
    return Check(
        "compiled core",
        f"can't be loaded: {', '.join(broken) or 'nothing is there'}",
        "run make setup, or install quizd again with pip",
    )


def _loads(name: str, load: Callable[[str], object]) -> bool:
    try:
        load(f"quizd._fast.{name}")
    except (ImportError, ValueError):  # missing; built for another picows or Python
        return False
    return True


def check_open_files(connections: int, hard: int) -> Check:
    """Check that *connections* fit under the *hard* limit on open files.

    The soft one is raised at the start.
    """
    needed = connections + RESERVE_FILES
    fits = fitting(connections, hard)
    allowed = "no limit" if hard == resource.RLIM_INFINITY else f"{hard} allowed"
    advice = (
        f"have the hard limit raised to {needed} (systemd: LimitNOFILE={needed}), or "
        f"set limits.connections to {fits} or less: no more are served"
    )
    found = f"{needed} needed, {allowed}"
    return Check("open files", found, "" if fits == connections else advice)


def check_data_dir(folder: Path) -> Check:
    """Check that *folder* is private and can be written, or can be made."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            mode = stat.S_IMODE(folder.stat().st_mode)
    except FileNotFoundError:
        return _check_parent(folder)
    except OSError as error:
        return Check(
            "data folder",
            f"{folder}: {error.strerror}",
            "set data.dir to a folder that this user may write to",
        )
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        return Check(
            "data folder",
            f"{folder} has mode {mode:04o}, so others can read or change it",
            f"chmod 700 {folder}",
        )
    return Check("data folder", f"{folder} can be written")


def _check_parent(folder: Path) -> Check:
    above = folder.absolute().parents
    nearest = next(place for place in above if os.access(place, os.F_OK))
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return Check("data folder", f"{folder} will be made")
    return Check(
        "data folder",
        f"{folder} can't be made in {nearest}",
        "set data.dir to a folder that this user may write to",
    )


@dataclass(frozen=True, slots=True)
class _Key:
    """What there is to know of a file with a key."""

    name: str
    setting: str
    harm: str  # what people can do who should not read it
    loss: str  # what ends when a new one takes its place
    is_text: bool = False


_SECRET = _Key("secret", "auth.secret_file", "sign tokens", "tokens end with it")
_AUTHOR_TOKEN = _Key(
    "author token",
    "auth.author_token_file",
    "change and host quizzes",
    "authors need the new one then",
    is_text=True,
)
_AUDIT_KEY = _Key(
    "audit key",
    "database.audit_key_file",
    "forge logs",
    "logs that were chained with it can't be verified then",
)


def check_secret(file: Path) -> Check:
    """Check that the key that signs tokens is long, and its owner's alone."""
    return _check_key(_SECRET, file)


def check_author_token(file: Path) -> Check:
    """Check that the token of authors is long, and its owner's alone."""
    return _check_key(_AUTHOR_TOKEN, file)


def check_audit_key(file: Path) -> Check:
    """Check that the key that logs are chained with is long, and its owner's alone."""
    return _check_key(_AUDIT_KEY, file)


def _check_key(key: _Key, file: Path) -> Check:
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        content = file.read_bytes()
    except FileNotFoundError:
        return Check(key.name, f"{file} will be made")
    except OSError as error:
        return Check(
            key.name,
            f"{file}: {error.strerror}",
            f"set {key.setting} to a file that this user can read",
        )
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Check(
            key.name,
            f"{file} has mode {mode:04o}: who reads it can {key.harm}",
            f"chmod 600 {file}; if others could read it, replace it",
        )
    if wrong := _wrong_with(content, is_text=key.is_text):
        advice = f"remove it, and the next start makes a new one; {key.loss}"
        return Check(key.name, f"{file} {wrong}", advice)
    return Check(key.name, f"{file} is private")


def _wrong_with(content: bytes, *, is_text: bool) -> str:
    size = len(content.strip() if is_text else content)
    if size < SECRET_MIN_BYTES:
        return f"has {size} bytes, {SECRET_MIN_BYTES} at least are needed"
    return "has letters beyond ASCII" if is_text and not content.isascii() else ""


def check_database(settings: Settings) -> Check:
    """Check that the database can be used as it is, and keeps what it is given."""
    try:
        found = asyncio.run(survey_store(place_of(settings)))
    except (ConfigError, StoreUnavailable) as error:
        advice = "see [database] in the configuration; play goes on without it"
        return Check("database", str(error), advice)
    alone = settings.redis.url and not settings.database.url
    detail = f"{found.detail}{', for shards of this machine alone' if alone else ''}"
    return Check("database", detail, "; ".join(found.warnings))


def check_journal(journal: Journal) -> Check:
    """Say what an acknowledged answer survives."""
    if journal.kind == "memory":
        return Check(
            "journal",
            "memory: a stop loses every session and answer",
            'set journal.kind to "sqlite" for anything but a trial',
        )
    return Check(
        "journal",
        "SQLite, synchronous=FULL: acknowledged answers survive kill -9 "
        "and loss of power",
    )


def check_memory(settings: Settings) -> Check:
    """Check what remembers sessions: Redis where it is configured, else a file."""
    if settings.redis.url:
        return check_redis(settings)
    return check_journal(settings.journal)


def check_redis(settings: Settings) -> Check:
    """Check that Redis can be used, and what an acknowledged answer survives there."""
    try:
        detail, warnings = asyncio.run(_ask_redis(settings))
    except (RedisMisconfigured, RedisUnusable, JournalUnavailable) as error:
        advice = "see [redis] in the configuration; nothing works without it"
        return Check("redis", str(error), advice)
    return Check("redis", detail, "; ".join(warnings))


async def _ask_redis(settings: Settings) -> tuple[str, list[str]]:
    options = RedisOptions(**settings.redis.model_dump())
    client = connect(options, "doctor")
    try:
        server = await check(client, options)
        await try_link(options, _LINK_S)
        found = await survey(client)
        where = f"{server.kind} {server.version}, {server.mode}"
        return f"{where}; {found.durability}", list(found.warnings)
    finally:
        await hang_up(client)


def check_tls(server: Server) -> Check:
    """Check that certificate and key can be read and belong together."""
    if not server.tls_certificate:
        return Check("TLS", "off")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # The empty password keeps OpenSSL from asking for one on the terminal.
        context.load_cert_chain(server.tls_certificate, server.tls_key, password="")
    except OSError as error:  # ssl.SSLError is one
        return Check(
            "TLS",
            f"{server.tls_certificate}, {server.tls_key}: {error.strerror}",
            "server.tls_certificate and tls_key need readable PEM files that "
            "belong together, the key without a password",
        )
    return Check("TLS", f"{server.tls_certificate} fits its key")


def check_port(server: Server) -> Check:
    """Check that the configured address can be listened on now."""
    place = f"{server.host}, port {server.port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            server.host, server.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return Check(
            "port",
            f"{place}: {error.strerror}",
            _PORT_ADVICE.get(error.errno or 0, "set server.host and server.port"),
        )
    return Check("port", f"{place}: free")


def check_clock(
    before: ClockSample, after: ClockSample, *, synchronised: bool | None
) -> Check:
    """Check that the wall clock is set and runs like the monotonic one.

    *synchronised* is what the kernel says, ``None`` if it says nothing. It is told
    and no fault: during play, only the monotonic clock counts.
    """
    moment = datetime.fromtimestamp(after.wall_ms / 1000, UTC)
    apart_ms = (after.wall_ms - before.wall_ms) - (
        after.monotonic_ms - before.monotonic_ms
    )
    detail = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    if moment.year not in PLAUSIBLE_YEARS:
        return Check("clock", detail, "set the system's clock")
    if abs(apart_ms) > _CLOCK_SLACK_MS:
        return Check(
            "clock",
            f"{detail}; stepped by {apart_ms} ms while being watched",
            "let one program alone set the clock, slowly (chronyd, timesyncd)",
        )
    return Check("clock", detail + _SYNCHRONISED[synchronised])


def synchronised() -> bool | None:
    """Ask the kernel whether something disciplines its clock (adjtimex(2))."""
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None:  # not Linux
        return None
    state: int = adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else state != _TIME_ERROR
