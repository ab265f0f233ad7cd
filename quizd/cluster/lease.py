"""The lease, kept in a thread of its own.

A renewal is small and has half a second to go out, be answered and be read. On the
loop that serves players it would stand in line with them: when thousands come at once,
a turn of that loop takes longer than that, and a shard that lives would lose its lease
for being busy. So `Members` runs on a loop of its own, in a thread, with a client of
its own, and needs the interpreter for a moment twice a second.

What it says is done on the players' loop, in the order in which it was said. That may
be late, so three things are never asked of what was said:

*Whether we may act* is read from the deadline itself. A renewal that was answered
counts at once, and one that was not is over at once.

*A lease that was lost* is not held again before *on_regained* has been called on the
players' loop. Losses are counted by the thread; what is regained names the loss that
it makes good, and counts only while that is the last one.

*A loop that stands still* is as dead as a process: where it has not turned for
`STUCK_S`, nothing is renewed for it, and others take over.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any, Protocol, TypeVar

from quizd.cluster.base import LeaseGone, Member, RedisClient
from quizd.cluster.members import Heed, Members, tell
from quizd.cluster.members_view import Changes
from quizd.cluster.ring import Ring
from quizd.redis_client import hang_up, overlook_dropped

STUCK_S = 10.0
"""For so long a loop may be busy with one thing; nothing that quizd does takes it."""

T = TypeVar("T")


class Membership(Protocol):
    """Who lives, as it is asked for sessions. See `LeaseThread` for what each says."""

    @property
    def me(self) -> Member:
        """This shard."""
        ...

    def live(self) -> tuple[Member, ...]:
        """Who lives."""
        ...

    def ring(self) -> Ring:
        """Who may be given something new."""
        ...

    def orphans(self, entries: Iterable[tuple[str, str]]) -> list[str]:
        """Tell what falls to this shard."""
        ...

    async def leave(self) -> None:
        """Take nothing new."""
        ...

    async def refresh(self) -> None:
        """Bring all of it up to date."""
        ...


class LeaseThread:
    """`Members` in a thread; *heed* is called on the loop that `start` was called on.

    *client* is used in the thread alone, and closed there in the end. Times in ms.
    Raises ``ValueError`` as `Members` does.
    """

    def __init__(
        self,
        client: RedisClient,
        me: Member,
        *,
        lease_ms: int = 1500,
        renew_ms: int = 500,
        heed: Heed | None = None,
    ) -> None:
        self.renewed_s = float("-inf")
        self._client = client
        self._heed = heed or Heed()
        self._look_s = renew_ms / 1000
        self._there: asyncio.AbstractEventLoop
        self._here: asyncio.AbstractEventLoop
        self._thread = Thread(target=self._run, name="lease", daemon=True)
        self._members = Members(
            client,
            me,
            lease_ms=lease_ms,
            renew_ms=renew_ms,
            heed=Heed(
                on_change=lambda changes: self._say(self._on_change, changes),
                on_lost=self._lose,
                on_regained=self._regain,
                on_evicted=lambda: self._say(self._on_evicted),
                is_awake=self._is_awake,
            ),
        )
        self._losses = 0
        self._made_good = -1
        self._gone = False
        self._regained = asyncio.Event()
        self._turned_s = 0.0
        self._turn: asyncio.TimerHandle | None = None

    # -- life ----------------------------------------------------------------------

    async def start(self) -> None:
        """Take our shard's place, and keep the lease from now on.

        Raises `ClusterUnavailable` if that does not succeed within one lease.
        """
        self._here = asyncio.get_running_loop()
        self._there = asyncio.SelectorEventLoop()
        self._note_turn()
        self._thread.start()
        starting = asyncio.run_coroutine_threadsafe(self._members.start(), self._there)
        try:
            await asyncio.wrap_future(starting)
        except BaseException:
            starting.cancel()
            await self._ask(self._members.stop())  # it may have the place already
            await self._end()
            raise
        self._made_good = max(self._made_good, 0)

    async def stop(self) -> None:
        """Give the lease back: from now on others may take what we had."""
        self._end_of_us()
        await self._ask(self._members.stop())
        await self._end()

    async def leave(self) -> None:
        """Take nothing new; what we have stays ours until it is handed over."""
        await self._ask(self._members.leave())

    async def refresh(self) -> None:
        """Return when `ring` is settled, and has all who had joined before the call.

        Raises `ClusterUnavailable` where Redis does not answer.
        """
        await self._ask(self._members.refresh())

    # -- who lives -----------------------------------------------------------------

    @property
    def me(self) -> Member:
        """This shard as others see it."""
        return self._members.me

    def live(self) -> tuple[Member, ...]:
        """Return who lived at the last renewal, by shard, leaving ones included."""
        return self._members.live()

    def ring(self) -> Ring:
        """Return the ring of those who live and stay."""
        return self._members.ring()

    @property
    def settled(self) -> bool:
        """Whether who is not in `live` has had a whole lease to say that it lives."""
        return self._members.settled

    def orphans(self, entries: Iterable[tuple[str, str]]) -> list[str]:
        """Return which of *entries*, ``(session id, owner)``, we should take over."""
        return self._members.orphans(entries) if self.holds() else []

    # -- whether we may act --------------------------------------------------------

    def holds(self) -> bool:
        """Tell whether we may act at this very moment."""
        lost = self._gone or self._made_good != self._losses
        return not lost and self._members.holds()

    async def held(self) -> None:
        """Wait until we may act; raise `LeaseGone` if that will never be."""
        while not self.holds():
            if self._gone:
                raise LeaseGone(f"{self.me.owner} has no lease any more")
            self._regained.clear()
            # A deadline may pass between a renewal's look at it and its being moved:
            # then nothing was lost that would be told as regained.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look_s):
                    await self._regained.wait()

    # -- in the thread -------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._there)
        overlook_dropped(self._there)
        self._there.run_forever()
        self._there.run_until_complete(self._there.shutdown_asyncgens())
        self._there.close()

    def _is_awake(self) -> bool:
        return self._there.time() - self._turned_s < STUCK_S

    def _lose(self) -> None:
        self._losses += 1
        self._say(self._on_lost, self._members.renewed_s)

    def _regain(self, certain: bool) -> None:  # noqa: FBT001 - as it is called
        self._say(self._on_regained, certain, self._losses)

    def _say(self, heed: Callable[..., None], *args: object) -> None:
        """Have it done there once what goes on here is complete: the new deadline."""
        words = partial(heed, *args)
        self._there.call_soon(self._here.call_soon_threadsafe, words)

    # -- on the players' loop ------------------------------------------------------

    async def _ask(self, work: Coroutine[Any, Any, T]) -> T:
        """Have *work* done in the thread; it is done also if nobody waits any more."""
        doing = asyncio.run_coroutine_threadsafe(work, self._there)
        return await asyncio.shield(asyncio.wrap_future(doing))

    async def _end(self) -> None:
        """End the thread, and what it has."""
        self._end_of_us()
        if self._turn is not None:
            self._turn.cancel()
        await self._ask(hang_up(self._client))
        self._there.call_soon_threadsafe(self._there.stop)
        self._thread.join()

    def _note_turn(self) -> None:
        """Show that this loop turns."""
        self._turned_s = self._there.time()
        self._turn = self._here.call_later(self._look_s, self._note_turn)

    def _on_change(self, changes: Changes) -> None:
        tell(self._heed.on_change, changes)

    def _on_lost(self, renewed_s: float) -> None:
        self.renewed_s = renewed_s
        tell(self._heed.on_lost)

    def _on_regained(self, certain: bool, losses: int) -> None:  # noqa: FBT001 - as it is called
        tell(self._heed.on_regained, certain)
        self._made_good = losses
        self._regained.set()

    def _on_evicted(self) -> None:
        self._end_of_us()
        tell(self._heed.on_evicted)

    def _end_of_us(self) -> None:
        """Never act again; whoever waits hears of it."""
        self._gone = True
        self._regained.set()
