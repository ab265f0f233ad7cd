"""What a server says, read where it lies: a walk over JSON that makes no objects.

A value is a slice of the text: a string's with its quotes, an object's with its braces.
The walk takes what a server's encoder wrote for valid JSON and checks no more of it
than it needs to find its way; on anything else it stops, and never leaves the text.
Escapes are not undone: names and texts are compared as they were written, and go back
to the server the same way.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memchr, memcmp, strlen

cdef enum:
    ISO_BYTES = 24                  # 2026-01-31T09:30:00.000Z

cdef uint64_t FNV_START = 0xCBF29CE484222325
cdef uint64_t FNV_PRIME = 0x100000001B3


cdef inline bint _is_space(char byte) noexcept nogil:
    return byte == c" " or byte == c"\t" or byte == c"\n" or byte == c"\r"


cdef inline void _skip_space(Cursor* cursor) noexcept nogil:
    while cursor.at < cursor.end and _is_space(cursor.at[0]):
        cursor.at += 1


cdef bint _string(Cursor* cursor) noexcept nogil:
    """Move behind the string that begins here."""
    cdef const char* quote
    cdef const char* back
    cursor.at += 1
    while True:
        quote = <const char*>memchr(cursor.at, c'"', cursor.end - cursor.at)
        if quote == NULL:
            cursor.at = cursor.end
            return False
        back = quote
        while back > cursor.at and (back - 1)[0] == c"\\":
            back -= 1
        cursor.at = quote + 1
        if (quote - back) % 2 == 0:     # an escaped quote has an odd run before it
            return True


cdef bint _nested(Cursor* cursor) noexcept nogil:
    """Move behind the object or array that begins here."""
    cdef int depth = 0
    cdef char byte
    while cursor.at < cursor.end:
        byte = cursor.at[0]
        if byte == c'"':
            if not _string(cursor):
                return False
            continue
        cursor.at += 1
        if byte == c"{" or byte == c"[":
            depth += 1
        elif byte == c"}" or byte == c"]":
            depth -= 1
            if depth == 0:
                return True
    return False


cdef bint _plain(Cursor* cursor) noexcept nogil:
    """Move behind a number, a truth value or null."""
    cdef const char* start = cursor.at
    cdef char byte
    while cursor.at < cursor.end:
        byte = cursor.at[0]
        if byte == c"," or byte == c"}" or byte == c"]" or _is_space(byte):
            break
        cursor.at += 1
    return cursor.at > start


cdef bint _value(Cursor* cursor, Slice* value) noexcept nogil:
    cdef bint read
    _skip_space(cursor)
    if cursor.at == cursor.end:
        return False
    value.at = cursor.at
    if cursor.at[0] == c'"':
        read = _string(cursor)
    elif cursor.at[0] == c"{" or cursor.at[0] == c"[":
        read = _nested(cursor)
    else:
        read = _plain(cursor)
    value.size = cursor.at - value.at
    return read


cdef inline bint _separator(Cursor* cursor, char byte) noexcept nogil:
    _skip_space(cursor)
    if cursor.at == cursor.end or cursor.at[0] != byte:
        return False
    cursor.at += 1
    return True


cdef bint enter(Slice value, char opening, Cursor* cursor) noexcept nogil:
    """Put *cursor* before the first member or item of *value*."""
    cursor.at = value.at
    cursor.end = value.at + value.size
    return _separator(cursor, opening)


cdef bint next_item(Cursor* cursor, Slice* value) noexcept nogil:
    """Read the next item of an array; False: there is none."""
    _separator(cursor, c",")
    _skip_space(cursor)
    if cursor.at == cursor.end or cursor.at[0] == c"]":
        return False
    return _value(cursor, value)


cdef bint next_member(Cursor* cursor, Slice* key, Slice* value) noexcept nogil:
    """Read the next member of an object, the key without quotes; False: none."""
    _separator(cursor, c",")
    _skip_space(cursor)
    if cursor.at == cursor.end or cursor.at[0] != c'"' or not _value(cursor, key):
        return False
    key[0] = bare(key[0])
    return _separator(cursor, c":") and _value(cursor, value)


cdef bint find(Slice value, const char* name, Slice* found) noexcept nogil:
    """Find the member *name* of the object *value*."""
    cdef Cursor cursor
    cdef Slice key
    if not enter(value, c"{", &cursor):
        return False
    while next_member(&cursor, &key, found):
        if equals(key, name):
            return True
    return False


cdef bint equals(Slice text, const char* name) noexcept nogil:
    return text.size == strlen(name) and memcmp(text.at, name, text.size) == 0


cdef bint same(Slice one, Slice other) noexcept nogil:
    return one.size == other.size and memcmp(one.at, other.at, one.size) == 0


cdef Slice bare(Slice value) noexcept nogil:
    """Return a string without its quotes, anything else as it is."""
    if value.size >= 2 and value.at[0] == c'"':
        return Slice(value.at + 1, value.size - 2)
    return value


cdef int64_t whole(Slice value) noexcept nogil:
    """Return the integer that *value* begins with, 0 for none."""
    cdef size_t i = 1 if value.size and value.at[0] == c"-" else 0
    cdef int64_t sign = -1 if i else 1
    cdef int64_t number = 0
    while i < value.size and c"0" <= value.at[i] <= c"9":
        number = number * 10 + (value.at[i] - c"0")
        i += 1
    return sign * number


cdef bint is_true(Slice value) noexcept nogil:
    return equals(value, b"true")


cdef inline int64_t _digits(const char* at, int count) noexcept nogil:
    return whole(Slice(at, count))


cdef int64_t _days(int64_t year, int64_t month, int64_t day) noexcept nogil:
    """Return the days from 1970-01-01, of the Gregorian calendar from year 1 on.

    Years are counted from March, so that a leap day is a year's last.
    """
    cdef int64_t shifted = year - (1 if month <= 2 else 0)
    cdef int64_t of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    cdef int64_t leaps = shifted // 4 - shifted // 100 + shifted // 400
    return shifted * 365 + leaps + of_year - 719_468


cdef int64_t instant_ms(Slice value) noexcept nogil:
    """Return a time like ``"2026-01-31T09:30:00.000Z"`` in ms since 1970, else 0."""
    cdef const char* at = bare(value).at
    if bare(value).size != ISO_BYTES or at[ISO_BYTES - 1] != c"Z":
        return 0
    cdef int64_t seconds = (
        _days(_digits(at, 4), _digits(at + 5, 2), _digits(at + 8, 2)) * 86_400
        + _digits(at + 11, 2) * 3600
        + _digits(at + 14, 2) * 60
        + _digits(at + 17, 2)
    )
    return seconds * 1000 + _digits(at + 20, 3)


cdef uint64_t hashed(uint64_t start, Slice text) noexcept nogil:
    """Return the FNV-1a hash (64 bits) of *text*, going on from *start*."""
    cdef uint64_t state = start ^ FNV_START
    cdef size_t i
    for i in range(text.size):
        state = (state ^ <unsigned char>text.at[i]) * FNV_PRIME
    return state
