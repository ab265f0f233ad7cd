from libc.stdint cimport int64_t

from bench.load._answering cimport Answering, Deal
from bench.load._core cimport Client
from bench.load._scan cimport Slice

cdef class Acknowledged(Answering):
    cdef Deal* deal_of(self, Client* client, Slice payload) noexcept nogil
    cdef void take_result(
        self, Client* client, Slice payload, int64_t now_ns
    ) noexcept nogil
    cdef void take_error(self, Client* client, Slice payload) noexcept nogil
    cdef void hold_verdict(self, Client* client, Deal* deal, Slice told) noexcept nogil
    cdef void settle_deal(self, Client* client, Deal* deal) noexcept nogil

    cdef void _first_result(
        self, Client* client, Deal* deal, Slice payload, int64_t now_ns
    ) noexcept nogil
    cdef bint _refused_late(self, Client* client, Slice details) noexcept nogil
    cdef bint _was_awaited(self, Client* client, Slice reason) noexcept nogil

cdef bint is_before_end(int64_t end_ms) noexcept nogil
