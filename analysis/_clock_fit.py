"""The last step to a clock offset: a line through the time differences of pairs, with an honest error.

Maximum likelihood for a Gaussian peak on a flat background (expectation maximisation), so that no tag has to be
called pair or accidental. Errors are of the sandwich kind (Huber, 1967): they hold where the peak is no Gaussian too.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._arrays import Times, partners
from ._clock_line import Line, Peak

_ROUNDING_PS = math.sqrt(1 / 6)
"""Standard deviation of the difference of two times cut to whole ps; no peak is narrower."""
_FEWEST_PAIRS = 10
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LineFit:
    """offset at ``time`` (ps, the pairs' mean, where offset and drift errors are independent), drift, their errors."""

    time: int
    offset: float
    drift: float
    offset_error: float
    drift_error: float


def fit_line(a: Times, b: Times, peak: Peak, free_drift: bool) -> LineFit | None:
    """Return the line through the pairs near the peak's, or None for fewer than 10 pairs.

    Only the stretch in which the peak was seen is used. The peak's width is a start: a wider peak is found.

    Args:
        a, b: int64 ps, as in the search.
        peak: what the search found.
        free_drift: False keeps the line's drift.
    """
    line, half = peak.line, max(4 * peak.width, 20.0)
    a = a[np.abs(a) <= peak.half_span]
    for _ in range(5):
        t, y = _differences(a, b, line, half)
        if len(t) < _FEWEST_PAIRS:
            return None
        fit = _Mixture(t, y, half, free_drift)
        fit.maximise(peak.width / 2)
        if fit.sigma < half / 4:
            break
        half *= 4
    near = np.abs(fit.residuals()) < 8 * fit.sigma
    if 16 * fit.sigma < half and near.sum() >= _FEWEST_PAIRS:  # on a short stretch the background is flat
        fit = fit.narrowed(near)
    if fit.pairs < _FEWEST_PAIRS:
        return None
    time = round(fit.middle) if free_drift else 0
    errors = fit.errors()
    drift = line.drift + float(fit.parameters[1])
    # At the pairs' mean the offset is the fit's first parameter; the half ps of rounding ``time`` is below 1e-4 ps.
    offset = line.offset + line.drift * (fit.middle if free_drift else 0) + float(fit.parameters[0])
    return LineFit(time, offset, drift, errors[0], errors[1])


def _differences(a: Times, b: Times, line: Line, half: float) -> tuple[Floats, Floats]:
    """Return (time, difference from the line), float64 ps, of all pairs of tags within ``half`` of the line."""
    expected = line.predict(a)
    times, differences = [np.empty(0)], [np.empty(0)]
    for i, j in partners(expected, b, -math.floor(half), math.floor(half)):
        t = a[i].astype(np.float64)
        whole = math.floor(line.offset)
        times.append(t)
        differences.append((b[j] - a[i] - whole) - (line.drift * t + (line.offset - whole)))
    return np.concatenate(times), np.concatenate(differences)


class _Mixture:
    """Gaussian of deviation ``sigma`` about a line, share ``share`` of all points, on a flat background."""

    def __init__(self, t: Floats, y: Floats, half: float, free_drift: bool) -> None:
        self.t, self.y, self.half, self.free_drift = t, y, half, free_drift
        self.middle, self.scale = float(t.mean()), max(1.0, float(t.std()))
        self.parameters = np.zeros(2)
        self.sigma, self.share = half, 0.5
        self.weight = np.ones_like(t)

    @property
    def pairs(self) -> float:
        return float(self.weight.sum())

    def residuals(self) -> Floats:
        residuals: Floats = self.y - self.parameters[0] - self.parameters[1] * (self.t - self.middle)
        return residuals

    def maximise(self, sigma: float) -> None:
        """Iterate from ``sigma`` until the offset moves by less than a hundredth of its error."""
        self.sigma = max(sigma, _ROUNDING_PS)
        for _ in range(200):
            before, width = self.parameters[0], self.sigma
            residuals = self.residuals()
            peak = self.share / (self.sigma * math.sqrt(2 * math.pi)) * np.exp(-0.5 * np.square(residuals / self.sigma))
            self.weight = peak / (peak + (1 - self.share) / (2 * self.half))
            self.share = min(float(self.weight.mean()), 1 - 0.5 / len(self.t))
            self._fit_weighted()
            variance = _dot(self.weight, np.square(self.residuals())) / max(self.pairs, 1e-9)
            self.sigma = max(math.sqrt(variance), _ROUNDING_PS)
            error = self.sigma / math.sqrt(max(self.pairs, 1.0))
            if abs(self.parameters[0] - before) < 0.01 * error and abs(self.sigma - width) < 0.01 * error:
                return

    def narrowed(self, near: npt.NDArray[np.bool_]) -> "_Mixture":
        """Return the fit to the points ``near`` this one's line, with the line as the start."""
        half = 8 * self.sigma
        other = _Mixture(self.t[near], self.y[near], half, self.free_drift)
        other.parameters = np.array([
            self.parameters[0] + self.parameters[1] * (other.middle - self.middle), self.parameters[1]
        ])  # fmt: skip
        other.maximise(self.sigma)
        return other

    def errors(self) -> tuple[float, float]:
        """Return the standard deviations of (offset at ``middle``, drift); 0 for a drift that was given."""
        columns = [np.ones_like(self.t), (self.t - self.middle) / self.scale][: 1 + self.free_drift]
        squares = np.square(self.residuals() / self.sigma)
        curvature = self.weight - self.weight * (1 - self.weight) * squares
        inverse = np.linalg.inv([[_dot(x * y, curvature) for y in columns] for x in columns])
        slopes = np.array([[_dot(x * y, np.square(self.weight) * squares) for y in columns] for x in columns])
        # The factor makes up for the parameters taken from few pairs.
        covariance = self.sigma**2 * inverse @ slopes @ inverse * self.pairs / (self.pairs - len(columns))
        least = _ROUNDING_PS**2 * np.diag(inverse)  # residuals of whole ps can all be 0 by chance
        deviations = np.sqrt(np.maximum(np.diag(covariance), least))
        return float(deviations[0]), float(deviations[1] / self.scale) if self.free_drift else 0.0

    def _fit_weighted(self) -> None:
        """Move ``middle`` to the weighted mean time and the line to the weighted least squares."""
        total = max(self.pairs, 1e-9)
        middle, slope = _dot(self.weight, self.t) / total, self.parameters[1]
        t = self.t - middle
        if self.free_drift:
            weighted = self.weight * t
            spread = _dot(weighted, t)
            slope = _dot(weighted, self.y) / spread if spread > 0 else 0.0
        self.parameters = np.array([_dot(self.weight, self.y - slope * t) / total, slope])
        self.middle = middle


def _dot(x: Floats, y: Floats) -> float:
    """Return sum(x y) on one thread; ``@`` would wake all of BLAS's threads for it."""
    return float(np.einsum("i,i->", x, y))
