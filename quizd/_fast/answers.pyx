"""The hot message of a quiz, read where it lies.

Nearly all that players send is ``{"type": "answer_submission", "payload":
{"questionId": …, "selectedOption": …, "answeredAt": …}}``, and of it only two or three
texts matter. So this parser makes no objects: it checks the message and says where the
texts are.

It has two verdicts, "this is a plain answer" and "ask the general decoder", and only
the first is a promise: the text is valid JSON in valid UTF-8, which any strict decoder
reads as the same values. Whatever is rare or odd gets the second, be it wrong or merely
unusual: escapes in a key or in a text that matters, a known key twice, nested values in
unknown fields, the fields of other question types, numbers of great length. Keys may
come in any order, with any white space, and unknown fields with plain values are
skipped, since they are ignored everywhere.

Nothing is read outside the text, there is no recursion, and the time is linear in the
size. Bounding the size is the caller's affair.

The grammar is RFC 8259, UTF-8 is RFC 3629 (table 3-7 of the Unicode standard).
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

cdef enum:
    WORD_BYTES = 8
    NUMBER_LIMIT_BYTES = 32     # with two exponent digits still far from infinity
    EXPONENT_LIMIT_DIGITS = 2

cdef uint64_t ONES = 0x0101010101010101
cdef uint64_t HIGH_BITS = 0x8080808080808080


# Where the parser is in the text, and what it knows so far.
cdef struct Reader:
    const uint8_t* at
    const uint8_t* end
    Answer* answer
    bint has_type
    bint has_payload


ctypedef bint (*Member)(Reader* reader, Slice key) noexcept nogil


# UTF-8 -------------------------------------------------------------------------

cdef inline uint64_t _word(const uint8_t* at) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, at, WORD_BYTES)
    return word


cdef inline bint _continues(uint8_t byte) noexcept nogil:
    return byte & 0xC0 == 0x80


cdef inline Py_ssize_t _sequence_bytes(
    const uint8_t* at, Py_ssize_t left
) noexcept nogil:
    """Return the size of the multi-byte sequence at *at*, 0 if it is not valid."""
    cdef uint8_t lead = at[0]
    cdef uint8_t least = 0x80, most = 0xBF      # of the second byte
    if left < 2 or lead < 0xC2:
        return 0
    if lead < 0xE0:
        return 2 if _continues(at[1]) else 0
    if lead < 0xF0:
        if lead == 0xE0:
            least = 0xA0                        # else overlong
        elif lead == 0xED:
            most = 0x9F                         # else a surrogate
        if left < 3 or not least <= at[1] <= most or not _continues(at[2]):
            return 0
        return 3
    if lead == 0xF0:
        least = 0x90                            # else overlong
    elif lead == 0xF4:
        most = 0x8F                             # else over U+10FFFF
    if lead > 0xF4 or left < 4 or not least <= at[1] <= most:
        return 0
    return 4 if _continues(at[2]) and _continues(at[3]) else 0


cdef bint is_utf8(const char* text, Py_ssize_t size) noexcept nogil:
    cdef const uint8_t* at = <const uint8_t*>text
    cdef const uint8_t* end = at + size
    cdef Py_ssize_t step
    while at < end:
        if end - at >= WORD_BYTES and not _word(at) & HIGH_BITS:
            at += WORD_BYTES
            continue
        step = 1 if at[0] < 0x80 else _sequence_bytes(at, end - at)
        if step == 0:
            return False
        at += step
    return True


# Tokens ------------------------------------------------------------------------
#
# Each reads one thing at the reader's place, moves behind it, and returns whether it
# was there. After a False the place means nothing.

cdef inline void _skip_space(Reader* reader) noexcept nogil:
    while reader.at < reader.end and reader.at[0] in (b" ", b"\t", b"\n", b"\r"):
        reader.at += 1


cdef inline bint _token(Reader* reader, uint8_t byte) noexcept nogil:
    """Read *byte* after any white space."""
    _skip_space(reader)
    if reader.at == reader.end or reader.at[0] != byte:
        return False
    reader.at += 1
    return True


cdef inline bint _has_special(uint64_t word) noexcept nogil:
    """Return whether a byte of *word* is a quote, a backslash or a control character.

    A byte minus 1 (or 32) borrows into its high bit if it was 0 (or a control
    character); bytes that had the high bit are masked out. Borrows reach a higher byte
    only from one that is reported itself.
    """
    cdef uint64_t quotes = word ^ (ONES * 0x22)
    cdef uint64_t slashes = word ^ (ONES * 0x5C)
    return (
        ((quotes - ONES) & ~quotes)
        | ((slashes - ONES) & ~slashes)
        | ((word - ONES * 0x20) & ~word)
    ) & HIGH_BITS != 0


cdef inline void _skip_plain(Reader* reader) noexcept nogil:
    """Move to the next quote, backslash or control character, or to the end."""
    while reader.end - reader.at >= WORD_BYTES and not _has_special(_word(reader.at)):
        reader.at += WORD_BYTES
    while reader.at < reader.end and reader.at[0] >= 0x20:
        if reader.at[0] == 0x22 or reader.at[0] == 0x5C:
            return
        reader.at += 1


cdef inline bint _plain_string(Reader* reader, Slice* out) noexcept nogil:
    """Read a string that holds no escape."""
    if not _token(reader, b'"'):
        return False
    out.ptr = <const char*>reader.at
    _skip_plain(reader)
    out.size = <const char*>reader.at - out.ptr
    if reader.at == reader.end or reader.at[0] != b'"':
        return False
    reader.at += 1
    return True


cdef inline bint _is_hex(uint8_t byte) noexcept nogil:
    return b"0" <= byte <= b"9" or b"a" <= byte | 0x20 <= b"f"


cdef bint _escape(Reader* reader) noexcept nogil:
    """Read an escape, but no surrogate: whether those are paired is not followed."""
    cdef const uint8_t* at = reader.at
    if reader.end - at < 2:
        return False
    if at[1] in (b'"', b"\\", b"/", b"b", b"f", b"n", b"r", b"t"):
        reader.at += 2
        return True
    if at[1] != b"u" or reader.end - at < 6:
        return False
    if not (_is_hex(at[2]) and _is_hex(at[3]) and _is_hex(at[4]) and _is_hex(at[5])):
        return False
    if at[2] | 0x20 == b"d" and at[3] >= b"8":
        return False
    reader.at += 6
    return True


cdef bint _rest_of_string(Reader* reader) noexcept nogil:
    """Read what follows the opening quote, escapes included."""
    while True:
        _skip_plain(reader)
        if reader.at == reader.end:
            return False
        if reader.at[0] == b'"':
            reader.at += 1
            return True
        if reader.at[0] != b"\\" or not _escape(reader):
            return False


cdef Py_ssize_t _digits(Reader* reader) noexcept nogil:
    """Move behind a run of digits; return how many there were."""
    cdef const uint8_t* start = reader.at
    while reader.at < reader.end and b"0" <= reader.at[0] <= b"9":
        reader.at += 1
    return reader.at - start


cdef bint _optional(Reader* reader, uint8_t one, uint8_t other) noexcept nogil:
    """Move behind one of two bytes, if it is next; return whether it was."""
    if reader.at == reader.end or not (reader.at[0] == one or reader.at[0] == other):
        return False
    reader.at += 1
    return True


cdef bint _number(Reader* reader) noexcept nogil:
    """Read a number that no decoder finds too great to be finite."""
    cdef const uint8_t* start = reader.at
    cdef Py_ssize_t exponent_digits
    _optional(reader, b"-", b"-")
    if not _optional(reader, b"0", b"0") and _digits(reader) == 0:
        return False
    if _optional(reader, b".", b".") and _digits(reader) == 0:
        return False
    if _optional(reader, b"e", b"E"):
        _optional(reader, b"+", b"-")
        exponent_digits = _digits(reader)
        if not 1 <= exponent_digits <= EXPONENT_LIMIT_DIGITS:
            return False
    return reader.at - start <= NUMBER_LIMIT_BYTES


cdef bint _literal(Reader* reader, const char* name, Py_ssize_t size) noexcept nogil:
    if reader.end - reader.at < size or memcmp(reader.at, name, size):
        return False
    reader.at += size
    return True


cdef bint _skip_value(Reader* reader) noexcept nogil:
    """Read any value but an object or array."""
    if _token(reader, b'"'):
        return _rest_of_string(reader)
    if reader.at == reader.end:
        return False
    if reader.at[0] == b"t":
        return _literal(reader, b"true", 4)
    if reader.at[0] == b"f":
        return _literal(reader, b"false", 5)
    if reader.at[0] == b"n":
        return _literal(reader, b"null", 4)
    return _number(reader)


# The message -------------------------------------------------------------------

cdef inline bint _equals(Slice text, const char* name, Py_ssize_t size) noexcept nogil:
    return text.size == size and memcmp(text.ptr, name, size) == 0


cdef inline bint _object(Reader* reader, Member member) noexcept nogil:
    """Read an object, *member* reading each value."""
    cdef Slice key
    if not _token(reader, b"{"):
        return False
    if _token(reader, b"}"):
        return True
    while True:
        if not _plain_string(reader, &key) or not _token(reader, b":"):
            return False
        if not member(reader, key):
            return False
        if not _token(reader, b","):
            return _token(reader, b"}")


cdef inline bint _text(Reader* reader, Slice* out) noexcept nogil:
    """Read a field that matters and may come once."""
    return out.ptr == NULL and _plain_string(reader, out)


cdef inline bint _is_of_other_types(Slice key) noexcept nogil:
    """Return whether *key* is a field of answers to other types of question."""
    return (
        _equals(key, b"selectedOptions", 15)
        or _equals(key, b"text", 4)
        or _equals(key, b"number", 6)
        or _equals(key, b"order", 5)
    )


cdef bint _payload_member(Reader* reader, Slice key) noexcept nogil:
    if _equals(key, b"questionId", 10):
        return _text(reader, &reader.answer.question_id)
    if _equals(key, b"selectedOption", 14):
        return _text(reader, &reader.answer.option)
    if _equals(key, b"answeredAt", 10):
        return _text(reader, &reader.answer.answered_at)
    if _equals(key, b"participantId", 13):
        return _text(reader, &reader.answer.participant_id)
    return not _is_of_other_types(key) and _skip_value(reader)


cdef bint _type(Reader* reader) noexcept nogil:
    cdef Slice name
    if reader.has_type or not _plain_string(reader, &name):
        return False
    reader.has_type = True
    return _equals(name, b"answer_submission", 17)


cdef bint _payload(Reader* reader) noexcept nogil:
    if reader.has_payload:
        return False
    reader.has_payload = True
    return _object(reader, _payload_member)


cdef bint _message_member(Reader* reader, Slice key) noexcept nogil:
    if _equals(key, b"type", 4):
        return _type(reader)
    if _equals(key, b"payload", 7):
        return _payload(reader)
    return _skip_value(reader)


cdef bint parse_answer(const char* text, Py_ssize_t size, Answer* out) noexcept nogil:
    cdef Reader reader
    memset(out, 0, sizeof(Answer))
    reader.at = <const uint8_t*>text
    reader.end = reader.at + size
    reader.answer = out
    reader.has_type = reader.has_payload = False
    if not _object(&reader, _message_member):
        return False
    _skip_space(&reader)
    return (
        reader.at == reader.end
        and reader.has_type
        and out.question_id.ptr != NULL
        and out.option.ptr != NULL
        and is_utf8(text, size)
    )


# The doorway for tests ---------------------------------------------------------

cdef bytes _bytes(Slice text):
    return text.ptr[:text.size] if text.ptr != NULL else None


def parse(message, /):
    """Return (question id, option, answered at, participant id) of a plain answer.

    The last two may be None. Returns None for any other bytes: see the module.
    Raises TypeError for what is not bytes-like.
    """
    cdef Answer answer
    cdef Py_buffer view
    PyObject_GetBuffer(message, &view, PyBUF_SIMPLE)
    try:
        if not parse_answer(<const char*>view.buf, view.len, &answer):
            return None
        return (
            _bytes(answer.question_id),
            _bytes(answer.option),
            _bytes(answer.answered_at),
            _bytes(answer.participant_id),
        )
    finally:
        PyBuffer_Release(&view)


def valid_utf8(data, /):
    """Return whether bytes-like *data* is what ``bytes.decode`` takes as UTF-8."""
    cdef Py_buffer view
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        return is_utf8(<const char*>view.buf, view.len)
    finally:
        PyBuffer_Release(&view)
