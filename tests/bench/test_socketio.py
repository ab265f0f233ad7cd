"""The dialect of socket.io: the same game, and the same rules, in other frames."""

import orjson
import pytest

from bench.load._socketio import SocketIoPlayers
from bench.load.tickets import Address, Ticket, game_head
from tests.bench.fake import Await, FakeServer, Raw, Script, Step, frame
from tests.bench.games import game, of_type, players_of, run_to_the_end

GREETING: Script = [
    Raw(frame(b'0{"sid":"a","upgrades":[],"pingInterval":25000}')),
    Await(1),
    Raw(frame(b'40{"sid":"b"}')),
    Raw(frame(b"2")),
    Await(1),
]


def wrapped(step: Step) -> Step:
    """Return a message as an event; other steps as they are."""
    if not isinstance(step, dict):
        return step
    text = orjson.dumps(step)
    return Raw(frame(b'42["%s",%s]' % (step["type"].encode(), text)))


def dialect(scripts: list[Script]) -> list[Script]:
    """Return the same game as a server of socket.io plays it."""
    return [[*GREETING, *map(wrapped, script)] for script in scripts]


def play(scripts: list[Script], bytes_at_once: int = 0) -> tuple[list[str], FakeServer]:
    """Play; return what there is to complain of, and the server."""
    with FakeServer(scripts, bytes_at_once) as server:
        players = players_of(server, {}, kind=SocketIoPlayers)
        run_to_the_end(players)
        players.settle(to_the_end=True)
        texts = [text for _, text in players.violations()]
        players.close()
    return texts, server


@pytest.mark.parametrize("bytes_at_once", [0, 1])
def test_a_right_game_has_no_violation(bytes_at_once: int) -> None:
    """Players enter the namespace, answer pings, and say events of the right type."""
    texts, server = play(dialect(game()), bytes_at_once)
    assert texts == []
    for heard in server.heard.values():
        entered: list[object] = [*heard[:2]]
        assert entered == [40, 3]
        for said in heard[2:]:
            assert isinstance(said, bytes)
            kind, message = orjson.loads(said.removeprefix(b"42"))
            assert kind == message["type"] == "answer_submission"
            assert message["payload"]["selectedOption"] in {"north", "east"}
        assert len(heard) == 4


def test_the_rules_are_the_same() -> None:
    """A wrong score in an event is a violation as in a bare message."""
    scripts = game()
    of_type(scripts[1], "question_closed")[0]["payload"]["you"]["score"] += 1
    texts, _ = play(dialect(scripts))
    assert any("the close tells score" in text for text in texts)


@pytest.mark.parametrize(
    "packet", [b'44{"message":"unauthorized"}', b"41", b"42[]", b"nonsense"]
)
def test_other_packets_are_violations(packet: bytes) -> None:
    """Being refused, or thrown out of the namespace, doesn't pass unnoticed."""
    first, *others = dialect(game())
    first.insert(len(GREETING), Raw(frame(packet)))
    texts, _ = play([first, *others])
    assert texts == [f"unexpected packet: {packet.decode()}"]


def test_players_talk_no_nonsense() -> None:
    """It would cost the line, so that asking for it is a mistake."""
    with FakeServer([]) as server, pytest.raises(ValueError, match="no JSON"):
        players_of(server, {"malformed": 0.1}, kind=SocketIoPlayers)


def test_the_token_travels_in_the_query() -> None:
    """socket.io has no subprotocols; names are quoted."""
    ticket = Ticket("a&b", "p1", "t=")
    head = game_head(Address("127.0.0.1", 80), ticket, "socket.io").decode()
    line = head.partition("\r\n")[0]
    assert line == (
        "GET /socket.io/?EIO=4&transport=websocket"
        "&quizId=a%26b&participantId=p1&token=t%3D HTTP/1.1"
    )
    assert "Protocol:" not in head
