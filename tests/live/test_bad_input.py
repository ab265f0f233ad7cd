"""Whatever one client does wrong costs that client something, and nobody else anything.

One server, one open question and fifty innocent players are behind all tests of this
file. Each test does one thing wrong and holds the server to the exact answer; the last
ones hold it to what the innocent players have seen meanwhile.
"""

import asyncio
import ssl
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from tests.live import bad_messages as bad
from tests.live.arena import BURST, INNOCENT, POINTS, Arena, Ticket
from tests.live.bad_frames import GOOD_ROWS, ROWS
from tests.live.bad_messages import Row, said
from tests.support import frames as ws
from tests.support.frames import PING, PONG
from tests.support.raw import request, target, upgrade
from tests.support.scrape import metric, until
from tests.support.socket_player import Player

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE = 200


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Arena]:
    """Open the arena, once for this file."""
    async with Arena.opened(tmp_path_factory.mktemp("arena")) as opened:
        yield opened


# -- messages ----------------------------------------------------------------------

PLAYER_ROWS = {
    **bad.JSON_ROWS,
    **bad.ENVELOPE_ROWS,
    **bad.ANSWER_ROWS,
    **bad.COMMAND_ROWS,
}


async def hold_to_row(player: Player, row: Row) -> None:
    """Send the row's message: one error comes back, and the next message is served."""
    message, (reason, details) = row
    before = len(player.of_kind("error"))
    await player.say_raw(message)
    error = await player.next("error")
    assert (error["reason"], error["details"]) == (reason, details)
    await player.pulse()
    assert len(player.of_kind("error")) == before + 1


@pytest.mark.parametrize("row", PLAYER_ROWS.values(), ids=PLAYER_ROWS.keys())
async def test_wrong_message_is_an_error(arena: Arena, row: Row) -> None:
    """It names the reason and the field, and changes nothing."""
    async with arena.mallory() as player:
        await hold_to_row(player, row)


@pytest.mark.parametrize(
    "row", bad.MULTIPLE_ROWS.values(), ids=bad.MULTIPLE_ROWS.keys()
)
async def test_wrong_choice_of_several_is_an_error(arena: Arena, row: Row) -> None:
    """Where several options may be chosen, the list is looked at."""
    async with arena.mallory(arena.other) as player:
        await hold_to_row(player, row)


@pytest.mark.parametrize("row", bad.HOST_ROWS.values(), ids=bad.HOST_ROWS.keys())
async def test_hosts_wrong_message_is_an_error(arena: Arena, row: Row) -> None:
    """A host plays not, and a command is looked at before it is obeyed."""
    async with Player.of(arena.quiz) as host:
        await hold_to_row(host, row)


# -- frames ------------------------------------------------------------------------


@pytest.mark.parametrize(("data", "code"), ROWS.values(), ids=ROWS.keys())
async def test_wrong_frame_closes_its_connection(
    arena: Arena, data: bytes, code: int
) -> None:
    """With the code that RFC 6455 has for it, and then the line ends."""
    async with arena.raw_mallory() as raw:
        raw.send(data)
        frame = await raw.close_frame()
        assert frame.code == code
        raw.send(ws.close(code))
        await raw.ended()


@pytest.mark.parametrize("data", GOOD_ROWS.values(), ids=GOOD_ROWS.keys())
async def test_unusual_frame_is_served(arena: Arena, data: bytes) -> None:
    """What the standard allows is understood, however rare it is."""
    async with arena.raw_mallory() as raw:
        raw.send(data)
        await raw.message("heartbeat")


@pytest.mark.parametrize("row", ["parts", "ping-between-parts", "exactly-the-bound"])
async def test_unusual_frame_is_served_byte_by_byte(arena: Arena, row: str) -> None:
    """However the network cuts it."""
    async with arena.raw_mallory() as raw:
        await raw.drip(GOOD_ROWS[row])
        await raw.message("heartbeat")


@pytest.mark.parametrize("size", [0, 1, 125])
async def test_ping_is_answered(arena: Arena, size: int) -> None:
    """With a pong of the same payload."""
    async with arena.raw_mallory() as raw:
        raw.send(ws.frame(PING, b"p" * size))
        while (frame := await raw.frame()).opcode != PONG:
            assert frame.opcode == ws.TEXT
        assert frame.payload == b"p" * size


FLOODS = {
    "messages": ws.text(said("heartbeat")),
    "nonsense": ws.text("x"),
    "answers": ws.text(bad.answer(selectedOption="jump")),
    "pings": ws.frame(PING, b"x"),
    "pongs": ws.frame(PONG),
    "empty-parts": b"",
}


@pytest.mark.parametrize("one", FLOODS.values(), ids=FLOODS.keys())
async def test_flood_is_told_once_and_then_cut(arena: Arena, one: bytes) -> None:
    """Over the budget: one error, silence, and 4029 for whoever goes on."""
    async with arena.raw_mallory() as raw:
        data = one * (BURST + PATIENCE + 5)
        if not one:
            data = ws.text(b"", fin=False) + ws.frame(0, fin=False) * (BURST + 5)
        raw.send(data)
        refusals = []
        while (frame := await raw.frame()).opcode != ws.CLOSE:
            if b'"rate_limited"' in frame.payload:
                refusals.append(frame)
        assert len(refusals) == 1
        assert frame.code == 4029


# -- tokens ------------------------------------------------------------------------

Forge = Callable[[Arena, Ticket], dict[str, object]]


def flipped(token: str, bit: int) -> str:
    """Return *token* with one bit of what it encodes turned round."""
    raw = bytearray(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[bit // 8 % len(raw)] ^= 1 << bit % 8
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


TOKEN_ROWS: dict[str, tuple[Forge, int]] = {
    "missing": (lambda _, __: {"token": None}, 4001),
    "empty": (lambda _, __: {"token": ""}, 4001),
    "garbage": (lambda _, __: {"token": "let-me-in"}, 4001),
    "long": (lambda _, __: {"token": "A" * 8000}, 4001),
    "percent": (lambda _, __: {"token": "%00%ff%zz"}, 4001),
    "truncated": (lambda _, own: {"token": own["token"][:-3]}, 4001),
    "doubled": (lambda _, own: {"token": own["token"] * 2}, 4001),
    **{
        f"bit-{bit}-flipped": (
            lambda _, own, bit=bit: {"token": flipped(own["token"], bit)},  # type: ignore[misc]
            4001,
        )
        for bit in (0, 7, 8, 39, 40, 71, 72, 199, 200, 327)
    },
    "expired": (
        lambda arena, own: {"token": arena.token(own["sessionId"], 0, age_s=3600)},
        4001,
    ),
    "expired-long-ago": (
        lambda arena, own: {"token": arena.token(own["sessionId"], 0, age_s=10**8)},
        4001,
    ),
    "of-another-server": (
        lambda arena, own: {
            "token": arena.token(own["sessionId"], 0, secret=b"?" * 32)
        },
        4001,
    ),
    "unknown-participant": (
        lambda arena, own: {"token": arena.token(own["sessionId"], 10**6)},
        4001,
    ),
    "unknown-session": (
        lambda arena, _: {"token": arena.token("0123456789abcdef", 0)},
        4004,
    ),
    "of-somebody-else": (
        lambda arena, own: {"token": arena.token(own["sessionId"], 0)},
        4003,
    ),
    "of-another-session": (
        lambda arena, _: {"token": arena.token(arena.other["sessionId"], 0)},
        4003,
    ),
    "hosts-of-another-quiz": (
        lambda arena, _: {"token": arena.other["hostToken"]},
        4003,
    ),
}


@pytest.mark.parametrize(("forge", "code"), TOKEN_ROWS.values(), ids=TOKEN_ROWS.keys())
async def test_wrong_token_is_told_by_a_close_code(
    arena: Arena, forge: Forge, code: int
) -> None:
    """The upgrade is done, and nothing comes but the close frame with the reason."""
    ticket = await arena.join()
    async with arena.knock() as raw:
        await raw.upgraded(upgrade(target(ticket, **forge(arena, ticket))))
        frame = await raw.frame()
        assert (frame.opcode, frame.code) == (ws.CLOSE, code)
        assert frame.payload[2:]
        raw.send(ws.close(code))
        await raw.ended()


async def test_own_token_made_here_opens(arena: Arena) -> None:
    """The tokens of these tests are refused for what is wrong with them alone."""
    ticket = await arena.join()
    index = len(arena.joined) - 1
    async with arena.knock() as raw:
        token = arena.token(ticket["sessionId"], index)
        await raw.upgraded(upgrade(target(ticket, token=token)))
        await raw.message("welcome")


# -- handshakes --------------------------------------------------------------------

HTTP_ROWS: dict[str, tuple[Callable[[str], bytes], int]] = {
    "other-origin": (lambda to: upgrade(to, "Origin: https://evil.example"), 403),
    "null-origin": (lambda to: upgrade(to, "Origin: null"), 403),
    "empty-origin": (lambda to: upgrade(to, "Origin:"), 403),
    "broken-origin": (lambda to: upgrade(to, "Origin: http://["), 403),
    "listed-origin-and-more": (
        lambda to: upgrade(to, "Origin: https://school.example.org.evil.example"),
        403,
    ),
    "listed-origin-other-scheme": (
        lambda to: upgrade(to, "Origin: http://school.example.org"),
        403,
    ),
    "no-upgrade": (request, 400),
    "no-upgrade-header": (lambda to: upgrade(to, leaving_out="Upgrade"), 400),
    "no-connection": (lambda to: upgrade(to, leaving_out="Connection"), 400),
    "keep-alive-only": (lambda to: upgrade(to, "Connection: keep-alive"), 400),
    "upgrade-to-h2c": (lambda to: upgrade(to, "Upgrade: h2c"), 400),
    "no-key": (lambda to: upgrade(to, leaving_out="Sec-WebSocket-Key"), 400),
    "short-key": (lambda to: upgrade(to, "Sec-WebSocket-Key: c2hvcnQ="), 400),
    "key-not-base64": (
        lambda to: upgrade(to, "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!!!"),
        400,
    ),
    "no-version": (lambda to: upgrade(to, leaving_out="Sec-WebSocket-Version"), 400),
    "version-12": (lambda to: upgrade(to, "Sec-WebSocket-Version: 12"), 400),
    "version-text": (lambda to: upgrade(to, "Sec-WebSocket-Version: new"), 400),
    "http-1.0": (lambda to: upgrade(to).replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    "http-2.0": (lambda to: upgrade(to).replace(b"HTTP/1.1", b"HTTP/2.0"), 400),
    "no-version-of-http": (lambda to: upgrade(to).replace(b" HTTP/1.1", b" "), 400),
    "with-a-body": (lambda to: upgrade(to, "Content-Length: 5") + b"hello", 400),
    "chunked": (lambda to: upgrade(to, "Transfer-Encoding: chunked"), 400),
    "header-without-colon": (lambda to: upgrade(to, "nonsense"), 400),
    "header-folded": (lambda to: upgrade(to, "X: a", " b"), 400),
    "header-with-nul": (lambda to: upgrade(to, "X: a\0b"), 400),
    "space-in-a-name": (lambda to: upgrade(to, "X y: a"), 400),
    "200-headers": (
        lambda to: upgrade(to, *(f"X-{n}: {n}" for n in range(200))),
        400,
    ),
    "head-over-16-kib": (lambda to: upgrade(to, "X: " + "x" * 16_384), 431),
    "head-that-never-ends": (
        lambda to: upgrade(to, "X: " + "x" * 20_000).rstrip(b"\r\n"),
        431,
    ),
    "post": (lambda to: upgrade(to).replace(b"GET", b"POST"), 404),
    "put": (lambda to: upgrade(to).replace(b"GET", b"PUT"), 404),
    "path-with-slash": (lambda to: upgrade(to.replace("/ws?", "/ws/?")), 404),
    "path-in-capitals": (lambda to: upgrade(to.replace("/ws?", "/WS?")), 404),
    "garbage": (lambda _: b"\x00\xff\x00\xff garbage\r\n\r\n", 400),
    "garbage-lines": (lambda _: b"hello\r\nthere\r\n\r\n", 400),
}


@pytest.mark.parametrize(("make", "status"), HTTP_ROWS.values(), ids=HTTP_ROWS.keys())
async def test_wrong_handshake_gets_a_status(
    arena: Arena, make: Callable[[str], bytes], status: int
) -> None:
    """Before there is a WebSocket, HTTP's own words say what is wrong."""
    ticket = await arena.join()
    async with arena.knock() as raw:
        raw.send(make(target(ticket)))
        assert (await raw.answer()).status == status


SERVED_ROWS: dict[str, Callable[[str], bytes]] = {
    "no-origin": upgrade,
    "own-origin": lambda to: upgrade(
        to, "Host: quiz.example:8080", "Origin: http://quiz.example:8080"
    ),
    "own-origin-behind-tls": lambda to: upgrade(
        to, "Host: quiz.example", "Origin: https://quiz.example"
    ),
    "listed-origin": lambda to: upgrade(to, "Origin: https://school.example.org"),
    "other-listed-origin": lambda to: upgrade(to, "Origin: http://localhost:5173"),
    "firefox": lambda to: upgrade(to, "Connection: keep-alive, Upgrade"),
    "capitals": lambda to: upgrade(to, "CONNECTION: UPGRADE", "UPGRADE: WebSocket"),
    "alias": lambda to: upgrade(to.replace("/ws?", "/ws/quiz?")),
    "extensions-asked-for": lambda to: upgrade(
        to, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    ),
    "head-of-16-kib": lambda to: upgrade(to, "X: " + "x" * 15_000),
    "escaped-token": lambda to: upgrade(to.replace("token=A", "token=%41")),
}


@pytest.mark.parametrize("make", SERVED_ROWS.values(), ids=SERVED_ROWS.keys())
async def test_unusual_handshake_is_served(
    arena: Arena, make: Callable[[str], bytes]
) -> None:
    """Proxies and browsers differ, and all of this is right."""
    ticket = await arena.join()
    async with arena.knock() as raw:
        await raw.upgraded(make(target(ticket)))
        await raw.message("welcome")


async def test_handshake_byte_by_byte(arena: Arena) -> None:
    """The head in packets of one byte, with a first message right behind it."""
    ticket = await arena.join()
    async with arena.knock() as raw:
        await raw.drip(upgrade(target(ticket)) + ws.text(said("heartbeat")))
        assert (await raw.answer()).status == 101
        await raw.message("heartbeat")


async def test_upgrade_on_a_connection_that_served_rest(arena: Arena) -> None:
    """Requests sent at once, answers in order, and then the WebSocket."""
    ticket = await arena.join()
    async with arena.knock() as raw:
        raw.send(request("/livez") + request("/nothing") + request("/livez"))
        assert [(await raw.answer()).status for _ in range(3)] == [200, 404, 200]
        await raw.upgraded(upgrade(target(ticket)))
        await raw.message("welcome")


async def test_upgrade_is_no_part_of_a_pipeline(arena: Arena) -> None:
    """One that does not wait for the answer before it finds no WebSocket there."""
    ticket = await arena.join()
    async with arena.knock() as raw:
        raw.send(request("/livez") + upgrade(target(ticket)))
        assert [(await raw.answer()).status for _ in range(2)] == [200, 404]
        await raw.upgraded(upgrade(target(ticket)))


async def test_http_1_0_is_served_and_closed(arena: Arena) -> None:
    """As old tools ask: one request, one answer, the end."""
    async with arena.knock() as raw:
        raw.send(request("/livez", version="HTTP/1.0"))
        assert (await raw.answer()).status == 200
        await raw.ended()


# -- who is slow -------------------------------------------------------------------


def client_hello() -> bytes:
    """Return what a TLS client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


SLOW_ROWS = {
    "silent": b"",
    "one-byte": b"G",
    "head-without-its-end": upgrade("/ws?token=x")[:-2],
    "tls-on-the-plain-port": client_hello(),
    "binary": b"\x00\x01\x02\x03",
}


async def test_nobody_is_waited_for_long(arena: Arena) -> None:
    """A head that is not whole in time ends its connection, without a word."""

    async def stall(start: bytes) -> None:
        async with arena.knock() as raw:
            raw.send(start)
            await raw.ended()

    await asyncio.gather(*(stall(start) for start in SLOW_ROWS.values()))


async def test_slow_body_gets_408(arena: Arena) -> None:
    """So does a request whose body does not arrive; and the line ends."""
    async with arena.knock() as raw:
        to = f"/api/v1/quizzes/{arena.quiz['quizId']}/join"
        raw.send(request(to, "Content-Length: 30", method="POST", body=b'{"partic'))
        assert (await raw.answer()).status == 408
        await raw.ended()


async def test_hanging_up_at_any_moment_is_no_matter(arena: Arena) -> None:
    """By FIN or RST, in the middle of a head, of a frame, of a message."""
    ticket = await arena.join()
    whole = upgrade(target(ticket)) + ws.text(bad.answer())[:20]
    for size in range(0, len(whole) + 1, 16):
        async with arena.knock() as raw:
            raw.send(whole[:size])
            await raw.drain()
            if size % 32:
                raw.reset()
            else:
                raw.half_close()


# -- and everybody else ------------------------------------------------------------


async def test_innocent_players_have_seen_nothing_of_it(arena: Arena) -> None:
    """Each got every broadcast in order, the exact result, and no error."""
    assert all(player.is_open for player in arena.innocent)
    await arena.second_half_answers()
    await arena.host.say("host_next")
    await arena.host.next("question_closed")
    await arena.host.say("host_end")
    of, right = len(arena.joined), INNOCENT // 2
    for index, player in enumerate(arena.innocent):
        closed = await player.next("question_closed")
        correct = index % 2 == 0
        ended = await player.next("quiz_ended")
        assert closed["you"] == {
            "correct": correct,
            "points": POINTS if correct else 0,
            "score": POINTS if correct else 0,
            "rank": 1 if correct else right + 1,
            "of": of,
            "gapToNext": 0 if correct else POINTS,
            "streak": 1 if correct else 0,
            "percentile": 100 * (of - right) // (of - 1) if correct else 0,
        }
        assert closed["answered"] == INNOCENT
        assert ended["you"]["rank"] == closed["you"]["rank"]
        assert player.seqs == [1, 2, 3, 4]
        assert player.of_kind("error") == []
        assert len(player.of_kind("answer_result")) == 1


async def test_server_is_as_well_as_before(arena: Arena) -> None:
    """It is alive, has let go of every connection, and has written of no error."""
    await until(arena.server, "quizd_edge_connections", lambda n: n == INNOCENT + 2)
    assert await metric(arena.server, "quizd_owner_failures_total") == 0
    assert await metric(arena.server, "quizd_owner_answers_refused_total") == 0
    assert await metric(arena.server, "quizd_owner_sessions") == 1
    assert await metric(arena.server, "quizd_edge_slow_closed_total") == 0
    assert await metric(arena.server, "quizd_edge_dead_connections_total") == 0
    assert await metric(arena.server, "quizd_edge_rate_limited_total") > 5 * PATIENCE
    loud = [
        event for event in arena.server.log if event["level"] in ("error", "critical")
    ]
    assert loud == []
    ready = await arena.api.get(f"{arena.server.url}/readyz")
    assert ready.status_code == 200
