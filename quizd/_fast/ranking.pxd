"""Scores and exact ranks of one session's participants: what other modules see.

ranking.pyx opens with what is promised and how it works.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from quizd._fast.tally cimport Tally


cdef enum:
    MAX_SCORE = 0x7FFFFFFF


# Everybody's standing at one moment. Never changes, so its arrays may be read
# without the interpreter lock for as long as the object is held. Each array has
# `indices` entries; those of removed participants are 0, except in `scores`.
@cython.final
cdef class Ranking:
    cdef:
        uint32_t* ranks             # 1 is best; equal scores share one
        int32_t* gaps               # points to the next better score; 0 for rank 1
        uint32_t* belows            # how many have strictly fewer points
        int32_t* scores
        readonly uint32_t indices   # how many participants the board knew
        readonly uint32_t of        # how many of them were ranked

    cdef uint32_t percentile_of(self, uint32_t index) noexcept nogil

    cdef int _allocate(self, uint32_t indices) except -1
    cdef uint32_t _known(self, Py_ssize_t index) except? 0


@cython.final
cdef class Board:
    cdef:
        # Read-only outside. Entries 0 .. indices - 1; add() may move both arrays.
        int32_t* scores
        uint64_t* turns             # when the score was reached; 0 = removed
        readonly uint32_t indices   # how many add() has given out

        size_t _capacity
        Tally _tally                # of the ranked ones
        uint64_t _turn              # the latest one taken
        uint32_t* _order            # the listing, while _arranged
        bint _arranged

    # Each raises IndexError for an index that add() has not returned.
    cpdef Py_ssize_t add(self) except -1 nogil
    cpdef int32_t set_score(self, Py_ssize_t index, int64_t score) except -1 nogil
    cpdef int32_t add_points(self, Py_ssize_t index, int64_t points) except -1 nogil
    cpdef int32_t score(self, Py_ssize_t index) except -1 nogil
    cpdef uint32_t rank(self, Py_ssize_t index) except? 0 nogil     # 0 = removed
    cpdef bint remove(self, Py_ssize_t index) except -1 nogil
    cpdef Ranking freeze(self)

    cdef uint32_t size(self) noexcept nogil                         # ranked ones
    cdef int everybody(
        self, uint32_t* ranks, int32_t* gaps, uint32_t* belows
    ) except -1 nogil

    cdef int _reserve(self) except -1 nogil
    cdef int _move(self, uint32_t index, uint32_t score) except -1 nogil
    cdef int _leaders(self, uint32_t limit, uint32_t* order) except -1 nogil
    cdef int _arrange(self) except -1 nogil
    cdef list _rows(self, const uint32_t* order, Py_ssize_t first, Py_ssize_t after)
