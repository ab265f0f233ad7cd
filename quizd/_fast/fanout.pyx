"""Frames to many wires: the same for all, or with a personal tail.

A shared frame is encoded and framed once and written to each socket. A personal one
has a common front, encoded once, and a small tail that is written behind it in a
buffer of this module: the player's own result, rank and gap. Nothing here allocates
per player, and nothing waits: a socket that takes no more keeps its frame in the
wire's own, bounded outbox.

Wires lie anywhere in memory, and the kernel's work for one drives the others out of
the caches; so the processor is told a little ahead which ones come next.

The caller owns the list of wires and passes a part of it, a slice of a fan-out that
leaves room for answers in between. A wire that already has a broadcast, because its
picture contained it, is passed over: ``wire.seq`` says so.
"""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from libc.time cimport gmtime_r, time_t, tm

from quizd._fast.ranking cimport Board, Ranking
from quizd._fast.scoring cimport CORRECT, Entry, Sheet
from quizd._fast.wire cimport Wire, put_header


cdef extern from "Python.h":
    ctypedef struct PyListObject:
        PyObject** ob_item


# Cache lines of 64 bytes: those of a wire, and of its transport, that writing uses. A
# macro, since GCC 12 drops calls of a function that does nothing but prefetch.
cdef extern from *:
    """
    #define fetch_line(at, line) __builtin_prefetch((const char*)(at) + 64 * (line), 1)
    #define fetch(wire, transport) do { \\
        fetch_line(wire, 0); fetch_line(wire, 1); \\
        fetch_line(wire, 2); fetch_line(wire, 3); \\
        fetch_line(transport, 0); fetch_line(transport, 1); \\
        fetch_line(transport, 2); \\
    } while (0)
    """
    void fetch(PyObject* wire, void* transport) noexcept nogil


cdef enum:
    FAR = 2                     # places from the wire in turn to the one to fetch
    NEAR = 1                    # and to the one whose transport; it is there by then
    HEADER_MAX = 10
    TAIL_MAX = 320


cdef size_t put_text(char* at, const char* text, size_t size) noexcept nogil:
    memcpy(at, text, size)
    return size


cdef size_t put_int(char* at, int64_t number) noexcept nogil:
    """Write *number* in decimal; return how many bytes it took, 20 at most."""
    cdef char[20] digits
    cdef size_t size = 0, sign = 0
    cdef size_t i
    if number < 0:
        at[0] = c"-"
        sign = 1
        number = -number
    while True:
        digits[size] = <char>(c"0" + number % 10)
        size += 1
        number //= 10
        if number == 0:
            break
    for i in range(size):
        at[sign + i] = digits[size - 1 - i]
    return sign + size


cdef void put_digits(char* at, int number, int count) noexcept nogil:
    """Write *number* with leading zeros in *count* digits."""
    cdef int i
    for i in range(count):
        at[count - 1 - i] = <char>(c"0" + number % 10)
        number //= 10


cdef size_t put_iso(char* at, int64_t at_ms) noexcept nogil:
    """Write ``2026-01-31T09:30:00.000Z``, 24 bytes; years 1970 to 9999."""
    cdef time_t second = at_ms // 1000
    cdef tm parts
    gmtime_r(&second, &parts)
    memcpy(at, "0000-00-00T00:00:00.000Z", 24)
    put_digits(at, parts.tm_year + 1900, 4)
    put_digits(at + 5, parts.tm_mon + 1, 2)
    put_digits(at + 8, parts.tm_mday, 2)
    put_digits(at + 11, parts.tm_hour, 2)
    put_digits(at + 14, parts.tm_min, 2)
    put_digits(at + 17, parts.tm_sec, 2)
    put_digits(at + 20, <int>(at_ms % 1000), 3)
    return 24


def iso(int64_t at_ms):
    """Return *at_ms*, milliseconds since the epoch, as ISO 8601 UTC text."""
    cdef char[24] text
    put_iso(text, at_ms)
    return text[:24].decode("ascii")


cdef inline size_t put_key(
    char* at, const char* key, size_t size, int64_t value
) noexcept nogil:
    memcpy(at, key, size)
    return size + put_int(at + size, value)


cdef size_t put_standing(
    char* at, int64_t score, int64_t rank, int64_t of
) noexcept nogil:
    """``{"score":…,"rank":…,"of":…}``"""
    cdef size_t size = put_key(at, b'{"score":', 9, score)
    size += put_key(at + size, b',"rank":', 8, rank)
    size += put_key(at + size, b',"of":', 6, of)
    return size + put_text(at + size, b"}", 1)


cdef size_t put_flag(char* at, bint flag) noexcept nogil:
    return put_text(at, b"true", 4) if flag else put_text(at, b"false", 5)


cdef size_t put_reveal(
    char* at, Sheet sheet, Ranking ranking, uint32_t participant
) noexcept nogil:
    """The ``you`` of ``question_closed``."""
    cdef Entry entry = sheet.standing(participant)
    cdef size_t size = put_text(at, b'{"correct":', 11)
    size += put_flag(at + size, entry.flags & CORRECT)
    size += put_key(at + size, b',"points":', 10, entry.points)
    size += put_key(at + size, b',"score":', 9, ranking.scores[participant])
    size += put_key(at + size, b',"rank":', 8, ranking.ranks[participant])
    size += put_key(at + size, b',"of":', 6, ranking.of)
    size += put_key(at + size, b',"gapToNext":', 13, ranking.gaps[participant])
    size += put_key(at + size, b',"streak":', 10, entry.streak)
    size += put_key(
        at + size, b',"percentile":', 14, ranking.percentile_of(participant)
    )
    return size + put_text(at + size, b"}", 1)


def reveal_tail(Sheet sheet not None, Ranking ranking not None, uint32_t participant):
    """Return the ``you`` of ``question_closed`` as JSON."""
    cdef char[TAIL_MAX] tail
    if participant >= ranking.indices:
        raise IndexError(f"no participant {participant} in this ranking")
    return tail[:put_reveal(tail, sheet, ranking, participant)]


def send_shared(
    list wires not None,
    Py_ssize_t start,
    Py_ssize_t stop,
    bytes frame not None,
    int64_t seq,
    int key,
):
    """Write *frame* to ``wires[start:stop]``.

    *seq*: the broadcast's number, 0 for a message without; wires that have it are
    passed over. *key*: as in :meth:`Wire.send`.
    """
    cdef const char* text = frame
    cdef size_t size = len(frame)
    cdef Py_ssize_t i, last = len(wires) - 1
    cdef PyObject** items = (<PyListObject*>wires).ob_item
    cdef Wire wire
    for i in range(max(start, 0), min(stop, len(wires))):
        fetch(
            items[min(i + FAR, last)],
            <void*>(<Wire>items[min(i + NEAR, last)]).transport,
        )
        wire = <Wire>wires[i]
        if seq and wire.seq >= seq:
            continue
        wire.write(text, size, key)
        if seq:
            wire.seq = seq


cdef class Personal:
    """A message with a common *front* and a tail of each player's own.

    The JSON that goes out is *front*, the tail, then ``}}``. The tail comes from
    *ranking*, with a *sheet* that of ``question_closed``, without one the standing.
    """

    cdef:
        char* buffer            # header, front, tail, end
        size_t front_size
        Sheet sheet
        Ranking ranking

    def __cinit__(self, bytes front not None, Ranking ranking not None, Sheet sheet):
        self.front_size = len(front)
        self.buffer = <char*>malloc(HEADER_MAX + self.front_size + TAIL_MAX)
        if self.buffer == NULL:
            raise MemoryError
        memcpy(self.buffer + HEADER_MAX, <const char*>front, self.front_size)
        self.sheet = sheet
        self.ranking = ranking

    def __dealloc__(self):
        free(self.buffer)

    cdef size_t compose(self, uint32_t participant) noexcept nogil:
        """Write the tail; return the payload's size."""
        cdef char* start = self.buffer + HEADER_MAX
        cdef char* at = start + self.front_size
        if self.sheet is None:
            at += put_standing(
                at,
                self.ranking.scores[participant],
                self.ranking.ranks[participant],
                self.ranking.of,
            )
        else:
            at += put_reveal(at, self.sheet, self.ranking, participant)
        at += put_text(at, b"}}", 2)
        return at - start

    def payload(self, uint32_t participant):
        """Return the whole JSON text for *participant*."""
        if participant >= self.ranking.indices:
            raise IndexError(f"no participant {participant} in this ranking")
        cdef size_t size = self.compose(participant)
        return self.buffer[HEADER_MAX:HEADER_MAX + size]

    def send(
        self,
        list wires not None,
        Py_ssize_t start,
        Py_ssize_t stop,
        int64_t seq,
        int key,
    ):
        """Write it to ``wires[start:stop]``; *seq* and *key* as in send_shared.

        Players who joined after the ranking was frozen are passed over: what they
        were welcomed with is newer.
        """
        cdef Py_ssize_t i, last = len(wires) - 1
        cdef PyObject** items = (<PyListObject*>wires).ob_item
        cdef Wire wire
        cdef size_t size, header
        cdef char* text = self.buffer + HEADER_MAX
        for i in range(max(start, 0), min(stop, len(wires))):
            fetch(
                items[min(i + FAR, last)],
                <void*>(<Wire>items[min(i + NEAR, last)]).transport,
            )
            wire = <Wire>wires[i]
            if (seq and wire.seq >= seq) or wire.participant >= self.ranking.indices:
                continue
            size = self.compose(wire.participant)
            header = put_header(text, size)
            wire.write(text - header, header + size, key)
            if seq:
                wire.seq = seq


def send_results(
    list wire_of not None,
    tuple participants not None,
    bytes question not None,
    Sheet sheet not None,
    Board board,
):
    """Send ``answer_result`` to each of *participants*.

    *wire_of*: the wire of each participant by index, ``None`` for who is not
    connected. *question*: its id as JSON text. With a *board* the result tells points,
    score and rank; without one (``feedback: on_close``) only that the answer counts.
    """
    cdef Wire wire
    cdef uint32_t participant
    cdef size_t size, header
    cdef char* buffer = <char*>malloc(HEADER_MAX + len(question) + TAIL_MAX)
    cdef char* text = buffer + HEADER_MAX
    if buffer == NULL:
        raise MemoryError
    try:
        for participant in participants:
            if participant >= <uint32_t>len(wire_of) or wire_of[participant] is None:
                continue
            wire = <Wire>wire_of[participant]
            size = put_result(text, question, sheet, board, participant)
            header = put_header(text, size)
            wire.write(text - header, header + size, 0)
    finally:
        free(buffer)


def result_payload(
    bytes question not None, Sheet sheet not None, Board board, uint32_t participant
):
    """Return the ``answer_result`` of *participant* as JSON text."""
    cdef char* text = <char*>malloc(len(question) + TAIL_MAX)
    if text == NULL:
        raise MemoryError
    try:
        return text[:put_result(text, question, sheet, board, participant)]
    finally:
        free(text)


cdef size_t put_result(
    char* at, bytes question, Sheet sheet, Board board, uint32_t participant
) except 0:
    cdef Entry entry = sheet.standing(participant)
    cdef size_t size = put_text(at, b'{"type":"answer_result",', 24)
    size += put_text(at + size, b'"payload":{"questionId":', 24)
    size += put_text(at + size, <const char*>question, len(question))
    size += put_text(at + size, b',"accepted":true,"receivedAt":"', 31)
    size += put_iso(at + size, entry.received_ms)
    size += put_text(at + size, b'"', 1)
    if board is not None:
        size += put_text(at + size, b',"correct":', 11)
        size += put_flag(at + size, entry.flags & CORRECT)
        size += put_key(at + size, b',"points":', 10, entry.points)
        size += put_key(at + size, b',"score":', 9, board.score(participant))
        size += put_key(at + size, b',"rank":', 8, board.rank(participant))
    return size + put_text(at + size, b"}}", 2)
