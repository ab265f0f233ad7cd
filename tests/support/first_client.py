"""A client that knows the published contract, and not a word beyond it.

It joins by REST with a name and keeps ``quizId`` and ``participantId`` of what it is
told. It opens ``/ws/quiz`` with these two, reads ``type`` and ``payload``, acts on the
five events it knows and lets everything else pass. It has no token, no clock (questions
are answered as they come) and no idea of sequence numbers, pictures or reconnects.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

Options = list[str]
Line = dict[str, Any]


@dataclass
class FirstClient:
    """One player; *choose* gives the answer to a question by its text and options."""

    base_url: str
    name: str
    choose: Callable[[str, Options], str]
    quiz_id: str = ""
    participant_id: str = ""
    questions: list[str] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    boards: list[list[Line]] = field(default_factory=list)
    final: list[Line] | None = None

    async def join(self, quiz_id: str) -> None:
        """Register for the quiz."""
        async with httpx.AsyncClient(base_url=self.base_url) as http:
            answer = await http.post(
                f"/api/v1/quizzes/{quiz_id}/join", json={"participantName": self.name}
            )
        joined = answer.raise_for_status().json()
        self.quiz_id = joined["quizId"]
        self.participant_id = joined["participantId"]

    async def play(self, connected: asyncio.Event | None = None) -> int | None:
        """Play until the quiz has ended or the server closes; return its close code.

        *connected* is set as soon as the socket is open. The code is ``None`` where
        the quiz came to its end.
        """
        address = self.base_url.replace("http", "ws", 1) + "/ws/quiz"
        query = f"quizId={self.quiz_id}&participantId={self.participant_id}"
        async with connect(f"{address}?{query}", proxy=None) as socket:
            if connected is not None:
                connected.set()
            try:
                while self.final is None:
                    await self._take(socket, json.loads(await socket.recv()))
            except ConnectionClosed:
                return socket.close_code
        return None

    async def _take(self, socket: ClientConnection, message: dict[str, Any]) -> None:
        payload = message["payload"]
        match message["type"]:
            case "new_question":
                await self._answer(socket, payload)
            case "leaderboard_changed" | "leaderboard_data":
                self.boards.append(payload["leaderboard"])
            case "quiz_ended":
                self.final = payload["finalLeaderboard"]
            case "error":
                self.errors.append(payload)

    async def _answer(self, socket: ClientConnection, question: dict[str, Any]) -> None:
        self.questions.append(question["text"])
        answer = {
            "type": "answer_submission",
            "payload": {
                "participantId": self.participant_id,
                "questionId": question["questionId"],
                "selectedOption": self.choose(question["text"], question["options"]),
                "answeredAt": question["startTime"],
            },
        }
        await socket.send(json.dumps(answer))
        await socket.send('{"type": "heartbeat", "payload": {}}')
        await socket.send('{"type": "get_leaderboard", "payload": {}}')
