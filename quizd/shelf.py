"""``quizd quiz``: what the store holds, worked on without a server."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from quizd import content
from quizd.clock import SystemClock
from quizd.quizfile import json_format
from quizd.session.quiz import Quiz
from quizd.settings import Settings
from quizd.store.base import QUIZ_ID, QUIZ_ID_WANTED, QuizSummary, Quizzes
from quizd.store.place import lasting_place
from quizd.store.quizzes import StoredQuizzes

PAGE = 100
Say = Callable[[str], None]


def import_quizzes(settings: Settings, files: list[str], say: Say) -> None:
    """Check *files*, then store them all; the file's name becomes the quiz's id.

    Raises ``OSError`` or ``ValueError`` naming what is wrong; nothing is stored then.
    """
    quizzes = [(_quiz_id(name), _read(name)) for name in files]
    asyncio.run(_store(settings, quizzes, say))


async def _store(settings: Settings, quizzes: list[tuple[str, Quiz]], say: Say) -> None:
    store = await _opened(settings)
    try:
        for quiz_id, quiz in quizzes:
            stored = await store.put(quiz_id, quiz, SystemClock().now_ms())
            say(f"{quiz_id}  version {stored.version}  {_described(quiz)}")
    finally:
        await store.stop()


def list_quizzes(settings: Settings, say: Say) -> None:
    """Say a line for each stored quiz."""
    asyncio.run(_list(settings, say))


async def _list(settings: Settings, say: Say) -> None:
    store = await _opened(settings)
    try:
        cursor: str | None = None
        while True:
            page = await store.list(PAGE, cursor)
            for quiz in page.items:
                say(f"{quiz.quiz_id}  version {quiz.version}  {_line(quiz)}")
            cursor = page.cursor
            if cursor is None:
                return
    finally:
        await store.stop()


def list_shipped(say: Say) -> None:
    """Say a line for each quiz that is shipped."""
    for name in content.names():
        say(f"{name}  {_described(content.load(name))}")


async def _opened(settings: Settings) -> Quizzes:
    store = StoredQuizzes(lasting_place(settings).engine())
    await store.start()
    return store


def _read(name: str) -> Quiz:
    path = Path(name)
    if not path.exists() and name in content.names():
        return content.load(name)
    return json_format.parse(path.read_bytes(), name)


def _quiz_id(name: str) -> str:
    """Return the file's name without its ending; raise ``ValueError`` if it's no id."""
    quiz_id = Path(name).stem
    if not QUIZ_ID.fullmatch(quiz_id):
        msg = f"{name}: as an id, the file's name {QUIZ_ID_WANTED}"
        raise ValueError(msg)
    return quiz_id


def _described(quiz: Quiz) -> str:
    return f"{quiz.title} ({len(quiz.questions)} questions)"


def _line(quiz: QuizSummary) -> str:
    return f"{quiz.title} ({quiz.questions} questions)"
