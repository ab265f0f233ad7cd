"""Players of a server that speaks socket.io: the same game in other frames.

``bench.peers`` has the frames. An event's argument is a whole message of quizd's
protocol, so that it is taken out, and put in, and everything else stays as it is.
"""

from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcmp, memcpy, strlen

from bench.load._core cimport Client
from bench.load._linux cimport memrchr
from bench.load._play cimport Players
from bench.load._scan cimport Slice
from bench.load._websocket cimport Swarm

cdef enum:
    AROUND_BYTES = 7                # 42["",] without the two texts


cdef class SocketIoPlayers(Players):
    """As :class:`Players`, who talk no nonsense: socket.io ends the line of who does.

    Raises ``ValueError`` where *habits* have them do so.
    """

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        if self.habits.malformed:
            raise ValueError("what is no JSON ends a line of socket.io")

    cdef void message(
        self, Client* client, const char* at, size_t size, int64_t now_ns
    ) noexcept nogil:
        cdef const char* first
        cdef const char* last
        if starts(at, size, b"42"):
            first = <const char*>memchr(at, c"{", size)
            last = <const char*>memrchr(at, c"}", size)
            if first != NULL and last > first:
                Players.message(self, client, first, last + 1 - first, now_ns)
                return
        elif starts(at, size, b"2"):
            self._packet(client, b"3")
            return
        elif starts(at, size, b"0"):
            self._packet(client, b"40")
            return
        elif starts(at, size, b"40"):
            return
        self._refused(client, at, size)

    cdef void _packet(self, Client* client, const char* packet) noexcept nogil:
        """Send what is no event."""
        Swarm.say(self, client, packet, strlen(packet))

    cdef void _refused(
        self, Client* client, const char* at, size_t size
    ) noexcept nogil:
        self.fault_text(client, b"unexpected packet: %.*s", Slice(at, size))

    cdef void say(self, Client* client, const char* text, size_t size) noexcept nogil:
        """Send the message *text* as an event of its type."""
        cdef Slice kind = kind_of(text, size)
        cdef char* room = <char*>malloc(AROUND_BYTES + kind.size + size)
        cdef char* at = room
        if room == NULL:
            return
        at = put(at, b'42["', 4)
        at = put(at, kind.at, kind.size)
        at = put(at, b'",', 2)
        at = put(at, text, size)
        at = put(at, b"]", 1)
        Swarm.say(self, client, room, at - room)
        free(room)


cdef bint starts(const char* at, size_t size, const char* packet) noexcept nogil:
    return size >= strlen(packet) and memcmp(at, packet, strlen(packet)) == 0


cdef Slice kind_of(const char* text, size_t size) noexcept nogil:
    """Return the type of a message of ours, which begins with it."""
    cdef const char* begin = text + strlen(b'{"type":"')
    cdef const char* end = <const char*>memchr(begin, c'"', text + size - begin)
    return Slice(begin, end - begin)


cdef char* put(char* at, const char* text, size_t size) noexcept nogil:
    memcpy(at, text, size)
    return at + size
