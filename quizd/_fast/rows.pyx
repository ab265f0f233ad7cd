"""Packed answers as the rows of a table, without an object per value.

A packed record (``scoring.pyx`` has its form) becomes either the tuples of Postgres'
binary COPY, byte for byte (https://www.postgresql.org/docs/current/sql-copy.html,
"Binary Format"), or Python tuples for other databases. Both have the columns

    session_id text, question int2, participant int4, opened_ms int8, received_ms int8,
    elapsed_ms int4, points int4, credit int2, response bytea, answered_at text

and the same values in them. ``answered_at`` is whatever a player has claimed: where
it is not plain ASCII, it is decoded with replacement characters, also for NUL, which
Postgres keeps in no text.
"""

from cpython.bytes cimport (
    PyBytes_AS_STRING,
    PyBytes_FromStringAndSize,
    PyBytes_GET_SIZE,
)
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport (
    int64_t,
    uint8_t,
    uint16_t,
    uint32_t,
    uint64_t,
)
from libc.stdlib cimport qsort
from libc.string cimport memcpy

from quizd._fast.scoring cimport RecordHead, RecordItem


cdef enum:
    COLUMNS = 10
    FIXED_BYTES = 2 + COLUMNS * 4 + 2 + 4 + 8 + 8 + 4 + 4 + 2
    GROWTH = 3              # a byte that is no text becomes U+FFFD, which is three
    QUESTIONS_MAX = 0x7FFF
    PLAIN_FIRST = 0x20
    PLAIN_LAST = 0x7E


# Where a reader of a record is. Owns nothing: *at* and *end* are in the record's bytes.
cdef struct Cursor:
    const char* at
    const char* end
    uint32_t left
    uint16_t question


# Where an answer is, in a record that somebody holds; *key*: question, participant.
cdef struct Place:
    uint64_t key
    const char* at


COLUMN_NAMES = (
    "session_id", "question", "participant", "opened_ms", "received_ms",
    "elapsed_ms", "points", "credit", "response", "answered_at",
)

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"


cdef Cursor cursor_at(bytes record, Py_ssize_t offset, uint32_t first) except *:
    """Stand at *offset*, where the item *first* begins; 0: at the first one."""
    cdef Cursor cursor
    cdef RecordHead head
    cdef const char* start = record
    if <size_t>len(record) < sizeof(head):
        raise ValueError("record of answers is cut short")
    memcpy(&head, start, sizeof(head))
    if head.question > QUESTIONS_MAX or first > head.count or offset > len(record):
        raise ValueError("not a record of answers, or not a place in it")
    cursor.at = start + max(offset, <Py_ssize_t>sizeof(head))
    cursor.end = start + len(record)
    cursor.left = head.count - first
    cursor.question = head.question
    return cursor


cdef const char* next_item(Cursor* cursor, RecordItem* item) except NULL:
    """Read the next item and go behind it; return where its texts are."""
    cdef const char* texts = cursor.at + sizeof(item[0])
    cdef Py_ssize_t left = cursor.end - cursor.at - <Py_ssize_t>sizeof(item[0])
    if left >= 0:
        memcpy(item, cursor.at, sizeof(item[0]))
        left -= item.response_size + item.answered_at_size
    if left < 0:
        raise ValueError("record of answers is cut short")
    cursor.at = texts + item.response_size + item.answered_at_size
    cursor.left -= 1
    return texts


cdef bint is_plain(const char* text, size_t size) noexcept nogil:
    cdef size_t i
    for i in range(size):
        if not PLAIN_FIRST <= <uint8_t>text[i] <= PLAIN_LAST:
            return False
    return True


cdef str claimed(const char* text, size_t size):
    decoded = text[:size].decode(errors="replace")
    return decoded.replace("\0", "\N{REPLACEMENT CHARACTER}")


cdef inline char* put(char* at, uint64_t value, int size) noexcept nogil:
    """Write the lower *size* bytes of *value* in network order, and go behind them."""
    cdef int i
    for i in range(size):
        at[i] = <char>(value >> (8 * (size - 1 - i)))
    return at + size


cdef inline char* put_field(char* at, uint64_t value, int size) noexcept nogil:
    return put(put(at, size, 4), value, size)


cdef inline char* put_text(char* at, const char* text, size_t size) noexcept nogil:
    at = put(at, size, 4)
    memcpy(at, text, size)
    return at + size


cdef char* put_claim(char* at, const char* text, size_t size) except NULL:
    cdef bytes cleaned
    if is_plain(text, size):
        return put_text(at, text, size)
    cleaned = claimed(text, size).encode()
    return put_text(at, PyBytes_AS_STRING(cleaned), PyBytes_GET_SIZE(cleaned))


cdef char* put_row(
    char* at,
    bytes session_id,
    int64_t opened_ms,
    uint16_t question,
    const RecordItem* item,
    const char* texts,
) except NULL:
    at = put(at, COLUMNS, 2)
    at = put_text(at, PyBytes_AS_STRING(session_id), PyBytes_GET_SIZE(session_id))
    at = put_field(at, question, 2)
    at = put_field(at, item.participant, 4)
    at = put_field(at, <uint64_t>opened_ms, 8)
    at = put_field(at, <uint64_t>item.received_ms, 8)
    at = put_field(at, <uint64_t>item.elapsed_ms, 4)
    at = put_field(at, <uint64_t>item.points, 4)
    at = put_field(at, item.credit, 2)
    at = put_text(at, texts, item.response_size)
    return put_claim(at, texts + item.response_size, item.answered_at_size)


cdef int by_key(const void* one, const void* other) noexcept nogil:
    cdef uint64_t a = (<const Place*>one).key, b = (<const Place*>other).key
    return (a > b) - (a < b)


cdef class Slice:
    """Some answers of one session, to be written in the order of their table's key.

    Players answer in any order. Rows that come in the order of an index find its page
    where the row before them has left it, which saves the database a fifth of its work.
    It holds at most *room* answers, and the records that they are in.
    """

    cdef:
        list _records
        Place* _places
        uint32_t _room
        size_t _most_bytes
        readonly uint32_t size

    def __cinit__(self, uint32_t room):
        self._records = []
        self._places = <Place*>PyMem_Malloc(room * sizeof(Place))
        if self._places is NULL:
            raise MemoryError
        self._room = room

    def __dealloc__(self):
        PyMem_Free(self._places)

    @property
    def full(self):
        """Whether it takes no more."""
        return self.size == self._room

    def take(self, bytes record not None, Py_ssize_t offset=0, uint32_t first=0):
        """Take the answers of *record* that there is room for; return where to go on.

        That is ``(offset, first)``, to be handed to the next call for this record; an
        offset of 0: it has all of them. Raises ``ValueError`` where the record is cut
        short or asks for a question beyond an int2; nothing is to be written then.
        """
        cdef Cursor cursor = cursor_at(record, offset, first)
        cdef RecordItem item
        cdef Place* place
        cdef uint32_t count = min(cursor.left, self._room - self.size)
        self._records.append(record)
        for _ in range(count):
            place = &self._places[self.size]
            place.at = cursor.at
            next_item(&cursor, &item)
            place.key = <uint64_t>cursor.question << 32 | item.participant
            self._most_bytes += FIXED_BYTES + item.response_size
            self._most_bytes += GROWTH * item.answered_at_size
            self.size += 1
        offset = cursor.at - <const char*>record if cursor.left else 0
        return offset, first + count

    def rows(self, bytes session_id not None, int64_t opened_ms):
        """Return all answers as tuples for a binary COPY, and hold none any more.

        The tuples have neither :data:`HEADER` nor :data:`TRAILER`.
        """
        cdef size_t most_bytes = self._most_bytes + self.size * len(session_id)
        cdef bytearray out = bytearray(most_bytes)
        cdef char* start = out
        cdef char* at = start
        cdef Place* place
        cdef RecordItem item
        cdef const char* texts
        cdef uint32_t i
        qsort(self._places, self.size, sizeof(Place), by_key)
        for i in range(self.size):
            place = &self._places[i]
            memcpy(&item, place.at, sizeof(item))
            texts = place.at + sizeof(item)
            at = put_row(at, session_id, opened_ms, place.key >> 32, &item, texts)
        rows = PyBytes_FromStringAndSize(start, at - start)
        self._records.clear()
        self.size = self._most_bytes = 0
        return rows


def tuples(bytes record not None, str session_id not None, int64_t opened_ms):
    """Return the answers of a record as a list of tuples, in the columns' order.

    Raises ``ValueError`` where the record is cut short.
    """
    cdef Cursor cursor = cursor_at(record, 0, 0)
    cdef RecordItem item
    cdef const char* texts
    cdef list rows = []
    while cursor.left:
        texts = next_item(&cursor, &item)
        rows.append((
            session_id, cursor.question, item.participant, opened_ms,
            item.received_ms, item.elapsed_ms, item.points, item.credit,
            texts[:item.response_size],
            claimed(texts + item.response_size, item.answered_at_size),
        ))
    return rows


def count_of(bytes record not None):
    """Return how many answers a record says that it has.

    Raises ``ValueError`` where it is cut short.
    """
    return cursor_at(record, 0, 0).left
