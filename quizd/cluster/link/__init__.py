"""Messages from shard to shard: an interface, and one file per implementation."""

from quizd.cluster.link.base import Counters, Link, LinkClosed, Subscription

__all__ = ["Counters", "Link", "LinkClosed", "Subscription"]
