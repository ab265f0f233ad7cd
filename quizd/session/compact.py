"""A shorter log of the same session: what snapshots are made of.

Replay of it gives the same state, bit for bit; it is read by the same code. Runs of
answers become one record, and lose what players claimed as the time of their answer,
which no score depends on. All other records stay as they are.
"""

from collections.abc import Iterable, Iterator

from quizd._fast import scoring
from quizd.session import records as rec


def compact(batches: Iterable[bytes]) -> bytes:
    """Return one batch for *batches*, in their order. Raises ``BadRecord``."""
    return rec.pack(_compacted(r for batch in batches for r in rec.unpack(batch)))


def _compacted(records: Iterable[rec.Record]) -> Iterator[rec.Record]:
    run: list[rec.AnswersAccepted] = []
    for record in records:
        if isinstance(record, rec.AnswersAccepted):
            if run and not _same_question(run[0], record):
                yield from _merged(run)
                run = []
            run.append(record)
            continue
        yield from _merged(run)
        run = []
        yield record
    yield from _merged(run)


def _same_question(one: rec.AnswersAccepted, other: rec.AnswersAccepted) -> bool:
    return scoring.question_of(one.packed) == scoring.question_of(other.packed)


def _merged(run: list[rec.AnswersAccepted]) -> Iterator[rec.Record]:
    if not run:
        return
    at_ms = max(record.at_ms for record in run)
    packed = scoring.merge([record.packed for record in run])
    yield rec.AnswersAccepted(at_ms, packed)
    if len(run) > 1:
        yield rec.Compacted(at_ms, len(run) - 1)
