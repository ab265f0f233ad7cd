"""The way in of one WebSocket: its request's head, and the first words to it.

picows shakes hands; this spares it, and the kernel, what a connection of ours does not
need. The head is read here, and picows is shown only the four headers that a handshake
is about (RFC 6455 section 4.2.1). Socket options that are set already, or only logged,
are not asked for. The answer to the upgrade waits for the first frame, the welcome,
and travels with it: one system call and one segment in place of two.

A head that is in any way out of the ordinary is not read here at all: picows then sees
it as it came, and says what is wrong with it. So nothing here decides on a refusal.
"""

from urllib.parse import parse_qsl

from cpython.buffer cimport (
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.errno cimport EAGAIN, EINTR, errno
from libc.string cimport memcpy
from posix.strings cimport strncasecmp

from picows.picows cimport WSTransport

from quizd._fast.wire cimport Wire, counters


cdef extern from "<sys/socket.h>" nogil:
    ssize_t send(int socket, const void* data, size_t size, int flags)
    ssize_t recv(int socket, void* data, size_t size, int flags)
    int MSG_NOSIGNAL
    int MSG_DONTWAIT


cdef enum:
    EARLY_MAX = 4096
    HEADERS_MAX = 128                   # picows' own bound
    COUNT_DIGITS = 15
    GET_SIZE = 4
    VERSION_SIZE = 9

cdef str BEARER = "bearer."
cdef str UPGRADE = "Upgrade"
cdef bytes GET = b"GET "
cdef bytes VERSION = b" HTTP/1.1"
cdef bytes SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\n"
    b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "
)
cdef bytes PROTOCOL = b"\r\nSec-WebSocket-Protocol: "
cdef bytes END = b"\r\n\r\n"


# -- the head ------------------------------------------------------------------------


cdef str known_name(const char* name, Py_ssize_t size):
    """Return a header's name in small letters, ``""`` for one that is not looked at.

    ``None`` stands for those that an upgrade has no business with.
    """
    if size == 4 and strncasecmp(name, b"host", 4) == 0:
        return "host"
    if size == 6 and strncasecmp(name, b"origin", 6) == 0:
        return "origin"
    if size == 7 and strncasecmp(name, b"upgrade", 7) == 0:
        return "upgrade"
    if size == 10 and strncasecmp(name, b"connection", 10) == 0:
        return "connection"
    if size == 14 and strncasecmp(name, b"content-length", 14) == 0:
        return None
    if size == 17:
        if strncasecmp(name, b"sec-websocket-key", 17) == 0:
            return "sec-websocket-key"
        if strncasecmp(name, b"transfer-encoding", 17) == 0:
            return None
    if size == 21 and strncasecmp(name, b"sec-websocket-version", 21) == 0:
        return "sec-websocket-version"
    if size == 22 and strncasecmp(name, b"sec-websocket-protocol", 22) == 0:
        return "sec-websocket-protocol"
    return ""


cdef inline bint is_token(char byte) noexcept nogil:
    """Tell whether *byte* may be in a header's name (RFC 9110 section 5.6.2)."""
    return (
        c"a" <= byte <= c"z" or c"A" <= byte <= c"Z" or c"0" <= byte <= c"9"
        or byte == c"-" or byte == c"_"
    )


cdef inline bint is_plain(char byte) noexcept nogil:
    """Tell whether *byte* is ASCII that can be seen, or a blank."""
    return c" " <= byte <= c"~" or byte == c"\t"


cdef Py_ssize_t line_end(
    const char* text, Py_ssize_t at, Py_ssize_t end
) noexcept nogil:
    """Return where the line from *at* ends, -1 for one with anything but plain text."""
    while at < end and is_plain(text[at]):
        at += 1
    if at == end or (at + 1 < end and text[at] == c"\r" and text[at + 1] == c"\n"):
        return at
    return -1


cdef bint put_header(
    dict headers, const char* text, Py_ssize_t at, Py_ssize_t end
) except -1:
    """Add the header in that line if it is known; False: out of the ordinary."""
    cdef Py_ssize_t colon = at
    cdef str name
    while colon < end and is_token(text[colon]):
        colon += 1
    if colon == at or colon == end or text[colon] != c":":
        return False
    name = known_name(text + at, colon - at)
    if name is None or name in headers:
        return False
    if name:
        at = colon + 1
        while at < end and (text[at] == c" " or text[at] == c"\t"):
            at += 1
        while end > at and (text[end - 1] == c" " or text[end - 1] == c"\t"):
            end -= 1
        headers[name] = text[at:end].decode("ascii")
    return True


def read_head(bytes data not None, Py_ssize_t end):
    """Return target and headers of the request whose head *data* has up to *end*.

    *end* is where the empty line begins. Of the headers only those that matter for a
    WebSocket are there, by their names in small letters; ``connection`` is ``Upgrade``
    where that is one of its tokens. ``None``: a head that is not quite ordinary.
    """
    cdef const char* text = PyBytes_AS_STRING(data)
    cdef Py_ssize_t at, stop, lines = 0
    cdef bytes target
    cdef dict headers = {}
    if not 0 <= end <= len(data):
        raise ValueError("the end is not within the data")
    stop = line_end(text, 0, end)
    if stop <= GET_SIZE + VERSION_SIZE or not data.startswith(GET):
        return None
    target = data[GET_SIZE:stop - VERSION_SIZE]
    if data[stop - VERSION_SIZE:stop] != VERSION or b" " in target or b"\t" in target:
        return None
    while stop < end:
        at = stop + 2
        stop = line_end(text, at, end)
        lines += 1
        if stop < 0 or lines > HEADERS_MAX or not put_header(headers, text, at, stop):
            return None
    connection = headers.get("connection")
    if connection is not None and is_upgrade(connection):
        headers["connection"] = UPGRADE
    return target.decode("ascii"), headers


cdef bint is_upgrade(str connection):
    """Tell whether upgrade is one of the tokens (RFC 9110 section 7.6.1)."""
    for token in connection.split(","):
        if token.strip().lower() == "upgrade":
            return True
    return False


cdef class Ask:
    """What a request for a WebSocket says of who asks, and for what.

    *target* and *headers* are the request's. What it does not say is ``""``, of the
    numbers ``None``. A token comes in the target, or among the subprotocols.
    """

    cdef:
        readonly str quiz_id, participant_id, token
        readonly object epoch, after
        readonly object headers
        public object grant             # what the token says, once it is checked

    def __init__(self, str target not None, headers not None):
        self.headers = headers
        self.quiz_id = self.participant_id = self.token = ""
        self._read_query(target.partition("?")[2])
        if not self.token:
            self._read_offered(headers.get("sec-websocket-protocol", ""))

    cdef int _read_query(self, str query) except -1:
        cdef str pair, name, value
        if "%" in query or "+" in query:
            for name, value in parse_qsl(query):
                self._take(name, value)
            return 0
        for pair in query.split("&"):
            name, _, value = pair.partition("=")
            if value:
                self._take(name, value)
        return 0

    cdef int _take(self, str name, str value) except -1:
        if name == "quizId":
            self.quiz_id = value
        elif name == "participantId":
            self.participant_id = value
        elif name == "token":
            self.token = value
        elif name == "epoch":
            self.epoch = count_of(value)
        elif name == "after":
            self.after = count_of(value)
        return 0

    cdef int _read_offered(self, str offered) except -1:
        cdef str name
        for name in offered.split(","):
            name = name.strip()
            if name.startswith(BEARER):
                self.token = name[len(BEARER):]
                break
        return 0


cdef object count_of(str text):
    """Return a count in decimal; anything else is as good as none."""
    short = len(text) <= COUNT_DIGITS   # fits every count
    return int(text) if short and text.isdecimal() else None


# -- in picows' hands ----------------------------------------------------------------


cdef class Quiet:
    """picows' logger: what it says about broken peers is counted, not written."""

    def isEnabledFor(self, int _level):
        """Nothing is enabled."""
        return False

    def log(self, *_, **__):
        """Write nothing, as all the others do."""

    debug = info = warning = error = exception = log


def feed(protocol, bytes data not None):
    """Give *data* to a buffered protocol as if it had come from the socket."""
    cdef Py_ssize_t at = 0, size
    cdef Py_buffer room
    while at < len(data):
        buffer = protocol.get_buffer(-1)
        PyObject_GetBuffer(buffer, &room, PyBUF_WRITABLE)
        size = min(room.len, len(data) - at)
        memcpy(room.buf, PyBytes_AS_STRING(data) + at, size)
        PyBuffer_Release(&room)
        at += size
        protocol.buffer_updated(size)


cdef class Stand:
    """Stands in for a plain TCP *transport* while picows shakes hands.

    It asks for options of the socket that are set already, or that only its log would
    tell; each would cost a socket object and a system call. ``is_plain`` tells whether
    there is a socket that *transport* has to itself, no TLS in between.
    """

    def __cinit__(self, transport not None):
        self.transport = transport
        self.socket = -1
        if transport.get_extra_info("ssl_object") is None:
            sock = transport.get_extra_info("socket")
            self.socket = -1 if sock is None else sock.fileno()

    @property
    def is_plain(self):
        return self.socket >= 0

    def early(self):
        """Return what has already come, ``b""`` where that is nothing.

        For a transport that does not read yet. An end, or an error, shows itself again
        to whoever reads next.
        """
        cdef char[EARLY_MAX] data
        cdef ssize_t size = -1
        if self.socket >= 0:
            size = recv(self.socket, data, EARLY_MAX, MSG_DONTWAIT)
        return PyBytes_FromStringAndSize(data, size) if size > 0 else b""

    def __getattr__(self, name):
        return getattr(self.transport, name)

    def get_extra_info(self, str name, default=None):
        """Return ourselves for the socket; there is no TLS, and no need of names."""
        return self if name == "socket" else default

    def fileno(self):
        """Return the socket's number."""
        return self.socket

    def setsockopt(self, *_):
        """Set nothing: TCP_NODELAY is the loop's own habit."""

    def getsockopt(self, *_):
        """Know nothing: it is for a log."""
        return 0


cdef class Accepted:
    """Stands in for picows' response to an upgrade: a :class:`Guest` will tell it.

    *chosen*: the subprotocol, ``""`` for none. picows writes what :meth:`to_bytes`
    gives, which is nothing yet.
    """

    def __cinit__(self, str chosen not None):
        self.status = 101
        self.accept = ""
        self.chosen = chosen

    @property
    def headers(self):
        """Where picows puts the one header that it makes."""
        return self

    def __setitem__(self, str name, str value not None):
        self.accept = value

    def to_bytes(self):
        """Return what is to be written now; picows wants it in a bytearray."""
        return bytearray()


cdef class Guest(Wire):
    """A wire whose first frame travels with the answer to its upgrade."""

    cpdef on_ws_connected(self, WSTransport transport):
        response, stand = transport.response, transport.underlying_transport
        if type(stand) is Stand:
            transport.underlying_transport = (<Stand>stand).transport
        if type(response) is Accepted:
            self.greeting = greeting_of(<Accepted>response)
        try:
            Wire.on_ws_connected(self, transport)
        finally:
            if self.greeting is not None:   # nothing was said: the session is busy
                self._say(b"", 0)

    cpdef on_ws_disconnected(self, WSTransport transport):
        Wire.on_ws_disconnected(self, transport)
        # The wheel lets go of a wire when its turn comes: it shall not hold on to
        # picows' buffers, and the loop's, until then.
        self.transport = None

    cdef int write(self, const char* frame, size_t size, int key) except -1:
        if self.greeting is None:
            return Wire.write(self, frame, size, key)
        counters.frames_out += 1
        counters.bytes_out += size
        return self._say(frame, size)

    cpdef close(self, int code, str why=""):
        if self.greeting is not None and self.transport is not None:
            self._say(b"", 0)
        Wire.close(self, code, why)

    cdef int _say(self, const char* frame, size_t size) except -1:
        """Send the greeting with *frame* behind it."""
        cdef Py_ssize_t sent = 0
        cdef bytes words = self.greeting + frame[:size]
        self.greeting = None
        if not self.secure:
            sent = send(
                self.socket,
                PyBytes_AS_STRING(words),
                len(words),
                MSG_NOSIGNAL | MSG_DONTWAIT,
            )
            if sent == len(words):
                self.fresh = False
                return 0
            if sent < 0:
                if errno not in (EAGAIN, EINTR):
                    self.abort()
                    return 0
                sent = 0
        self.transport._tr_write(words[sent:])
        return 0


cdef bytes greeting_of(Accepted response):
    cdef bytes greeting = SWITCHING + response.accept.encode()
    if response.chosen:
        greeting += PROTOCOL + response.chosen.encode()
    return greeting + END
