"""Two shards on one database: what one changes, the other one does not give out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from quizd.cluster.base import Member
from quizd.cluster.link.memory import MemoryHub, MemoryLink
from quizd.content import load
from quizd.replica.exchange import Exchange
from quizd.replica.quiz_news import QuizNews
from quizd.store.engine import sqlite_engine
from quizd.store.quizzes import CACHED_S, StoredQuizzes
from tests.owner.stage import settle

ONE = load("demo")
OTHER = ONE.model_copy(update={"title": "other"})
NAMES = ("a", "b", "c")


class Live:
    """A membership of three."""

    def live(self) -> list[Member]:
        """Return all of them."""
        return [member(name) for name in NAMES]


def member(name: str) -> Member:
    """Return a shard's record."""
    return Member(shard=name, instance="1", region="", address="")


class Shard:
    """A store and its link; time does not pass but by hand."""

    def __init__(self, name: str, hub: MemoryHub, path: Path) -> None:
        self.now_s = 0.0
        self.quizzes = StoredQuizzes(sqlite_engine(path), lambda: self.now_s)
        self.link = MemoryLink(hub)
        self.exchange = Exchange(self.link, member(name).owner)
        self.quizzes.on_changed = QuizNews(
            self.exchange, Live(), self.quizzes.forget
        ).tell

    async def title(self, quiz_id: str = "words") -> str | None:
        """Return the title of a quiz, ``None`` where there is no such quiz."""
        found = await self.quizzes.get(quiz_id)
        return found.quiz.title if found else None

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Shard"]:
        """Start and stop it."""
        await self.quizzes.start()
        await self.link.start()
        await self.exchange.start()
        yield self
        await self.exchange.stop()
        await self.link.stop()
        await self.quizzes.stop()


@pytest.fixture
async def hub() -> MemoryHub:
    """The place of Redis."""
    return MemoryHub()


@pytest.fixture
async def shards(hub: MemoryHub, tmp_path: Path) -> AsyncIterator[list[Shard]]:
    """Three shards on a database with one quiz, which all of them have cached."""
    path = tmp_path / "quizd.sqlite3"
    one, two, three = (Shard(name, hub, path) for name in NAMES)
    async with one.running(), two.running(), three.running():
        await one.quizzes.put("words", ONE, 1)
        await settle()
        for each in (one, two, three):
            assert await each.title() == ONE.title
        yield [one, two, three]


async def test_a_changed_quiz_is_new_everywhere(shards: list[Shard]) -> None:
    """After one message; nothing had to age."""
    await shards[0].quizzes.put("words", OTHER, 2)
    await settle()
    assert [await each.title() for each in shards] == ["other"] * 3


async def test_a_deleted_quiz_is_gone_everywhere(shards: list[Shard]) -> None:
    """Nobody opens a session of it from memory."""
    await shards[1].quizzes.delete("words", 2)
    await settle()
    assert [await each.title() for each in shards] == [None] * 3


async def test_other_quizzes_stay_in_memory(shards: list[Shard]) -> None:
    """Only what has changed is looked up again."""
    await shards[0].quizzes.put("verbs", OTHER, 2)
    await settle()
    kept = await shards[1].quizzes.get("words")
    await shards[0].quizzes.put("verbs", ONE, 3)
    await settle()
    assert await shards[1].quizzes.get("words") is kept


async def test_a_lost_message_costs_the_age_of_a_definition(
    shards: list[Shard],
) -> None:
    """Who has not heard of a change gives out the elder one for so long, no longer."""
    one, two, three = shards
    await three.exchange.stop()  # deaf
    await one.quizzes.put("words", OTHER, 2)
    await settle()
    assert [await each.title() for each in shards] == ["other", "other", ONE.title]
    three.now_s += CACHED_S
    assert await three.title() == "other"
    assert await two.title() == "other"
