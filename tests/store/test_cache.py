"""The cache: many ask as one, and nothing stale is kept."""

import asyncio

import pytest

from quizd.store.cache import Cache


class Source:
    """A slow look-up that tests let go on."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.asked: list[str] = []
        self.fail = False
        self.away = False
        self.now_s = 1_000.0
        self._begun: asyncio.Queue[str] = asyncio.Queue()
        self._go = asyncio.Event()
        self._go.set()

    def hold(self) -> None:
        """Keep look-ups waiting from now on."""
        self._go.clear()

    def release(self) -> None:
        """Let them go on."""
        self._go.set()

    async def begun(self) -> None:
        """Wait until the next one has begun."""
        await self._begun.get()

    async def load(self, key: str) -> str | None:
        """Return the value that the key had when it was asked for."""
        self.asked.append(key)
        self._begun.put_nowait(key)
        value = self.values.get(key)
        await self._go.wait()
        if self.fail:
            raise OSError("out of order")
        if self.away:
            raise ConnectionError("away")
        return value


@pytest.fixture
async def source() -> Source:
    """A source with one value."""
    source = Source()
    source.values["a"] = "one"
    return source


def cache_of(source: Source) -> Cache[str]:
    """Return a cache of two values, which are good for ten seconds."""
    return Cache(source.load, 2, 10.0, lambda: source.now_s, ConnectionError)


async def test_a_value_ages(source: Source) -> None:
    """After so long it is looked up again, as somebody else may have changed it."""
    cache = cache_of(source)
    await cache.get("a")
    source.values["a"] = "new"
    source.now_s += 9.9
    assert await cache.get("a") == "one"
    source.now_s += 0.1
    assert await cache.get("a") == "new"


async def test_a_value_is_as_old_as_its_look_up(source: Source) -> None:
    """The time that a slow look-up takes counts."""
    cache = cache_of(source)
    source.hold()
    asking = asyncio.create_task(cache.get("a"))
    await source.begun()
    source.now_s += 10
    source.release()
    await asking
    await cache.get("a")
    assert source.asked == ["a", "a"]


async def test_a_hot_key_is_looked_up_once(source: Source) -> None:
    """However often it is asked for."""
    cache = cache_of(source)
    assert [await cache.get("a") for _ in range(3)] == ["one"] * 3
    assert source.asked == ["a"]


async def test_a_crowd_at_a_cold_key_is_one_look_up(source: Source) -> None:
    """All of them wait for the same, and get the same."""
    cache = cache_of(source)
    assert await asyncio.gather(*(cache.get("a") for _ in range(100))) == ["one"] * 100
    assert source.asked == ["a"]


async def test_fifty_thousand_at_a_cold_key_are_one_look_up(source: Source) -> None:
    """They come while it is being looked up, and after; what it takes is one."""
    cache = cache_of(source)
    source.hold()
    asking = [asyncio.create_task(cache.get("a")) for _ in range(50_000)]
    await source.begun()
    source.release()
    assert await asyncio.gather(*asking) == ["one"] * 50_000
    assert await cache.get("a") == "one"
    assert source.asked == ["a"]


async def test_nothing_is_not_kept(source: Source) -> None:
    """A key without a value is looked up each time, as it may come."""
    cache = cache_of(source)
    assert await cache.get("b") is None
    source.values["b"] = "two"
    assert await cache.get("b") == "two"


async def test_what_is_forgotten_is_looked_up_again(source: Source) -> None:
    """A change is seen by the next who asks."""
    cache = cache_of(source)
    await cache.get("a")
    source.values["a"] = "new"
    cache.forget("a")
    assert await cache.get("a") == "new"


async def test_what_is_forgotten_meanwhile_is_not_kept(source: Source) -> None:
    """A look-up that began before the change must not bring the old value back."""
    cache = cache_of(source)
    source.hold()
    early = asyncio.create_task(cache.get("a"))
    await source.begun()
    source.values["a"] = "new"
    cache.forget("a")
    late = asyncio.create_task(cache.get("a"))
    await source.begun()
    source.release()
    assert [await early, await late, await cache.get("a")] == ["one", "new", "new"]
    assert source.asked == ["a", "a"]


async def test_the_least_asked_for_goes_first(source: Source) -> None:
    """The cache holds so many and no more."""
    cache = cache_of(source)
    source.values |= {"b": "two", "c": "three"}
    for key in ("a", "b", "a", "c", "a", "b"):
        await cache.get(key)
    assert source.asked == ["a", "b", "c", "b"]


async def test_a_failure_is_told_to_all_and_not_kept(source: Source) -> None:
    """The next who asks tries again."""
    cache = cache_of(source)
    source.fail = True
    answers = await asyncio.gather(
        *(cache.get("a") for _ in range(3)), return_exceptions=True
    )
    assert {type(answer) for answer in answers} == {OSError}
    source.fail = False
    assert await cache.get("a") == "one"
    assert source.asked == ["a", "a"]


async def test_an_aged_value_is_better_than_none(source: Source) -> None:
    """What is behind is away: what is known is given, and looked up once it is back."""
    cache = cache_of(source)
    await cache.get("a")
    source.values["a"] = "new"
    source.now_s += 10
    source.away = True
    assert [await cache.get("a") for _ in range(2)] == ["one"] * 2
    with pytest.raises(ConnectionError):
        await cache.get("b")
    source.away = False
    assert await cache.get("a") == "new"


async def test_an_aged_value_hides_no_fault(source: Source) -> None:
    """What does not pass by itself is told."""
    cache = cache_of(source)
    await cache.get("a")
    source.now_s += 10
    source.fail = True
    with pytest.raises(OSError, match="out of order"):
        await cache.get("a")


async def test_who_would_do_with_an_aged_value_does_not_wait_long(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look-up goes on meanwhile, and is given once it has come."""
    monkeypatch.setattr("quizd.store.cache.PATIENCE_S", 0.0)
    cache = cache_of(source)
    await cache.get("a")
    source.values["a"] = "new"
    source.now_s += 10
    source.hold()
    assert await cache.get("a") == "one"
    source.release()
    monkeypatch.undo()
    assert await cache.get("a") == "new"
    assert source.asked == ["a", "a"]


@pytest.mark.parametrize("way", ["gone", "forgotten"])
async def test_what_is_known_to_be_wrong_is_not_given(source: Source, way: str) -> None:
    """Neither what was found to be gone nor what was forgotten, however old."""
    cache = cache_of(source)
    await cache.get("a")
    source.now_s += 10
    if way == "gone":
        del source.values["a"]
        assert await cache.get("a") is None
    else:
        cache.forget("a")
    source.away = True
    with pytest.raises(ConnectionError):
        await cache.get("a")


async def test_who_leaves_takes_nobody_along(source: Source) -> None:
    """The look-up goes on for the others, and for the cache."""
    cache = cache_of(source)
    source.hold()
    asking = [asyncio.create_task(cache.get("a")) for _ in range(2)]
    await source.begun()
    asking[0].cancel()
    source.release()
    assert await asking[1] == "one"
    assert asking[0].cancelled()


async def test_a_failure_that_nobody_waits_for_is_no_fault(source: Source) -> None:
    """All who asked have left: the loop is left in order."""
    cache = cache_of(source)
    source.fail = True
    source.hold()
    asking = asyncio.create_task(cache.get("a"))
    await source.begun()
    asking.cancel()
    await asyncio.wait([asking])
    source.release()
    with pytest.raises(OSError, match="out of order"):
        await cache.get("a")
    source.fail = False
    assert await cache.get("a") == "one"


async def test_stopping_ends_what_is_under_way(source: Source) -> None:
    """Nothing is left running."""
    cache = cache_of(source)
    source.hold()
    asking = asyncio.create_task(cache.get("a"))
    await source.begun()
    await cache.stop()
    with pytest.raises(asyncio.CancelledError):
        await asking
