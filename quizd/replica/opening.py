"""How a session is opened: the directory says that it is the quiz's, the ring where.

Any shard may be asked. It takes quiz and pin in the directory first, so that of all who
open a quiz at once one does, and the others get its session.
"""

import asyncio
from contextlib import suppress
from weakref import WeakValueDictionary

import orjson

from quizd.cluster.base import AddressBook, ClusterUnavailable
from quizd.cluster.lease import Membership
from quizd.codes import Reason, Refused
from quizd.journal.base import Exists
from quizd.owner.addresses import new_pin
from quizd.owner.handle import Handle
from quizd.owner.owner import Opening, Owner, new_session_id
from quizd.owner.runner import Runner
from quizd.owner.sessions import Sessions
from quizd.replica.exchange import Exchange, tell_shard
from quizd.replica.followers import Followers
from quizd.replica.jobs import Jobs
from quizd.replica.messages import Item, Kind, refusal, refused_of
from quizd.session.quiz import Quiz

OPEN_TRIES = 3
OPEN_TIMEOUT_S = 3.0
CREATED_S = 3.0
CREATED_RETRY_S = 0.1


class Opener:
    """Opens sessions, here and for other shards."""

    def __init__(
        self,
        sessions: Sessions,
        *,
        owner: Owner,
        followers: Followers,
        exchange: Exchange,
        directory: AddressBook,
        members: Membership,
    ) -> None:
        self._sessions = sessions
        self._owner = owner
        self._followers = followers
        self._exchange = exchange
        self._directory = directory
        self._members = members
        self._locks = WeakValueDictionary[str, asyncio.Lock]()  # of who opens now
        self._asked: dict[str, asyncio.Future[None]] = {}
        self._jobs = Jobs()
        exchange.handle(Kind.OPEN, self._on_open)
        exchange.handle(Kind.OPENED, self._on_opened)
        owner.on_ended = self._on_ended

    async def open(self, quiz_id: str, quiz: Quiz, quiz_version: int = 1) -> Handle:
        """Return the open session of *quiz_id*, opening one where there is none."""
        async with self._locks.setdefault(quiz_id, asyncio.Lock()):
            handle = await self._sessions.find_open(quiz_id)
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
            return await self._sessions.session(session_id)
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
            item = Item(Kind.OPEN, opening.session_id, orjson.dumps(body))
            tell_shard(self._exchange, self._members.live(), shard, item)
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
                        handle = await self._sessions.session(session_id)
                        return None if handle.ended.done() else handle
                    await asyncio.sleep(CREATED_RETRY_S)
        return None

    def _on_open(self, sender: str, item: Item) -> None:
        self._jobs.start(self._open_for(sender, item))

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
        self._jobs.start(self._release_addresses(runner))

    async def _release_addresses(self, runner: Runner) -> None:
        state = runner.state
        with suppress(ClusterUnavailable):  # the next opening finds that it is over
            await self._directory.release(state.quiz_id, state.pin, state.session_id)

    async def stop(self) -> None:
        """Begin nothing more, and end what is under way."""
        await self._jobs.stop()
