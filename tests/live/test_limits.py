"""Who is slow, dead or too many: bounded, told by name, and nobody else's loss."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import IPv4Address
from operator import le
from pathlib import Path
from ssl import SSLContext, create_default_context
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.live.bad_messages import said
from tests.live.conftest import Start
from tests.live.quizzes import quiz
from tests.support import frames as ws
from tests.support.contract import check_server_message
from tests.support.raw import Raw, target, upgrade
from tests.support.scrape import metric, until
from tests.support.server import Server
from tests.support.socket_player import Player

Ticket = dict[str, Any]

MIB = 1 << 20
PLAYERS = 40
SLOW = 4
TRIES = 5
ASKS = ws.text(said("get_leaderboard"))
UNLIMITED = {"limits__messages_per_s": 100_000, "limits__message_burst": 100_000}


def resident_bytes(pid: int) -> int:
    """Return how much memory a process has in use."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


async def joined(server: Server, quiz_id: str, count: int) -> list[Ticket]:
    """Return *count* tickets."""
    tickets = []
    async with server.api() as api:
        for number in range(count):
            body = {"participantName": f"Player {number:03} of a long and shown name"}
            answer = await api.post(f"/quizzes/{quiz_id}/join", json=body)
            tickets.append(answer.raise_for_status().json())
    return tickets


@asynccontextmanager
async def deaf(server: Server, ticket: Ticket) -> AsyncIterator[Raw]:
    """Connect as one who takes nothing from the line after the welcome."""
    async with Raw.to(server.port, receive_bytes=4096) as raw:
        await raw.upgraded(upgrade(target(ticket)))
        await raw.message("welcome")
        raw.stop_reading()
        yield raw


# -- slow consumers ----------------------------------------------------------------


async def test_who_never_reads_is_cut_and_costs_little(start: Start) -> None:
    """One in ten reads nothing: closed at the bound, and all others have everything.

    Memory stays bounded while those ask for far more than they take.
    """
    server = await start(limits__output_bytes=8192, **UNLIMITED)
    opened = await server.open_quiz(quiz())
    tickets = await joined(server, opened["quizId"], PLAYERS)
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(Player.of(opened))
        slow = [
            await stack.enter_async_context(deaf(server, ticket))
            for ticket in tickets[:SLOW]
        ]
        players = [
            await stack.enter_async_context(Player.of(ticket))
            for ticket in tickets[SLOW:]
        ]
        await host.say("host_start")
        before_bytes = resident_bytes(server.pid)
        for raw in slow:
            raw.send(ASKS * 10_000)
        for player in players:
            await player.next("new_question")
            await player.answer("q1", "run")
            await player.next("answer_result")
        await until(server, "quizd_edge_slow_closed_total", lambda n: n >= SLOW)
        assert resident_bytes(server.pid) - before_bytes < 16 * MIB
        await host.say("host_next")
        for player in players:
            you = (await player.next("question_closed"))["you"]
            assert (you["rank"], you["of"]) == (1, PLAYERS)
            assert player.seqs == [1, 2, 3]
        left = PLAYERS - SLOW + 1
        await until(server, "quizd_edge_connections", lambda n: n == left)


async def test_who_wakes_up_in_time_reads_why(start: Start) -> None:
    """After all that was sent before comes the close frame with 4008.

    On a machine that is busy it may be too late for that, and is tried again.
    """
    server = await start(limits__output_bytes=4096, **UNLIMITED)
    opened = await server.open_quiz(quiz())
    (ticket,) = await joined(server, opened["quizId"], 1)
    for times in range(1, TRIES + 1):
        async with deaf(server, ticket) as raw:
            raw.send(ASKS * 30_000)
            await until(server, "quizd_edge_slow_closed_total", partial(le, times))
            raw.go_on_reading()
            with suppress(EOFError):
                assert (await raw.close_frame()).code == 4008
                return
    pytest.fail("nobody was told")


async def test_latest_values_are_replaced_for_who_is_slow(start: Start) -> None:
    """Of boards that a slow reader has not had only the newest waits, of others all."""
    server = await start(limits__output_bytes=MIB, **UNLIMITED)
    opened = await server.open_quiz(quiz())
    tickets = await joined(server, opened["quizId"], 6)
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(Player.of(opened))
        raw = await stack.enter_async_context(deaf(server, tickets[0]))
        viewer, *players = [
            await stack.enter_async_context(Player.of(ticket)) for ticket in tickets[1:]
        ]
        asked = 0
        while await metric(server, "quizd_edge_frames_queued_total") == 0:
            raw.send(ASKS * 200)
            asked += 200
            await raw.drain()
            await viewer.pulse()
        await host.say("host_start")
        for player in players:
            await player.next("new_question")
            await player.answer("q1", "run")
            await viewer.message("leaderboard_changed")
        await host.say("host_next")
        newest = await viewer.message("question_closed")
        assert await metric(server, "quizd_edge_frames_replaced_total") >= 1
        raw.go_on_reading()
        boards, seqs = await told(raw, newest["seq"])
        assert seqs == [1, 2, 3]
        assert boards < len(viewer.of_kind("leaderboard_changed"))


async def told(raw: Raw, last: int) -> tuple[int, list[int]]:
    """Read up to broadcast *last*; return how many boards came, and the numbers."""
    boards, seqs = 0, []
    while last not in seqs:
        frame = await raw.frame()
        message = ws_message(frame)
        boards += message["type"] == "leaderboard_changed"
        seqs += [message["seq"]] if "seq" in message else []
    return boards, seqs


def ws_message(frame: ws.Frame) -> dict[str, Any]:
    """Return the message in *frame*, held to the contract."""
    return check_server_message(frame.payload)


# -- the dead ----------------------------------------------------------------------


async def test_dead_peer_is_given_up(start: Start) -> None:
    """A ping, time to answer, the end; who answers stays."""
    server = await start(timeouts__ping_interval_s=1, timeouts__pong_timeout_s=1)
    opened = await server.open_quiz(quiz())
    dead, alive, quiet = await joined(server, opened["quizId"], 3)
    async with AsyncExitStack() as stack:
        player = await stack.enter_async_context(Player.of(alive))
        raws = []
        for ticket in (dead, quiet):
            raw = await stack.enter_async_context(Raw.to(server.port))
            await raw.upgraded(upgrade(target(ticket)))
            await raw.message("welcome")
            raws.append(raw)
        silent, answering = raws
        for _ in range(2):
            answering.send(ws.frame(ws.PONG, (await ping(answering)).payload))
        assert (await ping(silent)).opcode == ws.PING
        await silent.ended()
        await until(server, "quizd_edge_dead_connections_total", lambda n: n >= 1)
        await player.pulse()
        answering.send(ws.text(said("heartbeat")))
        await answering.message("heartbeat")
        assert await metric(server, "quizd_edge_connections") == 2


async def ping(raw: Raw) -> ws.Frame:
    """Return the next ping; messages before it are passed over."""
    while (frame := await raw.frame()).opcode != ws.PING:
        ws_message(frame)
    return frame


# -- too many ----------------------------------------------------------------------


async def test_ceiling_of_connections(start: Start) -> None:
    """503 and when to come back; with the first who leaves there is room again."""
    server = await start(limits__connections=2)
    opened = await server.open_quiz(quiz())
    tickets = await joined(server, opened["quizId"], 3)
    async with Player.of(tickets[0]) as first:
        async with Player.of(tickets[1]) as second:
            await first.next("welcome")
            await second.next("welcome")
            for _ in range(3):
                async with Raw.to(server.port) as raw:
                    raw.send(upgrade(target(tickets[2])))
                    answer = await raw.answer()
                    assert answer.status == 503
                    assert 2 <= int(answer.headers["retry-after"]) <= 8
                    await raw.ended()
            async with server.api() as api:
                assert (await api.get(f"{server.url}/livez")).status_code == 200
        await until(server, "quizd_edge_connections", lambda n: n < 2)
        async with Player.of(tickets[2]) as third:
            await third.next("welcome")
        assert first.is_open


# -- the end of the server ---------------------------------------------------------


async def test_graceful_stop_says_goodbye(start: Start) -> None:
    """``reconnect`` with a delay within the drain time, then 1001; nobody new."""
    server = await start(timeouts__drain_s=0.5)
    opened = await server.open_quiz(quiz())
    tickets = await joined(server, opened["quizId"], 20)
    async with AsyncExitStack() as stack:
        players = [
            await stack.enter_async_context(Player.of(ticket))
            for ticket in [opened, *tickets]
        ]
        for player in players:
            await player.next("welcome")
        stopping = asyncio.create_task(server.stop())
        delays_ms = [(await each.next("reconnect"))["afterMs"] for each in players]
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection("127.0.0.1", server.port)
        assert [await each.closed() for each in players] == [1001] * len(players)
        await stopping
    assert all(0 <= delay <= 500 for delay in delays_ms)
    assert len(set(delays_ms)) > 5
    assert server.log[-1]["event"] == "stopped"
    assert [event for event in server.log if event["level"] == "error"] == []


async def test_stop_does_not_wait_where_nobody_is(start: Start) -> None:
    """An hour to drain is no hour for an empty server."""
    server = await start(timeouts__drain_s=3600)
    assert await metric(server, "quizd_edge_connections") == 0
    await server.stop()
    assert server.log[-1]["event"] == "stopped"


# -- TLS ---------------------------------------------------------------------------


class TlsServer(Server):
    """A server with a certificate of its own."""

    def __init__(self, folder: Path) -> None:
        self.certificate, key = folder / "cert.pem", folder / "key.pem"
        write_certificate(self.certificate, key)
        files = {"server.tls_certificate": self.certificate, "server.tls_key": key}
        super().__init__(folder / "data", {**files, "timeouts.handshake_s": 1})

    @property
    def url(self) -> str:
        """Where REST is."""
        return super().url.replace("http:", "https:")

    @property
    def trust(self) -> SSLContext:
        """What a client needs to trust it."""
        return create_default_context(cafile=str(self.certificate))

    def api(self, token: str = "") -> httpx.AsyncClient:
        """Return a client of the REST interface."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        base = f"{self.url}/api/v1"
        return httpx.AsyncClient(base_url=base, headers=headers, verify=self.trust)


def write_certificate(certificate: Path, key_file: Path) -> None:
    """Write a key and a certificate for 127.0.0.1 and localhost that it signs."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
    from_day = datetime(2020, 1, 1, tzinfo=UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(from_day)
        .not_valid_after(from_day + timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    certificate.write_bytes(signed.public_bytes(pem))
    key_file.write_bytes(
        key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


async def test_everything_over_tls(tmp_path: Path) -> None:
    """Both https and wss on the one port; what is not TLS is not waited for."""
    async with TlsServer(tmp_path) as server, AsyncExitStack() as stack:
        opened = await server.open_quiz(quiz())
        assert opened["wsUrl"].startswith("wss://")
        tickets = await joined(server, opened["quizId"], 3)
        host = await stack.enter_async_context(Player.of(opened, ssl=server.trust))
        players = [
            await stack.enter_async_context(Player.of(ticket, ssl=server.trust))
            for ticket in tickets
        ]
        await host.say("host_start")
        for player in players:
            await player.next("new_question")
            await player.answer("q1", "run")
            assert (await player.next("answer_result"))["correct"] is True
        for player in players:
            await player.next("question_closed")
            assert player.seqs == [1, 2, 3]
        async with Raw.to(server.port) as plain:
            plain.send(upgrade(target(tickets[0])))
            await plain.ended()
        async with Raw.to(server.port) as silent:
            await silent.ended()
        await players[0].pulse()
        assert [event for event in server.log if event["level"] == "error"] == []


async def test_tls_in_any_pieces(tmp_path: Path) -> None:
    """The head byte by byte, each in a record of its own, and a frame behind it."""
    async with TlsServer(tmp_path) as server:
        opened = await server.open_quiz(quiz())
        (ticket,) = await joined(server, opened["quizId"], 1)
        async with Raw.to(server.port, tls=server.trust) as raw:
            await raw.drip(upgrade(target(ticket)) + ws.text(said("heartbeat")))
            assert (await raw.answer()).status == 101
            await raw.message("heartbeat")
            raw.send(ws.close(1000))
            assert (await raw.close_frame()).code == 1000
