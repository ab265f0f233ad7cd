"""Configuration: where values come from, what is refused, and what is said of it."""

import re
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from quizd.config import ConfigError, Settings, load, password_in, to_toml
from quizd.settings import Section, Server

DOCUMENTED = Path(__file__).parents[1] / "config" / "quizd.toml"


def problems(
    config_file: Path | None = None, overrides: dict[str, Any] | None = None
) -> list[str]:
    """Return the problems that :func:`load` raises."""
    with pytest.raises(ConfigError) as caught:
        load(config_file, overrides)
    return caught.value.problems


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """A configuration file that sets the port to 1001 and the leaderboard to 5."""
    file = tmp_path / "quizd.toml"
    file.write_text("[server]\nport = 1001\n[leaderboard]\nsize = 5\n")
    return file


def sections() -> dict[str, type[Section]]:
    """Return every section by its name."""
    return {
        name: field.annotation
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }


class TestSources:
    """Flags win over the environment, which wins over the file, over defaults."""

    def test_nothing_given(self) -> None:
        """With no source at all every key has its default."""
        assert load() == Settings()

    def test_file(self, config_file: Path) -> None:
        """The file sets what it names and leaves its neighbours at their defaults."""
        settings = load(config_file)
        assert (settings.server.port, settings.leaderboard.size) == (1001, 5)
        assert settings.server.host == "127.0.0.1"

    def test_environment_over_file(
        self, config_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A variable wins over the file, for its own key only."""
        monkeypatch.setenv("QUIZD_SERVER__PORT", "1002")
        settings = load(config_file)
        assert (settings.server.port, settings.leaderboard.size) == (1002, 5)

    def test_flag_over_environment(
        self, config_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A flag wins over both; one that was not given (None) changes nothing."""
        monkeypatch.setenv("QUIZD_SERVER__PORT", "1002")
        flags = {"server": {"port": 1003, "host": None}}
        settings = load(config_file, flags)
        assert (settings.server.port, settings.server.host) == (1003, "127.0.0.1")

    @pytest.mark.parametrize("section", sections())
    def test_every_key_has_a_variable(
        self, section: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """QUIZD_SECTION__KEY is understood for every key, as text."""
        defaults = getattr(Settings(), section).model_dump(mode="json")
        for key, value in defaults.items():
            text = ",".join(value) if isinstance(value, list) else str(value)
            monkeypatch.setenv(f"QUIZD_{section}__{key}".upper(), text)
        assert load() == Settings()

    def test_lists_in_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A list is written with commas in a variable."""
        monkeypatch.setenv("QUIZD_METRICS__ALLOW", "10.0.0.0/8, ::/0")
        monkeypatch.setenv("QUIZD_SERVER__ALLOWED_ORIGINS", "https://a.example, *")
        settings = load()
        assert settings.metrics.allow == (ip_network("10.0.0.0/8"), ip_network("::/0"))
        assert settings.server.allowed_origins == ("https://a.example", "*")

    @pytest.mark.parametrize("name", ["QUIZD_CONFIG", "QUIZD_TEST_SEED"])
    def test_variables_that_are_no_keys(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The variables of the command line and of the tests are not keys."""
        monkeypatch.setenv(name, "1")
        assert load() == Settings()

    def test_kubernetes_service_links(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """In a pod, the variables of a Service called quizd are not taken for keys."""
        links = ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT"]
        for name in [*links, "PORT_8080_TCP", "PORT_8080_TCP_ADDR"]:
            monkeypatch.setenv(f"QUIZD_{name}", "tcp://10.0.0.1:8080")
        assert len(problems()) == len(links) + 2
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        assert load() == Settings()


class TestUnknown:
    """What names no key is an error that names it and suggests another."""

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("server.prot = 1", "server.prot: unknown key (did you mean server.port?)"),
            ("port = 1", "port: unknown key (did you mean server.port?)"),
            (
                "timeouts.inbox = 1",
                "timeouts.inbox: unknown key (did you mean limits.inbox?)",
            ),
            ("log.zzz = 1", "log.zzz: unknown key"),
            ("[limts]", "limts: unknown section (did you mean limits?)"),
            ("[qqq]", "qqq: unknown section"),
            ("limits = 5", "limits: must be a section, is 5"),
        ],
    )
    def test_in_the_file(self, text: str, problem: str, tmp_path: Path) -> None:
        """The line names the key as the file has it."""
        file = tmp_path / "quizd.toml"
        file.write_text(text)
        assert problems(file) == [problem]

    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("QUIZD_SERVER__PROT", " (did you mean QUIZD_SERVER__PORT?)"),
            ("QUIZD_SERVER_PORT", " (did you mean QUIZD_SERVER__PORT?)"),
            ("QUIZD_SERVR__PORT", " (did you mean QUIZD_SERVER__PORT?)"),
            ("QUIZD_SERVER__", ""),
            ("QUIZD_", ""),
            ("QUIZD_LOG", ""),
        ],
    )
    def test_in_the_environment(
        self, name: str, hint: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The line names the variable, and the one that was probably meant."""
        monkeypatch.setenv(name, "1")
        (problem,) = problems()
        assert problem.startswith(f"{name}: unknown variable")
        assert problem.endswith(hint)


class TestBadValues:
    """A value out of bounds is an error that names key, bound and value."""

    @pytest.mark.parametrize(
        ("key", "value", "said"),
        [
            ("timeouts.handshake_s", -5, "must be greater than 0, is -5"),
            ("timeouts.handshake_s", "soon", 'must be a number, is "soon"'),
            ("timeouts.handshake_s", [], "must be a number, is []"),
            ("timeouts.drain_s", float("inf"), "must be a finite number, is inf"),
            ("server.port", 65_536, "must be at most 65535, is 65536"),
            ("server.port", "http", 'must be a whole number, is "http"'),
            ("server.port", 80.5, "must be a whole number, is 80.5"),
            ("server.port", True, "must not be true or false, is true"),
            ("server.host", "", 'must not be empty, is ""'),
            ("server.host", 5, "must be text, is 5"),
            ("data.dir", "", 'must not be empty, is ""'),
            ("data.dir", 5, "must be a path, is 5"),
            ("limits.connections", 0, "must be at least 1, is 0"),
            ("limits.message_bytes", 2**21, "must be at most 1048576, is 2097152"),
            ("compat.tokenless", "perhaps", 'must be true or false, is "perhaps"'),
            ("log.format", "xml", "must be 'auto', 'json' or 'text', is \"xml\""),
            ("server.allowed_origins", 5, "must be a list, is 5"),
            (
                "server.public_url",
                "quiz.example.org",
                (
                    'must be empty or like "https://quiz.example.org", '
                    'is "quiz.example.org"'
                ),
            ),
        ],
    )
    def test_message(self, key: str, value: object, said: str) -> None:
        """The line says what is wanted and what was found."""
        section, name = key.split(".")
        assert problems(overrides={section: {name: value}}) == [f"{key}: {said}"]

    def test_from_a_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the value came from a variable, the line names that too."""
        monkeypatch.setenv("QUIZD_SERVER__PORT", "70000")
        assert problems() == [
            'server.port: must be at most 65535, is "70000" (QUIZD_SERVER__PORT)'
        ]

    def test_variable_behind_a_flag(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A variable that a flag hides is not blamed for the flag."""
        monkeypatch.setenv("QUIZD_SERVER__PORT", "8080")
        assert problems(overrides={"server": {"port": -1}}) == [
            "server.port: must be at least 0, is -1"
        ]

    @pytest.mark.parametrize(
        "network", ["10.0.0.1/8", "10.0.0.0/33", "office", "", "fe80::/200"]
    )
    def test_networks(self, network: str) -> None:
        """Each network of a list is looked at, and the wrong one's place is told."""
        allow = ["127.0.0.0/8", network]
        (problem,) = problems(overrides={"metrics": {"allow": allow}})
        assert problem.startswith("metrics.allow.1: must be a network like")

    @pytest.mark.parametrize(
        "origin",
        [
            "quiz.example.org",
            "https://quiz.example.org/",
            "https://quiz.example.org/play",
            "https://user@quiz.example.org",
            "https://",
            "ftp://quiz.example.org",
            "https://*.example.org/x",
            "null",
            "",
        ],
    )
    def test_origins(self, origin: str) -> None:
        """An origin that no browser sends is refused rather than never matched."""
        origins = {"server": {"allowed_origins": [origin]}}
        (problem,) = problems(overrides=origins)
        assert problem.startswith("server.allowed_origins.0: must hold origins like")

    @pytest.mark.parametrize(
        "url",
        [
            "mysql://quizd@db/quizd",
            "db.example.org",
            "postgresql://quizd:tell/nobody@db/quizd",
            "postgresql://quizd:tell@nobody@db/quizd",
            "postgresql://quizd:12/tell@db/quizd",
            "postgresql://quizd:tell#nobody@db/quizd",
            "postgresql://quizd:tell@db:port/quizd",
            "postgresql://quizd:tell@[::1/quizd",
            "postgresql://quizd:tell@db/quizd?sslmode",
        ],
    )
    @pytest.mark.parametrize("key", ["url", "replica_url"])
    def test_addresses_of_databases(
        self, key: str, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What could put a password in a wrong place is refused, and not repeated."""
        monkeypatch.setenv(f"QUIZD_DATABASE__{key}".upper(), url)
        (problem,) = problems()
        assert problem.startswith(f"database.{key}: must be like")
        assert problem.endswith(f"(QUIZD_DATABASE__{key})".upper())
        assert "tell" not in problem

    def test_secrets_are_in_no_repr(self) -> None:
        """Neither in that of the settings nor in that of what refuses them."""
        url = "postgresql://quizd:tell@db/quizd"
        settings = load(overrides={"database": {"url": url, "replica_url": url}})
        assert "tell" not in repr(settings)
        with pytest.raises(ConfigError) as caught:
            load(overrides={"database": {"url": f"{url}@"}})
        assert "tell" not in repr(caught.value.__cause__)

    @pytest.mark.parametrize(
        ("database", "said"),
        [
            ({"retention_days": 6}, "retention_days must be 0 or at least 7"),
            ({"replica_url": "postgresql://db/x"}, "replica_url needs url as well"),
        ],
    )
    def test_database_keys_that_do_not_fit(
        self, database: dict[str, object], said: str
    ) -> None:
        """The line says which."""
        assert problems(overrides={"database": database}) == [f"database: {said}"]

    def test_streams(self) -> None:
        """One that there is not is named with its place."""
        (problem,) = problems(overrides={"events": {"streams": ["joins", "jons"]}})
        assert problem.startswith("events.streams.1: must be 'joins', ")

    def test_half_of_tls(self) -> None:
        """A certificate without key, or the other way round, is refused."""
        for name in ("tls_certificate", "tls_key"):
            assert problems(overrides={"server": {name: "x.pem"}}) == [
                "server: needs both or neither of tls_certificate and tls_key"
            ]

    def test_long_values_are_cut(self) -> None:
        """A problem stays one line that can be read."""
        (problem,) = problems(overrides={"log": {"level": "x\n" * 500}})
        assert "\n" not in problem
        assert len(problem) < 160


class TestPasswordFile:
    """A password comes from a file that is its owner's alone."""

    def test_its_one_line(self, tmp_path: Path) -> None:
        """Line ends are none of it, everything else is."""
        file = tmp_path / "password"
        file.write_text(" p\u00e4ss \r\n")
        file.chmod(0o600)
        assert password_in("database.password_file", str(file)) == " p\u00e4ss "

    def test_none_is_named(self) -> None:
        """Then there is no password."""
        assert password_in("database.password_file", "") == ""

    @pytest.mark.parametrize(
        ("content", "mode", "said"),
        [
            (b"x", 0o640, "has mode 0640, it must be 0600"),
            (b"\n", 0o600, "is empty"),
            (b"\xff", 0o600, "is not UTF-8"),
            (None, 0, "No such file"),
        ],
    )
    def test_unusable(
        self, content: bytes | None, mode: int, said: str, tmp_path: Path
    ) -> None:
        """The line names key and file, and shows nothing of the content."""
        file = tmp_path / "password"
        if content is not None:
            file.write_bytes(content)
            file.chmod(mode)
        with pytest.raises(ConfigError) as caught:
            password_in("database.password_file", str(file))
        (problem,) = caught.value.problems
        assert problem.startswith(f"database.password_file: {file}")
        assert said in problem


class TestFile:
    """A file that can't be used at all is one problem that names it."""

    def test_missing(self, tmp_path: Path) -> None:
        """A file that was asked for and is not there is an error."""
        file = tmp_path / "none.toml"
        assert problems(file) == [f"{file}: No such file or directory"]

    def test_folder(self, tmp_path: Path) -> None:
        """A folder is not a file."""
        assert problems(tmp_path) == [f"{tmp_path}: Is a directory"]

    @pytest.mark.parametrize("content", [b"[server\n", b"\xff\xfe", b"a = 1\na = 2\n"])
    def test_not_toml(self, content: bytes, tmp_path: Path) -> None:
        """What is not TOML in UTF-8 is an error that begins with the file's name."""
        file = tmp_path / "broken.toml"
        file.write_bytes(content)
        (problem,) = problems(file)
        assert problem.startswith(f"{file}: ")

    def test_everything_at_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Problems of all sources are told together, one line each."""
        file = tmp_path / "quizd.toml"
        file.write_text("[server]\nprot = 1\nhost = ''\n[timeouts]\nhandshake_s = -5\n")
        monkeypatch.setenv("QUIZD_LOG__LEVEL", "loud")
        monkeypatch.setenv("QUIZD_TYPO", "1")
        told = problems(file, {"leaderboard": {"size": 0}})
        assert [line.partition(":")[0] for line in told] == [
            "QUIZD_TYPO",
            "server.host",
            "server.prot",
            "timeouts.handshake_s",
            "leaderboard.size",
            "log.level",
        ]


class TestSettings:
    """What the settings promise to those who use them."""

    def test_frozen(self) -> None:
        """Nobody changes settings that others have read."""
        settings = Settings()
        with pytest.raises(ValidationError, match="frozen"):
            settings.server = Server()  # type: ignore[misc]
        with pytest.raises(ValidationError, match="frozen"):
            settings.server.port = 1  # type: ignore[misc]

    def test_every_key_is_described(self) -> None:
        """Every key has a description that ends as a sentence."""
        for section in sections().values():
            for name, field in section.model_fields.items():
                assert re.search(r"\w.*\.$", field.description or ""), name

    def test_defaults_are_in_bounds(self) -> None:
        """The defaults pass the same checks as what people write."""
        assert load(overrides=Settings().model_dump()) == Settings()

    def test_secret_path(self) -> None:
        """The secret is in the data folder unless another file is named."""
        settings = load(overrides={"data": {"dir": "/srv/quizd"}})
        assert settings.secret_path == Path("/srv/quizd/secret")
        settings = load(overrides={"auth": {"secret_file": "/run/key"}})
        assert settings.secret_path == Path("/run/key")

    def test_author_token_path(self) -> None:
        """The token of authors likewise."""
        settings = load(overrides={"data": {"dir": "/srv/quizd"}})
        assert settings.author_token_path == Path("/srv/quizd/author.token")
        settings = load(overrides={"auth": {"author_token_file": "/run/token"}})
        assert settings.author_token_path == Path("/run/token")

    def test_audit_key_path(self) -> None:
        """The key of logs likewise."""
        settings = load(overrides={"data": {"dir": "/srv/quizd"}})
        assert settings.audit_key_path == Path("/srv/quizd/audit.key")
        settings = load(overrides={"database": {"audit_key_file": "/run/key"}})
        assert settings.audit_key_path == Path("/run/key")

    def test_written_as_browsers_write_it(self) -> None:
        """Origins are compared in lower case, and links have no double slash."""
        server = Server(
            public_url="https://quiz.example.org/",
            allowed_origins=("HTTPS://Quiz.Example.org",),
        )
        assert server.public_url == "https://quiz.example.org"
        assert server.allowed_origins == ("https://quiz.example.org",)


class TestToml:
    """What print-config prints is a configuration file that means the same."""

    def test_defaults(self, tmp_path: Path) -> None:
        """The printed defaults are read back as the defaults."""
        file = tmp_path / "printed.toml"
        file.write_text(to_toml(Settings()))
        assert load(file) == Settings()

    @given(
        host=st.text(min_size=1),
        seconds=st.floats(0, 3600, exclude_min=True),
        tokenless=st.booleans(),
        networks=st.lists(st.ip_addresses().map(ip_network)),
    )
    def test_any_value(
        self, host: str, seconds: float, tokenless: bool, networks: list[Any]
    ) -> None:
        """Any text, number, truth value and list survives being printed."""
        settings = load(
            overrides={
                "server": {"host": host},
                "timeouts": {"handshake_s": seconds},
                "compat": {"tokenless": tokenless},
                "metrics": {"allow": networks},
            }
        )
        printed = tomllib.loads(to_toml(settings))
        assert Settings.model_validate(printed) == settings


class TestDocumentation:
    """config/quizd.toml teaches exactly the keys that exist, with their defaults."""

    def test_as_shipped(self) -> None:
        """The file as it is changes nothing."""
        assert load(DOCUMENTED) == Settings()

    def test_uncommented(self) -> None:
        """With every key uncommented it holds all keys, in order, at their defaults."""
        text = re.sub(r"(?m)^#(?=\w+ = )", "", DOCUMENTED.read_text())
        documented = tomllib.loads(text)
        defaults = Settings().model_dump(mode="json")
        assert {name: list(table) for name, table in documented.items()} == {
            name: list(table) for name, table in defaults.items()
        }
        assert documented == defaults

    def test_every_key_is_explained(self) -> None:
        """Above each key, or the group it stands in, is text that explains it."""
        for group in DOCUMENTED.read_text().split("\n\n"):
            if re.search(r"(?m)^#\w+ = ", group):
                assert re.match(r"# [\w\"]", group.lstrip("\n")), group
