"""Thousands of timers in a binary heap; times are CLOCK_MONOTONIC, nanoseconds."""

from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport abort, free, realloc

cdef enum:
    FIRST_ROOM = 256

cdef int64_t FAR_NS = 1 << 62


cdef class Timers:
    """Gives timers back in the order in which they are due."""

    def __dealloc__(self):
        free(self._heap)

    cdef void put(self, int64_t due_ns, uint32_t who, uint32_t what) noexcept nogil:
        cdef size_t at = self._size
        cdef size_t above
        if self._size == self._room:
            self._grow()
        self._size += 1
        while at:
            above = (at - 1) // 2
            if self._heap[above].due_ns <= due_ns:
                break
            self._heap[at] = self._heap[above]
            at = above
        self._heap[at] = Timer(due_ns, who, what)

    cdef void _grow(self) noexcept nogil:
        self._room = max(2 * self._room, <size_t>FIRST_ROOM)
        self._heap = <Timer*>realloc(self._heap, self._room * sizeof(Timer))
        if self._heap == NULL:
            abort()

    cdef int64_t next_ns(self) noexcept nogil:
        """Return when the first is due, FAR_NS where there is none."""
        return self._heap[0].due_ns if self._size else FAR_NS

    cdef Timer take(self) noexcept nogil:
        """Return the first timer; there must be one."""
        cdef Timer first = self._heap[0]
        cdef Timer last
        cdef size_t at = 0, below = 1
        self._size -= 1
        last = self._heap[self._size]
        while below < self._size:
            if (
                below + 1 < self._size
                and self._heap[below + 1].due_ns < self._heap[below].due_ns
            ):
                below += 1
            if last.due_ns <= self._heap[below].due_ns:
                break
            self._heap[at] = self._heap[below]
            at, below = below, 2 * below + 1
        self._heap[at] = last
        return first
