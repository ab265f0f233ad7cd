"""The pictures that the connections of one session are given, as frames."""

from quizd._fast.wire import frame
from quizd.protocol import encode
from quizd.session import picture as pic
from quizd.session.phases import Phase
from quizd.session.state import State


class Pictures:
    """Makes ``welcome``; leaderboards in it have *board_size* lines.

    After the end they have *final_size*, as in ``quiz_ended``: who comes back only then
    sees what the others have seen.

    What all share of it is kept for as long as the state's version is the same: in a
    rush thousands come to one picture.
    """

    def __init__(self, board_size: int, final_size: int) -> None:
        self._board_size = board_size
        self._final_size = final_size
        self._state: State | None = None
        self._version = 0
        self._shared: encode.Welcome

    def frame(
        self, state: State, participant: int | None, now_ms: int, *, resumed: bool
    ) -> bytes:
        """Return the picture that *participant* (``None``: a host) has at *now_ms*."""
        if self._state is not state or self._version != state.version:
            self._keep(state, now_ms)
        shared = self._shared
        return frame(
            shared.to(
                None if participant is None else pic.own(state, participant),
                pic.open_question(state, participant, now_ms) if shared.asks else None,
                now_ms,
                resumed=resumed,
            )
        )

    def _keep(self, state: State, now_ms: int) -> None:
        over = state.phase is Phase.ENDED
        size = self._final_size if over else self._board_size
        picture = pic.picture(state, None, now_ms, size)
        self._shared = encode.Welcome(picture)
        self._state, self._version = state, state.version
