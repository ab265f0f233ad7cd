from libc.stdint cimport int32_t, int64_t, uint32_t

from bench.load._acknowledged cimport Acknowledged
from bench.load._answering cimport Deal
from bench.load._core cimport Client
from bench.load._counts cimport Counts
from bench.load._scan cimport Slice

# The parts of a message that are looked at before its payload is.
cdef struct Message:
    Slice kind
    Slice payload
    int64_t seq
    bint has_seq

cdef class Players(Acknowledged):
    cdef:
        readonly Counts welcomes, boards
        bint lenient
        int64_t* _opened            # by question, then by client; 0: did not come
        int64_t* _closed
        int64_t* _scores            # one row more than questions: quiz_ended
        int64_t* _ranks
        int64_t* _ofs
        bytes _final

    cdef int64_t* _table(self, str name) except NULL
    cdef bint _read(self, Slice text, Message* message) noexcept nogil
    cdef bint _is_passing(self, Slice kind) noexcept nogil
    cdef void _dispatch(
        self, Client* client, Message* message, int64_t now_ns
    ) noexcept nogil
    cdef void _note_board(
        self, Client* client, Slice kind, int64_t now_ns
    ) noexcept nogil
    cdef bint _numbered(self, Client* client, int64_t seq) noexcept nogil
    cdef void _welcome(
        self, Client* client, Slice payload, int64_t now_ns
    ) noexcept nogil
    cdef void _join_question(
        self, Client* client, Slice payload, int64_t now_ns
    ) noexcept nogil
    cdef void _question(
        self, Client* client, Slice payload, int64_t now_ns
    ) noexcept nogil
    cdef bint _in_turn(self, Client* client, int32_t index) noexcept nogil
    cdef bint _as_known(
        self, Client* client, int32_t index, Slice payload
    ) noexcept nogil
    cdef int32_t _index(self, Client* client, Slice payload) noexcept nogil
    cdef void _show(self, Client* client, int32_t index, int64_t now_ns) noexcept nogil
    cdef void _close_question(
        self, Client* client, Slice payload, int64_t now_ns
    ) noexcept nogil
    cdef void _hold_close(self, Client* client, Deal* deal, Slice you) noexcept nogil
    cdef void _keep_place(self, Client* client, uint32_t row, Slice you) noexcept nogil
    cdef void _end(
        self, Client* client, Slice payload, int64_t now_ns
    ) noexcept nogil
    cdef void _keep_final(self, Slice payload) noexcept with gil
    cdef void _settle_player(self, Client* client, bint to_the_end) noexcept nogil
