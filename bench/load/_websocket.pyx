"""WebSocket clients (RFC 6455): handshake, masked frames out, unmasked frames in.

Frames may come cut at any byte, and messages in any number of fragments. Pings are
answered; a close frame is answered and its code kept. What a server must not do (mask,
reserved bits, fragmented or long control frames, parts out of order, another accept
key) is a violation and ends the line.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcmp, memcpy

from bench.load._basics cimport append, next_random, release
from bench.load._core cimport GREETING, Client
from bench.load._linux cimport memmem
from bench.load._scan cimport Slice

cdef enum:
    FIN = 0x80
    RESERVED = 0x70
    OPCODE = 0x0F
    MASKED = 0x80
    CONTINUATION = 0
    TEXT = 1
    CLOSE = 8
    PING = 9
    CONTROL_MAX = 125
    MASK_BYTES = 4
    HEADER_MAX = 14
    SHORT_TEXT = 2048               # longer ones are masked on the heap
    HEAD_MAX = 16_384
    MESSAGE_MAX = 16_777_216
    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    ABNORMAL = 1006


cdef class Swarm(Sockets):
    """One WebSocket per request head in *heads*.

    *accept*: the value that the server has to choose for ``Sec-WebSocket-Accept``.
    Further arguments as of :class:`Sockets`.
    """

    def __init__(
        self, str host not None, port, list heads not None, *, bytes accept, **options
    ):
        cdef uint32_t i, at = 0
        cdef bytes head
        super().__init__(host, port, len(heads), **options)
        self._accept = accept
        self._accept_at = accept
        self._accept_size = len(accept)
        self._heads = <char*>malloc(sum(len(head) for head in heads) + 1)
        self._head_at = <uint32_t*>malloc((self.count + 1) * sizeof(uint32_t))
        if self._heads == NULL or self._head_at == NULL:
            raise MemoryError
        for i in range(self.count):
            head = heads[i]
            self._head_at[i] = at
            memcpy(self._heads + at, <const char*>head, len(head))
            at += <uint32_t>len(head)
        self._head_at[self.count] = at

    def __dealloc__(self):
        free(self._heads)
        free(self._head_at)

    def close_codes(self):
        """Return how many lines ended with each close code; 1006: without one."""
        cdef uint32_t i
        codes = {}
        for i in range(self.count):
            if self.clients[i].close_code:
                code = self.clients[i].close_code
                codes[code] = codes.get(code, 0) + 1
        return codes

    # -- for subclasses ----------------------------------------------------------

    cdef void opened(self, Client* client, int64_t now_ns) noexcept nogil:
        """The handshake is done."""

    cdef void message(
        self, Client* client, const char* at, size_t size, int64_t now_ns
    ) noexcept nogil:
        """A whole message came."""

    cdef void left(self, Client* client, int64_t now_ns) noexcept nogil:
        """The line ended without us wanting it to."""
        self.fault(client, b"the line ended with close code %lld", client.close_code, 0)

    cdef void say(self, Client* client, const char* text, size_t size) noexcept nogil:
        """Send a text message."""
        self._frame(client, TEXT, text, size)

    # -- out ---------------------------------------------------------------------

    cdef void connected(self, Client* client, int64_t now_ns) noexcept nogil:
        cdef uint32_t at = self._head_at[client.index]
        self.send(client, self._heads + at, self._head_at[client.index + 1] - at)

    cdef void farewell(self, Client* client) noexcept nogil:
        cdef char[2] code
        code[0] = NORMAL >> 8
        code[1] = <char>(NORMAL & 0xFF)
        self._frame(client, CLOSE, code, 2)

    cdef void _frame(
        self, Client* client, int opcode, const char* at, size_t size
    ) noexcept nogil:
        cdef char[HEADER_MAX + SHORT_TEXT] short_room
        cdef char* room = short_room
        cdef uint32_t mask = <uint32_t>next_random(&self.random)
        cdef const uint8_t* key = <const uint8_t*>&mask
        cdef size_t header, i
        if size > SHORT_TEXT:
            room = <char*>malloc(HEADER_MAX + size)
            if room == NULL:
                return
        header = put_header(room, opcode, size)
        memcpy(room + header, &mask, MASK_BYTES)
        header += MASK_BYTES
        for i in range(size):
            room[header + i] = <char>(<uint8_t>at[i] ^ key[i % MASK_BYTES])
        self.send(client, room, header + size)
        if size > SHORT_TEXT:
            free(room)

    # -- in ----------------------------------------------------------------------

    cdef size_t take(
        self, Client* client, const char* at, size_t size, int64_t now_ns
    ) noexcept nogil:
        if client.stage == GREETING:
            return self._greeting(client, at, size, now_ns)
        return self._take_frame(client, at, size, now_ns)

    cdef size_t _greeting(
        self, Client* client, const char* at, size_t size, int64_t now_ns
    ) noexcept nogil:
        cdef const char* end = memmem(at, size, b"\r\n\r\n", 4)
        cdef const char* line_end
        if end == NULL:
            if size > HEAD_MAX:
                self._break(client, b"the response has no end", now_ns)
            return 0
        if memcmp(at, b"HTTP/1.1 101", 12) != 0:
            line_end = <const char*>memchr(at, c"\r", size)
            self.tally.refused += 1
            self.fault_text(client, b"refused: %.*s", Slice(at, line_end - at))
            client.judged = True
            self.lose(client, now_ns)
        elif memmem(at, end - at, self._accept_at, self._accept_size) == NULL:
            self._break(client, b"the accept key is another one", now_ns)
        else:
            self.arrived(client, now_ns)
            self.opened(client, now_ns)
        return end + 4 - at

    cdef size_t _take_frame(
        self, Client* client, const char* at, size_t size, int64_t now_ns
    ) noexcept nogil:
        cdef const uint8_t* head = <const uint8_t*>at
        cdef uint64_t payload
        cdef size_t header = 2, i
        if size < 2:
            return 0
        if head[0] & RESERVED or head[1] & MASKED:
            self._break(client, b"a frame is masked or has reserved bits", now_ns)
            return size
        payload = head[1]
        if payload > CONTROL_MAX:
            header = 4 if payload == 126 else 10
            if size < header:
                return 0
            payload = 0
            for i in range(2, header):
                payload = payload << 8 | head[i]
        if payload > MESSAGE_MAX:
            self._break(client, b"a frame is far too long", now_ns)
            return size
        if size < header + payload:
            return 0
        self.tally.frames_in += 1
        if head[0] & CLOSE:
            self._control(client, head[0], at + header, payload, now_ns)
        else:
            self._data(client, head[0], at + header, payload, now_ns)
        return header + payload

    cdef void _control(
        self, Client* client, int first, const char* at, size_t size, int64_t now_ns
    ) noexcept nogil:
        cdef int opcode = first & OPCODE
        if not first & FIN or size > CONTROL_MAX:
            self._break(client, b"a control frame is long or in parts", now_ns)
        elif opcode == PING:
            self.tally.pings += 1
            self._frame(client, PING + 1, at, size)
        elif opcode == CLOSE:
            client.close_code = code_of(at, size)
            self._frame(client, CLOSE, at, size)
            self.lose(client, now_ns)

    cdef void _data(
        self, Client* client, uint8_t first, const char* at, size_t size, int64_t now_ns
    ) noexcept nogil:
        cdef bint begins = first & OPCODE != CONTINUATION
        if begins == (client.message.at != NULL):
            self._break(client, b"parts of messages are out of order", now_ns)
        elif begins and first & FIN:
            self.message(client, at, size, now_ns)
        else:
            append(&client.message, at, size)
            if first & FIN:
                self.message(client, client.message.at, client.message.size, now_ns)
                release(&client.message)

    cdef void _break(
        self, Client* client, const char* what, int64_t now_ns
    ) noexcept nogil:
        """Note a violation of the protocol and drop the line."""
        self.fault(client, what, 0, 0)
        client.judged = True
        client.close_code = PROTOCOL_ERROR
        self.lose(client, now_ns)

    cdef void gone(self, Client* client, int64_t now_ns) noexcept nogil:
        if client.close_code == 0:
            client.close_code = NORMAL if self.closing else ABNORMAL
        if not self.closing and not client.judged:
            self.left(client, now_ns)


cdef size_t put_header(char* at, int opcode, size_t size) noexcept nogil:
    """Write a client's frame header up to the mask; return its size."""
    cdef size_t header = 2 if size <= CONTROL_MAX else 4 if size < 65_536 else 10
    cdef size_t i
    at[0] = <char>(FIN | opcode)
    at[1] = <char>(MASKED | (size if header == 2 else 126 if header == 4 else 127))
    for i in range(2, header):
        at[i] = <char>(size >> (8 * (header - 1 - i)))
    return header


cdef uint16_t code_of(const char* at, size_t size) noexcept nogil:
    """Return a close frame's code; 1005 where it has none (RFC 6455 section 7.1.5)."""
    cdef const uint8_t* code = <const uint8_t*>at
    return <uint16_t>(code[0] << 8 | code[1]) if size >= 2 else 1005
