"""Answers that wait for their session's next tick, in one block of memory."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from quizd._fast.answers cimport Answer, Slice


cdef struct Pending:
    int64_t received_ms
    uint32_t participant
    uint32_t start              # of its texts in the arena, one after the other
    uint16_t question_id_size
    uint16_t option_size
    uint8_t answered_at_size


cdef packed struct Travelling:      # a pending answer on its way, then its texts
    uint32_t participant
    uint32_t age_ms
    uint16_t question_id_size
    uint16_t option_size
    uint8_t answered_at_size


cdef class Inbox:
    cdef:
        Pending* items
        char* arena
        size_t capacity, arena_size, arena_capacity
        readonly size_t size        # answers waiting
        readonly size_t limit       # most that may wait
        readonly size_t refused     # answers that found it full
        public object wake          # called when the first answer arrives

    cdef bint put(
        self, uint32_t participant, int64_t received_ms, const Answer* answer
    ) except -1
    cdef Slice question_id(self, const Pending* item) noexcept nogil
    cdef Slice option(self, const Pending* item) noexcept nogil
    cdef Slice answered_at(self, const Pending* item) noexcept nogil
    cpdef void clear(self)

    cpdef bytes pack(self, int64_t now_ms)
    cdef int _unpack_one(
        self,
        const char* data,
        size_t size,
        size_t* at,
        int64_t now_ms,
        size_t known,
        list refused,
    ) except -1
    cdef size_t _copy(self, Slice text) noexcept nogil
    cdef int _reserve(self, size_t texts) except -1
