"""What two channels of a stream tell of a pair source: rates, accidentals, heralding efficiencies, CAR.

Windows are those of ``coincidences``: |t_b - t_a| <= window, all pairs count. Nothing is subtracted unless it says so.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ._delays import delayed
from ._groups import checked_channels, checked_window
from .coincidences import coincidences
from .correlation import correlogram
from .counting import count_coincidences
from .estimates import ZERO_COUNTS_ERROR, Estimate, rate
from .g2 import overlap_ps
from .tags import Tags

_NEAREST, _FARTHEST, _FEWEST = 20, 420, 40
"""Delayed windows lie side by side, so many window widths from the peak: 800 of them, or fewer where tags are dense."""
_MOST_HITS = 10
"""Tags within the span of the delayed windows, mean number: the cost of looking at them."""


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


def singles(tags: Tags, channel: int | Sequence[int]) -> Estimate:
    """Return the rate of a channel (or of several together), 1/s, outside the gaps."""
    count = np.isin(tags.channels[tags.live()], checked_channels(channel)).sum()
    return rate(int(count), tags.live_time_ps() * 1e-12)


def pair_figures(
    tags: Tags,
    a: int = 0,
    b: int = 1,
    window_ps: int = 1000,
    delays_ps: Mapping[int, int] | None = None,
    shifts_ps: Sequence[int] | None = None,
) -> PairFigures:
    """Return the figures of channels ``a`` and ``b``.

    Accidentals are the counts in 800 windows 20 to 420 widths (2 window + 1 ps) from the peak on either side (in dense
    streams fewer, at least 40), scaled from the live time they have to that of the peak. Their error is that of the
    counts, 1.841 for none, and of the singles they are made of. From the rates alone they are R_a R_b (2 window + 1
    ps), see ``accidentals_from_rates``.

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
    live = tags.live()
    times_a, times_b = (tags.times_ps[live & (tags.channels == c)] for c in (a, b))
    n_a, n_b = len(times_a), len(times_b)
    stretches, live_s = tags.live_stretches(), tags.live_time_ps() * 1e-12
    if shifts_ps is None:
        coincident, delayed_count, share = _side_by_side(tags, a, b, window, (n_a + n_b) / max(live_s * 1e12, 1.0))
    else:
        coincident = int(coincidences(tags, [(a, b)], window)[0])
        shifts = _checked_shifts(shifts_ps, window)
        delayed_count = sum(count_coincidences(times_a, times_b, window, int(shift)) for shift in shifts)
        share = _ratio(live_s * 1e12, sum(_common_ps(stretches, int(shift)) for shift in shifts))
    accidental, error = delayed_count * share, _shared_error(delayed_count, n_a, n_b) * share
    return PairFigures(
        live_s,
        (rate(n_a, live_s), rate(n_b, live_s)),
        rate(coincident, live_s),
        _per_second(accidental, error, live_s),
        accidentals_from_rates([rate(n_a, live_s), rate(n_b, live_s)], window),
        (_heralding(coincident, accidental, error, n_b), _heralding(coincident, accidental, error, n_a)),
        _car(coincident, accidental, error, delayed_count),
    )


def _side_by_side(tags: Tags, a: int, b: int, window: int, per_ps: float) -> tuple[int, int, float]:
    """Return (coincidences, counts in delayed windows, live time of the peak over all of theirs)."""
    width = 2 * window + 1
    farthest = int(np.clip(_MOST_HITS / max(per_ps * width, 1e-9), _FEWEST, _FARTHEST))
    # Moving b by the window puts differences of -window to window into one bin, the first one from zero.
    counted = correlogram(tags, a, b, width, farthest * width, {b: window}).counts
    number = np.arange(len(counted)) - farthest
    overlap = overlap_ps(tags.live_stretches(), (number * width).astype(np.float64))
    off = np.abs(number) >= _NEAREST
    return int(counted[farthest]), int(counted[off].sum()), _ratio(float(overlap[farthest]), float(overlap[off].sum()))


def _shared_error(pairs: int, n_a: int, n_b: int) -> float:
    """Return the standard deviation of a number of pairs made of so many tags, each of which may be in many of them."""
    return math.sqrt(pairs + pairs**2 * (1 / n_a + 1 / n_b)) if pairs else ZERO_COUNTS_ERROR


def _checked_shifts(shifts_ps: Sequence[int], window: int) -> Sequence[int]:
    shifts = sorted(int(shift) for shift in shifts_ps)
    apart = min((y - x for x, y in pairwise(shifts)), default=2 * window + 1)
    if not shifts or min(map(abs, shifts)) <= 2 * window or apart <= 2 * window:
        raise ValueError(f"delayed windows at {shifts} ps overlap each other or the peak's, or there are none")
    return shifts


def _common_ps(stretches: npt.NDArray[np.int64], shift: int) -> float:
    """Return for how many live ps it is live ``shift`` later, too."""
    lengths = np.concatenate([[0], np.cumsum(stretches[:, 1] - stretches[:, 0])])

    def live_before(times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        k = np.searchsorted(stretches[:, 0], times, "right") - 1
        inside = np.minimum(times, stretches[k, 1]) - stretches[k, 0]
        return np.where(k < 0, 0, lengths[k] + inside)

    return float((live_before(stretches[:, 1] + shift) - live_before(stretches[:, 0] + shift)).sum())


def _ratio(peak: float, off: float) -> float:
    return peak / off if off > 0 else math.nan


def accidentals_from_rates(rates: Sequence[Estimate], window_ps: int) -> Estimate:
    """Return the rate of accidental n-folds of unrelated channels, 1/s, with the errors of the rates.

    Tuples of a span of at most w count, so it is n w^(n-1) times the product of the rates (for n = 2: 2 w R_1 R_2,
    Eckart & Shonka, Phys. Rev. 53, 752, 1938); times being whole ps, n w^(n-1) is ((w + 1)^n - w^n) here.

    Args:
        rates: 1/s, of each channel.
        window_ps: as in ``coincidences``.
    """
    window, n = checked_window(window_ps), len(rates)
    missing = [each.reason for each in rates if each.value is None]
    if missing or not n:
        return Estimate(None, None, "1/s", (missing or ["no channels"])[0])
    volume = float((window + 1) ** n - window**n) * 1e-12 ** (n - 1)
    values, errors = [each.value or 0.0 for each in rates], [each.error or 0.0 for each in rates]
    slopes = [volume * math.prod(values[:k] + values[k + 1 :]) for k in range(n)]
    return Estimate(volume * math.prod(values), math.hypot(*(s * e for s, e in zip(slopes, errors))), "1/s")


def _per_second(count: float, error: float, seconds: float) -> Estimate:
    if not seconds > 0 or math.isnan(count):
        return Estimate(None, None, "1/s", "no live stretch is long enough for delayed windows")
    return Estimate(count / seconds, error / seconds, "1/s")


def _heralding(coincident: int, accidental: float, error: float, heralds: int) -> Estimate:
    if not heralds or math.isnan(accidental):
        return Estimate(None, None, "", "no heralds" if not heralds else "accidentals are not known")
    spread = coincident * max(0.0, 1 - coincident / heralds) or ZERO_COUNTS_ERROR**2
    return Estimate((coincident - accidental) / heralds, math.hypot(math.sqrt(spread), error) / heralds)


def _car(coincident: int, accidental: float, error: float, delayed: int) -> Estimate:
    if not delayed or math.isnan(accidental):
        return Estimate(None, None, "", "no accidental coincidences were seen")
    ratio, counting = coincident / accidental, math.sqrt(coincident) or ZERO_COUNTS_ERROR
    return Estimate(ratio, math.hypot(counting, ratio * error) / accidental)
