"""Quizzes in a database, by SQLAlchemy Core: nothing here is of SQLite alone."""

import secrets
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Row, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from quizd.session.quiz import Quiz, check_texts
from quizd.store.base import (
    LIST_MAX,
    QUIZ_ID,
    QUIZ_ID_WANTED,
    Page,
    QuizSummary,
    Quizzes,
    StoredQuiz,
    StoreUnavailable,
)
from quizd.store.cache import Cache
from quizd.store.migrations import check, upgrade
from quizd.store.tables import quiz_versions, quizzes
from quizd.store.transaction import named_failures, transaction

CACHED = 128
CACHED_S = 2.0
ID_CHARS = 10
FIRST_LETTERS = "abcdefghijkmnpqrstuvwxyz"
LETTERS = FIRST_LETTERS + "23456789"
TRIES = 3


def new_quiz_id() -> str:
    """Return a short id for addresses: no number, nothing that is easily misread."""
    rest = (secrets.choice(LETTERS) for _ in range(ID_CHARS - 1))
    return secrets.choice(FIRST_LETTERS) + "".join(rest)


def _nobody_else(_quiz_id: str) -> None:
    """Tell nobody that a quiz has changed: there is one shard."""


class StoredQuizzes(Quizzes):
    """Quizzes behind *engine*; definitions that are in use are kept in memory.

    Owns the engine; *now_s* is any clock in seconds that never goes back. What another
    process changes (``quizd quiz import``) is noticed within :data:`CACHED_S`, and
    what another shard changes as soon as it says so: *on_changed* is called with the
    id of each quiz that was changed or deleted here, :meth:`forget` is to be called
    there. While the database is away, what is in memory is given however old it is.

    An SQLite file is ours and is upgraded by :meth:`start`; a Postgres only where
    *upgrades* says so, since other programs of other versions may use it.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        now_s: Callable[[], float] = time.monotonic,
        *,
        upgrades: bool = False,
    ) -> None:
        self._engine = engine
        self._upgrades = upgrades or engine.dialect.name == "sqlite"
        self._cache = Cache(self._load, CACHED, CACHED_S, now_s, StoreUnavailable)
        self.on_changed: Callable[[str], None] = _nobody_else

    async def start(self) -> None:
        """Make the tables that are missing, or see that they are there.

        Raises :class:`quizd.store.migrations.WrongSchema` where they can't be used.
        """
        async with named_failures():
            await (upgrade if self._upgrades else check)(self._engine)

    async def stop(self) -> None:
        """Close every connection."""
        await self._cache.stop()
        await self._engine.dispose()

    async def ping(self) -> None:
        """Raise ``StoreUnavailable`` unless the database answers."""
        async with transaction(self._engine) as connection:
            await connection.execute(select(1))

    async def put(self, quiz_id: str | None, quiz: Quiz, now_ms: int) -> StoredQuiz:
        """Keep *quiz*, as a new version where its content is new."""
        if quiz_id is None:
            return await self._add(quiz, now_ms)
        if not QUIZ_ID.fullmatch(quiz_id):
            raise ValueError(f"quiz id {quiz_id!r}: {QUIZ_ID_WANTED}")
        try:
            for _ in range(TRIES):
                try:
                    return await self._put(quiz_id, quiz, now_ms)
                except IntegrityError:  # made by somebody else in between
                    continue
            raise StoreUnavailable(f"quiz {quiz_id} is written to by others")
        finally:
            self._changed(quiz_id)

    async def get(self, quiz_id: str) -> StoredQuiz | None:
        """Return the latest version, ``None`` where there is no such quiz."""
        return await self._cache.get(quiz_id)

    def forget(self, quiz_id: str) -> None:
        """Look a quiz up again when it is next asked for."""
        self._cache.forget(quiz_id)

    async def list(
        self, limit: int, cursor: str | None = None, *, always_open: bool = False
    ) -> Page:
        """Return up to *limit* quizzes by id, from behind *cursor* on."""
        limit = max(1, min(limit, LIST_MAX))
        query = select(quizzes).where(quizzes.c.deleted_ms.is_(None))
        if cursor is not None:
            query = query.where(quizzes.c.quiz_id > cursor)
        if always_open:
            query = query.where(quizzes.c.always_open)
        query = query.order_by(quizzes.c.quiz_id).limit(limit + 1)
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query)).all()
        items = tuple(_summary(row) for row in rows[:limit])
        return Page(items, items[-1].quiz_id if len(rows) > limit else None)

    async def delete(self, quiz_id: str, now_ms: int) -> bool:
        """Take the quiz out; return whether it was there."""
        there = (quizzes.c.quiz_id == quiz_id) & quizzes.c.deleted_ms.is_(None)
        try:
            async with transaction(self._engine) as connection:
                done = await connection.execute(
                    update(quizzes).where(there).values(deleted_ms=now_ms)
                )
        finally:
            self._changed(quiz_id)
        return done.rowcount > 0

    # -- inside ------------------------------------------------------------------

    def _changed(self, quiz_id: str) -> None:
        """Forget what was known of a quiz, here and elsewhere, also if in doubt."""
        self._cache.forget(quiz_id)
        self.on_changed(quiz_id)

    async def _load(self, quiz_id: str) -> StoredQuiz | None:
        query = (
            select(quizzes, quiz_versions.c.content)
            .join(
                quiz_versions,
                (quiz_versions.c.quiz_id == quizzes.c.quiz_id)
                & (quiz_versions.c.version == quizzes.c.version),
            )
            .where(quizzes.c.quiz_id == quiz_id, quizzes.c.deleted_ms.is_(None))
        )
        async with transaction(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        quiz = Quiz.model_validate(row.content)
        return StoredQuiz(
            row.quiz_id, row.version, quiz, row.created_ms, row.updated_ms
        )

    async def _add(self, quiz: Quiz, now_ms: int) -> StoredQuiz:
        for _ in range(TRIES):
            quiz_id = new_quiz_id()
            try:
                async with transaction(self._engine) as connection:
                    return await _insert(connection, quiz_id, quiz, now_ms)
            except IntegrityError:  # the id is taken, however unlikely
                continue
        raise StoreUnavailable("no free quiz id was found")

    async def _put(self, quiz_id: str, quiz: Quiz, now_ms: int) -> StoredQuiz:
        """Write first, then look: so no transaction turns from reader to writer."""
        async with transaction(self._engine) as connection:
            marks = await _update(connection, quiz_id, quiz, now_ms)
            if marks is None:
                marks = await _unchanged(connection, quiz_id, quiz)
            if marks is None:
                return await _insert(connection, quiz_id, quiz, now_ms)
        return StoredQuiz(quiz_id, marks.version, quiz, *marks[1:])


class _Marks(NamedTuple):
    version: int
    created_ms: int
    updated_ms: int


async def _update(
    connection: AsyncConnection, quiz_id: str, quiz: Quiz, now_ms: int
) -> _Marks | None:
    """Make a new version of a quiz whose content differs or that was taken out."""
    content, digest = _content(quiz)
    differs = or_(quizzes.c.digest != digest, quizzes.c.deleted_ms.is_not(None))
    changed = await connection.execute(
        update(quizzes)
        .where(quizzes.c.quiz_id == quiz_id, differs)
        .values(
            **_listed(quiz),
            digest=digest,
            version=quizzes.c.version + 1,
            updated_ms=now_ms,
            deleted_ms=None,
        )
        .returning(quizzes.c.version, quizzes.c.created_ms, quizzes.c.updated_ms)
    )
    row = changed.one_or_none()
    if row is None:
        return None
    await _add_version(connection, quiz_id, row.version, content, now_ms)
    return _Marks(*row)


async def _unchanged(
    connection: AsyncConnection, quiz_id: str, quiz: Quiz
) -> _Marks | None:
    """Return the version that has this very content already.

    Not that of whoever has made the quiz since the update did not find it, which on
    Postgres is seen here.
    """
    _, digest = _content(quiz)
    query = select(quizzes.c.version, quizzes.c.created_ms, quizzes.c.updated_ms).where(
        quizzes.c.quiz_id == quiz_id,
        quizzes.c.digest == digest,
        quizzes.c.deleted_ms.is_(None),
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _Marks(*row)


async def _insert(
    connection: AsyncConnection, quiz_id: str, quiz: Quiz, now_ms: int
) -> StoredQuiz:
    content, digest = _content(quiz)
    await connection.execute(
        insert(quizzes).values(
            **_listed(quiz),
            quiz_id=quiz_id,
            version=1,
            digest=digest,
            created_ms=now_ms,
            updated_ms=now_ms,
        )
    )
    await _add_version(connection, quiz_id, 1, content, now_ms)
    return StoredQuiz(quiz_id, 1, quiz, now_ms, now_ms)


async def _add_version(
    connection: AsyncConnection,
    quiz_id: str,
    version: int,
    content: object,
    now_ms: int,
) -> None:
    await connection.execute(
        insert(quiz_versions).values(
            quiz_id=quiz_id, version=version, content=content, created_ms=now_ms
        )
    )


def _content(quiz: Quiz) -> tuple[object, str]:
    """Return *quiz* as JSON values, and the SHA-256 of them with sorted keys.

    Raises ``ValueError`` for a quiz that was not checked and can't be kept everywhere.
    """
    check_texts(quiz)
    content = quiz.model_dump(mode="json")
    text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return content, sha256(text).hexdigest()


def _listed(quiz: Quiz) -> dict[str, object]:
    return {
        "title": quiz.title,
        "language": quiz.language,
        "level": quiz.level,
        "questions": len(quiz.questions),
        "always_open": quiz.settings.open == "always",
    }


def _summary(row: Row[Any]) -> QuizSummary:
    return QuizSummary(
        quiz_id=row.quiz_id,
        version=row.version,
        title=row.title,
        language=row.language,
        level=row.level,
        questions=row.questions,
        always_open=row.always_open,
        created_ms=row.created_ms,
        updated_ms=row.updated_ms,
    )
