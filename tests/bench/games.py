"""Three players of the load generator in a game that a fake server plays."""

from collections.abc import Mapping, Sequence

from bench.load._play import Players
from bench.load.tickets import ACCEPT, Address, handshake
from bench.load.verify import Standings, check_board, check_standings
from tests.bench.fake import CLOCK, KEY, POINTS, FakeServer, Message, Script, script_of

HABITS: dict[str, float | bool] = {
    "silent": 0.0,
    "late": 0.0,
    "doubled": 0.0,
    "malformed": 0.0,
    "wrong": 0.0,
    "low_ns": 0.0,
    "high_ns": 1e6,
    "exponential": False,
    "from_start": True,
}
SLICE_S = 0.01
SLICES_MAX = 400
HOPELESS_SLICES = 60
"""How long the last one may wait for an end that doesn't come."""


def game(answers: int = 1) -> list[Script]:
    """Return scripts of a game without a fault, *answers* coming to each question."""
    now_ms = CLOCK.now_ms()
    return [script_of(number, now_ms, answers) for number in range(len(POINTS))]


def players_of(
    server: FakeServer,
    habits: Mapping[str, float],
    *,
    lenient: bool = False,
    seed: int = 0,
    kind: type[Players] = Players,
) -> Players:
    """Return players of *server*'s scripts, connecting; *habits* beside ours."""
    address = Address("127.0.0.1", server.port)
    players = kind(
        address.host,
        address.port,
        [handshake(address, f"/{number}") for number in range(len(server.scripts))],
        accept=ACCEPT,
        key=KEY,
        habits={**HABITS, **habits},
        lenient=lenient,
        seed=seed,
    )
    players.connect()
    return players


def run_to_the_end(players: Players) -> None:
    """Serve the players until everybody saw the end or lost the line, or hangs."""
    hopeless = 0
    for _ in range(SLICES_MAX):
        counters = players.counters()
        left = players.count - counters["ended"] - counters["lost"]
        hopeless += left == 1
        if left == 0 or hopeless == HOPELESS_SLICES:
            break
        players.run(SLICE_S)
    players.run(SLICE_S)


def play(
    scripts: Sequence[Script],
    *,
    bytes_at_once: int = 0,
    lenient: bool = False,
    **habits: float,
) -> list[str]:
    """Let the players play against *scripts*; return what there is to complain of."""
    with FakeServer(scripts, bytes_at_once) as server:
        players = players_of(server, habits, lenient=lenient)
        run_to_the_end(players)
        players.settle(to_the_end=True)
        texts = [text for _, text in players.violations()]
        if not lenient:
            texts += wrong_ranks(players)
        players.close()
        return texts


def wrong_ranks(players: Players) -> list[str]:
    """Return what only all of them together show."""
    texts: list[str] = []
    for row in range(len(KEY)):
        texts += check_standings(f"after {row}", standings(players, row)).texts
    told = standings(players, len(KEY))
    texts += check_standings("at the end", told).texts
    final = players.final()
    if final is not None:
        ids = [f"p{number}" for number in range(len(POINTS))]
        texts += check_board(final, ids, told).texts
    return texts


def standings(players: Players, row: int) -> Standings:
    """Return what all players were told after question *row*."""
    scores, ranks, ofs = (
        [players.column(name, row)] for name in ("scores", "ranks", "ofs")
    )
    return Standings.of_parts(scores, ranks, ofs)


def of_type(script: Script, kind: str) -> list[Message]:
    """Return the messages of a type, in order."""
    return [step for step in script if isinstance(step, dict) and step["type"] == kind]


def index_of(script: Script, kind: str, which: int = 0) -> int:
    """Return where a message of a type stands."""
    wanted = of_type(script, kind)[which]
    return next(at for at, step in enumerate(script) if step is wanted)
