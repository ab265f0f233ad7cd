"""Many requests over a few lines: all are answered, or it is said why not."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.load._http import Requests
from bench.load.tickets import Address, join_requests, post

SLICE_S = 0.01
SLICES_MAX = 300
TOTAL = 40


class Answers(socketserver.StreamRequestHandler):
    """Answers each request with its own body, in the server's way."""

    server: "Server"

    def handle(self) -> None:
        """Answer until the client or the server's habit ends the line."""
        for _ in range(self.server.requests_a_line):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = self.rfile.readline()
                if not line:  # the client has left
                    return
                head += line
            size = int(head.lower().partition(b"content-length:")[2].split()[0])
            body = self.rfile.read(size)
            answer = self.server.form % {b"size": size, b"body": body}
            step = self.server.bytes_at_once or len(answer) or 1
            for at in range(0, len(answer), step):
                self.wfile.write(answer[at : at + step])


class Server(socketserver.ThreadingTCPServer):
    """Answers by *form*; a line ends after so many requests."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, form: bytes, requests_a_line: int, bytes_at_once: int) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.form = form
        self.requests_a_line = requests_a_line
        self.bytes_at_once = bytes_at_once


GOOD = b"HTTP/1.1 201 Created\r\nContent-Length: %(size)d\r\n\r\n%(body)s"


@contextmanager
def serving(
    form: bytes = GOOD, requests_a_line: int = 1000, bytes_at_once: int = 0
) -> Iterator[Address]:
    """Serve in a thread; return where."""
    with Server(form, requests_a_line, bytes_at_once) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Address("127.0.0.1", server.server_address[1])
        server.shutdown()
        thread.join()


def asked(address: Address, per_second: float = 0) -> Requests:
    """Return what came of asking all there is to ask."""
    texts = [post(address, "/", {"number": number}) for number in range(TOTAL)]
    requests = Requests(address.host, address.port, texts, lines=3)
    requests.ask(per_second)
    for _ in range(SLICES_MAX):
        counters = requests.counters()
        if counters["answered"] == TOTAL or counters["faults"]:
            break
        requests.run(SLICE_S)
    requests.close()
    return requests


RIGHT = [(201, b'{"number":%d}' % number) for number in range(TOTAL)]


@pytest.mark.parametrize("bytes_at_once", [0, 1])
def test_every_request_gets_its_own_response(bytes_at_once: int) -> None:
    """Responses belong to their requests, however the stream is cut."""
    with serving(bytes_at_once=bytes_at_once) as address:
        requests = asked(address)
    assert requests.responses() == RIGHT
    assert requests.latencies.total == TOTAL
    assert requests.violations() == []


def test_a_line_that_ends_is_replaced() -> None:
    """A server may close a line after each response, if it says so."""
    closing = GOOD.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    with serving(closing, requests_a_line=1) as address:
        requests = asked(address)
    assert requests.responses() == RIGHT
    assert requests.violations() == []
    assert requests.counters()["lost"] >= TOTAL


def test_requests_keep_to_their_schedule() -> None:
    """The last of 40 at 200 a second is due after 195 ms, and not asked before."""
    with serving() as address:
        requests = asked(address, per_second=200)
    assert requests.responses() == RIGHT
    assert 0.195e9 <= requests.last_ns - requests.first_ns < 1e9


@pytest.mark.parametrize(
    ("form", "complaint"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n%(body)s", "without Content-Length"),
        (b"SMTP\r\nContent-Length: %(size)d\r\n\r\n%(body)s", "without"),
        (GOOD + GOOD, "a response to nothing"),
    ],
    ids=["no length", "not HTTP", "two responses"],
)
def test_a_wrong_response_is_complained_of(form: bytes, complaint: str) -> None:
    """What can't be a response to the request is a violation."""
    with serving(form) as address:
        requests = asked(address)
    assert complaint in requests.violations()[0][1]


def test_a_request_without_a_response_is_complained_of() -> None:
    """A line that ends instead of answering is a violation, and no response."""
    with serving(b"", requests_a_line=1) as address:
        requests = asked(address)
    assert "under way" in requests.violations()[0][1]
    assert (0, b"") in requests.responses()


def test_a_server_that_is_not_there_is_complained_of() -> None:
    """Nobody listening is a violation of each line, and no endless loop."""
    with serving() as address:
        pass
    requests = asked(address)
    assert {text for _, text in requests.violations()} == {
        "connecting failed with errno 111"
    }


def test_joins_name_the_quiz_and_the_player() -> None:
    """Quiz addresses are quoted for the path, names are JSON."""
    (request,) = join_requests(Address("quiz.example", 81), "eu/1 2", ["Zoë"])
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /api/v1/quizzes/eu%2F1%202/join HTTP/1.1\r\n")
    assert b"\r\nHost: quiz.example:81\r\n" in head
    assert body == '{"participantName":"Zoë"}'.encode()
