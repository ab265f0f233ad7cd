"""A shorter log of the same session: what snapshots are made of.

Replay of it gives the same state, bit for bit; it is read by the same code. Runs of
answers become one record, and lose what players claimed as the time of their answer,
which no score depends on. All other records stay as they are, byte for byte.
"""

from quizd._fast import scoring
from quizd.session import records as rec


class Compactor:
    """Makes one batch of those that it is given, in their order."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._run: list[rec.AnswersAccepted] = []

    def add(self, batch: bytes) -> None:
        """Take the next batch; raise ``BadRecord`` where it is none."""
        for kind, start, stop in rec.spans(batch):
            if kind == rec.AnswersAccepted.kind:
                body = batch[start + rec.HEADER.size : stop]
                self._answered(rec.AnswersAccepted.from_body(body))
            else:
                self._merge()
                self._parts.append(batch[start:stop])

    def end(self) -> bytes:
        """Return the one batch."""
        self._merge()
        return b"".join(self._parts)

    def _answered(self, record: rec.AnswersAccepted) -> None:
        if self._run and not _same_question(self._run[0], record):
            self._merge()
        self._run.append(record)

    def _merge(self) -> None:
        run, self._run = self._run, []
        if not run:
            return
        at_ms = max(record.at_ms for record in run)
        packed = scoring.merge([record.packed for record in run])
        merged: list[rec.Record] = [rec.AnswersAccepted(at_ms, packed)]
        if len(run) > 1:
            merged.append(rec.Compacted(at_ms, len(run) - 1))
        self._parts.append(rec.pack(merged))


def _same_question(one: rec.AnswersAccepted, other: rec.AnswersAccepted) -> bool:
    return scoring.question_of(one.packed) == scoring.question_of(other.packed)
