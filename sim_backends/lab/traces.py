"""How a physical quantity moved through lab time, kept so that light can be computed after the fact.

Twins write (``set``, ``ramp``, ``relax``); the bench reads (``at``, ``changes``). Times are int64 ps.
"""

import bisect
import math
from collections.abc import Callable


class Trace:
    """One quantity over time, piecewise."""

    def __init__(self, value: float) -> None:
        self._starts: list[int] = [-(2**62)]
        self._pieces: list[Callable[[int], float]] = [lambda _t: value]
        self._moving_until: list[int] = [-(2**62)]

    def at(self, time_ps: int) -> float:
        """Return the value at a time."""
        return self._pieces[bisect.bisect_right(self._starts, time_ps) - 1](time_ps)

    def set(self, time_ps: int, value: float) -> None:
        """Step to ``value`` at ``time_ps``; what was planned after it is dropped."""
        self._add(time_ps, time_ps, lambda _t: value)

    def ramp(self, time_ps: int, value: float, duration_ps: int) -> None:
        """Move in a straight line from the present value to ``value``."""
        start = self.at(time_ps)
        self._add(
            time_ps,
            time_ps + duration_ps,
            lambda t: value if t >= time_ps + duration_ps else start + (value - start) * (t - time_ps) / duration_ps,
        )

    def relax(self, time_ps: int, value: float, time_constant_s: float) -> None:
        """Approach ``value`` exponentially."""
        start, tau_ps = self.at(time_ps), time_constant_s * 1e12
        self._add(
            time_ps, time_ps + round(20 * tau_ps), lambda t: value + (start - value) * math.exp(-(t - time_ps) / tau_ps)
        )

    def changes(self, from_ps: int, to_ps: int) -> list[int]:
        """Return the times in (from, to) at which a new piece begins."""
        low, high = bisect.bisect_right(self._starts, from_ps), bisect.bisect_left(self._starts, to_ps)
        return self._starts[low:high]

    def moves(self, from_ps: int, to_ps: int) -> bool:
        """Return whether the value changes continuously somewhere in [from, to)."""
        index = bisect.bisect_right(self._starts, from_ps) - 1
        while index < len(self._starts) and self._starts[index] < to_ps:
            if self._moving_until[index] > max(from_ps, self._starts[index]):
                return True
            index += 1
        return False

    def _add(self, time_ps: int, moving_until_ps: int, piece: Callable[[int], float]) -> None:
        keep = bisect.bisect_left(self._starts, time_ps)
        self._starts[keep:], self._pieces[keep:], self._moving_until[keep:] = [time_ps], [piece], [moving_until_ps]
