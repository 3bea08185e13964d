"""What is counted on a link, added up over stretches of time, and what follows from it.

Rates are raw: nothing is subtracted, except in the heralding efficiencies. Coincidences are those of
``analysis.coincidences``; accidentals are the same counts off the peak (``analysis.accidentals``).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ...analysis import Estimate, accidental, rate
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
        delayed: int64[2, 2], the same off the peak.
        exposure_s: for how long a window at the peak would have had to be open to have as many.
    """

    live_ps: int = 0
    aligned_ps: int = 0
    singles: Matrix = field(default_factory=_none)
    heralds: Matrix = field(default_factory=_none)
    coincidences: Matrix = field(default_factory=_none)
    delayed: Matrix = field(default_factory=_none)
    exposure_s: float = 0.0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @classmethod
    def total(cls, parts: Iterable["Counts"]) -> "Counts":
        """Return all of them together."""
        return sum(parts, cls())

    def described(self) -> dict[str, Any]:
        """Return rates (1/s), correlation and efficiencies as ``Estimate``s, in plain values."""
        seconds, aligned = self.live_ps * 1e-12, self.aligned_ps * 1e-12
        return {
            "seconds": seconds,
            "aligned_seconds": aligned,
            "counts": {"singles": self.singles.tolist(), "coincidences": self.coincidences.tolist()},
            "singles": _table(self.singles, lambda n: rate(n, seconds)),
            "coincidences": _table(self.coincidences, lambda n: rate(n, aligned)),
            "accidentals": [[self._accidental(i, j).as_dict() for j in (0, 1)] for i in (0, 1)],
            "E": correlation(self.coincidences).as_dict(),
            "visibility": visibility(self.coincidences).as_dict(),
            "heralding": [each.as_dict() for each in self._heralding()],
        }

    def _accidental(self, first: int, second: int) -> Estimate:
        if not self.aligned_ps:
            return rate(0, 0.0)
        tags = int(self.heralds[0, first]), int(self.heralds[1, second])
        return accidental(int(self.delayed[first, second]), self.exposure_s, *tags)

    def _heralding(self) -> list[Estimate]:
        """Return each end's Klyshko efficiency: true coincidences over the other end's clicks.

        Klyshko, Sov. J. Quantum Electron. 10, 1112 (1980). The other end's dark counts lower it; nothing is corrected
        but accidental coincidences.
        """
        both = int(self.coincidences.sum())
        share = self.aligned_ps * 1e-12 / self.exposure_s if self.exposure_s else 0.0
        true = both - self.delayed.sum() * share
        found = []
        for other in (1, 0):
            clicks = int(self.heralds[other].sum())
            if clicks == 0:
                found.append(Estimate(None, None, "", "no clicks that herald"))
                continue
            error = math.sqrt(both + self.delayed.sum() * share**2) or ZERO_COUNTS_ERROR
            found.append(Estimate(true / clicks, error / clicks))
        return found


def _table(counts: Matrix, estimate: Any) -> list[list[dict[str, Any]]]:
    return [[estimate(int(n)).as_dict() for n in row] for row in counts]
