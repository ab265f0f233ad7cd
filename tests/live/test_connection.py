"""A connection's life with a real server: its picture, its numbers, its end.

Every message of every connection is held to the published schemas on its way in.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio
from websockets.typing import Subprotocol

from tests.live.quizzes import COLOUR, VERB, choice, quiz
from tests.support.server import Server
from tests.support.socket_player import Payload, Player

pytestmark = pytest.mark.asyncio(loop_scope="module")

Ticket = dict[str, Any]
BOARD_INTERVAL_MS = 100
CROWD_INTERVAL_MS = 500
BOARDS = ("leaderboard_changed",)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """Start a server with its defaults, once for this file."""
    async with Server(tmp_path_factory.mktemp("server")) as one:
        yield one


class Room:
    """A quiz of its own with a host who is connected."""

    def __init__(self, server: Server, opened: Ticket, stack: AsyncExitStack) -> None:
        self.server = server
        self.opened = opened
        self.api: httpx.AsyncClient
        self.host: Player
        self._stack = stack

    async def join(self, name: str = "Ann", token: str = "") -> httpx.Response:
        """Ask to join."""
        to = f"/quizzes/{self.opened['quizId']}/join"
        headers = {"authorization": f"Bearer {token}"} if token else {}
        body = {"participantName": name}
        return await self.api.post(to, json=body, headers=headers)

    async def ticket(self, name: str = "Ann") -> Ticket:
        """Join; return what that gives."""
        ticket: Ticket = (await self.join(name)).raise_for_status().json()
        return ticket

    async def connect(self, ticket: Ticket, query: str = "") -> Player:
        """Connect until the test ends."""
        return await self._stack.enter_async_context(Player.of(ticket, query=query))

    async def player(self, name: str = "Ann") -> Player:
        """Join and connect."""
        return await self.connect(await self.ticket(name))

    async def players(self, count: int) -> list[Player]:
        """Join and connect several."""
        return [await self.player(f"Player {number}") for number in range(count)]

    async def command(self, name: str, **payload: object) -> Payload:
        """Let the host do something; return the state that this comes to."""
        await self.host.pulse()
        await self.host.say(f"host_{name}", **payload)
        return await self.host.next("host_state")

    async def open_question(self) -> None:
        """Start, and wait for the first question."""
        await self.host.say("host_start")
        await self.host.next("new_question")


@asynccontextmanager
async def room(
    server: Server, *questions: Ticket, **settings: object
) -> AsyncIterator[Room]:
    """Open a session of a quiz."""
    async with AsyncExitStack() as stack:
        opened = await server.open_quiz(quiz(*questions, **settings))
        one = Room(server, opened, stack)
        one.api = await stack.enter_async_context(server.api())
        one.host = await stack.enter_async_context(Player.of(opened))
        yield one


def of_kind(player: Player, *kinds: str) -> list[str]:
    """Return which of *kinds* came, in order."""
    return [message["type"] for message in player.seen if message["type"] in kinds]


# -- the picture -------------------------------------------------------------------


async def test_welcome_is_the_whole_picture(server: Server) -> None:
    """In the lobby: who one is, where, among how many; there is no board yet."""
    async with room(server) as one:
        await one.ticket("Ben")
        ticket = await one.ticket("Ann")
        player = await one.connect(ticket)
        welcome = await player.next("welcome")
        time = welcome.pop("serverTime")
        assert time.endswith("Z")
        assert welcome == {
            "sessionId": one.opened["sessionId"],
            "quizId": one.opened["quizId"],
            "pin": one.opened["pin"],
            "participantId": ticket["participantId"],
            "epoch": 1,
            "seq": 0,
            "resumed": False,
            "title": "Live",
            "phase": "lobby",
            "locked": False,
            "participants": 2,
            "you": {
                "participantId": ticket["participantId"],
                "participantName": "Ann",
                "score": 0,
                "rank": 1,
                "of": 2,
                "streak": 0,
            },
        }


async def test_picture_of_every_phase(server: Server) -> None:
    """Whoever connects sees the phase, the question, and whether it is answered."""
    async with room(server, countdown_s=600) as one:
        ticket = await one.ticket()
        await one.player("Ben")  # who does not answer, so that the question stays open

        async def look() -> Payload:
            async with Player.of(ticket) as player:
                return await player.next("welcome")

        await one.command("start")
        starting = await look()
        assert (starting["phase"], starting["seq"]) == ("starting", 1)
        assert starting["startsAt"] > starting["serverTime"]
        await one.command("next")
        asked = await look()
        assert (asked["phase"], asked["seq"]) == ("question", 2)
        question = asked["question"]
        assert (question["questionId"], question["answered"]) == ("q1", False)
        assert question["options"] == VERB["options"]
        assert 0 < question["remainingMs"] <= 3_600_000
        names = [line["participantName"] for line in asked["leaderboard"]]
        assert names == ["Ann", "Ben"]
        async with Player.of(ticket) as player:
            await player.answer("q1", "run")
            await player.next("answer_result")
        assert (await look())["question"]["answered"] is True
        await one.command("pause")
        paused = await look()
        assert (paused["phase"], paused["question"]["answered"]) == ("paused", True)
        assert (await look())["question"]["remainingMs"] == paused["question"][
            "remainingMs"
        ]
        await one.command("resume")
        await one.command("next")
        reveal = await look()
        assert reveal["phase"] == "reveal"
        assert "question" not in reveal
        assert reveal["you"]["score"] == 1000
        await one.command("end")
        ended = await look()
        assert (ended["phase"], ended["leaderboard"][0]["score"]) == ("ended", 1000)


async def test_hosts_picture(server: Server) -> None:
    """A host is nobody in the game; the state of the session follows."""
    async with room(server) as one:
        welcome = await one.host.next("welcome")
        assert (welcome["participantId"], welcome["you"]) == (None, {"role": "host"})
        state = await one.host.next("host_state")
        assert (state["phase"], state["participants"]) == ("lobby", 0)


# -- coming back -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "resumed"),
    [
        ("&epoch=1&after=2", True),
        ("&epoch=1&after=1", False),
        ("&epoch=1&after=3", False),
        ("&epoch=2&after=2", False),
        ("&after=2", False),
        ("&epoch=1&after=two", False),
        ("", False),
    ],
)
async def test_coming_back(server: Server, query: str, resumed: bool) -> None:
    """The picture says whether anything was missed; the next broadcast is seq + 1."""
    async with room(server) as one:
        ticket = await one.ticket()
        async with Player.of(ticket) as before:
            await one.open_question()
            await before.next("new_question")
            assert before.seqs == [1, 2]
        player = await one.connect(ticket, query)
        welcome = await player.next("welcome")
        assert (welcome["seq"], welcome["resumed"]) == (2, resumed)
        await one.command("next")
        await player.next("question_closed")
        assert player.seqs == [3]


async def test_newer_connection_replaces_the_older(server: Server) -> None:
    """4009 for the older, whose end takes nothing from the newer."""
    async with room(server) as one:
        ticket = await one.ticket()
        older = await one.connect(ticket)
        await older.next("welcome")
        newer = await one.connect(ticket)
        await newer.next("welcome")
        assert await older.closed() == 4009
        await newer.pulse()
        assert (await one.command("start"))["connected"] == 1
        await newer.next("new_question")
        await newer.answer("q1", "run")
        assert (await newer.next("answer_result"))["correct"] is True
        assert older.of_kind("answer_result") == []


async def test_many_connections_of_one_player_leave_the_last(server: Server) -> None:
    """However fast they come."""
    async with room(server) as one:
        ticket = await one.ticket()
        connections = [await one.connect(ticket) for _ in range(8)]
        assert [await each.closed() for each in connections[:-1]] == [4009] * 7
        await connections[-1].pulse()
        assert (await one.command("lock"))["connected"] == 1


# -- removal -----------------------------------------------------------------------


@pytest.mark.parametrize(("ban", "reason"), [(False, "kicked"), (True, "banned")])
async def test_removed_player_is_out(server: Server, ban: bool, reason: str) -> None:
    """``removed``, then 4010, also for who comes back with the same token."""
    async with room(server) as one:
        ticket = await one.ticket("Mallory")
        player, other = await one.connect(ticket), await one.player("Ann")
        await other.next("welcome")
        who = ticket["participantId"]
        state = await one.command("kick", participantId=who, ban=ban)
        assert state["participants"] == 1
        assert (await player.next("removed"))["reason"] == reason
        assert await player.closed() == 4010
        back = await one.connect(ticket)
        assert await back.closed() == 4010
        assert back.seen == []
        assert (await one.join("Mallory", ticket["token"])).status_code == 403
        assert (await one.join("mallory")).status_code == (403 if ban else 200)
        assert other.is_open


async def test_removed_players_answer_counts_for_nobody(server: Server) -> None:
    """The board is as if they had never been there, for REST as for sockets."""
    async with room(server) as one:
        ticket = await one.ticket("Mallory")
        player, other = await one.connect(ticket), await one.player("Ann")
        await one.open_question()
        for each, option in ((player, "run"), (other, "green")):
            await each.next("new_question")
            await each.answer("q1", option)
            await each.next("answer_result")
        await one.command("kick", participantId=ticket["participantId"])
        await player.closed()
        await other.say("get_leaderboard")
        board = await other.next("leaderboard_data")
        assert [line["participantName"] for line in board["leaderboard"]] == ["Ann"]
        assert board["you"] == {"score": 0, "rank": 1, "of": 1}
        async with server.api(ticket["token"]) as api:
            to = f"/quizzes/{one.opened['quizId']}/state"
            assert (await api.get(to)).status_code == 403


# -- the host ----------------------------------------------------------------------


async def test_command_with_an_expectation_is_done_once(server: Server) -> None:
    """A host who presses twice, or late, does not skip what was not seen."""
    async with room(server, VERB, COLOUR) as one:
        await one.player()
        await one.open_question()
        expect = {"phase": "question", "questionId": "q1"}
        phases = [(await one.command("next", expect=expect))["phase"] for _ in range(3)]
        assert phases == ["reveal", "reveal", "reveal"]
        assert one.host.seqs == [1, 2, 3]
        state = await one.command("next", expect={"phase": "reveal"})
        assert state["phase"] == "question"
        state = await one.command("end", expect={"questionId": "q1"})
        assert state["phase"] == "question"


async def test_every_command_has_its_effect(server: Server) -> None:
    """Pause and resume move the end, lock keeps others out, skip goes straight on."""
    async with room(server, VERB, COLOUR, countdown_s=600) as one:
        player = await one.player()
        assert (await one.command("start"))["phase"] == "starting"
        assert (await player.next("quiz_starting"))["inSeconds"] == 600
        assert (await one.command("next"))["phase"] == "question"
        asked = await player.next("new_question")
        assert (await one.command("pause"))["phase"] == "paused"
        await player.next("quiz_paused")
        await player.answer("q1", "run")
        assert (await player.next("error"))["reason"] == "question_not_open"
        assert (await one.command("resume"))["phase"] == "question"
        assert (await player.next("quiz_resumed"))["endTime"] >= asked["endTime"]
        await one.command("lock")
        refused = await one.join("Late")
        assert (refused.status_code, refused.json()["code"]) == (409, "session_locked")
        await one.command("lock", locked=False)
        assert (await one.join("Late")).status_code == 200
        await one.command("skip")
        await player.next("question_closed")
        assert (await player.next("new_question"))["questionId"] == "q2"
        assert (await one.command("end"))["phase"] == "ended"
        await player.next("quiz_ended")
        assert player.seqs == list(range(1, 9))


async def test_hosts_see_answers_come_in(server: Server) -> None:
    """How many, and which, before anybody else is told."""
    async with room(server) as one:
        players = await one.players(4)
        await one.open_question()
        for player, option in zip(players, ("run", "run", "green"), strict=False):
            await player.next("new_question")
            await player.answer("q1", option)
            await player.next("answer_result")
        while (state := await one.host.next("host_state"))["answered"] < 3:
            pass
        assert [each["count"] for each in state["distribution"]] == [2, 1, 0]
        assert (state["connected"], state["participants"]) == (4, 4)


# -- answers -----------------------------------------------------------------------


async def test_same_answer_again_gets_the_same_result(server: Server) -> None:
    """A client that is not sure may send it again, also once the question is closed."""
    async with room(server) as one:
        player, _ = await one.player("Ann"), await one.player("Ben")
        await one.open_question()
        await player.next("new_question")
        results = []
        for _ in range(3):
            await player.answer("q1", "run")
            results.append(await player.next("answer_result"))
        await one.command("next")
        await player.next("question_closed")
        await player.answer("q1", "run")
        results.append(await player.next("answer_result"))
        assert results == [results[0]] * 4
        assert results[0]["points"] == results[0]["score"] == 1000
        await player.answer("q1", "green")
        error = await player.next("error")
        assert (error["reason"], error["details"]) == (
            "already_answered",
            {"questionId": "q1"},
        )


async def test_answer_after_the_end_is_too_late(server: Server) -> None:
    """From who has not answered before."""
    async with room(server) as one:
        player = await one.player()
        await one.open_question()
        await one.command("next")
        await player.next("question_closed")
        await player.answer("q1", "run")
        assert (await player.next("error"))["reason"] == "too_late"


async def test_answer_by_rest_is_seen_by_sockets(server: Server) -> None:
    """The fallback has the same facts, refusals and effects."""
    async with room(server) as one:
        ticket = await one.ticket("Ann")
        other = await one.player("Ben")
        own = await one.connect(ticket)
        await one.open_question()
        for player in (own, other):
            await player.next("new_question")
        async with server.api(ticket["token"]) as api:
            to = f"/quizzes/{one.opened['quizId']}"
            body = {"questionId": "q1", "selectedOption": "run"}
            result = (await api.post(f"{to}/answers", json=body)).json()
            assert (result["accepted"], result["score"]) == (True, 1000)
            assert await own.next("answer_result") == result
            while (board := await other.next("leaderboard_changed"))["you"]["rank"] < 2:
                pass
            top = board["leaderboard"][0]
            assert (top["participantName"], top["score"]) == ("Ann", 1000)
            again = await api.post(
                f"{to}/answers", json={**body, "selectedOption": "green"}
            )
            assert (again.status_code, again.json()["code"]) == (
                409,
                "already_answered",
            )
            await own.answer("q1", "run")
            assert await own.next("answer_result") == result
            state = (await api.get(f"{to}/state")).json()
            page = (await api.get(f"{to}/leaderboard")).json()
        await own.say("get_leaderboard")
        assert (await own.next("leaderboard_data"))["leaderboard"] == page[
            "leaderboard"
        ]
        assert state["question"]["answered"] is True
        assert state["you"]["score"] == 1000


# -- what is asked for -------------------------------------------------------------


@pytest.mark.parametrize("sent_at", ["2026-01-31T09:30:00.000Z", "x" * 64, 0, -1, 1.5])
async def test_heartbeat_comes_back(server: Server, sent_at: object) -> None:
    """With what was sent, and with the server's time."""
    async with room(server) as one:
        await one.host.say("heartbeat", sentAt=sent_at)
        assert (await one.host.next("heartbeat"))["sentAt"] == sent_at
        await one.host.say("heartbeat")
        assert "sentAt" not in await one.host.next("heartbeat")


async def test_leaderboard_is_there_when_asked_for(server: Server) -> None:
    """With the own place, for the last as for the first; a host has none."""
    async with room(server) as one:
        players = await one.players(12)
        await one.open_question()
        for index, player in enumerate(players):
            await player.next("new_question")
            await player.answer("q1", "run" if index < 3 else "green")
            await player.next("answer_result")
        for index, player in enumerate(players):
            await player.say("get_leaderboard")
            answer = await player.next("leaderboard_data")
            rank, score = (1, 1000) if index < 3 else (4, 0)
            assert answer["you"] == {"score": score, "rank": rank, "of": 12}
            assert len(answer["leaderboard"]) == 10
        await one.host.say("get_leaderboard")
        board = (await one.host.next("leaderboard_data"))["leaderboard"]
        assert [line["rank"] for line in board] == [1, 1, 1] + [4] * 7


# -- latest values -----------------------------------------------------------------


async def test_joins_are_merged(server: Server) -> None:
    """At most two messages a second, the numbers right at the end, 20 names at most."""
    async with room(server) as one:
        viewer = await one.player("Viewer")
        began_ms = await server_ms(viewer)
        for number in range(40):
            await one.ticket(f"Guest {number}")
        while (crowd := await viewer.next("participants_changed"))["participants"] < 41:
            pass
        took_ms = await server_ms(viewer) - began_ms
        assert len(crowd["joined"]) <= 20
        assert crowd["joined"][-1]["participantName"] == "Guest 39"
        told = len(viewer.of_kind("participants_changed"))
        assert told <= 2 + took_ms / CROWD_INTERVAL_MS


async def test_boards_are_merged(server: Server) -> None:
    """The first change is shown by itself, those that follow ten times a second."""
    async with room(server) as one:
        viewer, first, *others = await one.players(11)
        await one.open_question()
        await first.next("new_question")
        began_ms = await server_ms(viewer)
        boards = len(viewer.of_kind("leaderboard_changed"))
        await first.answer("q1", "run")
        while (found := scored(await viewer.next("leaderboard_changed"))) == 0:
            pass
        assert found == 1
        for player in others:
            await player.answer("q1", "run")
        while scored(await viewer.next("leaderboard_changed")) < 10:
            pass
        took_ms = await server_ms(viewer) - began_ms
        shown = viewer.of_kind("leaderboard_changed")[boards:]
        assert len(shown) <= 2 + took_ms / BOARD_INTERVAL_MS
        versions = [m["version"] for m in viewer.seen if m["type"] in BOARDS]
        assert versions == sorted(set(versions))


def scored(board: Payload) -> int:
    """Return how many lines of *board* have points."""
    return sum(line["score"] > 0 for line in board["leaderboard"])


async def server_ms(player: Player) -> int:
    """Return the server's time, in milliseconds since the epoch."""
    await player.say("heartbeat")
    time = (await player.next("heartbeat"))["serverTime"]
    return round(datetime.fromisoformat(time).timestamp() * 1000)


# -- ways in -----------------------------------------------------------------------


async def test_alias_of_the_path(server: Server) -> None:
    """``/ws/quiz`` is ``/ws``."""
    async with room(server) as one:
        ticket = await one.ticket()
        alias = {**ticket, "wsUrl": ticket["wsUrl"].replace("/ws?", "/ws/quiz?")}
        player = await one.connect(alias)
        assert (await player.next("welcome"))["participantId"] == ticket[
            "participantId"
        ]


async def test_pin_instead_of_the_quiz(server: Server) -> None:
    """As join links have it."""
    async with room(server) as one:
        ticket = await one.ticket()
        pin = {**ticket, "wsUrl": f"{server.ws_url}?quizId={one.opened['pin']}"}
        player = await one.connect(pin)
        assert (await player.next("welcome"))["quizId"] == one.opened["quizId"]


async def test_token_as_a_subprotocol(server: Server) -> None:
    """Out of the address, and never said back."""
    async with room(server) as one:
        ticket = await one.ticket()
        names = [Subprotocol("quizd.v1"), Subprotocol(f"bearer.{ticket['token']}")]
        async with Player.at(ticket["wsUrl"], subprotocols=names) as player:
            await player.next("welcome")
            assert player.socket.subprotocol == "quizd.v1"


async def test_sessions_do_not_hear_each_other(server: Server) -> None:
    """Two quizzes side by side on one port."""
    other = choice("Which word is an adverb?", "often", "table")
    async with room(server) as one, room(server, other) as two:
        first, second = await one.player(), await two.player()
        await one.open_question()
        await first.next("new_question")
        await two.open_question()
        assert (await second.next("new_question"))["options"] == other["options"]
        await first.pulse()
        assert first.seqs == second.seqs == [1, 2]
        assert len(of_kind(first, "new_question")) == 1
