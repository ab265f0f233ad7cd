"""Answers to one question: what they are worth, and who gave which."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t

from quizd._fast.answers cimport Slice
from quizd._fast.ranking cimport Board


cdef enum:
    ANSWERED = 1
    CORRECT = 2
    CLAIMED = 4             # judged in this tick, not yet applied


cdef enum Outcome:
    ACCEPTED
    REPEATED            # the same answer as before
    ALREADY_ANSWERED    # another one than before
    TOO_LATE


cdef struct Entry:      # what one participant did with the question; zeroed: nothing
    int64_t received_ms
    int32_t elapsed_ms
    int32_t points
    uint32_t digest     # of the response
    uint16_t streak     # correct answers in a row, this one included
    uint8_t flags


cdef packed struct RecordHead:
    uint16_t question
    uint32_t count


cdef packed struct RecordItem:
    uint32_t participant
    int64_t received_ms
    int32_t elapsed_ms
    int32_t points
    uint16_t credit
    uint16_t response_size
    uint8_t answered_at_size


cdef int32_t speed_points(
    int64_t points, int64_t elapsed_ms, int64_t time_ms
) noexcept nogil


cdef class Sheet:
    cdef:
        Entry* entries
        uint32_t capacity
        uint32_t[256] counts
        object buckets_of
        readonly uint32_t answered
        readonly uint32_t correct
        readonly bint graded
        readonly Sheet previous
        readonly int32_t points
        readonly int32_t time_ms
        readonly bint speed
        readonly bint streak_bonus
        public int64_t start_ms
        public int64_t end_ms

    cdef Entry* entry(self, uint32_t participant) noexcept nogil
    cdef Entry standing(self, uint32_t participant) noexcept nogil
    cdef bint has_answered(self, uint32_t participant) noexcept nogil
    cdef uint16_t streak_before(self, uint32_t participant) noexcept
    cdef int reserve(self, uint32_t participant) except -1
    cdef int32_t worth(
        self, uint32_t participant, int32_t elapsed_ms, int credit
    ) noexcept
    cdef Outcome outcome(
        self, uint32_t participant, int64_t received_ms, uint32_t digest
    ) noexcept nogil


cdef class Key:
    cdef:
        readonly bytes question_id
        readonly tuple options
        readonly int correct

    cdef int position(self, Slice option) noexcept
