"""What is counted on a link, added up over stretches of time, and what follows from it.

Rates are raw: nothing is subtracted, except in the heralding efficiencies. Coincidences are those of
``analysis.counting``; accidentals are the same counts in 42 delayed windows.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ...analysis import Estimate, delayed_windows, rate
from ...analysis.bell import correlation, visibility
from ...analysis.estimates import ZERO_COUNTS_ERROR

Matrix = npt.NDArray[np.int64]


def _none() -> Matrix:
    return np.zeros((2, 2), np.int64)


@dataclass(frozen=True)
class Counts:
    """Counts over some time.

    Attributes:
        live_ps: time that both ends cover.
        aligned_ps: the part of it in which coincidences were looked for.
        singles: int64[2, 2], clicks by end and detector (transmitted, reflected).
        heralds: int64[2, 2], those of them in ``aligned_ps``.
        coincidences: int64[2, 2], by first end's and second end's detector.
        delayed: int64[2, 2], in all delayed windows together.
    """

    live_ps: int = 0
    aligned_ps: int = 0
    singles: Matrix = field(default_factory=_none)
    heralds: Matrix = field(default_factory=_none)
    coincidences: Matrix = field(default_factory=_none)
    delayed: Matrix = field(default_factory=_none)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @classmethod
    def total(cls, parts: Iterable["Counts"]) -> "Counts":
        """Return all of them together."""
        return sum(parts, cls())

    def described(self, window_ps: int) -> dict[str, Any]:
        """Return rates (1/s), correlation and efficiencies as ``Estimate``s, in plain values.

        Args:
            window_ps: the coincidence window; it decides how many delayed windows there were.
        """
        seconds, aligned = self.live_ps * 1e-12, self.aligned_ps * 1e-12
        windows = len(delayed_windows(window_ps))
        return {
            "seconds": seconds,
            "aligned_seconds": aligned,
            "counts": {"singles": self.singles.tolist(), "coincidences": self.coincidences.tolist()},
            "singles": _table(self.singles, lambda n: rate(n, seconds)),
            "coincidences": _table(self.coincidences, lambda n: rate(n, aligned)),
            "accidentals": _table(self.delayed, lambda n: _accidental(n, windows, aligned)),
            "E": correlation(self.coincidences).as_dict(),
            "visibility": visibility(self.coincidences).as_dict(),
            "heralding": [each.as_dict() for each in self._heralding(windows)],
        }

    def _heralding(self, windows: int) -> list[Estimate]:
        """Return each end's Klyshko efficiency: true coincidences over the other end's clicks.

        Klyshko, Sov. J. Quantum Electron. 10, 1112 (1980). The other end's dark counts lower it; nothing is corrected
        but accidental coincidences.
        """
        both = int(self.coincidences.sum())
        true = both - self.delayed.sum() / windows
        found = []
        for other in (1, 0):
            clicks = int(self.heralds[other].sum())
            if clicks == 0:
                found.append(Estimate(None, None, "", "no clicks that herald"))
                continue
            error = math.sqrt(both + self.delayed.sum() / windows**2) or ZERO_COUNTS_ERROR
            found.append(Estimate(true / clicks, error / clicks))
        return found


def _accidental(count: int, windows: int, seconds: float) -> Estimate:
    one = rate(count, seconds)
    if one.value is None or one.error is None:
        return one
    return Estimate(one.value / windows, one.error / windows, one.unit)


def _table(counts: Matrix, estimate: Any) -> list[list[dict[str, Any]]]:
    return [[estimate(int(n)).as_dict() for n in row] for row in counts]
