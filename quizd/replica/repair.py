"""Mending a replica from the journal.

Reading is the one way: what the link lost is read there, and where the journal tells
another story than the replica, that counts. But a Redis that was killed may come back
without its end, and have it again a moment later, from an owner that lives. So a log
that is too short is believed only when nobody is left who would make it longer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from prometheus_client import Counter

from quizd.journal.base import (
    Journal,
    JournalUnavailable,
    Position,
    Trimmed,
    Unknown,
)
from quizd.log import get_logger
from quizd.metrics import REGISTRY
from quizd.replica.replica import Replica
from quizd.session import events as ev

RETRY_S = 0.1

log = get_logger(__name__)


Submit = Callable[[ev.Event], asyncio.Future[int | None]]

LOST = Counter(
    "quizd_cluster_history_lost_total",
    "Times that a session went on here from less than players had been shown.",
    registry=REGISTRY,
)


@dataclass(frozen=True, slots=True)
class Missing:
    """The batches that a replica lacks, as the journal has them under *term*."""

    term: int
    batches: Sequence[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Another:
    """The journal does not go on from here: *replica* is as it tells the story.

    ``lost``: what was here is void. Else the log was only made too short to tell.
    """

    replica: Replica
    lost: bool


def tell_of_loss(submit: Submit, epoch: int) -> None:
    """Have a new epoch begin, since what was shown in *epoch* is not all there."""
    submit(ev.HistoryLost(epoch)).add_done_callback(_let_be)


def _let_be(told: asyncio.Future[int | None]) -> None:
    """Take a refusal for an answer: a session that has ended begins nothing more."""
    if not told.cancelled():
        told.exception()


async def at_once() -> None:
    """Take the journal's first word."""


async def compare(
    journal: Journal, session_id: str, replica: Replica, position: Position
) -> Missing | Another:
    """Return what *replica* needs to stand where the journal stood, at *position*."""
    lost = False
    try:
        batches = await replica.missing(
            journal, session_id, position.index, position.hash
        )
    except Trimmed:
        pass
    else:
        if batches is not None:
            return Missing(position.term, batches)
        lost = True
        log.warning("history_lost", session_id=session_id)
        LOST.inc()
    return Another(await Replica.load(journal, session_id, position.term), lost)


class Repair:
    """Reads for one follower, until *stopped*.

    *certainty* ends when the journal can be believed that it lacks something.
    """

    def __init__(
        self,
        journal: Journal,
        session_id: str,
        certainty: Callable[[], Awaitable[None]],
    ) -> None:
        self.stopped = False
        self._journal = journal
        self._session_id = session_id
        self._certainty = certainty
        self._word = (0, 0)
        self._heard = asyncio.Event()

    def hear(self, term: int, index: int) -> None:
        """Note that the log of a new owner, of *term*, reaches *index*."""
        self._word = (term, index)
        self._heard.set()

    async def insist(self, read: Callable[[], Awaitable[None]]) -> bool:
        """Call *read* until it succeeds; tell whether the session is there.

        A Redis that came back without it may be given it back by its owner.
        """
        certain = False
        while not self.stopped:
            try:
                await read()
            except Unknown:
                if certain:
                    return False
                await self._certainty()
                certain = True
            except JournalUnavailable as error:
                log.warning("journal_unavailable", error=str(error))
                certain = False
                await asyncio.sleep(RETRY_S)
            else:
                return True
        return True

    async def find(self, replica: Replica) -> Missing | Another | None:
        """Return what *replica* needs; ``None``: look again, things are moving."""
        before = replica.index
        position = await self._journal.position(self._session_id)
        if before != replica.index:
            return None  # it goes on meanwhile: compare when it stands
        if position.index < before and not (
            await self._has_lost(replica, position) and before == replica.index
        ):
            return None
        return await compare(self._journal, self._session_id, replica, position)

    async def _has_lost(self, replica: Replica, position: Position) -> bool:
        """Tell whether what the journal lacks of *replica* will not come back.

        The owner of the term under which the replica is known to be right has all of
        it, and gives it back. A later owner goes on from less; only if it was the same
        process before, it still may give back what it had, before it says anything.
        """
        term, index = self._word
        if term == position.term > replica.term:
            return index < replica.index
        await self._certain_or_told()
        if self._word[0] > term or position.term <= replica.term:
            return False
        return position == await self._journal.position(self._session_id)

    async def _certain_or_told(self) -> None:
        """Wait for as long as an owner may take to mend the log, or until it speaks."""
        self._heard.clear()
        certain = asyncio.ensure_future(self._certainty())
        told = asyncio.ensure_future(self._heard.wait())
        try:
            await asyncio.wait({certain, told}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            certain.cancel()
            told.cancel()
