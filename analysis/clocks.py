"""How one clock lies to another, told by the photon pairs both of them tagged.

Two recordings of one source have a correlation peak at the clocks' offset, and a drift slants it. The search works for
any stationary source of pairs; the drift is taken as constant over the recording, so a clock that wanders by more than
the peak's width needs shorter recordings (``tracking`` follows it). A pulsed source has a comb of peaks: the highest
tooth is taken, and none if two of them are as high.

A line is believed from 7 sigma on, after the look-elsewhere discount. By Chernoff's bound of the Poisson tail and the
union bound over all that was looked at, unrelated Poisson streams give a number once in exp(7^2 / 2) = 4e10 calls.
Where tags come in clusters (afterpulses, bursts), a sigma is as much larger as that makes counts of pairs scatter more.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ._arrays import Times, sorted_times
from ._clock_fit import LineFit, fit_line
from ._clock_line import Line, Peak
from ._clock_rivals import rivals
from ._clock_search import find_peaks

THRESHOLD = 7.0
"""Sigma, after the look-elsewhere discount, from which a peak is believed."""


class NoPeak(ValueError):
    """No correlation peak that can be believed.

    Attributes:
        significance: sigma of the best one seen, discounted for everything looked at; 0 if there was none.
    """

    def __init__(self, reason: str, significance: float = 0.0) -> None:
        super().__init__(reason)
        self.significance = significance


@dataclass(frozen=True)
class ClockOffset:
    """t_bob = t_alice + offset + drift (t_alice - t_ref).

    Attributes:
        offset_ps: at ``t_ref_ps``. A float: beyond 2^50 ps (19 minutes) finer than 0.1 ps is lost.
        drift: relative frequency error of the clocks.
        offset_error_ps: standard deviation.
        drift_error: standard deviation; 0 for a drift that was given.
        significance: of the peak, in sigma, discounted for every offset and drift that was looked at.
        t_ref_ps: on Alice's clock, the middle of what both recordings cover.
        covariance_ps: of offset and drift, ps.
        repeated_tags: tags that were told twice, with the same time at the same end; they counted once.
    """

    offset_ps: float
    drift: float
    offset_error_ps: float
    drift_error: float
    significance: float
    t_ref_ps: int
    covariance_ps: float = 0.0
    repeated_tags: int = 0

    def at(self, t_ref_ps: int) -> "ClockOffset":
        """Return the same clock with another reference time; the errors grow with the distance from the pairs."""
        since, drift_variance = float(t_ref_ps - self.t_ref_ps), self.drift_error**2
        variance = self.offset_error_ps**2 + 2 * since * self.covariance_ps + since**2 * drift_variance
        return replace(
            self,
            offset_ps=self.offset_ps + self.drift * since,
            offset_error_ps=math.sqrt(max(variance, 0.0)),
            covariance_ps=self.covariance_ps + since * drift_variance,
            t_ref_ps=t_ref_ps,
        )

    def to_alice(self, bob_ps: npt.ArrayLike) -> Times:
        """Return Bob's times on Alice's clock, int64 ps."""
        whole = math.floor(self.offset_ps)
        since = np.asarray(bob_ps, dtype=np.int64) - (self.t_ref_ps + whole)
        correction = (since * self.drift + (self.offset_ps - whole)) / (1 + self.drift)
        times: Times = since - np.rint(correction).astype(np.int64) + self.t_ref_ps
        return times


def clock_offset(
    alice_ps: npt.ArrayLike,
    bob_ps: npt.ArrayLike,
    max_offset_ps: int = 10**12,
    max_drift: float = 1e-6,
    expected_offset_ps: int = 0,
    drift: float | None = None,
) -> ClockOffset:
    """Return offset and drift of Bob's clock from Alice's.

    Args:
        alice_ps: int64[n], ps, ascending; all detectors of one end together.
        bob_ps: int64[m], ps, ascending.
        max_offset_ps: how far the offset may lie from the expected one. Cost grows with it.
        max_drift: largest relative frequency error, either sign.
        expected_offset_ps: middle of the search.
        drift: the drift if it is known; then only the offset is sought.

    Raises:
        NoPeak: no peak of 7 sigma within the reach, too few pairs to fit, or two peaks of like height.
        ValueError: times out of order, or bounds that make no sense.
    """
    (alice, told_alice), (bob, told_bob) = (
        _once(sorted_times(times, name)) for times, name in ((alice_ps, "alice_ps"), (bob_ps, "bob_ps"))
    )
    reach, expected = int(max_offset_ps), int(expected_offset_ps)
    if reach < 0:
        raise ValueError(f"max_offset_ps is {reach}; it must be zero or more")
    if not 0 <= max_drift <= 1e-3 or not abs(drift or 0.0) <= 1e-3:
        raise ValueError(f"max_drift {max_drift}, drift {drift}: clocks that differ by over 1e-3 are not covered")
    middle, half_span = _overlap(alice, bob, reach, expected)
    farthest = max(abs(int(t) - middle - expected) for t in (bob[0], bob[-1]))
    if farthest >= 2**61 or abs(middle + expected) >= 2**63:
        raise ValueError(f"offsets about {expected} ps leave the 64-bit range; subtract a common start first")
    reach = min(reach, max(abs(int(bob[-1]) - int(alice[0]) - expected), abs(int(bob[0]) - int(alice[-1]) - expected)))
    a, b = alice - middle, bob - (middle + expected)
    if drift is not None:
        a, max_drift = Line(0.0, drift).predict(a), 0.0
    scatter = math.sqrt(_clustering(a) * _clustering(b))
    peaks = find_peaks(a, b, float(reach), max_drift, half_span, THRESHOLD * scatter)
    significance = peaks[0].significance / scatter if peaks else 0.0
    if significance < THRESHOLD:
        raise NoPeak(
            f"no correlation peak within {reach * 1e-9:.6g} ms of the expected offset: the best stands out by "
            f"{significance:.1f} sigma, {THRESHOLD:g} are needed; record longer or widen the search",
            significance,
        )
    fit = _highest(a, b, peaks, significance, drift is None, float(reach))
    begin, end = max(float(a[0]), b[0] - fit.offset), min(float(a[-1]), b[-1] - fit.offset)
    found = ClockOffset(
        expected + fit.offset,
        fit.drift if drift is None else drift,
        math.sqrt(fit.covariance[0]),
        math.sqrt(fit.covariance[2]),
        significance,
        middle + (round(fit.time) if drift is None else 0),
        fit.covariance[1],
        told_alice + told_bob,
    )
    return found.at(middle + round((begin + end) / 2))


def _once(times: Times) -> tuple[Times, int]:
    """Return the times without repetitions, and how many those were."""
    new = times[1:] != times[:-1]
    repeated = len(new) - int(np.count_nonzero(new))
    return (times[np.concatenate([[True], new])], repeated) if repeated else (times, 0)


def _clustering(times: Times) -> float:
    """Return how much larger than Poisson's the variance of counts is: 1 + 2 times the share of tags too soon.

    Too soon is within 1 us of the one before, or a tenth of the mean gap, and beyond what chance brings.
    """
    mean = float(int(times[-1]) - int(times[0])) / max(1, len(times) - 1)
    near = min(1e6, mean / 10)
    soon = float(np.count_nonzero(times[1:] - times[:-1] <= near)) / max(1, len(times) - 1)
    by_chance = -math.expm1(-near / mean) if mean else 0.0
    return 1 + 2 * max(0.0, soon - by_chance)


def _highest(a: Times, b: Times, peaks: list[Peak], significance: float, free_drift: bool, reach: float) -> LineFit:
    """Return the line with most pairs; no other one may have as many.

    Raises:
        NoPeak: fewer than 10 pairs, no line, or another line with as many.
    """
    lines = []
    for peak in peaks:
        fit = fit_line(a, b, peak, free_drift)
        if fit is None:
            continue
        try:
            beside = rivals(a, b, fit, peak.half_span, reach)
        except LookupError as error:
            raise NoPeak(f"the correlation peak does not stand out: {error}; record longer", significance) from None
        others = [fit_line(a, b, replace(peak, line=line, width=4 * fit.sigma), free_drift) for line in beside]
        lines += [fit, *(other for other in others if other is not None)]
    if not lines:
        raise NoPeak("the correlation peak has fewer than 10 pairs, or is no line; record longer", significance)
    first, *rest = sorted(lines, key=lambda line: -line.pairs)
    for second in rest:
        apart, fewer = abs(second.offset - first.offset), first.pairs - second.pairs
        if apart > 4 * (first.sigma + second.sigma) and fewer < 4 * math.sqrt(first.pairs + second.pairs):
            raise NoPeak(
                f"ambiguous: two correlation peaks as high, {apart * 1e-6:.6g} us apart (a periodic source?); give a "
                "closer expected offset and a smaller max_offset_ps",
                significance,
            )
    return first


def _overlap(alice: Times, bob: Times, reach: int, expected: int) -> tuple[int, float]:
    """Return (middle, half length) in ps of the stretch of Alice's recording that Bob's covers, at the expected offset.

    If they do not meet there, the stretch that some offset within reach could cover.
    """
    if len(alice) == 0 or len(bob) == 0:
        raise NoPeak("one of the recordings holds no tags")
    for slack in (0, reach):
        low = max(int(alice[0]), int(bob[0]) - expected - slack)
        high = min(int(alice[-1]), int(bob[-1]) - expected + slack)
        if low < high:
            middle = (low + high) // 2
            return middle, float(max(middle - int(alice[0]), int(alice[-1]) - middle))
    raise NoPeak(f"the recordings do not overlap at any offset within {reach * 1e-9:.6g} ms of the expected one")
