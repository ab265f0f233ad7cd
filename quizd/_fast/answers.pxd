"""The hot message of a quiz, read where it lies: what other modules see.

answers.pyx opens with what is promised.
"""


# A piece of somebody else's text: valid as long as that text, and not terminated.
# NULL means absent; an empty string has a place and size 0.
cdef struct Slice:
    const char* ptr
    Py_ssize_t size


cdef struct Answer:
    Slice question_id
    Slice option
    Slice answered_at           # may be absent
    Slice participant_id        # may be absent


# Whether *text* is a plain answer, then described by *out*; otherwise *out* means
# nothing, and the general decoder is to be asked.
cdef bint parse_answer(const char* text, Py_ssize_t size, Answer* out) noexcept nogil

# Whether *text* is strict UTF-8: no surrogates, nothing overlong or over U+10FFFF.
cdef bint is_utf8(const char* text, Py_ssize_t size) noexcept nogil
