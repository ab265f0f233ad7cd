"""One player's socket: the welcome, and what becomes of what the player says."""

from typing import Any

import orjson
from starlette.websockets import WebSocket

from bench.peers.fastapi_redis import messages
from bench.peers.fastapi_redis.room import Connection, Room
from bench.peers.fastapi_redis.store import Given
from quizd.clock import Clock, iso


class Refused(Exception):  # noqa: N818 - as in the protocol
    """A message that is answered with ``error``."""

    def __init__(self, reason: str, **details: str) -> None:
        super().__init__(reason)
        self.text = messages.error(reason, **details)


async def play(
    room: Room, socket: WebSocket, participant_id: str, clock: Clock
) -> None:
    """Welcome a player and answer what comes, until the socket is closed.

    Raises ``WebSocketDisconnect`` at the end.
    """
    connection = Connection(socket, participant_id)
    place = await room.store.place(room.session, participant_id)
    room.connections[connection] = None
    try:
        await connection.say(welcome(room, participant_id, place, clock.now_ms()))
        while True:
            text = await socket.receive_text()
            await connection.say(await _answer(room, participant_id, text, clock))
    finally:
        room.connections.pop(connection, None)


def welcome(room: Room, participant_id: str, place: messages.Place, now_ms: int) -> str:
    """Return the picture as of the last broadcast of this worker."""
    session, state = room.session, room.state
    payload = {
        "sessionId": session.session_id,
        "quizId": session.quiz_id,
        "participantId": participant_id,
        "epoch": 0,
        "seq": state.seq,
        "resumed": False,
        "phase": state.phase,
        "serverTime": iso(now_ms),
        "participants": place.of,
        "you": {"score": place.score, "rank": place.rank, "of": place.of},
    }
    if state.asked is not None:
        total = len(session.quiz.questions)
        payload["question"] = messages.question(state.asked, total)
    return messages.text("welcome", payload)


async def _answer(room: Room, participant_id: str, text: str, clock: Clock) -> str:
    """Return the reply to a player's message."""
    try:
        kind, payload = _parse(text)
        if kind == "answer_submission":
            return await _submit(room, participant_id, payload, clock.now_ms())
        if kind == "get_leaderboard":
            top = await room.store.top(room.session, 10)
            return messages.text(
                "leaderboard_data", {"leaderboard": messages.board(top)}
            )
        if kind == "heartbeat":
            return messages.text("heartbeat", {"serverTime": iso(clock.now_ms())})
    except Refused as refused:
        return refused.text
    return messages.error("unknown_type", type=kind[:64])


def _parse(text: str) -> tuple[str, dict[str, Any]]:
    try:
        message = orjson.loads(text)
        kind, payload = message["type"], message.get("payload", {})
    except (orjson.JSONDecodeError, TypeError, KeyError, AttributeError):
        raise Refused("invalid_message", field="message") from None
    if not isinstance(kind, str) or not isinstance(payload, dict):
        raise Refused("invalid_message", field="type")
    return kind, payload


async def _submit(
    room: Room, participant_id: str, payload: dict[str, Any], now_ms: int
) -> str:
    """Return the result of an answer; raise ``Refused`` where it does not count."""
    question_id, answers = payload.get("questionId"), room.answers
    if not isinstance(question_id, str):
        raise Refused("invalid_message", field="questionId")
    if answers is None or answers.asked.question.id != question_id:
        known = any(one.id == question_id for one in room.session.quiz.questions)
        reason = "too_late" if known else "unknown_question"
        raise Refused(reason, questionId=question_id)
    asked, option = answers.asked, payload.get("selectedOption")
    if option not in asked.question.options:
        raise Refused("invalid_option", questionId=question_id, field="selectedOption")
    if now_ms > asked.end_ms:
        raise Refused("too_late", questionId=question_id)
    position = asked.question.options.index(option)
    points = asked.worth(position, now_ms)
    given = Given(participant_id, position, points, now_ms)
    stands, score, rank = await answers.submit(given)
    if stands is None:
        raise Refused("too_late", questionId=question_id)
    if stands.option != position:
        raise Refused("already_answered", questionId=question_id)
    if stands == given and points:
        room.score_changed()
    payload = {
        "questionId": question_id,
        "accepted": True,
        "receivedAt": iso(stands.received_ms),
        "correct": position == asked.question.right,
        "points": stands.points,
        "score": score,
        "rank": rank,
    }
    return messages.text("answer_result", payload)
