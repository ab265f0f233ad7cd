"""Under which addresses a shard's sessions are found: the id of their quiz, and a pin.

Both are an open session's alone. A quiz leads to its last session where none is open.
"""

import secrets

from quizd.session.state import State

PIN_DIGITS = 6


def new_pin() -> str:
    """Return six digits, the first not 0."""
    return str(secrets.randbelow(9 * 10 ** (PIN_DIGITS - 1)) + 10 ** (PIN_DIGITS - 1))


class Addresses:
    """The ids of sessions by quiz and pin. Its length: how many sessions are open."""

    def __init__(self) -> None:
        self._open: dict[str, str] = {}
        self._last: dict[str, str] = {}
        self._pins: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._open)

    def free_pin(self) -> str:
        """Return a pin that no open session has."""
        while (pin := new_pin()) in self._pins:
            pass
        return pin

    def find_open(self, address: str) -> str | None:
        """Return the open session of a quiz's id or of a pin, if there is one."""
        return self._open.get(address) or self._pins.get(address)

    def find(self, address: str) -> str | None:
        """Return the open session of a quiz's id or a pin, else the quiz's last."""
        return self.find_open(address) or self._last.get(address)

    def enter(self, state: State) -> None:
        """Have quiz and pin lead to an open session."""
        self._open[state.quiz_id] = state.session_id
        self._last[state.quiz_id] = state.session_id
        self._pins[state.pin] = state.session_id

    def close(self, state: State) -> None:
        """Let quiz and pin be another session's: this one is not open any more."""
        _drop(self._open, state.quiz_id, state.session_id)
        _drop(self._pins, state.pin, state.session_id)

    def forget(self, state: State) -> None:
        """Have nothing lead to a session."""
        self.close(state)
        _drop(self._last, state.quiz_id, state.session_id)


def _drop(addresses: dict[str, str], address: str, session_id: str) -> None:
    """Take *address* from a session, unless it is another one's already."""
    if addresses.get(address) == session_id:
        del addresses[address]
