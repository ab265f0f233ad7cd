"""A quiz over several shards, and the proof afterwards that nothing was lost of it."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from quizd.clock import iso
from quizd.journal.redis import RedisJournal
from quizd.journal.redis_keys import Keys
from quizd.redis_client import RedisOptions, connect
from quizd.session import records as rec
from tests.support.cluster import ShardServers
from tests.support.journals import all_records
from tests.support.quizzes import quick_quiz
from tests.support.recount import Recount
from tests.support.server import Server
from tests.support.survivor import RETRY_S, Payload, Survivor, Temper

FINAL_SIZE = 100
LOOK_S = 0.01
OWNER_S = 15.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is played; times in seconds. *settings* are the quiz's."""

    players: int = 24
    questions: int = 8
    time_s: float = 1.5
    settings: Mapping[str, object] = field(default_factory=dict)
    temper: Temper = field(default_factory=Temper)

    def quiz(self) -> dict[str, Any]:
        """Return the quiz: the host starts it, then the timer leads."""
        settings = {"start": "host", "advance": "timer", "countdown_s": 0.3}
        quiz = quick_quiz(
            self.questions,
            {**settings, "reveal_s": 0.2, "streak_bonus": True, **self.settings},
        )
        for question in quiz["questions"]:
            question["time_s"] = self.time_s
        return quiz


class ClusterGame:
    """One session on *shards* and its players; *seed* decides all that is random.

    *redis_url* is where the proof is read from, in any form that shards take.
    """

    def __init__(
        self, shards: ShardServers, redis_url: str, plan: Plan, seed: int
    ) -> None:
        self.shards = shards
        self.redis = RedisOptions(redis_url)
        self.plan = plan
        self.rng = random.Random(seed)
        self.opened: Payload = {}
        self.players = [
            Survivor(
                f"Player {number}",
                random.Random(self.rng.random()),
                shards.servers,
                plan.temper,
            )
            for number in range(plan.players)
        ]
        self.playing: list[asyncio.Task[None]] = []

    @property
    def session_id(self) -> str:
        """The session."""
        return str(self.opened["sessionId"])

    @property
    def log_key(self) -> str:
        """The key in Redis of its log."""
        return Keys("quizd").log(self.session_id)

    # -- play ----------------------------------------------------------------------

    async def begin(self) -> None:
        """Open, let everybody in, and start, each by any shard."""
        door = self.rng.choice(self.shards.servers)
        quiz_id = await door.store_quiz(self.plan.quiz())
        opened = await self._post([door], door.author_token, f"/quizzes/{quiz_id}/open")
        self.opened = {"quizId": quiz_id, **opened}
        await self.admit(self.players)
        await self.command("start", expect={"phase": "lobby"})

    async def admit(self, players: Sequence[Survivor]) -> None:
        """Let *players* join and connect; returns when all are welcome."""
        gate = asyncio.Semaphore(16)

        async def enter(player: Survivor) -> None:
            async with gate:
                await player.join(self.opened["pin"])
                self.playing.append(asyncio.create_task(player.play()))
                while not player.welcomes:  # noqa: ASYNC110 - says nothing by itself
                    await asyncio.sleep(LOOK_S)

        await asyncio.gather(*(enter(player) for player in players))

    async def command(self, name: str, **body: object) -> Payload:
        """Have the host command by REST, through any shard."""
        path = f"/quizzes/{self.opened['quizId']}/{name}"
        return await self._post(
            self.shards.servers, self.opened["hostToken"], path, **body
        )

    async def _post(
        self, doors: Sequence[Server], token: str, path: str, **body: object
    ) -> Payload:
        """Ask any of *doors*, until one takes it."""
        while True:
            door = self.rng.choice(doors)
            with suppress(httpx.TransportError):
                async with door.api(token) as api:
                    reply = await api.post(path, json=body, timeout=8)
                if reply.is_success:
                    done: Payload = reply.json()
                    return done
                assert reply.status_code == httpx.codes.SERVICE_UNAVAILABLE, reply.text
            await asyncio.sleep(RETRY_S)

    @property
    def over(self) -> bool:
        """Whether every player has heard the end, or one has failed."""
        failed = any(t.done() and t.exception() is not None for t in self.playing)
        return failed or all(task.done() for task in self.playing)

    async def end(self, patience_s: float = 60.0) -> None:
        """Wait until everybody has heard the end."""
        async with asyncio.timeout(patience_s):
            await asyncio.gather(*self.playing)

    async def abort(self) -> None:
        """Send everybody home, however the test ended."""
        for task in self.playing:
            task.cancel()
        await asyncio.gather(*self.playing, return_exceptions=True)

    def drop_all(self) -> None:
        """Cut every player's connection, without a good-bye."""
        for player in self.players:
            if player.socket is not None:
                player.socket.transport.abort()

    # -- who owns it ---------------------------------------------------------------

    async def meta(self) -> dict[str, str]:
        """Return owner and term of the session, nothing if the journal has none."""
        names = ("owner", "term")
        key = Keys("quizd").meta(self.session_id)
        found = await self._ask("HMGET", key, *names)
        return {
            name: value.decode()
            for name, value in zip(names, found, strict=True)
            if value is not None
        }

    async def _ask(self, *words: str) -> Any:  # noqa: ANN401 - as Redis replies
        async with connect(self.redis, "test") as client:
            return await client.execute_command(*words)

    async def owner(self) -> Server:
        """Return the shard that owns the session."""
        name = (await self.meta())["owner"]
        return self.shards[int(name.partition("/")[0].rpartition("-")[2])]

    async def others(self) -> list[Server]:
        """Return the shards that don't own it."""
        owner = await self.owner()
        return [shard for shard in self.shards.servers if shard is not owner]

    async def term(self) -> int:
        """Return the session's term, 0 where the journal does not know it."""
        return int((await self.meta()).get("term", 0))

    async def later_term(self, than: int) -> int:
        """Wait until the session has a later term; return it."""
        async with asyncio.timeout(OWNER_S):
            while (term := await self.term()) <= than:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_S)
        return term

    async def something_said(self, after_s: float) -> float:
        """Return when a player first heard a number or result after this instant."""
        async with asyncio.timeout(OWNER_S):
            while True:
                later = [
                    at_s
                    for player in self.players
                    for at_s in player.heard_s[-3:]
                    if at_s > after_s
                ]
                if later:
                    return min(later)
                await asyncio.sleep(LOOK_S)

    async def probe(self) -> float:
        """Ask the owner something, by any shard that is there; return when it spoke.

        It refuses an answer to a question that there is not.
        """
        token = {"authorization": f"Bearer {self.players[0].ticket['token']}"}
        path = f"/quizzes/{self.opened['quizId']}/answers"
        body = {"questionId": "none", "selectedOption": "none"}
        async with asyncio.timeout(OWNER_S):
            while True:
                door = self.rng.choice(self.shards.servers)
                with suppress(httpx.TransportError):
                    async with door.api() as api:
                        reply = await api.post(
                            path, json=body, headers=token, timeout=2
                        )
                    if reply.json().get("code") == "unknown_question":
                        return asyncio.get_running_loop().time()
                await asyncio.sleep(LOOK_S)

    # -- proof ---------------------------------------------------------------------

    async def log(self) -> list[tuple[int, int, bytes]]:
        """Return what Redis has of the log: term, index and batch of every entry."""
        log = []
        for name, fields in await self._ask("XRANGE", self.log_key, "-", "+"):
            term, index = name.split(b"-")
            log.append((int(term), int(index), fields[b"b"]))
        return log

    async def terms(self) -> list[int]:
        """Return the terms that anything was written under, in order."""
        [spans] = await self._ask("HMGET", Keys("quizd").meta(self.session_id), "terms")
        return [int(span.partition(b":")[0]) for span in spans.split()]

    async def records(self) -> list[rec.Record]:
        """Return all records, by the journal's own reading, and the store's before."""
        data_dir = self.shards[0].data_dir
        async with (
            connect(self.redis, "test") as client,
            RedisJournal(client, owner="test") as journal,
        ):
            return await all_records(journal, data_dir, self.session_id)

    async def hold(self) -> Recount:
        """Compare what players were told with the journal; return the recount."""
        log = await self.log()
        hold_without_gap(log)
        terms = [term for term, _, _ in log]
        assert terms == sorted(terms), "an elder owner wrote"
        records = await self.records()
        kept = [r for _, _, batch in log for r in rec.unpack(batch)]
        assert records[-len(kept) :] == kept
        recount = Recount(played(records))
        for player in self.players:
            hold_player(player, recount)
        return recount

    async def hold_the_end(self) -> None:
        """Compare the end, as everybody was shown it, with the journal."""
        recount = Recount(played(await self.records()))
        for player in self.players:
            hold_end(player, recount)

    def report(self) -> str:
        """Return in one line what has happened to the players."""
        closes: Counter[int] = Counter()
        retries: Counter[str] = Counter()
        refused: Counter[str] = Counter()
        for player in self.players:
            closes += player.closes
            retries += player.retries
            refused.update(player.refused.values())
        counts = {
            "closes": closes,
            "retries": retries,
            "refused": refused,
            "acknowledged": sum(len(p.acknowledged) for p in self.players),
        }
        return orjson.dumps(counts, option=orjson.OPT_NON_STR_KEYS).decode()


def hold_without_gap(log: Sequence[tuple[int, int, bytes]]) -> None:
    """Hold a log to having every batch from its first one on."""
    indices = [index for _, index, _ in log]
    assert indices == list(range(indices[0], indices[0] + len(log)))


def played(records: Sequence[rec.Record]) -> list[rec.Record]:
    """Return what is part of the game: who ran it when is not."""
    return [record for record in records if not isinstance(record, rec.Released)]


def hold_player(player: Survivor, recount: Recount) -> None:
    """Hold the count to what one player was told, and to the end as it was shown."""
    participant_id = player.ticket["participantId"]
    assert recount.ids.count(participant_id) == 1
    counted = recount.answers_of(participant_id)
    for question, told in player.acknowledged.items():
        assert question in counted, f"{player.name}: {question} is lost"
        assert counted[question].points == told["points"]
        assert counted[question].correct == told["correct"]
        assert iso(counted[question].received_ms) == told["receivedAt"]
    wrongly = player.refused.keys() & counted.keys()
    assert not wrongly, f"{player.name}: {wrongly} were refused and count"
    outcomes = recount.outcomes_of(participant_id)
    for question, you in player.reveals.items():
        assert you == outcomes[question], f"{player.name}: {question}"
    hold_end(player, recount)


def hold_end(player: Survivor, recount: Recount) -> None:
    """Hold the count to the end as one player was shown it."""
    participant_id = player.ticket["participantId"]
    assert player.final is not None
    you = player.final["you"]
    assert (you["score"], you["rank"]) == recount.place_of(participant_id)
    assert player.final["finalLeaderboard"] == recount.board(FINAL_SIZE)
