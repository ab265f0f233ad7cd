"""Thousands of client sockets in one thread: connecting, reading, writing, timing.

The loop is epoll, level-triggered, without the interpreter lock and without a Python
object per message. A protocol is a subclass: it says what to do when a line is up, how
much of the bytes that came it can use, and what its timers are for.

Whatever is to happen by a schedule keeps its *due* time, however late the loop comes
to it, and latencies are counted from there: a slow server can't slow its own
measurement down. New lines are begun by such a schedule as well, at most so many at a
time waiting for their greeting.

All lines go to one IPv4 address. On loopback they come from 127.0.0.1, 127.0.0.2 … in
turn, so that the number of ports of one address is no limit. An idle client is one
:c:struct:`Client`; its buffers exist only while something in them is not whole.

Times are CLOCK_MONOTONIC in nanoseconds, which all processes of a machine share.
"""

import resource
import socket as sockets

from libc.errno cimport EAGAIN, EINPROGRESS, EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset, strerror
from posix.time cimport timespec
from posix.unistd cimport close

from bench.load._basics cimport append, cut, monotonic_ns, release, seeded
from bench.load._counts cimport Counts
from bench.load._linux cimport (
    AF_INET,
    EPOLL_CLOEXEC,
    EPOLL_CTL_ADD,
    EPOLL_CTL_MOD,
    EPOLLERR,
    EPOLLHUP,
    EPOLLIN,
    EPOLLOUT,
    IP_BIND_ADDRESS_NO_PORT,
    IPPROTO_IP,
    IPPROTO_TCP,
    MSG_NOSIGNAL,
    POLLIN,
    PR_SET_TIMERSLACK,
    SO_ERROR,
    SOCK_CLOEXEC,
    SOCK_NONBLOCK,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_NODELAY,
    bind,
    connect,
    csend,
    epoll_create1,
    epoll_ctl,
    epoll_event,
    epoll_wait,
    getsockopt,
    htonl,
    htons,
    pollfd,
    ppoll,
    prctl,
    recv,
    setsockopt,
    sockaddr_in,
    socket,
)
from bench.load._scan cimport Slice
from bench.load._timers cimport FAR_NS

cdef enum:
    EVENTS = 256                    # of one look; timers have their turn between looks
    INPUT_BYTES = 262_144
    FAULTS_MAX = 100                # that are kept with their text; all are counted
    LOOPBACK = 127

cdef uint32_t WATCHED = 0xFFFFFFFF  # the event of the descriptor that ends a run
cdef int64_t NS_PER_S = 1_000_000_000


cdef class Sockets:
    """*count* lines to *port* of *host*, none of them begun.

    *sources*: how many addresses of loopback they come from. *seed*: of all that is
    random; the same seed and number give a client the same random numbers in every
    run. *first_number*: what the first client is called in reports.

    Raises ``OSError`` where the host is unknown or descriptors are too few.
    """

    def __cinit__(self, *_args, **_kwargs):
        self._epoll = -1

    def __init__(
        self,
        str host not None,
        uint16_t port,
        uint32_t count,
        *,
        uint32_t sources=16,
        uint64_t seed=0,
        uint32_t first_number=0,
    ):
        cdef uint32_t i
        cdef bytes address = sockets.inet_aton(sockets.gethostbyname(host))
        raise_open_files()
        prctl(PR_SET_TIMERSLACK, 1)     # sleeps end when they are to
        memcpy(&self._address, <const char*>address, 4)
        self._port = htons(port)
        self._sources = sources if address[0] == LOOPBACK else 0
        self.count = count
        self.first_number = first_number
        self.connects = Counts()
        self.random = seeded(seed, (<uint64_t>1 << 32) + first_number)
        self.clients = <Client*>calloc(count, sizeof(Client))
        self._faults = <Fault*>calloc(FAULTS_MAX, sizeof(Fault))
        self._input = <char*>malloc(INPUT_BYTES)
        if not (self.clients and self._faults and self._input):
            raise MemoryError
        for i in range(count):
            self.clients[i].fd = -1
            self.clients[i].index = i
            self.clients[i].random = seeded(seed, first_number + i)
        self._epoll = epoll_create1(EPOLL_CLOEXEC)
        if self._epoll < 0:
            raise OSError(errno, strerror(errno).decode())

    def __dealloc__(self):
        cdef uint32_t i
        if self.clients != NULL:
            for i in range(self.count):
                if self.clients[i].fd >= 0:
                    close(self.clients[i].fd)
                release(&self.clients[i].inward)
                release(&self.clients[i].outward)
                release(&self.clients[i].message)
        if self._epoll >= 0:
            close(self._epoll)
        free(self.clients)
        free(self._faults)
        free(self._input)

    # -- for Python --------------------------------------------------------------

    def watch(self, int fd):
        """Let a run end early when *fd* is readable."""
        cdef epoll_event event
        event.events = EPOLLIN
        event.data.u32 = WATCHED
        if epoll_ctl(self._epoll, EPOLL_CTL_ADD, fd, &event) < 0:
            raise OSError(errno, strerror(errno).decode())

    def connect(
        self, double per_second=0, int64_t in_flight=256, double delay_s=0
    ):
        """Let all lines be begun, while :meth:`run` runs.

        *per_second*: the schedule, 0: as fast as *in_flight*, the most that may wait
        for their greeting, allows. *delay_s*: until the first is due.
        """
        self._interval_ns = NS_PER_S / per_second if per_second else 0
        self._in_flight_max = in_flight
        self._begin_ns = monotonic_ns() + <int64_t>(delay_s * NS_PER_S)
        self.first_ns = self._begin_ns
        self._to_begin = self.count

    def run(self, double seconds):
        """Serve the lines for *seconds*; tell whether something watched ended it."""
        cdef int64_t until_ns = monotonic_ns() + <int64_t>(seconds * NS_PER_S)
        self._called = False
        with nogil:
            self._serve(until_ns)
        return self._called

    def fileno(self):
        """Return a descriptor that is readable when :meth:`look` has lines to serve."""
        return self._epoll

    def look(self):
        """Serve the lines once, without waiting; return when something is due next.

        For who serves several of these. CLOCK_MONOTONIC, in nanoseconds.
        """
        cdef int64_t next_ns
        with nogil:
            self._read_once()
            next_ns = self._do_due(monotonic_ns())
        return next_ns

    def close(self):
        """Say farewell on all lines and close them."""
        cdef uint32_t i
        self.closing = True
        self._to_begin = 0
        with nogil:
            for i in range(self.count):
                if self.clients[i].stage == OPEN:
                    self.farewell(&self.clients[i])
                if self.clients[i].fd >= 0:
                    self.lose(&self.clients[i], monotonic_ns())

    def counters(self):
        """Return what has happened so far, by name."""
        return {**self.tally, "faults": self._fault_count}

    def violations(self):
        """Return the first of the violations: the client's number, and what it saw."""
        cdef int64_t i
        return [
            (self.first_number + self._faults[i].who, as_text(self._faults[i].text))
            for i in range(min(self._fault_count, <int64_t>FAULTS_MAX))
        ]

    # -- the loop ----------------------------------------------------------------

    cdef void _serve(self, int64_t until_ns) noexcept nogil:
        cdef int64_t now_ns, next_ns
        while not self._called:
            now_ns = monotonic_ns()
            if now_ns >= until_ns:
                return
            next_ns = self._do_due(now_ns)
            if self._read_once() == 0:
                sleep(self._epoll, min(next_ns, until_ns) - now_ns)

    cdef int64_t _do_due(self, int64_t now_ns) noexcept nogil:
        """Do what is due; return when something is due again."""
        return min(self._begin_due(now_ns), self.on_time(now_ns))

    cdef int _read_once(self) noexcept nogil:
        """Serve the lines that something has happened to; return how many."""
        cdef epoll_event[EVENTS] events
        cdef int i, found = epoll_wait(self._epoll, events, EVENTS, 0)
        for i in range(found):
            self._handle(events[i].events, events[i].data.u32)
        return found

    cdef void _handle(self, uint32_t events, uint32_t index) noexcept nogil:
        cdef Client* client
        if index == WATCHED:
            self._called = True
            return
        client = &self.clients[index]
        if client.fd >= 0 and client.stage == CONNECTING:
            self._up(client)
        if client.fd >= 0 and events & EPOLLOUT and client.wants_out:
            self._flush(client)
        if client.fd >= 0 and events & (EPOLLIN | EPOLLERR | EPOLLHUP):
            self._receive(client)

    # -- connecting --------------------------------------------------------------

    cdef int64_t _begin_due(self, int64_t now_ns) noexcept nogil:
        """Begin the lines that are due; return when the next one is."""
        cdef int64_t due_ns
        cdef Client* client
        while (
            self.tally.begun < self._to_begin
            and self.tally.in_flight < self._in_flight_max
        ):
            due_ns = self._begin_ns + <int64_t>(self.tally.begun * self._interval_ns)
            if due_ns > now_ns:
                return due_ns
            client = &self.clients[self.tally.begun]
            # Without a schedule it is due when there is room for it.
            client.due_ns = due_ns if self._interval_ns else now_ns
            self._begin(client, now_ns)
        return FAR_NS

    cdef void _begin(self, Client* client, int64_t now_ns) noexcept nogil:
        cdef sockaddr_in address
        cdef epoll_event event
        cdef int on = 1
        self.tally.begun += 1
        self.tally.in_flight += 1
        client.stage = CONNECTING
        client.wants_out = True
        client.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
        memset(&address, 0, sizeof(address))
        address.sin_family = AF_INET
        address.sin_port = self._port
        address.sin_addr.s_addr = self._address
        event.events = EPOLLIN | EPOLLOUT
        event.data.u32 = client.index
        if (
            client.fd < 0
            or setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0
            or not self._bind(client)
            or (
                connect(client.fd, &address, sizeof(address)) < 0
                and errno != EINPROGRESS
            )
            or epoll_ctl(self._epoll, EPOLL_CTL_ADD, client.fd, &event) < 0
        ):
            self.fault(client, b"connecting failed with errno %lld", errno, 0)
            client.judged = True
            self.lose(client, now_ns)

    cdef bint _bind(self, Client* client) noexcept nogil:
        """Take the client's turn of the source addresses, its port left open."""
        cdef sockaddr_in address
        cdef int on = 1
        if self._sources == 0:
            return True
        memset(&address, 0, sizeof(address))
        address.sin_family = AF_INET
        address.sin_addr.s_addr = htonl(
            (LOOPBACK << 24) + 1 + client.index % self._sources
        )
        return (
            setsockopt(
                client.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)
            ) == 0
            and bind(client.fd, &address, sizeof(address)) == 0
        )

    cdef void _up(self, Client* client) noexcept nogil:
        """The kernel has connected, or has not."""
        cdef int error = 0
        cdef uint32_t size = sizeof(error)
        getsockopt(client.fd, SOL_SOCKET, SO_ERROR, &error, &size)
        if error:
            self.fault(client, b"connecting failed with errno %lld", error, 0)
            client.judged = True
            self.lose(client, monotonic_ns())
            return
        client.stage = GREETING
        self._want_out(client, False)
        self.connected(client, monotonic_ns())

    cdef void arrived(self, Client* client, int64_t now_ns) noexcept nogil:
        """The greeting is done."""
        client.stage = OPEN
        self.tally.in_flight -= 1
        self.tally.opened += 1
        self.connects.record(now_ns - client.due_ns)
        self.last_ns = now_ns

    cdef void lose(self, Client* client, int64_t now_ns) noexcept nogil:
        """Drop the line."""
        cdef uint8_t stage = client.stage
        if stage == GONE:
            return
        if client.fd >= 0:
            close(client.fd)
        client.fd = -1
        client.stage = GONE
        release(&client.outward)
        release(&client.message)
        self.tally.lost += 1
        if stage != OPEN:
            self.tally.in_flight -= 1
        self.gone(client, now_ns)

    # -- reading and writing -----------------------------------------------------

    cdef void _receive(self, Client* client) noexcept nogil:
        cdef ssize_t got = recv(client.fd, self._input, INPUT_BYTES, 0)
        cdef int64_t now_ns = monotonic_ns()
        cdef const char* at = self._input
        cdef size_t left, used
        if got <= 0:
            if got == 0 or (errno != EAGAIN and errno != EINTR):
                release(&client.inward)
                self.lose(client, now_ns)
            return
        self.tally.bytes_in += got
        left = got
        if client.inward.size:
            append(&client.inward, at, left)
            at = client.inward.at
            left = client.inward.size
        while left and client.fd >= 0:
            used = self.take(client, at, left, now_ns)
            if used == 0:
                break
            at += used
            left -= used
        cut(&client.inward, at, left if client.fd >= 0 else 0)

    cdef void send(self, Client* client, const char* at, size_t size) noexcept nogil:
        """Send, in order, whatever the kernel takes now and the rest later."""
        cdef ssize_t sent = 0
        if client.fd < 0:
            return
        self.tally.frames_out += 1
        self.tally.bytes_out += size
        if client.outward.size == 0:
            sent = max(csend(client.fd, at, size, MSG_NOSIGNAL), 0)
            if <size_t>sent == size:
                return
        append(&client.outward, at + sent, size - sent)
        self._want_out(client, True)

    cdef void _flush(self, Client* client) noexcept nogil:
        cdef ssize_t sent = csend(
            client.fd, client.outward.at, client.outward.size, MSG_NOSIGNAL
        )
        if sent <= 0:
            return
        cut(&client.outward, client.outward.at + sent, client.outward.size - sent)
        if client.outward.size == 0:
            self._want_out(client, False)

    cdef void _want_out(self, Client* client, bint wanted) noexcept nogil:
        cdef epoll_event event
        if client.wants_out == wanted:
            return
        client.wants_out = wanted
        event.events = EPOLLIN | EPOLLOUT if wanted else EPOLLIN
        event.data.u32 = client.index
        epoll_ctl(self._epoll, EPOLL_CTL_MOD, client.fd, &event)

    # -- what went wrong ---------------------------------------------------------

    cdef void fault(
        self, Client* client, const char* form, int64_t one, int64_t other
    ) noexcept nogil:
        """Note a violation; *form* may hold ``%lld`` twice."""
        cdef char* text = self._next_fault(client)
        if text != NULL:
            snprintf(text, FAULT_TEXT, form, <long long>one, <long long>other)

    cdef void fault_text(
        self, Client* client, const char* form, Slice text
    ) noexcept nogil:
        """Note a violation; *form* holds ``%.*s`` once."""
        cdef char* room = self._next_fault(client)
        if room != NULL:
            snprintf(room, FAULT_TEXT, form, <int>text.size, text.at)

    cdef char* _next_fault(self, Client* client) noexcept nogil:
        self._fault_count += 1
        if self._fault_count > FAULTS_MAX:
            return NULL
        self._faults[self._fault_count - 1].who = client.index
        return self._faults[self._fault_count - 1].text

    # -- for subclasses ----------------------------------------------------------

    cdef void connected(self, Client* client, int64_t now_ns) noexcept nogil:
        """The line is up; the client is GREETING."""

    cdef size_t take(
        self, Client* client, const char* at, size_t size, int64_t now_ns
    ) noexcept nogil:
        """Bytes came."""
        return size

    cdef void gone(self, Client* client, int64_t now_ns) noexcept nogil:
        """The line is down."""

    cdef void farewell(self, Client* client) noexcept nogil:
        """The line is about to be closed."""

    cdef int64_t on_time(self, int64_t now_ns) noexcept nogil:
        """Do what is due; return when something is due again."""
        return FAR_NS


cdef void sleep(int epoll, int64_t wait_ns) noexcept nogil:
    """Wait until *epoll* has an event, but no longer; epoll_wait knows milliseconds."""
    cdef pollfd watched
    cdef timespec wait
    if wait_ns <= 0:
        return
    watched.fd = epoll
    watched.events = POLLIN
    wait.tv_sec = wait_ns // NS_PER_S
    wait.tv_nsec = wait_ns % NS_PER_S
    ppoll(&watched, 1, &wait, NULL)


cdef str as_text(const char* text):
    return (<bytes>text).decode("utf-8", "replace")


def raise_open_files():
    """Let this process open as many files as it may ever; return how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def now_ns():
    """Return CLOCK_MONOTONIC, in nanoseconds."""
    return monotonic_ns()
