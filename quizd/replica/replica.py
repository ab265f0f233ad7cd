"""A session's state, made again elsewhere from the records that its owner made durable.

Records come over the link, and from the journal what the link has lost. They have to
fit: each batch carries the hash of the log up to it, so that a log whose end was lost
(a Redis that came back without its tail) and was then continued otherwise is noticed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from quizd.journal.base import Journal, chain
from quizd.owner.logbook import read_session
from quizd.replica.messages import Records
from quizd.session import effects as fx
from quizd.session import records as rec
from quizd.session.live import LiveSession


class Fit(Enum):
    """How a batch fits a replica."""

    NEXT = "next"
    KNOWN = "known"
    MISSING = "missing"
    """Something before it is missing."""
    ANOTHER = "another"
    """It belongs to another history."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How far connections have seen a session: to a batch, its hash.

    And who is in, since when by the owner's time.
    """

    index: int
    last: bytes
    here: Mapping[int, int] = field(default_factory=dict)


class Replica:
    """A session up to batch ``index`` of its log, whose hash is ``last``.

    The owner of ``term`` has all of it.
    """

    def __init__(
        self, session: LiveSession, index: int, last: bytes, term: int
    ) -> None:
        self.session = session
        self.index = index
        self.last = last
        self.term = term

    @classmethod
    async def load(
        cls, journal: Journal, session_id: str, term: int, through: int | None = None
    ) -> "Replica":
        """Read the session from its journal, no further than batch *through*.

        *term* is one that the journal had before. Raises what the journal raises,
        `BadRecord` where it can't be read.
        """
        reading = await read_session(journal, session_id, through)
        return cls(reading.session, reading.index, reading.last, term)

    async def missing(
        self, journal: Journal, session_id: str, index: int, last: bytes
    ) -> list[tuple[int, bytes]] | None:
        """Return the batches up to *index*, where the log's hash is *last*.

        ``None`` where they would not go on from here: the log has another history.
        Raises `Trimmed` where it does not reach back so far any more.
        """
        here = self.last
        batches: list[tuple[int, bytes]] = []
        async for at, batch in journal.read(session_id, self.index):
            if at > index:
                break
            batches.append((at, batch))
            here = chain(here, batch)
        return batches if here == last else None

    def fit(self, records: Records) -> Fit:
        """Tell how *records* fit."""
        if records.index <= self.index:
            same = records.index < self.index or records.chain == self.last
            return Fit.KNOWN if same else Fit.ANOTHER
        if records.index > self.index + 1:
            return Fit.MISSING
        fits = chain(self.last, records.batch) == records.chain
        return Fit.NEXT if fits else Fit.ANOTHER

    def enter(self, index: int, batch: bytes, term: int) -> list[fx.Effect]:
        """Apply the next batch of the owner of *term*; return what is to be done."""
        effects: list[fx.Effect] = []
        for record in rec.unpack(batch):
            effects.extend(self.session.apply(record))
        self.index, self.last = index, chain(self.last, batch)
        self.term = max(self.term, term)
        return effects
