"""One message of every type as the server or a client would send it."""

from typing import Any

T0 = "2026-01-31T09:30:00.000Z"
T1 = "2026-01-31T09:30:20.000Z"

Sample = dict[str, Any]

BOARD = [
    {"participantId": "p1", "participantName": "Ann", "score": 1900, "rank": 1},
    {"participantId": "p2", "participantName": "Ben", "score": 1200, "rank": 2},
]
PLACE = {"score": 1200, "rank": 2, "of": 2}
QUESTION = {
    "questionId": "q1",
    "text": "Which word is a verb?",
    "options": ["run", "green"],
    "startTime": T0,
    "endTime": T1,
    "index": 0,
    "total": 3,
    "questionType": "single_choice",
    "points": 1000,
}
PLAYER = {"participantId": "p2", "participantName": "Ben", **PLACE, "streak": 1}


def message(
    kind: str, payload: Sample, *, seq: int | None = None, version: int | None = None
) -> Sample:
    """Return the envelope, with a number where one is given."""
    numbers = {"seq": seq, "version": version}
    given = {name: number for name, number in numbers.items() if number is not None}
    return {"type": kind, "payload": payload, **given}


def welcome(**changed: object) -> Sample:
    """Return a player's welcome into the lobby, with fields *changed* or added."""
    payload = {
        "sessionId": "s1",
        "quizId": "demo",
        "participantId": "p2",
        "epoch": 1,
        "seq": 0,
        "resumed": False,
        "phase": "lobby",
        "serverTime": T0,
        "participants": 2,
        "you": PLAYER,
    }
    return message("welcome", payload | changed)


SERVER = {
    sample["type"]: sample
    for sample in (
        welcome(
            phase="question",
            pin="123456",
            question={**QUESTION, "remainingMs": 1000, "answered": False},
            leaderboard=BOARD,
        ),
        message(
            "participants_changed",
            {
                "participants": 2,
                "joined": [{"participantId": "p2", "participantName": "Ben"}],
                "left": 0,
            },
            version=2,
        ),
        message("quiz_starting", {"startsAt": T0, "inSeconds": 5}, seq=1),
        message(
            "new_question",
            {**QUESTION, "media": {"kind": "image", "url": "/a.png", "alt": "A run"}},
            seq=2,
        ),
        message(
            "answer_result",
            {
                "questionId": "q1",
                "accepted": True,
                "receivedAt": T0,
                "correct": True,
                "points": 900,
                "score": 1200,
                "rank": 2,
            },
        ),
        message(
            "question_closed",
            {
                "questionId": "q1",
                "correctOptions": ["run"],
                "explanation": "One runs.",
                "distribution": [
                    {"option": "run", "count": 1},
                    {"option": "green", "count": 0},
                ],
                "answered": 1,
                "you": {
                    "correct": True,
                    "points": 900,
                    **PLACE,
                    "gapToNext": 700,
                    "streak": 1,
                    "percentile": 50,
                },
            },
            seq=3,
        ),
        message("leaderboard_changed", {"leaderboard": BOARD, "you": PLACE}, version=1),
        message("leaderboard_data", {"leaderboard": BOARD, "you": PLACE}, version=1),
        message("quiz_paused", {"at": T0}, seq=4),
        message("quiz_resumed", {"at": T0, "endTime": T1}, seq=5),
        message("quiz_ended", {"finalLeaderboard": BOARD, "you": PLACE}, seq=6),
        message("removed", {"reason": "kicked"}),
        message("reconnect", {"afterMs": 1500, "reason": "drain"}),
        message("heartbeat", {"serverTime": T0, "sentAt": T0}),
        message("error", {"reason": "too_late", "details": {"questionId": "q1"}}),
    )
}

FOR_HOST = {
    sample["type"]: sample
    for sample in (
        welcome(participantId=None, you={"role": "host"}),
        message(
            "host_state",
            {
                "phase": "question",
                "participants": 2,
                "connected": 2,
                "answered": 1,
                "distribution": [{"option": "run", "count": 1}],
                "inFlight": 0,
            },
            version=7,
        ),
        message("leaderboard_changed", {"leaderboard": BOARD}, version=1),
        message("quiz_ended", {"finalLeaderboard": BOARD}, seq=6),
    )
}

EXPECT = {"expect": {"phase": "question", "questionId": "q1"}}
CLIENT = {
    sample["type"]: sample
    for sample in (
        message(
            "answer_submission",
            {"questionId": "q1", "selectedOption": "run", "answeredAt": T0},
        ),
        message("get_leaderboard", {}),
        message("heartbeat", {"sentAt": T0}),
        message("host_start", EXPECT),
        message("host_next", EXPECT),
        message("host_skip", {}),
        message("host_pause", EXPECT),
        message("host_resume", EXPECT),
        message("host_lock", {"locked": False}),
        message("host_kick", {"participantId": "p1", "ban": True, **EXPECT}),
        message("host_end", EXPECT),
    )
}
