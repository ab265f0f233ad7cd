"""What time itself brings to a session: the end of a phase, or of the wait for answers.

A question ends at its deadline, or up to :data:`LATE_ANSWERS_MS` later where other
shards still have to hand over what came in before it, and early where everybody who is
expected has answered.
"""

from collections.abc import Callable

from quizd.owner.presence import Presence
from quizd.session import events as ev
from quizd.session.phases import Phase
from quizd.session.state import State

LATE_ANSWERS_MS = 250
"""How long other shards may take to hand over what came in before the end."""


def _always_complete() -> int | None:
    """Say that no other shard has answers on their way."""
    return None


class Deadlines:
    """The deadlines of one session.

    *lead_ms* tells how far ahead the next question has to start. ``complete_ms`` tells
    until when all shards have handed over what came in, ``None`` where no other shard
    has players.
    """

    def __init__(
        self, state: State, presence: Presence, lead_ms: Callable[[], int]
    ) -> None:
        self.complete_ms: Callable[[], int | None] = _always_complete
        self._state = state
        self._presence = presence
        self._lead_ms = lead_ms

    def due(self, now_ms: int) -> ev.Event | None:
        """Return the event that time brings now, if one is due."""
        state = self._state
        if state.phase in (Phase.PAUSED, Phase.ENDED):
            return None
        if self._passed(now_ms):
            return ev.DeadlinePassed(self._lead_ms())
        if state.phase is Phase.QUESTION and self._everybody_answered(now_ms):
            return ev.EverybodyAnswered(state.current, self._lead_ms())
        return None

    def next_ms(self, now_ms: int) -> int | None:
        """Return when to look next; ``None`` where only an event brings anything."""
        state = self._state
        if state.phase is Phase.PAUSED:
            return None
        if state.phase is not Phase.QUESTION or state.deadline_ms is None:
            return state.deadline_ms
        if now_ms >= state.deadline_ms:
            return state.deadline_ms + LATE_ANSWERS_MS
        expiry_ms = self._presence.next_expiry_ms()
        if expiry_ms is None:
            return state.deadline_ms
        return min(expiry_ms, state.deadline_ms)

    def _passed(self, now_ms: int) -> bool:
        """Tell whether the deadline has passed, for answers on their way as well."""
        deadline_ms = self._state.deadline_ms
        if deadline_ms is None or now_ms < deadline_ms:
            return False
        if self._state.phase is not Phase.QUESTION:
            return True
        return self._is_complete(deadline_ms) or (
            now_ms >= deadline_ms + LATE_ANSWERS_MS
        )

    def _is_complete(self, at_ms: int) -> bool:
        """Tell whether all shards have handed over what came in before *at_ms*."""
        complete_ms = self.complete_ms()
        return complete_ms is None or complete_ms >= at_ms

    def _everybody_answered(self, now_ms: int) -> bool:
        self._presence.expire(now_ms)
        sheet = self._state.sheet
        if sheet is None or sheet.answered < max(len(self._presence.connected), 1):
            return False
        expected = self._presence.expected()
        return bool(expected) and all(participant in sheet for participant in expected)
