from libc.stdint cimport int64_t, uint64_t

# Where a text lies; whoever made it says for how long.
cdef struct Slice:
    const char* at
    size_t size

# How far the walk over an object's members or an array's items has come.
cdef struct Cursor:
    const char* at
    const char* end

cdef bint enter(Slice value, char opening, Cursor* cursor) noexcept nogil
cdef bint next_item(Cursor* cursor, Slice* value) noexcept nogil
cdef bint next_member(Cursor* cursor, Slice* key, Slice* value) noexcept nogil
cdef bint find(Slice value, const char* name, Slice* found) noexcept nogil
cdef bint equals(Slice text, const char* name) noexcept nogil
cdef bint same(Slice one, Slice other) noexcept nogil
cdef Slice bare(Slice value) noexcept nogil
cdef int64_t whole(Slice value) noexcept nogil
cdef bint is_true(Slice value) noexcept nogil
cdef int64_t instant_ms(Slice value) noexcept nogil
cdef uint64_t hashed(uint64_t start, Slice text) noexcept nogil
