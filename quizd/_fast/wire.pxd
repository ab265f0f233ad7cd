"""One WebSocket connection: messages in, frames out. Hot counters of the edge."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from picows.picows cimport WSFrame, WSListener, WSTransport

from quizd._fast.answers cimport Answer
from quizd._fast.inbox cimport Inbox


cdef struct Counters:
    uint64_t messages_in
    uint64_t answers_in_place
    uint64_t bytes_in
    uint64_t frames_out
    uint64_t bytes_out
    uint64_t frames_queued
    uint64_t frames_replaced
    uint64_t slow_closed
    uint64_t rate_limited


cdef Counters counters


cdef class Policy:
    cdef:
        readonly size_t message_bytes
        readonly size_t output_bytes
        readonly double messages_per_s
        readonly double message_burst
        readonly int64_t offset_ms      # added to CLOCK_MONOTONIC: session time


cdef class Wire(WSListener):
    cdef:
        WSTransport transport
        Policy policy
        Inbox inbox                     # None: no answers come from here
        bytes participant_id
        bytearray partial               # of a message in fragments
        list outbox                     # [(key, frame)] while the socket is full
        size_t outbox_bytes
        double tokens, refilled_s
        uint32_t over_budget            # messages over it, less those within since
        int socket
        bint secure, blocked, fresh, closing
        bint told                       # that it is over its budget
        public uint32_t participant     # index in the session
        public int64_t seq              # the last broadcast it has
        public bint heard               # anything, since somebody last looked
        public bint pinged

    cdef int write(self, const char* frame, size_t size, int key) except -1
    cdef int _write_through(self, const char* frame, size_t size) except -1
    cdef int _queue(self, const char* frame, size_t size, int key) except -1
    cdef int _flush(self) except -1
    cdef int _text(self, const char* text, size_t size) except -1
    cdef bint _in_budget(self) except -1
    cdef bint _is_own(self, const Answer* answer) noexcept
    cdef int _pong(self, WSFrame ping) except -1
    cdef int _fragment(self, WSFrame frame, bint first) except -1
    cdef int _drop_elder(self, int key) except -1
    cdef bint _answer_in_place(self, const char* text, size_t size) except -1
    cpdef close(self, int code, str why=*)


cdef size_t put_header(char* end_of_header, size_t size) noexcept nogil
cdef int64_t session_time_ms(int64_t offset_ms) noexcept nogil
