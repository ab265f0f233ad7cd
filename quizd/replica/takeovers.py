"""How sessions change hands: taken from who is gone, lost to others, given away.

The ring says who takes over a session that has lost its owner; the journal's terms see
to it that only one can write. Whoever was the owner follows from then on, and its
connections stay where they are.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from quizd.clock import Clock
from quizd.cluster.lease import Membership
from quizd.journal.base import (
    Claim,
    Fenced,
    Journal,
    JournalUnavailable,
    Position,
    Unknown,
)
from quizd.log import get_logger
from quizd.owner.owner import Owner
from quizd.owner.presence import HERE
from quizd.owner.runner import Runner
from quizd.owner.subscriber import Subscriber
from quizd.replica.exchange import Exchange, tell_shard
from quizd.replica.followers import Followed, Followers
from quizd.replica.jobs import Jobs
from quizd.replica.lines import LineKeeper, Lines
from quizd.replica.messages import Item, Kind
from quizd.replica.relays import Relays
from quizd.replica.repair import Another, compare, tell_of_loss
from quizd.replica.replica import Replica, Shown
from quizd.session.phases import Phase

HAND_OVER_S = 5.0
HAND_OVER_AT_ONCE = 32
"""Sessions that are given away together, so that Redis syncs its file for all."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """A session as the journal has it; ``anew``: other than it was known here.

    ``lost_epoch`` is the one of which something is lost, if anything is.
    """

    replica: Replica
    anew: bool
    lost_epoch: int | None = None


def _ignore() -> None:
    """Do nothing about what happened."""


class Takeovers:
    """Takes sessions over, and gives them away.

    *on_unfinished* is called when a takeover has to be tried again.
    """

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        *,
        owner: Owner,
        followers: Followers,
        relays: Relays,
        exchange: Exchange,
        journal: Journal,
        members: Membership,
        clock: Clock,
        keeper: LineKeeper,
    ) -> None:
        self.on_unfinished: Callable[[], object] = _ignore
        self._owner = owner
        self._followers = followers
        self._relays = relays
        self._exchange = exchange
        self._journal = journal
        self._members = members
        self._clock = clock
        self._keeper = keeper
        self._taking: set[str] = set()
        self._unfinished: set[str] = set()
        self._moving: dict[str, Lines] = {}
        self._jobs = Jobs()
        exchange.handle(Kind.TAKE_OVER, self._on_take_over)
        owner.on_fenced = self.lost
        owner.on_forgotten = self._forget

    def subscribe(self, runner: Runner) -> Subscriber:
        """Connect a runner with its players, here and elsewhere."""
        session_id = runner.state.session_id
        lines = self._moving.pop(session_id, None)
        if lines is None:
            lines = self._keeper.lines(session_id, runner)
        else:
            lines.adopt(runner)
        return self._relays.add(runner, lines)

    # -- taking over ---------------------------------------------------------------

    async def take_orphans(self) -> int:
        """Take over what has lost its owner and falls to us; return how many."""
        entries = await self._journal.sessions()
        owners = [(entry.session_id, entry.owner) for entry in entries]
        orphans = self._members.orphans(owners)
        me = self._members.me.owner
        mine = {session_id for session_id, owner in owners if owner == me}
        self._unfinished &= mine
        again = sorted(self._unfinished)
        taken = await asyncio.gather(*map(self.take_over, [*orphans, *again]))
        return sum(taken)

    async def take_over(self, session_id: str) -> bool:
        """Own a session from now on; tell whether that came about.

        One that is leaving takes nothing.
        """
        if self._members.me.leaving:
            return False
        if session_id in self._taking or self._owner.known(session_id) is not None:
            return False
        self._taking.add(session_id)
        try:
            await self._take_over(session_id)
        except JournalUnavailable as error:
            # The claim may have been kept: then nobody else looks for an owner.
            self._unfinished.add(session_id)
            self.on_unfinished()
            return self._not_taken(session_id, error)
        except (Unknown, Fenced) as error:
            return self._not_taken(session_id, error)
        except Exception as error:
            log.exception("takeover_crashed", session_id=session_id)
            return self._not_taken(session_id, error)
        finally:
            self._taking.discard(session_id)
        self._unfinished.discard(session_id)
        return True

    def _not_taken(self, session_id: str, error: Exception) -> bool:
        log.warning("takeover_failed", session_id=session_id, error=str(error))
        if self._owner.known(session_id) is None:
            self._followers.put_back(session_id)
        return False

    async def _take_over(self, session_id: str) -> None:
        followed = self._followers.halt(session_id)
        claim = await self._journal.claim(session_id, self._clock.now_ms())
        found = await self._caught_up(session_id, followed, claim)
        followed = self._followers.halt(session_id)  # it may be followed only now
        if followed is not None:
            self._moving[session_id] = followed.lines
        inbox = followed.lines.inbox if followed else None
        runner = self._owner.adopt(found.replica.session, claim, inbox)
        self._followers.take_out(session_id)
        if followed is not None:
            followed.follower.hand_over(runner)
            if found.anew:
                followed.lines.show_anew()
        if found.lost_epoch is not None:
            tell_of_loss(runner.submit, found.lost_epoch)
        others = [member.owner for member in self._members.live()]
        self._relays.greet(session_id, others)

    async def _caught_up(
        self, session_id: str, followed: Followed | None, claim: Claim
    ) -> CaughtUp:
        """Return the session as far as the journal has it, from what is here."""
        replica = followed.follower.replica if followed else None
        if replica is None or followed is None:
            loaded = await Replica.load(self._journal, session_id, claim.term)
            return CaughtUp(loaded, anew=True)
        position = Position(claim.term, claim.last_index, claim.last_hash)
        found = await compare(self._journal, session_id, replica, position)
        if isinstance(found, Another):
            epoch = replica.session.state.epoch if found.lost else None
            return CaughtUp(found.replica, anew=True, lost_epoch=epoch)
        for index, batch in found.batches:
            followed.lines.release(replica.enter(index, batch, claim.term))
        return CaughtUp(replica, anew=False)

    def lost(self, runner: Runner) -> None:
        """Follow a session that another shard has taken from us.

        If none has, Redis has lost what cannot be given back: then we look again soon,
        and go on from what there is.
        """
        session_id = runner.state.session_id
        lines = self._relays.remove(session_id)
        shown = Shown(runner.index, runner.last, runner.presence.at(HERE))
        follower = self._followers.follow(session_id, lines, shown)
        runner.hand_over(follower.post, follower.look)
        self._unfinished.add(session_id)
        self.on_unfinished()

    async def hand_over(self) -> None:
        """Give all open sessions to those who come next, and follow them.

        What can't be given within :data:`HAND_OVER_S` is found in the journal.
        """
        await self._members.leave()
        gate = asyncio.Semaphore(HAND_OVER_AT_ONCE)

        async def give(runner: Runner) -> None:
            async with gate:
                await self._hand_over(runner)

        with suppress(TimeoutError):
            async with asyncio.timeout(HAND_OVER_S):
                playing = [
                    runner
                    for runner in self._owner.runners()
                    if runner.state.phase is not Phase.ENDED
                ]
                await asyncio.gather(*map(give, playing))

    async def _hand_over(self, runner: Runner) -> None:
        session_id = runner.state.session_id
        ring = self._members.ring()
        if not ring.shards:
            return  # we are the last one; the journal has it
        with suppress(JournalUnavailable):
            released = await self._owner.release(session_id)
            if released is not None:
                self.lost(released)
                tell_shard(
                    self._exchange,
                    self._members.live(),
                    ring.owner(session_id),
                    Item(Kind.TAKE_OVER, session_id, b""),
                )

    def _on_take_over(self, _: str, item: Item) -> None:
        self._jobs.start(self._take(item.session_id))

    async def _take(self, session_id: str) -> None:
        await self.take_over(session_id)

    async def stop(self) -> None:
        """Begin nothing more, and end what is under way."""
        await self._jobs.stop()

    def _forget(self, session_id: str) -> None:
        self._relays.remove(session_id)
        self._keeper.forget(session_id)
