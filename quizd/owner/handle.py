"""A session as edge and API meet it, whichever shard runs it.

On its owner's shard the handle is the runner itself. On every other shard it is a
follower, which keeps a replica of the state and passes on what comes in.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from quizd._fast.inbox import Inbox
from quizd.session import events as ev
from quizd.session.state import State

T = TypeVar("T")


Place = tuple[int, int]
"""Epoch and ``seq``: how far into a session somebody has seen."""


class Handle(Protocol):
    """One session: reading it, and giving it events."""

    inbox: Inbox
    ended: asyncio.Future[None]
    loop: asyncio.AbstractEventLoop

    @property
    def synced(self) -> bool:
        """Whether there is a state yet; a runner always has one."""
        ...

    @property
    def state(self) -> State:
        """The session's state; only right inside :meth:`read` and effects."""
        ...

    @property
    def connected(self) -> int:
        """How many players have their line up, on all shards."""
        ...

    def now_ms(self) -> int:
        """Return session time: that of its owner."""
        ...

    def expect(self, participant: int) -> asyncio.Future[None]:
        """Return what is done when *participant* is known to be in, or may not be."""
        ...

    def submit(self, event: ev.Event) -> asyncio.Future[int | None]:
        """Pass *event* on; the future ends when what it comes to is durable."""
        ...

    def post(self, event: ev.AnswerSubmitted) -> None:
        """Pass an answer on; its player is told what it comes to."""
        ...

    def read(self, look: Callable[[State], T]) -> asyncio.Future[T]:
        """Call *look* with a state that is durable; the future holds its result."""
        ...

    def look(self, look: Callable[[State], None]) -> None:
        """Call *look* with a state that is durable: now, or as soon as there is."""
        ...

    def look_from(self, place: Place, look: Callable[[State], None]) -> None:
        """Do the same for who has seen *place*, and is not to see the past again.

        A place that the session is not known to have is waited for a little.
        """
        ...

    def came(self, participant: int) -> None:
        """Note that a player's line is up."""
        ...

    def went(self, participant: int) -> None:
        """Note that a player's line is down."""
        ...

    def lead_ms(self) -> int:
        """Return how far ahead a question has to start for all to see it in time."""
        ...


def answering(
    reply: asyncio.Future[T], look: Callable[[State], T]
) -> Callable[[State], None]:
    """Return a look whose result, or failure, is that of *reply*."""

    def answer(state: State) -> None:
        if reply.done():
            return
        try:
            reply.set_result(look(state))
        except Exception as error:  # noqa: BLE001 - it is the reader's own
            reply.set_exception(error)

    return answer
