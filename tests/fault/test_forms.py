"""Games on every form of Redis that shards meet in, while parts of it fail.

A Cluster whose nodes die and come back, one whose replicas are promoted, Sentinels that
name another master, and a server that speaks TLS to a user who may little. What a
promoted replica had not got yet, the living owner gives back.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.fault.stage import DURABLE, LONG, playing, rounds, shards_at
from tests.support.cluster_game import ClusterGame, Plan
from tests.support.redis_server import needs_redis
from tests.support.redis_topologies import (
    USER,
    Cluster,
    GuardedServer,
    SentinelSet,
    a_cluster,
    a_guarded_server,
    a_sentinel_set,
)
from tests.support.survivor import Temper

PLAN = Plan(20, 6 if LONG else 4, 1.5, temper=Temper(think_s=(0.0, 1.3)))
DOWN_S = 0.5
NOTICED_S = 2.0
"""After that the nodes of a Cluster no longer count on one that has died."""
MOMENT_S = 1.0
DOCUMENT = Path(__file__).parents[2] / "docs/cluster.md"

pytestmark = [needs_redis, pytest.mark.timeout(240)]


def _cluster() -> Iterator[Cluster]:
    with a_cluster(options=DURABLE) as cluster:
        yield cluster


def _replicated() -> Iterator[Cluster]:
    with a_cluster(options=DURABLE, replicas=True) as cluster:
        yield cluster


def _sentinels() -> Iterator[SentinelSet]:
    with a_sentinel_set(options=DURABLE) as sentinels:
        yield sentinels


def _guarded() -> Iterator[GuardedServer]:
    with a_guarded_server(documented_acl(), DURABLE) as server:
        yield server


cluster_fixture = pytest.fixture(name="cluster")(_cluster)
replicated_fixture = pytest.fixture(name="replicated")(_replicated)
sentinels_fixture = pytest.fixture(name="sentinels")(_sentinels)
guarded_fixture = pytest.fixture(name="guarded")(_guarded)


def documented_acl() -> str:
    """Return what the manual says that our user has to be allowed."""
    [rules] = re.findall(r"ACL SETUSER quizd on >PASSWORD (.*)", DOCUMENT.read_text())
    return str(rules)


@asynccontextmanager
async def game_at(url: str, data_dir: Path, seed: int) -> AsyncIterator[ClusterGame]:
    """Begin a game on three shards that meet at *url*."""
    async with (
        shards_at(url, data_dir) as shards,
        playing(shards, url, PLAN, seed) as game,
    ):
        yield game


async def replace_owner(game: ClusterGame) -> None:
    """Kill the owner; when another one has taken over, start it again."""
    owner, term = await game.owner(), await game.term()
    await owner.kill()
    await game.later_term(term)
    await owner.start()


async def goes_on(game: ClusterGame) -> None:
    """Wait until players hear what was decided since a moment after now."""
    await game.something_said(asyncio.get_running_loop().time() + MOMENT_S)


async def hold_all(game: ClusterGame) -> None:
    """Wait for the end; hold that nothing was lost and nobody saw the past again."""
    await game.end()
    await game.hold()
    assert all(player.anew == 0 for player in game.players)


@pytest.mark.parametrize("seed", rounds(1, 4))
async def test_nodes_of_a_cluster_die_and_come_back(
    cluster: Cluster, seed: int, tmp_path: Path
) -> None:
    """Each in turn, between them the owner: the journal's, the members', the link's."""
    async with game_at(cluster.url, tmp_path, seed) as game:
        for number, server in enumerate(cluster.servers):
            await asyncio.sleep(game.rng.uniform(0.2, 0.8))
            await server.kill()
            await asyncio.sleep(game.rng.uniform(0, DOWN_S))
            await server.start()
            await asyncio.to_thread(cluster.settle)
            if number == 0:
                await replace_owner(game)
        await hold_all(game)


@pytest.mark.parametrize("seed", rounds(1, 4))
async def test_a_replica_of_a_cluster_is_promoted(
    replicated: Cluster, seed: int, tmp_path: Path
) -> None:
    """The primary that has the session is killed, and does not come back."""
    async with game_at(replicated.url, tmp_path, seed) as game:
        await asyncio.sleep(game.rng.uniform(0.5, 1.5))
        await replicated.primary_of(game.log_key).kill()
        await asyncio.sleep(NOTICED_S)
        await asyncio.to_thread(replicated.settle)
        await goes_on(game)
        await replace_owner(game)
        await hold_all(game)


@pytest.mark.parametrize("way", ["asked", "killed"] if LONG else ["asked"])
@pytest.mark.parametrize("seed", rounds(1, 4))
async def test_sentinels_name_another_master(
    sentinels: SentinelSet, way: str, seed: int, tmp_path: Path
) -> None:
    """By an operator's word, or because the master died."""
    async with game_at(sentinels.url, tmp_path, seed) as game:
        await asyncio.sleep(game.rng.uniform(0.5, 1.5))
        if way == "asked":
            await asyncio.to_thread(sentinels.failover)
        else:
            await asyncio.to_thread(sentinels.lose_master)
        await goes_on(game)
        await replace_owner(game)
        await hold_all(game)


@pytest.mark.parametrize("seed", rounds(1, 2))
async def test_tls_and_a_user_who_may_what_the_manual_says(
    guarded: GuardedServer, seed: int, tmp_path: Path
) -> None:
    """All that shards do is allowed, also taking over; nobody is refused anything."""
    options = {
        "redis.username": USER,
        "redis.password_file": str(guarded.password_file),
        "redis.tls_ca": str(guarded.files.authority),
        "redis.tls_certificate": str(guarded.files.certificate),
        "redis.tls_key": str(guarded.files.key),
    }
    async with (
        shards_at(guarded.url, tmp_path, options) as shards,
        playing(shards, guarded.server.url, PLAN, seed) as game,
    ):
        await asyncio.sleep(game.rng.uniform(0.5, 1.5))
        await replace_owner(game)
        await hold_all(game)
        refused = await guarded.server.command("ACL", "LOG")
        assert refused == b"*0"
