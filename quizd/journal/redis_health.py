"""What a Redis server does for the journal that lies on it, and what it does not.

The settings are the server's, and an operator may have forbidden to ask for them
(Redis ACL): then that is said instead.
"""

from dataclasses import dataclass
from typing import Any

from redis.asyncio import RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.exceptions import RedisError, ResponseError

from quizd.journal.redis_lane import ask
from quizd.redis_client import Client

FULL_PERCENT = 70
"""From this use of its memory limit on, a server gets no new sessions."""

_SURVIVES = {
    "always": "survives the death of any process and loss of power",
    "everysec": "survives the death of any process; loss of power may take the latest "
    "second, which a living owner appends again",
    "no": "survives the death of any process; loss of power may take the latest half "
    "minute, which a living owner appends again",
    "": "survives as much as the server's appendfsync says, which its ACL forbids to "
    "ask for",
}

_WEAKEST_FIRST = ("off", "", "no", "everysec", "always")


@dataclass(frozen=True, slots=True)
class Survey:
    """What is to be said of the servers; *warnings* are sentences, none is best."""

    durability: str
    warnings: tuple[str, ...]


async def survey(client: Client) -> Survey:
    """Ask every server. Raises `JournalUnavailable`."""
    if not isinstance(client, RedisCluster):
        facts = [await ask(_facts(client, "Redis"))]
    else:
        await ask(client.initialize())
        facts = [
            await ask(_facts(client, f"Redis {node.name}", node))
            for node in client.get_primaries()
        ]
    return _judge(facts)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What one server says; None is what it may not tell."""

    name: str
    fsync: str  # appendfsync; "off" without an append-only file, "" if unknown
    memory: dict[str, Any] | None
    replicas: int


async def _facts(client: Client, name: str, node: ClusterNode | None = None) -> _Facts:
    config = await _allowed(client, node, "CONFIG GET", "append*")
    persistence = await _allowed(client, node, "INFO", "persistence")
    replication = await _allowed(client, node, "INFO", "replication")
    if config and config.get("appendonly") == "yes":
        fsync = str(config.get("appendfsync", ""))
    elif config or (persistence and not int(persistence.get("aof_enabled", 1))):
        fsync = "off"
    else:
        fsync = ""
    memory = await _allowed(client, node, "INFO", "memory")
    replicas = int(replication.get("connected_slaves", 0)) if replication else 0
    return _Facts(name, fsync, memory, replicas)


async def _allowed(
    client: Client, node: ClusterNode | None, *words: str
) -> dict[str, Any] | None:
    """Return the answer, None if this user or this service does not allow to ask."""
    where = {"target_nodes": node} if node else {}
    try:
        reply = await client.execute_command(*words, **where)
    except ResponseError as error:
        if _is_refusal(error):
            return None
        raise
    return dict(reply)


def _is_refusal(error: RedisError) -> bool:
    text = str(error).lower()
    return "permission" in text or "unknown command" in text or "not allowed" in text


def _judge(facts: list[_Facts]) -> Survey:
    fsync = min((one.fsync for one in facts), key=_WEAKEST_FIRST.index)
    warnings = [warning for one in facts for warning in _warnings(one)]
    if fsync == "off":
        text = "Redis without an append-only file: an acknowledged answer is lost with "
        text += "the server, unless its owner lives"
    else:
        text = f"Redis Streams (appendfsync {fsync or 'unknown'}): an acknowledged "
        text += f"answer {_SURVIVES[fsync]}"
    if any(one.replicas for one in facts):
        text += "; a failover may lose the replication lag"
    return Survey(text, tuple(warnings))


def _warnings(facts: _Facts) -> list[str]:
    warnings = []
    if facts.fsync == "off":
        warnings.append(
            f"{facts.name} keeps nothing on the disk: set appendonly to yes"
        )
    elif facts.fsync != "always":
        warnings.append(
            f"{facts.name} has appendfsync {facts.fsync or 'unknown (ACL)'}: "
            "only always survives loss of power"
        )
    if facts.memory is None:
        warnings.append(f"{facts.name} does not tell its use of memory (ACL on INFO)")
        return warnings
    policy = facts.memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        warnings.append(
            f"{facts.name} may evict sessions: set maxmemory-policy to noeviction, "
            f"not {policy}"
        )
    limit_bytes = int(facts.memory.get("maxmemory", 0))
    used_bytes = int(facts.memory.get("used_memory", 0))
    if limit_bytes and used_bytes * 100 >= limit_bytes * FULL_PERCENT:
        warnings.append(
            f"{facts.name} uses {used_bytes * 100 // limit_bytes} % of its memory "
            f"limit: no new session begins above {FULL_PERCENT} %"
        )
    return warnings
