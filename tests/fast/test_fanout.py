"""What is written in C for each player: JSON, exact, and within the contract."""

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quizd import clock
from quizd._fast import scoring
from quizd._fast.fanout import (
    Personal,
    iso,
    result_payload,
    reveal_tail,
    send_results,
    send_shared,
)
from quizd._fast.ranking import Board, Ranking
from quizd._fast.scoring import Sheet
from quizd._fast.wire import Wire, frame
from quizd.protocol import encode
from tests.oracle import packed
from tests.oracle.packed import Packed
from tests.support.contract import check_server_message
from tests.support.wires import Line, policy

LAST_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z
SCORE_MAX = 2**31 - 1
SCORES = st.lists(
    st.one_of(
        st.integers(0, 3), st.sampled_from([0, 1000, SCORE_MAX]), st.integers(0, 30_000)
    ),
    min_size=1,
    max_size=8,
)
NUMBERS = st.one_of(
    st.sampled_from([0, 1, -1, 9, 10, -10, 2**31 - 1, -(2**31)]),
    st.integers(-(2**31), 2**31 - 1),
)


def board_of(scores: list[int]) -> Board:
    """Return a board with *scores*, by index."""
    board = Board()
    for score in scores:
        board.set_score(board.add(), score)
    return board


def sheet_of(answers: list[Packed]) -> Sheet:
    """Return a sheet with *answers* as they are recorded."""
    sheet = Sheet(
        points=1000,
        time_ms=20_000,
        speed=True,
        streak_bonus=False,
        graded=True,
        start_ms=0,
        end_ms=20_000,
    )
    if answers:
        scoring.apply(packed.pack(0, answers), sheet, None)
    return sheet


def answer(who: int, points: int, credit: int, received_ms: int = 0) -> Packed:
    """Return a recorded answer of these outcomes."""
    return Packed(who, received_ms, 0, points, credit, b"\x00", b"")


# -- times -------------------------------------------------------------------------


@given(st.integers(0, LAST_MS))
@settings(max_examples=500)
def test_times_are_those_of_datetime(at_ms: int) -> None:
    """ISO 8601 in UTC with milliseconds, from 1970 to 9999."""
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    expected = moment.replace(microsecond=at_ms % 1000 * 1000, tzinfo=None)
    assert iso(at_ms) == expected.isoformat(timespec="milliseconds") + "Z"
    assert iso(at_ms) == clock.iso(at_ms)


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399_999, "2000-02-28T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (1_769_851_800_007, "2026-01-31T09:30:00.007Z"),
        (LAST_MS, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_known_times(at_ms: int, text: str) -> None:
    """The first and last there are, and both sides of days that may be missing."""
    assert iso(at_ms) == text


# -- answer_result -----------------------------------------------------------------


@given(
    question=st.text(st.characters(codec="utf-8"), min_size=1, max_size=100),
    received_ms=st.integers(0, LAST_MS),
    scores=SCORES,
    points=st.integers(0, 3000),
    credit=st.sampled_from([0, 1, 1000]),
)
def test_a_result_tells_what_the_answer_came_to(
    question: str, received_ms: int, scores: list[int], points: int, credit: int
) -> None:
    """Any question's id, any score and rank; it keeps the contract."""
    board = board_of(scores)
    sheet = sheet_of([answer(0, points, credit, received_ms)])
    text = result_payload(orjson.dumps(question), sheet, board, 0)
    assert check_server_message(text)["payload"] == {
        "questionId": question,
        "accepted": True,
        "receivedAt": clock.iso(received_ms),
        "correct": credit > 0,
        "points": points,
        "score": scores[0],
        "rank": 1 + sum(score > scores[0] for score in scores),
    }


def test_a_result_before_the_close_tells_only_that_it_counts() -> None:
    """Without a board there is nothing of correctness, points or rank."""
    text = result_payload(b'"q1"', sheet_of([answer(0, 900, 1000, 5)]), None, 0)
    assert check_server_message(text)["payload"] == {
        "questionId": "q1",
        "accepted": True,
        "receivedAt": "1970-01-01T00:00:00.005Z",
    }


@given(points=NUMBERS, score=st.sampled_from([0, SCORE_MAX]))
def test_any_number_is_written_as_json(points: int, score: int) -> None:
    """The extremes of what a record can hold are read back exactly."""
    sheet = sheet_of([answer(0, points, 1000)])
    result = json.loads(result_payload(b'"q"', sheet, board_of([score]), 0))
    assert (result["payload"]["points"], result["payload"]["score"]) == (points, score)
    tail = json.loads(reveal_tail(sheet, board_of([score]).freeze(), 0))
    assert (tail["points"], tail["score"]) == (points, score)


# -- question_closed and the boards ------------------------------------------------


@given(scores=SCORES, data=st.data())
def test_a_reveal_tells_each_their_own(scores: list[int], data: st.DataObject) -> None:
    """Everybody's tail says what sheet and ranking say, answered or not."""
    everybody = range(len(scores))
    answers = [
        answer(who, points, credit)
        for who in everybody
        if (points := data.draw(st.integers(-1, 2500))) >= 0
        and (credit := data.draw(st.sampled_from([0, 1000]))) >= 0
    ]
    sheet, ranking = sheet_of(answers), board_of(scores).freeze()
    given_by = {a.participant: a for a in answers}
    for who in everybody:
        own = given_by.get(who)
        assert json.loads(reveal_tail(sheet, ranking, who)) == {
            "correct": own is not None and own.credit > 0,
            "points": own.points if own else 0,
            "score": scores[who],
            "rank": ranking.rank(who),
            "of": len(scores),
            "gapToNext": ranking.gap(who),
            "streak": 1 if own and own.credit else 0,
            "percentile": ranking.percentile(who),
        }


def closing_front(seq: int = 3) -> bytes:
    """Return the front of a ``question_closed``."""
    payload: dict[str, Any] = {
        "questionId": "q1",
        "correctOptions": ["grün"],
        "distribution": [{"option": "grün", "count": 1}],
        "answered": 1,
    }
    return encode.front("question_closed", payload, seq=seq)


@given(scores=SCORES, seq=st.integers(1, 2**31))
def test_a_personal_reveal_keeps_the_contract(scores: list[int], seq: int) -> None:
    """Front, tail and end are one message, the tail that of ``reveal_tail``."""
    sheet, ranking = sheet_of([answer(0, 900, 1000)]), board_of(scores).freeze()
    personal = Personal(closing_front(seq), ranking, sheet)
    for who in range(len(scores)):
        message = check_server_message(personal.payload(who))
        assert message["seq"] == seq
        tail = json.loads(reveal_tail(sheet, ranking, who))
        assert message["payload"]["you"] == tail


@given(scores=SCORES)
def test_a_personal_board_keeps_the_contract(scores: list[int]) -> None:
    """Without a sheet the tail is score, rank and of how many."""
    ranking = board_of(scores).freeze()
    front = encode.front("leaderboard_changed", {"leaderboard": []}, version=7)
    personal = Personal(front, ranking, None)
    for who, score in enumerate(scores):
        message = check_server_message(personal.payload(who))
        assert message["payload"]["you"] == {
            "score": score,
            "rank": ranking.rank(who),
            "of": len(scores),
        }


def test_a_front_of_any_size() -> None:
    """Small or great, it is followed by the tail; an empty payload as well."""
    ranking = board_of([5]).freeze()
    for size in (0, 1, 4000, 100_000):
        front = encode.front("x", {"text": "é" * size})
        message = json.loads(Personal(front, ranking, None).payload(0))
        assert message["payload"]["text"] == "é" * size
    message = json.loads(Personal(encode.front("x", {}), ranking, None).payload(0))
    assert message["payload"] == {"you": {"score": 5, "rank": 1, "of": 1}}


@pytest.mark.parametrize("who", [2, 2**32 - 1])
def test_who_is_not_in_the_ranking_is_refused(who: int) -> None:
    """A ranking knows only those who were in when it was frozen."""
    board = board_of([1, 2])
    ranking = board.freeze()
    board.add()
    with pytest.raises(IndexError, match=f"participant {who} "):
        reveal_tail(sheet_of([]), ranking, who)
    with pytest.raises(IndexError, match=f"participant {who} "):
        Personal(closing_front(), ranking, sheet_of([])).payload(who)


def test_a_result_of_nobody_is_refused() -> None:
    """A participant that the board does not know has no result."""
    with pytest.raises(IndexError, match="index 1"):
        result_payload(b'"q1"', sheet_of([]), board_of([1]), 1)


# -- wires -------------------------------------------------------------------------


class Crowd:
    """Connected wires of these participants, and what arrives at each."""

    def __init__(self, *participants: int) -> None:
        self.wires = [Wire(policy(), None, who) for who in participants]
        self.lines = [Line() for _ in participants]
        for wire, line in zip(self.wires, self.lines, strict=True):
            line.connect(wire)

    def arrived(self) -> list[list[bytes]]:
        """Return the texts that came to each since the last call."""
        return [[f.payload for f in line.frames()] for line in self.lines]

    def seqs(self) -> list[int]:
        """Return the last broadcast that each has."""
        return [wire.seq for wire in self.wires]


@pytest.mark.parametrize(
    ("start", "stop", "got"),
    [
        (0, 4, [1, 1, 1, 1]),
        (1, 3, [0, 1, 1, 0]),
        (3, 99, [0, 0, 0, 1]),
        (-5, 1, [1, 0, 0, 0]),
        (2, 2, [0, 0, 0, 0]),
        (9, 12, [0, 0, 0, 0]),
    ],
)
async def test_a_slice_of_the_wires_is_sent_to(
    start: int, stop: int, got: list[int]
) -> None:
    """From *start* up to *stop*, and never beyond the list, by either way."""
    crowd = Crowd(0, 1, 2, 3)
    send_shared(crowd.wires, start, stop, frame(b"all"), 1, 0)
    assert crowd.arrived() == [[b"all"] * times for times in got]
    assert crowd.seqs() == got
    personal = Personal(closing_front(), board_of([4, 3, 2, 1]).freeze(), None)
    personal.send(crowd.wires, start, stop, 2, 0)
    own = [personal.payload(who) for who in range(4)]
    assert crowd.arrived() == [[own[who]] * got[who] for who in range(4)]
    assert crowd.seqs() == [2 * times for times in got]


async def test_a_wire_that_has_a_broadcast_is_passed_over() -> None:
    """Its picture contained it; a message without a number goes to all."""
    crowd = Crowd(0, 1, 2)
    for wire, seq in zip(crowd.wires, (4, 5, 6), strict=True):
        wire.seq = seq
    send_shared(crowd.wires, 0, 3, frame(b"five"), 5, 0)
    assert crowd.arrived() == [[b"five"], [], []]
    assert crowd.seqs() == [5, 5, 6]
    send_shared(crowd.wires, 0, 3, frame(b"any"), 0, 0)
    assert crowd.arrived() == [[b"any"]] * 3
    assert crowd.seqs() == [5, 5, 6]


async def test_personal_messages_pass_over_whom_they_do_not_know() -> None:
    """Who has it already, or came after the ranking was frozen, gets nothing."""
    crowd = Crowd(0, 1, 2, 9)
    crowd.wires[0].seq = 7
    personal = Personal(closing_front(), board_of([0, 0]).freeze(), None)
    personal.send(crowd.wires, 0, 4, 7, 0)
    assert crowd.arrived() == [[], [personal.payload(1)], [], []]
    assert crowd.seqs() == [7, 7, 0, 0]


@pytest.mark.parametrize("size", [0, 1, 60, 70, 200, 65_500, 70_000])
async def test_a_personal_message_is_framed_for_its_size(size: int) -> None:
    """Each of the three lengths of a header is put right before the text."""
    crowd = Crowd(0)
    front = encode.front("x", {"text": "y" * size})
    personal = Personal(front, board_of([SCORE_MAX]).freeze(), None)
    personal.send(crowd.wires, 0, 1, 0, 0)
    assert crowd.arrived() == [[personal.payload(0)]]


@pytest.mark.parametrize("way", ["shared", "personal"])
async def test_a_latest_value_replaces_its_elder(way: str) -> None:
    """While a reader is slow, of equal keys the later one stays; 0 is no key."""
    crowd = Crowd(0)
    (wire,) = crowd.wires
    ranking = board_of([0]).freeze()
    wire.pause_writing()
    for text, key in ((b"a", 0), (b"b", 1), (b"c", 2), (b"d", 1), (b"e", 0)):
        if way == "shared":
            send_shared([wire], 0, 1, frame(text), 0, key)
        else:
            Personal(text, ranking, None).send([wire], 0, 1, 0, key)
    assert crowd.arrived() == [[]]
    wire.resume_writing()
    assert [text[:1] for text in crowd.arrived()[0]] == [b"a", b"c", b"d", b"e"]


async def test_results_go_to_those_who_are_there() -> None:
    """One to each that has a wire; who has none, or is unknown, is passed over."""
    crowd = Crowd(0, 2)
    sheet, board = sheet_of([answer(0, 900, 1000)]), board_of([900, 0, 0, 0])
    wire_of = [crowd.wires[0], None, crowd.wires[1]]
    send_results(wire_of, (0, 1, 7, 0), b'"q1"', sheet, board)
    result = result_payload(b'"q1"', sheet, board, 0)
    assert crowd.arrived() == [[result, result], []]
    assert crowd.seqs() == [0, 0]
    send_results(wire_of, (2,), b'"q1"', sheet, None)
    assert crowd.arrived() == [[], [result_payload(b'"q1"', sheet, None, 2)]]


def test_frames_are_those_of_the_protocol() -> None:
    """FIN, text, no mask, and the shortest length (RFC 6455 section 5.2)."""
    heads = {
        0: b"\x81\x00",
        125: b"\x81\x7d",
        126: b"\x81\x7e\x00\x7e",
        65_535: b"\x81\x7e\xff\xff",
        65_536: b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00",
    }
    for size, head in heads.items():
        assert frame(b"x" * size) == head + b"x" * size


def test_the_ranking_of_a_message_is_kept() -> None:
    """A message holds on to the ranking that it was given, whatever comes later."""

    def frozen() -> Ranking:
        return board_of([3, 9]).freeze()

    personal = Personal(b"{", frozen(), None)
    board_of([7, 7, 7]).freeze()
    assert personal.payload(1) == b'{{"score":9,"rank":1,"of":2}}}'
