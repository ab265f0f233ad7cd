from bench.load._core cimport Client
from bench.load._play cimport Players

cdef class SocketIoPlayers(Players):
    cdef void _packet(self, Client* client, const char* packet) noexcept nogil
    cdef void _refused(
        self, Client* client, const char* at, size_t size
    ) noexcept nogil
