"""One server, a question that is open, fifty players who do nothing wrong."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self

import httpx

from quizd.accounts.tokens import Grant, Role, Tokens, secret_from
from quizd.clock import SystemClock
from tests.live.quizzes import COLOUR, NOUNS, VERB, quiz
from tests.support.raw import Raw, target, upgrade
from tests.support.server import Server
from tests.support.socket_player import Player

INNOCENT = 50
RIGHT, WRONG = "run", "green"
POINTS = 1000
DEADLINE_S = 1.0
BURST = 40
TOKEN_S = 3600

OPTIONS = {
    "limits.messages_per_s": 0.5,
    "limits.message_burst": BURST,
    "timeouts.handshake_s": DEADLINE_S,
    "timeouts.request_s": DEADLINE_S,
    "server.allowed_origins": "https://school.example.org,http://localhost:5173",
}

Ticket = dict[str, Any]


class Arena:
    """The server, its quizzes, and who is in the first of them.

    Innocent players with an even number answer right. Half of them have done so from
    the start, :meth:`second_half_answers` lets the others.
    """

    def __init__(self, server: Server, api: httpx.AsyncClient) -> None:
        self.server = server
        self.api = api
        self.quiz: Ticket
        self.other: Ticket
        self.host: Player
        self.other_host: Player
        self.innocent: list[Player] = []
        self.joined: list[str] = []

    @classmethod
    @asynccontextmanager
    async def opened(cls, data_dir: Path) -> AsyncIterator[Self]:
        """Return an arena on a new server."""
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(Server(data_dir, OPTIONS))
            arena = cls(server, await stack.enter_async_context(server.api()))
            await arena._open(stack)
            yield arena

    async def _open(self, stack: AsyncExitStack) -> None:
        self.quiz = await self.server.open_quiz(quiz(VERB, COLOUR))
        self.other = await self.server.open_quiz(quiz(NOUNS))
        self.host = await stack.enter_async_context(Player.of(self.quiz))
        self.other_host = await stack.enter_async_context(Player.of(self.other))
        tickets = [await self.join() for _ in range(INNOCENT)]
        for ticket in tickets:
            player = await stack.enter_async_context(Player.of(ticket))
            self.innocent.append(player)
        for host in (self.host, self.other_host):
            await host.say("host_start")
            await host.next("new_question")
        for player in self.innocent:
            await player.next("new_question")
        await self._answer(self.innocent[: INNOCENT // 2])

    async def _answer(self, players: list[Player]) -> None:
        for player in players:
            right = self.innocent.index(player) % 2 == 0
            await player.answer("q1", RIGHT if right else WRONG)
        for player in players:
            result = await player.next("answer_result")
            right = self.innocent.index(player) % 2 == 0
            assert (result["correct"], result["points"]) == (right, right * POINTS)

    async def second_half_answers(self) -> None:
        """Let those answer who have not."""
        await self._answer(self.innocent[INNOCENT // 2 :])

    async def join(self, quiz: Ticket | None = None) -> Ticket:
        """Join as somebody new; the first quiz unless told."""
        wanted = quiz or self.quiz
        answer = await self.api.post(
            f"/quizzes/{wanted['quizId']}/join", json={"participantName": "Somebody"}
        )
        ticket: Ticket = answer.json()
        if wanted is self.quiz:
            self.joined.append(ticket["participantId"])
        return ticket

    # -- who is not innocent -------------------------------------------------------

    @asynccontextmanager
    async def mallory(self, quiz: Ticket | None = None) -> AsyncIterator[Player]:
        """Connect as somebody new, over a real client."""
        async with Player.of(await self.join(quiz)) as player:
            await player.next("welcome")
            yield player

    @asynccontextmanager
    async def raw_mallory(self) -> AsyncIterator[Raw]:
        """Connect as somebody new, to send any bytes."""
        ticket = await self.join()
        async with self.knock() as raw:
            await raw.upgraded(upgrade(target(ticket)))
            await raw.message("welcome")
            yield raw

    @asynccontextmanager
    async def knock(self) -> AsyncIterator[Raw]:
        """Connect, and say nothing yet."""
        async with Raw.to(self.server.port) as raw:
            yield raw

    def token(
        self,
        session_id: str,
        participant: int,
        *,
        age_s: int = 0,
        secret: bytes | None = None,
    ) -> str:
        """Return a participant's token as the server would have made it *age_s* ago.

        *secret*: another than the server's own.
        """
        secret = secret or secret_from(self.server.data_dir / "secret")
        grant = Grant(Role.PARTICIPANT, session_id, participant)
        now_ms = SystemClock().now_ms()
        return Tokens(secret, TOKEN_S).issue(grant, now_ms - age_s * 1000)
