"""Answers on their way: kept until the server has acknowledged or refused them."""

import asyncio
from dataclasses import dataclass

from quizd.client.faults import AnswerLost, AnswerRefused
from quizd.client.messages import Message
from quizd.codes import Reason

PASSING = {Reason.SHARD_UNAVAILABLE, Reason.INTERNAL}
"""With these nothing was decided: the answer is to be sent again."""

Result = asyncio.Future[Message]


@dataclass(slots=True)
class _Pending:
    text: str
    result: Result
    sent_by: object = None


class AnswerBook:
    """At most one answer per question; each is sent once per connection."""

    def __init__(self) -> None:
        self._pending: dict[str, _Pending] = {}
        self._added = asyncio.Event()

    def add(self, question_id: str, text: str) -> Result:
        """Keep the answer in *text* and return what will hold its ``answer_result``.

        While an answer to the question is under way, that one stands.
        """
        pending = self._pending.get(question_id)
        if pending is None:
            result: Result = asyncio.get_running_loop().create_future()
            result.add_done_callback(_retrieve)
            pending = self._pending[question_id] = _Pending(text, result)
            self._added.set()
        return pending.result

    def settle(self, message: Message) -> None:
        """Give the answer that *message* speaks of its result or its refusal."""
        if message.type == "answer_result":
            pending = self._pending.pop(message.payload["questionId"], None)
            if pending and not pending.result.done():
                pending.result.set_result(message)
        elif message.type == "error":
            self._refuse(message)

    def _refuse(self, message: Message) -> None:
        reason = message.payload["reason"]
        if reason in PASSING:
            return  # the next welcome sends it again
        details = message.payload.get("details", {})
        pending = self._pending.pop(details.get("questionId"), None)
        if pending and not pending.result.done():
            pending.result.set_exception(AnswerRefused(reason, details))

    def send_again(self) -> None:
        """Let every connection send everything again."""
        for pending in self._pending.values():
            pending.sent_by = None
        self._added.set()

    def forsake(self) -> None:
        """Tell whoever still waits that no result will come."""
        for question_id, pending in self._pending.items():
            if not pending.result.done():
                pending.result.set_exception(AnswerLost(question_id))
        self._pending.clear()

    async def next_for(self, connection: object) -> str:
        """Return the oldest answer that *connection* has not sent; wait for one."""
        while True:
            for pending in self._pending.values():
                if pending.sent_by is not connection:
                    pending.sent_by = connection
                    return pending.text
            self._added.clear()
            await self._added.wait()


def _retrieve(result: Result) -> None:
    """Look at the exception, so that nobody has to wait for a result."""
    if not result.cancelled():
        result.exception()
