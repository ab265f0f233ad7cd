"""Membership: who lives, and whether we may act.

Every shard keeps a **lease**: it renews its record in one Redis hash (every 0.5 s)
and may act until its **deadline** (1.5 s after the renewal was sent, less a margin).
The same script that renews reads everybody else and decides who is dead, so that all
members are told the same, in the order in which Redis runs them. Five rules make
this safe, as far as clocks can; the terms in the journal make it safe beyond.

*The deadline comes first.* It counts from before the renewal was sent, on the
monotonic clock, which goes on while a process is stopped. Redis counts from when the
renewal arrived, which is later, and declares dead only after the whole lease. So an
owner has fallen silent before anybody may follow it, and one that wakes up from
SIGSTOP finds its deadline passed before it can do anything.

*Dead is who was silent while somebody listened.* The script notes since when
renewals have come in without a gap (half a lease), to one process of Redis, under a
clock that was not set back. Silence counts from then on. After Redis was away,
paused, restarted, wiped, failed over, or had its clock moved, everyone therefore has
a whole lease to come back before anybody is declared dead; the view is then
**settled** again, and only then sessions may be taken over.

*Nothing is decided alone.* While renewals fail, the view stays as it was: nobody is
gone, nobody has joined. Our own deadline is all that moves.

*Being declared dead is remembered.* The verdict is written into the record. An
instance that comes back learns whether it was spoken: if not, nobody has taken
anything from it, and it goes on under its terms; if so, or if Redis has forgotten,
it has to compare its terms with the journal before it answers from what it knows.

*A shard is one instance.* A new one takes the place of the old one at once, and the
old one hears of it at its next renewal. Only one that lives on another machine is left
alone: there it is no restart, but two who were given one name. Instances are ordered
by Redis's time of their arrival, so that an old one cannot come back into a hash that
was wiped.
"""

import asyncio
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeVarTuple

from quizd.cluster.base import (
    ClusterUnavailable,
    LeaseGone,
    Member,
    RedisClient,
)
from quizd.cluster.members_placement import orphans
from quizd.cluster.members_script import Register, Reply
from quizd.cluster.members_view import Changes, View, staying
from quizd.cluster.ring import Ring
from quizd.log import get_logger
from quizd.redis_client import TROUBLE

__all__ = ["Changes", "Heed", "Member", "Members"]

MARGIN = 0.1
"""Part of the lease that is not used: clocks differ, and messages travel."""

LEASES_TO_DIE = 3
"""For so many leases a newcomer waits for a namesake on another machine to die."""

_KEEP_GONE_MS = 60_000
_NEVER_S = float("-inf")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

log = get_logger(__name__)
_Args = TypeVarTuple("_Args")


def _ignore(*_: object) -> None:
    """Do nothing about what happened."""


def _always() -> bool:
    return True


def tell(callback: Callable[[*_Args], None], *args: *_Args) -> None:
    """Call back; an exception is logged and ends there."""
    try:
        callback(*args)
    except Exception:
        log.exception("lease_callback_failed")


@dataclass(frozen=True, slots=True)
class Heed:
    """What to call, on the loop and at once; an exception is logged and ends there.

    *on_change* gets every change of the view, the first one when we join.
    *on_lost* is called when the deadline has passed. *on_regained* is called before
    `Members.holds` is true again, with whether our sessions are certainly still ours:
    where they may not be, their terms are to be compared with the journal's before
    anything is answered from them. *on_evicted* is the end of this instance. Nothing
    is renewed while *is_awake* denies that what the lease is for goes on.
    """

    on_change: Callable[[Changes], None] = _ignore
    on_lost: Callable[[], None] = _ignore
    on_regained: Callable[[bool], None] = _ignore
    on_evicted: Callable[[], None] = _ignore
    is_awake: Callable[[], bool] = _always


@dataclass(slots=True)
class _Standing:
    """What Redis has last said of ourselves, by its own time in ms."""

    born_ms: int = 0
    since_ms: int = 0
    certain: bool = True


@dataclass(slots=True)
class _Lease:
    """Until when we may act; *told* is what others think of it."""

    deadline_s: float = _NEVER_S
    told: bool = False
    regained: asyncio.Event = field(default_factory=asyncio.Event)
    timer: asyncio.TimerHandle | None = None


class Members:
    """The cluster as *me* sees it, and the lease of *me*.

    Times in ms. A renewal goes out every *renew_ms*, a third of *lease_ms* or less
    (else ``ValueError``), and is given up after half a lease; after a failure the
    next follows sooner. Records of the dead are removed after *keep_gone_ms*. Names
    of shard and instance are 1 to 64 of ``A-Z a-z 0-9 . _ -`` (else ``ValueError``).
    """

    def __init__(
        self,
        client: RedisClient,
        me: Member,
        *,
        lease_ms: int = 1500,
        renew_ms: int = 500,
        keep_gone_ms: int = _KEEP_GONE_MS,
        heed: Heed | None = None,
    ) -> None:
        if not 0 < renew_ms * 3 <= lease_ms:
            raise ValueError("a lease needs room for three renewals")
        if not (_NAME.fullmatch(me.shard) and _NAME.fullmatch(me.instance)):
            raise ValueError(f"{me.owner!r} is not made of A-Z a-z 0-9 . _ -")
        self.me = me
        self.failures = 0
        self._lease_ms = lease_ms
        self._usable_s = lease_ms * (1 - MARGIN) / 1000
        self._renew_s = renew_ms / 1000
        self._heed = heed or Heed()
        self._register = Register(client, lease_ms, keep_gone_ms)
        self._view = View()
        self._standing = _Standing()
        self._lease = _Lease()
        self._namesake: Member | None = None
        self._gone = ""
        self._answered = True
        self._turn = asyncio.Lock()
        self._sent_s = self._seen_s = _NEVER_S
        self._task: asyncio.Task[None] | None = None

    # -- life ------------------------------------------------------------------

    async def start(self) -> None:
        """Take our shard's place, and keep the lease from now on.

        Raises `ClusterUnavailable` if that does not succeed within one lease, or where
        one who has the place on another machine lives on for some.
        """
        self._loop = asyncio.get_running_loop()
        begun_s = self._loop.time()
        while not await self._try() or not self.holds():
            leases = LEASES_TO_DIE if self._namesake else 1
            if self._loop.time() - begun_s >= leases * self._usable_s:
                raise ClusterUnavailable(self._why_not())
            await asyncio.sleep(self._renew_s / 5)
        self._task = asyncio.create_task(self._keep())

    def _why_not(self) -> str:
        if self._namesake is None or not self._answered:
            return "Redis does not accept a renewal"
        where = f"on another machine, at {self._namesake.address}"
        return f"{self.me.shard} runs {where}: each needs its own cluster.name"

    async def stop(self) -> None:
        """Give the lease back: from now on others may take what we had."""
        ours = not self._gone
        if ours:
            self._lease.told = False
            self._end("stopped")
        if self._task is not None:
            # Where the client loses the cancellation (Python 3.11's ``wait_for`` does,
            # at times), the task still ends: it looks whether we are gone.
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if ours:
            with suppress(*TROUBLE):
                async with asyncio.timeout(self._usable_s / 2):
                    await self._register.remove(self.me)

    async def leave(self) -> None:
        """Take nothing new; what we have stays ours until it is handed over.

        Others know when this returns, or, where Redis is away, as soon as it is back.
        """
        self.me = replace(self.me, leaving=True)
        await self._try()

    async def refresh(self) -> None:
        """Return when the view is settled and not older than this call.

        All who wait share renewals. Raises `ClusterUnavailable` where Redis does not
        answer, or nothing is settled within two leases.
        """
        try:
            async with asyncio.timeout(2 * self._lease_ms / 1000):
                await self._look_anew()
                while not self.settled:
                    await asyncio.sleep(self._renew_s)
                    await self._look_anew()
        except TimeoutError as error:
            raise ClusterUnavailable("it is not certain who lives") from error

    async def _look_anew(self) -> None:
        asked_s = self._loop.time()
        async with self._turn:
            if self._seen_s < asked_s and not await self._renew():
                raise ClusterUnavailable("Redis does not say who lives")

    # -- who lives -------------------------------------------------------------

    def live(self) -> tuple[Member, ...]:
        """Return who lived at the last renewal, by shard, leaving ones included."""
        return self._view.members

    def ring(self) -> Ring:
        """Return the ring of those who live and stay."""
        return staying(self._view.members)

    @property
    def settled(self) -> bool:
        """Whether who is not in `live` has had a whole lease to say that it lives."""
        return self._view.settled

    def orphans(self, entries: Iterable[tuple[str, str]]) -> list[str]:
        """Return which of *entries*, ``(session id, owner)``, we should take over now.

        None while we may not act or do not know who is dead: `Heed.on_change` and
        `Heed.on_regained` are the moments to ask.
        """
        if not (self.holds() and self._view.settled):
            return []
        return orphans(entries, self._view.members, self.me)

    # -- whether we may act ----------------------------------------------------

    def holds(self) -> bool:
        """Tell whether we may act at this very moment."""
        return self._lease.deadline_s > _NEVER_S and (
            self._loop.time() < self._lease.deadline_s
        )

    @property
    def deadline_s(self) -> float:
        """Until when we may act unless we renew, by ``loop.time()``."""
        return self._lease.deadline_s

    @property
    def renewed_s(self) -> float:
        """When the renewal was sent that gave us the lease, by ``loop.time()``."""
        return self._lease.deadline_s - self._usable_s

    async def held(self) -> None:
        """Wait until we may act; raise `LeaseGone` if that will never be."""
        while not self.holds():
            if self._gone:
                raise LeaseGone(f"{self.me.owner} was {self._gone}")
            self._expire()
            await self._lease.regained.wait()

    # -- renewing --------------------------------------------------------------

    async def _keep(self) -> None:
        """Renew again and again: regularly, and five times as often after a failure."""
        renewed = True
        while not self._gone:
            due_s = self._sent_s + self._renew_s * (1 if renewed else 0.2)
            await asyncio.sleep(due_s - self._loop.time())
            while not self._heed.is_awake():  # noqa: ASYNC110 - it can't tell
                await asyncio.sleep(self._renew_s / 5)
            renewed = await self._try()

    async def _try(self) -> bool:
        """Renew once; tell whether Redis has answered."""
        async with self._turn:
            return await self._renew()

    async def _renew(self) -> bool:
        self._sent_s = sent_s = self._loop.time()
        try:
            async with asyncio.timeout(self._usable_s / 2):
                reply = await self._register.renew(self.me, self._standing.born_ms)
        except Exception as error:  # also what can't be read: nobody else would renew
            self.failures += 1
            if self._answered:
                bug = not isinstance(error, TROUBLE)
                log.warning("lease_not_renewed", error=repr(error), exc_info=bug)
            self._answered = False
            return False
        self._answered = True
        if not self._gone:
            self._take(reply, sent_s)
        self._seen_s = sent_s
        return True

    def _take(self, reply: Reply, sent_s: float) -> None:
        """Let *reply* to the renewal that was sent at *sent_s* be what we know."""
        if reply.evicted:
            log.error(
                "replaced_by_another_instance",
                owner=self.me.owner,
                hint="if this goes on, two machines have the same cluster.name",
            )
            self.me = replace(self.me, leaving=True)  # nothing falls to us any more
            self._end("replaced")
            return tell(self._heed.on_evicted)
        self._namesake = reply.taken_by
        if self._namesake:
            return None
        self._expire()
        before, self._view = self._view, self._view.after(reply, self._lease_ms)
        self._note_standing(reply)
        self._extend(sent_s + self._usable_s)
        changes = self._view.since(before)
        if changes is not None:
            tell(self._heed.on_change, changes)
        return None

    def _note_standing(self, reply: Reply) -> None:
        """Note whether others may have taken over since we last held the lease."""
        standing = self._standing
        standing.certain &= reply.since_ms == standing.since_ms
        standing.born_ms, standing.since_ms = reply.born_ms, reply.since_ms

    def _extend(self, deadline_s: float) -> None:
        """Let the lease last until *deadline_s*, unless that is over already."""
        if deadline_s <= self._loop.time():
            return
        lease, first = self._lease, self._lease.deadline_s == _NEVER_S
        if not lease.told and not first:
            log.info("lease_regained", certain=self._standing.certain)
            tell(self._heed.on_regained, self._standing.certain)
        # From a lease that is held nobody takes, even if Redis lost its record.
        self._standing.certain = lease.told = True
        lease.deadline_s = deadline_s
        lease.regained.set()
        self._watch()

    # -- losing ----------------------------------------------------------------

    def _watch(self) -> None:
        """Look when the deadline has come; a loop's timers may be early by a tick."""
        if self._lease.timer is not None:
            self._lease.timer.cancel()
        self._lease.timer = self._loop.call_at(self._lease.deadline_s, self._look)

    def _look(self) -> None:
        self._expire()
        if self._lease.told:
            self._watch()

    def _expire(self) -> None:
        """Say that the lease is lost if it is and nobody was told."""
        if self._lease.told and not self.holds():
            self._lease.told = False
            self._lease.regained.clear()
            log.warning("lease_lost", owner=self.me.owner)
            tell(self._heed.on_lost)

    def _end(self, why: str) -> None:
        """Never act again; whoever waits hears of it."""
        self._gone = why
        self._lease.deadline_s = _NEVER_S
        self._expire()
        if self._lease.timer is not None:
            self._lease.timer.cancel()
        self._lease.regained.set()
