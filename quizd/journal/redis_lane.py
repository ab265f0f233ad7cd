"""How writes travel to Redis: whatever waits when a round trip begins is one of them.

There is a lane per server, one round trip in flight on each, and order within it. Only
a Cluster has several lanes: a node that hangs then holds up its own sessions alone.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from redis.asyncio import RedisCluster
from redis.exceptions import NoScriptError, RedisClusterException

from quizd.journal.base import Fenced, JournalUnavailable
from quizd.journal.intake import Intake
from quizd.journal.redis_script import SCRIPT, SHA
from quizd.redis_client import TROUBLE, Client, explain, trips

GROUP_REQUESTS = 500
GROUP_BYTES = 8 * 1024 * 1024

Word = bytes | str | int
Reply = list[Any]
Digest = Callable[[Reply], tuple[int, object]]
"""Says how many batches were kept and what the caller gets, or raises."""

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class Request:
    """One call of the script, and who waits for it."""

    keys: Sequence[str]
    words: Sequence[Word]
    digest: Digest
    future: asyncio.Future[object]
    appends_to: str | None
    size_bytes: int

    def command(self) -> tuple[Word, ...]:
        """Return the call by the script's name."""
        return ("EVALSHA", SHA, len(self.keys), *self.keys, *self.words)

    def command_in_full(self) -> tuple[Word, ...]:
        """Return the call that teaches the server the script."""
        return ("EVAL", SCRIPT, len(self.keys), *self.keys, *self.words)


async def ask(answer: Awaitable[T]) -> T:
    """Await an answer of Redis, all its failures as `JournalUnavailable`."""
    try:
        return await answer
    except TROUBLE as error:
        raise unavailable(error) from error


def unavailable(error: BaseException) -> JournalUnavailable:
    """Return *error* in words for an operator."""
    return JournalUnavailable(f"Redis: {explain(error)}")


class Lanes:
    """Takes requests in and settles them; belongs to the event loop.

    ``failed`` is set whenever a server gave no answer; whoever has looked after that
    resets it.
    """

    def __init__(self, client: Client, intake: Intake) -> None:
        self.failed = False
        self._client = client
        self._trips = trips(client)
        self._intake = intake
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, deque[Request]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def put(
        self,
        keys: Sequence[str],
        words: Sequence[Word],
        digest: Digest,
        *,
        appends_to: str | None = None,
        size_bytes: int = 0,
    ) -> asyncio.Future[object]:
        """Send the script these words, soon; it has entered the intake before."""
        future: asyncio.Future[object] = self._loop.create_future()
        request = Request(keys, words, digest, future, appends_to, size_bytes)
        name = self._name(keys[0])
        self._waiting.setdefault(name, deque()).append(request)
        if name not in self._tasks:
            self._tasks[name] = self._loop.create_task(self._run(name))
        return future

    async def close(self) -> None:
        """Wait until everything that was put has its outcome, and hang up."""
        while self._tasks:
            await asyncio.wait(self._tasks.values())
        await self._trips.close()

    def _name(self, key: str) -> str:
        """Return the server of *key*, as far as the client knows."""
        if not isinstance(self._client, RedisCluster):
            return ""
        try:
            node = self._client.get_node_from_key(key)
        except RedisClusterException:  # the client has not asked for the slots yet
            return ""
        return str(node.name) if node else ""

    async def _run(self, name: str) -> None:
        waiting = self._waiting[name]
        try:
            while waiting:
                group = _group(waiting)
                started = self._loop.time()
                replies = await self._exchange(group)
                self._settle(group, replies, self._loop.time() - started)
        finally:
            del self._tasks[name]

    async def _exchange(self, group: list[Request]) -> list[Any]:
        try:
            replies = await self._trips.ask([request.command() for request in group])
            again = [
                n for n, reply in enumerate(replies) if isinstance(reply, NoScriptError)
            ]
            if again:
                first, *others = again
                commands = [group[first].command_in_full()]
                commands += [group[n].command() for n in others]
                answers = await self._trips.ask(commands)
                for n, answer in zip(again, answers, strict=True):
                    replies[n] = answer
        except Exception as error:  # noqa: BLE001 - theirs who wait, whatever it is
            return [error] * len(group)
        return replies

    def _settle(self, group: list[Request], replies: list[Any], seconds: float) -> None:
        kept = sum(
            self._outcome(request, reply)
            for request, reply in zip(group, replies, strict=True)
        )
        if kept:
            self._intake.committed(seconds, kept)

    def _outcome(self, request: Request, reply: Reply | Exception) -> int:
        """Tell the caller what has come of it; return the batches kept."""
        self._intake.leave(request.appends_to)
        kept, result = 0, None
        failure: Exception | None = None
        if isinstance(reply, Exception):
            self.failed = True
            failure = unavailable(reply)
        else:
            try:
                kept, result = request.digest(reply)
            except Exception as error:  # noqa: BLE001 - the caller's, whatever it is
                failure = error
        if request.future.done():  # whoever asked has gone away
            return kept
        if failure is None:
            request.future.set_result(result)
        else:
            request.future.set_exception(failure)
        return kept


def _group(waiting: deque[Request]) -> list[Request]:
    """Take what goes in one round trip."""
    group = [waiting.popleft()]
    size_bytes = group[0].size_bytes
    while waiting and len(group) < GROUP_REQUESTS and size_bytes < GROUP_BYTES:
        group.append(waiting.popleft())
        size_bytes += group[-1].size_bytes
    return group


def accept(reply: Reply, *words: bytes) -> None:
    """Raise `Fenced` unless *reply* begins with one of *words*, or ``ok``."""
    if reply[0] not in (words or (b"ok",)):
        raise Fenced(b" ".join(reply[:3]).decode())


def ok(_reply: Reply) -> tuple[int, None]:
    """Take any reply for a success that keeps no batch."""
    return 0, None
