"""The way in of one WebSocket: its request's head, and the first words to it."""

from picows.picows cimport WSTransport

from quizd._fast.wire cimport Wire


cdef class Stand:
    cdef:
        readonly object transport
        int socket


cdef class Accepted:
    cdef:
        readonly int status
        str accept
        str chosen                      # of the subprotocols offered, "": none


cdef class Guest(Wire):
    cdef bytes greeting                 # the answer to the upgrade, not yet sent

    cdef int _say(self, const char* frame, size_t size) except -1
