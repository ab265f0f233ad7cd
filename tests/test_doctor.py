"""The doctor: what it finds, and that it says what to do."""

import asyncio
import ctypes
import os
import resource
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from quizd import doctor
from quizd.app import author_token, key_in
from quizd.doctor import Check, ClockSample
from quizd.settings import Data, Journal, Limits, Server, Settings
from quizd.store.by_hand import upgrade_database
from quizd.store.place import place_of
from tests.support.postgres_server import needs_postgres, shared_server
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.redis_topologies import ask, running

UNLIMITED = resource.RLIM_INFINITY


def at(year: int) -> int:
    """Return the middle of *year* in milliseconds since the Unix epoch."""
    return int(datetime(year, 7, 1, tzinfo=UTC).timestamp() * 1000)


class TestCore:
    """Every compiled module must be loadable."""

    @pytest.fixture
    def core(self, tmp_path: Path) -> Path:
        """A folder with the faces of two modules."""
        for name in ("__init__.py", "ranking.pyi", "ranking.pxd", "frames.pyi"):
            (tmp_path / name).touch()
        return tmp_path

    def test_loaded(self, core: Path) -> None:
        """All modules are named when all can be loaded."""
        asked: list[str] = []
        check = doctor.check_core(core, asked.append)
        assert check == Check("compiled core", "frames, ranking")
        assert asked == ["quizd._fast.frames", "quizd._fast.ranking"]

    @pytest.mark.parametrize("error", [ModuleNotFoundError, ImportError, ValueError])
    def test_missing(self, core: Path, error: type[Exception]) -> None:
        """Modules that are missing or don't fit are named, with how to build them."""

        def load(name: str) -> None:
            if name.endswith("frames"):
                raise error(name)

        check = doctor.check_core(core, load)
        assert not check.ok
        assert check.detail == "can't be loaded: frames"
        assert "make setup" in check.advice

    def test_nothing(self, tmp_path: Path) -> None:
        """An installation without any compiled module is not in order."""
        assert not doctor.check_core(tmp_path).ok


class TestOpenFiles:
    """Every connection takes a file descriptor."""

    @pytest.mark.parametrize("hard", [2100, 100_000, UNLIMITED])
    def test_enough(self, hard: int) -> None:
        """The hard limit is what counts: the soft one is raised at the start."""
        assert doctor.check_open_files(1000, hard).ok

    def test_too_few(self) -> None:
        """The advice is to raise it, or how many connections are served."""
        check = doctor.check_open_files(18_000, 4096)
        assert not check.ok
        assert "hard limit raised to 19100" in check.advice
        assert "limits.connections to 2996" in check.advice
        assert doctor.check_open_files(2996, 4096).ok

    def test_very_few(self) -> None:
        """As many as are then served, which is never none."""
        check = doctor.check_open_files(1000, 300)
        assert "limits.connections to 150" in check.advice


class TestDataDir:
    """The data folder can be written, and by its owner only."""

    @pytest.mark.parametrize("mode", [0o700, 0o750, 0o710])
    def test_private(self, tmp_path: Path, mode: int) -> None:
        """A private folder is in order and nothing is left in it."""
        tmp_path.chmod(mode)
        assert doctor.check_data_dir(tmp_path).ok
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("mode", [0o777, 0o755, 0o701, 0o770])
    def test_open_to_others(self, tmp_path: Path, mode: int) -> None:
        """A folder that others can read or change is not."""
        tmp_path.chmod(mode)
        check = doctor.check_data_dir(tmp_path)
        assert check.advice == f"chmod 700 {tmp_path}"
        tmp_path.chmod(0o700)
        assert doctor.check_data_dir(tmp_path).ok

    def test_missing(self, tmp_path: Path) -> None:
        """A folder that can be made is in order, and is not made by looking."""
        folder = tmp_path / "a" / "b"
        assert doctor.check_data_dir(folder).detail == f"{folder} will be made"
        assert not (tmp_path / "a").exists()

    @pytest.mark.parametrize("inner", ["", "below"])
    def test_no_folder(self, tmp_path: Path, inner: str) -> None:
        """A file in the way is found."""
        (tmp_path / "file").touch()
        check = doctor.check_data_dir(tmp_path / "file" / inner)
        assert not check.ok
        assert "data.dir" in check.advice

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_read_only(self, tmp_path: Path) -> None:
        """A folder, or the parent of one to be made, must be writable."""
        tmp_path.chmod(0o500)
        assert not doctor.check_data_dir(tmp_path).ok
        assert not doctor.check_data_dir(tmp_path / "new").ok


def key_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    """Return a file with a key."""
    file = folder / "key"
    file.write_bytes(content)
    file.chmod(mode)
    return file


class TestSecret:
    """The key that signs tokens is long, and its owner's alone."""

    def test_missing(self, tmp_path: Path) -> None:
        """It is made at the first start."""
        assert doctor.check_secret(tmp_path / "secret").ok

    @pytest.mark.parametrize(("size", "ok"), [(0, False), (15, False), (16, True)])
    def test_length(self, tmp_path: Path, size: int, ok: bool) -> None:
        """What serving refuses is told here, with what to do and what it costs."""
        file = key_file(tmp_path, bytes(size))
        check = doctor.check_secret(file)
        assert check.ok is ok
        if not ok:
            assert check.detail == f"{file} has {size} bytes, 16 at least are needed"
            assert check.advice.endswith("makes a new one; tokens end with it")
            with pytest.raises(ValueError, match=f"^{file}: the secret has {size} byt"):
                key_in(file, "secret")

    @pytest.mark.parametrize(
        ("mode", "ok"), [(0o600, True), (0o400, True), (0o640, False), (0o604, False)]
    )
    def test_mode(self, tmp_path: Path, mode: int, ok: bool) -> None:
        """Nobody else may read it."""
        file = key_file(tmp_path, bytes(32), mode)
        check = doctor.check_secret(file)
        assert check.ok is ok
        assert ok or f"chmod 600 {file}" in check.advice

    def test_out_of_reach(self, tmp_path: Path) -> None:
        """A path that can't be is told, not raised."""
        (tmp_path / "file").touch()
        check = doctor.check_secret(tmp_path / "file" / "secret")
        assert "auth.secret_file" in check.advice


class TestAuthorToken:
    """The token of authors is looked at like the secret; serving takes the same."""

    def test_made(self, tmp_path: Path) -> None:
        """It is made at the first start, and is the same at the next."""
        file = tmp_path / "shared" / "token"
        assert doctor.check_author_token(file).ok
        token = author_token(file)
        assert author_token(file) == token == file.read_text()
        assert doctor.check_author_token(file).ok

    def test_made_by_hand(self, tmp_path: Path) -> None:
        """White space around it is not of it."""
        file = key_file(tmp_path, b"\t a-token-of-16-ch \r\n")
        assert author_token(file) == "a-token-of-16-ch"
        assert doctor.check_author_token(file).ok

    @pytest.mark.parametrize(
        ("content", "wrong"),
        [
            (b" \n", "has 0 bytes, 16 at least are needed"),
            (b"fifteen-letters\n\n", "has 15 bytes, 16 at least are needed"),
            ("sechzehn-Zeichen-schön".encode(), "has letters beyond ASCII"),
            (b"\xff" * 20, "has letters beyond ASCII"),
        ],
    )
    def test_unusable(self, tmp_path: Path, content: bytes, wrong: str) -> None:
        """Doctor and serving say the same, and name the file."""
        file = key_file(tmp_path, content)
        check = doctor.check_author_token(file)
        assert check.detail == f"{file} {wrong}"
        assert "authors need the new one" in check.advice
        with pytest.raises(ValueError, match=f"^{file}: the author token {wrong}$"):
            author_token(file)

    def test_open_to_others(self, tmp_path: Path) -> None:
        """What could be done with it is said."""
        check = doctor.check_author_token(key_file(tmp_path, bytes(32), 0o640))
        assert "host quizzes" in check.detail
        assert "chmod 600" in check.advice


class TestAuditKey:
    """The key of logs is looked at like the secret."""

    def test_length(self, tmp_path: Path) -> None:
        """What a new one would end is said."""
        check = doctor.check_audit_key(key_file(tmp_path, b"key"))
        assert "has 3 bytes" in check.detail
        assert "can't be verified" in check.advice

    def test_open_to_others(self, tmp_path: Path) -> None:
        """What could be done with it is said."""
        file = tmp_path / "audit.key"
        assert doctor.check_audit_key(file).ok
        file.touch(0o644)
        check = doctor.check_audit_key(file)
        assert "forge logs" in check.detail
        assert "chmod 600" in check.advice


class TestDatabase:
    """Where the database is, and whether it can be used as it is."""

    def settings(self, data_dir: Path, **database: object) -> Settings:
        """Return settings with such a database."""
        return Settings.model_validate(
            {"data": {"dir": data_dir}, "database": database}
        )

    def test_file(self, tmp_path: Path) -> None:
        """It is made by serving, and its revision is told once it is there."""
        settings = self.settings(tmp_path)
        check = doctor.check_database(settings)
        assert check.ok
        assert check.detail.endswith("will be made")
        assert list(tmp_path.iterdir()) == []
        asyncio.run(upgrade_database(place_of(settings), lambda _: None))
        check = doctor.check_database(settings)
        assert check.ok
        assert check.detail.endswith("revision 0002")

    def test_a_file_is_of_one_machine(self, tmp_path: Path) -> None:
        """Who has a cluster is told so."""
        settings = Settings.model_validate(
            {"data": {"dir": tmp_path}, "redis": {"url": "redis://127.0.0.1:1"}}
        )
        assert doctor.check_database(settings).detail.endswith("this machine alone")

    def test_nobody_listens(self, tmp_path: Path) -> None:
        """What was tried is told, without the password."""
        url = "postgresql://quizd:tell@127.0.0.1:1/quizd"
        check = doctor.check_database(self.settings(tmp_path, url=url))
        assert not check.ok
        assert "127.0.0.1" in check.detail
        assert "tell" not in check.detail

    def test_password_file(self, tmp_path: Path) -> None:
        """One that is missing is named."""
        settings = self.settings(
            tmp_path, url="postgresql://db/quizd", password_file=str(tmp_path / "none")
        )
        check = doctor.check_database(settings)
        assert not check.ok
        assert "database.password_file" in check.detail

    @needs_postgres
    def test_postgres(self, tmp_path: Path) -> None:
        """What has to be done is said: these tables are missing, this disk is off."""
        with shared_server().fresh_database("template0") as database:
            dsn = shared_server().dsn(database)
            settings = self.settings(tmp_path, url=dsn, replica_url=dsn)
            check = doctor.check_database(settings)
            assert check.detail.startswith("Postgres ")
            assert "quizd db upgrade" in check.advice
            assert "fsync" in check.advice
            assert "no standby" in check.advice
            asyncio.run(upgrade_database(place_of(settings), lambda _: None))
            check = doctor.check_database(settings)
            assert "quizd db upgrade" not in check.advice


class TestJournal:
    """The journal's promise is spelled out."""

    def test_sqlite(self) -> None:
        """SQLite survives power loss."""
        check = doctor.check_journal(Journal())
        assert check.ok
        assert "loss of power" in check.detail

    def test_memory(self) -> None:
        """Memory survives nothing, which nobody should find out later."""
        check = doctor.check_journal(Journal(kind="memory"))
        assert not check.ok
        assert "journal.kind" in check.advice


class TestRedis:
    """A Redis that shards can't use is a finding, not the end of the doctor."""

    def settings(self, folder: Path, server: RedisServer, user: str = "") -> Settings:
        """Return settings with that Redis."""
        redis = {"url": f"redis://{user}127.0.0.1:{server.port}"}
        return Settings.model_validate({"data": {"dir": folder}, "redis": redis})

    @pytest.mark.parametrize(
        "url", ["redis://u:sesame\u2100@h/0", "redis://:se[sesame@h/0"]
    )
    def test_unreadable_url(
        self, tmp_path: Path, url: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The key is named, the password is not shown."""
        settings = Settings.model_validate(
            {"data": {"dir": tmp_path}, "redis": {"url": url}, "server": {"port": 0}}
        )
        doctor.report(doctor.examine(settings))
        shown = " ".join(capsys.readouterr().out.split())
        assert "FAILS redis redis.url: a host or port" in shown
        assert "sesame" not in shown

    @needs_redis
    def test_usable(self, tmp_path: Path) -> None:
        """Shards could meet there; what an answer survives is told."""
        with running(RedisServer()) as server:
            check = doctor.check_redis(self.settings(tmp_path, server))
        assert "Redis" in check.detail
        assert "append-only" in check.detail

    @needs_redis
    def test_no_channels(self, tmp_path: Path) -> None:
        """A user without the channels is found out before shards are."""
        with running(RedisServer()) as server:
            rules = ("on", ">pw", "resetchannels", "~*", "+@all")
            ask(server.port, "ACL", "SETUSER", "mute", *rules)
            settings = self.settings(tmp_path, server, "mute:pw@")
            check = doctor.check_redis(settings)
        assert "pub/sub" in check.detail
        assert "channel" in check.detail
        assert "nothing works without it" in check.advice


class TestTls:
    """Certificate and key must be usable."""

    def test_off(self) -> None:
        """No certificate, nothing to check."""
        assert doctor.check_tls(Server()).ok

    @pytest.mark.parametrize("content", [None, "", "-----BEGIN CERTIFICATE-----\n"])
    def test_unusable(self, tmp_path: Path, content: str | None) -> None:
        """Files that are missing or hold something else are found."""
        file = tmp_path / "tls.pem"
        if content is not None:
            file.write_text(content)
        server = Server(tls_certificate=str(file), tls_key=str(file))
        check = doctor.check_tls(server)
        assert str(file) in check.detail
        assert "server.tls_certificate" in check.advice

    def test_usable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Both files are handed to OpenSSL, which is never to ask for a password."""
        asked: list[tuple[str, ...]] = []

        def load(_: object, certificate: str, key: str, password: str) -> None:
            asked.append((certificate, key, password))

        monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", load)
        assert doctor.check_tls(Server(tls_certificate="c.pem", tls_key="k.pem")).ok
        assert asked == [("c.pem", "k.pem", "")]


class TestPort:
    """The address can be listened on."""

    def test_free(self) -> None:
        """A port that nobody listens on is free, and stays so."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        for _ in range(2):
            assert doctor.check_port(Server(port=port)).ok

    def test_any(self) -> None:
        """Port 0 always finds one."""
        assert doctor.check_port(Server(port=0)).ok

    def test_taken(self) -> None:
        """A port that somebody listens on is told, with how to find out who."""
        with socket.create_server(("127.0.0.1", 0)) as other:
            check = doctor.check_port(Server(port=other.getsockname()[1]))
        assert "Address already in use" in check.detail
        assert "ss -ltnp" in check.advice

    def test_not_ours(self) -> None:
        """An address of another machine (TEST-NET-1, RFC 5737) can't be taken."""
        check = doctor.check_port(Server(host="192.0.2.1", port=0))
        assert "server.host" in check.advice

    def test_no_address(self) -> None:
        """A host that is none is told, not raised."""
        assert "server.host" in doctor.check_port(Server(host="no host")).advice


class TestClock:
    """The clock is set, and does not jump."""

    @pytest.mark.parametrize(
        ("synchronised", "said"),
        [(True, ", synchronised"), (False, "not synchronised"), (None, "UTC")],
    )
    def test_well(self, synchronised: bool | None, said: str) -> None:
        """What the kernel says of synchronisation is told, and is no fault."""
        before = ClockSample(at(2027), 5)
        after = ClockSample(at(2027) + 50, 55)
        check = doctor.check_clock(before, after, synchronised=synchronised)
        assert check.ok
        assert said in check.detail

    @pytest.mark.parametrize("year", [1970, 2025, 2100])
    def test_never_set(self, year: int) -> None:
        """A year in which quizd can't be running means that the clock was not set."""
        sample = ClockSample(at(year), 5)
        assert not doctor.check_clock(sample, sample, synchronised=None).ok

    @pytest.mark.parametrize("step_ms", [-3_600_000, -101, 101, 5000])
    def test_step(self, step_ms: int) -> None:
        """A step of the wall clock against the monotonic one is found."""
        before = ClockSample(at(2027), 5)
        after = ClockSample(at(2027) + 50 + step_ms, 55)
        check = doctor.check_clock(before, after, synchronised=True)
        assert f"stepped by {step_ms} ms" in check.detail
        assert not check.ok

    def test_real(self) -> None:
        """Two readings of this machine's clocks go forward together."""
        before, after = ClockSample.take(), ClockSample.take()
        assert after.wall_ms >= before.wall_ms - 100
        assert after.monotonic_ms >= before.monotonic_ms


class TestExamination:
    """All checks together."""

    def test_uses_the_settings(self, tmp_path: Path) -> None:
        """Each check looks at what is configured."""
        settings = Settings(
            server=Server(port=0),
            data=Data(dir=tmp_path),
            limits=Limits(connections=9_999_999),
            journal=Journal(kind="memory"),
        )
        checks = {check.name: check for check in doctor.examine(settings)}
        assert not checks["open files"].ok
        assert not checks["journal"].ok
        assert str(tmp_path) in checks["data folder"].detail
        assert str(tmp_path / "secret") in checks["secret"].detail
        assert "port 0" in checks["port"].detail
        assert set(checks) >= {"clock", "compiled core", "TLS"}

    def test_report(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each finding is shown as it is, advice only where something is wrong."""
        monkeypatch.setenv("COLUMNS", "200")
        well = Check("port", "[::1], port [8080]")
        doctor.report([well, Check("clock", "in 1970", "set it")])
        shown = capsys.readouterr().out.splitlines()
        assert [line.split() for line in shown] == [
            ["ok", "port", "[::1],", "port", "[8080]"],
            ["FAILS", "clock", "in", "1970"],
            ["→", "set", "it"],
        ]


def test_kernel_synchronisation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's answer is read as adjtimex(2) describes it; others say nothing."""

    class Libc:
        adjtimex: Callable[[object], int]

    def answer(state: int) -> bool | None:
        Libc.adjtimex = staticmethod(lambda _buffer: state)
        return doctor.synchronised()

    monkeypatch.setattr(ctypes, "CDLL", lambda _name: Libc)
    assert [answer(state) for state in (0, 1, 5, -1)] == [True, True, False, None]
    del Libc.adjtimex
    assert doctor.synchronised() is None
