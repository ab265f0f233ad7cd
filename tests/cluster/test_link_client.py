"""How Redis is reached: options, the clients' manners, words for what is wrong."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import hiredis
import pytest
from redis.exceptions import RedisError

from quizd.redis_client import (
    Description,
    Mode,
    RedisMisconfigured,
    RedisOptions,
    RedisUnusable,
    check,
    connect,
    describe,
    explain,
    resolve,
)
from tests.contract.links import eventually, guarded_options
from tests.support.redis_server import needs_redis
from tests.support.redis_topologies import (
    PASSWORD,
    Cluster,
    GuardedServer,
    SentinelSet,
    a_cluster,
    a_guarded_server,
    a_sentinel_set,
    ask,
    cut_off,
)

# -- options ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "mode", "hosts", "db"),
    [
        ("redis://h", "single", [("h", 6379)], 0),
        ("redis://u:p@h:7000/3", "single", [("h", 7000)], 3),
        ("rediss://[::1]:7000", "single", [("::1", 7000)], 0),
        ("unix:///run/r.sock?db=2", "single", [], 2),
        ("redis+sentinel://a,b:7/s", "sentinel", [("a", 26379), ("b", 7)], 0),
        ("redis+sentinel://a/s?db=4", "sentinel", [("a", 26379)], 4),
        ("redis+cluster://a:1,[::1]", "cluster", [("a", 1), ("::1", 6379)], 0),
        ("rediss+cluster://a", "cluster", [("a", 6379)], 0),
    ],
)
def test_a_url_says_what_there_is(
    url: str, mode: str, hosts: list[tuple[str, int]], db: int
) -> None:
    """Scheme, hosts with their usual ports, database, TLS."""
    target = resolve(RedisOptions(url))
    assert (target.mode, list(target.hosts), target.db) == (mode, hosts, db)
    assert (target.tls is not None) == url.startswith("rediss")
    assert target.path == ("/run/r.sock" if url.startswith("unix") else "")


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://h", "scheme"),
        ("h:6379", "scheme"),
        ("redis://", "host"),
        ("redis://h:port", "host or port"),
        ("redis://h:70000", "host or port"),
        ("redis://h/zero", "database"),
        ("redis+sentinel://h", "sentinel_service"),
        ("redis+cluster://a,b/1", "one database"),
        ("redis+cluster://a,", "host"),
    ],
)
def test_a_wrong_url_is_named(url: str, word: str) -> None:
    """The message says which part of it can't be right."""
    with pytest.raises(RedisMisconfigured, match=word):
        resolve(RedisOptions(url))


@pytest.mark.parametrize(
    "url",
    [
        "redis://u:sesame/x@h:1/0",
        "redis://u:1/sesame@h/0",
        "redis://sesame:sesame@h:port",
        "redis+sentinel://u:1/sesame@h/s",
        "sesame://u:sesame@h",
        "redis+sentinel://u:sesame@h",
        "redis+cluster://u:sesame@h/1",
        "redis://:se[sesame@h/0",
        "redis://u:sesame\u2100@h/0",
    ],
)
def test_no_message_shows_a_piece_of_a_password(url: str) -> None:
    """Not even where it is written so that it can't be read as one."""
    with pytest.raises(RedisMisconfigured) as caught:
        resolve(RedisOptions(url))
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("sign", ["[", "]", "\u2100"])
def test_a_sign_that_no_url_may_hold_is_explained(sign: str) -> None:
    """The key is named, and how to write it; written so, it is the password."""
    with pytest.raises(RedisMisconfigured, match=r"redis\.url.*percent-encoded"):
        resolve(RedisOptions(f"redis://u:a{sign}b@h/0"))
    login = resolve(RedisOptions(f"redis://u:a{quote(sign)}b@h/0")).login
    assert login.password == f"a{sign}b"


def test_no_repr_shows_a_password(tmp_path: Path) -> None:
    """Options, what they come to, and clients may be logged."""
    file = tmp_path / "password"
    file.write_text("open-sesame")
    file.chmod(0o600)
    for options in (
        RedisOptions("redis://u:open-sesame@h/0"),
        RedisOptions("redis+cluster://u:open-sesame@h"),
        RedisOptions(
            "redis+sentinel://h/s",
            password_file=str(file),
            sentinel_password_file=str(file),
        ),
    ):
        target = resolve(options)
        client = connect(options, "a")
        assert "open-sesame" in (target.login.password, target.sentinel_login.password)
        for thing in (options, target, client):
            assert "sesame" not in f"{thing} {thing!r}"


def test_a_password_may_hold_anything() -> None:
    """Percent signs stand for what a URL can't hold."""
    login = resolve(RedisOptions("redis://us%40er:a%2Fb%3A%40c@h")).login
    assert (login.username, login.password) == ("us@er", "a/b:@c")


class TestPasswordFile:
    """A file with a password, which only its owner may read."""

    def _options(self, file: Path) -> RedisOptions:
        return RedisOptions("redis://u:other@h", password_file=str(file))

    def test_wins_over_the_url(self, tmp_path: Path) -> None:
        """The line's end is no part of the password; spaces are."""
        file = tmp_path / "password"
        file.write_text(" se same \n")
        file.chmod(0o600)
        assert resolve(self._options(file)).login.password == " se same "

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o644])
    def test_is_refused_where_others_may_touch_it(
        self, tmp_path: Path, mode: int
    ) -> None:
        """The message names file and mode, not what is in it."""
        file = tmp_path / "password"
        file.write_text("sesame")
        file.chmod(mode)
        with pytest.raises(RedisMisconfigured, match=f"0{mode:o}") as caught:
            resolve(self._options(file))
        assert str(file) in str(caught.value)
        assert "sesame" not in str(caught.value)

    def test_must_be_there_and_hold_something(self, tmp_path: Path) -> None:
        """A missing or empty file is no password."""
        with pytest.raises(RedisMisconfigured, match="can't read"):
            resolve(self._options(tmp_path / "none"))
        file = tmp_path / "password"
        file.touch(mode=0o600)
        with pytest.raises(RedisMisconfigured, match="is empty"):
            resolve(self._options(file))


def test_certificates_are_tried_at_once(tmp_path: Path) -> None:
    """A wrong file is named before anything is sent."""
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    tls = RedisOptions("rediss://h")
    with pytest.raises(RedisMisconfigured, match=r"tls_ca.*bad\.pem"):
        resolve(replace(tls, tls_ca=str(bad)))
    with pytest.raises(RedisMisconfigured, match=r"tls_certificate.*bad\.pem"):
        resolve(replace(tls, tls_certificate=str(bad), tls_key=str(bad)))
    with pytest.raises(RedisMisconfigured, match="both or neither"):
        resolve(replace(tls, tls_certificate=str(bad)))


# -- servers ---------------------------------------------------------------------------


def _guarded() -> Iterator[GuardedServer]:
    with a_guarded_server() as server:
        yield server


def _cluster() -> Iterator[Cluster]:
    with a_cluster() as cluster:
        yield cluster


def _sentinels() -> Iterator[SentinelSet]:
    with a_sentinel_set() as sentinels:
        yield sentinels


guarded_fixture = pytest.fixture(name="guarded", scope="module")(_guarded)
cluster_fixture = pytest.fixture(name="cluster", scope="module")(_cluster)
sentinels_fixture = pytest.fixture(name="sentinels", scope="module")(_sentinels)


async def _checked(options: RedisOptions) -> Description:
    client = connect(options, "a1")
    try:
        description = await check(client, options)
        assert await describe(client) == description
        assert await client.ping()
        return description
    finally:
        await client.aclose()


async def _refusal(options: RedisOptions) -> str:
    client = connect(options, "a1")
    try:
        with pytest.raises(RedisUnusable) as caught:
            await check(client, options)
        return str(caught.value)
    finally:
        await client.aclose()


@needs_redis
class TestCheck:
    """What answers is described, and what is wrong is said in words."""

    async def test_knows_every_form(
        self, guarded: GuardedServer, cluster: Cluster, sentinels: SentinelSet
    ) -> None:
        """One server, with a database, with TLS and ACL, Sentinels, a Cluster."""
        version = ask(guarded.server.port, "HELLO")[3]
        for options, mode in (
            (RedisOptions(guarded.server.url), Mode.SINGLE),
            (RedisOptions(f"redis://127.0.0.1:{guarded.server.port}/3"), Mode.SINGLE),
            (guarded_options(guarded), Mode.SINGLE),
            (RedisOptions(sentinels.url), Mode.SENTINEL),
            (RedisOptions(cluster.url), Mode.CLUSTER),
        ):
            assert await _checked(options) == Description("redis", version, mode)

    async def test_names_a_wrong_form(
        self, guarded: GuardedServer, cluster: Cluster, sentinels: SentinelSet
    ) -> None:
        """The scheme that would be right is in the message."""
        port = guarded.server.port
        for url, words in (
            (f"redis://127.0.0.1:{cluster.ports[0]}", r"redis+cluster://"),
            (f"redis://127.0.0.1:{sentinels.ports[0]}", r"redis+sentinel://"),
            (f"redis+cluster://127.0.0.1:{port}", "is no Cluster"),
            (f"redis+sentinel://127.0.0.1:{port}/x", "is no Sentinel"),
            (f"{sentinels.url}x", "no master of this service"),
        ):
            assert words in await _refusal(RedisOptions(url))

    async def test_names_what_is_wrong_with_login_and_tls(
        self, guarded: GuardedServer
    ) -> None:
        """Password, authority, certificate, TLS on one side only."""
        port, right = guarded.server.port, guarded_options(guarded)
        quick = replace(right, timeout_s=0.2)
        for options, words in (
            (RedisOptions(f"redis://quizd:x@127.0.0.1:{port}"), "user or password"),
            (replace(right, tls_ca=""), "certificate is not trusted"),
            (replace(right, tls_certificate="", tls_key=""), "TLS"),  # or a reset line
            (replace(quick, url=f"rediss://localhost:{port}"), "does it speak TLS?"),
            (RedisOptions(f"redis://127.0.0.1:{guarded.tls_port}"), "want TLS?"),
        ):
            message = await _refusal(options)
            assert words in message
            assert PASSWORD not in message


def _hello(server: bytes, version: bytes) -> bytes:
    """Return the part of a reply to HELLO that matters."""
    words = (b"server", server, b"version", version, b"mode", b"standalone")
    return b"*6\r\n" + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)


@asynccontextmanager
async def _saying(reply: bytes) -> AsyncIterator[str]:
    """Serve *reply* to HELLO, OK to all else; say nothing if it is empty, or close."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        commands = hiredis.Reader(notEnoughData=None)
        while reply not in {b"", b"close"} and (data := await reader.read(1000)):
            commands.feed(data)
            while (command := commands.gets()) is not None:
                usual = b"+PONG\r\n" if command == [b"PING"] else b"+OK\r\n"
                writer.write(reply if command == [b"HELLO"] else usual)
        if reply != b"close":
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"


class TestCheckWithoutRedis:
    """Where no Redis is, the message says what is there instead."""

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("redis://127.0.0.1:1", "nothing listens there"),
            ("redis://nobody.invalid", "its host name is unknown"),
            ("unix:///nowhere/redis.sock", "no such socket file"),
            ("redis+cluster://127.0.0.1:1", "nothing listens there"),
            ("redis+sentinel://127.0.0.1:1/x", "none of its Sentinels answers"),
        ],
    )
    async def test_names_the_place(self, url: str, words: str) -> None:
        """Host and port, and what is wrong with them."""
        message = await _refusal(RedisOptions(url))
        assert words in message
        assert str(resolve(RedisOptions(url))) in message

    @pytest.mark.parametrize(
        ("said", "words"),
        [
            (b"", "gives no answer in time; does it want TLS?"),
            (b"close", "closes the connection; does it want TLS?"),
            (_hello(b"redis", b"6.0.16"), "is version 6.0.16, 6.2 is needed"),
            (b"-ERR unknown command 'HELLO'\r\n", "is older than version 6"),
            (b"-NOAUTH Authentication required.\r\n", "user or password"),
        ],
        ids=["silent", "closing", "old", "very old", "locked"],
    )
    async def test_names_what_a_server_says(self, said: bytes, words: str) -> None:
        """Versions that lack what is needed, and servers that say nothing."""
        async with _saying(said) as url:
            assert words in await _refusal(RedisOptions(url, timeout_s=0.2))

    async def test_valkey_is_as_good(self) -> None:
        """It counts its versions from where Redis was at 7.2."""
        async with _saying(_hello(b"valkey", b"8.1.0")) as url:
            client = connect(RedisOptions(url), "a1")
            description = await check(client, RedisOptions(url))
            assert description == Description("valkey", "8.1.0", Mode.SINGLE)
            assert description.has_sharded_pubsub
            await client.aclose()

    def test_something_else_is_passed_on(self) -> None:
        """What nobody has foreseen keeps its own words."""
        assert explain(RuntimeError("odd")) == "odd"
        assert explain(RuntimeError()) == "RuntimeError"


# -- manners ---------------------------------------------------------------------------


@needs_redis
class TestManners:
    """What every client does, and above all what none does."""

    @pytest.mark.parametrize("form", ["single", "cluster"])
    async def test_a_write_is_never_sent_twice(
        self, guarded: GuardedServer, cluster: Cluster, form: str
    ) -> None:
        """Where the answer to a write is lost, the caller hears of it."""
        if form == "single":
            port = guarded.server.port
            client = connect(RedisOptions(f"redis://127.0.0.1:{port}"), "a1")
        else:
            port = cluster.owner(0)
            client = connect(RedisOptions(cluster.url), "a1")
        key = "quizd:{06S}"  # of slot 0
        assert await client.incr(key) == 1
        ask(port, "CLIENT", "PAUSE", 300, "WRITE")
        writing = asyncio.ensure_future(client.incr(key))
        await eventually(lambda: "cmd=incr" in ask(port, "CLIENT", "LIST"))
        await asyncio.to_thread(cut_off, port)
        with pytest.raises(RedisError, match=r"closed|reset"):
            await writing
        ask(port, "CLIENT", "UNPAUSE")
        assert await client.get(key) == b"1"
        await client.delete(key)
        await client.aclose()

    async def test_names_itself_and_stays_within_its_pool(
        self, guarded: GuardedServer
    ) -> None:
        """However many ask at once, the server sees no more connections."""
        url = f"redis://127.0.0.1:{guarded.server.port}"
        client = connect(RedisOptions(url, connections=3), "b7")
        await asyncio.gather(*(client.ping() for _ in range(50)))
        listed = ask(guarded.server.port, "CLIENT", "LIST")
        assert listed.count("name=quizd-b7 ") == 3
        await client.aclose()

    async def test_a_connection_that_was_closed_in_peace_is_replaced(
        self, guarded: GuardedServer
    ) -> None:
        """A pooled connection that has ended is noticed before it is used."""
        client = connect(RedisOptions(f"redis://127.0.0.1:{guarded.server.port}"), "c1")
        assert await client.ping()
        await asyncio.to_thread(cut_off, guarded.server.port)
        assert await client.ping()
        await client.aclose()
