"""What the questions of a quiz are, learnt from the first client that sees them.

A question's text and options go to everybody in the same words, so the first client's
payload is kept and later ones are held against it. The key, where it is known, comes
from whoever wrote the quiz.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, strlen
from libc.time cimport gmtime_r, time_t, tm
from libc.stdio cimport snprintf

from bench.load._scan cimport (
    Cursor,
    Slice,
    enter,
    equals,
    hashed,
    instant_ms,
    next_item,
    next_member,
    same,
    whole,
)

cdef enum:
    FRAME_BYTES = 160               # of an answer around its texts
    ISO_ROOM = 64


cdef class Questions:
    """The questions that are to come.

    *key*: for each, in order, its id and the texts of its correct options, all as JSON
    strings (with quotes, UTF-8); no texts: the key is not known; no id (``None``): any.
    """

    def __init__(self, list key not None):
        self.count = <uint32_t>len(key)
        self._key = key
        self.table = <Question*>calloc(max(self.count, 1), sizeof(Question))
        if self.table == NULL:
            raise MemoryError

    def __dealloc__(self):
        cdef uint32_t i
        if self.table != NULL:
            for i in range(self.count):
                free(self.table[i].text)
        free(self.table)

    cdef int32_t find(self, Slice id) noexcept nogil:
        """Return the index of the question *id* that was seen, -1 for none."""
        cdef uint32_t i
        for i in range(self.count):
            if self.table[i].known and same(self.table[i].id, id):
                return <int32_t>i
        return -1

    cdef bint agrees(self, uint32_t index, Slice payload) noexcept nogil:
        """Tell whether *payload* is, word for word, what the first client got.

        What was learnt from a picture can't be compared.
        """
        cdef uint64_t mark = self.table[index].mark
        return mark == 0 or mark == hashed(0, payload)

    cdef bint learn(self, uint32_t index, Slice payload, bint shared) noexcept nogil:
        """Keep *payload*; False: it is not what the quiz has there.

        *shared*: it is the broadcast's, not a picture's, which tells more.
        """
        cdef Question* question = &self.table[index]
        question.text = <char*>malloc(payload.size)
        if question.text == NULL:
            return False
        memcpy(question.text, payload.at, payload.size)
        question.mark = hashed(0, payload) if shared else 0
        question.pays = True
        question.known = True
        if not self._read(question, Slice(question.text, payload.size)):
            return False
        return self._judge(question, index)

    cdef bint _read(self, Question* question, Slice payload) noexcept nogil:
        cdef Cursor cursor
        cdef Slice key, value
        if not enter(payload, c"{", &cursor):
            return False
        while next_member(&cursor, &key, &value):
            self._read_member(question, key, value)
        return question.id.size != 0 and question.end_ms >= question.start_ms > 0

    cdef void _read_member(
        self, Question* question, Slice key, Slice value
    ) noexcept nogil:
        cdef Cursor cursor
        if equals(key, b"questionId"):
            question.id = value
        elif equals(key, b"startTime"):
            question.start_ms = instant_ms(value)
        elif equals(key, b"endTime"):
            question.end_ms = instant_ms(value)
        elif equals(key, b"questionType"):
            question.several = equals(value, b'"multiple_choice"')
        elif equals(key, b"points"):
            question.pays = whole(value) > 0
        elif equals(key, b"options") and enter(value, c"[", &cursor):
            while question.option_count < OPTIONS_MAX and next_item(
                &cursor, &question.options[question.option_count]
            ):
                question.option_count += 1

    cdef bint _judge(self, Question* question, uint32_t index) noexcept with gil:
        """Hold the question against the key; False: it is another one."""
        cdef uint32_t i
        cdef Slice option = question.id
        identity, correct = self._key[index]
        if identity is not None and option.at[:option.size] != identity:
            return False
        for i in range(question.option_count):
            option = question.options[i]
            if option.at[:option.size] in correct:
                question.correct |= <uint32_t>1 << i
        return True


cdef size_t answer_room(const Question* question) noexcept nogil:
    """Return how many bytes an answer can take at most."""
    cdef size_t room = FRAME_BYTES + ISO_ROOM + question.id.size
    cdef uint32_t i
    for i in range(question.option_count):
        room += question.options[i].size + 1
    return room


cdef size_t put_answer(
    char* at, const Question* question, uint32_t options, int64_t now_ms
) noexcept nogil:
    """Write the answer that chooses *options*, bits of them; return its size."""
    cdef char* end = at
    cdef uint32_t i
    cdef bint first = True
    end = put(end, b'{"type":"answer_submission","payload":{"questionId":')
    end = put_slice(end, question.id)
    end = put(
        end, b',"selectedOptions":[' if question.several else b',"selectedOption":'
    )
    for i in range(question.option_count):
        if options >> i & 1:
            if not first:
                end = put(end, b",")
            end = put_slice(end, question.options[i])
            first = False
    end = put(end, b'],"answeredAt":"' if question.several else b',"answeredAt":"')
    end = put_instant(end, now_ms)
    end = put(end, b'"}}')
    return end - at


cdef char* put(char* at, const char* text) noexcept nogil:
    cdef size_t size = strlen(text)
    memcpy(at, text, size)
    return at + size


cdef char* put_slice(char* at, Slice text) noexcept nogil:
    memcpy(at, text.at, text.size)
    return at + text.size


cdef char* put_instant(char* at, int64_t at_ms) noexcept nogil:
    """Write ``2026-01-31T09:30:00.000Z``."""
    cdef time_t second = at_ms // 1000
    cdef tm parts
    gmtime_r(&second, &parts)
    return at + snprintf(
        at,
        ISO_ROOM,
        b"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
        parts.tm_year + 1900,
        parts.tm_mon + 1,
        parts.tm_mday,
        parts.tm_hour,
        parts.tm_min,
        parts.tm_sec,
        <int>(at_ms % 1000),
    )
