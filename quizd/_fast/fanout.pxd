"""Frames to many wires: the same for all, or with a personal tail."""

from libc.stdint cimport int64_t


cdef size_t put_int(char* at, int64_t number) noexcept nogil
cdef size_t put_iso(char* at, int64_t at_ms) noexcept nogil
