"""Places of a listing, sorted byte by byte.

The least significant byte goes first and each pass keeps equals in order, so that the
time is linear in the number of places, however they came. Nothing here allocates.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset


cdef enum:
    BUCKETS = 256           # the values of a byte


# A listing goes by the fewest points behind the best, then by the earliest turn.
cdef struct Place:
    uint64_t turn
    uint32_t deficit
    uint32_t index


cdef inline uint8_t byte_of(const Place* place, bint of_turn, int shift) noexcept nogil:
    if of_turn:
        return <uint8_t>(place.turn >> shift)
    return <uint8_t>(place.deficit >> shift)


cdef inline void distribute(
    const Place* source, Place* target, size_t size, bint of_turn, int shift
) noexcept nogil:
    """Copy *source* to *target*, ordered by one byte, equals as they came."""
    cdef size_t starts[BUCKETS]
    cdef size_t start = 0, count, i
    cdef uint8_t byte
    memset(starts, 0, sizeof(starts))
    for i in range(size):
        starts[byte_of(&source[i], of_turn, shift)] += 1
    for i in range(<size_t>BUCKETS):
        count = starts[i]
        starts[i] = start
        start += count
    for i in range(size):
        byte = byte_of(&source[i], of_turn, shift)
        target[starts[byte]] = source[i]
        starts[byte] += 1


cdef inline void sort_places(
    Place* places, Place* spare, size_t size, uint64_t turns, uint32_t deficits
) noexcept nogil:
    """Bring *size* places into listing order; *spare* has room for as many.

    No turn is over *turns* and no deficit over *deficits*: bytes that are 0 in both
    need no pass.
    """
    cdef Place* source = places
    cdef Place* target = spare
    cdef int shift
    for shift in range(0, 64, 8):
        if turns >> shift:
            distribute(source, target, size, True, shift)
            source, target = target, source
    for shift in range(0, 32, 8):
        if deficits >> shift:
            distribute(source, target, size, False, shift)
            source, target = target, source
    if source != places:
        memcpy(places, source, size * sizeof(Place))
