"""The clock's two states, offset and frequency, followed from fit to fit: a Kalman filter. No tags here.

The clock's phase is the integral of its frequency plus white frequency noise, its frequency a random walk: the
two-state model of Zucca and Tavella, IEEE Trans. Ultrason. Ferroelectr. Freq. Control 52, 289 (2005).
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .clocks import ClockOffset

Matrix = npt.NDArray[np.float64]
JUMP = 40.0
"""Innovation, in chi^2 of two degrees of freedom, from which the clock has jumped: by chance once in exp(20) = 5e8."""


@dataclass(frozen=True)
class Wander:
    """How the difference of two clocks wanders.

    Attributes:
        phase_ps: white frequency noise: the offset's random walk in one second. Allan deviation at 1 s: 1e-12 times it.
        drift: the drift's random walk in one second. Allan deviation at 1 s: 0.58 times it.
    """

    phase_ps: float = 10.0
    drift: float = 1e-11

    def over(self, dt_ps: float) -> Matrix:
        """Return the ``covariance`` gathered in ``dt_ps``."""
        dt, phase, drift = dt_ps * 1e-12, self.phase_ps**2, (self.drift * 1e12) ** 2
        cross = drift * dt * abs(dt) / 2
        return np.array([[phase * abs(dt) + drift * abs(dt) ** 3 / 3, cross], [cross, drift * abs(dt)]])

    def within(self, span_ps: float) -> Matrix:
        """Return the ``covariance`` of a straight line through ``span_ps`` of the clock, about its state in the middle.

        Variances of mean and slope of Brownian motion (1/12 and 6/5), of once integrated Brownian motion (1/320 and
        33/560), about the middle's value.
        """
        span, phase, drift = span_ps * 1e-12, self.phase_ps**2, (self.drift * 1e12) ** 2
        slope = 6 / 5 * phase / span if span else 0.0
        return np.diag([phase * span / 12 + drift * span**3 / 320, slope + 33 / 560 * drift * span])


def ahead(clock: ClockOffset, t_ref_ps: int, wander: Wander) -> ClockOffset:
    """Return the clock at another time, with what it may have wandered until then."""
    there = clock.at(t_ref_ps)
    return _with(there, covariance(there) + wander.over(t_ref_ps - clock.t_ref_ps))


def loosened(clock: ClockOffset, span_ps: float, wander: Wander) -> ClockOffset:
    """Return a straight line fitted to ``span_ps`` as a measurement of the wandering clock in the middle."""
    return _with(clock, covariance(clock) + wander.within(span_ps))


def innovation(predicted: ClockOffset, measured: ClockOffset) -> float:
    """Return chi^2 of the measurement about the prediction for the same time; two degrees of freedom."""
    difference = _difference(predicted, measured)
    return float(difference @ np.linalg.solve(covariance(predicted) + covariance(measured), difference))


def updated(predicted: ClockOffset, measured: ClockOffset) -> ClockOffset:
    """Return prediction and measurement for the same time as one."""
    before, error = covariance(predicted), covariance(measured)
    gain = np.linalg.solve(before + error, before).T
    more = gain @ _difference(predicted, measured)
    left = np.eye(2) - gain
    after = left @ before @ left.T + gain @ error @ gain.T
    moved = replace(
        measured, offset_ps=predicted.offset_ps + float(more[0]), drift=predicted.drift + float(more[1]) * 1e-12
    )
    return _with(moved, after)


def covariance(clock: ClockOffset) -> Matrix:
    """Return that of (offset in ps, drift in ps a second): of like sizes, for the sake of the solvers."""
    cross = clock.covariance_ps * 1e12
    return np.array([[clock.offset_error_ps**2, cross], [cross, (clock.drift_error * 1e12) ** 2]])


def _difference(predicted: ClockOffset, measured: ClockOffset) -> Matrix:
    return np.array([measured.offset_ps - predicted.offset_ps, (measured.drift - predicted.drift) * 1e12])


def _with(clock: ClockOffset, matrix: Matrix) -> ClockOffset:
    offset, drift = np.sqrt(np.maximum(np.diag(matrix), 0.0)).tolist()
    cross = float(matrix[0, 1]) * 1e-12
    return replace(clock, offset_error_ps=offset, drift_error=drift * 1e-12, covariance_ps=cross)
