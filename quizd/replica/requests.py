"""Events passed on to an owner, and the futures of those who wait for the reply."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from quizd.codes import Reason, Refused
from quizd.replica.messages import event_fields, refused_of
from quizd.session import events as ev

Submit = Callable[[ev.Event], asyncio.Future[int | None]]

REPEATABLE = (ev.ParticipantJoined, ev.AnswerSubmitted, ev.HistoryLost)
"""Twice is once with these; a host's command is given up rather than repeated."""


@dataclass(slots=True)
class Request:
    """An event under way."""

    event: ev.Event
    made_ms: int
    reply: asyncio.Future[int | None]


class Requests:
    """The requests of one session; times in ms of a monotonic clock.

    Their numbers follow *number*, above all that this shard has used for the session:
    an owner answers a number that it has seen as it did before.
    """

    def __init__(
        self, send: Callable[[bytes], None], limit: int, number: int = 0
    ) -> None:
        self._send = send
        self._limit = limit
        self._number = number
        self._open: dict[int, Request] = {}
        self._heir: Submit | None = None

    def put(
        self, event: ev.Event, now_ms: int, reply: asyncio.Future[int | None]
    ) -> None:
        """Send *event*; *reply* ends as the owner says."""
        if self._heir is not None:
            _link(self._heir(event), reply)
            return
        if len(self._open) >= self._limit:
            reply.set_exception(Refused(Reason.SHARD_UNAVAILABLE))
            return
        self._number += 1
        number = self._number
        self._open[number] = Request(event, now_ms, reply)
        reply.add_done_callback(lambda _: self._open.pop(number, None))
        self._say(number, now_ms)

    def replied(self, body: Mapping[str, Any]) -> None:
        """Take the owner's word."""
        request = self._open.get(body["id"])
        if request is None or request.reply.done():
            return
        if "refused" in body:
            request.reply.set_exception(refused_of(body["refused"]))
        else:
            request.reply.set_result(body["result"])

    def send_again(self, now_ms: int) -> None:
        """Ask a new owner, or the same after a break; give up what might do harm."""
        for number, request in list(self._open.items()):
            if request.reply.done():
                continue
            if isinstance(request.event, REPEATABLE):
                self._say(number, now_ms)
            else:
                request.reply.set_exception(Refused(Reason.SHARD_UNAVAILABLE))

    def hand_over(self, submit: Submit) -> None:
        """Give what is open to the owner that is here now, and all that comes yet."""
        self._heir = submit
        for request in list(self._open.values()):
            if request.reply.done():
                continue
            if isinstance(request.event, REPEATABLE):
                _link(submit(request.event), request.reply)
            else:
                request.reply.set_exception(Refused(Reason.SHARD_UNAVAILABLE))

    def fail(self, refused: Refused) -> None:
        """Tell all who wait that nothing will come."""
        for request in list(self._open.values()):
            if not request.reply.done():
                request.reply.set_exception(refused)

    def _say(self, number: int, now_ms: int) -> None:
        request = self._open[number]
        body: dict[str, Any] = {"id": number, **event_fields(request.event)}
        if isinstance(request.event, ev.AnswerSubmitted):
            body["ageMs"] = now_ms - request.event.received_ms
        self._send(orjson.dumps(body))


def _link(done: asyncio.Future[int | None], reply: asyncio.Future[int | None]) -> None:
    """Let *reply* end as *done* does."""

    def pass_on(done: asyncio.Future[int | None]) -> None:
        if reply.done() or done.cancelled():
            return
        error = done.exception()
        if error is None:
            reply.set_result(done.result())
        else:
            reply.set_exception(error)

    done.add_done_callback(pass_on)
