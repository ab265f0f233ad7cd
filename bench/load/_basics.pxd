from libc.stdint cimport int64_t, uint32_t, uint64_t

# Bytes that are kept; most clients have none most of the time.
cdef struct Buffer:
    char* at
    uint32_t size
    uint32_t room

cdef int64_t monotonic_ns() noexcept nogil
cdef int64_t wall_ns() noexcept nogil
cdef uint64_t next_random(uint64_t* state) noexcept nogil
cdef double share(uint64_t* state) noexcept nogil
cdef void append(Buffer* buffer, const char* at, size_t size) noexcept nogil
cdef void release(Buffer* buffer) noexcept nogil
cdef void cut(Buffer* buffer, const char* at, size_t size) noexcept nogil
cdef uint64_t seeded(uint64_t seed, uint64_t number) noexcept nogil
