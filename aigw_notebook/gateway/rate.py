"""How many connections a gateway takes in a stretch of time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from ..errors import ConfigurationError

__all__ = ["RateLimit", "RateLimiter", "checked_limit"]

RateLimit = tuple[int, float]
"""So many upgrades in so many seconds."""

MAX_COUNT = 100_000


class RateLimiter:
    """Lets `limit` requests through in any stretch of `interval_s`; one that is refused does not count.

    A socket is one request, taken at the upgrade; what passes over it later is not looked at. `clock` gives ms.
    """

    def __init__(self, limit: RateLimit, clock: Callable[[], float]) -> None:
        count, interval_s = limit
        self._interval_ms = interval_s * 1000
        self._clock = clock
        self._taken: deque[float] = deque(maxlen=count)

    def allows(self) -> bool:
        """Whether one more may come in now; it is counted if so."""
        now = self._clock()
        if len(self._taken) == self._taken.maxlen and now - self._taken[0] < self._interval_ms:
            return False
        self._taken.append(now)
        return True


def checked_limit(limit: RateLimit | None) -> RateLimit | None:
    """The limit itself. Raises `ConfigurationError` for what is none."""
    if limit is None:
        return None
    count, interval_s = limit
    if type(count) is not int or not 0 < count <= MAX_COUNT or not math.isfinite(interval_s) or interval_s <= 0:
        raise ConfigurationError(f"rate_limit is (connections, seconds), as in (10, 60), with 1 to {MAX_COUNT} of them")
    return limit
