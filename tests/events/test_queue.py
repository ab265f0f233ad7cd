"""What waits to be told has a bound, and an order."""

from collections import deque

from quizd.events.queue import FRAME_BYTES, Queue

ROOM = 10 * (FRAME_BYTES + 1)


def test_batches_come_out_in_their_order() -> None:
    """Those of each session together."""
    queue: Queue[str] = Queue(ROOM)
    for lane, index in (("a", 1), ("b", 1), ("a", 2)):
        queue.push(lane, index, b"x")
    taken = queue.take(ROOM)
    assert taken == {"a": deque([(1, b"x"), (2, b"x")]), "b": deque([(1, b"x")])}
    assert len(queue) == queue.size_bytes == 0


def test_no_more_is_taken_than_asked_for() -> None:
    """But for the last one, which may be of any size."""
    queue: Queue[str] = Queue(ROOM)
    for index in range(1, 6):
        queue.push("a", index, b"x")
    assert [index for index, _ in queue.take(2 * FRAME_BYTES)["a"]] == [1, 2]
    assert len(queue) == 3


def test_the_oldest_make_room() -> None:
    """They are counted, what is left fits, and up to where they went is known."""
    queue: Queue[str] = Queue(ROOM)
    for index in range(1, 26):
        queue.push("a", index, b"x")
    assert queue.size_bytes <= ROOM
    assert queue.dropped == 15
    left = [(index, b"x") for index in range(16, 26)]
    assert list(queue.take(ROOM)["a"]) == [(15, None), *left]


def test_who_has_nothing_left_in_the_queue_is_told_of() -> None:
    """One session has ended, another one fills the queue."""
    queue: Queue[str] = Queue(ROOM)
    queue.push("ended", 1, b"x")
    queue.push("ended", 2, b"x")
    for index in range(1, 12):
        queue.push("other", index, b"x")
    assert len(queue) == 12, "each session that was let go of counts as one"
    assert queue.take(1) == {"ended": deque([(2, None)])}
    assert queue.take(1) == {"other": deque([(1, None)])}
    assert [index for index, _ in queue.take(ROOM)["other"]] == list(range(2, 12))
    assert len(queue) == queue.size_bytes == 0


def test_what_is_put_back_may_be_let_go_of() -> None:
    """Later batches that were are not forgotten for that."""
    queue: Queue[str] = Queue(ROOM)
    queue.push("a", 1, b"x")
    taken = queue.take(ROOM)["a"]
    queue.push("a", 2, b"x")
    queue.push("other", 1, b"x" * ROOM)
    queue.put_back("a", taken)
    queue.push("other", 2, b"x")
    assert queue.take(1) == {"a": deque([(2, None)])}


def test_one_that_is_too_large_is_kept_alone() -> None:
    """So even the largest batch is told from memory."""
    queue: Queue[str] = Queue(ROOM)
    queue.push("a", 1, b"x")
    queue.push("a", 2, b"x" * ROOM)
    assert list(queue.take(ROOM)["a"]) == [(1, None), (2, b"x" * ROOM)]


def test_what_is_put_back_is_the_oldest_again() -> None:
    """Nothing is told twice or in another order for having been too much."""
    queue: Queue[str] = Queue(ROOM)
    for index in range(1, 4):
        queue.push("a", index, b"x")
    taken = queue.take(ROOM)["a"]
    queue.push("a", 4, b"x")
    taken.popleft()
    queue.put_back("a", taken)
    assert [index for index, _ in queue.take(ROOM)["a"]] == [2, 3, 4]
    assert queue.size_bytes == 0
