"""What the steps of the clock search hand on: a line of pairs, a guess at one, a peak found on one.

``a`` and ``b`` are int64 ps with the middle of the recording at zero and the expected offset taken out.
"""

from dataclasses import dataclass

import numpy as np

from ._arrays import Times


@dataclass(frozen=True)
class Line:
    """Pairs lie at b = a + offset + drift a; offset in ps."""

    offset: float
    drift: float

    def predict(self, a: Times) -> Times:
        """Return where b's tags of pairs should be, int64 ps."""
        predicted: Times = a + np.rint(self.offset + self.drift * a).astype(np.int64)
        return predicted


@dataclass(frozen=True)
class Guess:
    """A line known within ``offset_reach`` ps at time zero and ``drift_reach``, for |a| <= ``half_span`` ps.

    ``sigmas`` is how far it stood out where it was first seen.
    """

    line: Line
    offset_reach: float
    drift_reach: float
    half_span: float
    sigmas: float = 0.0


@dataclass(frozen=True)
class Peak:
    """A line with the full ``width`` (ps) of the window that shows it best over |a| <= ``half_span`` ps.

    ``significance`` is in sigma, discounted for every offset, drift and width that was or could have been looked at.
    """

    line: Line
    width: float
    half_span: float
    significance: float
