from libc.stdint cimport int64_t


cdef class Counts:
    # Counts of durations in nanoseconds, in the layout of an HDR histogram.
    cdef:
        int64_t* _counts
        readonly int64_t total

    cdef void record(self, int64_t value_ns) noexcept nogil
