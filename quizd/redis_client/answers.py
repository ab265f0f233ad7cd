"""Who answers, and what is wrong where nobody does."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from redis.asyncio import RedisCluster
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.exceptions import AuthenticationError, NoPermissionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from quizd.redis_client.clients import TROUBLE, Client
from quizd.redis_client.master import NO_MASTER, NO_SENTINEL
from quizd.redis_client.options import Mode, RedisOptions, Target, resolve

Facts = list[Any] | dict[Any, Any]
"""Names and values, as RESP2 and RESP3 write a map."""

OLDEST = (6, 2)
"""The first version of Redis whose commands suffice."""


class RedisUnusable(Exception):  # noqa: N818 - names the state, like HTTP's 503
    """The server can't be used; the message says where it is and why."""


@dataclass(frozen=True, slots=True)
class Description:
    """What answers: ``kind`` is ``redis`` or ``valkey``."""

    kind: str
    version: str
    mode: Mode

    @property
    def has_sharded_pubsub(self) -> bool:
        """Whether SSUBSCRIBE and SPUBLISH exist (redis.io: since 7.0)."""
        return self.kind != "redis" or _numbers(self.version) >= (7, 0)


async def check(client: Client, options: RedisOptions) -> Description:
    """Ask the server who it is. Raises `RedisUnusable`, which says what is wrong."""
    target = resolve(options)
    try:
        async with asyncio.timeout(2 * target.timeout_s):
            description, said = await _hello(client)
    except TROUBLE as error:
        problem = explain(error)
        raise RedisUnusable(f"{target}: {problem}{_hint(target, problem)}") from error
    if description.kind == "redis" and _numbers(description.version) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise RedisUnusable(
            f"{target}: is version {description.version}, {oldest} is needed"
        )
    if target.mode is Mode.SINGLE and said != "standalone":
        raise RedisUnusable(f"{target}: is a {said}, the url must be redis+{said}://")
    return description


def _hint(target: Target, problem: str) -> str:
    """Return what to look at where TLS on one side only may be the reason."""
    if not problem.startswith((_SILENT, _CLOSED)):
        return ""
    return "; does it speak TLS?" if target.tls else "; does it want TLS?"


_SILENT = "gives no answer in time"
_CLOSED = "closes the connection"


async def describe(client: Client) -> Description:
    """Return what *client* is connected to. Raises ``redis.RedisError``."""
    return (await _hello(client))[0]


async def _hello(client: Client) -> tuple[Description, str]:
    """Return the description and the mode that the server names itself.

    HELLO tells what INFO does, and no ACL can forbid it.
    """
    if isinstance(client, RedisCluster):
        await client.initialize()
        node = client.get_default_node()
        reply = await client.execute_command("HELLO", target_nodes=node)
    else:
        reply = await client.execute_command("HELLO")  # type: ignore[no-untyped-call]
    return said_hello(reply, _mode(client)), _facts(reply)["mode"]


def said_hello(reply: Facts, mode: Mode) -> Description:
    """Return what a reply to HELLO tells of a server that was reached by *mode*."""
    facts = _facts(reply)
    return Description(facts["server"], facts["version"], mode)


def _facts(reply: Facts) -> dict[str, str]:
    """Return HELLO's reply, a map that RESP2 writes as a list, as texts."""
    items = (
        reply.items()
        if isinstance(reply, dict)
        else zip(reply[::2], reply[1::2], strict=True)
    )
    return {_text(name): _text(value) for name, value in items}


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _mode(client: Client) -> Mode:
    if isinstance(client, RedisCluster):
        return Mode.CLUSTER
    pool = client.connection_pool
    return Mode.SENTINEL if isinstance(pool, SentinelConnectionPool) else Mode.SINGLE


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())


def explain(error: BaseException) -> str:
    """Return what is wrong, in a sentence that names the thing to change."""
    for one in _chain(error):
        for kinds, words in _CAUSES:
            if isinstance(one, kinds):
                return f"{words} ({one})" if str(one) else words
    text = str(error)
    for part, words in _SAID.items():
        if part in text:
            return words
    return text or type(error).__name__


_CAUSES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...]
_CAUSES = (
    (ssl.SSLCertVerificationError, "TLS: its certificate is not trusted"),
    (ssl.SSLError, "TLS: no agreement"),
    (socket.gaierror, "its host name is unknown"),
    (ConnectionRefusedError, "nothing listens there"),
    (FileNotFoundError, "there is no such socket file"),
    (AuthenticationError, "user or password is wrong or missing"),
    (NoPermissionError, "its ACL forbids this user a command, key or channel"),
    ((TimeoutError, RedisTimeoutError), _SILENT),
    (ConnectionResetError, _CLOSED),
)

_SAID = {
    "Connection closed by server": _CLOSED,
    "unknown command 'HELLO'": "is older than version 6",
    "unknown command 'SENTINEL'": "is no Sentinel",
    "Cluster mode is not enabled": "is no Cluster",
    "cluster support disabled": "is no Cluster",
    NO_SENTINEL: "none of its Sentinels answers",
    NO_MASTER: "its Sentinels know no master of this service",
}
"""By a part of what servers and redis-py say."""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield what has led to *error*, the first cause first."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        error = error.__cause__ or error.__context__
    return reversed(seen)
