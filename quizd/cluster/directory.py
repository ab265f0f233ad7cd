"""The directory: which session a quiz's id or a pin stands for.

It holds nothing that the journals do not know, so that one which was lost can be made
again. Who has what is decided inside Redis, in scripts of one key each: they behave
like ``SET NX GET``, which Redis knows only from 7.0 on, and may be repeated.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Iterable
from typing import TypeVar

from quizd.clock import Clock
from quizd.cluster import keys
from quizd.cluster.base import (
    AddressBook,
    ClusterUnavailable,
    Entry,
    RedisClient,
)
from quizd.redis_client import TROUBLE

__all__ = ["Directory", "LocalDirectory"]

KEEP_LAST_MS = 600_000
"""For how long a quiz's last session is found after it was released."""

REBUILD_AT_ONCE = 32
"""Quizzes that are brought in line together, so that Redis syncs its file for all."""

_TAKE_QUIZ = """
local open = redis.call('HGET', KEYS[1], 'open')
if open then
  return open
end
redis.call('HSET', KEYS[1], 'open', ARGV[1], 'last', ARGV[1])
redis.call('PERSIST', KEYS[1])
return ARGV[1]
"""

_TAKE_PIN = """
local holder = redis.call('GET', KEYS[1])
if not holder then
  redis.call('SET', KEYS[1], ARGV[1])
end
return (not holder or holder == ARGV[1]) and 1 or 0
"""

# Also notes as the last session one that the directory has never heard of.
_RELEASE_QUIZ = """
local open = redis.call('HGET', KEYS[1], 'open')
if open and open ~= ARGV[1] then
  return
end
local fresh = redis.call('HSETNX', KEYS[1], 'last', ARGV[1])
if redis.call('HDEL', KEYS[1], 'open') + fresh > 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
"""

_RELEASE_PIN = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
"""

_T = TypeVar("_T")


class Directory:
    """The address book of a cluster, in Redis. See `AddressBook`."""

    def __init__(self, client: RedisClient, keep_last_ms: int = KEEP_LAST_MS) -> None:
        self._client = client
        self._keep_last_ms = keep_last_ms
        self._take_quiz = client.register_script(_TAKE_QUIZ)
        self._take_pin = client.register_script(_TAKE_PIN)
        self._release_quiz = client.register_script(_RELEASE_QUIZ)
        self._release_pin = client.register_script(_RELEASE_PIN)

    async def take_quiz(self, quiz_id: str, session_id: str) -> str:
        """Let the quiz's open session be *session_id* if it has none; return it."""
        key = keys.quiz(quiz_id)
        return _text(await _asked(self._take_quiz([key], [session_id])))

    async def take_pin(self, pin: str, session_id: str) -> bool:
        """Let *pin* be the session's if it is nobody else's; tell whether it is."""
        return bool(await _asked(self._take_pin([keys.pin(pin)], [session_id])))

    async def find(self, address: str) -> str | None:
        """Return the open session of a pin (digits alone) or of a quiz's id."""
        if _is_pin(address):
            found = await _asked(self._client.get(keys.pin(address)))
        else:
            found = await _asked(self._client.hget(keys.quiz(address), "open"))
        return None if found is None else _text(found)

    async def last_of_quiz(self, quiz_id: str) -> str | None:
        """Return the quiz's open session, else the last one if it ended lately."""
        found = await _asked(self._client.hget(keys.quiz(quiz_id), "last"))
        return None if found is None else _text(found)

    async def release(self, quiz_id: str, pin: str, session_id: str) -> None:
        """Let quiz and pin be another session's, unless they are already."""
        words = (session_id, self._keep_last_ms)
        await _asked(self._release_quiz([keys.quiz(quiz_id)], words))
        await _asked(self._release_pin([keys.pin(pin)], [session_id]))

    async def rebuild(self, entries: Iterable[Entry]) -> list[str]:
        """Bring everything in line with the journal's *entries*, oldest first."""
        return await _rebuild(self, entries)


class LocalDirectory:
    """The address book of a shard that is alone, in memory. See `AddressBook`."""

    def __init__(self, clock: Clock, keep_last_ms: int = KEEP_LAST_MS) -> None:
        self._clock = clock
        self._keep_last_ms = keep_last_ms
        self._open: dict[str, str] = {}
        self._pins: dict[str, str] = {}
        self._last: dict[str, str] = {}
        self._released_ms: dict[str, int] = {}  # by quiz, earliest first

    async def take_quiz(self, quiz_id: str, session_id: str) -> str:
        """Let the quiz's open session be *session_id* if it has none; return it."""
        if quiz_id not in self._open:
            self._open[quiz_id] = self._last[quiz_id] = session_id
            self._released_ms.pop(quiz_id, None)
        return self._open[quiz_id]

    async def take_pin(self, pin: str, session_id: str) -> bool:
        """Let *pin* be the session's if it is nobody else's; tell whether it is."""
        return self._pins.setdefault(pin, session_id) == session_id

    async def find(self, address: str) -> str | None:
        """Return the open session of a pin (digits alone) or of a quiz's id."""
        return (self._pins if _is_pin(address) else self._open).get(address)

    async def last_of_quiz(self, quiz_id: str) -> str | None:
        """Return the quiz's open session, else the last one if it ended lately."""
        self._forget()
        return self._last.get(quiz_id)

    async def release(self, quiz_id: str, pin: str, session_id: str) -> None:
        """Let quiz and pin be another session's, unless they are already."""
        self._forget()
        if self._pins.get(pin) == session_id:
            del self._pins[pin]
        if self._open.get(quiz_id, session_id) != session_id:
            return
        was_open = self._open.pop(quiz_id, None) is not None
        if was_open or quiz_id not in self._last:
            self._last.setdefault(quiz_id, session_id)
            self._released_ms[quiz_id] = self._clock.now_ms()

    async def rebuild(self, entries: Iterable[Entry]) -> list[str]:
        """Bring everything in line with the journal's *entries*, oldest first."""
        return await _rebuild(self, entries)

    def _forget(self) -> None:
        """Forget what was released long ago."""
        until_ms = self._clock.now_ms() - self._keep_last_ms
        while self._released_ms:
            quiz_id, released_ms = next(iter(self._released_ms.items()))
            if released_ms > until_ms:
                return
            del self._released_ms[quiz_id], self._last[quiz_id]


async def _rebuild(book: AddressBook, entries: Iterable[Entry]) -> list[str]:
    """Do it some quizzes at a time; return the refused sessions, by their ids."""
    quizzes: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        quizzes[entry.quiz_id].append(entry)
    waiting, refused = list(quizzes.values()), []
    for first in range(0, len(waiting), REBUILD_AT_ONCE):
        batch = waiting[first : first + REBUILD_AT_ONCE]
        work = [_rebuild_quiz(book, of_quiz) for of_quiz in batch]
        for done in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(done, BaseException):
                raise done
            refused += done
    return sorted(refused)


async def _rebuild_quiz(book: AddressBook, entries: list[Entry]) -> list[str]:
    """Release the ended sessions of a quiz, latest first, then take for the open."""
    for entry in reversed(entries):
        if entry.ended:
            await book.release(entry.quiz_id, entry.pin, entry.session_id)
    refused = []
    for entry in entries:
        if not entry.ended:
            session_id = entry.session_id
            holder = await book.take_quiz(entry.quiz_id, session_id)
            if not await book.take_pin(entry.pin, session_id) or holder != session_id:
                refused.append(session_id)
    return refused


async def _asked(call: Awaitable[_T]) -> _T:
    try:
        return await call
    except TROUBLE as error:
        raise ClusterUnavailable(str(error)) from error


def _is_pin(address: str) -> bool:
    """Tell pins from ids: no quiz's id is made of digits alone."""
    return address.isascii() and address.isdigit()


def _text(value: bytes | str) -> str:
    """Return what a client has decoded, or not, as text."""
    return value.decode() if isinstance(value, bytes) else value
