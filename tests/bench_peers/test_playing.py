"""The peers that play: they play by the same rules, or comparing them means nothing."""

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from bench.peers.playing import FastApiRedis, PlayingPeer, SocketIoRedis
from tests.bench_peers.dialects import Message, Player

WINDS = ["north", "east", "south", "west"]
SETTINGS = {"start": "host", "countdown_s": 0.05, "reveal_s": 0.05, "scoring": "fixed"}
PEERS = {
    "fastapi_redis": FastApiRedis,
    "fastapi_redis, two workers": lambda: FastApiRedis(workers=2),
    "socketio_redis": SocketIoRedis,
}


def quiz(**settings: object) -> Message:
    """Return two questions, the second of which is worth nothing."""
    questions = [
        {"text": "Where?", "options": WINDS, "correct": ["east"], "time_s": 5},
        {
            "id": "practice",
            "text": "And now?",
            "options": WINDS,
            "correct": ["west"],
            "time_s": 0.4,
            "points": 0,
        },
    ]
    return {"title": "Winds", "settings": SETTINGS | settings, "questions": questions}


@pytest.fixture(scope="module", params=list(PEERS))
def peer(request: pytest.FixtureRequest) -> Iterator[PlayingPeer]:
    """Run a peer, or skip it where it can't."""
    peer = PEERS[request.param]()
    reason = peer.available()
    if reason:
        pytest.skip(f"{peer.name}: {reason}")
    with peer:
        yield peer


@pytest.fixture
def players(peer: PlayingPeer) -> Iterator[list[Player]]:
    """Open a session and let four players in; each has been welcomed."""
    peer.open(quiz())
    with ExitStack() as stack:
        seated = []
        for name in ("Ann", "Bob", "Cem", "Dee"):
            player = stack.enter_context(Player(peer.join(name), peer.dialect))
            player.until("welcome")
            seated.append(player)
        yield seated


def answer(player: Player, option: str, question: str = "q1") -> Message:
    """Answer and return the result."""
    player.say("answer_submission", {"questionId": question, "selectedOption": option})
    result: Message = player.until("answer_result")["payload"]
    return result


def refusal(player: Player, kind: str, payload: Message) -> str:
    """Say what is wrong and return the reason that comes back."""
    player.say(kind, payload)
    reason: str = player.until("error")["payload"]["reason"]
    return reason


def test_a_whole_game_is_played_by_the_rules(
    peer: PlayingPeer, players: list[Player]
) -> None:
    """Broadcasts come once and in order; equal scores share a rank, the next skips."""
    peer.command("start")
    for player in players:
        shown = player.until("new_question")["payload"]
        assert (shown["questionId"], shown["options"]) == ("q1", WINDS)
    results = [
        answer(player, option)
        for player, option in zip(
            players, ["east", "south", "east", "west"], strict=True
        )
    ]
    assert [result["points"] for result in results] == [1000, 0, 1000, 0]
    assert [result["correct"] for result in results] == [True, False, True, False]
    assert [result["rank"] for result in results] == [1, 2, 1, 3]
    for player, rank in zip(players, [1, 3, 1, 3], strict=True):
        own = player.until("question_closed")["payload"]["you"]
        assert (own["rank"], own["of"]) == (rank, 4)
        assert (own["correct"], own["score"]) == (rank == 1, 1000 * (rank == 1))
    for player, rank in zip(players, [1, 3, 1, 3], strict=True):
        ended = player.until("quiz_ended")["payload"]
        assert (ended["you"]["rank"], ended["you"]["of"]) == (rank, 4)
        board = [line["participantName"] for line in ended["finalLeaderboard"]]
        assert board == ["Ann", "Cem", "Bob", "Dee"]
        assert [line["rank"] for line in ended["finalLeaderboard"]] == [1, 1, 3, 3]
        assert player.numbers() == [1, 2, 3, 4, 5, 6]


def test_who_scores_is_shown_to_everybody(
    peer: PlayingPeer, players: list[Player]
) -> None:
    """A score is on everybody's board at once, though nobody else has answered."""
    peer.command("start")
    players[0].until("new_question")
    answer(players[0], "east")
    for player in players[1:]:
        lines = player.until("leaderboard_changed")["payload"]["leaderboard"]
        assert lines[0]["participantId"] == players[0].participant_id
        assert [line["score"] for line in lines] == [1000, 0, 0, 0]


def test_the_first_answer_stands(peer: PlayingPeer, players: list[Player]) -> None:
    """The same one again has the same result, another one is refused."""
    peer.command("start")
    ann = players[0]
    ann.until("new_question")
    first = answer(ann, "east")
    again = answer(ann, "east")
    assert again == first
    other = {"questionId": "q1", "selectedOption": "west"}
    assert refusal(ann, "answer_submission", other) == "already_answered"


def test_wrong_messages_cost_an_error(peer: PlayingPeer, players: list[Player]) -> None:
    """Each has its reason, and nobody else hears of it."""
    peer.command("start")
    bob = players[1]
    bob.until("new_question")
    kind = "answer_submission"
    unknown = {"questionId": "no such", "selectedOption": "east"}
    assert refusal(bob, kind, unknown) == "unknown_question"
    wrong = {"questionId": "q1", "selectedOption": "up"}
    assert refusal(bob, kind, wrong) == "invalid_option"
    assert refusal(bob, kind, {}) == "invalid_message"
    assert refusal(bob, "no_such_type", {}) == "unknown_type"


def test_a_question_worth_nothing_is_still_right_or_wrong(
    peer: PlayingPeer, players: list[Player]
) -> None:
    """The verdict does not come from the points; late answers are refused."""
    peer.command("start")
    ann, bob = players[:2]
    ann.until("new_question")
    peer.command("next")
    for player in (ann, bob):
        player.until("new_question", lambda shown: shown["questionId"] == "practice")
    assert answer(ann, "west", "practice")["correct"] is True
    assert answer(bob, "north", "practice")["correct"] is False
    practice = {"questionId": "practice", "selectedOption": "west"}
    closed = ann.until(
        "question_closed", lambda closed: closed["questionId"] == "practice"
    )
    assert closed["payload"]["you"]["correct"] is True
    assert refusal(players[2], "answer_submission", practice) == "too_late"


def test_it_starts_by_itself_when_enough_are_in(peer: PlayingPeer) -> None:
    """With ``start: auto`` nobody has to lead, and who comes late is in the picture."""
    peer.open(quiz(start="auto", min_participants=2))
    with ExitStack() as stack:
        ann = stack.enter_context(Player(peer.join("Ann"), peer.dialect))
        ann.until("welcome")
        ticket = peer.join("Bob")
        ann.until("new_question")
        bob = stack.enter_context(Player(ticket, peer.dialect))
        welcome = bob.until("welcome")["payload"]
        assert (welcome["phase"], welcome["seq"]) == ("question", 2)
        assert welcome["question"]["questionId"] == "q1"
        assert answer(bob, "east")["rank"] == 1
        assert bob.until("leaderboard_changed")["payload"]["leaderboard"]


def test_only_those_with_a_token_get_in(peer: PlayingPeer) -> None:
    """Neither a game nor a command is to be had with another's token."""
    peer.open(quiz())
    ticket = peer.join("Ann")
    forged = {**ticket, "token": "0"}
    with pytest.raises(PermissionError), Player(forged, peer.dialect):
        pass
    peer.opened["hostToken"] = ticket["token"]
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        peer.command("start")


def test_a_bench_message_goes_to_everybody(
    peer: PlayingPeer, players: list[Player]
) -> None:
    """It takes the way of every broadcast, in the size asked for."""
    told = peer.broadcast(200, times=2, pause_ms=1)
    assert len(told["rounds"]) == 2
    for player in players:
        texts = [player.until("bench", lambda _: True) for _ in range(2)]
        assert [text["seq"] for text in texts] == [one["seq"] for one in told["rounds"]]
        size = len(players[0].received[-1]["payload"])
        assert size < 200
    assert peer.cpu_s() > 0
    assert peer.rss_bytes() > 0
