from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from bench.load._scan cimport Slice

cdef enum:
    OPTIONS_MAX = 20

# A question as the first client saw it; slices are of *text*, strings with quotes.
cdef struct Question:
    bint known
    char* text                      # of new_question's payload
    uint64_t mark                   # its hash, to hold against what others see
    Slice id
    Slice[OPTIONS_MAX] options
    uint32_t option_count
    uint32_t correct                # bits of the options that are, 0: not known
    bint several                    # several options may be chosen
    bint pays                       # points are to be had
    int64_t start_ms                # of the wall's clock
    int64_t end_ms

cdef class Questions:
    cdef:
        readonly uint32_t count
        Question* table
        list _key

    cdef bint learn(self, uint32_t index, Slice payload, bint shared) noexcept nogil
    cdef int32_t find(self, Slice id) noexcept nogil
    cdef bint agrees(self, uint32_t index, Slice payload) noexcept nogil
    cdef bint _read(self, Question* question, Slice payload) noexcept nogil
    cdef void _read_member(
        self, Question* question, Slice key, Slice value
    ) noexcept nogil
    cdef bint _judge(self, Question* question, uint32_t index) noexcept with gil

cdef size_t put_answer(
    char* at, const Question* question, uint32_t options, int64_t now_ms
) noexcept nogil
cdef size_t answer_room(const Question* question) noexcept nogil
