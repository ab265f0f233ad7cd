"""Asking all shards which sessions they have open."""

import asyncio
import secrets
from contextlib import suppress
from typing import Any

import orjson

from quizd.owner.owner import Owner
from quizd.owner.sessions import OpenNow
from quizd.replica.exchange import Exchange
from quizd.replica.jobs import Jobs
from quizd.replica.messages import Item, Kind
from quizd.session.picture import Joinable

PATIENCE_S = 0.5
"""A shard that has not answered by then is left out: the list is made again soon."""


class Survey:
    """A question to all shards, and what they have answered so far."""

    def __init__(self, asked: set[str]) -> None:
        self.found: list[OpenNow] = []
        self.complete = asyncio.Event()
        self._missing = asked
        self._note()

    def take(self, sender: str, lines: list[dict[str, Any]]) -> None:
        """Take the answer of one shard."""
        for line in lines:
            shown = line["joinable"]
            joinable = Joinable(**shown) if shown is not None else None
            self.found.append(OpenNow(line["quiz_id"], joinable))
        self._missing.discard(sender)
        self._note()

    def _note(self) -> None:
        if not self._missing:
            self.complete.set()


class Surveys:
    """The questions of this shard, and its answers to those of others."""

    def __init__(self, owner: Owner, exchange: Exchange) -> None:
        self._owner = owner
        self._exchange = exchange
        self._open: dict[str, Survey] = {}
        self._jobs = Jobs()
        exchange.handle(Kind.OPEN_NOW, self._on_question)
        exchange.handle(Kind.OPEN_NOW_REPLY, self._on_reply)

    async def ask(self, others: set[str]) -> list[OpenNow]:
        """Return what is open here and at *others*, as far as they answer soon."""
        number = secrets.token_hex(4)
        survey = self._open[number] = Survey(set(others))
        for other in others:
            self._exchange.send(other, Item(Kind.OPEN_NOW, number, b""))
        try:
            own = await self._owner.open_now()
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await survey.complete.wait()
        finally:
            del self._open[number]
        return own + survey.found

    def _on_question(self, sender: str, item: Item) -> None:
        self._jobs.start(self._answer(sender, item.session_id))

    async def _answer(self, sender: str, number: str) -> None:
        body = orjson.dumps(await self._owner.open_now())
        self._exchange.send(sender, Item(Kind.OPEN_NOW_REPLY, number, body))

    def _on_reply(self, sender: str, item: Item) -> None:
        survey = self._open.get(item.session_id)
        if survey is not None:
            survey.take(sender, orjson.loads(item.body))

    async def stop(self) -> None:
        """Answer nobody any more."""
        await self._jobs.stop()
