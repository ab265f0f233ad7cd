"""A player on the third-party WebSocket client, who keeps everything that comes."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.support.contract import check_client_message, check_server_message

Message = dict[str, Any]


def socket_of(ticket: Mapping[str, Any]) -> connect:
    """Connect with what joining gave; use with ``async with`` or ``await``."""
    return connect(
        ticket["wsUrl"],
        subprotocols=[
            Subprotocol("quizd.v1"),
            Subprotocol(f"bearer.{ticket['token']}"),
        ],
        compression=None,
    )


def answer_to(question: Message, options: list[str]) -> Message:
    """Return the answer that chooses *options*."""
    payload: Message = {"questionId": question["questionId"]}
    if question["questionType"] == "multiple_choice":
        payload["selectedOptions"] = options
    else:
        payload["selectedOption"] = options[0]
    return {"type": "answer_submission", "payload": payload}


@dataclass(slots=True)
class Player:
    """Plays to the end, answering at random moments, now and then twice or not.

    A *strict* player holds every message to the contract.
    """

    ticket: Mapping[str, Any]
    rng: random.Random
    think_s: float
    strict: bool = True
    received: list[Message] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def play(self) -> None:
        """Connect and read until the quiz has ended."""
        async with socket_of(self.ticket) as socket:
            async for raw in socket:
                if self.strict:
                    check_server_message(raw)
                message = orjson.loads(raw)
                self.received.append(message)
                if message["type"] == "quiz_ended":
                    break
                if message["type"] == "new_question":
                    self._begin(socket, message["payload"])
            for task in self.tasks:
                task.cancel()

    def _begin(self, socket: ClientConnection, question: Message) -> None:
        if self.rng.random() < 0.05:
            return
        task = asyncio.create_task(self._answer(socket, question))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _answer(self, socket: ClientConnection, question: Message) -> None:
        await asyncio.sleep(self.rng.uniform(0, self.think_s))
        count = 1 if question["questionType"] != "multiple_choice" else 2
        chosen = self.rng.sample(question["options"], count)
        text = orjson.dumps(answer_to(question, chosen)).decode()
        check_client_message(text)
        for _ in range(2 if self.rng.random() < 0.1 else 1):
            await socket.send(text)

    def of_type(self, kind: str) -> list[Message]:
        """Return the messages of a type, in the order of their coming."""
        return [message for message in self.received if message["type"] == kind]
