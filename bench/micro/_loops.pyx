"""Loops around what the compiled core calls by itself, without Python in between.

What crosses is what to do and how often; what comes back keeps the compiler from
leaving anything out.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from quizd._fast.answers cimport Answer, parse_answer
from quizd._fast.inbox cimport Inbox
from quizd._fast.ranking cimport Board

cdef extern from *:
    """
    void quizd_bench_mark(void);
    __attribute__((noinline)) void quizd_bench_mark(void) { __asm__ volatile(""); }
    """
    void quizd_bench_mark() nogil


def mark():
    """Pass the place that callgrind is told to end one count and begin the next at."""
    quizd_bench_mark()


def score_and_rank(Board board not None, const uint32_t[::1] indices, int64_t points):
    """Add *points* to each of *indices* and take its rank; return the ranks' sum.

    Raises as :meth:`Board.add_points` does.
    """
    cdef uint64_t total = 0
    cdef Py_ssize_t i
    with nogil:
        for i in range(indices.shape[0]):
            board.add_points(indices[i], points)
            total += board.rank(indices[i])
    return total


def parse(bytes message not None, uint32_t times):
    """Parse *message* so many times; return how often it was a plain answer."""
    cdef const char* text = message
    cdef Py_ssize_t size = len(message)
    cdef Answer answer
    cdef uint32_t plain = 0
    with nogil:
        for _ in range(times):
            plain += parse_answer(text, size, &answer)
    return plain


def put(Inbox inbox not None, bytes message not None, uint32_t participants):
    """Put the answer *message* in once for each participant; return how many are in.

    Raises ``ValueError`` where *message* is no plain answer.
    """
    cdef Answer answer
    cdef uint32_t participant
    if not parse_answer(message, len(message), &answer):
        raise ValueError("the message is no plain answer")
    for participant in range(participants):
        inbox.put(participant, 0, &answer)
    return inbox.size
