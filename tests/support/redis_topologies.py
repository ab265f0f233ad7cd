"""Redis in the forms in which people run it: a Cluster, Sentinels, TLS, an ACL.

All on loopback, in processes that end with the test's. They are arranged without a
loop, so that many tests may share one.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from time import sleep
from typing import Any

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.ports import free_port
from tests.support.redis_server import PROGRAM, RedisServer, speaks_tls

SLOTS = 16_384
SERVICE = "quizd-test"
USER = "quizd"
PASSWORD = "not:easy@all"

LINK_ACL = "~quizd:* &quizd:* +@pubsub +ping +client|setname +role +cluster|slots"
"""What the link needs of an ACL; HELLO and AUTH are free for everybody."""

_WAIT_S = 20.0
_LOOK_S = 0.02
_YEAR = timedelta(days=365)


@contextmanager
def running(server: RedisServer) -> Iterator[RedisServer]:
    """Start *server* and end it, however the test ends."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(server.start())
        yield server
    finally:
        loop.run_until_complete(server.__aexit__(None, None, None))
        loop.close()


def ask(port: int, *command: object) -> Any:  # noqa: ANN401 - any reply
    """Return the reply to one command, as the server gives it."""
    client = redis.Redis(
        port=port, protocol=2, decode_responses=True, socket_timeout=_WAIT_S
    )
    with client:
        client.response_callbacks.clear()
        return client.execute_command(*command)  # type: ignore[no-untyped-call]


def until(is_so: Callable[[], object], what: str) -> None:
    """Wait for another process: it tells nobody, it has to be looked at."""
    for _ in range(int(_WAIT_S / _LOOK_S)):
        if is_so():
            return
        sleep(_LOOK_S)
    raise RuntimeError(f"still not so: {what}")


def cut_off(port: int) -> None:
    """Have the server close every connection but the one that asks for it."""
    for kind in ("normal", "pubsub"):
        ask(port, "CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")


# -- Cluster ---------------------------------------------------------------------------


class Cluster:
    """Primaries with a third of the slots each; :meth:`move` gives a slot away."""

    def __init__(self, servers: list[RedisServer]) -> None:
        self.servers = servers

    @property
    def ports(self) -> list[int]:
        """Of all nodes."""
        return [server.port for server in self.servers]

    @property
    def url(self) -> str:
        """Names two of the nodes; the others have to be found."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports[:2])
        return f"redis+cluster://{hosts}"

    def owner(self, slot: int) -> int:
        """Return the port of the primary of *slot*."""
        for first, last, primary, *_ in ask(self.ports[0], "CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return int(primary[1])
        raise LookupError(slot)

    def primary_of(self, key: str) -> RedisServer:
        """Return the server that has *key*."""
        port = self.owner(ask(self.ports[0], "CLUSTER", "KEYSLOT", key))
        return next(server for server in self.servers if server.port == port)

    def settle(self) -> None:
        """Return when all nodes that run agree that all slots are served."""
        running = [server.port for server in self.servers if server.running]
        until(lambda: all(map(_is_served, running)), "all slots are served")

    def move(self, slot: int) -> None:
        """Give an empty slot to another primary, as resharding does at its end."""
        old = self.owner(slot)
        new = next(port for port in self.ports if port != old)
        to = ask(new, "CLUSTER", "MYID")
        for port in (new, old, *self.ports):
            ask(port, "CLUSTER", "SETSLOT", slot, "NODE", to)
        until(lambda: all(self._knows(p, slot, new) for p in self.ports), "moved")

    def _knows(self, port: int, slot: int, owner: int) -> bool:
        return any(
            first <= slot <= last and primary[1] == owner
            for first, last, primary, *_ in ask(port, "CLUSTER", "SLOTS")
        )


@contextmanager
def a_cluster(
    nodes: int = 3,
    options: Mapping[str, object] | None = None,
    *,
    replicas: bool = False,
) -> Iterator[Cluster]:
    """Run a Redis Cluster of primaries; *replicas*: each has one, listed behind them.

    *options* are directives beside those of a Cluster.
    """
    every = {
        "cluster-enabled": "yes",
        "cluster-config-file": "nodes.conf",
        "cluster-node-timeout": "2000",
        "repl-diskless-sync-delay": "0",
        **(options or {}),
    }
    count = 2 * nodes if replicas else nodes
    with ExitStack() as stack:
        servers = [
            stack.enter_context(running(RedisServer(every))) for _ in range(count)
        ]
        ports = [server.port for server in servers]
        _introduce(ports, nodes)
        for primary, replica in zip(ports[:nodes], ports[nodes:], strict=False):
            ask(replica, "CLUSTER", "REPLICATE", ask(primary, "CLUSTER", "MYID"))
        until(lambda: all(map(_is_linked, ports[nodes:])), "replicas are in step")
        yield Cluster(servers)


def _introduce(ports: list[int], primaries: int) -> None:
    """Share out the slots to the first ones and let all meet."""
    share = -(-SLOTS // primaries)
    for number, port in enumerate(ports[:primaries]):
        last = min((number + 1) * share, SLOTS) - 1
        ask(port, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        ask(port, "CLUSTER", "ADDSLOTS", *range(number * share, last + 1))
    for port in ports:
        ask(ports[0], "CLUSTER", "MEET", "127.0.0.1", port)
    counts = (primaries, len(ports))
    until(lambda: all(_is_whole(port, *counts) for port in ports), "cluster is ok")


def _is_whole(port: int, primaries: int, nodes: int) -> bool:
    info = ask(port, "CLUSTER", "INFO").splitlines()
    slots = ask(port, "CLUSTER", "SLOTS")
    return (
        "cluster_state:ok" in info
        and f"cluster_known_nodes:{nodes}" in info
        and len(slots) == primaries
    )


def _is_served(port: int) -> bool:
    info = ask(port, "CLUSTER", "INFO").splitlines()
    return "cluster_state:ok" in info and f"cluster_slots_ok:{SLOTS}" in info


def _is_linked(replica: int) -> bool:
    return "master_link_status:up" in ask(replica, "INFO", "replication")


# -- Sentinel --------------------------------------------------------------------------


class SentinelSet:
    """A master, a replica and the Sentinels that watch them."""

    def __init__(self, ports: list[int], servers: list[RedisServer]) -> None:
        self.ports = ports
        self.servers = servers

    @property
    def url(self) -> str:
        """Names the Sentinels and the service."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"redis+sentinel://{hosts}/{SERVICE}"

    @property
    def master_port(self) -> int:
        """Of the server that is the master by what the first Sentinel says."""
        words = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return int(ask(self.ports[0], *words)[1])

    def lose_master(self) -> None:
        """Kill the master; returns when the first Sentinel names another one."""
        before = self.master_port
        master = next(one for one in self.servers if one.port == before)
        os.kill(master.pid, signal.SIGKILL)
        until(lambda: self.master_port != before, "failed over")

    def failover(self) -> None:
        """Have the replica promoted; returns when the first Sentinel says it is."""
        before = self.master_port
        until(self._begins_failover, "failover has begun")
        until(lambda: self.master_port != before, "failed over")

    def _begins_failover(self) -> bool:
        """Ask for it; a Sentinel refuses until it has looked at the replica."""
        try:
            ask(self.ports[0], "SENTINEL", "FAILOVER", SERVICE)
        except redis.ResponseError as error:
            if any(word in str(error) for word in ("NOGOODSLAVE", "INPROG")):
                return False
            raise
        return True


@contextmanager
def a_sentinel_set(
    sentinels: int = 1,
    options: Mapping[str, object] | None = None,
    *,
    replicas: int = 1,
) -> Iterator[SentinelSet]:
    """Run a master, *replicas* and *sentinels* that agree on being a majority.

    *options* are directives of master and replicas.
    """
    every = {"repl-diskless-sync-delay": "0", **(options or {})}
    with ExitStack() as stack:
        master = stack.enter_context(running(RedisServer(every)))
        others = [
            stack.enter_context(running(RedisServer(every))) for _ in range(replicas)
        ]
        for replica in others:
            ask(replica.port, "REPLICAOF", "127.0.0.1", master.port)
        ports = [
            stack.enter_context(_sentinel(master, sentinels // 2 + 1, number))
            for number in range(sentinels)
        ]
        counts = (replicas, sentinels - 1)
        until(lambda: all(_knows_all(port, *counts) for port in ports), "all are known")
        until(lambda: all(_is_linked(one.port) for one in others), "all are in step")
        yield SentinelSet(ports, [master, *others])


def _knows_all(port: int, replicas: int, sentinels: int) -> bool:
    return (
        len(ask(port, "SENTINEL", "REPLICAS", SERVICE)) == replicas
        and len(ask(port, "SENTINEL", "SENTINELS", SERVICE)) == sentinels
    )


@contextmanager
def _sentinel(master: RedisServer, quorum: int, number: int) -> Iterator[int]:
    port = free_port()
    file = master.dir / f"sentinel{number}.conf"
    file.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {master.dir}\n"
        f"logfile {master.dir}/sentinel{number}.log\n"
        f"sentinel monitor {SERVICE} 127.0.0.1 {master.port} {quorum}\n"
        f"sentinel down-after-milliseconds {SERVICE} 1000\n"
        f"sentinel failover-timeout {SERVICE} 3000\n"
    )
    assert PROGRAM is not None
    process = subprocess.Popen(  # noqa: S603 - our own words
        ["setpriv", "--pdeathsig", "KILL", PROGRAM, str(file), "--sentinel"],  # noqa: S607
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: _answers(port), "sentinel answers")
        yield port
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        return bool(ask(port, "PING"))
    except redis.ConnectionError:
        return False


# -- TLS and ACL -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files of an authority, and of a certificate for loopback that it has signed."""

    authority: Path
    certificate: Path
    key: Path


def certificates(folder: Path) -> Certificates:
    """Make an authority and a certificate, valid for a year."""
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca = _signed("quizd test authority", ca_key.public_key(), None, ca_key)
    leaf = _signed("localhost", key.public_key(), ca, ca_key)
    files = Certificates(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    files.authority.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    files.certificate.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    files.key.chmod(0o600)
    return files


def _signed(
    name: str,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """Return a certificate of *key*; without an issuer, one of an authority."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)  # noqa: TID251 - certificates follow the real time
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    authority_key = x509.SubjectKeyIdentifier.from_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _YEAR)
        .add_extension(x509.BasicConstraints(issuer is None, None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                authority_key
            ),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


@dataclass(frozen=True, slots=True)
class GuardedServer:
    """A server that speaks TLS to clients with a certificate, and to one user.

    ``server.port`` speaks plainly and lets anybody do anything: it is the test's.
    """

    server: RedisServer
    tls_port: int
    files: Certificates
    password_file: Path

    @property
    def url(self) -> str:
        """Where TLS is."""
        return f"rediss://localhost:{self.tls_port}/0"


@contextmanager
def a_guarded_server(
    acl: str = LINK_ACL, options: Mapping[str, object] | None = None
) -> Iterator[GuardedServer]:
    """Run a server with TLS and the user `USER`, who may do what *acl* allows."""
    if not speaks_tls():
        pytest.skip("this redis-server is built without TLS")
    server = RedisServer(options)
    files = certificates(server.dir)
    tls_port = free_port()
    users = server.dir / "users.acl"
    users.write_text(
        "user default on nopass ~* &* +@all\n"
        f"user {USER} on >{PASSWORD} resetchannels {acl}\n"
    )
    password_file = server.dir / "password"
    password_file.write_text(PASSWORD + "\n")
    password_file.chmod(0o600)
    server.options |= {
        "aclfile": users,
        "tls-port": tls_port,
        "tls-cert-file": files.certificate,
        "tls-key-file": files.key,
        "tls-ca-cert-file": files.authority,
        "tls-auth-clients": "yes",
    }
    with running(server):
        yield GuardedServer(server, tls_port, files, password_file)
