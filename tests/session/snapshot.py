"""The whole state of a session as plain values that can be compared."""

from collections.abc import Hashable
from functools import singledispatch

from quizd._fast.ranking import Board
from quizd._fast.scoring import Key, Sheet
from quizd.session.quiz import Quiz
from quizd.session.state import State

BUCKETS = 256
EVERYBODY = 2**31 - 1


def snapshot(state: State) -> dict[str, Hashable]:
    """Return every attribute of *state*, none left out, as values that don't change.

    A sheet can't say how many participants it has room for, so all that the session
    knows are asked for, and one more.
    """
    known = len(state.names) + 1
    return {name: _frozen(value, known) for name, value in vars(state).items()}


@singledispatch
def _frozen(value: object, known: int) -> Hashable:
    if isinstance(value, Quiz):
        return value.model_dump_json()
    if isinstance(value, list | tuple):
        return tuple(_frozen(item, known) for item in value)
    if isinstance(value, set):
        return frozenset(value)
    if isinstance(value, dict):
        return tuple(value.items())
    assert value is None or isinstance(value, int | str), f"unknown value {value!r}"
    return value


@_frozen.register
def _board(board: Board, _: int) -> Hashable:
    return (
        tuple(board.page(0, EVERYBODY)),
        tuple(board.score(index) for index in range(board.indices)),
        tuple(board.rank(index) for index in range(board.indices)),
    )


@_frozen.register
def _sheet(sheet: Sheet, known: int) -> Hashable:
    everybody = range(known)
    return (
        (sheet.points, sheet.time_ms, sheet.speed, sheet.streak_bonus, sheet.graded),
        (sheet.start_ms, sheet.end_ms, sheet.answered, sheet.correct),
        tuple(sheet.distribution(BUCKETS)),
        tuple(who in sheet for who in everybody),
        tuple(sheet.result(who) for who in everybody),
        tuple(sheet.streak(who, still) for who in everybody for still in (True, False)),
        tuple(
            position
            for who in everybody
            for position in range(20)
            if sheet.same_response(who, bytes([position]))
        ),
        sheet.previous is None,
    )


@_frozen.register
def _key(key: Key, _: int) -> Hashable:
    return key.question_id, key.options, key.correct
