"""Seconds to whole picoseconds on the clock grid of the cores; what is no time is refused by name."""

import math

from ..errors import ProgramError
from .program import LONGEST_PS


class Grid:
    """A clock grid; ``step_s`` (s) is at least 1 ps."""

    def __init__(self, step_s: float) -> None:
        self._step = 1
        self._step = self.length("grid_s", step_s)

    def up(self, time_ps: int) -> int:
        """Return the next multiple of the grid at or after ``time_ps``."""
        return -(-time_ps // self._step) * self._step

    def span(self, name: str, seconds: float) -> int:
        """Return a time of zero or more in ps, rounded up to the grid; the noise of binary fractions is no rest.

        Raises:
            ProgramError: no finite number, negative, or longer than 53 days.
        """
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
            raise ProgramError(f"{name} is {seconds!r}, not a time", hint="give a finite number of seconds")
        if not 0 <= seconds <= LONGEST_PS * 1e-12:
            raise ProgramError(f"{name} is {seconds:g} s", hint="a time here is 0 s or more and at most 53 days")
        exact = seconds * 1e12
        return self.up(max(0, math.ceil(exact - max(1e-3, 4e-16 * exact))))

    def length(self, name: str, seconds: float) -> int:
        """Return ``span`` of a time that must not be zero."""
        found = self.span(name, seconds)
        if found < 1:
            raise ProgramError(f"{name} is {seconds!r} s, less than a picosecond", hint="times here are in seconds")
        return found
