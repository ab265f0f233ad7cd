"""Sheets and inboxes to score with."""

from typing import Any

from quizd._fast.inbox import Inbox
from quizd._fast.scoring import Key, Sheet
from tests.oracle.sheet import Wanted

START_MS = 1_767_225_600_000
OPTIONS = (b"red", "grün".encode(), b"blue", b"")
KEY = Key(b"q1", OPTIONS, 1)


def sheet(**changed: Any) -> Sheet:  # noqa: ANN401 - the rules' own types
    """Return a sheet of the usual rules, 20 s, with *changed* ones."""
    rules = {
        "points": 1000,
        "time_ms": 20_000,
        "speed": True,
        "streak_bonus": False,
        "graded": True,
        "start_ms": START_MS,
        "end_ms": START_MS + 20_000,
    }
    return Sheet(**{**rules, **changed})


def filled(wanted: list[Wanted]) -> Inbox:
    """Return an inbox that holds *wanted*."""
    inbox = Inbox(100, lambda: None)
    for item in wanted:
        assert inbox.add(*item)
    return inbox
