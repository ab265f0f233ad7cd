"""This shard's part in the cluster: its lease, its post, and what it does by itself.

Three things go on beside the sessions. The lease is renewed, and whoever has lost it
waits. Every :data:`quizd.replica.exchange.PULSE_S` owners and followers tell each other
where they stand. And whenever the members change, the journal is looked through for
sessions whose owner is gone.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite

from quizd.clock import Clock
from quizd.cluster.base import AddressBook, ClusterUnavailable, Member
from quizd.cluster.lease import LeaseThread
from quizd.cluster.link.base import Link
from quizd.cluster.members import Heed
from quizd.cluster.members_view import Changes
from quizd.journal.base import Journal, JournalUnavailable
from quizd.log import get_logger
from quizd.owner.owner import Owner, OwnerSettings
from quizd.owner.runner import Runner
from quizd.owner.subscriber import Subscriber
from quizd.redis_client import Client, RedisOptions, check, connect, hang_up
from quizd.replica.exchange import PULSE_S, Exchange
from quizd.replica.followers import Followers
from quizd.replica.lines import LineKeeper
from quizd.replica.relays import Relays
from quizd.replica.sessions import ClusterSessions
from quizd.replica.takeovers import Takeovers
from quizd.session import events as ev

LOOK_AROUND_S = 10.0
"""Between two looks for orphans when nothing has changed: a net below the net."""

RETRY_S = 0.5

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wiring:
    """What a node is made of. Times in milliseconds."""

    me: Member
    options: RedisOptions
    client: Client
    link: Link
    journal: Journal
    directory: AddressBook
    clock: Clock
    settings: OwnerSettings
    lease_ms: int
    renew_ms: int


class Node:
    """A shard among others.

    *keeper* has the connections; *on_evicted* is
    called when another process has taken this shard's place, which ends this one.
    """

    def __init__(
        self,
        wiring: Wiring,
        keeper: LineKeeper,
        on_evicted: Callable[[], None],
    ) -> None:
        self._wiring = wiring
        self._lost_ms: int | None = None
        self.warnings: list[str] = []
        self._joined = False
        self._stopping = False
        self._was_settled = False
        self._doubt = asyncio.Event()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        clock, journal = wiring.clock, wiring.journal
        self.members = LeaseThread(
            connect(wiring.options, f"{wiring.me.shard}-lease"),
            wiring.me,
            lease_ms=wiring.lease_ms,
            renew_ms=wiring.renew_ms,
            heed=Heed(
                on_change=self._on_change,
                on_lost=self._on_lost,
                on_regained=self._on_regained,
                on_evicted=on_evicted,
            ),
        )
        self.owner = Owner(
            journal,
            clock,
            wiring.settings,
            self._subscribe,
            lease=self.members,
        )
        self.exchange = Exchange(wiring.link, wiring.me.owner)
        self.relays = Relays(self.exchange)
        waiting_max = wiring.settings.runner.waiting
        self.followers = Followers(
            self.exchange, journal, clock, keeper, waiting_max, self._certainty
        )
        self.sessions = ClusterSessions(
            owner=self.owner,
            followers=self.followers,
            exchange=self.exchange,
            directory=wiring.directory,
            members=self.members,
        )
        self.takeovers = Takeovers(
            owner=self.owner,
            followers=self.followers,
            relays=self.relays,
            exchange=self.exchange,
            journal=journal,
            members=self.members,
            clock=clock,
            keeper=keeper,
        )
        self.takeovers.on_unfinished = self._look_soon
        self.exchange.on_gap.append(self._on_gap)

    def _subscribe(self, runner: Runner) -> Subscriber:
        return self.takeovers.subscribe(runner)

    # -- life ----------------------------------------------------------------------

    async def check(self) -> None:
        """Ask Redis who it is; raise ``RedisUnusable``, which says what is wrong."""
        await check(self._wiring.client, self._wiring.options)

    async def start(self) -> int:
        """Join the cluster; return how many sessions were taken over.

        Raises `ClusterUnavailable` and `JournalUnavailable` where Redis is away.
        """
        await self._wiring.link.start()
        await self.exchange.start()
        await self.members.start()
        self._joined = True
        entries = await self._wiring.journal.sessions()
        await self._wiring.directory.rebuild(entries)
        self.owner.start()
        taken = await self.takeovers.take_orphans()
        self._tasks = [
            asyncio.create_task(self._pulse()),
            asyncio.create_task(self._look_around()),
            asyncio.create_task(self._mend_directory()),
        ]
        return taken

    def state(self) -> dict[str, str]:
        """Return how the cluster looks from here, for people."""
        members = self.members.live()
        leaving = sum(member.leaving for member in members)
        lease = "held" if self.members.holds() else "lost: nothing is decided"
        link = "connected" if self._wiring.link.connected else "broken"
        found = {
            "shard": self.members.me.shard,
            "shards": f"{len(members)} alive, {leaving} of them leaving",
            "lease": lease,
            "link": link,
        }
        warnings = {f"warning {n}": text for n, text in enumerate(self.warnings, 1)}
        return found | warnings

    def gauges(self) -> list[tuple[str, str, Callable[[], float]]]:
        """Return what is to be measured of this shard's part in the cluster."""
        counters = self._wiring.link.counters
        return [
            (
                "quizd_cluster_members",
                "Shards that are alive, as this one sees it.",
                lambda: len(self.members.live()),
            ),
            (
                "quizd_cluster_lease_held",
                "1 while this shard may speak for its sessions.",
                lambda: float(self.members.holds()),
            ),
            (
                "quizd_cluster_followed_sessions",
                "Sessions of other shards that have players here.",
                lambda: len(self.followers),
            ),
            (
                "quizd_cluster_waiting_answers",
                "Answers that are here or on their way to an owner elsewhere.",
                lambda: sum(follower.waiting for follower in self.followers),
            ),
            (
                "quizd_link_connected",
                "1 while the link to other shards is up.",
                lambda: float(self._wiring.link.connected),
            ),
            (
                "quizd_link_waiting_bytes",
                "Bytes that wait to be published.",
                lambda: self._wiring.link.waiting[1],
            ),
            (
                "quizd_link_published_messages_total",
                "Messages published since the start.",
                lambda: counters.published,
            ),
            (
                "quizd_link_dropped_messages_total",
                "Messages that did not reach Redis: their takers repair.",
                lambda: counters.dropped,
            ),
            (
                "quizd_link_gaps_total",
                "Times that messages were missed, each repaired from the journal.",
                lambda: self.exchange.gaps,
            ),
        ]

    async def leave(self) -> None:
        """Give all sessions to others; they are followed here from then on."""
        if self._joined:
            with suppress(ClusterUnavailable):
                await self.takeovers.hand_over()

    async def stop(self) -> None:
        """Leave the cluster."""
        self._stopping = True  # a cancellation may end in a call to Redis
        self._changed.set()
        self._doubt.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(self.sessions.stop(), self.takeovers.stop())
        self.followers.stop()
        await self.owner.stop()
        await self.exchange.stop()
        if self._joined:
            await self.members.stop()
        await self._wiring.link.stop()
        await hang_up(self._wiring.client)

    # -- what goes on -----------------------------------------------------------------

    async def _pulse(self) -> None:
        while True:
            await asyncio.sleep(PULSE_S)
            self.relays.pulse(self._wiring.clock.now_ms())
            self.followers.pulse()

    async def _look_around(self) -> None:
        """Take over what falls to us, when members change and now and then."""
        wait_s = LOOK_AROUND_S
        while not self._stopping:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            self._changed.clear()
            try:
                await self.takeovers.take_orphans()
                self.warnings = await self._wiring.journal.warnings()
                wait_s = LOOK_AROUND_S
            except (JournalUnavailable, ClusterUnavailable) as error:
                log.warning("takeover_waits", error=str(error))
                wait_s = RETRY_S

    async def _certainty(self) -> None:
        """Wait for two renewals, and until all have had the time to come back."""
        renew_s = self._wiring.renew_ms / 1000
        await asyncio.sleep(2 * renew_s)
        while not (self._stopping or self.members.settled):  # noqa: ASYNC110
            await asyncio.sleep(renew_s)

    async def _mend_directory(self) -> None:
        """Bring the directory in line whenever Redis may have lost it.

        By the time that the members are certain to be settled again, owners that live
        have given the journal back what it lost.
        """
        while not self._stopping:
            await self._doubt.wait()
            self._doubt.clear()
            await self._certainty()
            try:
                entries = await self._wiring.journal.sessions()
                await self._wiring.directory.rebuild(entries)
            except (JournalUnavailable, ClusterUnavailable) as error:
                log.warning("directory_waits", error=str(error))
                self._doubt.set()
            else:
                self.sessions.in_doubt = self._doubt.is_set()

    def _on_gap(self, peer: str | None) -> None:
        """Doubt what Redis does not know, once it has cut a line off: it may be new."""
        if peer is None:
            self.sessions.in_doubt = True
            self._doubt.set()

    def _on_change(self, changes: Changes) -> None:
        if self._was_settled and not changes.settled:
            self._on_gap(None)
        self._was_settled |= changes.settled
        for member in changes.gone:
            log.info("shard_gone", shard=member.shard, owner=member.owner)
            self.exchange.forget(member.owner)
            self.relays.drop(member.owner)
            self.followers.suspect(member.owner)
        for member in changes.joined:
            log.info("shard_joined", shard=member.shard, owner=member.owner)
        self._changed.set()

    def _look_soon(self) -> None:
        asyncio.get_running_loop().call_later(RETRY_S, self._changed.set)

    def _on_lost(self) -> None:
        """Note since when nobody could know that sessions are run: the last renewal.

        A process that was stopped hears of it only when it goes on.
        """
        silent_s = asyncio.get_running_loop().time() - self.members.renewed_s
        silent_ms = round(silent_s * 1000) if isfinite(silent_s) else 0
        self._lost_ms = self._wiring.clock.now_ms() - silent_ms

    def _on_regained(self, certain: bool) -> None:  # noqa: FBT001 - as it is called
        """Give the time back in which nothing could be decided.

        That appends a record, which the journal refuses where another shard has taken
        the session over meanwhile: nobody is answered before that is known.
        """
        since_ms, self._lost_ms = self._lost_ms, None
        log.info("sessions_go_on", certain=certain)
        if since_ms is None:
            return
        for runner in self.owner.runners():
            if not runner.ended.done():
                runner.notice_outage(ev.OutageNoticed(since_ms))
