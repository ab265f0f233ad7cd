"""All sessions of the cluster, as one shard sees them.

Some are owned here, some are followed, the others can be found: a quiz or a pin in the
directory, a session in the journal. The ring says who opens a session and who takes
over one that has lost its owner; the journal's terms see to it that only one can write.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass

import orjson

from quizd.clock import Clock
from quizd.cluster.base import AddressBook, ClusterUnavailable
from quizd.cluster.lease import Membership
from quizd.codes import Reason, Refused
from quizd.journal.base import (
    Claim,
    Exists,
    Fenced,
    Journal,
    JournalUnavailable,
    Position,
    Unknown,
)
from quizd.log import get_logger
from quizd.owner.handle import Handle
from quizd.owner.owner import Opening, Owner, new_pin, new_session_id
from quizd.owner.presence import HERE
from quizd.owner.runner import Runner
from quizd.owner.sessions import OpenNow
from quizd.owner.subscriber import Subscriber
from quizd.replica.exchange import Exchange
from quizd.replica.follower import Follower
from quizd.replica.followers import Followed, Followers
from quizd.replica.lines import LineKeeper, Lines
from quizd.replica.messages import Item, Kind, refusal, refused_of
from quizd.replica.relays import Relays
from quizd.replica.repair import Another, compare, tell_of_loss
from quizd.replica.replica import Replica, Shown
from quizd.replica.survey import Surveys
from quizd.session.phases import Phase
from quizd.session.quiz import Quiz

HAND_OVER_S = 5.0
HAND_OVER_AT_ONCE = 32
"""Sessions that are given away together, so that Redis syncs its file for all."""

OPEN_TRIES = 3
OPEN_TIMEOUT_S = 3.0
CREATED_S = 3.0
CREATED_RETRY_S = 0.1

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


class ClusterSessions:
    """Finds, opens, follows and takes over sessions; a `Sessions`.

    *on_unfinished* is called when a takeover has to be tried again. While *in_doubt*,
    what the directory does not have is not known to be nowhere.
    """

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        *,
        owner: Owner,
        followers: Followers,
        relays: Relays,
        exchange: Exchange,
        journal: Journal,
        directory: AddressBook,
        members: Membership,
        clock: Clock,
        keeper: LineKeeper,
    ) -> None:
        self._keeper = keeper
        self._owner = owner
        self._followers = followers
        self._relays = relays
        self._exchange = exchange
        self._journal = journal
        self._directory = directory
        self._members = members
        self._clock = clock
        self._opening: dict[str, asyncio.Lock] = {}
        self._asked: dict[str, asyncio.Future[None]] = {}
        self._taking: set[str] = set()
        self._unfinished: set[str] = set()
        self.on_unfinished: Callable[[], object] = _ignore
        self.in_doubt = False
        self._tasks: set[asyncio.Task[None]] = set()
        exchange.handle(Kind.OPEN, self._on_open)
        exchange.handle(Kind.OPENED, self._on_opened)
        exchange.handle(Kind.TAKE_OVER, self._on_take_over)
        self._surveys = Surveys(owner, exchange)
        owner.on_fenced = self.lost
        owner.on_ended = self._on_ended
        owner.on_forgotten = self._forget
        self._moving: dict[str, Lines] = {}

    def subscribe(self, runner: Runner) -> Subscriber:
        """Connect a runner with its players, here and elsewhere."""
        session_id = runner.state.session_id
        lines = self._moving.pop(session_id, None)
        if lines is None:
            lines = self._keeper.lines(session_id, runner)
        else:
            lines.adopt(runner)
        return self._relays.add(runner, lines)

    # -- finding ---------------------------------------------------------------

    def handles(self) -> Sequence[Handle]:
        """Return the sessions that this shard owns."""
        return self._owner.runners()

    def known(self, session_id: str) -> Handle | None:
        """Return a session that is known here, ``None`` where it is not."""
        return self._owner.known(session_id) or self._followers.get(session_id)

    def arrive(self, session_id: str) -> Handle:
        """Return a session at once; where it is not known, begin to follow it."""
        return self.known(session_id) or self._followers.follow(session_id)

    async def session(self, session_id: str) -> Handle:
        """Return a session; raise ``Refused: session_not_found``."""
        handle = self.arrive(session_id)
        if isinstance(handle, Follower):
            await asyncio.shield(handle.ready)
            return self.known(session_id) or handle
        return handle

    async def find_open(self, address: str) -> Handle | None:
        """Return the open session of a quiz's id or of a pin, if there is one."""
        handle = self._owner.find_open_here(address) or self._followers.find(address)
        if handle is not None:
            return handle
        session_id = await self._look_up(address)
        if session_id is None:
            return None
        try:
            found = await self.session(session_id)
        except Refused as refused:
            if refused.reason is Reason.SESSION_NOT_FOUND:
                return None
            raise
        return None if found.ended.done() else found

    def find_here(self, address: str) -> Handle | None:
        """Return a session that is known here, by its quiz's id or pin."""
        return self._owner.find_here(address) or self._followers.find(address)

    async def _look_up(self, address: str) -> str | None:
        try:
            found = await self._directory.find(address)
        except ClusterUnavailable as error:
            raise Refused(Reason.SHARD_UNAVAILABLE) from error
        if found is None and self.in_doubt:
            raise Refused(Reason.SHARD_UNAVAILABLE)
        return found

    async def find(self, address: str) -> Handle:
        """Return the open session of a quiz's id or a pin, else the quiz's last."""
        handle = await self.find_open(address)
        if handle is not None:
            return handle
        with suppress(ClusterUnavailable):
            session_id = await self._directory.last_of_quiz(address)
            if session_id is not None:
                return await self.session(session_id)
        raise Refused(Reason.SESSION_NOT_FOUND, quizId=address)

    async def open_now(self) -> list[OpenNow]:
        """Return all open sessions of the cluster, as far as shards answer soon."""
        others = {m.owner for m in self._members.live()} - {self._members.me.owner}
        return await self._surveys.ask(others)

    # -- opening ---------------------------------------------------------------

    async def open(self, quiz_id: str, quiz: Quiz, quiz_version: int = 1) -> Handle:
        """Return the open session of *quiz_id*, opening one where there is none."""
        async with self._opening.setdefault(quiz_id, asyncio.Lock()):
            handle = await self.find_open(quiz_id)
            if handle is not None:
                return handle
            try:
                return await self._open(quiz_id, quiz, quiz_version)
            except ClusterUnavailable as error:
                raise Refused(Reason.SHARD_UNAVAILABLE) from error

    async def _open(self, quiz_id: str, quiz: Quiz, quiz_version: int) -> Handle:
        """Take the quiz in the directory, then have its session opened.

        Whoever took it and died before the session was there has it no longer.
        """
        for _ in range(OPEN_TRIES):
            session_id = new_session_id()
            taken = await self._directory.take_quiz(quiz_id, session_id)
            if taken == session_id:
                return await self._open_taken(session_id, quiz_id, quiz, quiz_version)
            handle = await self._created(taken)
            if handle is not None:
                return handle
            await self._directory.release(quiz_id, "", taken)
        raise Refused(Reason.SHARD_UNAVAILABLE)

    async def _open_taken(
        self, session_id: str, quiz_id: str, quiz: Quiz, quiz_version: int
    ) -> Handle:
        pin = await self._take_pin(session_id)
        opening = Opening(session_id, pin, quiz_id, quiz, quiz_version)
        try:
            await self._have_opened(opening)
            return await self.session(session_id)
        except Refused:
            await self._directory.release(quiz_id, pin, session_id)
            raise

    async def _take_pin(self, session_id: str) -> str:
        while True:
            pin = new_pin()
            if await self._directory.take_pin(pin, session_id):
                return pin

    async def _have_opened(self, opening: Opening) -> None:
        """Open the session where the ring says, once it has all who are there."""
        await self._members.refresh()
        shard = self._members.ring().owner(opening.session_id)
        if shard == self._members.me.shard:
            await self._create(opening)
            return
        reply = asyncio.get_running_loop().create_future()
        self._asked[opening.session_id] = reply
        body = {
            "quizId": opening.quiz_id,
            "quizVersion": opening.quiz_version,
            "pin": opening.pin,
            "quiz": opening.quiz.model_dump_json(),
        }
        try:
            self._tell(shard, Kind.OPEN, opening.session_id, body)
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await reply
        except TimeoutError as error:
            raise Refused(Reason.SHARD_UNAVAILABLE) from error
        finally:
            del self._asked[opening.session_id]

    async def _create(self, opening: Opening) -> None:
        """Open a session here; who has looked for it too early is given it now."""
        runner = await self._owner.create(opening)
        followed = self._followers.take_out(opening.session_id)
        if followed is not None:
            followed.follower.hand_over(runner)

    async def _created(self, session_id: str) -> Handle | None:
        """Return a session that somebody is opening just now, ``None`` if nobody is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CREATED_S):
                while True:
                    with suppress(Refused):
                        handle = await self.session(session_id)
                        return None if handle.ended.done() else handle
                    await asyncio.sleep(CREATED_RETRY_S)
        return None

    def _on_open(self, sender: str, item: Item) -> None:
        self._spawn(self._open_for(sender, item))

    async def _open_for(self, sender: str, item: Item) -> None:
        told = orjson.loads(item.body)
        quiz = Quiz.model_validate_json(told["quiz"])
        opening = Opening(
            item.session_id, told["pin"], told["quizId"], quiz, told["quizVersion"]
        )
        body: dict[str, object] = {}
        try:
            await self._create(opening)
        except Exists:
            pass  # it was asked for again
        except Refused as refused:
            body = {"refused": refusal(refused)}
        reply = Item(Kind.OPENED, item.session_id, orjson.dumps(body))
        self._exchange.send(sender, reply)

    def _on_opened(self, _: str, item: Item) -> None:
        reply = self._asked.get(item.session_id)
        if reply is None or reply.done():
            return
        told = orjson.loads(item.body)
        if "refused" in told:
            reply.set_exception(refused_of(told["refused"]))
        else:
            reply.set_result(None)

    def _on_ended(self, runner: Runner) -> None:
        self._spawn(self._release_addresses(runner))

    async def _release_addresses(self, runner: Runner) -> None:
        state = runner.state
        with suppress(ClusterUnavailable):  # the next opening finds that it is over
            await self._directory.release(state.quiz_id, state.pin, state.session_id)

    # -- changing hands ------------------------------------------------------------

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
                self._tell(ring.owner(session_id), Kind.TAKE_OVER, session_id, {})

    def _on_take_over(self, _: str, item: Item) -> None:
        self._spawn(self._take(item.session_id))

    async def _take(self, session_id: str) -> None:
        await self.take_over(session_id)

    async def stop(self) -> None:
        """Begin nothing more, and end what is under way."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- small things --------------------------------------------------------------

    def _tell(
        self, shard: str, kind: Kind, session_id: str, body: dict[str, object]
    ) -> None:
        for member in self._members.live():
            if member.shard == shard:
                item = Item(kind, session_id, orjson.dumps(body))
                self._exchange.send(member.owner, item)

    def _spawn(self, job: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _forget(self, session_id: str) -> None:
        self._relays.remove(session_id)
        self._keeper.forget(session_id)
