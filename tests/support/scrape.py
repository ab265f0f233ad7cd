"""What a server in another process says of itself: its metrics page."""

import asyncio
from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families

from tests.support.server import Server

PATIENCE_S = 15.0
BETWEEN_S = 0.02


async def metric(server: Server, name: str) -> float:
    """Return the value of a metric that has no labels."""
    async with server.api() as api:
        page = (await api.get(f"{server.url}/metrics")).text
    (value,) = [
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == name
    ]
    return value


async def until(server: Server, name: str, holds: Callable[[float], bool]) -> None:
    """Wait until a metric's value *holds*; another process has no events for us."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds(await metric(server, name)):  # noqa: ASYNC110 - see above
            await asyncio.sleep(BETWEEN_S)
