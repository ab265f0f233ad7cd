"""``welcome``: what all share of it is encoded once, the reader's own part here."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from quizd._fast.fanout cimport put_int, put_iso


cdef enum:
    ISO_SIZE = 24
    NUMBERS_MAX = 160


cdef inline char* put(char* at, bytes text) noexcept:
    memcpy(at, PyBytes_AS_STRING(text), len(text))
    return at + len(text)


cdef inline char* put_key(char* at, bytes key, int64_t value) noexcept:
    at = put(at, key)
    return at + put_int(at, value)


cdef class Front:
    """The shared parts, each from behind a reader's own part up to the next one.

    JSON, in the order of the message: up to ``participantId``, up to ``resumed``, up
    to ``serverTime``, up to ``you``, and what is behind it.
    """

    cdef bytes names, numbers, phase, crowd, rest

    def __cinit__(
        self,
        *,
        bytes names not None,
        bytes numbers not None,
        bytes phase not None,
        bytes crowd not None,
        bytes rest not None,
    ):
        self.names, self.numbers, self.phase = names, numbers, phase
        self.crowd, self.rest = crowd, rest

    def text(
        self,
        bytes participant_id not None,
        bytes you not None,
        int64_t now_ms,
        bint resumed,
        bytes left not None,
    ):
        """Return the message.

        *participant_id*, *you* and *left*, which the message ends with, are JSON;
        *now_ms* is for ``serverTime``, years 1970 to 9999.
        """
        cdef bytes flag = b"true" if resumed else b"false"
        cdef bytes text = PyBytes_FromStringAndSize(
            NULL,
            len(self.names) + len(participant_id) + len(self.numbers) + len(flag)
            + len(self.phase) + ISO_SIZE + len(self.crowd) + len(you)
            + len(self.rest) + len(left),
        )
        cdef char* at = PyBytes_AS_STRING(text)
        at = put(at, self.names)
        at = put(at, participant_id)
        at = put(at, self.numbers)
        at = put(at, flag)
        at = put(at, self.phase)
        at += put_iso(at, now_ms)
        at = put(at, self.crowd)
        at = put(at, you)
        at = put(at, self.rest)
        put(at, left)
        return text


def own_part(
    bytes participant_id not None,
    bytes name not None,
    int64_t score,
    int64_t rank,
    int64_t of,
    int64_t streak,
):
    """Return ``you`` of a player; *participant_id* and *name* are JSON."""
    cdef char[NUMBERS_MAX] numbers
    cdef char* at = put_key(numbers, b',"score":', score)
    at = put_key(at, b',"rank":', rank)
    at = put_key(at, b',"of":', of)
    at = put_key(at, b',"streak":', streak)
    at = put(at, b"}")
    return (
        b'{"participantId":' + participant_id + b',"participantName":' + name
        + numbers[:at - numbers]
    )
