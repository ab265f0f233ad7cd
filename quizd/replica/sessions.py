"""All sessions of the cluster, as one shard sees them.

Some are owned here, some are followed, the others can be found: a quiz or a pin in the
directory, a session in the journal.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from quizd.cluster.base import AddressBook, ClusterUnavailable
from quizd.cluster.lease import Membership
from quizd.codes import Reason, Refused
from quizd.owner.handle import Handle
from quizd.owner.owner import Owner
from quizd.owner.sessions import OpenNow
from quizd.replica.exchange import Exchange
from quizd.replica.follower import Follower
from quizd.replica.followers import Followers
from quizd.replica.opening import Opener
from quizd.replica.survey import Surveys
from quizd.session.quiz import Quiz


class ClusterSessions:
    """Finds and opens sessions; a `Sessions`.

    While *in_doubt*, what the directory does not have is not known to be nowhere.
    """

    def __init__(
        self,
        *,
        owner: Owner,
        followers: Followers,
        exchange: Exchange,
        directory: AddressBook,
        members: Membership,
    ) -> None:
        self.in_doubt = False
        self._owner = owner
        self._followers = followers
        self._directory = directory
        self._members = members
        self._surveys = Surveys(owner, exchange)
        self._opener = Opener(
            self,
            owner=owner,
            followers=followers,
            exchange=exchange,
            directory=directory,
            members=members,
        )

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

    async def open(self, quiz_id: str, quiz: Quiz, quiz_version: int = 1) -> Handle:
        """Return the open session of *quiz_id*, opening one where there is none."""
        return await self._opener.open(quiz_id, quiz, quiz_version)

    async def stop(self) -> None:
        """Begin nothing more, and end what is under way."""
        await asyncio.gather(self._opener.stop(), self._surveys.stop())
