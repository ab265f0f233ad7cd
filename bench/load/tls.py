"""Connecting over TLS: the handshake, the upgrade, and the welcome.

The compiled clients speak no TLS. This one figure takes uvloop and OpenSSL in a few
processes instead, by the same open-loop schedule: a line is begun when it is due,
however many others are still waiting, and counts from there.
"""

import asyncio
import ipaddress
import ssl
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection
from multiprocessing import get_context
from pathlib import Path
from typing import cast
from urllib.parse import quote

import orjson
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bench.histogram import Histogram
from bench.load._core import raise_open_files
from bench.load.fleet import FAULTS_MAX, TooSlow, Violations
from bench.load.tickets import ACCEPT, Address, Ticket, game_head

LOOPBACK = "127.0.0.1"
BEGIN_S = 3.0
PATIENCE_S = 30.0
NS_PER_S = 1_000_000_000
END_OF_HEAD = b"\r\n\r\n"
WELCOME = b'"type":"welcome"'
VALID = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key, PEM files."""

    certificate: Path
    key: Path

    @classmethod
    def made_in(cls, folder: Path) -> "Certificate":
        """Make a self-signed one for 127.0.0.1, with a key on P-256."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = cls(folder / "certificate.pem", folder / "key.pem")
        made.certificate.write_bytes(
            signed(key).public_bytes(serialization.Encoding.PEM)
        )
        made.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return made


def signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """Return a certificate of *key* for 127.0.0.1, signed by itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "quizd bench")])
    now = datetime.now(UTC)  # noqa: TID251 - of this machine, as the peers check it
    address = x509.IPAddress(ipaddress.ip_address(LOOPBACK))
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - VALID)
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )


def join_over_tls(
    address: Address, quiz: str, players: int, trusted: Path
) -> list[Ticket]:
    """Let so many players join over one line, and return their tickets.

    Raises ``RuntimeError`` where one is refused.
    """
    context = ssl.create_default_context(cafile=str(trusted))
    line = HTTPSConnection(
        address.host, address.port, timeout=PATIENCE_S, context=context
    )
    path = f"/api/v1/quizzes/{quote(quiz, safe='')}/join"
    with closing(line):
        return [joined(line, path, f"Player {number}") for number in range(players)]


def joined(line: HTTPSConnection, path: str, name: str) -> Ticket:
    """Let one player join; raise ``RuntimeError`` where that is refused."""
    body = orjson.dumps({"participantName": name})
    line.request("POST", path, body, {"content-type": "application/json"})
    response = line.getresponse()
    text = response.read()
    if response.status != 200:
        raise RuntimeError(f"a join got {response.status}: {text[:200]!r}")
    return Ticket.of(text)


# -- connecting ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Order:
    """One process's part: what to send, and when each line is due."""

    host: str
    port: int
    trusted: str
    heads: Sequence[bytes]
    due_ns: Sequence[int]


@dataclass(slots=True)
class Part:
    """What one process saw: nanoseconds, and what went wrong."""

    latencies_ns: list[int] = field(default_factory=list)
    lags_ns: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Connected:
    """*latency* from when a connect was due to its welcome; *lags* to its beginning."""

    latency: Histogram
    lags: Histogram
    violations: Violations


class Line(asyncio.Protocol):
    """One player: sends the head, and waits for the upgrade and the welcome."""

    def __init__(self, head: bytes) -> None:
        self.welcomed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._head = head
        self._text = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade: the handshake is done."""
        cast("asyncio.Transport", transport).write(self._head)

    def data_received(self, data: bytes) -> None:
        """Look for the welcome."""
        if self.welcomed.done():
            return
        self._text += data
        answer, ended, rest = self._text.partition(END_OF_HEAD)
        if ended and not (answer.startswith(b"HTTP/1.1 101") and ACCEPT in answer):
            self._fail(f"refused: {answer[:80]!r}")
        elif WELCOME in rest:
            self.welcomed.set_result(time.monotonic_ns())

    def connection_lost(self, exc: Exception | None) -> None:
        """Note it, where there was no welcome."""
        if not self.welcomed.done():
            self._fail(f"the line ended: {exc}")

    def _fail(self, why: str) -> None:
        self.welcomed.set_exception(ConnectionError(why))


def connect_over_tls(
    address: Address,
    tickets: Sequence[Ticket],
    trusted: Path,
    *,
    seconds: float,
    processes: int,
) -> Connected:
    """Connect the owners of *tickets*, evenly within *seconds*; hold until all are in.

    Raises :class:`TooSlow` where the processes don't start in time.
    """
    begin_ns = time.monotonic_ns() + round(BEGIN_S * NS_PER_S)
    gap_ns = seconds * NS_PER_S / max(len(tickets), 1)
    # Dealt out in turn, so that all processes are busy all the time.
    dealt = [range(first, len(tickets), processes) for first in range(processes)]
    orders = [
        Order(
            address.host,
            address.port,
            str(trusted),
            [game_head(address, tickets[number]) for number in numbers],
            [begin_ns + round(number * gap_ns) for number in numbers],
        )
        for numbers in dealt
    ]
    with get_context("spawn").Pool(processes) as pool:
        return together(pool.map(carry_out, orders, chunksize=1))


def together(parts: Iterable[Part]) -> Connected:
    """Return the parts as one."""
    found = list(parts)
    faults = [text for part in found for text in part.faults]
    return Connected(
        Histogram.of(ns for part in found for ns in part.latencies_ns),
        Histogram.of(ns for part in found for ns in part.lags_ns),
        Violations(len(faults), tuple(faults[:FAULTS_MAX])),
    )


def carry_out(order: Order) -> Part:
    """Do one process's part; raise :class:`TooSlow` where it is due already."""
    raise_open_files()
    if order.due_ns and time.monotonic_ns() > order.due_ns[0]:
        raise TooSlow("the clients took too long to start")
    return uvloop.run(connect_all(order))


async def connect_all(order: Order) -> Part:
    """Connect each line when it is due, then close all."""
    context = ssl.create_default_context(cafile=order.trusted)
    part, lines, open_ones = Part(), [], []
    for head, due_ns in zip(order.heads, order.due_ns, strict=True):
        await asyncio.sleep(max(due_ns - time.monotonic_ns(), 0) / NS_PER_S)
        part.lags_ns.append(time.monotonic_ns() - due_ns)
        lines.append(asyncio.create_task(one(order, context, head)))
    for due_ns, line in zip(order.due_ns, lines, strict=True):
        try:
            welcomed_ns, transport = await line
        except (OSError, TimeoutError) as error:
            part.faults.append(f"connecting over TLS: {error!r}")
        else:
            part.latencies_ns.append(welcomed_ns - due_ns)
            open_ones.append(transport)
    for transport in open_ones:
        transport.abort()
    return part


async def one(
    order: Order, context: ssl.SSLContext, head: bytes
) -> tuple[int, asyncio.Transport]:
    """Connect one line; return when it was welcomed, and the line itself."""
    async with asyncio.timeout(PATIENCE_S):
        transport, line = await asyncio.get_running_loop().create_connection(
            lambda: Line(head), order.host, order.port, ssl=context
        )
        return await line.welcomed, transport
