"""Replaying a journal into the broadcasts that a participant was sent."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from quizd._fast.fanout import Personal
from quizd.protocol import encode
from quizd.session import effects as fx
from quizd.session import picture as pic
from quizd.session import records as rec
from quizd.session.live import LiveSession

FINAL_SIZE = 100


def broadcasts_to(
    participant_id: str, batches: Iterable[Sequence[rec.Record]]
) -> list[dict[str, Any]]:
    """Return the numbered messages to a participant, decoded.

    Each batch goes through the journal's bytes, as after a restart.
    """
    session: LiveSession | None = None
    messages: list[dict[str, Any]] = []
    for batch in batches:
        for record in rec.unpack(rec.pack(batch)):
            if session is None:
                session = LiveSession.replay([record])
                continue
            for effect in session.apply(record):
                if isinstance(effect, fx.Broadcast):
                    text = _message(session, effect, participant_id)
                    messages.append(orjson.loads(text))
    return messages


def _message(session: LiveSession, effect: fx.Broadcast, participant_id: str) -> bytes:
    state = session.state
    match effect:
        case fx.AnnounceStart():
            return encode.announce_start(effect)
        case fx.ShowQuestion():
            return encode.show_question(effect)
        case fx.AnnouncePause():
            return encode.announce_pause(effect)
        case fx.AnnounceResume():
            return encode.announce_resume(effect)
        case fx.RevealQuestion():
            payload = encode.reveal_question(effect)
            front = encode.front("question_closed", payload, seq=effect.seq)
            personal = Personal(front, effect.ranking, effect.sheet)
        case fx.AnnounceEnd():
            board = encode.board(pic.top(state, FINAL_SIZE))
            payload = {"finalLeaderboard": board}
            front = encode.front("quiz_ended", payload, seq=effect.seq)
            personal = Personal(front, effect.ranking, None)
        case _:
            raise AssertionError(effect)
    return personal.payload(state.index_of[participant_id])
