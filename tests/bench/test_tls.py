"""Connecting over TLS: a real handshake, and everything that goes wrong is told."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.load.fleet import TooSlow
from bench.load.tickets import ACCEPT, Address, Ticket
from bench.load.tls import (
    Certificate,
    Connected,
    Order,
    carry_out,
    connect_all,
    connect_over_tls,
    join_over_tls,
    together,
)
from bench.scenarios.base import quiz_of
from bench.server import QuizServer

WELCOMED = (
    b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: %s\r\n\r\n" % ACCEPT
) + b'\x81\x20{"type":"welcome","payload":{}}x'
Script = Callable[[ssl.SSLSocket], None]


@contextmanager
def server(pair: Certificate, script: Script) -> Iterator[int]:
    """Serve one line at a time by *script*, over TLS; give the port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                line, _ = listening.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(line, server_side=True) as secure:
                    secure.recv(4096)
                    script(secure)
                    secure.recv(1)
            except OSError:
                continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def order(port: int, pair: Certificate, lines: int) -> Order:
    """Return the order to connect so many lines, all due now."""
    due_ns = [time.monotonic_ns()] * lines
    heads = [b"GET / HTTP/1.1\r\n\r\n"] * lines
    return Order("127.0.0.1", port, str(pair.certificate), heads, due_ns)


def connected(pair: Certificate, script: Script) -> Connected:
    """Return what connecting one line to *script* comes to."""
    with server(pair, script) as port:
        return together([asyncio.run(connect_all(order(port, pair, 1)))])


@pytest.fixture
def pair(tmp_path: Path) -> Certificate:
    """Return a certificate that is trusted."""
    return Certificate.made_in(tmp_path)


def test_a_welcome_is_the_end_of_connecting(pair: Certificate) -> None:
    """It may come in pieces; the time runs until the last of it."""

    def slowly(line: ssl.SSLSocket) -> None:
        for at in range(0, len(WELCOMED), 40):
            line.sendall(WELCOMED[at : at + 40])

    found = connected(pair, slowly)
    assert not found.violations
    assert found.latency.summary().count == found.lags.summary().count == 1


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", "refused"),
        (WELCOMED.replace(ACCEPT, b"another"), "refused"),
        (WELCOMED[:60], "the line ended"),
    ],
)
def test_what_is_no_welcome_is_a_violation(
    pair: Certificate, said: bytes, why: str
) -> None:
    """It has no time, and the reason is told."""

    def refuse(line: ssl.SSLSocket) -> None:
        line.sendall(said)
        line.shutdown(socket.SHUT_RDWR)

    found = connected(pair, refuse)
    assert found.violations.count == 1
    assert why in found.violations.texts[0]
    assert found.latency.summary().count == 0


def test_a_certificate_of_somebody_else_is_refused(
    pair: Certificate, tmp_path: Path
) -> None:
    """The handshake is a whole one, the server's name and key included."""
    (tmp_path / "other").mkdir()
    other = Certificate.made_in(tmp_path / "other")
    with server(pair, lambda line: line.sendall(WELCOMED)) as port:
        part = asyncio.run(connect_all(order(port, other, 1)))
    assert "CERTIFICATE_VERIFY_FAILED" in part.faults[0]


def test_clients_that_start_late_measure_nothing(pair: Certificate) -> None:
    """A schedule that has begun without them is no schedule."""
    with pytest.raises(TooSlow):
        carry_out(order(1, pair, 1))


def test_players_connect_to_quizd_over_tls(pair: Certificate) -> None:
    """They join, connect and are welcomed; a forged ticket is told."""
    settings = {"server.tls_certificate": pair.certificate, "server.tls_key": pair.key}
    with QuizServer(settings) as quizd:
        quiz_id = quizd.open(quiz_of(1, 1, {}))["quizId"]
        tickets = join_over_tls(quizd.address, quiz_id, 20, pair.certificate)
        tickets.append(Ticket(quiz_id, tickets[0].participant_id, "forged"))
        found = connect_over_tls(
            Address(quizd.address.host, quizd.address.port),
            tickets,
            pair.certificate,
            seconds=0.2,
            processes=2,
        )
    assert found.latency.summary().count == 20
    assert found.violations.count == 1
