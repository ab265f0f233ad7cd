"""Clients that know no game: receivers of broadcasts, and senders to an echo."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.math cimport log
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport abort, calloc, free, realloc
from libc.string cimport memcmp, memset

from bench.load._basics cimport monotonic_ns, share
from bench.load._core cimport OPEN, Client
from bench.load._counts cimport Counts
from bench.load._linux cimport memmem
from bench.load._timers cimport FAR_NS
from bench.load._websocket cimport Swarm

cdef enum:
    SENDS_A_TURN = 256              # then the lines are read again
    NOTHING = 0xFFFFFFFF

cdef double NS_PER_S = 1e9


cdef class Talk(Swarm):
    """Clients of a protocol with a first word and signs of life of its own.

    *greeting* is said at once by each client; *pong* is said to whoever says *ping*,
    which is no message then. Empty: there is none. Others as of :class:`Swarm`.
    """

    cdef:
        bytes _greeting_word, _ping, _pong
        const char* _greeting_at
        const char* _ping_at
        const char* _pong_at
        size_t _greeting_size, _ping_size, _pong_size

    def __init__(
        self,
        str host not None,
        port,
        list heads not None,
        *,
        bytes greeting=b"",
        bytes ping=b"",
        bytes pong=b"",
        **options,
    ):
        super().__init__(host, port, heads, **options)
        self._greeting_word, self._ping, self._pong = greeting, ping, pong
        self._greeting_at, self._greeting_size = greeting, len(greeting)
        self._ping_at, self._ping_size = ping, len(ping)
        self._pong_at, self._pong_size = pong, len(pong)

    cdef void opened(self, Client* client, int64_t now_ns) noexcept nogil:
        if self._greeting_size:
            self.say(client, self._greeting_at, self._greeting_size)

    cdef bint answered(
        self, Client* client, const char* at, size_t size
    ) noexcept nogil:
        """Answer a sign of life; tell whether it was one."""
        if (
            self._ping_size == 0
            or size != self._ping_size
            or memcmp(at, self._ping_at, size) != 0
        ):
            return False
        self.say(client, self._pong_at, self._pong_size)
        return True


cdef class Receivers(Talk):
    """Clients that note when each of the next broadcasts came to each of them.

    *marker*: what a message has to hold to be counted, empty: any is.

    *alert*: while broadcasts are awaited the loop doesn't sleep. On one machine a
    receiver that sleeps is woken within the sender's ``send``, which makes that dearer
    by far, and the slower a sender, the more often its receivers have gone to sleep.
    """

    cdef:
        bytes _marker
        const char* _marker_at
        size_t _marker_size
        int64_t* _receipts          # by round, then by client; 0: it did not come
        uint32_t* _round            # of each client's next message
        uint32_t _rounds
        int64_t _received, _extra
        bint _alert

    def __init__(
        self, str host not None, port, list heads not None, *, bytes marker=b"",
        bint alert=False, **options,
    ):
        super().__init__(host, port, heads, **options)
        self._alert = alert
        self._marker = marker
        self._marker_at, self._marker_size = marker, len(marker)
        self._round = <uint32_t*>calloc(max(self.count, 1), sizeof(uint32_t))
        if self._round == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self._receipts)
        free(self._round)

    def expect_broadcast(self, uint32_t rounds):
        """Forget what came and expect *rounds* messages to each client."""
        free(self._receipts)
        self._receipts = <int64_t*>calloc(max(rounds * self.count, 1), sizeof(int64_t))
        if self._receipts == NULL:
            raise MemoryError
        memset(self._round, 0, self.count * sizeof(uint32_t))
        self._rounds = rounds
        self._received = self._extra = 0

    def receipts(self, uint32_t round):
        """Return when *round*, counted from 0, came to each client: packed int64, ns.

        0: it has not come.
        """
        if round >= self._rounds:
            raise IndexError(round)
        return PyBytes_FromStringAndSize(
            <char*>(self._receipts + round * self.count), self.count * sizeof(int64_t)
        )

    def counters(self):
        """Return what has happened so far, by name.

        ``received``: messages of the expected rounds; ``extra``: those beyond.
        """
        return super().counters() | {"received": self._received, "extra": self._extra}

    cdef int64_t on_time(self, int64_t now_ns) noexcept nogil:
        cdef int64_t awaited = <int64_t>self._rounds * self.count
        return now_ns if self._alert and self._received < awaited else FAR_NS

    cdef void message(
        self, Client* client, const char* at, size_t size, int64_t now_ns
    ) noexcept nogil:
        cdef uint32_t round = self._round[client.index]
        if self.answered(client, at, size):
            return
        if self._marker_size and (
            memmem(at, size, self._marker_at, self._marker_size) == NULL
        ):
            return
        if round >= self._rounds:
            self._extra += 1
            return
        self._receipts[round * self.count + client.index] = now_ns
        self._round[client.index] += 1
        self._received += 1


# A message under way: when it was to be sent, and the next one of the same client.
cdef struct Sent:
    int64_t due_ns
    uint32_t next


cdef class Echoes(Talk):
    """Clients that say the same thing by an open-loop schedule, and are echoed.

    ``latencies`` count from when a message was due to its echo; ``lags`` to when it was
    sent, which shows what the generator itself added.
    """

    cdef:
        readonly Counts latencies, lags
        bytes _payload
        const char* _payload_at
        size_t _payload_size
        Sent* _pool
        uint32_t _pool_room, _free
        uint32_t* _first            # of the messages under way of each client
        uint32_t* _last
        int64_t _to_send, _sent, _echoed, _unasked
        int64_t _next_ns
        double _exact_ns, _interval_ns
        bint _poisson

    def __init__(self, str host not None, port, list heads not None, **options):
        super().__init__(host, port, heads, **options)
        cdef size_t bytes_a_list = max(self.count, 1) * sizeof(uint32_t)
        self.latencies = Counts()
        self.lags = Counts()
        self._free = NOTHING
        self._first = <uint32_t*>calloc(bytes_a_list, 1)
        self._last = <uint32_t*>calloc(bytes_a_list, 1)
        if self._first == NULL or self._last == NULL:
            raise MemoryError
        memset(self._first, 0xFF, bytes_a_list)
        memset(self._last, 0xFF, bytes_a_list)

    def __dealloc__(self):
        free(self._pool)
        free(self._first)
        free(self._last)

    def send_at(
        self,
        double per_second,
        int64_t messages,
        bytes payload not None,
        *,
        bint poisson=False,
    ):
        """Send *messages* times *payload*, spread over all clients, from now on.

        *per_second*: of the whole swarm. *poisson*: independent of each other, as
        strangers are, instead of evenly.
        """
        self._payload = payload
        self._payload_at, self._payload_size = payload, len(payload)
        self._interval_ns = NS_PER_S / per_second
        self._poisson = poisson
        self._exact_ns = self._next_ns = self.first_ns = monotonic_ns()
        self._to_send = self._sent + messages

    def counters(self):
        """Return what has happened so far, by name.

        ``sent`` and ``echoed`` messages, ``to_send`` by the schedule, ``unasked``:
        messages that echo nothing.
        """
        return super().counters() | {
            "to_send": self._to_send,
            "sent": self._sent,
            "echoed": self._echoed,
            "unasked": self._unasked,
        }

    cdef int64_t on_time(self, int64_t now_ns) noexcept nogil:
        cdef int _
        for _ in range(SENDS_A_TURN):
            if self._sent >= self._to_send:
                return FAR_NS
            if self._next_ns > now_ns:
                return self._next_ns
            self._send_next(now_ns)
            self._exact_ns += self._interval_ns * self._stretch()
            self._next_ns = <int64_t>self._exact_ns
        return now_ns

    cdef double _stretch(self) noexcept nogil:
        return -log(1 - share(&self.random)) if self._poisson else 1

    cdef void _send_next(self, int64_t now_ns) noexcept nogil:
        cdef Client* client = &self.clients[self._sent % self.count]
        self._sent += 1
        if client.stage != OPEN:
            return                  # counts as one that was never echoed
        self._note(client.index)
        self.lags.record(monotonic_ns() - self._next_ns)
        self.say(client, self._payload_at, self._payload_size)

    cdef void _note(self, uint32_t who) noexcept nogil:
        """Put a message under way at the end of its client's list."""
        cdef uint32_t at
        if self._free == NOTHING:
            self._grow()
        at = self._free
        self._free = self._pool[at].next
        self._pool[at] = Sent(self._next_ns, NOTHING)
        if self._first[who] == NOTHING:
            self._first[who] = at
        else:
            self._pool[self._last[who]].next = at
        self._last[who] = at

    cdef void _grow(self) noexcept nogil:
        cdef uint32_t room = max(2 * self._pool_room, <uint32_t>1024)
        cdef uint32_t i
        self._pool = <Sent*>realloc(self._pool, room * sizeof(Sent))
        if self._pool == NULL:
            abort()
        for i in range(self._pool_room, room):
            self._pool[i].next = self._free
            self._free = i
        self._pool_room = room

    cdef void message(
        self, Client* client, const char* at, size_t size, int64_t now_ns
    ) noexcept nogil:
        cdef uint32_t first = self._first[client.index]
        if self.answered(client, at, size):
            return
        if (
            first == NOTHING
            or size != self._payload_size
            or memcmp(at, self._payload_at, size) != 0
        ):
            self._unasked += 1
            return
        self._echoed += 1
        self.last_ns = now_ns
        self.latencies.record(now_ns - self._pool[first].due_ns)
        self._first[client.index] = self._pool[first].next
        self._pool[first].next = self._free
        self._free = first
