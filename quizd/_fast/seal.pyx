"""Signed tokens: made and checked without a look-up.

A token is base64url, without padding, of ``role u8, expiry u32, participant u32,
session, mac`` (big-endian); the session is text of the caller's; the mac is the first
16 bytes of HMAC-SHA256 over what stands before it (RFC 2104).

The hashes themselves are OpenSSL's. Two of them have the padded secret in them already
and are copied for each token, which is half of the work.
"""

from binascii import b2a_base64
from hashlib import sha256

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t


cdef enum:
    HEAD_SIZE = 9
    MAC_SIZE = 16
    BLOCK_SIZE = 64             # of SHA-256
    INNER_PAD = 0x36            # RFC 2104 section 2
    OUTER_PAD = 0x5C
    TOKEN_MAX = 200

cdef dict URL_SAFE = str.maketrans("+/", "-_")


class BadToken(ValueError):
    """A token that opens nothing; the text says why."""


cdef uint32_t number_at(const uint8_t* at) noexcept nogil:
    return at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3]


cdef void put_number(uint8_t* at, uint32_t number) noexcept nogil:
    at[0] = number >> 24
    at[1] = number >> 16 & 0xFF
    at[2] = number >> 8 & 0xFF
    at[3] = number & 0xFF


cdef bint same(const uint8_t* one, const uint8_t* other) noexcept nogil:
    """Compare two macs; it takes the same time wherever they differ."""
    cdef uint8_t differing = 0
    cdef int i
    for i in range(MAC_SIZE):
        differing |= one[i] ^ other[i]
    return differing == 0


cdef object keyed(bytes key, uint8_t pad):
    """Return a hash that has taken in *key* under *pad*."""
    return sha256(bytes([byte ^ pad for byte in key.ljust(BLOCK_SIZE, b"\0")]))


cdef class Seal:
    """Makes and checks tokens with one *secret*."""

    cdef object inner, outer

    def __cinit__(self, bytes secret not None):
        cdef bytes key = secret
        if len(key) > BLOCK_SIZE:
            key = sha256(key).digest()
        self.inner = keyed(key, INNER_PAD).copy
        self.outer = keyed(key, OUTER_PAD).copy

    cdef bytes mac(self, bytes signed):
        inner, outer = self.inner(), self.outer()
        inner.update(signed)
        outer.update(inner.digest())
        return <bytes>outer.digest()

    def make(
        self, uint8_t role, uint32_t expires_s, uint32_t participant, str session_id
    ):
        """Return a token that says this."""
        cdef uint8_t[HEAD_SIZE] head
        cdef bytes signed
        head[0] = role
        put_number(head + 1, expires_s)
        put_number(head + 5, participant)
        signed = (<char*>head)[:HEAD_SIZE] + session_id.encode()
        text = b2a_base64(signed + self.mac(signed)[:MAC_SIZE], newline=False)
        return text.decode("ascii").rstrip("=").translate(URL_SAFE)

    def read(self, str token not None, int64_t now_s):
        """Return ``(role, session_id, participant)`` as *token* says.

        Raises :class:`BadToken` where it is malformed, was made with another secret,
        or has expired at *now_s*.
        """
        cdef bytes raw = decoded(token)
        cdef bytes signed = raw[:-MAC_SIZE]
        cdef bytes right = self.mac(signed)
        cdef const uint8_t* head = <const uint8_t*><const char*>raw
        if not same(head + len(signed), <const uint8_t*><const char*>right):
            raise BadToken("token is not ours")
        if now_s >= number_at(head + 1):
            raise BadToken("token has expired")
        return head[0], signed[HEAD_SIZE:].decode(), number_at(head + 5)


cdef int sextet(char digit) noexcept nogil:
    """Return the value of a digit (RFC 4648 section 5), -1 for none."""
    if c"A" <= digit <= c"Z":
        return digit - c"A"
    if c"a" <= digit <= c"z":
        return digit - c"a" + 26
    if c"0" <= digit <= c"9":
        return digit - c"0" + 52
    return 62 if digit == c"-" else 63 if digit == c"_" else -1


cdef Py_ssize_t decode(const char* text, Py_ssize_t size, uint8_t* raw) noexcept nogil:
    """Decode base64url without padding; return how many bytes it is, -1: it is none."""
    cdef uint32_t bits = 0
    cdef Py_ssize_t i, count = 0
    cdef int value
    if size % 4 == 1:
        return -1
    for i in range(size):
        value = sextet(text[i])
        if value < 0:
            return -1
        bits = bits << 6 | <uint32_t>value
        if i % 4:
            raw[count] = bits >> (6 - 2 * (i % 4)) & 0xFF
            count += 1
    return count


cdef bytes decoded(str token):
    cdef uint8_t[TOKEN_MAX] raw
    cdef Py_ssize_t size
    cdef const char* text
    if not token.isascii() or len(token) > TOKEN_MAX:
        raise BadToken("token is malformed")
    text = PyUnicode_AsUTF8AndSize(token, &size)
    size = decode(text, size, raw)
    if size < HEAD_SIZE + MAC_SIZE:
        raise BadToken("token is malformed")
    return PyBytes_FromStringAndSize(<char*>raw, size)
