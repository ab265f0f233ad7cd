"""Durations counted in C, in the layout of HdrHistogram with three digits.

A count's place is its value's highest eleven bits and how far they were shifted
(HdrHistogram, ``getCountsIndex``): 1,024 places for each power of two from 2,048 on,
so a value is known to less than 0.1 % of itself. Unit and range are those of
``bench.histogram``.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free

cdef extern from *:
    int __builtin_clzll(unsigned long long value) noexcept nogil

cdef enum:
    HALF_BITS = 10
    HALF = 1 << HALF_BITS           # places for each power of two
    MASK = 2 * HALF - 1
    PLACES = 31 * HALF              # the place of MOST_NS is below

cdef int64_t MOST_NS = 600_000_000_000


cdef inline int64_t place_of(int64_t value_ns) noexcept nogil:
    cdef int shift = 64 - __builtin_clzll(<uint64_t>(value_ns | MASK)) - HALF_BITS - 1
    return (<int64_t>(shift + 1) << HALF_BITS) + (value_ns >> shift) - HALF


cdef inline int64_t value_at(int64_t place) noexcept nogil:
    """Return the least value that is counted at *place*."""
    cdef int64_t shift = (place >> HALF_BITS) - 1
    if shift < 0:
        return place
    return ((place & (HALF - 1)) + HALF) << shift


cdef class Counts:
    """Counts of durations between 0 and ten minutes, in nanoseconds."""

    def __cinit__(self):
        self._counts = <int64_t*>calloc(PLACES, sizeof(int64_t))
        if self._counts == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self._counts)

    cdef void record(self, int64_t value_ns) noexcept nogil:
        self._counts[place_of(min(max(value_ns, 0), MOST_NS))] += 1
        self.total += 1

    def add(self, int64_t value_ns):
        """Count *value_ns*; what is out of range counts as the range's end."""
        self.record(value_ns)

    def add_since(self, const int64_t[::1] instants_ns, int64_t reference_ns):
        """Count how long after *reference_ns* each instant was; 0 is no instant."""
        cdef Py_ssize_t i
        for i in range(instants_ns.shape[0]):
            if instants_ns[i]:
                self.record(instants_ns[i] - reference_ns)

    def pairs(self):
        """Return what was counted: pairs of a value and how often it was there.

        A value is the least one of its place in the histogram.
        """
        cdef int64_t place
        return [
            (value_at(place), self._counts[place])
            for place in range(PLACES)
            if self._counts[place]
        ]
