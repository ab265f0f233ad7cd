"""The workloads by the clock: ``python -m bench.check --time``."""

from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.micro.workloads import WORKLOADS, Deed, Workload

ROUNDS = 30
NS_PER_S = 1e9


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda each: each.name)
def test_time(benchmark: BenchmarkFixture, workload: Workload) -> None:
    """A round is the workload's steps; told is also what one operation takes."""

    def prepared() -> tuple[tuple[Deed], dict[str, object]]:
        return (workload.prepare(workload.steps),), {}

    measure: Callable[..., object] = benchmark.pedantic
    measure(lambda deed: deed(), setup=prepared, rounds=ROUNDS)
    if benchmark.stats is not None:
        took_ns = benchmark.stats.stats.median * NS_PER_S / workload.operations
        print(f"{workload.name}: {took_ns:,.1f} ns per operation")
