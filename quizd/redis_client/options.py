"""What the options of Redis come to: hosts, login, certificates."""

import os
import ssl
import stat
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

Host = tuple[str, int]
"""Name or address, and port."""

PRIVATE_BITS = stat.S_IRWXG | stat.S_IRWXO


class RedisMisconfigured(ValueError):  # noqa: N818 - names the state
    """An option is wrong; the message names it and never holds a password."""


class Mode(StrEnum):
    """What is on the other side."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """How to reach Redis. *url* is left out of reprs: it may hold a password.

    ``password_file`` holds a password, nothing else, and must be readable by its owner
    alone; it wins over the URL's. ``timeout_s`` bounds connecting, each reply and the
    wait for a pooled connection; ``connections`` bounds the pool (of each node).
    """

    url: str = field(default="redis://127.0.0.1:6379/0", repr=False)
    sentinel_service: str = ""
    username: str = ""
    password_file: str = ""
    sentinel_username: str = ""
    sentinel_password_file: str = ""
    tls_ca: str = ""
    tls_certificate: str = ""
    tls_key: str = ""
    timeout_s: float = 2.0
    connections: int = 16


@dataclass(frozen=True, slots=True)
class Login:
    """A user and a password; both may be empty."""

    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """What the options come to: everything that is needed to open a connection.

    ``hosts`` are the server, the Sentinels or some nodes of the Cluster; for a socket
    file they are empty and ``path`` is set.
    """

    mode: Mode
    hosts: tuple[Host, ...]
    path: str
    db: int
    service: str
    login: Login
    sentinel_login: Login
    tls: ssl.SSLContext | None
    timeout_s: float

    def __str__(self) -> str:
        """Return where it is, in words for messages."""
        hosts = ",".join(f"{host}:{port}" for host, port in self.hosts)
        service = f" (service {self.service})" if self.service else ""
        return f"{self.mode} {self.path or hosts}{service}"


_BAD_HOST = (
    "redis.url: a host or port is missing or wrong; in a password, [ and ] and other "
    "special characters are to be percent-encoded, / as %2F and so on"
)
"""Shows nothing of the URL: what can't be read may be a piece of the password."""

SCHEMES = {
    "redis": (Mode.SINGLE, False),
    "rediss": (Mode.SINGLE, True),
    "unix": (Mode.SINGLE, False),
    "redis+sentinel": (Mode.SENTINEL, False),
    "rediss+sentinel": (Mode.SENTINEL, True),
    "redis+cluster": (Mode.CLUSTER, False),
    "rediss+cluster": (Mode.CLUSTER, True),
}


def resolve(options: RedisOptions) -> Target:
    """Read URL, password files and certificates. Raises `RedisMisconfigured`."""
    try:
        parts = urlsplit(options.url)
    except ValueError:  # whose words may have the login in them
        raise RedisMisconfigured(_BAD_HOST) from None
    if parts.scheme not in SCHEMES:
        known = ", ".join(SCHEMES)
        raise RedisMisconfigured(f"redis.url: the scheme must be one of {known}")
    mode, with_tls = SCHEMES[parts.scheme]
    path = unquote(parts.path) if parts.scheme == "unix" else ""
    return Target(
        mode=mode,
        hosts=() if path else _hosts(parts, 26379 if mode is Mode.SENTINEL else 6379),
        path=path,
        db=_db(parts, mode),
        service=_service(parts, mode, options),
        login=_login(parts, options),
        sentinel_login=Login(
            options.sentinel_username,
            _secret("redis.sentinel_password_file", options.sentinel_password_file),
        ),
        tls=_tls(options) if with_tls else None,
        timeout_s=options.timeout_s,
    )


def _hosts(parts: SplitResult, default_port: int) -> tuple[Host, ...]:
    """Return the hosts of a URL; IPv6 addresses stand in brackets."""
    found = []
    for item in parts.netloc.rpartition("@")[2].split(","):
        try:
            one = urlsplit(f"//{item}")
            host, port = one.hostname, one.port
        except ValueError:
            host, port = None, None
        if not host:
            raise RedisMisconfigured(_BAD_HOST)
        found.append((host, port or default_port))
    return tuple(found)


def _db(parts: SplitResult, mode: Mode) -> int:
    """Return the number of the database; a Cluster has only 0."""
    text = parse_qs(parts.query).get("db", [""])[0]
    if mode is Mode.SINGLE and parts.scheme != "unix":
        text = text or parts.path.strip("/")
    if mode is Mode.CLUSTER and (parts.path.strip("/") or text not in {"", "0"}):
        raise RedisMisconfigured("redis.url: a Cluster has one database and no path")
    if text and not text.isdecimal():
        raise RedisMisconfigured(
            "redis.url: the path must be a database's number, like /0"
        )
    return int(text or 0)


def _service(parts: SplitResult, mode: Mode, options: RedisOptions) -> str:
    if mode is not Mode.SENTINEL:
        return ""
    service = options.sentinel_service or unquote(parts.path.strip("/"))
    if not service or not set(service).isdisjoint("@/"):
        raise RedisMisconfigured(
            "redis.sentinel_service: Sentinels need a service's name"
        )
    return service


def _login(parts: SplitResult, options: RedisOptions) -> Login:
    name, _, password = parts.netloc.rpartition("@")[0].partition(":")
    return Login(
        options.username or unquote(name),
        _secret("redis.password_file", options.password_file) or unquote(password),
    )


def _secret(option: str, file: str) -> str:
    """Return the password in *file*, which only its owner may read."""
    if not file:
        return ""
    try:
        with Path(file).open(encoding="utf-8") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            secret = opened.read().strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RedisMisconfigured(f"{option}: can't read {file}: {error}") from None
    if mode & PRIVATE_BITS:
        mode_text = f"{stat.S_IMODE(mode):04o}"
        raise RedisMisconfigured(f"{option}: {file} is {mode_text}, it must be 0600")
    if not secret:
        raise RedisMisconfigured(f"{option}: {file} is empty")
    return secret


def _tls(options: RedisOptions) -> ssl.SSLContext:
    """Return a context that verifies the server, also its name."""
    if bool(options.tls_certificate) != bool(options.tls_key):
        raise RedisMisconfigured(
            "redis.tls_certificate and redis.tls_key: needs both or neither"
        )
    try:
        context = ssl.create_default_context(cafile=options.tls_ca or None)
    except (OSError, ssl.SSLError) as error:
        raise RedisMisconfigured(f"redis.tls_ca: {options.tls_ca}: {error}") from None
    if options.tls_certificate:
        try:
            context.load_cert_chain(options.tls_certificate, options.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise RedisMisconfigured(
                f"redis.tls_certificate: {options.tls_certificate}: {error}"
            ) from None
    return context
