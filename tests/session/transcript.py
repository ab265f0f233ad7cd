"""What goes over the wire for a session's broadcasts, byte for byte."""

from collections.abc import Callable, Iterable
from typing import Any

from quizd._fast.fanout import Personal
from quizd._fast.ranking import Ranking
from quizd._fast.scoring import Sheet
from quizd.protocol import encode
from quizd.session import effects as fx
from quizd.session import picture as pic
from quizd.session import records as rec
from quizd.session.live import LiveSession
from quizd.session.state import State

FINAL_SIZE = 100


def transcript(records: Iterable[rec.Record]) -> list[bytes]:
    """Replay *records*; return every text that players would have got by broadcast.

    Broadcasts with a personal part are there once for each participant that is ranked.
    """
    first, *rest = records
    session = LiveSession.replay([first])
    texts: list[bytes] = []
    for record in rest:
        for effect in session.apply(record):
            texts.extend(encoded(effect, session.state))
    return texts


def encoded(effect: fx.Effect, state: State) -> list[bytes]:
    """Return the texts of *effect*, none where it is no broadcast."""
    if isinstance(effect, fx.RevealQuestion):
        payload = encode.reveal_question(effect)
        front = encode.front("question_closed", payload, seq=effect.seq)
        return _personal(front, effect.ranking, effect.sheet)
    if isinstance(effect, fx.AnnounceEnd):
        board = encode.board(pic.top(state, FINAL_SIZE))
        payload = {"finalLeaderboard": board}
        front = encode.front("quiz_ended", payload, seq=effect.seq)
        return _personal(front, effect.ranking, None)
    if isinstance(effect, fx.Broadcast):
        return [SHARED[type(effect)](effect)]
    return []


def _personal(front: bytes, ranking: Ranking, sheet: Sheet | None) -> list[bytes]:
    personal = Personal(front, ranking, sheet)
    ranked = [who for who in range(ranking.indices) if ranking.rank(who)]
    return [personal.payload(who) for who in ranked]


SHARED: dict[type[fx.Broadcast], Callable[[Any], bytes]] = {
    fx.AnnounceStart: encode.announce_start,
    fx.ShowQuestion: encode.show_question,
    fx.AnnouncePause: encode.announce_pause,
    fx.AnnounceResume: encode.announce_resume,
}
