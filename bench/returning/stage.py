"""A game whose shards are replaced, and whose players all drop, while it goes on.

The host leads over REST, by any shard that is there. The supervisor gets SIGHUP in the
middle of a question and replaces one shard after the other; questions go on meanwhile.
After that, as often as asked for, all players' lines are cut in the same moment.
"""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass, field
from typing import Any

import httpx

from bench.floors.child import Child
from bench.floors.redis_server import RedisServer
from bench.large.stage import BOARDS_PER_S, Used
from bench.load.fleet import TooSlow, Violations, shares
from bench.load.process import cpu_us, rss_bytes
from bench.load.verify import Standings, check_standings
from bench.scenarios.base import quiz_of
from bench.seats import join_all
from bench.server import QuizServer

QUESTIONS = 200
QUESTION_S = 600
THINK = 0.4
"""Of a question's time, in which answers are given: who is away then comes back."""

PATIENCE_S = 120.0
LOOK_S = 0.1
RETRY_S = 0.2
STORM_AFTER = 0.2


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be played: each question for *question_s*; so many *storms*.

    *drain_s*: over which a shard that leaves spreads its players' coming back.
    """

    players: int
    shards: int
    clients: int
    question_s: float
    storms: int
    drain_s: float
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """What all players together have seen."""

    welcomes: int
    acknowledged: int
    said_again: int
    failures: int
    violations: Violations


@dataclass(slots=True)
class Found:
    """The whole game: the restart's time, and until a storm's last player was back.

    *breaks_s* is how long players were away in the restart, each time.
    """

    seen: Seen
    rolling_s: float
    breaks_s: list[float]
    questions: int
    storms_s: list[float] = field(default_factory=list)
    used: Sequence[Used] = ()


@dataclass(slots=True)
class Host:
    """Leads one session over REST."""

    api: httpx.Client
    path: str

    def command(self, name: str, phase: str) -> None:
        """Do it in *phase*; what was done already, or is too late, does nothing."""
        until_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < until_s:
            try:
                body = {"expect": {"phase": phase}}
                answer = self.api.post(f"{self.path}/{name}", json=body)
            except httpx.TransportError:
                pass
            else:
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    return
            time.sleep(RETRY_S)
        raise TooSlow(f"no shard takes the host's {name}")


@dataclass(slots=True)
class Stage:
    """The game under way."""

    plan: Plan
    server: QuizServer
    crowds: list[Child]
    host: Host
    questions: int = 0

    def ask(self, command: str, argument: object = True) -> list[dict[str, Any]]:  # noqa: FBT002 - of a command without one
        """Have all crowds do something."""
        return [crowd.ask(command, argument) for crowd in self.crowds]

    def wait(self, name: str, count: int, patience_s: float = PATIENCE_S) -> None:
        """Wait until the counter *name* of all crowds together is *count*."""
        until_s = time.monotonic() + patience_s
        while (now := sum(told[name] for told in self.ask("counters"))) != count:
            if time.monotonic() > until_s:
                raise TooSlow(f"{name}: {now}, not {count}")
            time.sleep(LOOK_S)

    def question(self, storm: bool = False) -> float:  # noqa: FBT001, FBT002 - two kinds
        """Play one; return how long it took until everybody was back, if they left."""
        self.host.command("next" if self.questions else "start", self._before)
        self.questions += 1
        end_s, back_s = time.monotonic() + self.plan.question_s, 0.0
        if storm:
            time.sleep(self.plan.question_s * STORM_AFTER)
            back_s = self._storm()
        time.sleep(max(end_s - time.monotonic(), 0))
        self.wait("inside", self.plan.players)
        self.wait("owed", 0)
        self.host.command("next", "question")
        return back_s

    @property
    def _before(self) -> str:
        return "reveal" if self.questions else "lobby"

    def _storm(self) -> float:
        began_s = time.monotonic()
        self.ask("drop")
        self.wait("inside", self.plan.players)
        return time.monotonic() - began_s

    def roll(self) -> float:
        """Replace all shards while questions go on; return how long that took."""
        self.question()
        began_s = time.monotonic()
        os.kill(self.server.pid, signal.SIGHUP)
        while not self.server.has_said("rolling_restart_done"):
            if time.monotonic() - began_s > PATIENCE_S * self.plan.shards:
                raise TooSlow("the shards are not replaced")
            self.question()
        took_s = time.monotonic() - began_s
        self.question()
        return took_s

    def breaks_s(self) -> list[float]:
        """Return how long players were away so far, each time."""
        return [each for part in self.ask("played") for each in part["breaks_s"]]

    def seen(self) -> Seen:
        """Return what all have seen, once everybody has heard the end."""
        parts = self.ask("played")
        texts = tuple(text for part in parts for text in part["texts"])
        faults = Violations(sum(part["faults"] for part in parts), texts)
        scores, ranks = (
            [value for part in parts for value in part[name]]
            for name in ("scores", "ranks")
        )
        told = Standings(scores, ranks, [len(scores)] * len(scores))
        names = ("welcomes", "acknowledged", "said_again", "failures")
        counts = {name: sum(part[name] for part in parts) for name in names}
        return Seen(
            violations=faults + check_standings("at the end", told),
            **counts,
        )


def play(plan: Plan) -> Found:
    """Play; :class:`TooSlow` where players don't come in, or back."""
    with playing(plan) as stage:
        rolling_s = stage.roll()
        breaks_s = stage.breaks_s()
        storms_s = [stage.question(storm=True) for _ in range(plan.storms)]
        stage.host.command("end", "reveal")
        stage.wait("ended", plan.players)
        pids = {f"shard {n}": pid for n, pid in enumerate(stage.server.pids)}
        used = [Used(name, cpu_us(pid), rss_bytes(pid)) for name, pid in pids.items()]
        seen = stage.seen()
        return Found(seen, rolling_s, breaks_s, stage.questions, storms_s, used)


@contextmanager
def playing(plan: Plan) -> Iterator[Stage]:
    """Start everything and let everybody in."""
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer(appends=True, syncs="always"))
        settings = {
            "redis.url": redis.url,
            "timeouts.drain_s": plan.drain_s,
            "leaderboard.max_per_second": BOARDS_PER_S,
        }
        server = stack.enter_context(QuizServer(settings, plan.shards))
        opened = server.open(
            quiz_of(QUESTIONS, QUESTION_S, {"advance": "host", "streak_bonus": True})
        )
        tickets = join_all(server.address, opened["quizId"], plan.players)
        crowds = [
            stack.enter_context(Child.module("bench.returning.crowd"))
            for _ in range(plan.clients)
        ]
        api = stack.enter_context(
            httpx.Client(
                base_url=f"http://{server.address}/api/v1/quizzes",
                headers={"authorization": f"Bearer {opened['hostToken']}"},
                timeout=10,
            )
        )
        stage = Stage(plan, server, crowds, Host(api, f"/{opened['quizId']}"))
        for crowd, part in zip(crowds, shares(plan.players, plan.clients), strict=True):
            order = {
                "url": f"ws://{server.address}/ws",
                "tickets": [astuple(tickets[number]) for number in part],
                "first": part.start,
                "seed": plan.seed,
                "thinkS": plan.question_s * THINK,
            }
            crowd.ask("come", order)
        stage.wait("inside", plan.players)
        yield stage
