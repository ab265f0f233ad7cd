"""Those who wait until a replica shows what they ask for, or were told of."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from quizd.codes import Reason, Refused
from quizd.owner.handle import Place
from quizd.session.state import State

Look = Callable[[State], None]

SURE_MS = 2_000
"""An owner that has not said of somebody for so long that it is in, never will.

Whoever comes here was told before that the joining is durable; so the records of it
are late by no more than the link is slow.
"""


SINCE_MS = 250
"""What the owner said is of after a question if it was said so much later.

Its time is known here to within what the link takes.
"""

LATE_MS = 3_000
"""For so long a place is waited for that the replica does not come to."""


class Waiters:
    """Looks, expected participants and an owner's replies; *limit* of each.

    *replied* gets a reply as soon as the replica has what it tells of. ``expected`` are
    participants, when they were asked for, and what ends when they are known. Some
    looks are those of people who were told elsewhere of what is not here yet.
    """

    def __init__(
        self, limit: int, replied: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self._limit = limit
        self._replied = replied
        self._looks: deque[Look] = deque()
        self._ahead: list[tuple[Place, int, Look]] = []
        self.expected: list[tuple[int, int, asyncio.Future[None]]] = []
        self._nobody: set[int] = set()
        self._replies: deque[Mapping[str, Any]] = deque()

    def look(self, look: Look) -> None:
        """Keep *look* until there is a state."""
        if len(self._looks) < self._limit:
            self._looks.append(look)

    def look_from(self, place: Place, state: State, asked_ms: int, look: Look) -> bool:
        """Keep *look* until there is *place*; False where *state* will do."""
        waits = (state.epoch, state.seq) < place and len(self._ahead) < self._limit
        if waits:
            self._ahead.append((place, asked_ms, look))
        return waits

    @property
    def anybody(self) -> bool:
        """Whether anybody waits for what the owner has."""
        return bool(self.expected or self._ahead)

    def expect(
        self, participant: int, asked_ms: int, known: asyncio.Future[None]
    ) -> None:
        """End *known* when *participant* is in, or known not to be.

        Where too many wait, it fails with ``shard_unavailable``.
        """
        if participant in self._nobody:
            self._nobody.discard(participant)
            known.set_result(None)
        elif len(self.expected) < self._limit:
            self.expected.append((participant, asked_ms, known))
        else:
            known.set_exception(Refused(Reason.SHARD_UNAVAILABLE))

    def reply(self, body: Mapping[str, Any], index: int) -> bool:
        """Keep a reply until its batch is there; tell whether any is not at *index*."""
        self._replies.append(body)
        return self.pass_on_replies(index)

    def give_looks(self, look: Callable[[Look], None]) -> None:
        """Give all who look to *look*."""
        while self._looks:
            look(self._looks.popleft())
        self._give_ahead(look, lambda _place, _asked_ms: True)

    def note_place(self, state: State, look: Callable[[Look], None]) -> None:
        """Give those to *look* who have seen no more than *state* has."""
        here = (state.epoch, state.seq)
        self._give_ahead(look, lambda place, _asked_ms: place <= here)

    def note_time(self, now_ms: int, look: Callable[[Look], None]) -> None:
        """Give those to *look* who have waited for long enough."""
        self._give_ahead(look, lambda _place, asked_ms: asked_ms + LATE_MS <= now_ms)

    def _give_ahead(
        self, look: Callable[[Look], None], ready: Callable[[Place, int], bool]
    ) -> None:
        waiting, self._ahead = self._ahead, []
        for place, asked_ms, one in waiting:
            if ready(place, asked_ms):
                look(one)
            else:
                self._ahead.append((place, asked_ms, one))

    def note_joins(self, known: int) -> None:
        """Tell those who wait for one of the first *known* participants."""
        if not self.expected:
            return
        for participant, _, future in self.expected:
            if participant < known and not future.done():
                future.set_result(None)
        self.expected = [each for each in self.expected if not each[2].done()]

    def note_all_known(self, said_ms: int, look: Callable[[Look], None]) -> None:
        """Tell of those who wait for long that they are nobody.

        At *said_ms* the owner had no more records than there are here: places that
        were asked for before are none.
        """
        self._give_ahead(look, lambda _place, asked_ms: asked_ms + SINCE_MS <= said_ms)
        late = [each for each in self.expected if each[1] + SURE_MS <= said_ms]
        self._nobody.clear()
        for who, _, future in late:
            if not future.done():
                self._nobody.add(who)
                future.set_result(None)
        self.expected = [each for each in self.expected if not each[2].done()]

    def expect_nobody(self) -> None:
        """Have all who are expected looked for where it is known who is in."""
        for _, _, future in self.expected:
            if not future.done():
                future.set_result(None)
        self.expected.clear()

    def fail_expected(self, refused: Refused) -> None:
        """Tell those who wait for somebody that nothing more is heard here."""
        for _, _, future in self.expected:
            if not future.done():
                future.set_exception(refused)
        self.expected.clear()

    def pass_on_replies(self, index: int) -> bool:
        """Pass on what tells of batches up to *index*; tell whether any is left."""
        while self._replies and self._replies[0]["index"] <= index:
            self._replied(self._replies.popleft())
        return bool(self._replies)

    def drop_looks(self) -> None:
        """Show nothing: there will be no state."""
        self._looks.clear()
        self._ahead.clear()

    def drop_replies(self) -> None:
        """Forget replies about another history; who waits is answered anew."""
        self._replies.clear()
