"""A stage for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.api.stage import Stage


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """The API with default settings, running."""
    async with Stage() as stage:
        yield stage
