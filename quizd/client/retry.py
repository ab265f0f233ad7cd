"""When to try again. Every delay is drawn from a random source that the caller gives.

Exponential backoff with full jitter, so that clients that lost one server together do
not come back together (Brooker, "Exponential backoff and jitter", AWS, 2015).
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from quizd.client.faults import GaveUp

TryKind = Literal["join", "connect"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Try *attempt* of *of* begins in *delay_s*; *error* made the last one fail."""

    kind: TryKind
    attempt: int
    of: int
    delay_s: float
    error: Exception | None


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often and how late to connect again."""

    tries: int = 5
    base_s: float = 0.2
    cap_s: float = 10.0

    def delay_s(self, number: int, rng: random.Random) -> float:
        """Return a delay from 0 to ``base_s * 2 ** (number - 1)``, at most ``cap_s``.

        *number* counts the delays from 1; number 0 does not wait.
        """
        if number == 0:
            return 0.0
        return rng.uniform(0, min(self.cap_s, self.base_s * 2 ** (number - 1)))


STABLE_S = 5.0
"""A line that broke sooner after its welcome does not begin the delays anew."""


class Course:
    """The tries to connect since the last welcome."""

    def __init__(self, backoff: Backoff, rng: random.Random) -> None:
        self._backoff = backoff
        self._rng = rng
        self._attempt = 0
        self._delays = 0
        self._cause: Exception | None = None

    def next_try(self) -> Progress:
        """Return the next try; raise :class:`GaveUp` where there is none left."""
        of = self._backoff.tries
        if self._attempt >= of:
            cause = self._cause
            raise GaveUp("connect", of, cause) from cause
        delay_s = self._backoff.delay_s(self._delays, self._rng)
        self._attempt += 1
        self._delays += 1
        return Progress("connect", self._attempt, of, delay_s, self._cause)

    def broke(self, cause: Exception, *, welcomed: bool, lasted_s: float) -> None:
        """Note why the connection is gone.

        One that was *welcomed* gives all tries back, but only one that *lasted_s* long
        enough since then gives back the short delays: a server that welcomes everybody
        and breaks again must not be asked ten times a second.
        """
        self._cause = cause
        if welcomed:
            self._attempt = 0
        if welcomed and lasted_s >= STABLE_S:
            self._delays = 1

    def called_back(self) -> None:
        """Let the next try be at once: the server has said when, and spread it."""
        self._delays = 0
