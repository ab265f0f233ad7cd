"""How often one address may join; off unless configured."""

import math
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Address, ip_network

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from quizd.api.problems import Problem
from quizd.codes import Reason

LONGEST_WINDOW_S = 3600
IPV6_SITE_BITS = 64


class JoinRate:
    """At most *per_s* joins a second from one address; 0: as many as come.

    A rate below one a second, or a broken one, counts in a window of several seconds.
    ``is_on`` tells whether there is a limit at all.
    """

    def __init__(self, per_s: float) -> None:
        rate = Fraction(per_s).limit_denominator(LONGEST_WINDOW_S)
        self.is_on = per_s > 0
        self._item = RateLimitItemPerSecond(max(rate.numerator, 1), rate.denominator)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    async def take(self, address: IPv4Address | IPv6Address | None) -> None:
        """Count a join from *address*; raise ``rate_limited`` where it is too many."""
        if not self.is_on or address is None:
            return
        if not await self._limiter.hit(self._item, _site(address)):
            wait_s = math.ceil(self._item.get_expiry())
            raise Problem(Reason.RATE_LIMITED, headers={"Retry-After": str(wait_s)})


def _site(address: IPv4Address | IPv6Address) -> str:
    """Return what is one sender: an IPv4 address, or the /64 around an IPv6 one."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, IPV6_SITE_BITS), strict=False))
