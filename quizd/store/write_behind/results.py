"""Everybody's score and rank, by playing the records of a session again."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from quizd.clock import Turns
from quizd.session import records as rec
from quizd.session.live import LiveSession

Result = tuple[int, int, int]
"""A participant's index, score and rank; removed ones have rank 0."""

ResultsOf = Callable[[str, int], Awaitable[Iterable[Result]]]
"""Gives the results of a session after the batch with that index."""


class Incomplete(Exception):  # noqa: N818 - says what the records are
    """The batches do not begin with the first one."""


async def replay(
    batches: AsyncIterator[tuple[int, bytes]], through_index: int
) -> LiveSession:
    """Play *batches* up to *through_index*, never holding up the loop for long.

    Raises :class:`Incomplete` where the first one is missing, and
    :class:`quizd.session.records.BadRecord` for what this version can't read.
    """
    session, turns = None, Turns()
    async for index, batch in batches:
        if index > through_index:
            break
        if session is None and index != 1:
            raise Incomplete(f"the first batch is number {index}")
        for record in rec.unpack(batch):
            if session is None:
                session = LiveSession.replay([record])
            else:
                session.apply(record)
        await turns.give()
    if session is None:
        raise Incomplete("there is no batch")
    return session


def results_in(session: LiveSession) -> list[Result]:
    """Return everybody's result, by index; takes long where there are many."""
    board = session.state.board
    placed = {index: (score, rank) for index, score, rank in board.page(0, len(board))}
    return [
        (index, *placed.get(index, (board.score(index), 0)))
        for index in range(len(session.state.participant_ids))
    ]
