"""What is done by each microbenchmark.

A workload is prepared for a number of steps, and then done: only doing it counts. All
of it is the same in every run, and the cost of a step doesn't depend on how many there
are. What the core calls from C is done by a loop in C; what it offers to Python is
called from Python, the call included.
"""

import atexit
import random
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from bench.micro import _loops
from bench.micro.wires import Wires
from quizd._fast.fanout import Personal, result_payload, send_results, send_shared
from quizd._fast.inbox import Inbox
from quizd._fast.ranking import Board
from quizd._fast.scoring import Key, Sheet, apply, judge
from quizd._fast.wire import Wire, frame

SEED = 20_260_131
PLAYERS = 5000
TICK = 256
WIRES = 32
SCORES = 30_000
POINTS = 7
START_MS = 1_769_851_800_000
OPTIONS = (b"north", b"east", b"south", b"west")
KEY = Key(b"q1", OPTIONS, 0)
QUESTION = b'"q1"'
MESSAGE = (
    b'{"type":"answer_submission","payload":{"questionId":"q1",'
    b'"selectedOption":"north","answeredAt":"2026-01-31T09:30:00.000Z"}}'
)
PAYLOAD = b'{"type":"new_question","seq":7,"payload":"' + b"x" * 240 + b'"}'
FRONT = b'{"type":"question_closed","seq":8,"payload":{"questionId":"q1","you":'

Deed = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Workload:
    """*prepare* returns what does so many steps, of *each* operations."""

    name: str
    steps: int
    each: int
    prepare: Callable[[int], Deed]

    @property
    def operations(self) -> int:
        """How many operations ``steps`` steps are."""
        return self.steps * self.each


# -- what is worked on -------------------------------------------------------------


def board_of(players: int) -> Board:
    """Return a board of *players* with scores of up to 30,000."""
    rng, board = random.Random(SEED), Board()
    for _ in range(players):
        board.set_score(board.add(), rng.randrange(SCORES))
    return board


def sheet() -> Sheet:
    """Return an open question of 20 s that nobody has answered."""
    return Sheet(
        points=1000,
        time_ms=20_000,
        speed=True,
        streak_bonus=True,
        graded=True,
        start_ms=START_MS,
        end_ms=START_MS + 20_000,
    )


def inbox_of(answers: int) -> Inbox:
    """Return an inbox with one answer of each participant, all in time."""
    box = Inbox(answers, lambda: None)
    for number in range(answers):
        option = OPTIONS[number % len(OPTIONS)]
        claimed = b"2026-01-31T09:30:00.000Z"
        box.add(number, START_MS + 600 + 7 * number, b"q1", option, claimed)
    return box


def record_of(answers: int) -> bytes:
    """Return the record of a tick with so many answers."""
    record = judge(inbox_of(answers), sheet(), KEY, 0, None).record
    if record is None:
        raise ValueError("a tick without answers has no record")
    return record


def answered(board: Board) -> Sheet:
    """Return a sheet that :data:`TICK` participants have answered."""
    found = sheet()
    apply(record_of(TICK), found, board)
    return found


@cache
def wires() -> Wires:
    """Return the wires that all share, to the end of the process."""
    shared = Wires(WIRES)
    atexit.register(shared.close)
    return shared


def draws(count: int) -> "array[int]":
    """Return *count* indices of a board's players."""
    rng = random.Random(SEED)
    return array("I", (rng.randrange(PLAYERS) for _ in range(count)))


# -- ranking -----------------------------------------------------------------------


def score_and_rank(steps: int) -> Deed:
    """Prepare score updates, each with the player's new rank."""
    board, indices = board_of(PLAYERS), draws(steps)
    return lambda: _loops.score_and_rank(board, indices, POINTS)


def freeze(steps: int) -> Deed:
    """Prepare everybody's standing after a change."""
    board = board_of(PLAYERS)

    def deed() -> None:
        for index in range(steps):
            board.add_points(index, POINTS)
            board.freeze()

    return deed


def top(steps: int) -> Deed:
    """Prepare the board's first ten."""
    board = board_of(PLAYERS)

    def deed() -> None:
        for index in range(steps):
            board.add_points(index, POINTS)
            board.top(10)

    return deed


# -- answers, inbox, scoring -------------------------------------------------------


def parse(steps: int) -> Deed:
    """Prepare answers to parse."""
    return lambda: _loops.parse(MESSAGE, steps)


def put(steps: int) -> Deed:
    """Prepare an inbox that is filled and cleared."""
    box = Inbox(TICK, lambda: None)

    def deed() -> None:
        for _ in range(steps):
            _loops.put(box, MESSAGE, TICK)
            box.clear()

    return deed


def judged(steps: int) -> Deed:
    """Prepare a tick's answers to judge; that changes nothing, so it is repeated."""
    box, paper = inbox_of(TICK), sheet()

    def deed() -> None:
        for _ in range(steps):
            judge(box, paper, KEY, 0, None)

    return deed


def applied(steps: int) -> Deed:
    """Prepare a tick's record to apply, each time to a question of its own."""
    record, board = record_of(TICK), board_of(TICK)
    papers = [sheet() for _ in range(steps)]

    def deed() -> None:
        for paper in papers:
            apply(record, paper, board)

    return deed


# -- fan-out -----------------------------------------------------------------------


def personal_payload(steps: int) -> Deed:
    """Prepare personal messages."""
    board = board_of(TICK)
    personal = Personal(FRONT, board.freeze(), answered(board))

    def deed() -> None:
        for number in range(steps):
            personal.payload(number % TICK)

    return deed


def personal_result(steps: int) -> Deed:
    """Prepare the results of answers."""
    board = board_of(TICK)
    paper = answered(board)

    def deed() -> None:
        for number in range(steps):
            result_payload(QUESTION, paper, board, number % TICK)

    return deed


def shared_sent(steps: int) -> Deed:
    """Prepare one frame for all wires."""
    wires().drain()
    all_wires, framed = wires().wires, frame(PAYLOAD)

    def deed() -> None:
        for _ in range(steps):
            send_shared(all_wires, 0, WIRES, framed, 0, 0)

    return deed


def personal_sent(steps: int) -> Deed:
    """Prepare one frame with an own tail for each wire."""
    wires().drain()
    board = board_of(TICK)
    all_wires, personal = (
        wires().wires,
        Personal(FRONT, board.freeze(), answered(board)),
    )

    def deed() -> None:
        for _ in range(steps):
            personal.send(all_wires, 0, WIRES, 0, 0)

    return deed


def results_sent(steps: int) -> Deed:
    """Prepare the result of an answer for each wire."""
    wires().drain()
    board = board_of(TICK)
    paper, whose = answered(board), tuple(range(WIRES))
    wire_of: list[Wire | None] = [*wires().wires]

    def deed() -> None:
        for _ in range(steps):
            send_results(wire_of, whose, QUESTION, paper, board)

    return deed


def framed(steps: int) -> Deed:
    """Prepare payloads to frame."""

    def deed() -> None:
        for _ in range(steps):
            frame(PAYLOAD)

    return deed


WORKLOADS = (
    Workload("ranking.score_and_rank", 20_000, 1, score_and_rank),
    Workload("ranking.freeze", 10, PLAYERS, freeze),
    Workload("ranking.top", 20, 1, top),
    Workload("answers.parse_answer", 5000, 1, parse),
    Workload("inbox.put_and_clear", 40, TICK, put),
    Workload("scoring.judge", 20, TICK, judged),
    Workload("scoring.apply", 20, TICK, applied),
    Workload("fanout.personal_payload", 2000, 1, personal_payload),
    Workload("fanout.result_payload", 2000, 1, personal_result),
    Workload("fanout.send_shared", 50, WIRES, shared_sent),
    Workload("fanout.send_personal", 50, WIRES, personal_sent),
    Workload("fanout.send_results", 50, WIRES, results_sent),
    Workload("wire.frame", 5000, 1, framed),
)
