"""A shard that plays and tells: a real owner, by hand and without waiting."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import orjson

from quizd.clock import ManualClock
from quizd.codes import Close, Refused
from quizd.events import STREAMS, EventOptions, Events, stream_key
from quizd.journal.base import Journal
from quizd.owner.owner import Opening, Owner, OwnerSettings
from quizd.owner.runner import Limits, Runner
from quizd.redis_client import Client
from quizd.session import effects as fx
from quizd.session import events as ev
from quizd.session import records as rec
from quizd.session.phases import Phase
from quizd.session.quiz import Quiz
from tests.session.play import LEAD_MS, quiz

PATIENCE_S = 20.0
LOOK_S = 0.01
EVERYTHING = EventOptions(streams=STREAMS, pause_s=0.0, boards_per_s=1000.0)

Event = dict[str, Any]


async def until(done: Callable[[], bool]) -> None:
    """Wait until *done* says so."""
    async with asyncio.timeout(PATIENCE_S):
        # ASYNC110: the task works in rounds; nobody else wants to know of them.
        while not done():  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)


class Silent:
    """Nobody is connected."""

    in_flight = 0

    def release(self, effects: Iterable[fx.Effect]) -> None:
        """Nobody hears of it."""

    def repeat(self, participant: int, index: int) -> None:
        """Nobody hears of it."""

    def refuse(self, participant: int, refused: Refused) -> None:
        """Nobody hears of it."""

    def replace(self, participant: int, place: str) -> None:
        """Nobody hears of it."""

    def close_all(self, code: Close) -> None:
        """Nobody hears of it."""

    def show_anew(self) -> None:
        """Nobody sees it."""

    def fan_out_ms(self) -> float:
        """Nobody has to be waited for."""
        return 0.0


class Shard:
    """An owner whose commits are told on *client*."""

    def __init__(
        self,
        journal: Journal,
        client: Client,
        options: EventOptions = EVERYTHING,
        clock: ManualClock | None = None,
    ) -> None:
        self.clock = clock or ManualClock()
        self.journal = journal
        self.events = Events(client, journal, options)
        settings = OwnerSettings(runner=Limits(lead_min_ms=LEAD_MS))
        self.owner = Owner(journal, self.clock, settings, lambda _: Silent())
        self.owner.on_running.append(self.events.listen)

    async def open(
        self, session_id: str = "s1", definition: Quiz | None = None
    ) -> Runner:
        """Open a session."""
        opening = Opening(session_id, "123456", "colours", definition or quiz(), 1)
        return await self.owner.create(opening)

    async def told(self) -> None:
        """Wait until all that was committed is on the streams."""
        await until(lambda: self.events.settled)

    def metric(self, name: str) -> float:
        """Return the value of a metric."""
        values = {each: value for each, _, value in self.events.gauges()}
        return values[f"quizd_events_{name}"]()

    async def failed(self) -> None:
        """Wait until Redis could not be asked."""
        before = self.metric("failures_total")
        await until(lambda: self.metric("failures_total") > before)

    async def die(self) -> None:
        """Stop as a killed process does: nothing more is told."""
        await self.events.stop(0)
        await self.owner.stop()


@asynccontextmanager
async def shard(
    journal: Journal,
    client: Client,
    options: EventOptions = EVERYTHING,
    clock: ManualClock | None = None,
) -> AsyncIterator[Shard]:
    """Return a shard that tells; it leaves in peace."""
    one = Shard(journal, client, options, clock)
    one.events.start()
    yield one
    await one.events.stop()
    await one.owner.stop()


class Game:
    """A session of random play, driven by its host."""

    def __init__(self, shard: Shard, runner: Runner, rng: random.Random) -> None:
        self._shard = shard
        self.runner = runner
        self._rng = rng

    async def do(self, event: ev.Event) -> int | None:
        """Have *event* recorded."""
        return await self.runner.submit(event)

    async def join(self, count: int) -> None:
        """Let so many join."""
        for _ in range(count):
            number = len(self.runner.state.names)
            await self.do(ev.ParticipantJoined(f"p{number}", f"Player {number}", ""))

    async def start(self) -> None:
        """Ask the first question."""
        await self.do(ev.HostStarted())
        await self.ask()

    async def ask(self) -> None:
        """Ask the next question, and go to where it takes answers."""
        await self.do(ev.HostAdvanced(LEAD_MS))
        self._shard.clock.advance(LEAD_MS)

    async def answer_all(self) -> None:
        """Let those who have not answered do it in any order; some don't."""
        state = self.runner.state
        assert state.sheet is not None
        done = {who for who in range(len(state.names)) if who in state.sheet}
        there = sorted(set(range(len(state.names))) - done - state.removed)
        who_else = self._rng.sample(there, self._rng.randint(1, len(there)))
        while who_else:
            size = self._rng.randint(1, 4)
            group, who_else = who_else[:size], who_else[size:]
            self._shard.clock.advance(self._rng.randrange(300))
            answers = [self.do(self._answer(who)) for who in group]
            for outcome in await asyncio.gather(*answers, return_exceptions=True):
                if isinstance(outcome, BaseException) and not self.closed:
                    raise outcome

    def _answer(self, who: int) -> ev.AnswerSubmitted:
        question = self.runner.state.question
        assert question is not None
        payload: dict[str, Any] = {"questionId": question.id}
        options = list(question.shown_options)
        if question.type == "multiple_choice":
            count = self._rng.randint(1, len(options))
            payload["selectedOptions"] = self._rng.sample(options, count)
        else:
            payload["selectedOption"] = self._rng.choice(options)
        return ev.AnswerSubmitted(who, self._shard.clock.now_ms(), payload)

    @property
    def closed(self) -> bool:
        """Whether the question has ended; it has if everybody has answered."""
        return self.runner.state.phase is not Phase.QUESTION

    async def close(self) -> None:
        """End the question."""
        if not self.closed:
            await self.do(ev.HostAdvanced(LEAD_MS))

    async def play_on(self) -> None:
        """Play to the end; somebody joins late, somebody is removed."""
        while True:
            await self.answer_all()
            await self.close()
            if self.runner.state.current + 1 == len(self.runner.state.quiz.questions):
                break
            await self.join(1)
            await self.do(ev.HostKicked(self._rng.choice(self._still_in()), ban=False))
            await self.ask()
        await self.do(ev.HostEnded())

    def _still_in(self) -> list[str]:
        state = self.runner.state
        return [
            name
            for n, name in enumerate(state.participant_ids)
            if n not in state.removed
        ]


async def played(shard: Shard, runner: Runner, seed: int, players: int = 9) -> None:
    """Play a session of *runner* to its end."""
    game = Game(shard, runner, random.Random(seed))
    await game.join(players)
    await game.start()
    await game.play_on()


async def on(client: Client, stream: str) -> list[Event]:
    """Return all that is on a stream."""
    entries: Any = await client.xrange(stream_key(stream))
    return [orjson.loads(fields[b"event"]) for _, fields in entries]


async def journalled(journal: Journal, session_id: str = "s1") -> list[rec.Record]:
    """Return all records of a session."""
    records: list[rec.Record] = []
    async for _, batch in journal.read(session_id):
        records.extend(rec.unpack(batch))
    return records
