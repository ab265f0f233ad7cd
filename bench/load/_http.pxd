from libc.stdint cimport int32_t, int64_t, uint32_t

from bench.load._core cimport Client, Sockets
from bench.load._counts cimport Counts

# A response: its status, and where its body lies among all bodies.
cdef struct Response:
    int32_t status                  # 0: there is none
    uint32_t body_bytes
    size_t body_at

cdef class Requests(Sockets):
    cdef:
        readonly Counts latencies
        readonly uint32_t total
        char* _texts                # all requests, one after the other
        size_t* _text_at            # where each begins, and where the last one ends
        Response* _responses
        int64_t* _due_ns
        uint32_t* _asked            # what each line asked last; NOTHING: it is free
        uint32_t* _free             # a ring of lines that are free
        uint32_t _free_first, _free_count
        uint32_t* _ended            # a stack of lines that ended while they were free
        uint32_t _ended_count
        char* _bodies
        size_t _bodies_size, _bodies_room
        uint32_t _next, _answered
        int64_t _start_ns
        double _gap_ns

    cdef void _take_off(self, uint32_t line) noexcept nogil
    cdef void _set_free(self, uint32_t line) noexcept nogil
    cdef void _ask(self, Client* client, int64_t due_ns) noexcept nogil
    cdef void _refuse(
        self, Client* client, const char* what, int64_t now_ns
    ) noexcept nogil
    cdef void _answered_by(
        self, Client* client, int32_t status, const char* body, size_t size,
        int64_t now_ns,
    ) noexcept nogil
    cdef void _keep_body(
        self, Response* response, const char* body, size_t size
    ) noexcept nogil
