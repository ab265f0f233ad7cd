"""What operators ask: alive, ready, which version, how much."""

import asyncio

import pytest
from prometheus_client import Counter

from quizd.store.base import StoreUnavailable
from tests.api.stage import Stage


async def test_a_process_that_answers_is_alive(stage: Stage) -> None:
    """Also when it is not ready."""
    stage.rebuild(not_ready=lambda: "draining")
    assert (await stage.api.get("/livez")).json() == {"status": "alive"}


async def test_ready_is_short_unless_asked(stage: Stage) -> None:
    """?verbose tells what was looked at, without a value too."""
    await stage.open()
    assert (await stage.api.get("/readyz")).json() == {"status": "ready"}
    for query in ("?verbose", "?verbose=1"):
        checks = (await stage.api.get(f"/readyz{query}")).json()["checks"]
        assert checks == {
            "store": "ok",
            "sessions": "1 of 10000 open",
            "journal": stage.journal.durability,
        }


async def test_who_drains_is_not_ready(stage: Stage) -> None:
    """503 with the reason."""
    stage.rebuild(not_ready=lambda: "draining")
    answer = await stage.api.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "shard_unavailable")
    assert answer.json()["details"] == {"problem": "draining"}


async def test_without_a_database_one_is_ready_but_degraded(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Play goes on, so players are sent here; who looks closer is told why."""

    async def fail() -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(stage.quizzes, "ping", fail)
    assert (await stage.api.get("/readyz")).json() == {"status": "ready"}
    looked = await stage.api.get("/readyz?verbose")
    assert (looked.status_code, looked.json()["status"]) == (200, "degraded: store")
    assert looked.json()["checks"]["store"] == "degraded: gone"


async def test_a_database_that_does_not_answer_keeps_nobody_waiting(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts as away after a while."""

    async def hang() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(stage.quizzes, "ping", hang)
    monkeypatch.setattr("quizd.api.health.STORE_WITHIN_S", 0.0)
    looked = await stage.api.get("/readyz?verbose")
    assert looked.json()["status"] == "degraded: store"


async def test_what_the_store_says_of_itself_is_told(stage: Stage) -> None:
    """Also where the database answers: what is written behind may fail."""
    stage.rebuild(state=lambda: {"store": "degraded: disk full", "write-behind": "-"})
    looked = (await stage.api.get("/readyz?verbose")).json()
    assert looked["status"] == "degraded: store"
    assert looked["checks"]["store"] == "degraded: disk full"


async def test_the_version_is_told(stage: Stage) -> None:
    """With the program's name."""
    answer = await stage.api.get("/version")
    assert answer.json() == {"name": "quizd", "version": "1.2.3"}


async def test_metrics_are_prometheus_text(stage: Stage) -> None:
    """What the registry holds, in the format that Prometheus reads."""
    Counter("quizd_test_things", "Things.", registry=stage.services.registry).inc(3)
    answer = await stage.api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "quizd_test_things_total 3.0" in answer.text


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("127.0.0.1", 200),
        ("127.9.9.9", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("", 200),
        ("10.0.0.1", 403),
        ("2001:db8::1", 403),
    ],
)
async def test_metrics_are_for_some_networks(
    stage: Stage, address: str, status: int
) -> None:
    """Loopback unless configured, and a Unix socket, which its file guards."""
    async with stage.client(address) as client:
        assert (await client.get("/metrics")).status_code == status


async def test_the_networks_are_a_setting() -> None:
    """Then others may, and loopback may not."""
    async with Stage({"metrics": {"allow": "10.0.0.0/8"}}) as stage:
        async with stage.client("10.1.2.3") as client:
            assert (await client.get("/metrics")).status_code == 200
        assert (await stage.api.get("/metrics")).json()["code"] == "forbidden"


async def test_metrics_can_be_off() -> None:
    """Then there is nothing at that address."""
    async with Stage({"metrics": {"enabled": False}}) as stage:
        answer = await stage.api.get("/metrics")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
