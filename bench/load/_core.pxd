from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from bench.load._basics cimport Buffer
from bench.load._counts cimport Counts
from bench.load._scan cimport Slice

# What a client has come to.
cdef enum Stage:
    WAITING = 0                     # its turn to connect has not come
    CONNECTING = 1
    GREETING = 2                    # the line is up, the protocol's greeting is due
    OPEN = 3
    GONE = 4

cdef struct Client:
    int fd                          # -1: no line
    uint32_t index
    uint8_t stage
    uint8_t wants_out               # whether epoll is to tell when it takes more
    uint8_t judged                  # its end has been reported, or is none to report
    uint16_t close_code
    Buffer inward                   # the beginning of something not whole yet
    Buffer outward                  # what the kernel has not taken
    Buffer message                  # the parts of a fragmented message
    int64_t due_ns                  # when it was to connect
    uint64_t random

cdef enum:
    FAULT_TEXT = 200

cdef struct Fault:
    uint32_t who
    char[FAULT_TEXT] text

cdef struct Tally:
    int64_t begun, opened, refused, lost
    int64_t frames_in, bytes_in, frames_out, bytes_out, pings
    int64_t in_flight

cdef class Sockets:
    cdef:
        Client* clients
        readonly uint32_t count
        readonly uint32_t first_number
        readonly Counts connects
        readonly int64_t first_ns   # when the first of what this is for was due
        readonly int64_t last_ns    # when the last of it was done
        Tally tally
        bint closing
        uint64_t random
        Fault* _faults
        int64_t _fault_count
        int _epoll
        bint _called
        char* _input
        uint32_t _address, _sources
        uint16_t _port
        int64_t _begin_ns
        double _interval_ns
        uint32_t _to_begin
        int64_t _in_flight_max

    # For subclasses to do. take() returns how many bytes it used up, 0: not enough yet.
    cdef void connected(self, Client* client, int64_t now_ns) noexcept nogil
    cdef size_t take(
        self, Client* client, const char* at, size_t size, int64_t now_ns
    ) noexcept nogil
    cdef void gone(self, Client* client, int64_t now_ns) noexcept nogil
    cdef void farewell(self, Client* client) noexcept nogil
    cdef int64_t on_time(self, int64_t now_ns) noexcept nogil

    # For subclasses to use.
    cdef void arrived(self, Client* client, int64_t now_ns) noexcept nogil
    cdef void send(self, Client* client, const char* at, size_t size) noexcept nogil
    cdef void lose(self, Client* client, int64_t now_ns) noexcept nogil
    cdef void fault(
        self, Client* client, const char* form, int64_t one, int64_t other
    ) noexcept nogil
    cdef void fault_text(
        self, Client* client, const char* form, Slice text
    ) noexcept nogil

    cdef void _serve(self, int64_t until_ns) noexcept nogil
    cdef int64_t _do_due(self, int64_t now_ns) noexcept nogil
    cdef int _read_once(self) noexcept nogil
    cdef int64_t _begin_due(self, int64_t now_ns) noexcept nogil
    cdef void _begin(self, Client* client, int64_t now_ns) noexcept nogil
    cdef bint _bind(self, Client* client) noexcept nogil
    cdef void _handle(self, uint32_t events, uint32_t index) noexcept nogil
    cdef void _up(self, Client* client) noexcept nogil
    cdef void _receive(self, Client* client) noexcept nogil
    cdef void _flush(self, Client* client) noexcept nogil
    cdef void _want_out(self, Client* client, bint wanted) noexcept nogil
    cdef char* _next_fault(self, Client* client) noexcept nogil
