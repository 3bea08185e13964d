"""Freshness without comparing clocks: a receiver gives out numbers, and commands cite them.

A message cannot tell how long it lay in a frozen process's socket. The number it cites can: the receiver knows when,
on its own clock, it gave it out.
"""

import functools
import secrets
import time
from collections.abc import Callable
from typing import Any

from .errors import Stale
from .messages import Do, RunCommand

MAX_TTL_S = 30.0
"""No command may claim to live longer than this."""


_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", None)


elapsed_s: Callable[[], float] = (
    time.monotonic if _BOOTTIME is None else functools.partial(time.clock_gettime, _BOOTTIME)
)
"""Returns seconds that only ever grow, also while the machine is suspended (``time.monotonic`` may stand then)."""


class Nonces:
    """The numbers a receiver gave out.

    Args:
        interval_s: how often there is a new one.
        clock: seconds that only ever grow.
    """

    def __init__(self, interval_s: float = 0.25, clock: Callable[[], float] = elapsed_s) -> None:
        self.interval_s, self._clock = interval_s, clock
        self._issued: dict[int, float] = {}
        """When each was first given out, oldest first."""
        self._newest = 0
        self._newest_s = float("-inf")

    def newest(self) -> int:
        """Return the number to give out now."""
        now = self._clock()
        if now - self._newest_s >= self.interval_s:
            self._newest, self._newest_s = secrets.randbits(62) + 1, now
            self._issued[self._newest] = now
            while now - self._issued[oldest := next(iter(self._issued))] > MAX_TTL_S:
                del self._issued[oldest]
        return self._newest

    def check(self, nonce: int, ttl_s: float) -> None:
        """Check that ``nonce`` was first given out at most ``ttl_s`` s ago; that must be more than ``interval_s``.

        Raises:
            Stale: it was not.
        """
        issued = self._issued.get(nonce)
        age = self._clock() - issued if issued is not None else float("inf")
        if not age <= min(ttl_s, MAX_TTL_S):  # also when ttl_s is NaN
            told = f"stale: it was made {age:.2f} s ago or more, and lives {ttl_s:g} s" if issued else "stale"
            raise Stale(
                f"the command is {told}; nothing was done",
                hint="the service or the connection was held up; look at the state, then give the command again",
            )


def needs_nonce(message: Any) -> bool:
    """Return whether a message must cite a fresh nonce; what only makes dark is never too late."""
    kind = type(message)
    if kind is Do:
        return bool(message.verb != "safe_state")
    if kind is RunCommand:
        return bool(message.command != "abort")
    return hasattr(message, "ttl_s")
