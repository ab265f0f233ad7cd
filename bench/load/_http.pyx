"""Many small HTTP/1.1 requests over a few kept lines, by an open-loop schedule.

Each line has one request under way. A response is taken by its Content-Length, which a
server of small JSON bodies sends; another kind of response is a violation, as is a line
that ends with a request under way. A line that ends while it is idle, or with a
response that says so, is replaced. Bodies are kept, one after the other.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.stdlib cimport abort, calloc, free, malloc, realloc, strtol
from libc.string cimport memcmp, memcpy, strlen

from bench.load._basics cimport monotonic_ns
from bench.load._core cimport Client, Sockets
from bench.load._counts cimport Counts
from bench.load._linux cimport memmem
from bench.load._timers cimport FAR_NS

cdef extern from "<strings.h>" nogil:
    int strncasecmp(const char* one, const char* other, size_t size)

cdef enum:
    NOTHING = 0xFFFFFFFF
    HEAD_MAX = 65_536

cdef double NS_PER_S = 1e9


cdef class Requests(Sockets):
    """Sends each of *texts*, whole requests, once, over *lines* lines.

    Others as of :class:`Sockets`. ``latencies`` counts from when a request was due to
    its whole response.
    """

    def __init__(
        self, str host not None, port, list texts not None, *, uint32_t lines, **options
    ):
        cdef size_t at = 0
        cdef uint32_t i
        cdef bytes text
        super().__init__(host, port, lines, **options)
        self.total = <uint32_t>len(texts)
        self.latencies = Counts()
        self._texts = <char*>malloc(sum(len(text) for text in texts) + 1)
        self._text_at = <size_t*>malloc((self.total + 1) * sizeof(size_t))
        self._responses = <Response*>calloc(self.total + 1, sizeof(Response))
        self._due_ns = <int64_t*>calloc(lines + 1, sizeof(int64_t))
        self._asked = <uint32_t*>malloc((lines + 1) * sizeof(uint32_t))
        self._free = <uint32_t*>malloc((lines + 1) * sizeof(uint32_t))
        self._ended = <uint32_t*>malloc((lines + 1) * sizeof(uint32_t))
        if not (
            self._texts and self._text_at and self._responses and self._due_ns
            and self._asked and self._free and self._ended
        ):
            raise MemoryError
        for i in range(self.total):
            text = texts[i]
            self._text_at[i] = at
            memcpy(self._texts + at, <const char*>text, len(text))
            at += len(text)
        self._text_at[self.total] = at
        for i in range(lines):
            self._asked[i] = NOTHING

    def __dealloc__(self):
        free(self._texts)
        free(self._text_at)
        free(self._responses)
        free(self._due_ns)
        free(self._asked)
        free(self._free)
        free(self._ended)
        free(self._bodies)

    # -- for Python --------------------------------------------------------------

    def ask(self, double per_second=0):
        """Let requests be sent from now on, while :meth:`run` runs.

        *per_second*: the schedule, 0: as fast as the lines are free.
        """
        self._gap_ns = NS_PER_S / per_second if per_second else 0
        self._start_ns = monotonic_ns()
        if self._to_begin == 0:
            self.connect(0, self.count)
        self.first_ns = self._start_ns

    def counters(self):
        """Return what has happened so far, by name; ``answered`` counts responses."""
        return super().counters() | {"asked": self._next, "answered": self._answered}

    def responses(self):
        """Return status and body of each response, in order; status 0: none came."""
        cdef uint32_t i
        cdef Response* response
        found = []
        for i in range(self.total):
            response = &self._responses[i]
            body = (
                (self._bodies + response.body_at)[:response.body_bytes]
                if response.body_bytes else b""
            )
            found.append((response.status, body))
        return found

    # -- requests ----------------------------------------------------------------

    cdef void connected(self, Client* client, int64_t now_ns) noexcept nogil:
        self.arrived(client, now_ns)
        self._set_free(client.index)

    cdef int64_t on_time(self, int64_t now_ns) noexcept nogil:
        cdef int64_t due_ns
        cdef uint32_t line
        while self._ended_count and self._next < self.total:
            self._ended_count -= 1
            self._begin(&self.clients[self._ended[self._ended_count]], now_ns)
        while self._next < self.total and self._free_count:
            due_ns = self._start_ns + <int64_t>(self._next * self._gap_ns)
            if due_ns > now_ns:
                return due_ns
            line = self._free[self._free_first]
            self._free_first = (self._free_first + 1) % (self.count + 1)
            self._free_count -= 1
            self._ask(&self.clients[line], due_ns if self._gap_ns else now_ns)
        return FAR_NS

    cdef void _ask(self, Client* client, int64_t due_ns) noexcept nogil:
        cdef size_t at = self._text_at[self._next]
        self._asked[client.index] = self._next
        self._due_ns[client.index] = due_ns
        self.send(client, self._texts + at, self._text_at[self._next + 1] - at)
        self._next += 1

    cdef void gone(self, Client* client, int64_t now_ns) noexcept nogil:
        if self.closing or client.judged:
            return
        if self._asked[client.index] != NOTHING:
            self.fault(
                client, b"the line ended with request %lld under way",
                self._asked[client.index], 0,
            )
            self._asked[client.index] = NOTHING
        self._take_off(client.index)
        self._ended[self._ended_count] = client.index
        self._ended_count += 1

    cdef void _take_off(self, uint32_t line) noexcept nogil:
        """Take *line* off the free ones, if it is one."""
        cdef uint32_t i, place, kept = 0, room = self.count + 1
        for i in range(self._free_count):
            place = (self._free_first + i) % room
            if self._free[place] != line:
                self._free[(self._free_first + kept) % room] = self._free[place]
                kept += 1
        self._free_count = kept

    cdef void _set_free(self, uint32_t line) noexcept nogil:
        """Let *line* be the last of the free ones: none is idle for long."""
        self._free[(self._free_first + self._free_count) % (self.count + 1)] = line
        self._free_count += 1

    # -- responses ---------------------------------------------------------------

    cdef size_t take(
        self, Client* client, const char* at, size_t size, int64_t now_ns
    ) noexcept nogil:
        cdef const char* end = memmem(at, size, b"\r\n\r\n", 4)
        cdef size_t head
        cdef long body
        cdef int32_t status
        if end == NULL:
            if size > HEAD_MAX:
                self._refuse(client, b"a response has no end of its head", now_ns)
            return 0
        head = end + 4 - at
        body = content_length(at, end + 2)
        if memcmp(at, b"HTTP/1.1 ", 9) != 0 or body < 0:
            self._refuse(client, b"a response without Content-Length", now_ns)
            return size
        if self._asked[client.index] == NOTHING:
            self._refuse(client, b"a response to nothing", now_ns)
            return size
        if size < head + body:
            return 0
        status = <int32_t>strtol(at + 9, NULL, 10)
        self._answered_by(client, status, end + 4, body, now_ns)
        if closes(at, end + 2):
            self.lose(client, now_ns)
        return head + body

    cdef void _answered_by(
        self, Client* client, int32_t status, const char* body, size_t size,
        int64_t now_ns,
    ) noexcept nogil:
        cdef Response* response = &self._responses[self._asked[client.index]]
        self.tally.frames_in += 1
        self.latencies.record(now_ns - self._due_ns[client.index])
        self.last_ns = now_ns
        response.status = status
        self._keep_body(response, body, size)
        self._answered += 1
        self._asked[client.index] = NOTHING
        self._set_free(client.index)

    cdef void _keep_body(
        self, Response* response, const char* body, size_t size
    ) noexcept nogil:
        if self._bodies_size + size > self._bodies_room:
            self._bodies_room = 2 * (self._bodies_size + size)
            self._bodies = <char*>realloc(self._bodies, self._bodies_room)
            if self._bodies == NULL:
                abort()
        memcpy(self._bodies + self._bodies_size, body, size)
        response.body_at = self._bodies_size
        response.body_bytes = <uint32_t>size
        self._bodies_size += size

    cdef void _refuse(
        self, Client* client, const char* what, int64_t now_ns
    ) noexcept nogil:
        self.fault(client, what, 0, 0)
        client.judged = True
        self._asked[client.index] = NOTHING
        self.lose(client, now_ns)


cdef const char* field(
    const char* at, const char* end, const char* name
) noexcept nogil:
    """Return where the value of the header *name* (with colon) is, NULL for none.

    Lines are those from *at*, each with its end, before *end*.
    """
    cdef size_t size = strlen(name)
    while at < end:
        if <size_t>(end - at) > size and strncasecmp(at, name, size) == 0:
            at += size
            while at[0] == c" ":
                at += 1
            return at
        at = memmem(at, end - at, b"\r\n", 2)
        if at == NULL:
            return NULL
        at += 2
    return NULL


cdef long content_length(const char* at, const char* end) noexcept nogil:
    """Return the length that a head's lines tell, -1 for none."""
    cdef const char* value = field(at, end, b"content-length:")
    return -1 if value == NULL else strtol(value, NULL, 10)


cdef bint closes(const char* at, const char* end) noexcept nogil:
    """Return whether a head's lines say that the line ends with this response."""
    cdef const char* value = field(at, end, b"connection:")
    return value != NULL and strncasecmp(value, b"close", 5) == 0
