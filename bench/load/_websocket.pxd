from libc.stdint cimport int64_t, uint8_t, uint32_t

from bench.load._core cimport Client, Sockets

cdef class Swarm(Sockets):
    cdef:
        char* _heads                # all request heads, one after the other
        uint32_t* _head_at          # where each begins, and where the last one ends
        bytes _accept
        const char* _accept_at
        size_t _accept_size

    # For subclasses to do.
    cdef void opened(self, Client* client, int64_t now_ns) noexcept nogil
    cdef void message(
        self, Client* client, const char* at, size_t size, int64_t now_ns
    ) noexcept nogil
    cdef void left(self, Client* client, int64_t now_ns) noexcept nogil

    # For subclasses to use.
    cdef void say(self, Client* client, const char* text, size_t size) noexcept nogil

    cdef void _frame(
        self, Client* client, int opcode, const char* at, size_t size
    ) noexcept nogil
    cdef size_t _greeting(
        self, Client* client, const char* at, size_t size, int64_t now_ns
    ) noexcept nogil
    cdef size_t _take_frame(
        self, Client* client, const char* at, size_t size, int64_t now_ns
    ) noexcept nogil
    cdef void _control(
        self, Client* client, int opcode, const char* at, size_t size, int64_t now_ns
    ) noexcept nogil
    cdef void _data(
        self, Client* client, uint8_t first, const char* at, size_t size, int64_t now_ns
    ) noexcept nogil
    cdef void _break(
        self, Client* client, const char* what, int64_t now_ns
    ) noexcept nogil
