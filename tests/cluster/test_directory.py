"""What every address book promises, held against the one in memory and in Redis."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from itertools import count

import pytest
from redis.asyncio import Redis, RedisCluster

from quizd.clock import ManualClock
from quizd.cluster import keys
from quizd.cluster.base import AddressBook, ClusterUnavailable
from quizd.cluster.directory import Directory, LocalDirectory
from tests.support.redis_server import RedisServer, needs_redis, redis_fixture

redis = redis_fixture

KEEP_MS = 60_000


@dataclass(frozen=True)
class Played:
    """A session as a journal lists it."""

    session_id: str
    quiz_id: str
    pin: str
    ended: bool = False


@dataclass
class Shelf:
    """Address books of one implementation; each looks at the same addresses."""

    make: Callable[[], AddressBook]
    wait_ms: Callable[[int], Awaitable[None]]
    another: Callable[[], AddressBook]


def local_shelf() -> Shelf:
    """Return a shelf with one book in memory, on a clock that a test moves."""
    clock = ManualClock()
    books: list[AddressBook] = []

    def make() -> AddressBook:
        books.append(LocalDirectory(clock, KEEP_MS))
        return books[-1]

    async def wait_ms(ms: int) -> None:
        clock.advance(ms)

    return Shelf(make, wait_ms, lambda: books[-1])


def redis_shelf(client: Redis) -> Shelf:
    """Return a shelf on a server whose keys age when a test says so."""

    async def wait_ms(ms: int) -> None:
        for key in await client.keys():
            left_ms = await client.pttl(key)
            if left_ms >= 0:
                await client.pexpire(key, left_ms - ms)

    return Shelf(lambda: Directory(client, KEEP_MS), wait_ms, lambda: Directory(client))


@pytest.fixture(
    params=[
        "local",
        pytest.param("redis", marks=needs_redis),
        pytest.param("decoding", marks=needs_redis),
    ]
)
async def shelf(request: pytest.FixtureRequest) -> AsyncIterator[Shelf]:
    """Each implementation in turn, on each kind of client."""
    if request.param == "local":
        yield local_shelf()
        return
    decode = request.param == "decoding"
    async with (
        RedisServer() as server,
        Redis.from_url(server.url, decode_responses=decode) as client,
    ):
        yield redis_shelf(client)


@pytest.fixture
def book(shelf: Shelf) -> AddressBook:
    """An empty address book."""
    return shelf.make()


class TestQuiz:
    """A quiz has one open session."""

    async def test_the_first_to_take_has_it(self, book: AddressBook) -> None:
        """Whoever comes later is told who was first, and is not found."""
        assert await book.take_quiz("quiz", "one") == "one"
        assert await book.take_quiz("quiz", "two") == "one"
        assert await book.take_quiz("quiz", "one") == "one"
        assert await book.find("quiz") == "one"
        assert await book.last_of_quiz("quiz") == "one"

    async def test_an_unknown_quiz_has_none(self, book: AddressBook) -> None:
        """What nobody took is nobody's."""
        assert await book.find("quiz") is None
        assert await book.last_of_quiz("quiz") is None

    async def test_quizzes_do_not_share(self, book: AddressBook) -> None:
        """One session's quiz is not another's, however alike the ids are."""
        assert await book.take_quiz("quiz", "one") == "one"
        assert await book.take_quiz("quiz.", "two") == "two"
        assert await book.take_quiz("quiz:1", "three") == "three"
        assert await book.find("quiz") == "one"

    async def test_of_many_at_once_one_gets_it(self, shelf: Shelf) -> None:
        """Ten that open the same quiz at the same time all end in one session."""
        shelf.make()
        books = [shelf.another() for _ in range(10)]
        taken = await asyncio.gather(
            *(book.take_quiz("quiz", f"s{n}") for n, book in enumerate(books))
        )
        assert len(set(taken)) == 1
        assert await books[0].find("quiz") == taken[0]


class TestPin:
    """A pin belongs to one session."""

    async def test_the_first_to_take_has_it(self, book: AddressBook) -> None:
        """A pin that is taken is refused to others, and granted again to its own."""
        assert await book.take_pin("123456", "one")
        assert not await book.take_pin("123456", "two")
        assert await book.take_pin("123456", "one")
        assert await book.find("123456") == "one"

    async def test_pins_and_quizzes_are_told_apart(self, book: AddressBook) -> None:
        """Digits alone are a pin; everything else is a quiz's id."""
        await book.take_pin("123456", "one")
        await book.take_quiz("q123456", "two")
        assert await book.find("123456") == "one"
        assert await book.find("q123456") == "two"
        assert await book.find("654321") is None
        assert await book.find("١٢٣٤٥٦") is None

    async def test_a_pin_has_no_last_session(self, book: AddressBook) -> None:
        """Once it is given back, a pin leads nowhere."""
        await book.take_pin("123456", "one")
        await book.release("quiz", "123456", "one")
        assert await book.find("123456") is None
        assert await book.last_of_quiz("123456") is None


class TestRelease:
    """Who gives back gives back only what is its own."""

    async def test_makes_room_for_the_next(self, book: AddressBook) -> None:
        """After it, another session takes quiz and pin, and is the last one."""
        await book.take_quiz("quiz", "one")
        await book.take_pin("111111", "one")
        await book.release("quiz", "111111", "one")
        assert await book.find("quiz") is None
        assert await book.find("111111") is None
        assert await book.last_of_quiz("quiz") == "one"
        assert await book.take_quiz("quiz", "two") == "two"
        assert await book.take_pin("111111", "two")
        assert await book.last_of_quiz("quiz") == "two"

    async def test_leaves_what_is_another_sessions(self, book: AddressBook) -> None:
        """A late or repeated release does not touch the sessions that came after."""
        await book.take_quiz("quiz", "two")
        await book.take_pin("111111", "two")
        for _ in range(2):
            await book.release("quiz", "111111", "one")
        assert await book.find("quiz") == "two"
        assert await book.find("111111") == "two"
        assert await book.last_of_quiz("quiz") == "two"

    async def test_repeating_it_keeps_the_last(self, book: AddressBook) -> None:
        """Released twice, a session is still the quiz's last."""
        await book.take_quiz("quiz", "one")
        for _ in range(2):
            await book.release("quiz", "111111", "one")
        assert await book.last_of_quiz("quiz") == "one"


class TestLast:
    """The latest session of a quiz is found for a while after its end."""

    async def test_is_forgotten_in_the_end(
        self, shelf: Shelf, book: AddressBook
    ) -> None:
        """When its time is over, the quiz is as if it had never been played."""
        await book.take_quiz("quiz", "one")
        await book.release("quiz", "111111", "one")
        await shelf.wait_ms(KEEP_MS)
        assert await book.last_of_quiz("quiz") is None

    async def test_releasing_again_does_not_prolong_it(
        self, shelf: Shelf, book: AddressBook
    ) -> None:
        """Its time runs from its end, however often that is said."""
        await book.take_quiz("quiz", "one")
        await book.release("quiz", "111111", "one")
        await shelf.wait_ms(KEEP_MS // 2)
        await book.release("quiz", "111111", "one")
        await shelf.wait_ms(KEEP_MS // 2)
        assert await book.last_of_quiz("quiz") is None

    async def test_an_open_session_is_never_forgotten(
        self, shelf: Shelf, book: AddressBook
    ) -> None:
        """A quiz that was opened again is found long after its first session's end."""
        await book.take_quiz("quiz", "one")
        await book.release("quiz", "111111", "one")
        await book.take_quiz("quiz", "two")
        await shelf.wait_ms(3 * KEEP_MS)
        assert await book.find("quiz") == "two"
        assert await book.last_of_quiz("quiz") == "two"


class TestRebuild:
    """Everything comes back from the journal's entries."""

    async def test_an_empty_book_gets_everything(self, book: AddressBook) -> None:
        """Open sessions have their quiz and pin; of the others the latest is last."""
        assert (
            await book.rebuild(
                [
                    Played("one", "a", "111111", ended=True),
                    Played("two", "a", "222222", ended=True),
                    Played("three", "b", "333333", ended=True),
                    Played("four", "b", "444444"),
                    Played("five", "c", "555555"),
                ]
            )
            == []
        )
        quizzes = [(await book.find(q), await book.last_of_quiz(q)) for q in "abc"]
        assert quizzes == [(None, "two"), ("four", "four"), ("five", "five")]
        pins = [await book.find(str(digit) * 6) for digit in range(1, 6)]
        assert pins == [None, None, None, "four", "five"]

    async def test_what_is_right_stays(self, book: AddressBook) -> None:
        """Rebuilding a complete book, or twice, changes nothing."""
        entries = [Played("one", "a", "111111", ended=True), Played("two", "a", "2")]
        for _ in range(2):
            assert await book.rebuild(entries) == []
            assert await book.find("a") == await book.last_of_quiz("a") == "two"
            assert await book.find("2") == "two"

    async def test_what_an_ended_session_still_has_is_given_back(
        self, book: AddressBook
    ) -> None:
        """A release that was never sent is made up for."""
        await book.take_quiz("a", "one")
        await book.take_pin("111111", "one")
        entries = [Played("one", "a", "111111", ended=True), Played("two", "a", "1")]
        assert await book.rebuild(entries) == []
        assert await book.find("a") == "two"
        assert await book.find("111111") is None

    async def test_nothing_is_taken_from_an_open_session(
        self, book: AddressBook
    ) -> None:
        """Who comes too late for quiz or pin is named; the others have theirs."""
        await book.take_quiz("a", "other")
        await book.take_pin("222222", "other")
        refused = await book.rebuild(
            [
                Played("two", "b", "222222"),
                Played("three", "c", "333333"),
                Played("one", "a", "111111"),
            ]
        )
        assert refused == ["one", "two"]
        assert await book.find("a") == await book.find("222222") == "other"
        assert await book.find("c") == await book.find("333333") == "three"

    async def test_more_than_are_done_together(self, book: AddressBook) -> None:
        """A hundred quizzes all come back."""
        entries = [Played(f"s{n}", f"q{n}", f"{n}") for n in range(100)]
        assert await book.rebuild(iter(entries)) == []
        assert [await book.find(f"q{n}") for n in range(100)] == [
            f"s{n}" for n in range(100)
        ]

    async def test_none(self, book: AddressBook) -> None:
        """A journal without sessions is no mistake."""
        assert await book.rebuild([]) == []


@needs_redis
@pytest.mark.parametrize("seed", range(4))
async def test_both_books_say_the_same(redis: RedisServer, seed: int) -> None:
    """Any operations in any order give the same answers in memory and in Redis."""
    print("seed", seed)
    rng, session = random.Random(seed), count()
    async with Redis.from_url(redis.url) as client:
        books = (Directory(client), LocalDirectory(ManualClock()))
        for _ in range(150):
            quiz, pin = rng.choice("ab"), rng.choice(["1", "2"])
            one = f"s{rng.randrange(max(next(session) // 6, 1) + 1)}"
            kind = rng.randrange(5)
            entries = [
                Played(f"s{rng.randrange(30)}", quiz, pin, ended=rng.random() < 0.5)
                for _ in range(2)
            ]
            answers: list[object] = []
            for book in books:
                if kind == 0:
                    answers.append(await book.take_quiz(quiz, one))
                elif kind == 1:
                    answers.append(await book.take_pin(pin, one))
                elif kind == 2:
                    answers.append(await book.rebuild(entries))
                else:
                    await book.release(quiz, pin, one)
                    answers.append("released")
                looks = [await book.find(a) for a in ("a", "b", "1", "2")]
                looks += [await book.last_of_quiz(q) for q in "ab"]
                answers.append(looks)
            assert answers[:2] == answers[2:], (kind, quiz, pin, one, entries)


@needs_redis
async def test_a_redis_that_is_away_has_one_name(redis: RedisServer) -> None:
    """Every call says that the cluster is unavailable, and works again afterwards."""
    async with Redis.from_url(redis.url, retry=None) as client:
        book = Directory(client)
        await book.take_quiz("quiz", "one")
        await redis.kill()
        calls: list[Awaitable[object]] = [
            book.take_quiz("quiz", "one"),
            book.take_pin("1", "one"),
            book.find("quiz"),
            book.find("1"),
            book.last_of_quiz("quiz"),
            book.release("quiz", "1", "one"),
            book.rebuild([Played("one", "quiz", "1"), Played("two", "other", "2")]),
        ]
        for call in calls:
            with pytest.raises(ClusterUnavailable):
                await call
        await redis.start()
        assert await book.find("quiz") == "one"


@needs_redis
async def test_a_redis_cluster_will_do() -> None:
    """No call touches keys that could be on different nodes."""
    async with (
        RedisServer(cluster=True) as server,
        RedisCluster(host="127.0.0.1", port=server.port) as client,
    ):
        book = Directory(client)
        entries = [Played(f"s{n}", f"q{n}", f"{n}") for n in range(50)]
        assert await book.rebuild(entries) == []
        assert await book.find("q7") == await book.find("7") == "s7"
        await book.release("q7", "7", "s7")
        assert await book.take_quiz("q7", "next") == "next"
        assert await book.last_of_quiz("q7") == "next"


@needs_redis
async def test_nothing_but_the_named_keys_is_left(redis: RedisServer) -> None:
    """What is open has no expiry, what was released has one, and no key is unknown."""
    async with Redis.from_url(redis.url, decode_responses=True) as client:
        book = Directory(client, KEEP_MS)
        await book.take_quiz("open", "one")
        await book.take_pin("111111", "one")
        await book.take_quiz("over", "two")
        await book.take_pin("222222", "two")
        await book.release("over", "222222", "two")
        left = [keys.pin("111111"), keys.quiz("open"), keys.quiz("over")]
        assert sorted(await client.keys("*")) == left
        expiries = [await client.pttl(key) for key in left]
        assert expiries[:2] == [-1, -1]
        assert 0 < expiries[2] <= KEEP_MS


async def test_memory_is_given_back() -> None:
    """A book in memory keeps nothing of sessions that are long over."""
    clock = ManualClock()
    book = LocalDirectory(clock, KEEP_MS)
    for number in range(100):
        await book.take_quiz(f"q{number}", f"s{number}")
        await book.take_pin(f"{number}", f"s{number}")
        await book.release(f"q{number}", f"{number}", f"s{number}")
        clock.advance(KEEP_MS // 10)
    held = (book._open, book._pins, book._last, book._released_ms)
    assert [len(part) for part in held] == [0, 0, 10, 10]
