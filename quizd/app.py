"""The one place where the parts are joined: a shard, from its settings.

Order matters at both ends. Starting: the journal, the store as far as it is there, then
the sessions that the journal remembers, and only then the port. Stopping: the port, the
connections, what is written behind, the sessions, the journal.
"""

import asyncio
import gc
import re
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from quizd import __version__, metrics
from quizd._fast.inbox import answers_refused
from quizd.accounts.tokens import (
    SECRET_MIN_BYTES,
    Tokens,
    private_file,
    secret_from,
)
from quizd.api.app import create_app
from quizd.api.joining import DirectJoin
from quizd.api.services import Services
from quizd.clock import Clock, SystemClock
from quizd.cluster.base import Member
from quizd.cluster.directory import Directory
from quizd.cluster.lease import Membership
from quizd.cluster.link.redis import RedisLink
from quizd.cluster.machine import this_machine
from quizd.edge.edge import Edge
from quizd.events import EventOptions, Events
from quizd.journal.base import Journal
from quizd.journal.memory import MemoryJournal
from quizd.journal.redis import RedisJournal
from quizd.journal.sqlite import SqliteJournal
from quizd.log import get_logger
from quizd.owner.owner import Owner, OwnerSettings
from quizd.owner.runner import Limits
from quizd.redis_client import RedisOptions, connect, overlook_dropped
from quizd.replica.node import Node, Wiring
from quizd.replica.quiz_news import QuizNews
from quizd.reports import Reports
from quizd.settings import Settings
from quizd.store.place import FILE, place_of
from quizd.store.quizzes import StoredQuizzes
from quizd.store.storage import Mine, Storage, StorageOptions, all_of
from quizd.store.write_behind.queue import OnClosed, nobody_anchors
from quizd.store.write_behind.source import Entry

Gauge = tuple[str, str, Callable[[], float]]
"""A metric's name, its help, and how it is read."""

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

# A thread that has committed gets the interpreter back this soon beside a busy loop;
# the default, 5 ms, would be most of an acknowledgement's time.
SWITCH_INTERVAL_S = 0.0005

GC_THRESHOLDS = (50_000, 20, 100)

log = get_logger(__name__)


class Alone:
    """A shard that is the only one: all sessions are its own."""

    def __init__(
        self, journal: Journal, clock: Clock, settings: Settings, edge: Edge
    ) -> None:
        self.owner = self.sessions = Owner(
            journal,
            clock,
            owner_settings(settings),
            lambda runner: edge.lines(runner.state.session_id, runner),
        )
        self.owner.on_forgotten = edge.forget

    async def check(self) -> None:
        """Look at nothing: there is no Redis."""

    async def start(self) -> int:
        """Take over what the journal remembers; return how many sessions."""
        taken = await self.owner.recover()
        self.owner.start()
        return taken

    def state(self) -> dict[str, str]:
        """Return nothing: there is no cluster."""
        return {}

    def gauges(self) -> list[Gauge]:
        """Return nothing: there is no cluster to measure."""
        return []

    async def leave(self) -> None:
        """Hand nothing over: the journal keeps it for the next start."""

    async def stop(self) -> None:
        """Stop running sessions."""
        await self.owner.stop()


class Shard:
    """One process: a port, the sessions it owns, a journal and a store.

    *index* tells the shards of one machine apart. *end* is called when another
    process has taken this one's place in the cluster.
    """

    def __init__(
        self,
        settings: Settings,
        index: int | None = None,
        end: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self.author_token = author_token(settings.author_token_path)
        ttl_s = settings.auth.token_ttl_h * 3600
        self.tokens = Tokens(key_in(settings.secret_path, "secret"), ttl_s)
        self.edge = Edge(settings, self.tokens, self.clock)
        self.place: Alone | Node
        self.events: Events | None = None
        if settings.redis.url:
            parts = clustered(settings, index or 0, self.clock)
            self.journal: Journal = parts.journal
            self.place = node = Node(parts, self.edge, end)
            self.events = make_events(settings, parts)
            kept = storage_options(
                settings, partial(left_to, node.members), self.events.anchored
            )
        else:
            self.journal = make_journal(settings)
            self.place = Alone(self.journal, self.clock, settings, self.edge)
            kept = storage_options(settings)
        self.owner = self.place.owner
        self.storage = Storage(place_of(settings), self.journal, self.clock, kept)
        self.quizzes = self.storage.quizzes
        self.reports = Reports(self.storage.reading, kept.key, self.storage.is_spared)
        self.owner.on_running.append(self.storage.listen)
        self.owner.on_released.append(self.storage.release)
        if isinstance(self.place, Node) and self.events is not None:
            self.owner.on_running.append(self.events.listen)
            share_news(self.place, self.quizzes)
        self.addresses: list[str] = []
        self.leaving = False

    async def start(self) -> None:
        """Bring back what the journal remembers, then open the port.

        Raises ``OSError`` where the port can't be had, what the journal raises where
        the data directory can't be used, ``RedisUnusable`` where Redis can't, and
        ``WrongSchema`` where the database is another quizd's.
        """
        await self.place.check()
        await self.journal.start()
        await self.storage.start()
        recovered = await self.place.start()
        gauges = self._gauges() + self.place.gauges() + self.storage.gauges()
        if self.events is not None:
            self.events.start()
            gauges += self.events.gauges()
        metrics.REGISTRY.register(metrics.GaugeCollector(gauges))
        services = self._services()
        self.addresses = await self.edge.listen(
            create_app(services), self.place.sessions, DirectJoin(services)
        )
        # What is alive now stays; the collector need not look at it again. Connections
        # live long as well, so looking at the young after every 700 finds nothing.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        log.info(
            "listening",
            addresses=self.addresses,
            recovered=recovered,
            version=__version__,
            journal=self.journal.durability,
        )

    async def stop(self) -> None:
        """Leave in peace: nobody is cut off without a word, nothing is lost."""
        self.leaving = True
        await self.place.leave()
        await self.edge.close(self.settings.timeouts.drain_s)
        await self.storage.stop()
        if self.events is not None:
            await self.events.stop()
        await self.place.stop()
        await self.journal.stop()
        log.info("stopped")

    @property
    def url(self) -> str:
        """The address that people are told."""
        server = self.settings.server
        scheme = "https" if server.tls_certificate else "http"
        return server.public_url or f"{scheme}://{self.addresses[0]}"

    def _services(self) -> Services:
        return Services(
            sessions=self.place.sessions,
            quizzes=self.quizzes,
            tokens=self.tokens,
            clock=self.clock,
            settings=self.settings,
            author_token=self.author_token,
            version=__version__,
            registry=metrics.REGISTRY,
            not_ready=lambda: "leaving" if self.leaving else "",
            durability=lambda: self.journal.durability,
            state=lambda: self.storage.state() | self.place.state(),
            reports=self.reports,
        )

    def _gauges(self) -> list[Gauge]:
        return [
            (
                "quizd_edge_connections",
                "Open WebSockets.",
                lambda: self.edge.connections,
            ),
            ("quizd_owner_sessions", "Open sessions.", lambda: len(self.owner)),
            (
                "quizd_owner_waiting_events",
                "Answers and other events that wait for their session's tick.",
                lambda: sum(runner.waiting for runner in self.owner.runners()),
            ),
            (
                "quizd_owner_answers_refused_total",
                "Answers that found their session's queue full.",
                answers_refused,
            ),
            (
                "quizd_owner_failures_total",
                "Sessions that failed and were reloaded from the journal.",
                lambda: self.owner.failures,
            ),
            (
                "quizd_journal_waiting_batches",
                "Batches that wait for a commit.",
                lambda: self.journal.depth,
            ),
            (
                "quizd_edge_dead_connections_total",
                "Connections dropped because a ping went unanswered.",
                lambda: self.edge.wheel.dropped,
            ),
        ]


def on_commit(seconds: float, _batches: int) -> None:
    """Note how long a commit took."""
    metrics.COMMIT_SECONDS.observe(seconds)


def clustered(settings: Settings, index: int, clock: Clock) -> Wiring:
    """Return what a shard among others is made of. Nothing is connected yet.

    Raises `RedisMisconfigured` where the settings of Redis can't be right.
    """
    cluster = settings.cluster
    name = cluster.name or host_name()
    me = Member(
        shard=f"{name}-{index}",
        instance=secrets.token_hex(4),
        region=cluster.region,
        address=cluster.address or f"{settings.server.host}:{settings.server.port}",
        machine=this_machine(),
    )
    if not me.machine:
        log.warning("machine_unknown", hint="see to it that cluster.name is unique")
    options = RedisOptions(**settings.redis.model_dump())
    client = connect(options, me.shard)
    return Wiring(
        me=me,
        client=client,
        options=options,
        link=RedisLink(options, me.shard),
        journal=RedisJournal(client, owner=me.owner, on_commit=on_commit),
        directory=Directory(client),
        clock=clock,
        settings=owner_settings(settings),
        lease_ms=cluster.lease_ms,
        renew_ms=cluster.renew_ms,
    )


def host_name() -> str:
    """Return this machine's name, made of what names of shards are made of."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:48] or "quizd"


def make_journal(settings: Settings) -> Journal:
    """Return the journal of a shard that is alone."""
    if settings.journal.kind == "memory":
        return MemoryJournal(on_commit=on_commit)
    return SqliteJournal(settings.data.dir / FILE, on_commit=on_commit)


def left_to(members: Membership, entries: Sequence[Entry]) -> Iterable[Entry]:
    """Return those of *entries* that this shard is to write behind.

    They are its own, and those that ended under an owner who is gone and that fall to
    this shard; the open ones among the latter are taken over anyway.
    """
    owned = [(entry.session_id, entry.owner) for entry in entries if entry.ended]
    left = set(members.orphans(owned))
    me = members.me.owner
    return [entry for entry in entries if entry.owner == me or entry.session_id in left]


def storage_options(
    settings: Settings, mine: Mine = all_of, on_closed: OnClosed = nobody_anchors
) -> StorageOptions:
    """Return the store's part of *settings*.

    *mine* picks the journal's sessions that are this shard's to write. Raises
    ``OSError`` or ``ValueError`` for a key file that can't be used.
    """
    return StorageOptions(
        key=key_in(settings.audit_key_path, "audit key"),
        database=settings.database,
        keep_ended_s=settings.journal.keep_ended_s,
        mine=mine,
        on_closed=on_closed,
    )


def make_events(settings: Settings, parts: Wiring) -> Events:
    """Return what tells other programs on Redis what is played here."""
    events = settings.events
    options = EventOptions(
        streams=events.streams,
        max_length=events.max_length,
        queue_bytes=events.queue_bytes,
        board_size=settings.leaderboard.size,
        final_size=settings.leaderboard.final_size,
        boards_per_s=events.boards_per_second,
    )
    return Events(parts.client, parts.journal, options)


def share_news(node: Node, quizzes: StoredQuizzes) -> None:
    """Have shards tell each other of quizzes that were changed."""
    news = QuizNews(node.exchange, node.members, quizzes.forget)
    quizzes.on_changed = news.tell


def owner_settings(settings: Settings) -> OwnerSettings:
    """Return the owner's part of *settings*."""
    limits = settings.limits
    return OwnerSettings(
        sessions=limits.sessions,
        capacity=limits.participants_per_session,
        renew_ms=settings.journal.renew_ms,
        runner=Limits(limits.inbox, settings.play.lead_min_ms),
    )


def key_in(path: Path, what: str) -> bytes:
    """Return the key in *path*, made on first use; *what* it is, for people.

    Raises ``OSError`` or ``ValueError``, which name the file, where it can't be used.
    """
    return _long_enough(secret_from(path), path, what)


def author_token(path: Path) -> str:
    """Return the token that lets people write and host quizzes, made on first use.

    White space around it is left out: files written by hand end in a line's end. Raises
    as :func:`key_in` does.
    """
    found = private_file(path, secrets.token_urlsafe(24).encode()).strip()
    token = _long_enough(found, path, "author token")
    if not token.isascii():
        raise ValueError(f"{path}: the author token has letters beyond ASCII")
    return token.decode()


def _long_enough(key: bytes, path: Path, what: str) -> bytes:
    if len(key) < SECRET_MIN_BYTES:
        msg = f"{path}: the {what} has {len(key)} bytes, {SECRET_MIN_BYTES} at least"
        raise ValueError(f"{msg} are needed")
    return key


Beside = Callable[[Shard], Coroutine[Any, Any, None]]


async def serve(
    settings: Settings, beside: Beside | None = None, index: int | None = None
) -> None:
    """Run a shard until SIGTERM or SIGINT, and *beside* it what is given.

    When that fails, the shard is stopped and the failure raised.
    """
    overlook_dropped(asyncio.get_running_loop())
    async with AsyncExitStack() as stack:
        leave = stack.enter_context(_told_to_leave())
        shard = Shard(settings, index, leave.set)
        stack.push_async_callback(shard.stop)
        leaving = asyncio.create_task(leave.wait())
        tasks: list[asyncio.Task[Any]] = [leaving]
        stack.push_async_callback(_cancel, tasks)
        tasks.append(asyncio.create_task(shard.start()))
        await _first_of(tasks)
        if leaving.done():
            return
        tasks[1:] = [asyncio.create_task(beside(shard))] if beside else []
        await _first_of(tasks)


async def _first_of(tasks: list[asyncio.Task[Any]]) -> None:
    """Wait for one of *tasks*; raise what it has failed with."""
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if task.done():
            task.result()


@contextmanager
def _told_to_leave() -> Iterator[asyncio.Event]:
    """Set the event at SIGTERM or SIGINT; a second one ends the process at once."""
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()

    def told() -> None:
        leave.set()
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, told)
    yield leave


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def run(
    settings: Settings, beside: Beside | None = None, index: int | None = None
) -> None:
    """Run a shard in a new event loop until it is told to stop."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with suppress(KeyboardInterrupt):
        uvloop.run(serve(settings, beside, index))
