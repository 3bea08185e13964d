"""How one clock lies to another, told by the photon pairs both of them tagged.

Two recordings of one source have a correlation peak at the clocks' offset, and a drift slants it. The search works for
any stationary source of pairs; the drift is taken as constant over the recording, so a clock that wanders by more than
the peak's width needs shorter recordings. A pulsed source has a comb of peaks: the highest tooth is taken.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._arrays import Times, sorted_times
from ._clock_fit import fit_line
from ._clock_line import Line
from ._clock_search import find_peak

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
        drift_error: standard deviation, independent of the offset's; 0 for a drift that was given.
        significance: of the peak, in sigma, discounted for every offset and drift that was looked at.
        t_ref_ps: on Alice's clock, the pairs' mean time (mid-data, if the drift was given).
    """

    offset_ps: float
    drift: float
    offset_error_ps: float
    drift_error: float
    significance: float
    t_ref_ps: int

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
        NoPeak: no peak of 7 sigma within the reach, or too few pairs to fit.
        ValueError: times out of order, or bounds that make no sense.
    """
    alice, bob = sorted_times(alice_ps, "alice_ps"), sorted_times(bob_ps, "bob_ps")
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
    peak = find_peak(a, b, float(reach), max_drift, half_span, THRESHOLD)
    significance = peak.significance if peak else 0.0
    if peak is None or significance < THRESHOLD:
        raise NoPeak(
            f"no correlation peak within {reach * 1e-9:.6g} ms of the expected offset: the best stands out by "
            f"{significance:.1f} sigma, {THRESHOLD:g} are needed; record longer or widen the search",
            significance,
        )
    fit = fit_line(a, b, peak, free_drift=drift is None)
    if fit is None:
        raise NoPeak("the correlation peak has fewer than 10 pairs; record longer", significance)
    return ClockOffset(
        expected + fit.offset,
        fit.drift if drift is None else drift,
        fit.offset_error,
        fit.drift_error,
        significance,
        middle + fit.time,
    )


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
