"""Packed records of answers: read whole, refused when broken, never crashing."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quizd._fast import scoring
from quizd._fast.ranking import Board
from quizd._fast.scoring import Key
from tests.fast.sheets import KEY, OPTIONS, START_MS, filled, sheet
from tests.oracle import packed
from tests.oracle.packed import Packed

BEYOND = 2**24

ANSWERS = st.lists(
    st.builds(
        Packed,
        participant=st.integers(0, 200),
        received_ms=st.integers(-(2**63), 2**63 - 1),
        elapsed_ms=st.integers(-(2**31), 2**31 - 1),
        points=st.integers(-(2**31), 2**31 - 1),
        credit=st.integers(0, 2**16 - 1),
        response=st.binary(max_size=30),
        answered_at=st.binary(max_size=30),
    ),
    max_size=5,
)


@given(question=st.integers(0, 2**16 - 1), answers=ANSWERS)
def test_a_record_reads_as_it_was_written(question: int, answers: list[Packed]) -> None:
    """Any values of the fields; claimed instants that are no UTF-8 are marked."""
    record = packed.pack(question, answers)
    assert scoring.question_of(record) == question
    found = scoring.answers_in(record)
    assert [
        (a["participant"], a["received_ms"], a["elapsed_ms"], a["points"])
        for a in found
    ] == [(a.participant, a.received_ms, a.elapsed_ms, a.points) for a in answers]
    assert [(a["credit"], a["response"], a["answered_at"]) for a in found] == [
        (a.credit, a.response, a.answered_at.decode(errors="replace")) for a in answers
    ]


@given(answers=ANSWERS.filter(bool))
@settings(max_examples=30)
def test_a_record_cut_short_is_refused_at_every_byte(answers: list[Packed]) -> None:
    """No reader takes a part of a record for the whole, or reads behind its end."""
    record = packed.pack(7, answers)
    for size in range(len(record)):
        with pytest.raises(ValueError, match="cut short"):
            scoring.apply(record[:size], sheet(), None)
        with pytest.raises(ValueError, match="cut short"):
            scoring.answers_in(record[:size])
    for size in range(6):
        with pytest.raises(ValueError, match="cut short"):
            scoring.question_of(record[:size])


# Of zeros and ones every size is likely to be met, and an index read from them is
# either small or beyond all there can be: none that is taken takes much memory.
BINARY = st.lists(st.sampled_from([0, 0, 0, 1]), max_size=120).map(bytes)


@given(BINARY)
@settings(max_examples=500)
def test_any_bytes_are_a_record_or_refused(record: bytes) -> None:
    """Readers raise ``ValueError`` or read; all that is read lies in the record."""
    try:
        answers = scoring.answers_in(record)
    except ValueError:
        with pytest.raises(ValueError, match=r"cut short|beyond"):
            scoring.apply(record, sheet(), None)
        return
    size = packed.HEAD.size + len(answers) * packed.ITEM.size
    texts = sum(len(a["response"]) + len(a["answered_at"].encode()) for a in answers)
    assert size + texts <= len(record)
    if all(answer["participant"] < BEYOND for answer in answers):
        told = scoring.apply(record, sheet(), None)
        assert told == [answer["participant"] for answer in answers]


@pytest.mark.parametrize("who", [BEYOND, 2**31, 2**32 - 1])
def test_a_participant_beyond_all_is_refused(who: int) -> None:
    """An index that no session gives out takes no memory and writes nowhere."""
    answer = Packed(who, START_MS, 0, 1000, 1000, b"\x00", b"")
    found = sheet()
    with pytest.raises(ValueError, match=f"participant {who} "):
        scoring.apply(packed.pack(0, [answer]), found, None)
    with pytest.raises(ValueError, match=f"participant {who} "):
        scoring.judge_one(found, 0, who, START_MS, b"", 0, b"")
    inbox = filled([(who, START_MS, b"q1", b"red", b"")])
    with pytest.raises(ValueError, match=f"participant {who} "):
        scoring.judge(inbox, found, KEY, 0, set())
    assert who not in found
    assert found.result(who) == (0, 0, False, 0)


def test_points_of_a_stranger_are_refused() -> None:
    """A board that does not know the participant says so."""
    answer = Packed(3, START_MS, 0, 1000, 1000, b"\x00", b"")
    with pytest.raises(IndexError, match="index 3"):
        scoring.apply(packed.pack(0, [answer]), sheet(), Board())


# -- the doorway -------------------------------------------------------------------


def test_texts_that_no_record_can_hold() -> None:
    """A response over 65,535 bytes, or a claim over 255, is refused."""
    for response, claim in ((b"x" * 65_536, b""), (b"", b"x" * 256)):
        with pytest.raises(ValueError, match="too long"):
            scoring.judge_one(sheet(), 0, 0, START_MS, response, 0, claim)


def test_the_longest_texts_fit() -> None:
    """65,535 and 255 bytes are recorded whole."""
    record, _ = scoring.judge_one(sheet(), 0, 0, START_MS, b"x" * 65_535, 0, b"y" * 255)
    assert record is not None
    (answer,) = scoring.answers_in(record)
    assert (len(answer["response"]), len(answer["answered_at"])) == (65_535, 255)


@pytest.mark.parametrize("bad", [None, 5, "text"])
def test_what_is_no_inbox_sheet_or_record(bad: Any) -> None:  # noqa: ANN401
    """Other objects raise ``TypeError``, none of them crashes."""
    inbox = filled([(0, START_MS, b"q1", b"red", b"")])
    calls: list[Callable[[], object]] = [
        lambda: scoring.judge(bad, sheet(), KEY, 0, set()),
        lambda: scoring.judge_one(bad, 0, 0, 0, b"", 0, b""),
        lambda: scoring.judge_one(sheet(), 0, 0, 0, bad, 0, b""),
        lambda: scoring.judge_one(sheet(), 0, 0, 0, b"", 0, bad),
        lambda: scoring.apply(bad, sheet(), None),
        lambda: scoring.apply(b"", bad, None),
        lambda: scoring.question_of(bad),
        lambda: scoring.answers_in(bad),
        lambda: sheet().settle(bad),
        lambda: sheet().same_response(0, bad),
        lambda: Key(bad, OPTIONS, 0),
        lambda: Key(b"q1", bad, 0),
        lambda: Key(b"q1", (b"red", bad), 0),
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()
    with pytest.raises((TypeError, ValueError)):
        scoring.judge(inbox, bad, KEY, 0, set())


def test_a_distribution_has_256_buckets() -> None:
    """More can't be asked for, fewer can."""
    assert sheet().distribution(0) == []
    assert sheet().distribution(256) == [0] * 256
    with pytest.raises(ValueError, match="not 257"):
        sheet().distribution(257)
    with pytest.raises(OverflowError):
        sheet().distribution(-1)
