"""Clocks, random numbers, and bytes that grow: what every client needs, in C."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport abort, free, realloc
from libc.string cimport memcpy, memmove, memset
from posix.time cimport (
    CLOCK_MONOTONIC,
    CLOCK_REALTIME,
    clock_gettime,
    timespec,
)

cdef uint64_t GOLDEN = 0x9E3779B97F4A7C15
cdef uint64_t STIR = 0x2545F4914F6CDD1D
cdef int64_t NS_PER_S = 1_000_000_000


cdef int64_t monotonic_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec * NS_PER_S + now.tv_nsec


cdef int64_t wall_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_REALTIME, &now)
    return now.tv_sec * NS_PER_S + now.tv_nsec


cdef uint64_t next_random(uint64_t* state) noexcept nogil:
    """Return 64 random bits: Vigna's xorshift64*; the state is never 0."""
    cdef uint64_t bits = state[0]
    bits ^= bits >> 12
    bits ^= bits << 25
    bits ^= bits >> 27
    state[0] = bits
    return bits * STIR


cdef double share(uint64_t* state) noexcept nogil:
    """Return a random number from 0 to less than 1."""
    return (next_random(state) >> 11) * (1.0 / (<uint64_t>1 << 53))


cdef uint64_t seeded(uint64_t seed, uint64_t number) noexcept nogil:
    """Return the generator's state of client *number*, far from its neighbours'."""
    cdef uint64_t state = (seed ^ STIR) + (number + 1) * GOLDEN
    state = (state ^ (state >> 30)) * STIR
    return (state ^ (state >> 27)) | 1


cdef void append(Buffer* buffer, const char* at, size_t size) noexcept nogil:
    """Add *size* bytes; a buffer that was given any, be it none, is there."""
    cdef size_t needed = buffer.size + size
    if needed >= buffer.room:
        buffer.room = <uint32_t>(needed + needed // 2 + 1)
        buffer.at = <char*>realloc(buffer.at, buffer.room)
        if buffer.at == NULL:
            abort()
    memcpy(buffer.at + buffer.size, at, size)
    buffer.size = <uint32_t>needed


cdef void release(Buffer* buffer) noexcept nogil:
    free(buffer.at)
    memset(buffer, 0, sizeof(Buffer))


cdef void cut(Buffer* buffer, const char* at, size_t size) noexcept nogil:
    """Keep in *buffer* what is at *at*, which may be a part of it, and nothing else."""
    if size == 0:
        release(buffer)
    elif buffer.size:
        memmove(buffer.at, at, size)
        buffer.size = <uint32_t>size
    else:
        append(buffer, at, size)
