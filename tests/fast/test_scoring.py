"""The compiled judging and scoring against its model in plain Python."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quizd._fast import scoring
from quizd._fast.ranking import Board
from quizd._fast.scoring import Sheet
from tests.fast.sheets import KEY, OPTIONS, START_MS, filled, sheet
from tests.oracle import packed
from tests.oracle.packed import Packed
from tests.oracle.rules import worth
from tests.oracle.sheet import SheetModel, Wanted

PEOPLE = 8

RULES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "points": st.sampled_from([0, 1000, 2000]),
        "time_ms": st.sampled_from([1000, 1501, 20_000, 3_600_000]),
        "speed": st.booleans(),
        "streak_bonus": st.booleans(),
        "graded": st.sampled_from([True, True, False]),
    }
)
WANTED = st.lists(
    st.tuples(
        st.integers(0, PEOPLE - 1),
        st.one_of(
            st.integers(-2000, 25_000), st.sampled_from([1000, 1001, 20_000, 20_001])
        ).map(lambda ms: START_MS + ms),
        st.sampled_from([b"q1", b"q1", b"q1", b"q2", b""]),
        st.sampled_from([*OPTIONS, OPTIONS[1], b"Red", b"blue "]),
        st.sampled_from([b"", b"noon", b"x" * 255]),
    ),
    max_size=20,
)
REMOVED = st.sets(st.integers(0, PEOPLE - 1), max_size=2)


def pair(
    rules: dict[str, Any], previous: tuple[Sheet, SheetModel] | None = None
) -> tuple[Sheet, SheetModel]:
    """Return a sheet and its model, by the same rules, after the same sheet."""
    clock = {"start_ms": START_MS, "end_ms": START_MS + rules["time_ms"]}
    before, model = previous or (None, None)
    return (
        Sheet(**rules, **clock, previous=before),
        SheetModel(**rules, **clock, previous=model),
    )


def agree(sheet: Sheet, model: SheetModel) -> None:
    """Compare all that can be asked of a sheet."""
    for who in range(PEOPLE + 1):
        assert (who in sheet) == (who in model.answers)
        assert sheet.result(who) == model.result(who)
        still = model.before(who) if who not in model.answers else model.streak(who)
        assert sheet.streak(who, still_open=True) == still
        assert sheet.streak(who, still_open=False) == model.streak(who)
        for place in range(len(OPTIONS)):
            answer = model.answers.get(who)
            same = answer is not None and answer.response == bytes([place])
            assert sheet.same_response(who, bytes([place])) == same
    assert sheet.answered == len(model.answers)
    assert sheet.correct == sum(a.credit > 0 for a in model.answers.values())
    assert sheet.distribution(256) == model.distribution(256)


# -- points ------------------------------------------------------------------------


@given(
    points=st.one_of(st.sampled_from([0, 1000, 2000]), st.integers(0, 10**6)),
    elapsed_ms=st.one_of(st.integers(0, 20_001), st.integers(0, 4_000_000)),
    time_ms=st.one_of(st.sampled_from([1000, 20_000]), st.integers(1000, 3_600_000)),
)
@settings(max_examples=1000)
def test_points_are_the_formula_s(points: int, elapsed_ms: int, time_ms: int) -> None:
    """``round(P * (1 - t/T / 2))`` with exact fractions, halves up, t up to T."""
    exact = worth(points, min(elapsed_ms, time_ms), time_ms, speed=True)
    assert scoring.points_for(points, elapsed_ms, time_ms) == exact


@pytest.mark.parametrize("points", [1000, 2000])
def test_points_of_every_millisecond(points: int) -> None:
    """Of 20 seconds there is none where the formula is missed or points rise."""
    last = points
    for elapsed_ms in range(20_001):
        found = scoring.points_for(points, elapsed_ms, 20_000)
        assert found == worth(points, elapsed_ms, 20_000, speed=True)
        assert found <= last
        last = found
    assert last == points // 2


@pytest.mark.parametrize("elapsed_ms", [-(2**31), -1, 0, 499, 500])
def test_half_a_second_is_free(elapsed_ms: int) -> None:
    """Up to 500 ms, and before the start, all points are to be had."""
    assert scoring.points_for(1000, elapsed_ms, 20_000) == 1000


@pytest.mark.parametrize("time_ms", [0, -1, -(2**31)])
def test_a_question_takes_time(time_ms: int) -> None:
    """No time, or less, is refused by its number, wherever it is given."""
    with pytest.raises(ValueError, match=f"is {time_ms}$"):
        scoring.points_for(1000, 0, time_ms)
    with pytest.raises(ValueError, match=f"is {time_ms}$"):
        sheet(time_ms=time_ms)


# -- judging and applying ----------------------------------------------------------


@given(
    rules=st.lists(RULES, min_size=1, max_size=4),
    data=st.data(),
    removed=REMOVED,
    immediate=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_judging_and_applying_are_the_model_s(
    rules: list[dict[str, Any]],
    data: st.DataObject,
    removed: set[int],
    immediate: bool,
) -> None:
    """Questions in a row, each with ticks of any answers, to the last streak."""
    board, scores = Board(), [0] * PEOPLE
    for _ in range(PEOPLE):
        board.add()
    previous = None
    for number, rule in enumerate(rules):
        found, model = previous = pair(rule, previous)
        for wanted in data.draw(st.lists(WANTED, max_size=3), label=f"q{number}"):
            play_tick(found, model, wanted, removed, board if immediate else None)
        if not immediate:
            found.settle(board)
        found.close(PEOPLE)
        model.close(PEOPLE)
        for who, answer in model.answers.items():
            scores[who] += answer.points
        assert [board.score(who) for who in range(PEOPLE)] == scores
        agree_when_closed(found, model)


def play_tick(
    sheet: Sheet,
    model: SheetModel,
    wanted: list[Wanted],
    removed: set[int],
    board: Board | None,
) -> None:
    """Judge *wanted* with both, twice, compare, and enter what counts."""
    record = judged(sheet, model, wanted, removed)
    assert judged(sheet, model, wanted, removed) == record
    if record is not None:
        _, answers = packed.unpack(record)
        told = scoring.apply(record, sheet, board)
        assert told == [answer.participant for answer in answers]
        model.apply(answers)
    agree(sheet, model)


def judged(
    sheet: Sheet, model: SheetModel, wanted: list[Wanted], removed: set[int]
) -> bytes | None:
    """Return the record of *wanted* by both, which changes neither."""
    verdicts = scoring.judge(filled(wanted), sheet, KEY, 3, removed)
    expected = model.judge(wanted, b"q1", OPTIONS, 1, removed)
    assert verdicts.repeated == expected.repeated
    assert verdicts.refused == expected.refused
    assert verdicts.general == expected.general
    accepted = expected.accepted
    assert verdicts.record == (packed.pack(3, accepted) if accepted else None)
    agree(sheet, model)
    return verdicts.record


def agree_when_closed(sheet: Sheet, model: SheetModel) -> None:
    """Compare what a closed sheet says of everybody."""
    for who in range(PEOPLE):
        assert sheet.result(who) == model.result(who)
        assert sheet.streak(who, still_open=False) == model.streak(who)


@given(
    rules=RULES,
    who=st.integers(0, PEOPLE - 1),
    elapsed_ms=st.integers(-1000, 21_000),
    response=st.binary(max_size=20),
    credit=st.integers(0, 1000),
    claim=st.binary(max_size=255),
)
def test_one_answer_of_any_type(
    rules: dict[str, Any],
    who: int,
    elapsed_ms: int,
    response: bytes,
    credit: int,
    claim: bytes,
) -> None:
    """A response that a question type has made, with any share of the points."""
    found, model = pair(rules)
    received_ms = START_MS + elapsed_ms
    args = (found, 65_535, who, received_ms, response, credit, claim)
    verdict = model.verdict({}, who, received_ms, response)
    if verdict == "too_late":
        assert scoring.judge_one(*args) == (None, "too_late")
        return
    answer = model.packed(who, received_ms, response, credit, claim)
    assert scoring.judge_one(*args) == (packed.pack(65_535, [answer]), None)
    assert who not in found
    assert scoring.apply(packed.pack(65_535, [answer]), found, None) == [who]
    assert scoring.judge_one(*args) == (None, None)
    other = (*args[:4], response + b"!", *args[5:])
    assert scoring.judge_one(*other) == (None, "already_answered")
    assert found.result(who)[:3] == model_result(answer)
    assert found.same_response(who, response)
    assert not found.same_response(who, response + b"!")


def model_result(answer: Packed) -> tuple[int, int, bool]:
    """Return what a sheet says of *answer*."""
    return answer.received_ms, answer.points, answer.credit > 0


def test_without_an_open_question_all_answers_are_general() -> None:
    """They come back in their order, whole; removed participants are refused."""
    wanted: list[Wanted] = [
        (1, START_MS, b"q1", b"red", b"noon"),
        (2, START_MS + 1, b"", b"", b""),
        (1, START_MS + 2, "q·".encode(), b"x" * 65_535, b"y" * 255),
        (3, START_MS - 3, b"q1", b"blue", b""),
    ]
    for empty in (None, sheet()):
        verdicts = scoring.judge(filled(wanted), empty, None, 0, {3})
        assert verdicts.general == wanted[:3]
        assert verdicts.refused == [(3, "forbidden")]
        assert (verdicts.record, verdicts.repeated) == (None, [])


def test_nobody_removed_may_be_said_in_three_ways() -> None:
    """An empty set and none at all are the same; answers of nobody are nothing."""
    for removed in (set[int](), None):
        verdicts = scoring.judge(filled([]), sheet(), KEY, 0, removed)
        assert (verdicts.record, verdicts.general) == (None, [])


def test_buckets_of_a_response_are_the_type_s() -> None:
    """A sheet that is given ``buckets_of`` counts what it says, not the bytes."""
    found = sheet(buckets_of=lambda response: bytes([len(response), 255]))
    for who, response in enumerate([b"", b"abc", b"xyz"]):
        record, _ = scoring.judge_one(found, 0, who, START_MS, response, 0, b"")
        assert record is not None
        scoring.apply(record, found, None)
    counts = found.distribution(256)
    assert (counts[0], counts[3], counts[255], sum(counts)) == (1, 2, 3, 6)


def test_a_question_that_is_not_graded_leaves_streaks_alone() -> None:
    """A streak goes on behind it, for those who answered it and those who didn't."""
    rules = {"points": 1000, "time_ms": 1000, "speed": False, "streak_bonus": True}
    first = pair({**rules, "graded": True})
    for who in (0, 1):
        record, _ = scoring.judge_one(first[0], 0, who, START_MS, b"\x00", 1000, b"")
        assert record is not None
        scoring.apply(record, first[0], None)
    first[0].close(3)
    poll, _ = pair({**rules, "graded": False}, first)
    record, _ = scoring.judge_one(poll, 1, 0, START_MS, b"\x00", 1000, b"")
    assert record is not None
    scoring.apply(record, poll, None)
    assert poll.result(0)[1] == 1000
    poll.close(3)
    assert [poll.result(who)[3] for who in range(3)] == [1, 1, 0]
    last = sheet(streak_bonus=True, previous=poll)
    bonuses = [
        packed.unpack(record)[1][0].points - 1000
        for who in range(4)
        if (record := scoring.judge_one(last, 2, who, START_MS, b"", 1000, b"")[0])
    ]
    assert bonuses == [100, 100, 0, 0]


@pytest.mark.parametrize(
    ("points", "bonuses"),
    [(1000, [0, 100, 200, 300, 400, 500, 500]), (0, [0] * 7)],
)
def test_the_bonus_of_questions_in_a_row(points: int, bonuses: list[int]) -> None:
    """It grows to its limit, and a question of no points has none."""
    found, previous = [], None
    for _ in range(7):
        asked = sheet(points=points, streak_bonus=True, previous=previous)
        record, _ = scoring.judge_one(asked, 0, 0, START_MS, b"", 1000, b"")
        assert record is not None
        scoring.apply(record, asked, None)
        found.append(asked.result(0)[1] - points)
        previous = asked
    assert found == bonuses


def test_the_last_millisecond_of_a_question() -> None:
    """The end belongs to the question; what comes later does not."""
    wanted: list[Wanted] = [
        (0, START_MS + 20_000, b"q1", b"red", b""),
        (1, START_MS + 20_001, b"q1", b"red", b""),
    ]
    verdicts = scoring.judge(filled(wanted), sheet(), KEY, 0, None)
    assert verdicts.record is not None
    assert [a["participant"] for a in scoring.answers_in(verdicts.record)] == [0]
    assert verdicts.refused == [(1, "too_late")]


def test_a_delay_moves_start_and_end() -> None:
    """What stands still is neither elapsed nor over."""
    found = sheet()
    found.delay(5000)
    assert (found.start_ms, found.end_ms) == (START_MS + 5000, START_MS + 25_000)
    record, _ = scoring.judge_one(found, 0, 0, START_MS + 15_000, b"", 1000, b"")
    assert record is not None
    (answer,) = scoring.answers_in(record)
    assert (answer["elapsed_ms"], answer["points"]) == (10_000, 750)


def test_a_sheet_says_what_it_was_made_of() -> None:
    """Its properties are those that it was given."""
    first = sheet()
    second = sheet(points=2000, speed=False, graded=False, previous=first)
    assert (second.points, second.time_ms, second.speed) == (2000, 20_000, False)
    assert (second.streak_bonus, second.graded) == (False, False)
    assert second.previous is first
    assert (KEY.question_id, KEY.options, KEY.correct) == (b"q1", OPTIONS, 1)
