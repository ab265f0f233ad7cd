"""What a client knows, from messages alone."""

import copy
from typing import Any

import pytest

from quizd.client import Gap, Garbled, Given, Picture, Standing
from quizd.client.messages import Message, answer_field, decode, encode, instant_ms
from tests.support import samples
from tests.support.samples import T0, T1, Sample, message, welcome


def take(picture: Picture, *messages: Sample) -> list[bool]:
    """Apply *messages* and tell which were news."""
    return [picture.apply(decode(encode_any(one))) for one in messages]


def encode_any(sample: Sample) -> str:
    """Return *sample* as text, numbers included."""
    text = encode(sample["type"], sample["payload"])
    numbers = "".join(
        f',"{name}":{sample[name]}' for name in ("seq", "version") if name in sample
    )
    return text[:-1] + numbers + "}"


def broadcast(seq: int) -> Sample:
    """Return some broadcast with the number."""
    return message("quiz_paused", {"at": T0}, seq=seq)


def test_a_welcome_is_the_whole_picture() -> None:
    """Everything known before it is replaced."""
    picture = Picture()
    take(picture, samples.SERVER["welcome"])
    assert (picture.epoch, picture.seq, picture.phase) == (1, 0, "question")
    assert (picture.score, picture.rank, picture.of, picture.streak) == (1200, 2, 2, 1)
    assert picture.leaderboard[0] == Standing("p1", "Ann", 1900, 1)
    shown = picture.question
    assert shown is not None
    assert (shown.question_id, shown.answered) == ("q1", False)
    take(picture, welcome(epoch=2, seq=9, participants=5))
    assert (picture.epoch, picture.seq, picture.participants) == (2, 9, 5)
    assert (picture.phase, picture.question) == ("lobby", None)


def test_broadcasts_count_by_one() -> None:
    """After welcome with seq S come S+1, S+2 and so on."""
    picture = Picture()
    take(picture, welcome(seq=7), broadcast(8), broadcast(9), broadcast(10))
    assert picture.seq == 10


@pytest.mark.parametrize("seq", [6, 7, 9, 100])
def test_anything_else_is_a_gap(seq: int) -> None:
    """Numbers that are skipped, repeated or go back; the last good one is kept."""
    picture = Picture()
    take(picture, welcome(seq=7))
    with pytest.raises(Gap, match=f"{seq} where 8"):
        take(picture, broadcast(seq))
    assert picture.seq == 7


def test_nothing_is_broadcast_before_the_welcome() -> None:
    """Without a welcome there is no number to go on from."""
    with pytest.raises(Gap):
        take(Picture(), broadcast(1))


def test_older_versions_are_dropped() -> None:
    """Latest values only get newer; a welcome forgets the versions of before."""
    picture = Picture()
    take(picture, welcome())

    def changed(participants: int, version: int) -> Sample:
        payload = {"participants": participants, "joined": [], "left": 0}
        return message("participants_changed", payload, version=version)

    assert take(picture, changed(5, 4), changed(6, 4), changed(1, 3)) == [1, 1, 0]
    assert picture.participants == 6
    assert take(picture, welcome(), changed(2, 1)) == [True, True]


def test_messages_move_the_picture() -> None:
    """Each message of a question leaves its mark."""
    picture = Picture()
    take(picture, welcome(), samples.SERVER["quiz_starting"])
    assert picture.phase == "starting"
    take(picture, samples.SERVER["new_question"])
    assert (picture.phase, picture.question and picture.question.points) == (
        "question",
        1000,
    )
    take(picture, samples.SERVER["answer_result"])
    assert (picture.score, picture.rank) == (1200, 2)
    take(picture, samples.SERVER["question_closed"])
    assert (picture.phase, picture.question) == ("reveal", None)
    take(picture, {**samples.SERVER["quiz_ended"], "seq": 4})
    assert picture.over
    assert [line.rank for line in picture.leaderboard] == [1, 2]


def test_an_answer_result_without_feedback_changes_no_score() -> None:
    """Before the question is closed nothing is known."""
    picture = Picture()
    result = {"questionId": "q1", "accepted": True, "receivedAt": T0}
    take(picture, welcome(), message("answer_result", result))
    assert (picture.score, picture.rank) == (1200, 2)


def test_a_pause_gives_back_what_it_took() -> None:
    """The phase of before comes back, and an open question gets its new end."""
    picture = Picture()
    question = copy.deepcopy(samples.SERVER["new_question"])
    later = "2026-01-31T09:31:00.000Z"
    take(picture, welcome(seq=1), question, broadcast(3))
    assert picture.phase == "paused"
    take(picture, message("quiz_resumed", {"at": T1, "endTime": later}, seq=4))
    assert picture.phase == "question"
    assert picture.question is not None
    assert picture.question.end_ms == instant_ms(later)


@pytest.mark.parametrize(
    ("payload", "phase"),
    [({"at": T0}, "lobby"), ({"at": T0, "startsAt": T1}, "starting")],
)
def test_what_is_resumed(payload: dict[str, Any], phase: str) -> None:
    """A pause outside of questions ends where it began, or in the countdown."""
    picture = Picture()
    take(picture, welcome(), broadcast(1), message("quiz_resumed", payload, seq=2))
    assert picture.phase == phase


def test_a_hosts_messages_have_no_place() -> None:
    """They are taken in all the same."""
    picture = Picture()
    for sample in samples.FOR_HOST.values():
        take(picture, sample | ({"seq": 1} if "seq" in sample else {}))
    assert (picture.rank, picture.score, picture.over) == (None, 0, True)


def test_unknown_messages_are_let_pass() -> None:
    """Later versions may have more."""
    assert take(Picture(), message("of_later", {"a": 1})) == [True]


def test_a_board_of_old_has_no_names() -> None:
    """The first contract's entries are read, the id stands in for the name."""
    picture = Picture()
    board = [{"participantId": "p1", "score": 5, "rank": 1}]
    take(picture, message("leaderboard_changed", {"leaderboard": board}))
    assert picture.leaderboard == (Standing("p1", "p1", 5, 1),)


def test_a_question_of_old_is_read() -> None:
    """The first contract's five fields are enough."""
    old = {
        "questionId": "q1",
        "text": "?",
        "options": ["a"],
        "startTime": "2026-01-31T09:30:00Z",
        "endTime": "2026-01-31T11:30:00+02:00",
    }
    picture = Picture()
    take(picture, message("new_question", old))
    assert picture.question is not None
    assert picture.question.start_ms == picture.question.end_ms == instant_ms(T0)
    assert picture.question.question_type == "single_choice"


@pytest.mark.parametrize(
    "raw",
    ["", "nonsense", "[]", "1", "{}", '{"type":1,"payload":{}}', '{"type":"a"}',
     '{"type":"a","payload":[]}', b"\xff\x00"],
)  # fmt: skip
def test_what_is_no_message_is_garbled(raw: str | bytes) -> None:
    """Nothing but an envelope is read."""
    with pytest.raises(Garbled):
        decode(raw)


def test_decoding_gives_the_envelope() -> None:
    """Type, payload and both numbers."""
    raw = b'{"type":"a","seq":3,"version":4,"payload":{"x":1}}'
    assert decode(raw) == Message("a", {"x": 1}, seq=3, version=4)


@pytest.mark.parametrize(
    ("kind", "given", "field"),
    [
        ("single_choice", "run", {"selectedOption": "run"}),
        ("true_false", "True", {"selectedOption": "True"}),
        ("poll", "run", {"selectedOption": "run"}),
        ("multiple_choice", ("run", "go"), {"selectedOptions": ["run", "go"]}),
        ("multiple_choice", "run", {"selectedOptions": ["run"]}),
        ("text", "a word", {"text": "a word"}),
        ("numeric", 3.5, {"number": 3.5}),
        ("ordering", ["b", "a"], {"order": ["b", "a"]}),
    ],
)
def test_each_question_type_has_its_field(
    kind: str,
    given: Given,
    field: dict[str, object],
) -> None:
    """An answer goes where the protocol wants it."""
    assert answer_field(kind, given) == field


def test_instants_keep_their_milliseconds() -> None:
    """No rounding by way of floats; a time without an offset is refused."""
    assert instant_ms("2026-01-01T00:00:00.001Z") == 1_767_225_600_001
    with pytest.raises(TypeError):
        instant_ms("2026-01-01T00:00:00.001")
