"""A server that says what a test wants, for what a real one does not say at will.

Joining is real; the socket is the script's. Every message is held to the contract.
"""

import asyncio
import re
from typing import Any, Self

import orjson
from playwright.async_api import Page, WebSocketRoute

from tests.browser.stage import WAIT_MS
from tests.support.contract import check_client_message, check_server_message

Json = dict[str, Any]

AT = "2026-01-31T09:30:00.000Z"
LATER = "2026-01-31T09:31:00.000Z"
QUESTION: Json = {
    "questionId": "q1",
    "text": "What is it?",
    "options": [],
    "startTime": AT,
    "endTime": LATER,
    "index": 0,
    "total": 5,
    "points": 1000,
}


class Script:
    """The socket of one page."""

    def __init__(self) -> None:
        self.seq = 0
        self.version = 0
        self.heard: asyncio.Queue[Json] = asyncio.Queue()
        self._connections: asyncio.Queue[WebSocketRoute] = asyncio.Queue()
        self._route: WebSocketRoute

    @classmethod
    async def of(cls, page: Page) -> Self:
        """Take the place of the server's socket for *page*, before it joins."""
        script = cls()
        await page.route_web_socket(re.compile("/ws"), script._connected)
        return script

    async def connected(self) -> None:
        """Wait until the page has connected, or has done so once more."""
        await asyncio.wait_for(self._connections.get(), WAIT_MS / 1000)

    def _connected(self, route: WebSocketRoute) -> None:
        self._route = route
        route.on_message(self._take)
        self.say("welcome", self.welcome())
        self._connections.put_nowait(route)

    def _take(self, raw: str | bytes) -> None:
        check_client_message(raw)
        message: Json = orjson.loads(raw)
        if message["type"] == "heartbeat":
            sent_at = message["payload"]["sentAt"]
            self.say("heartbeat", {"serverTime": AT, "sentAt": sent_at})
        else:
            self.heard.put_nowait(message)

    async def hears(self, kind: str) -> Json:
        """Return the payload of the page's next message, which is a *kind*."""
        message = await asyncio.wait_for(self.heard.get(), WAIT_MS / 1000)
        assert message["type"] == kind
        payload: Json = message["payload"]
        return payload

    def welcome(self, **more: object) -> Json:
        """Return the payload of a welcome."""
        return {
            "sessionId": "s1",
            "quizId": "quiz",
            "participantId": "p1",
            "epoch": 1,
            "seq": self.seq,
            "resumed": False,
            "phase": "lobby",
            "serverTime": AT,
            "participants": 3,
            "you": self.you(participantId="p1", participantName="Ann", streak=0),
            **more,
        }

    def you(self, **more: object) -> Json:
        """Return one's own place."""
        return {"score": 0, "rank": 2, "of": 3, **more}

    def say(self, kind: str, payload: Json, **numbers: int) -> None:
        """Send a message."""
        text = orjson.dumps({"type": kind, **numbers, "payload": payload}).decode()
        check_server_message(text)
        self._route.send(text)

    def broadcast(self, kind: str, payload: Json) -> None:
        """Send the next broadcast."""
        self.seq += 1
        self.say(kind, payload, seq=self.seq)

    def ask(self, kind: str, *options: str, **more: object) -> None:
        """Ask a question of the type *kind*."""
        own = {"questionType": kind, "options": list(options)}
        self.broadcast("new_question", {**QUESTION, **own, **more})

    def accept(self, **more: object) -> None:
        """Take the answer."""
        result = {"questionId": "q1", "accepted": True, "receivedAt": AT}
        self.say("answer_result", {**result, **more})

    def close_question(self, correct: list[str], **more: object) -> None:
        """Close the question."""
        you = {
            **self.you(score=870, rank=1),
            "correct": True,
            "points": 870,
            "gapToNext": 0,
            "streak": 1,
            "percentile": 100,
        }
        payload = {
            "questionId": "q1",
            "correctOptions": correct,
            "distribution": [],
            "answered": 2,
            "you": you,
            **more,
        }
        self.broadcast("question_closed", payload)

    async def close(self, code: int) -> None:
        """Close the socket with *code*."""
        await self._route.close(code=code)
