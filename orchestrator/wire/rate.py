"""How often somebody may do something."""

from collections.abc import Callable

from .nonces import elapsed_s


class TokenBuckets:
    """One bucket per key: ``burst`` at once, ``per_s`` in the long run.

    At most ``most`` keys are remembered; beyond that the one that was full longest is forgotten, which costs nothing.
    """

    def __init__(self, per_s: float, burst: float, *, most: int = 4096, clock: Callable[[], float] = elapsed_s) -> None:
        self.per_s, self.burst, self.most, self._clock = per_s, burst, most, clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key: str) -> bool:
        """Take one token; return False if there is none."""
        now = self._clock()
        tokens, since = self._buckets.pop(key, (self.burst, now))
        tokens = min(self.burst, tokens + (now - since) * self.per_s)
        if len(self._buckets) >= self.most:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[key] = (tokens - 1 if tokens >= 1 else tokens, now)
        return tokens >= 1
