"""One round of a fan-out with nothing but ``send``: one call per socket, in a row.

Owns nothing: the sockets are somebody else's, non-blocking, and stay open meanwhile.
"""

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stddef cimport size_t
from posix.time cimport (
    CLOCK_MONOTONIC,
    CLOCK_THREAD_CPUTIME_ID,
    clock_gettime,
    clockid_t,
    timespec,
)


cdef extern from "<sys/socket.h>" nogil:
    ssize_t send(int socket, const void* data, size_t size, int flags)
    int MSG_NOSIGNAL
    int MSG_DONTWAIT


cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
    int poll(pollfd* sockets, unsigned long count, int timeout_ms)
    int POLLOUT


cdef enum:
    PATIENCE_MS = 10_000


cdef struct Tally:
    long long waits
    long long lost


cdef long long now_ns(clockid_t clock) noexcept nogil:
    cdef timespec now
    clock_gettime(clock, &now)
    return <long long>now.tv_sec * 1_000_000_000 + now.tv_nsec


cdef bint send_rest(
    int socket, const char* data, size_t size, ssize_t sent, Tally* tally
) noexcept nogil:
    """Go on where *sent* bytes went, or an error came; tell whether all has gone."""
    cdef pollfd writable
    cdef size_t done = 0
    writable.fd = socket
    writable.events = <short>POLLOUT
    while True:
        if sent >= 0:
            done += <size_t>sent
            if done == size:
                return True
        elif errno == EAGAIN:
            tally.waits += 1
            if poll(&writable, 1, PATIENCE_MS) <= 0:
                return False
        elif errno != EINTR:
            return False
        sent = send(socket, data + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT)


def send_round(
    const int[::1] sockets not None,
    size_t first,
    const unsigned char[::1] frames not None,
    size_t size,
    size_t stride,
):
    """Send to all *sockets* in order, from *first* on and around; return the times.

    Socket i gets the *size* bytes of *frames* at ``i * stride``: 0 is one frame for
    everybody. A socket whose buffer is full is waited for, up to 10 s. Return
    ``(started_ns, wall_ns, cpu_ns, waits, lost)``: the start by CLOCK_MONOTONIC, the
    CPU time of this thread, how often a buffer was full, and how many sockets took no
    whole frame. Raises ``ValueError`` where *frames* is too short.
    """
    cdef size_t count = sockets.shape[0]
    cdef size_t at
    cdef ssize_t sent
    cdef long long started_ns, wall_ns, cpu_ns
    cdef const char* data
    cdef Tally tally = Tally(0, 0)
    if count and (count - 1) * stride + size > <size_t>frames.shape[0]:
        raise ValueError("frames are too short")
    data = <const char*>&frames[0]
    with nogil:
        started_ns = now_ns(CLOCK_MONOTONIC)
        cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID)
        at = first
        for _ in range(count):
            if at == count:
                at = 0
            sent = send(
                sockets[at], data + at * stride, size, MSG_NOSIGNAL | MSG_DONTWAIT
            )
            if sent != <ssize_t>size and not send_rest(
                sockets[at], data + at * stride, size, sent, &tally
            ):
                tally.lost += 1
            at += 1
        cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns
        wall_ns = now_ns(CLOCK_MONOTONIC) - started_ns
    return started_ns, wall_ns, cpu_ns, tally.waits, tally.lost
