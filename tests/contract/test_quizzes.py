"""What every store of quizzes promises, held against each of them."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from quizd.content import load, names
from quizd.session.quiz import Quiz
from quizd.store.base import LIST_MAX, QUIZ_ID, Quizzes
from quizd.store.engine import sqlite_engine
from quizd.store.quizzes import StoredQuizzes
from tests.contract.stores import BACKENDS, backend_of

Make = Callable[[], Quizzes]

DEMO = load("demo")


def titled(title: str, **settings: object) -> Quiz:
    """Return a quiz that differs from another by its title."""
    changed = DEMO.settings.model_copy(update={"open": "host", **settings})
    return DEMO.model_copy(update={"title": title, "settings": changed})


@pytest.fixture(params=["memory", *BACKENDS])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Make stores of one implementation, all but those in memory on the same data."""
    if request.param == "memory":
        yield lambda: StoredQuizzes(sqlite_engine(None))
        return
    with backend_of(request.param, tmp_path) as backend:
        yield lambda: StoredQuizzes(backend.engine())


@pytest.fixture
async def quizzes(make: Make) -> AsyncIterator[Quizzes]:
    """A store that is running."""
    quizzes = make()
    await quizzes.start()
    yield quizzes
    await quizzes.stop()


class TestPut:
    """Content is kept in versions."""

    async def test_the_first_content_is_version_1(self, quizzes: Quizzes) -> None:
        """What was put is returned, with its instants."""
        stored = await quizzes.put("words", DEMO, 7)
        assert (stored.quiz_id, stored.version, stored.quiz) == ("words", 1, DEMO)
        assert (stored.created_ms, stored.updated_ms) == (7, 7)
        assert await quizzes.get("words") == stored

    async def test_other_content_is_the_next_version(self, quizzes: Quizzes) -> None:
        """The instant of the creation stays."""
        await quizzes.put("words", titled("one"), 7)
        stored = await quizzes.put("words", titled("two"), 9)
        assert (stored.version, stored.quiz.title) == (2, "two")
        assert (stored.created_ms, stored.updated_ms) == (7, 9)
        assert await quizzes.get("words") == stored

    async def test_the_same_content_is_no_new_version(self, quizzes: Quizzes) -> None:
        """Nothing has changed, and the store says so."""
        first = await quizzes.put("words", DEMO, 7)
        same = Quiz.model_validate_json(DEMO.model_dump_json())
        assert await quizzes.put("words", same, 9) == first

    async def test_going_back_is_a_new_version(self, quizzes: Quizzes) -> None:
        """A version is content at a time, not content."""
        titles = ("one", "two", "one")
        stored = [await quizzes.put("words", titled(title), 7) for title in titles]
        assert [each.version for each in stored] == [1, 2, 3]

    async def test_what_one_database_cannot_keep_no_store_takes(
        self, quizzes: Quizzes
    ) -> None:
        """The character NUL, anywhere; text that only looks like it is none."""
        with pytest.raises(ValueError, match="NUL"):
            await quizzes.put("words", titled("a\0b"), 7)
        assert await quizzes.get("words") is None
        stored = await quizzes.put("words", titled("a\\u0000b"), 7)
        assert await quizzes.get("words") == stored

    async def test_a_new_id_is_short_and_safe(self, quizzes: Quizzes) -> None:
        """Each call without an id makes a quiz of its own."""
        stored = [await quizzes.put(None, DEMO, 7) for _ in range(5)]
        ids = {each.quiz_id for each in stored}
        assert len(ids) == 5
        assert all(QUIZ_ID.fullmatch(each) and len(each) <= 12 for each in ids)

    @pytest.mark.parametrize("quiz_id", ["", "123456", "-x", "a b", "ü", "x" * 65])
    async def test_an_id_that_could_be_something_else_is_refused(
        self, quizzes: Quizzes, quiz_id: str
    ) -> None:
        """A pin, or what would be trouble in addresses."""
        with pytest.raises(ValueError, match="must be 1 to 64"):
            await quizzes.put(quiz_id, DEMO, 7)

    async def test_writers_at_once_get_a_version_each(self, quizzes: Quizzes) -> None:
        """None is lost, and the last one is what is read."""
        puts = [quizzes.put("words", titled(f"title {n}"), n) for n in range(8)]
        stored = await asyncio.gather(*puts)
        assert sorted(each.version for each in stored) == list(range(1, 9))
        last = max(stored, key=lambda each: each.version)
        found = await quizzes.get("words")
        assert found is not None
        assert (found.version, found.quiz) == (last.version, last.quiz)

    async def test_equal_writers_at_once_make_one_version(
        self, quizzes: Quizzes
    ) -> None:
        """A repeated request changes nothing."""
        stored = await asyncio.gather(*(quizzes.put("words", DEMO, 7) for _ in "12345"))
        assert {each.version for each in stored} == {1}

    @pytest.mark.parametrize("name", names())
    async def test_every_shipped_quiz_comes_back(
        self, quizzes: Quizzes, name: str
    ) -> None:
        """Byte for byte what was put, whatever its text."""
        await quizzes.put(name, load(name), 7)
        await quizzes.put(name, titled("other"), 8)
        await quizzes.put(name, load(name), 9)
        found = await quizzes.get(name)
        assert found is not None
        assert found.quiz == load(name)


class TestGet:
    """Reading, from memory where possible."""

    async def test_what_is_not_there_is_none(self, quizzes: Quizzes) -> None:
        """Also twice, and there once it is put."""
        assert await quizzes.get("words") is None
        assert await quizzes.get("words") is None
        stored = await quizzes.put("words", DEMO, 7)
        assert await quizzes.get("words") == stored

    async def test_readers_see_what_was_put_last(self, quizzes: Quizzes) -> None:
        """Readers and writers in random order: a read after a put has its content."""
        seed = random.randrange(2**32)
        print(f"seed {seed}")
        rng = random.Random(seed)
        for step in range(40):
            readers = [quizzes.get("words") for _ in range(rng.randrange(4))]
            reading = [asyncio.create_task(each) for each in readers]
            if rng.random() < 0.3:
                await asyncio.sleep(0)
            put = await quizzes.put("words", titled(str(rng.randrange(3))), step)
            found = await quizzes.get("words")
            assert found == put
            await asyncio.gather(*reading)
            assert await quizzes.get("words") == put


class TestDelete:
    """Taking a quiz out."""

    async def test_it_is_gone(self, quizzes: Quizzes) -> None:
        """From reading and from lists; a second time there is nothing to take out."""
        await quizzes.put("words", DEMO, 7)
        assert await quizzes.delete("words", 8)
        assert await quizzes.get("words") is None
        assert (await quizzes.list(10)).items == ()
        assert not await quizzes.delete("words", 9)

    async def test_what_was_never_there_cannot_be_taken_out(
        self, quizzes: Quizzes
    ) -> None:
        """The answer tells."""
        assert not await quizzes.delete("words", 8)

    async def test_versions_go_on_after_it(self, quizzes: Quizzes) -> None:
        """A number is never used for two contents, so results can name it."""
        await quizzes.put("words", titled("one"), 7)
        await quizzes.delete("words", 8)
        again = await quizzes.put("words", titled("one"), 9)
        assert (again.version, again.created_ms, again.updated_ms) == (2, 7, 9)
        assert await quizzes.get("words") == again


class TestList:
    """Lists in parts, by id."""

    async def test_parts_lead_through_all(self, quizzes: Quizzes) -> None:
        """Each quiz comes once, whatever the size of a part."""
        ids = [f"quiz-{number:02}" for number in range(7)]
        for quiz_id in random.sample(ids, len(ids)):
            await quizzes.put(quiz_id, DEMO, 7)
        for limit in (1, 3, 7, 100):
            found, cursor = [], None
            while True:
                page = await quizzes.list(limit, cursor)
                assert len(page.items) <= limit
                found += [item.quiz_id for item in page.items]
                cursor = page.cursor
                if cursor is None:
                    break
            assert found == ids

    async def test_a_line_tells_what_a_list_shows(self, quizzes: Quizzes) -> None:
        """Of the latest version."""
        await quizzes.put("words", titled("one"), 7)
        await quizzes.put("words", load("vocabulary-b1"), 9)
        (line,) = (await quizzes.list(10)).items
        assert (line.quiz_id, line.version) == ("words", 2)
        assert line.title == load("vocabulary-b1").title
        assert (line.language, line.level, line.questions) == ("en", "B1", 24)
        assert (line.always_open, line.created_ms, line.updated_ms) == (False, 7, 9)

    async def test_those_that_open_by_themselves(self, quizzes: Quizzes) -> None:
        """Can be listed alone, in parts too."""
        for number in range(6):
            kind = "always" if number % 2 else "host"
            await quizzes.put(f"quiz-{number}", titled("x", open=kind), 7)
        page = await quizzes.list(2, always_open=True)
        assert [item.quiz_id for item in page.items] == ["quiz-1", "quiz-3"]
        page = await quizzes.list(2, page.cursor, always_open=True)
        assert [item.quiz_id for item in page.items] == ["quiz-5"]
        assert page.cursor is None

    async def test_a_part_is_never_huge(self, quizzes: Quizzes) -> None:
        """A limit out of bounds is the nearest in them."""
        await quizzes.put("words", DEMO, 7)
        for limit in (-1, 0, 10 * LIST_MAX):
            assert len((await quizzes.list(limit)).items) == 1


class TestLife:
    """Starting, stopping, and what stays."""

    async def test_starting_again_changes_nothing(self, quizzes: Quizzes) -> None:
        """Tables that are there are left as they are."""
        stored = await quizzes.put("words", DEMO, 7)
        await quizzes.start()
        assert await quizzes.get("words") == stored

    async def test_the_database_answers(self, quizzes: Quizzes) -> None:
        """A ping that finds nothing wrong says nothing."""
        await quizzes.ping()

    async def test_stopping_twice_is_harmless(self, make: Make) -> None:
        """Also without a start."""
        quizzes = make()
        await quizzes.stop()
        await quizzes.stop()
