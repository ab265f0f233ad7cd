"""Answers that wait for their session's next tick, in one block of memory.

A connection copies the few texts of a parsed answer here, without making a Python
object; the session judges the whole block at its next tick and clears it. Owner: the
session's runner. Bounded: a full inbox takes nothing and says so.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from quizd._fast.answers cimport Answer, Slice


cdef enum:
    FIRST_ITEMS = 64
    FIRST_ARENA_BYTES = 4096


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
        cdef size_t texts = (
            answer.question_id.size + answer.option.size + answer.answered_at.size
        )
        if self.size >= self.limit:
            self.refused += 1
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
