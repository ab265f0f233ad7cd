"""The inbox: bounded, whole, and read by judging without an open question."""

import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quizd._fast import scoring
from quizd._fast.inbox import Inbox, answers_refused

PARTICIPANTS = st.integers(0, 2**32 - 1)
INSTANTS = st.integers(-(2**63), 2**63 - 1)
ITEMS = st.tuples(
    PARTICIPANTS,
    INSTANTS,
    st.binary(max_size=40),
    st.binary(max_size=200),
    st.binary(max_size=255),
)
Item = tuple[int, int, bytes, bytes, bytes]


class Bell:
    """Counts how often it was rung."""

    def __init__(self) -> None:
        self.rung = 0

    def __call__(self) -> None:
        """Ring."""
        self.rung += 1


def contents(inbox: Inbox) -> list[Item]:
    """Return all that waits."""
    return scoring.judge(inbox, None, None, 0, None).general


@given(st.lists(st.lists(ITEMS, max_size=12), max_size=4))
def test_answers_come_out_as_they_went_in(ticks: list[list[Item]]) -> None:
    """Every text, empty or not, in order; a cleared inbox begins again."""
    bell = Bell()
    inbox = Inbox(100, bell)
    for number, items in enumerate(ticks):
        for item in items:
            assert inbox.add(*item)
        assert contents(inbox) == items
        assert (len(inbox), inbox.size) == (len(items), len(items))
        assert bell.rung == sum(bool(tick) for tick in ticks[: number + 1])
        inbox.clear()
        assert contents(inbox) == []
        assert len(inbox) == 0


@given(limit=st.integers(0, 70), size=st.integers(0, 140))
def test_a_full_inbox_takes_nothing_and_says_so(limit: int, size: int) -> None:
    """What is over the limit is refused and counted; the rest stays as it was."""
    inbox = Inbox(limit, lambda: None)
    taken = [inbox.add(n, n, b"q1", str(n).encode()) for n in range(size)]
    assert taken == [n < limit for n in range(size)]
    assert (inbox.size, inbox.limit) == (min(limit, size), limit)
    assert inbox.refused == max(size - limit, 0)
    assert [item[0] for item in contents(inbox)] == list(range(min(limit, size)))


def test_a_cleared_inbox_has_room_again_and_remembers_refusals() -> None:
    """Clearing makes room for as many as before; the count of refusals goes on."""
    inbox = Inbox(2, lambda: None)
    for _ in range(3):
        assert [inbox.add(1, 1, b"q", b"a") for _ in range(3)] == [True, True, False]
        inbox.clear()
    assert inbox.refused == 3


def test_refusals_are_counted_for_the_process() -> None:
    """Over all inboxes, also those that are gone: the count never falls."""
    before = answers_refused()
    for number in range(3):
        inbox = Inbox(1, lambda: None)
        assert [inbox.add(1, 1, b"q", b"a") for _ in range(3)] == [True, False, False]
        assert answers_refused() == before + 2 * (number + 1)
        del inbox
    assert answers_refused() == before + 6


def test_only_the_first_answer_wakes() -> None:
    """The session is woken once per tick, by whoever ``wake`` is at that time."""
    first, second = Bell(), Bell()
    inbox = Inbox(10, first)
    inbox.add(1, 1, b"q", b"a")
    inbox.add(2, 1, b"q", b"a")
    inbox.wake = second
    inbox.add(3, 1, b"q", b"a")
    inbox.clear()
    inbox.add(4, 1, b"q", b"a")
    assert (first.rung, second.rung) == (1, 1)


def test_an_inbox_that_takes_nothing_wakes_nobody() -> None:
    """With a limit of 0 there is nothing to do."""
    bell = Bell()
    assert not Inbox(0, bell).add(1, 1, b"q", b"a")
    assert bell.rung == 0


def test_growth_moves_nothing_out_of_place() -> None:
    """Thousands of answers of all sizes outgrow the first blocks many times."""
    inbox = Inbox(10_000, lambda: None)
    items = [
        (n, -n, b"q" * (n % 7), b"o" * (n % 301), b"t" * (n % 256))
        for n in range(10_000)
    ]
    for item in items:
        assert inbox.add(*item)
    assert contents(inbox) == items


def test_ticks_take_no_memory_for_good() -> None:
    """A thousand ticks of 60 KB each need the room of a few."""
    inbox = Inbox(1, lambda: None)
    before_bytes = resident_bytes()
    for _ in range(1000):
        assert inbox.add(1, 1, b"q", b"x" * 60_000)
        inbox.clear()
    assert resident_bytes() - before_bytes < 20_000_000


def resident_bytes() -> int:
    """Return the memory that this process has."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


@pytest.mark.parametrize("place", [2, 3, 4])
def test_texts_that_are_too_long(place: int) -> None:
    """The longest texts are taken whole; a byte more is refused and changes nothing."""
    longest = {2: 65_535, 3: 65_535, 4: 255}[place]
    inbox = Inbox(10, lambda: None)
    texts = {2: b"q", 3: b"o", 4: b"t", place: b"x" * longest}
    assert inbox.add(1, 1, texts[2], texts[3], texts[4])
    texts[place] += b"x"
    with pytest.raises(ValueError, match="too long"):
        inbox.add(1, 1, texts[2], texts[3], texts[4])
    assert [item[place] for item in contents(inbox)] == [b"x" * longest]
    assert inbox.refused == 0


@pytest.mark.parametrize(
    "item",
    [
        (-1, 0, b"", b""),
        (2**32, 0, b"", b""),
        (0, 2**63, b"", b""),
    ],
)
def test_numbers_that_do_not_fit(item: tuple[int, int, bytes, bytes]) -> None:
    """They are refused, not cut."""
    inbox = Inbox(10, lambda: None)
    with pytest.raises(OverflowError):
        inbox.add(*item)
    assert len(inbox) == 0
