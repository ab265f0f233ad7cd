"""One WebSocket connection: messages in, frames out.

picows parses and unmasks frames; this makes messages of them, keeps the sender within
its budget, and gives the hot message, an answer, to the session's inbox without making
a Python object. Everything else goes to the Python half through ``on_text``.

Out: a frame is written to the socket at once while nothing waits for it. When the
kernel takes no more, the rest of that one frame goes to the transport, and later
frames wait here, in a bounded outbox where a latest-value frame replaces its elder.
When the transport has drained, they follow. An outbox over its bound closes the
connection with 4008: the picture that a new connection gets repairs everything.

The wire owns nothing but its outbox. The transport is picows'; the inbox is the
session's. A frame's payload is a view that dies when ``on_ws_frame`` returns.
"""

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcmp, memcpy
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from picows.picows cimport WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from quizd._fast.answers cimport Answer, is_utf8, parse_answer
from quizd._fast.inbox cimport Inbox


cdef extern from "<sys/socket.h>" nogil:
    ssize_t send(int socket, const void* data, size_t size, int flags)
    int MSG_NOSIGNAL
    int MSG_DONTWAIT


cdef enum:
    TEXT_FRAME = 0x81           # FIN and opcode 1 (RFC 6455 section 5.2)
    ANSWERED_AT_MAX = 40
    TEXT_MAX = 0xFFFF           # what an inbox has room to count
    PONG_FRAME = 0x8A
    CONTROL_MAX = 125           # of a control frame's payload; picows holds peers to it
    PONG_KEY = -1               # the hub's keys are above 0
    PATIENCE = 200              # more messages over the budget than within: wire is cut
    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    ABNORMAL_CLOSURE = 1006
    INVALID_TEXT = 1007
    MESSAGE_TOO_BIG = 1009
    SLOW_CONSUMER = 4008
    RATE_LIMITED = 4029
    CODES_END = 5000


cdef double ANSWER_WITHIN_S = 1.0


def read_counters():
    """Return the counters of all wires since the start, by name."""
    return counters


cdef double monotonic_s() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec + now.tv_nsec * 1e-9


cdef int64_t session_time_ms(int64_t offset_ms) noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <int64_t>now.tv_sec * 1000 + now.tv_nsec // 1_000_000 + offset_ms


cdef size_t put_header(char* end, size_t size) noexcept nogil:
    """Write a text frame's header so that it ends at *end*; return its size."""
    cdef size_t header = 2 if size < 126 else 4 if size < 65536 else 10
    cdef uint8_t* at = <uint8_t*>end - header
    cdef size_t i
    at[0] = TEXT_FRAME
    at[1] = <uint8_t>size if header == 2 else 126 if header == 4 else 127
    for i in range(2, header):
        at[i] = <uint8_t>(size >> (8 * (header - 1 - i)))
    return header


cdef int answer_to_close(WSFrame frame) except -1:
    """Return the code to answer a close frame with: its own, if that may travel.

    RFC 6455 section 7.4: not below 1000, not 1006, and nothing from 5000 on; picows
    has refused the other reserved ones.
    """
    cdef int code
    if frame.payload_size == 0:
        return NORMAL
    code = <int>frame.get_close_code()
    if code < NORMAL or code == ABNORMAL_CLOSURE or code >= CODES_END:
        return PROTOCOL_ERROR
    return code


def frame(bytes payload not None):
    """Return *payload* (UTF-8) as one unmasked text frame, for any number of wires."""
    cdef char[10] header
    cdef size_t size = put_header(header + 10, len(payload))
    return header[10 - size:10] + payload


cdef class Policy:
    """What all wires of a shard have in common.

    *message_bytes*: the most a message may have. *output_bytes*: the most that may
    wait for a slow reader. *messages_per_s* and *message_burst*: the budget of one
    wire. *offset_ms*: added to CLOCK_MONOTONIC it gives session time.
    """

    def __cinit__(
        self,
        *,
        size_t message_bytes,
        size_t output_bytes,
        double messages_per_s,
        double message_burst,
        int64_t offset_ms,
    ):
        self.message_bytes = message_bytes
        self.output_bytes = output_bytes
        self.messages_per_s = messages_per_s
        self.message_burst = message_burst
        self.offset_ms = offset_ms


cdef class Wire(WSListener):
    """A connection of *participant* (an index), answers going to *inbox*.

    A wire without an inbox (a host's) takes no answers in place. Subclasses say what
    to do with other messages (:meth:`on_text`) and with the connection's end.
    """

    def __init__(
        self,
        Policy policy not None,
        Inbox inbox,
        uint32_t participant=0,
        bytes participant_id=b"",
    ):
        self.policy = policy
        self.inbox = inbox
        self.participant = participant
        self.participant_id = participant_id
        self.tokens = policy.message_burst
        self.refilled_s = monotonic_s()
        self.fresh = True

    # -- for subclasses ----------------------------------------------------------

    def on_open(self):
        """The connection is up."""

    def on_text(self, bytes text):
        """A message that was not an answer taken in place; valid UTF-8."""

    def on_full(self):
        """An answer found the session's inbox full."""

    def on_over_budget(self):
        """The first message over the budget after one within it; it was dropped."""

    def on_gone(self):
        """The connection is down."""

    @property
    def closed(self):
        """Whether nothing goes out any more."""
        return self.closing

    @property
    def waiting_bytes(self):
        """How many bytes wait for the reader."""
        return self.outbox_bytes

    # -- life --------------------------------------------------------------------

    cpdef on_ws_connected(self, WSTransport transport):
        self.transport = transport
        self.socket = transport._socket
        self.secure = transport.is_secure
        # As low as it goes: anything the transport has to keep pauses us. Plain
        # transports pause above the mark, those of TLS already at it.
        transport.underlying_transport.set_write_buffer_limits(1 if self.secure else 0)
        transport.request = None
        transport.response = None
        self.on_open()

    cpdef on_ws_disconnected(self, WSTransport transport):
        self.closing = True
        self.outbox = None
        self.outbox_bytes = 0
        self.on_gone()

    cpdef close(self, int code, str why=""):
        """Send a close frame with *code* and drop the line soon after."""
        if self.closing or self.transport is None:
            return
        self.closing = True
        self.outbox = None
        self.outbox_bytes = 0
        self.transport.send_close(<WSCloseCode>code, why)
        # Closing the socket before the peer has answered could take the close frame
        # with it (RFC 6455 section 7.1.1); a peer that doesn't answer is not waited
        # for long.
        self.transport._loop.call_later(ANSWER_WITHIN_S, self.abort)

    def abort(self):
        """Drop the line now."""
        self.closing = True
        if self.transport is not None and not self.transport.is_disconnected:
            self.transport.disconnect(False)

    def ping(self):
        """Ask for a sign of life."""
        self.pinged = True
        if not self.closing and not self.blocked:
            self.transport.send_ping()

    # -- in ----------------------------------------------------------------------

    cpdef on_ws_frame(self, WSTransport transport, WSFrame frame):
        cdef WSMsgType kind = frame.msg_type
        self.heard = True
        if self.closing:
            if kind == WSMsgType.CLOSE:
                transport.disconnect(True)
            return
        counters.bytes_in += frame.payload_size
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self.close(PROTOCOL_ERROR, "reserved bits are set")
        elif kind == WSMsgType.TEXT and self.partial is None and frame.fin:
            self._text(frame.payload_ptr, frame.payload_size)
        elif kind == WSMsgType.TEXT or kind == WSMsgType.CONTINUATION:
            self._fragment(frame, kind == WSMsgType.TEXT)
        elif kind == WSMsgType.BINARY:
            self.close(UNSUPPORTED_DATA, "messages are JSON text")
        elif kind == WSMsgType.PING:
            if self._in_budget():
                self._pong(frame)
        elif kind == WSMsgType.CLOSE:
            self.close(answer_to_close(frame))
            transport.disconnect(True)
        elif not self._in_budget():         # a pong nobody asked for
            return

    cdef int _pong(self, WSFrame ping) except -1:
        """Answer *ping*; of several that wait for a slow reader only the latest."""
        cdef char[2 + CONTROL_MAX] pong
        pong[0] = <char>PONG_FRAME
        pong[1] = <char>ping.payload_size
        memcpy(pong + 2, ping.payload_ptr, ping.payload_size)
        return self.write(pong, 2 + ping.payload_size, PONG_KEY)

    cdef int _fragment(self, WSFrame frame, bint first) except -1:
        """Add a part; RFC 6455 section 5.4 says which may follow which."""
        cdef bytearray message
        if first != (self.partial is None):
            self.close(PROTOCOL_ERROR, "fragments are out of order")
            return 0
        if first:
            self.partial = bytearray()
        elif not frame.fin and not self._in_budget():
            self.close(RATE_LIMITED, "far too many fragments")
            return 0
        if len(self.partial) + frame.payload_size > self.policy.message_bytes:
            self.close(MESSAGE_TOO_BIG, "message is too big")
            return 0
        self.partial += frame.payload_ptr[:frame.payload_size]
        if frame.fin:
            message, self.partial = self.partial, None
            self._text(<char*>message, len(message))
        return 0

    cdef int _text(self, const char* text, size_t size) except -1:
        counters.messages_in += 1
        if not self._in_budget():
            return 0
        if self.inbox is not None and self._answer_in_place(text, size):
            return 0
        if not is_utf8(text, size):
            self.close(INVALID_TEXT, "text is not UTF-8")
            return 0
        self.on_text(text[:size])
        return 0

    cdef bint _answer_in_place(self, const char* text, size_t size) except -1:
        """Put an answer into the inbox; False: let the general decoder look."""
        cdef Answer answer
        if not parse_answer(text, size, &answer):
            return False
        if answer.question_id.size > TEXT_MAX or answer.option.size > TEXT_MAX:
            return False
        if answer.answered_at.size > ANSWERED_AT_MAX or not self._is_own(&answer):
            return False
        counters.answers_in_place += 1
        if not self.inbox.put(
            self.participant, session_time_ms(self.policy.offset_ms), &answer
        ):
            self.on_full()
        return True

    cdef bint _is_own(self, const Answer* answer) noexcept:
        if answer.participant_id.ptr == NULL:
            return True
        return answer.participant_id.size == len(self.participant_id) and (
            memcmp(
                answer.participant_id.ptr,
                <const char*>self.participant_id,
                answer.participant_id.size,
            ) == 0
        )

    cdef bint _in_budget(self) except -1:
        """Take one message off the budget, a bucket of tokens that refills."""
        cdef double now_s = monotonic_s()
        self.tokens = min(
            self.tokens + (now_s - self.refilled_s) * self.policy.messages_per_s,
            self.policy.message_burst,
        )
        self.refilled_s = now_s
        if self.tokens >= 1:
            self.tokens -= 1
            self.told = False
            if self.over_budget:
                self.over_budget -= 1
            return True
        counters.rate_limited += 1
        self.over_budget += 1
        if self.over_budget > PATIENCE:
            self.close(RATE_LIMITED, "far too many messages")
        elif not self.told:
            self.told = True
            self.on_over_budget()
        return False

    # -- out ---------------------------------------------------------------------

    def send(self, bytes frame not None, int key=0):
        """Send *frame*, made by :func:`frame`.

        A *key* other than 0 names a latest-value: a frame of the same key that
        still waits is replaced.
        """
        self.write(<const char*>frame, len(frame), key)

    cdef int write(self, const char* frame, size_t size, int key) except -1:
        if self.closing or self.transport.is_close_frame_sent:
            return 0
        if self.blocked:
            return self._queue(frame, size, key)
        return self._write_through(frame, size)

    cdef int _write_through(self, const char* frame, size_t size) except -1:
        """Write at once; what the kernel does not take the transport keeps."""
        cdef ssize_t sent = 0
        counters.frames_out += 1
        counters.bytes_out += size
        if self.fresh:
            # The answer to the upgrade may still lie in the transport.
            self.fresh = self.transport._tr_get_write_buffer_size() != 0
        if not self.fresh and not self.secure:
            sent = send(self.socket, frame, size, MSG_NOSIGNAL | MSG_DONTWAIT)
            if sent == <ssize_t>size:
                return 0
            if sent < 0:
                if errno not in (EAGAIN, EINTR):
                    self.abort()
                    return 0
                sent = 0
        self.transport._tr_write(frame[sent:size])
        return 0

    cdef int _queue(self, const char* frame, size_t size, int key) except -1:
        if key:
            self._drop_elder(key)
        if self.outbox_bytes + size > self.policy.output_bytes:
            counters.slow_closed += 1
            self.close(SLOW_CONSUMER, "too slow")
            return 0
        if self.outbox is None:
            self.outbox = []
        counters.frames_queued += 1
        self.outbox.append((key, frame[:size]))
        self.outbox_bytes += size
        return 0

    cdef int _drop_elder(self, int key) except -1:
        cdef Py_ssize_t i
        if self.outbox is None:
            return 0
        for i in range(len(self.outbox)):
            if self.outbox[i][0] == key:
                self.outbox_bytes -= len(self.outbox.pop(i)[1])
                counters.frames_replaced += 1
                return 0
        return 0

    cpdef pause_writing(self):
        self.blocked = True

    cpdef resume_writing(self):
        self.blocked = False
        self._flush()

    cdef int _flush(self) except -1:
        cdef bytes waiting
        while self.outbox and not self.blocked and not self.closing:
            waiting = <bytes>self.outbox.pop(0)[1]
            self.outbox_bytes -= len(waiting)
            self._write_through(<const char*>waiting, len(waiting))
        return 0
