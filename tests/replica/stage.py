"""Shards in one process and in virtual time, on a journal and a link in memory."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, cast

from quizd._fast.inbox import Inbox
from quizd.cluster.base import Member
from quizd.cluster.directory import LocalDirectory
from quizd.cluster.link.memory import MemoryHub, MemoryLink
from quizd.cluster.members_placement import orphans
from quizd.cluster.members_view import staying
from quizd.cluster.ring import Ring
from quizd.codes import Close, Refused
from quizd.journal.base import Claim, Journal, SessionEntry
from quizd.journal.memory import MemoryJournal
from quizd.owner.handle import Handle
from quizd.owner.owner import Owner, OwnerSettings
from quizd.owner.runner import Limits, Runner
from quizd.owner.subscriber import Subscriber
from quizd.replica.exchange import PULSE_S, Exchange
from quizd.replica.follower import Follower
from quizd.replica.followers import Followers
from quizd.replica.relays import Relays
from quizd.replica.sessions import ClusterSessions
from quizd.replica.takeovers import Takeovers
from quizd.session import effects as fx
from tests.owner.stage import LoopClock
from tests.session.play import quiz

CERTAINTY_S = 1.0
RETRY_S = 0.5


class NamedJournal:
    """The journal as one shard has it: what it creates and claims is its own."""

    def __init__(
        self, journal: MemoryJournal, name: str, owners: dict[str, str]
    ) -> None:
        self._journal = journal
        self._name = name
        self._owners = owners

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the journal's own
        return getattr(self._journal, name)

    async def create(self, session_id: str, *rest: Any) -> int:  # noqa: ANN401
        """Own what is created."""
        self._owners[session_id] = self._name  # nobody sees it before it is there
        return await self._journal.create(session_id, *rest)

    async def claim(self, session_id: str, now_ms: int) -> Claim:
        """Own what is claimed."""
        claim = await self._journal.claim(session_id, now_ms)
        self._owners[session_id] = self._name
        return claim

    async def entry(self, session_id: str) -> SessionEntry:
        """Tell the owner."""
        entry = await self._journal.entry(session_id)
        return replace(entry, owner=self._owners[session_id])

    async def sessions(self) -> list[SessionEntry]:
        """Tell the owners."""
        entries = await self._journal.sessions()
        return [replace(e, owner=self._owners[e.session_id]) for e in entries]


class StageLines:
    """The connections of one session at one shard: notes what they would be told."""

    def __init__(self, handle: Handle) -> None:
        self.handle = handle
        self.heard: list[fx.Effect] = []
        self.repeated: list[tuple[int, int]] = []
        self.refused: list[tuple[int, str]] = []
        self.replaced: list[int] = []
        self.closed: list[Close] = []
        self.shown = 0
        self.fan_out = 0.0

    @property
    def inbox(self) -> Inbox:
        """Where answers are put."""
        return self.handle.inbox

    @property
    def in_flight(self) -> int:
        """Nothing is on its way."""
        return 0

    @property
    def is_watched(self) -> bool:
        """Whether players are here."""
        return isinstance(self.handle, Follower) and bool(self.handle.here)

    def adopt(self, handle: Handle) -> None:
        """Go on with *handle*."""
        assert handle.inbox is self.handle.inbox
        self.handle = handle

    def release(self, effects: Iterable[fx.Effect]) -> None:
        """Note *effects*."""
        self.heard += effects

    def repeat(self, participant: int, index: int) -> None:
        """Note it."""
        self.repeated.append((participant, index))

    def refuse(self, participant: int, refused: Refused) -> None:
        """Note it."""
        self.refused.append((participant, refused.reason.value))

    def replace(self, participant: int, _: str) -> None:
        """Note it."""
        self.replaced.append(participant)

    def close_all(self, code: Close) -> None:
        """Note it."""
        self.closed.append(code)

    def show_anew(self) -> None:
        """Note it."""
        self.shown += 1

    def fan_out_ms(self) -> float:
        """Return what the test has set."""
        return self.fan_out

    @property
    def seqs(self) -> list[int]:
        """The numbers of the broadcasts."""
        return [e.seq for e in self.heard if isinstance(e, fx.Broadcast)]

    def results(self) -> list[tuple[int, int]]:
        """Return whose answers to which question have a result."""
        return [
            (who, effect.index)
            for effect in self.heard
            if isinstance(effect, fx.SendResults)
            for who in effect.participants
        ]


class StageMembers:
    """The membership as the stage sets it; the lease always holds."""

    def __init__(self, me: Member, live: dict[str, Member]) -> None:
        self.me = me
        self._live = live

    def live(self) -> tuple[Member, ...]:
        """Return who is there."""
        return tuple(self._live.values())

    def ring(self) -> Ring:
        """Return the ring of those who stay."""
        return staying(self._live.values())

    def orphans(self, entries: Iterable[tuple[str, str]]) -> list[str]:
        """Return what falls to this shard."""
        return orphans(entries, self.live(), self.me)

    async def refresh(self) -> None:
        """The view is never old."""

    async def leave(self) -> None:
        """Take nothing new."""
        self.me = self._live[self.me.shard] = replace(self.me, leaving=True)


class StageShard:
    """One shard: all that a node joins, but for the lease."""

    def __init__(self, cluster: "Cluster", name: str) -> None:
        me = Member(name, "1", "", f"{name}:1")
        cluster.live[name] = me
        self.name = me.owner
        self._clock = cluster.clock
        self.all_lines: dict[str, StageLines] = {}
        self.link = MemoryLink(cluster.hub)
        self.exchange = Exchange(self.link, self.name)
        self.members = StageMembers(me, cluster.live)
        journal = cast(
            "Journal", NamedJournal(cluster.journal, self.name, cluster.owners)
        )
        limits = Limits(waiting=1000, lead_min_ms=300)
        self.owner = Owner(
            journal,
            cluster.clock,
            OwnerSettings(sessions=100, runner=limits),
            self._subscribe,
        )
        self.relays = Relays(self.exchange)
        self.followers = Followers(
            self.exchange, journal, cluster.clock, self, 1000, cluster.certainty
        )
        self.sessions = ClusterSessions(
            owner=self.owner,
            followers=self.followers,
            exchange=self.exchange,
            directory=cluster.directory,
            members=self.members,
        )
        self.takeovers = Takeovers(
            owner=self.owner,
            followers=self.followers,
            relays=self.relays,
            exchange=self.exchange,
            journal=journal,
            members=self.members,
            clock=cluster.clock,
            keeper=self,
        )
        self.takeovers.on_unfinished = self._look_soon
        self._pulse = asyncio.create_task(self._pulsing())
        self._looking: asyncio.Task[None] | None = None

    def _subscribe(self, runner: Runner) -> Subscriber:
        return self.takeovers.subscribe(runner)

    def lines(self, session_id: str, handle: Handle) -> StageLines:
        """Make a session's connections; there is one place for all who come."""
        elder = self.all_lines.get(session_id)
        if elder is not None:
            elder.close_all(Close.SERVICE_RESTART)
        made = self.all_lines[session_id] = StageLines(handle)
        return made

    def forget(self, session_id: str) -> None:
        """Drop a session's connections."""
        self.all_lines.pop(session_id, None)

    async def start(self) -> None:
        """Join the others."""
        await self.link.start()
        await self.exchange.start()
        self.owner.start()

    def _look_soon(self) -> None:
        self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        await asyncio.sleep(RETRY_S)
        await self.takeovers.take_orphans()

    async def _pulsing(self) -> None:
        while True:
            await asyncio.sleep(PULSE_S)
            self.relays.pulse(self._clock.now_ms())
            self.followers.pulse()

    async def die(self) -> None:
        """Say nothing more, hear nothing more."""
        self._pulse.cancel()
        if self._looking is not None:
            self._looking.cancel()
        await self.link.stop()
        self.followers.stop()
        await self.owner.stop()

    def runner(self, session_id: str) -> Runner:
        """Return the runner of a session that is owned here."""
        runner = self.owner.known(session_id)
        assert runner is not None
        return runner

    async def follower(self, session_id: str) -> Follower:
        """Return the follower of a session, with its state."""
        handle = await self.sessions.session(session_id)
        assert isinstance(handle, Follower)
        return handle


class Cluster:
    """Shards ``a``, ``b`` …, for ``async with``."""

    def __init__(self, shards: int = 2) -> None:
        self.hub = MemoryHub()
        self.journal = MemoryJournal()
        self.clock = LoopClock()
        self.directory = LocalDirectory(self.clock)
        self.owners: dict[str, str] = {}
        self.live: dict[str, Member] = {}
        self.shards = [StageShard(self, "abcdef"[at]) for at in range(shards)]

    async def __aenter__(self) -> Self:
        await self.journal.start()
        for shard in self.shards:
            await shard.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for shard in self.shards:
            await shard.die()
        await self.journal.stop()

    async def open(self, quiz_id: str = "colours", **settings: Any) -> str:  # noqa: ANN401
        """Open a session through the first shard; return its id."""
        handle = await self.shards[0].sessions.open(quiz_id, quiz(**settings))
        return handle.state.session_id

    async def certainty(self) -> None:
        """Wait for as long as owners may take to give the journal back what it lost."""
        await asyncio.sleep(CERTAINTY_S)

    def forget_behind(self, session_id: str, index: int) -> None:
        """Let the journal be as it was when *index* was the latest batch."""
        session = self.journal._sessions[session_id]
        for lost in range(index + 1, session.last_index + 1):
            del session.log[lost]
        session.last_index, session.hash = index, session.log[index].hash

    def owner_of(self, session_id: str) -> StageShard:
        """Return the shard that owns a session."""
        (found,) = [s for s in self.shards if s.owner.known(session_id) is not None]
        return found

    def others(self, session_id: str) -> list[StageShard]:
        """Return the shards that don't own it."""
        return [s for s in self.shards if s.owner.known(session_id) is None]

    async def bury(self, shard: StageShard) -> None:
        """Let *shard* die, and the others know it."""
        await shard.die()
        self.shards.remove(shard)
        del self.live[shard.members.me.shard]
        for other in self.shards:
            other.relays.drop(shard.name)
            other.followers.suspect(shard.name)
            await other.takeovers.take_orphans()
