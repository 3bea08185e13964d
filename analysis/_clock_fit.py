"""The last step to a clock offset: a line through the time differences of pairs, with an honest error.

Maximum likelihood for a Gaussian peak on a flat background (expectation maximisation: Dempster, Laird and Rubin, J. R.
Stat. Soc. B 39, 1, 1977), so that no tag has to be called pair or accidental; its error is the Cramer-Rao bound of the
pairs on that background, sigma / sqrt(N J) with J = 1 where there is none (Lee et al., Appl. Phys. Lett. 114, 101102,
2019). The drift's is that divided by the standard deviation of the pairs' times, T / sqrt(12) for a steady source: the
Fisher information of (offset, drift) is N J / sigma^2 [[1, <t>], [<t>, <t^2>]]. Errors are of the sandwich kind (Huber,
1967): they hold where the peak is no Gaussian too.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._arrays import Times
from ._clock_line import Line, Peak

_ROUNDING_PS = math.sqrt(1 / 6)
"""Standard deviation of the difference of two times cut to whole ps; no peak is narrower."""
_FEWEST_PAIRS = 10
Floats = npt.NDArray[np.float64]
Start = tuple[float, float, float, float, float]
"""level, slope, middle, sigma, share: see ``_Mixture``."""


@dataclass(frozen=True)
class LineFit:
    """A line through the pairs.

    Attributes:
        time: ps, the pairs' mean time.
        offset, drift: there.
        covariance: (offset's variance at ``time``, covariance, drift's variance); zeros for a drift that was given.
        sigma: standard deviation of the peak, ps.
        pairs: in the peak, accidentals taken off.
    """

    time: float
    offset: float
    drift: float
    covariance: tuple[float, float, float]
    sigma: float
    pairs: float


def fit_line(a: Times, b: Times, peak: Peak, free_drift: bool) -> LineFit | None:
    """Return the line through the pairs near the peak's, or None for fewer than 10 pairs or no clear line.

    Only the stretch in which the peak was seen is used. The peak's width is a start: a wider peak is found.

    Args:
        a, b: int64 ps, as in the search.
        peak: what the search found.
        free_drift: False keeps the line's drift.
    """
    line, half = peak.line, max(4 * peak.width, 20.0)
    a = a[slice(*np.searchsorted(a, [-peak.half_span, peak.half_span]))]
    sigma = max(peak.width / 2, _ROUNDING_PS)
    for _ in range(5):
        t, y = near_line(a, b, line, half)
        if len(t) < _FEWEST_PAIRS:
            return None
        fit = _Mixture(t, y, half, free_drift, (0.0, 0.0, float(t.mean()), sigma, 0.5), 0.3)
        if fit.sigma < half / 4:
            break
        half *= 4
    near = np.abs(y - fit.level - fit.slope * (t - fit.middle)) < 8 * fit.sigma
    start = fit.level, fit.slope, fit.middle, fit.sigma
    if 16 * fit.sigma < half and near.sum() >= _FEWEST_PAIRS:  # on a short stretch the background is flat
        t_near, y_near, share = t[near], y[near], 1 - (1 - fit.share) * 8 * fit.sigma / half
        fit = _Mixture(t_near, y_near, 8 * fit.sigma, free_drift, (*start, share), 0.01)
    else:
        fit = _Mixture(t, y, half, free_drift, (*start, fit.share), 0.01)
    pairs, covariance = fit.errors()
    # Ten pairs tie a line down to a third of their deviation; what does worse is no peak but a ripple.
    if pairs < _FEWEST_PAIRS or max(covariance[0], covariance[2] * float(fit.t.var())) > (fit.sigma / 2) ** 2:
        return None
    offset = line.offset + line.drift * fit.middle + fit.level
    return LineFit(fit.middle, offset, line.drift + fit.slope, covariance, fit.sigma, pairs)


def near_line(a: Times, b: Times, line: Line, half: float) -> tuple[Floats, Floats]:
    """Return (time, difference from the line), float64 ps, of all pairs of tags within ``half`` of the line."""
    from ._clock_kernels import differences

    density = len(b) / max(1.0, float(b[-1] - b[0])) if len(b) else 0.0
    room = len(a) // 2 + 1000 + int(min(3 * half * density, 8.0) * len(a))
    while True:
        times, found = np.empty(room), np.empty(room)
        count = differences(a, b, line.offset, line.drift, half, times, found)
        if count <= room:
            return times[:count], found[:count]
        room = count


class _Mixture:
    """The likeliest Gaussian of deviation ``sigma`` about a line, with a ``share`` of all points, on a flat background.

    The line is level + slope (t - middle); the search begins at ``start`` and ends when level and sigma
    move by less than ``enough`` of the level's error.
    """

    def __init__(self, t: Floats, y: Floats, half: float, free_drift: bool, start: Start, enough: float) -> None:
        from ._clock_kernels import maximise

        self.t, self.y, self.half, self.free_drift = t, y, half, free_drift
        self.level, self.slope, self.middle, self.sigma, self.share = maximise(
            t, y, half, free_drift, start, _ROUNDING_PS, enough
        )

    def errors(self) -> tuple[float, tuple[float, float, float]]:
        """Return (pairs, (variance of the offset at ``middle``, covariance, variance of the drift)), or no pairs."""
        from ._clock_kernels import information

        scale = max(1.0, float(self.t.std()))
        line = self.level, self.slope, self.middle
        pairs, sums = information(self.t, self.y, self.half, *line, scale, self.sigma, self.share)
        size = 1 + self.free_drift
        curvature, push = (np.array([[s[0], s[1]], [s[1], s[2]]])[:size, :size] for s in (sums[:3], sums[3:]))
        if pairs <= size or curvature[0, 0] <= 0 or (self.free_drift and np.linalg.det(curvature) <= 0):
            return 0.0, (math.inf, 0.0, math.inf)
        inverse = np.linalg.inv(curvature)
        # The factor makes up for the parameters taken from few pairs.
        matrix = self.sigma**2 * inverse @ push @ inverse * pairs / (pairs - size)
        least = _ROUNDING_PS**2 * np.diag(inverse)  # residuals of whole ps can all be 0 by chance
        variances = np.maximum(np.diag(matrix), least)
        if not self.free_drift:
            return pairs, (float(variances[0]), 0.0, 0.0)
        return pairs, (float(variances[0]), float(matrix[0, 1] / scale), float(variances[1] / scale**2))
