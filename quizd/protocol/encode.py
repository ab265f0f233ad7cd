"""From effects and pictures to the JSON that goes out, as bytes.

A message that is the same for everybody is a whole text. One with a part of each
player's own is a *front* that ends in ``"you":``; the compiled core puts the rest
behind it.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from quizd._fast.welcome import Front, own_part
from quizd.clock import iso
from quizd.codes import Refused
from quizd.session import effects as fx
from quizd.session import picture as pic
from quizd.session.questions.base import Question
from quizd.session.state import State

Json = dict[str, Any]


def message(kind: str, payload: Json, **numbers: int) -> bytes:
    """Return one message; *numbers* is ``seq`` or ``version`` where it has one."""
    return orjson.dumps({"type": kind, **numbers, "payload": payload})


def front(kind: str, payload: Json, **numbers: int) -> bytes:
    """Return a message up to ``"you":``, for a personal rest and ``}}`` behind it."""
    text = message(kind, payload, **numbers)
    return text[:-2] + (b',"you":' if payload else b'"you":')


# -- broadcasts --------------------------------------------------------------------


def announce_start(effect: fx.AnnounceStart) -> bytes:
    """``quiz_starting``."""
    payload = {
        "startsAt": iso(effect.starts_ms),
        "inSeconds": (effect.starts_ms - effect.at_ms) / 1000,
    }
    return message("quiz_starting", payload, seq=effect.seq)


def show_question(effect: fx.ShowQuestion) -> bytes:
    """``new_question``."""
    payload = _question(
        effect.question, effect.index, effect.total, effect.start_ms, effect.end_ms
    )
    return message("new_question", payload, seq=effect.seq)


def reveal_question(effect: fx.RevealQuestion) -> Json:
    """Return what everybody sees of ``question_closed``."""
    question = effect.question
    return {
        "questionId": question.id,
        **_truth(question, effect.distribution, effect.answered),
    }


def announce_pause(effect: fx.AnnouncePause) -> bytes:
    """``quiz_paused``."""
    return message("quiz_paused", {"at": iso(effect.at_ms)}, seq=effect.seq)


def announce_resume(effect: fx.AnnounceResume) -> bytes:
    """``quiz_resumed``."""
    payload = {"at": iso(effect.at_ms)}
    if effect.end_ms is not None:
        payload["endTime"] = iso(effect.end_ms)
    if effect.starts_ms is not None:
        payload["startsAt"] = iso(effect.starts_ms)
    return message("quiz_resumed", payload, seq=effect.seq)


# -- latest values -----------------------------------------------------------------


def board(standings: Iterable[pic.Standing]) -> list[Json]:
    """Return the lines of a leaderboard."""
    return [
        {
            "participantId": line.participant_id,
            "participantName": line.name,
            "score": line.score,
            "rank": line.rank,
        }
        for line in standings
    ]


def participants_changed(state: State, joined: Sequence[int], left: int) -> bytes:
    """``participants_changed``; *joined* are indices, *left* is a count."""
    payload = {
        "participants": state.participants,
        "joined": [
            {
                "participantId": state.participant_ids[index],
                "participantName": state.names[index],
            }
            for index in joined
        ],
        "left": left,
    }
    return message("participants_changed", payload, version=state.version)


def host_state(state: State, connected: int, in_flight: int) -> bytes:
    """``host_state``."""
    question, sheet = state.question, state.sheet
    counts: Sequence[int] = ()
    if question is not None and sheet is not None:
        counts = sheet.distribution(len(question.distribution_labels))
    payload = {
        "phase": state.phase,
        "participants": state.participants,
        "connected": connected,
        "answered": sheet.answered if sheet is not None else 0,
        "distribution": distribution(question, counts) if question else [],
        "inFlight": in_flight,
        "locked": state.locked,
    }
    return message("host_state", payload, version=state.version)


# -- to one connection -------------------------------------------------------------


class Welcome:
    """``welcome`` of one version of a session: what all share is encoded once.

    *picture* may be anybody's. In a rush thousands are welcomed to the same picture.
    ``asks`` tells whether there is an open question in it.
    """

    def __init__(self, picture: pic.Picture) -> None:
        self.asks = picture.question is not None
        self._reveals = picture.reveal is not None
        names = {
            "sessionId": picture.session_id,
            "quizId": picture.quiz_id,
            "pin": picture.pin,
            "title": picture.title,
        }
        self._front = Front(
            names=message("welcome", names)[:-2] + b',"participantId":',
            numbers=b',"epoch":%d,"seq":%d,"resumed":' % (picture.epoch, picture.seq),
            phase=b',"phase":"%b","serverTime":"' % picture.phase.encode(),
            crowd=b'","participants":%d,"you":' % picture.participants,
            rest=self._of_all(picture),
        )

    def _of_all(self, picture: pic.Picture) -> bytes:
        """Return what is behind ``you``, up to the last thing's own part."""
        payload: Json = {"locked": picture.locked}
        if picture.leaderboard:
            payload["leaderboard"] = board(picture.leaderboard)
        if picture.starts_ms is not None:
            payload["startsAt"] = iso(picture.starts_ms)
        if picture.question is not None:
            payload["question"] = _question_of(picture.question)
        elif picture.reveal is not None:
            payload["reveal"] = _reveal_of(picture.reveal)
        closing = 1 + self.asks + 2 * self._reveals
        return b"," + orjson.dumps(payload)[1:-closing]

    def to(
        self,
        own: pic.Own | None,
        question: pic.OpenQuestion | None,
        now_ms: int,
        *,
        resumed: bool,
    ) -> bytes:
        """Return it for the participant who is *own*, ``None``: for a host.

        *question* is the picture's, as this reader sees it now.
        """
        left = self._own_end(own, question)
        if own is None:
            return self._front.text(b"null", b'{"role":"host"}', now_ms, resumed, left)
        own_id = orjson.dumps(own.participant_id)
        you = own_part(
            own_id, orjson.dumps(own.name), own.score, own.rank, own.of, own.streak
        )
        return self._front.text(own_id, you, now_ms, resumed, left)

    def _own_end(self, own: pic.Own | None, question: pic.OpenQuestion | None) -> bytes:
        """Return the end of the message, and what of it is the reader's own."""
        if question is not None:
            return _left_of(question)
        if not self._reveals:
            return b"}}"
        if own is None or own.outcome is None:
            return b',"answered":false}}}}'
        answered = b"true" if own.outcome.answered else b"false"
        you = orjson.dumps(_outcome(own, own.outcome))
        return b',"answered":%b},"you":%b}}}' % (answered, you)


def welcome(picture: pic.Picture, *, resumed: bool) -> bytes:
    """``welcome``: the whole picture."""
    return Welcome(picture).to(
        picture.own, picture.question, picture.now_ms, resumed=resumed
    )


def error(refused: Refused) -> bytes:
    """``error``."""
    payload = {"reason": refused.reason, "details": refused.details}
    return message("error", payload)


def removed(*, banned: bool) -> bytes:
    """Return ``removed``."""
    return message("removed", {"reason": "banned" if banned else "kicked"})


def reconnect(after_ms: int, reason: str) -> bytes:
    """``reconnect``."""
    return message("reconnect", {"afterMs": after_ms, "reason": reason})


def heartbeat(now_ms: int, sent_at: str | float | None) -> bytes:
    """``heartbeat``."""
    echo = {} if sent_at is None else {"sentAt": sent_at}
    return message("heartbeat", {"serverTime": iso(now_ms), **echo})


def distribution(question: Question, counts: Sequence[int]) -> list[Json]:
    """Return how many chose each option."""
    return [
        {"option": label, "count": count}
        for label, count in zip(question.distribution_labels, counts, strict=False)
    ]


def place(own: pic.Own) -> Json:
    """Return where a participant stands, as leaderboards tell it."""
    return {"score": own.score, "rank": own.rank, "of": own.of}


def _truth(question: Question, counts: Sequence[int], answered: int) -> Json:
    """Return what everybody is told of *question* when it is closed."""
    told: Json = {
        "correctOptions": question.correct_options,
        "distribution": distribution(question, counts),
        "answered": answered,
    }
    if question.explanation:
        told["explanation"] = question.explanation
    return told


def _reveal_of(shown: pic.Reveal) -> Json:
    asked = _question(
        shown.question, shown.index, shown.total, shown.start_ms, shown.end_ms
    )
    truth = _truth(shown.question, shown.distribution, shown.answered)
    return {**truth, "question": asked}


def _outcome(own: pic.Own, outcome: pic.Outcome) -> Json:
    return {
        "correct": outcome.correct,
        "points": outcome.points,
        **place(own),
        "gapToNext": outcome.gap,
        "streak": own.streak,
        "percentile": outcome.percentile,
    }


def _question_of(shown: pic.OpenQuestion) -> Json:
    return _question(
        shown.question, shown.index, shown.total, shown.start_ms, shown.end_ms
    )


def _left_of(shown: pic.OpenQuestion) -> bytes:
    """Return the reader's own part of the open question, which ends the message."""
    answered = b"true" if shown.answered else b"false"
    return b',"remainingMs":%d,"answered":%b}}}' % (shown.remaining_ms, answered)


def _question(
    question: Question, index: int, total: int, start_ms: int, end_ms: int
) -> Json:
    payload: Json = {
        "questionId": question.id,
        "text": question.text,
        "options": question.shown_options,
        "startTime": iso(start_ms),
        "endTime": iso(end_ms),
        "index": index,
        "total": total,
        "questionType": question.type,
        "points": question.points,
    }
    if question.media is not None:
        payload["media"] = question.media.model_dump()
    return payload
