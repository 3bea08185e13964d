"""What two channels of a stream tell of a pair source: rates, accidentals, heralding efficiencies, CAR.

Windows are those of ``coincidences``: |t_b - t_a| <= window, all pairs count. Nothing is subtracted unless it says so.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ._delays import delayed
from ._groups import checked_window
from .accidentals import DelayedCounter, accidental, accidentals_from_rates
from .coincidences import coincidences
from .estimates import ZERO_COUNTS_ERROR, Estimate, rate
from .tags import Tags


@dataclass(frozen=True)
class PairFigures:
    """What ``pair_figures`` found.

    Attributes:
        live_s: live time.
        singles: rate of each channel, 1/s.
        coincidences: rate, 1/s, accidental ones included.
        accidentals: rate, 1/s, from delayed windows.
        accidentals_from_rates: the same from the singles; differs where the rates change in time.
        heralding: of the first channel, given the second, and of the second, given the first.
        car: coincidences over accidentals.
    """

    live_s: float
    singles: tuple[Estimate, Estimate]
    coincidences: Estimate
    accidentals: Estimate
    accidentals_from_rates: Estimate
    heralding: tuple[Estimate, Estimate]
    car: Estimate


def pair_figures(
    tags: Tags,
    a: int = 0,
    b: int = 1,
    window_ps: int = 1000,
    delays_ps: Mapping[int, int] | None = None,
    shifts_ps: Sequence[int] | None = None,
) -> PairFigures:
    """Return the figures of channels ``a`` and ``b``.

    Accidentals are the counts off the peak (``accidentals.DelayedCounter``), with the error of these counts and of the
    singles. From the rates alone they are R_a R_b (2 window + 1 ps), see ``accidentals_from_rates``.

    The heralding efficiency of a is (C - A) / N_b (Klyshko, Sov. J. Quantum Electron. 10, 1112, 1980), with the
    binomial error of C out of N_b and that of A. Dark counts of b lower it; they are not corrected. CAR is C / A.

    Args:
        tags: the stream.
        a, b: the channels.
        window_ps: largest |t_b - t_a|, ps.
        delays_ps: ps added to each channel's times before, by channel.
        shifts_ps: where the delayed windows lie, ps from the peak. Needed for pulsed sources: multiples of the period.

    Raises:
        ValueError: channels, window, delays or shifts that make no sense.
    """
    window = checked_window(window_ps)
    if a == b:
        raise ValueError(f"channel {a} cannot be paired with itself")
    tags = delayed(tags, (a, b), delays_ps)
    n_a, n_b = (int(np.count_nonzero(tags.channels[tags.live()] == c)) for c in (a, b))
    live_s = tags.live_time_ps() * 1e-12
    if shifts_ps is None:
        counter = DelayedCounter([(a, b)], window, None, (n_a + n_b) / max(live_s, 1e-12))
        counter.feed(tags)
        off, exposure_s = int(counter.counts()[0]), counter.exposure_s()
    else:
        off, exposure_s = _at_shifts(tags, (a, b), window, _checked_shifts(shifts_ps, window))
    return figures_of(int(coincidences(tags, [(a, b)], window)[0]), (n_a, n_b), live_s, off, exposure_s, window)


def figures_of(
    coincident: int, tags_each: tuple[int, int], live_s: float, off: int, exposure_s: float, window_ps: int
) -> PairFigures:
    """Return the figures that follow from counts.

    Args:
        coincident: within the window.
        tags_each: of both channels.
        live_s: in which these were counted.
        off, exposure_s: counts off the peak, and for how long one window would have had to be open for them.
        window_ps: its half width.
    """
    n_a, n_b = tags_each
    rates = rate(n_a, live_s), rate(n_b, live_s)
    each_s = accidental(off, exposure_s, n_a, n_b)
    return PairFigures(
        live_s,
        rates,
        rate(coincident, live_s),
        each_s,
        accidentals_from_rates(rates, window_ps),
        (_heralding(coincident, each_s, live_s, n_b), _heralding(coincident, each_s, live_s, n_a)),
        _car(coincident, each_s, live_s),
    )


def _at_shifts(tags: Tags, pair: tuple[int, int], window: int, shifts: Sequence[int]) -> tuple[int, float]:
    """Return (counts in all the shifted windows, for how long one would have had to be open)."""
    (low, high), total, exposure = tags.span_ps, 0, 0
    for shift in shifts:
        moved = delayed(tags, pair, {pair[1]: -shift})
        total += int(coincidences(moved, [pair], window)[0])
        exposure += moved.live_time_ps(max(low, low - shift), min(high, high - shift))
    return total, exposure * 1e-12


def _checked_shifts(shifts_ps: Sequence[int], window: int) -> Sequence[int]:
    shifts = sorted(int(shift) for shift in shifts_ps)
    apart = min((y - x for x, y in pairwise(shifts)), default=2 * window + 1)
    if not shifts or min(map(abs, shifts)) <= 2 * window or apart <= 2 * window:
        raise ValueError(f"delayed windows at {shifts} ps overlap each other or the peak's, or there are none")
    return shifts


def _heralding(coincident: int, accidentals: Estimate, live_s: float, heralds: int) -> Estimate:
    if not heralds or accidentals.value is None or accidentals.error is None:
        return Estimate(None, None, "", accidentals.reason if heralds else "no heralds")
    spread = coincident * max(0.0, 1 - coincident / heralds) or ZERO_COUNTS_ERROR**2
    true = coincident - accidentals.value * live_s
    return Estimate(true / heralds, math.hypot(math.sqrt(spread), accidentals.error * live_s) / heralds)


def _car(coincident: int, accidentals: Estimate, live_s: float) -> Estimate:
    if not accidentals.value or accidentals.error is None:
        return Estimate(None, None, "", accidentals.reason or "no accidental coincidences were seen")
    expected = accidentals.value * live_s
    ratio, counting = coincident / expected, math.sqrt(coincident) or ZERO_COUNTS_ERROR
    return Estimate(ratio, math.hypot(counting, ratio * accidentals.error * live_s) / expected)
