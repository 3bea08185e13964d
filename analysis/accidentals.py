"""Accidental coincidences of two channels: from windows off the peak, and from the rates alone.

A count in a window of width W = 2 window + 1 ps is expected R_a R_b W T of unrelated channels. Off the peak the same
counts are collected in two wide stretches of delay, near to far on either side, so that a few seconds give hundreds of
windows' worth; the live time that each delay has within the recording and between its gaps is taken into account.
Not flat, and so not for this: pulsed sources (give ``pair_figures`` shifts of whole periods), and dead times or
afterpulses longer than ``near``.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._arrays import Times
from ._groups import checked_window
from .correlation import CorrelationHistogram
from .estimates import ZERO_COUNTS_ERROR, Estimate

NEAR_WIDTHS, NEAR_PS = 20, 100_000
"""Windows off the peak begin so many widths and so many ps from it: beyond jitter and usual dead times."""
WIDTHS = 800
"""About so many windows are looked at, fewer where tags are dense."""
MOST_HITS = 10
"""Tags within reach of a tag, mean number: the cost of looking at them."""


@dataclass(frozen=True)
class OffPeak:
    """Delays that are looked at, ps: near <= size of the delay < far, on both sides of the peak."""

    near_ps: int
    far_ps: int


def off_peak(window_ps: int, tags_per_s: float = 0.0) -> OffPeak:
    """Return where to look for windows of a half width, in a stream of so many tags of both channels a second."""
    width = 2 * checked_window(window_ps) + 1
    near = max(NEAR_WIDTHS * width, NEAR_PS)
    steps = min(WIDTHS * width / (4 * near), (MOST_HITS * 1e12 / max(tags_per_s, 1e-9) / near - 1) / 2)
    return OffPeak(near, (2 * max(1, round(steps)) + 1) * near)


class DelayedCounter(CorrelationHistogram):
    """Counts of pairs of channels off the peak, of a stream that comes in blocks.

    Args:
        pairs: (a, b) of channels.
        window_ps: half width of the window that accidentals are wanted for; largest |t_b - t_a|.
        delays_ps: ps added to each channel's times before, by channel.
        tags_per_s: about how many tags of both channels of a pair come in a second; see ``off_peak``.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[int, int]],
        window_ps: int,
        delays_ps: Mapping[int, int] | None = None,
        tags_per_s: float = 0.0,
    ) -> None:
        self.width_ps = 2 * checked_window(window_ps) + 1
        self.where = off_peak(window_ps, tags_per_s)
        super().__init__(pairs, 2 * self.where.near_ps, self.where.far_ps, delays_ps)

    def counts(self) -> npt.NDArray[np.int64]:
        """Return int64[pairs], counts of all that was fed."""
        off = [histogram.counts.sum() - histogram.counts[len(histogram.counts) // 2] for histogram in self.read()]
        return np.array(off, np.int64)

    def exposure_s(self, stretches: Times | None = None, starts: tuple[int, int] | None = None) -> float:
        """Return for how long one window would have had to be open to count as much.

        Args:
            stretches: int64[m, 2], [from, to) ps that are live; default: from the first tag to the last, less the gaps.
            starts: if the first channels' tags were fed only from [from, to) of that, while the others reach further.
        """
        live = self.live_stretches() if stretches is None else stretches
        return exposure_ps2(live, self.where, starts) / self.width_ps * 1e-12


def exposure_ps2(stretches: Times, where: OffPeak, starts: tuple[int, int] | None = None) -> float:
    """Return the live time of each delay summed over the delays of ``where``, ps^2.

    Both tags lie in one of the ``stretches`` ([from, to) ps each), the first one also in ``starts``. Within a stretch
    that reaches ``after`` beyond the first tags' part of it (of length L), a delay s loses max(0, min(s - after, L)).
    """
    low, high = stretches[:, 0], stretches[:, 1]
    first, last = (low, high) if starts is None else (np.maximum(low, starts[0]), np.minimum(high, starts[1]))
    some = first < last
    length = (last - first)[some].astype(np.float64)
    total = 2 * float(where.far_ps - where.near_ps) * float(length.sum())
    for margin in (first - low, high - last):
        after = margin[some].astype(np.float64)
        for edge, sign in ((where.far_ps, -1), (where.near_ps, 1)):
            lost = np.maximum(edge - after, 0.0)
            least = np.minimum(lost, length)
            total += sign * float((least * (lost - least / 2)).sum())
    return total


def accidental(count: int, exposure_s: float, tags_a: int, tags_b: int) -> Estimate:
    """Return the rate of accidentals in the window, 1/s, from counts off the peak.

    The error is that of the counts, 1.841 for none, and of the singles they are made of, for a tag may be in many.

    Args:
        count, exposure_s: of ``DelayedCounter``.
        tags_a, tags_b: singles of both channels in that time.
    """
    if not exposure_s > 0:
        return Estimate(None, None, "1/s", "no live stretch is long enough for delayed windows")
    return Estimate(count / exposure_s, shared_error(count, tags_a, tags_b) / exposure_s, "1/s")


def shared_error(pairs: int, tags_a: int, tags_b: int) -> float:
    """Return the standard deviation of a number of pairs made of so many tags, each of which may be in many of them."""
    return math.sqrt(pairs + pairs**2 * (1 / tags_a + 1 / tags_b)) if pairs else ZERO_COUNTS_ERROR


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
