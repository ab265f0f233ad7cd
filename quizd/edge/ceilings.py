"""What is refused for want of room: when to come back, and how often that was."""

import random

from prometheus_client import Counter

from quizd.metrics import REGISTRY

RETRY_AFTER_S = (2, 8)
"""From when to when those who were refused are asked back: not all at once."""

_REFUSED = Counter(
    "quizd_edge_refused_total",
    "Connections refused with 503: WebSockets or sockets of all kinds are too many.",
    ["ceiling"],
    registry=REGISTRY,
)
CONNECTIONS_FULL = _REFUSED.labels("connections")
SOCKETS_FULL = _REFUSED.labels("sockets")


def retry_after_s() -> int:
    """Return a value of ``Retry-After``, whole seconds (RFC 9110 section 10.2.3)."""
    return random.randint(*RETRY_AFTER_S)  # noqa: S311 - spreads load
