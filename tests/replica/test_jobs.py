"""What is done beside all else ends with the shard."""

import asyncio

from quizd.replica.jobs import Jobs


async def test_a_job_is_done_though_nobody_waits() -> None:
    """It is held meanwhile, and let go when it is done."""
    jobs, done = Jobs(), asyncio.Event()

    async def job() -> None:
        await asyncio.sleep(0)
        done.set()

    jobs.start(job())
    await done.wait()
    await asyncio.sleep(0)
    assert not jobs._tasks


async def test_stopping_waits_until_all_have_ended() -> None:
    """A job may have something to put in order when it is cancelled."""
    jobs, steps = Jobs(), []

    async def job() -> None:
        steps.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            steps.append("in order")

    jobs.start(job())
    await asyncio.sleep(0)
    await jobs.stop()
    assert steps == ["begun", "in order"]


async def test_nothing_begins_after_the_end() -> None:
    """What another shard asks for so late is not even begun."""
    jobs, steps = Jobs(), []

    async def job() -> None:
        steps.append("begun")

    await jobs.stop()
    jobs.start(job())
    await asyncio.sleep(0)
    assert steps == []
