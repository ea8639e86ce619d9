"""How often somebody may do something: a bucket of tokens for each of them, filled again as time goes by."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

MOST_BUCKETS = 20_000
"""Who was not seen for longest is forgotten first."""
NETWORK_BITS = 64
"""Of an IPv6 address: what one customer is given."""


class TokenBuckets:
    """Each key may take `burst` tokens at once and `rate` a second in the long run."""

    def __init__(
        self,
        rate: float,
        burst: int,
        *,
        most: int = MOST_BUCKETS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rate = rate
        self.burst = burst
        self._most = most
        self._clock = clock
        self._left: dict[Hashable, tuple[float, float]] = {}
        """By key, least recently used first: tokens, and when that many were in the bucket."""

    def wait(self, key: Hashable, wanted: int = 1) -> float:
        """Seconds until this many tokens are there; 0.0 when they are. Takes none."""
        return max(0.0, wanted - self._tokens(key)) / self.rate

    def take(self, key: Hashable, wanted: int = 1) -> float:
        """Take this many tokens and give 0.0; where there are fewer take none: the seconds to wait."""
        tokens = self._tokens(key)
        if tokens < wanted:
            return (wanted - tokens) / self.rate
        self._left.pop(key, None)
        self._left[key] = (tokens - wanted, self._clock())
        if len(self._left) > self._most:
            del self._left[next(iter(self._left))]
        return 0.0

    def _tokens(self, key: Hashable) -> float:
        tokens, when = self._left.get(key, (float(self.burst), self._clock()))
        return min(float(self.burst), tokens + (self._clock() - when) * self.rate)


@lru_cache(maxsize=4096)
def network_of(address: str | None) -> str:
    """Whom an address stands for: itself, or of IPv6 the network, in which one customer has every address."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return address or ""
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    hidden = 128 - NETWORK_BITS
    return f"{IPv6Address(int(parsed) >> hidden << hidden)}/{NETWORK_BITS}"
