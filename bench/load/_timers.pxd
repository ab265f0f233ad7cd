from libc.stdint cimport int64_t, uint32_t

cdef int64_t FAR_NS                 # later than anything is due

# Something that *who* is to do.
cdef struct Timer:
    int64_t due_ns
    uint32_t who
    uint32_t what

cdef class Timers:
    cdef:
        Timer* _heap
        size_t _size, _room

    cdef void put(self, int64_t due_ns, uint32_t who, uint32_t what) noexcept nogil
    cdef int64_t next_ns(self) noexcept nogil
    cdef Timer take(self) noexcept nogil
    cdef void _grow(self) noexcept nogil
