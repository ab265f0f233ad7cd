"""The one place that knows how a Redis or Valkey server is reached.

A URL says what there is to connect to; the hosts of Sentinel and Cluster are several,
separated by commas:

=============================================  =======================================
``redis://host:6379/0``                        one server
``unix:///run/redis/redis.sock?db=0``          one server on this machine
``redis+sentinel://h1:26379,h2:26379/service`` the master that these Sentinels name
``redis+cluster://h1:6379,h2:6379``            a Redis Cluster that these belong to
=============================================  =======================================

``rediss`` instead of ``redis`` is TLS. ``user:password@`` may stand before the hosts;
a password file is better, since a URL is seen in process lists and shells' histories.

Nothing is sent a second time. A write whose outcome is unknown has to be an error:
the journal repeats it knowing what it repeats, a library would not.
"""

from quizd.redis_client.answers import (
    Description,
    RedisUnusable,
    check,
    describe,
    explain,
    said_hello,
)
from quizd.redis_client.clients import TROUBLE, Client, connect, hang_up
from quizd.redis_client.dropped import overlook_dropped
from quizd.redis_client.options import (
    Host,
    Login,
    Mode,
    RedisMisconfigured,
    RedisOptions,
    Target,
    resolve,
)
from quizd.redis_client.round_trips import Command, Reply, Trips, shared_trips, trips

__all__ = [
    "TROUBLE",
    "Client",
    "Command",
    "Description",
    "Host",
    "Login",
    "Mode",
    "RedisMisconfigured",
    "RedisOptions",
    "RedisUnusable",
    "Reply",
    "Target",
    "Trips",
    "check",
    "connect",
    "describe",
    "explain",
    "hang_up",
    "overlook_dropped",
    "resolve",
    "said_hello",
    "shared_trips",
    "trips",
]
