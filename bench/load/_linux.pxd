# What of the system's headers Cython itself does not bring.

from libc.stdint cimport uint16_t, uint32_t
from posix.time cimport timespec

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        uint32_t u32
    cdef struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_create1(int flags)
    int epoll_ctl(int epoll, int operation, int fd, epoll_event* event)
    int epoll_wait(int epoll, epoll_event* events, int most, int timeout_ms)
    int EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_MOD
    uint32_t EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP

cdef extern from "<poll.h>" nogil:
    cdef struct pollfd:
        int fd
        short events
    int ppoll(pollfd* fds, unsigned long count, const timespec* wait, const void* mask)
    short POLLIN

cdef extern from "<netinet/in.h>" nogil:
    cdef struct in_addr:
        uint32_t s_addr
    cdef struct sockaddr_in:
        uint16_t sin_family
        uint16_t sin_port
        in_addr sin_addr
    uint32_t htonl(uint32_t number)
    uint16_t htons(uint16_t number)
    int IPPROTO_IP, IPPROTO_TCP, IP_BIND_ADDRESS_NO_PORT

cdef extern from "<netinet/tcp.h>" nogil:
    int TCP_NODELAY

cdef extern from "<sys/socket.h>" nogil:
    int socket(int domain, int kind, int protocol)
    int bind(int fd, const void* address, uint32_t size)
    int connect(int fd, const void* address, uint32_t size)
    int setsockopt(int fd, int level, int name, const void* value, uint32_t size)
    int getsockopt(int fd, int level, int name, void* value, uint32_t* size)
    ssize_t csend "send"(int fd, const void* data, size_t size, int flags)
    ssize_t recv(int fd, void* data, size_t size, int flags)
    int AF_INET, SOCK_STREAM, SOCK_NONBLOCK, SOCK_CLOEXEC
    int SOL_SOCKET, SO_ERROR, MSG_NOSIGNAL

cdef extern from "<sys/prctl.h>" nogil:
    int prctl(int option, unsigned long value)
    int PR_SET_TIMERSLACK

cdef extern from "<string.h>" nogil:
    const char* memmem(
        const void* text, size_t size, const void* sought, size_t sought_size
    )
    const char* memrchr(const void* text, int sought, size_t size)
