"""Everything that is in Redis: the only module that knows keys and commands."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.commands.core import AsyncScript

from bench.peers.fastapi_redis.messages import Place, Standing
from bench.peers.fastapi_redis.quiz import PLACE, Asked, Quiz, Session

SCRIPTS = Path(__file__).parent.parent / "lua"
CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class State:
    """Where a session stands: phase, last broadcast, open question if there is one."""

    phase: str
    seq: int
    asked: Asked | None = None

    def packed(self) -> str:
        """Return it as Redis has it."""
        asked = [self.asked.index, self.asked.start_ms] if self.asked else None
        return json.dumps([self.phase, self.seq, asked])

    @classmethod
    def unpacked(cls, quiz: Quiz, packed: str) -> "State":
        """Return what Redis has."""
        phase, seq, asked = json.loads(packed)
        return cls(phase, seq, Asked.of(quiz, *asked) if asked else None)


NOTHING_YET = State("lobby", 0)


@dataclass(frozen=True, slots=True)
class Event:
    """What everybody in a session is to be told, and the state it leads to, if any."""

    text: str
    state: State | None = None

    @property
    def is_board(self) -> bool:
        """Whether a later one of its kind replaces it."""
        return self.text.startswith('{"type":"leaderboard_changed"')

    @property
    def is_personal(self) -> bool:
        """Whether everybody gets it with a part of one's own."""
        return self.text.startswith(
            ('{"type":"question_closed"', '{"type":"quiz_ended"')
        )

    @classmethod
    def unpacked(cls, quiz: Quiz, packed: str) -> "Event":
        """Return what came by a channel: the state or nothing, a line's end, a text."""
        state, _, text = packed.partition("\n")
        return cls(text, State.unpacked(quiz, state) if state else None)


class Given(NamedTuple):
    """An answer on its way to Redis."""

    participant_id: str
    option: int
    points: int
    received_ms: int

    def packed(self) -> str:
        """Return what the hash of answers keeps."""
        return f"{self.option}:{self.points}:{self.received_ms}"

    @classmethod
    def unpacked(cls, participant_id: str, packed: str) -> "Given":
        """Return what the hash has kept."""
        return cls(participant_id, *map(int, packed.split(":")))


class Result(NamedTuple):
    """What became of an answer; ``stands`` is the first one, ``None`` if too late."""

    stands: Given | None
    score: int
    rank: int


class Store:
    """The connections to one Redis."""

    def __init__(self, url: str) -> None:
        pool = BlockingConnectionPool.from_url(
            url, max_connections=CONNECTIONS, decode_responses=True
        )
        self.redis: Any = Redis(connection_pool=pool)  # typed as bytes or str, at will
        self._enter = self._script("answers")
        self._place = self._script("place")
        self._sessions: dict[str, Session] = {}

    def _script(self, name: str) -> AsyncScript:
        text = (SCRIPTS / f"{name}.lua").read_text("utf-8")
        return AsyncScript(self.redis, text)

    async def close(self) -> None:
        """Close the connections."""
        await self.redis.aclose()

    # -- quizzes and sessions ------------------------------------------------------

    async def put_quiz(self, quiz_id: str, quiz: Quiz) -> None:
        """Keep a definition."""
        await self.redis.set(f"quiz:{quiz_id}", quiz.model_dump_json())

    async def quiz(self, quiz_id: str) -> Quiz | None:
        """Return a definition."""
        kept = await self.redis.get(f"quiz:{quiz_id}")
        return Quiz.model_validate_json(kept) if kept else None

    async def open(self, session: Session) -> None:
        """Make *session* known under its quiz's id and its pin."""
        kept = json.dumps(
            [
                session.session_id,
                session.quiz_id,
                session.pin,
                session.opened_ms,
                session.quiz.model_dump(),
            ]
        )
        self._sessions.pop(session.quiz_id, None)
        async with self.redis.pipeline() as pipeline:
            pipeline.set(f"session:{session.quiz_id}", kept)
            pipeline.set(f"session:{session.pin}", kept)
            await pipeline.execute()

    async def session(self, address: str) -> Session | None:
        """Return the open session at a quiz's id or a pin."""
        session = self._sessions.get(address)
        if session is None:
            kept = await self.redis.get(f"session:{address}")
            if kept is None:
                return None
            session_id, quiz_id, pin, opened_ms, quiz = json.loads(kept)
            session = Session(
                session_id, quiz_id, pin, opened_ms, Quiz.model_validate(quiz)
            )
            self._sessions[address] = session
        return session

    async def join(
        self, session: Session, participant_id: str, name: str, now_ms: int
    ) -> int:
        """Add a participant; return how many there are."""
        async with self.redis.pipeline(transaction=False) as pipeline:
            pipeline.hset(session.key("names"), participant_id, name)
            pipeline.zadd(session.key("board"), {participant_id: session.tie(now_ms)})
            pipeline.zcard(session.key("board"))
            joined: int = (await pipeline.execute())[-1]
        return joined

    # -- what happens --------------------------------------------------------------

    async def listen(self, session: Session, channel: str) -> PubSub:
        """Return a subscription to one of the session's channels, already made."""
        subscription: PubSub = self.redis.pubsub(ignore_subscribe_messages=True)
        await subscription.subscribe(session.key(channel))
        await subscription.get_message(timeout=None)
        return subscription

    async def command(self, session: Session, name: str) -> None:
        """Tell whoever leads *session* to do something."""
        await self.redis.publish(session.key("commands"), name)

    async def publish(self, session: Session, text: str) -> None:
        """Send a message to everybody in *session*."""
        await self.redis.publish(session.key("events"), f"\n{text}")

    async def turn(self, session: Session, state: State, text: str) -> None:
        """Enter a new state and tell everybody, in one go."""
        packed = state.packed()
        async with self.redis.pipeline() as pipeline:
            pipeline.set(session.key("state"), packed)
            pipeline.publish(session.key("events"), f"{packed}\n{text}")
            await pipeline.execute()

    async def state(self, session: Session) -> State:
        """Return where *session* stands."""
        kept = await self.redis.get(session.key("state"))
        return State.unpacked(session.quiz, kept) if kept else NOTHING_YET

    # -- answers and scores --------------------------------------------------------

    async def enter(
        self, session: Session, question_id: str, batch: Sequence[Given]
    ) -> tuple[bool, list[Result]]:
        """Enter answers, each the first of its participant or nothing.

        Return whether everybody has answered by now, and what became of each.
        """
        arguments: list[str | int] = []
        for given in batch:
            tie = session.tie(given.received_ms)
            arguments += (given.participant_id, given.packed(), given.points, tie)
        answered, participants, *rest = await self._enter(
            keys=self._keys(session, question_id), args=arguments
        )
        results = [
            Result(
                Given.unpacked(given.participant_id, stands) if stands else None,
                score,
                rank,
            )
            for given, stands, score, rank in zip(
                batch, rest[::3], rest[1::3], rest[2::3], strict=True
            )
        ]
        return answered >= participants, results

    def _keys(self, session: Session, question_id: str) -> list[str]:
        return [
            session.key(f"answers:{question_id}"),
            session.key("board"),
            session.key(f"closed:{question_id}"),
        ]

    async def close_question(
        self, session: Session, question_id: str
    ) -> dict[str, Given]:
        """Let nobody answer any more; return the answers by participant."""
        answers, _, closed = self._keys(session, question_id)
        async with self.redis.pipeline() as pipeline:
            pipeline.set(closed, 1)
            pipeline.hgetall(answers)
            kept = (await pipeline.execute())[-1]
        return {name: Given.unpacked(name, packed) for name, packed in kept.items()}

    async def answers(self, session: Session, question_id: str) -> dict[str, Given]:
        """Return the answers to a question by participant."""
        kept = await self.redis.hgetall(session.key(f"answers:{question_id}"))
        return {name: Given.unpacked(name, packed) for name, packed in kept.items()}

    async def place(self, session: Session, participant_id: str) -> Place:
        """Return where one participant stands."""
        return Place(
            *await self._place(keys=[session.key("board")], args=[participant_id])
        )

    async def places(self, session: Session) -> dict[str, Place]:
        """Return where everybody stands."""
        lines = await self.redis.zrevrange(
            session.key("board"), 0, -1, withscores=True, score_cast_func=float
        )
        places: dict[str, Place] = {}
        rank, before = 0, -1
        for position, (name, packed) in enumerate(lines, 1):
            score = int(packed) // PLACE
            if score != before:
                rank, before = position, score
            places[name] = Place(score, rank, len(lines))
        return places

    async def top(self, session: Session, count: int) -> list[Standing]:
        """Return the first lines of the board."""
        lines = await self.redis.zrevrange(
            session.key("board"), 0, count - 1, withscores=True
        )
        if not lines:
            return []
        ids = [name for name, _ in lines]
        names = await self.redis.hmget(session.key("names"), ids)
        scores = [int(packed) // PLACE for _, packed in lines]
        return [
            Standing(name, known, score, scores.index(score) + 1)
            for name, known, score in zip(ids, names, scores, strict=True)
        ]

    async def may_show_board(self, session: Session, every_ms: int) -> int:
        """Return the version of the board to be shown, 0 where another worker does."""
        key = session.key("board-shown")
        if not await self.redis.set(key, 1, nx=True, px=every_ms):
            return 0
        version: int = await self.redis.incr(session.key("version"))
        return version
