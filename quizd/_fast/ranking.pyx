"""Scores and exact ranks of one session's participants.

What is promised
----------------
A participant is a dense index, given out by ``add`` as 0, 1, 2 … and never reused.
Ranks are 1-based and of the kind "1224": one more than the number of ranked
participants who have strictly more points. Among equals the *listing* puts first who
reached the score first; it is kept apart from the rank, which equals share. "First"
is a counter of the board, its *turn*, taken when a participant is added and at each
change of a score; setting the score that is already there takes none. A removed
participant keeps index and score, and the score may still be changed (results get
corrected after the fact), but is in no rank, count or listing.

The board knows neither names nor clocks, and the same calls in the same order give
the same listing. It is not safe to share between threads: one thread at a time,
with or without the interpreter lock. A call that raises has changed nothing, except
that Python may find no memory for the number to be returned.

How ranks are counted
---------------------
A rank is a count of the better ones, so the board keeps a tally of the scores (see
tally.pxd): a change counts one in and one out, a rank is one walk down. An ordered
structure such as a skip list would give ranks and listing at once, but pays for the
listing at every change, and listings are read a few times a second only.

How listings are made
---------------------
``top`` reads from the tally how many points the last of the wanted has, then gathers
in one pass over the scores who has as many. Only those that tie at this limit can be
more than wanted; they are cut back whenever a spare room is full. ``page`` and
``everybody`` need the complete order, which is kept until the next change. ``freeze``
is ``everybody`` into an object that later changes don't reach.

Memory comes from ``PyMem_Raw*``, which needs no interpreter lock and is visible to
tracemalloc. Nothing here limits the number of participants below 2**32; the session
does.
"""

cimport cython
from cpython.mem cimport (
    PyMem_RawCalloc,
    PyMem_RawFree,
    PyMem_RawMalloc,
    PyMem_RawRealloc,
)
from libc.stdint cimport UINT64_MAX, int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from quizd._fast.places cimport Place, sort_places
from quizd._fast.tally cimport (
    tally_above,
    tally_enter,
    tally_free,
    tally_leave,
    tally_score_at,
)

cdef enum:
    FIRST_CAPACITY = 16
    SPARE = 1024                # ties gathered beyond what is wanted


cdef int _refuse_index(Py_ssize_t index) except -1 with gil:
    raise IndexError(f"no participant has index {index}")


cdef int _refuse_score(int64_t score) except -1 with gil:
    raise ValueError(f"score {score} is not between 0 and {<int>MAX_SCORE}")


cdef int _refuse_points(int64_t points) except -1 with gil:
    raise ValueError(f"no score can change by {points} points")


cdef int _no_memory() except -1 with gil:
    raise MemoryError


cdef int _require_natural(str name, Py_ssize_t number) except -1:
    if number < 0:
        raise ValueError(f"{name} {number} is negative")
    return 0


@cython.final
cdef class Ranking:
    """Everybody's standing at one moment, by the board's indices; it never changes.

    Made by :meth:`Board.freeze`. Each method raises IndexError for an index that the
    board had not given out by then.
    """

    def __dealloc__(self):
        PyMem_RawFree(self.ranks)
        PyMem_RawFree(self.gaps)
        PyMem_RawFree(self.belows)
        PyMem_RawFree(self.scores)

    cdef int _allocate(self, uint32_t indices) except -1:
        self.ranks = <uint32_t*>PyMem_RawCalloc(indices, sizeof(uint32_t))
        self.gaps = <int32_t*>PyMem_RawCalloc(indices, sizeof(int32_t))
        self.belows = <uint32_t*>PyMem_RawCalloc(indices, sizeof(uint32_t))
        self.scores = <int32_t*>PyMem_RawCalloc(indices, sizeof(int32_t))
        if not (self.ranks and self.gaps and self.belows and self.scores):
            raise MemoryError
        self.indices = indices
        return 0

    cdef uint32_t percentile_of(self, uint32_t index) noexcept nogil:
        """The same as percentile(); *index* is below `indices`."""
        if self.ranks[index] == 0:
            return 0
        if self.of <= 1:
            return 100
        return <uint32_t>(100 * <uint64_t>self.belows[index] // (self.of - 1))

    cdef uint32_t _known(self, Py_ssize_t index) except? 0:
        if not 0 <= index < <Py_ssize_t>self.indices:
            _refuse_index(index)
        return <uint32_t>index

    def rank(self, Py_ssize_t index):
        """Return the 1-based rank, shared by equal scores; 0 if removed."""
        return self.ranks[self._known(index)]

    def gap(self, Py_ssize_t index):
        """Return the points missing to the next better score; 0 for rank 1."""
        return self.gaps[self._known(index)]

    def below(self, Py_ssize_t index):
        """Return how many ranked participants have strictly fewer points."""
        return self.belows[self._known(index)]

    def score(self, Py_ssize_t index):
        """Return the points, also of a removed participant."""
        return self.scores[self._known(index)]

    def percentile(self, Py_ssize_t index):
        """Return the share of the others with fewer points, in whole percent.

        ``100 * below // (of - 1)``; 100 for a participant alone, 0 if removed.
        """
        return self.percentile_of(self._known(index))


@cython.final
cdef class Board:
    """Scores and exact ranks of one session's participants, by dense index.

    A method that takes an index raises IndexError for one that :meth:`add` has not
    returned, OverflowError for numbers beyond 64 bits, and MemoryError where memory is
    needed and there is none.
    """

    def __dealloc__(self):
        tally_free(&self._tally)
        PyMem_RawFree(self.scores)
        PyMem_RawFree(self.turns)
        PyMem_RawFree(self._order)

    def __len__(self):
        return self._tally.total

    # Changes -------------------------------------------------------------------

    cpdef Py_ssize_t add(self) except -1 nogil:
        """Add a participant with 0 points, last among those; return the index."""
        cdef uint32_t index = self.indices
        self._reserve()
        tally_enter(&self._tally, 0)
        self._turn += 1
        self.scores[index] = 0
        self.turns[index] = self._turn
        self.indices += 1
        self._arranged = False
        return index

    cpdef int32_t set_score(self, Py_ssize_t index, int64_t score) except -1 nogil:
        """Give a participant *score* points in all, and return them.

        A change puts the participant last among those with as many points; setting
        the present score changes nothing. Raises ValueError for a score that is
        negative or over 2**31 - 1.
        """
        self.score(index)
        if not 0 <= score <= MAX_SCORE:
            _refuse_score(score)
        self._move(<uint32_t>index, <uint32_t>score)
        return <int32_t>score

    cpdef int32_t add_points(self, Py_ssize_t index, int64_t points) except -1 nogil:
        """Change a score by *points*, which may be negative; return the new score.

        Otherwise as :meth:`set_score`.
        """
        cdef int32_t score = self.score(index)
        if not -MAX_SCORE <= points <= MAX_SCORE:
            _refuse_points(points)
        return self.set_score(index, score + points)

    cpdef bint remove(self, Py_ssize_t index) except -1 nogil:
        """Take a participant out of ranks, counts and listings, for good.

        Returns whether the participant was still in them.
        """
        cdef int32_t score = self.score(index)
        if self.turns[index] == 0:
            return False
        tally_leave(&self._tally, score)
        self.turns[index] = 0
        self._arranged = False
        return True

    # Questions -----------------------------------------------------------------

    cdef uint32_t size(self) noexcept nogil:
        return self._tally.total

    cpdef int32_t score(self, Py_ssize_t index) except -1 nogil:
        """Return the points of a participant, also of a removed one."""
        if not 0 <= index < <Py_ssize_t>self.indices:
            _refuse_index(index)
        return self.scores[index]

    cpdef uint32_t rank(self, Py_ssize_t index) except? 0 nogil:
        """Return the 1-based rank, shared by equal scores; 0 if removed."""
        cdef int32_t score = self.score(index)
        if self.turns[index] == 0:
            return 0
        return tally_above(&self._tally, score) + 1

    def top(self, Py_ssize_t n):
        """List the first *n* as (index, score, rank); fewer if there are fewer.

        Costs one pass over the scores. Raises ValueError if *n* is negative.
        """
        cdef uint32_t* order
        cdef Py_ssize_t limit = min(n, <Py_ssize_t>self._tally.total)
        _require_natural("n", n)
        if self._arranged or limit == 0:
            return self._rows(self._order, 0, limit)
        order = <uint32_t*>PyMem_RawMalloc(limit * sizeof(uint32_t))
        if order == NULL:
            raise MemoryError
        try:
            self._leaders(<uint32_t>limit, order)
            return self._rows(order, 0, limit)
        finally:
            PyMem_RawFree(order)

    def page(self, Py_ssize_t offset, Py_ssize_t limit):
        """List up to *limit* participants as (index, score, rank), after *offset*.

        The first call after a change sorts everybody. Raises ValueError if *offset*
        or *limit* is negative.
        """
        cdef Py_ssize_t first = min(offset, <Py_ssize_t>self._tally.total)
        _require_natural("offset", offset)
        _require_natural("limit", limit)
        limit = min(limit, <Py_ssize_t>self._tally.total - first)
        if limit:
            self._arrange()
        return self._rows(self._order, first, first + limit)

    cpdef Ranking freeze(self):
        """Return everybody's standing as of now."""
        cdef Ranking ranking = Ranking.__new__(Ranking)
        ranking._allocate(self.indices)
        self.everybody(ranking.ranks, ranking.gaps, ranking.belows)
        if self.indices:
            memcpy(ranking.scores, self.scores, self.indices * sizeof(int32_t))
        ranking.of = self._tally.total
        return ranking

    cdef int everybody(
        self, uint32_t* ranks, int32_t* gaps, uint32_t* belows
    ) except -1 nogil:
        """Write all standings, by index, into arrays of `indices` entries each."""
        cdef uint32_t of = self._tally.total, first = 0, after, place, index
        cdef int32_t score, better = 0
        self._arrange()
        memset(ranks, 0, self.indices * sizeof(uint32_t))
        memset(gaps, 0, self.indices * sizeof(int32_t))
        memset(belows, 0, self.indices * sizeof(uint32_t))
        while first < of:
            score = self.scores[self._order[first]]
            after = first + 1
            while after < of and self.scores[self._order[after]] == score:
                after += 1
            for place in range(first, after):
                index = self._order[place]
                ranks[index] = first + 1
                gaps[index] = better - score if first else 0
                belows[index] = of - after
            better = score
            first = after
        return 0

    # Inside --------------------------------------------------------------------

    cdef int _reserve(self) except -1 nogil:
        """Make room for one more participant."""
        cdef size_t capacity = self._capacity * 2 if self._capacity else FIRST_CAPACITY
        cdef void* grown
        if self.indices < self._capacity:
            return 0
        grown = PyMem_RawRealloc(self.scores, capacity * sizeof(int32_t))
        if grown == NULL:
            return _no_memory()
        self.scores = <int32_t*>grown
        grown = PyMem_RawRealloc(self.turns, capacity * sizeof(uint64_t))
        if grown == NULL:
            return _no_memory()
        self.turns = <uint64_t*>grown
        self._capacity = capacity
        return 0

    cdef int _move(self, uint32_t index, uint32_t score) except -1 nogil:
        """Count a participant under *score* from now on."""
        cdef uint32_t old = self.scores[index]
        if score == old:
            return 0
        if self.turns[index]:
            tally_enter(&self._tally, score)
            tally_leave(&self._tally, old)
            self._turn += 1
            self.turns[index] = self._turn
            self._arranged = False
        self.scores[index] = score
        return 0

    cdef int _leaders(self, uint32_t limit, uint32_t* order) except -1 nogil:
        """Write the indices of the first *limit* (1 to all) of the listing."""
        cdef size_t room = <size_t>limit + SPARE, held = 0, i
        cdef uint32_t best = tally_score_at(&self._tally, 1)
        cdef uint32_t least = tally_score_at(&self._tally, limit), score
        cdef uint64_t latest = UINT64_MAX
        cdef Place* places = <Place*>PyMem_RawMalloc(2 * room * sizeof(Place))
        if places == NULL:
            return _no_memory()
        for i in range(self.indices):
            score = self.scores[i]
            if score < least or self.turns[i] == 0:
                continue
            if score == least and self.turns[i] > latest:
                continue
            places[held] = Place(self.turns[i], best - score, <uint32_t>i)
            held += 1
            if held == room:
                sort_places(places, places + room, held, self._turn, best - least)
                latest = places[limit - 1].turn
                held = limit
        sort_places(places, places + room, held, self._turn, best - least)
        for i in range(limit):
            order[i] = places[i].index
        PyMem_RawFree(places)
        return 0

    cdef int _arrange(self) except -1 nogil:
        """Bring the complete listing up to date."""
        cdef void* order
        if self._arranged or self._tally.total == 0:
            return 0
        order = PyMem_RawRealloc(self._order, self._tally.total * sizeof(uint32_t))
        if order == NULL:
            return _no_memory()
        self._order = <uint32_t*>order
        self._leaders(self._tally.total, self._order)
        self._arranged = True
        return 0

    cdef list _rows(self, const uint32_t* order, Py_ssize_t first, Py_ssize_t after):
        """Return places *first* to *after* (0-based) of *order* with their ranks."""
        cdef list rows = []
        cdef int32_t score, previous = -1
        cdef uint32_t rank = self.rank(order[first]) if first < after else 0
        cdef Py_ssize_t place
        for place in range(first, after):
            score = self.scores[order[place]]
            if score != previous and place > first:
                rank = <uint32_t>place + 1
            rows.append((order[place], score, rank))
            previous = score
        return rows
