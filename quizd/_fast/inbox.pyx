"""Answers that wait for their session's next tick, in one block of memory.

A connection copies the few texts of a parsed answer here, without making a Python
object; the session judges the whole block at its next tick and clears it. Owner: the
session's runner. Bounded: a full inbox takes nothing and says so.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from quizd._fast.answers cimport Answer, Slice


cdef enum:
    FIRST_ITEMS = 64
    FIRST_ARENA_BYTES = 4096
    AGE_MAX_MS = 0x7FFFFFFF

cdef size_t refused_by_all = 0


def answers_refused():
    """Return how many answers of this process found their inbox full."""
    return refused_by_all


cdef class Inbox:
    """A block of pending answers; *limit* is the most that may wait."""

    def __cinit__(self, size_t limit, object wake):
        self.limit = limit
        self.wake = wake

    def __dealloc__(self):
        free(self.items)
        free(self.arena)

    cdef bint put(
        self, uint32_t participant, int64_t received_ms, const Answer* answer
    ) except -1:
        """Copy *answer* in; return False where the inbox is full.

        The caller has made sure that ``answered_at`` has at most 255 bytes.
        """
        global refused_by_all
        cdef size_t texts = (
            answer.question_id.size + answer.option.size + answer.answered_at.size
        )
        if self.size >= self.limit:
            self.refused += 1
            refused_by_all += 1
            return False
        self._reserve(texts)
        cdef Pending* item = &self.items[self.size]
        item.participant = participant
        item.received_ms = received_ms
        item.start = <uint32_t>self.arena_size
        item.question_id_size = <uint16_t>self._copy(answer.question_id)
        item.option_size = <uint16_t>self._copy(answer.option)
        item.answered_at_size = <uint8_t>self._copy(answer.answered_at)
        self.size += 1
        if self.size == 1:
            self.wake()
        return True

    cdef size_t _copy(self, Slice text) noexcept nogil:
        if text.size:
            memcpy(self.arena + self.arena_size, text.ptr, text.size)
            self.arena_size += text.size
        return text.size

    cdef int _reserve(self, size_t texts) except -1:
        cdef size_t capacity
        cdef void* block
        if self.size == self.capacity:
            capacity = 2 * self.capacity if self.capacity else FIRST_ITEMS
            block = realloc(self.items, capacity * sizeof(Pending))
            if block == NULL:
                raise MemoryError
            self.items = <Pending*>block
            self.capacity = capacity
        if self.arena_size + texts > self.arena_capacity:
            capacity = 2 * self.arena_capacity + texts + FIRST_ARENA_BYTES
            block = realloc(self.arena, capacity)
            if block == NULL:
                raise MemoryError
            self.arena = <char*>block
            self.arena_capacity = capacity
        return 0

    cdef Slice question_id(self, const Pending* item) noexcept nogil:
        return Slice(self.arena + item.start, item.question_id_size)

    cdef Slice option(self, const Pending* item) noexcept nogil:
        return Slice(
            self.arena + item.start + item.question_id_size, item.option_size
        )

    cdef Slice answered_at(self, const Pending* item) noexcept nogil:
        return Slice(
            self.arena + item.start + item.question_id_size + item.option_size,
            item.answered_at_size,
        )

    cpdef bytes pack(self, int64_t now_ms):
        """Return all answers for another inbox, :meth:`unpack` is its reader.

        Per answer, little-endian: participant u32, age u32 in ms at *now_ms*, the
        sizes of question id u16, option u16 and answered_at u8, and their bytes.
        Clocks of two machines differ, so an age travels, not an instant.
        """
        cdef size_t total = self.size * sizeof(Travelling) + self.arena_size
        cdef bytes packed = PyBytes_FromStringAndSize(NULL, total)
        cdef char* to = packed
        cdef Pending* item
        cdef Travelling head
        cdef size_t number, texts
        for number in range(self.size):
            item = &self.items[number]
            head.participant = item.participant
            head.age_ms = <uint32_t>min(max(now_ms - item.received_ms, 0), AGE_MAX_MS)
            head.question_id_size = item.question_id_size
            head.option_size = item.option_size
            head.answered_at_size = item.answered_at_size
            memcpy(to, &head, sizeof(Travelling))
            to += sizeof(Travelling)
            texts = (
                <size_t>item.question_id_size
                + item.option_size
                + item.answered_at_size
            )
            memcpy(to, self.arena + item.start, texts)
            to += texts
        return packed

    def unpack(self, const uint8_t[::1] packed, int64_t now_ms, size_t known):
        """Add what :meth:`pack` gave, received its age before *now_ms*.

        Returns the participants whose answers were not taken: the inbox is full, or
        the index is not below *known*. Raises ``ValueError`` where *packed* is cut
        short; what came before is in.
        """
        cdef size_t size = packed.shape[0], at = 0
        cdef list refused = []
        if not size:
            return refused
        cdef const char* data = <const char*>&packed[0]
        while at < size:
            self._unpack_one(data, size, &at, now_ms, known, refused)
        return refused

    cdef int _unpack_one(
        self,
        const char* data,
        size_t size,
        size_t* at,
        int64_t now_ms,
        size_t known,
        list refused,
    ) except -1:
        cdef Travelling head
        cdef Answer answer
        if size - at[0] < sizeof(Travelling):
            raise ValueError("packed answers are cut short")
        memcpy(&head, data + at[0], sizeof(Travelling))
        at[0] += sizeof(Travelling)
        cdef size_t texts = (
            <size_t>head.question_id_size + head.option_size + head.answered_at_size
        )
        if size - at[0] < texts:
            raise ValueError("packed answers are cut short")
        cdef const char* text = data + at[0]
        answer.question_id = Slice(text, head.question_id_size)
        text += head.question_id_size
        answer.option = Slice(text, head.option_size)
        text += head.option_size
        answer.answered_at = Slice(text, head.answered_at_size)
        answer.participant_id = Slice(NULL, 0)
        at[0] += texts
        if head.participant >= known or not self.put(
            head.participant, now_ms - head.age_ms, &answer
        ):
            refused.append(head.participant)
        return 0

    cpdef void clear(self):
        """Forget all answers; keep the memory for the next tick."""
        self.size = 0
        self.arena_size = 0

    def __len__(self):
        return self.size

    def add(
        self,
        uint32_t participant,
        int64_t received_ms,
        bytes question_id not None,
        bytes option not None,
        bytes answered_at=b"",
    ):
        """Copy an answer in, texts as UTF-8; return False where the inbox is full.

        Raises ``ValueError`` where ``answered_at`` has over 255 bytes or another text
        over 65,535.
        """
        if len(answered_at) > 255 or max(len(question_id), len(option)) > 65_535:
            raise ValueError("a text of the answer is too long")
        cdef Answer answer
        answer.question_id = Slice(<const char*>question_id, len(question_id))
        answer.option = Slice(<const char*>option, len(option))
        answer.answered_at = Slice(<const char*>answered_at, len(answered_at))
        answer.participant_id = Slice(NULL, 0)
        return self.put(participant, received_ms, &answer)
