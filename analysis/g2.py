"""Second-order correlations from a merged stream, normalised so that unrelated light gives 1, each with its error."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._delays import delayed
from ._groups import checked_channels, checked_window
from .correlation import Channel, Histogram, correlogram
from .estimates import ZERO_COUNTS_ERROR, Estimate
from .tags import Tags


@dataclass(frozen=True, eq=False)
class Correlation:
    """g2 by delay.

    Attributes:
        values: float64[n], g2 in each bin of t_stop - t_start; not a number where nothing could be expected.
        errors: float64[n], standard deviations.
        histogram: the counts and bins it was made from.
    """

    values: npt.NDArray[np.float64]
    errors: npt.NDArray[np.float64]
    histogram: Histogram


def g2(
    tags: Tags,
    start: Channel = 0,
    stop: Channel = 1,
    bin_ps: int = 100,
    span_ps: int = 100_000,
    delays_ps: Mapping[int, int] | None = None,
) -> Correlation:
    """Return g2(tau) = counts / (R_start R_stop bin T(tau)).

    The intensity correlation of Glauber, Phys. Rev. 130, 2529 (1963). T(tau) is the live time in which a start tag can
    have a stop tag tau later in the same live stretch, the "symmetric" normalisation of Laurence, Fore & Huser, Opt.
    Lett. 31, 829 (2006). The error is that of the counts, sqrt(counts), and 1.841 for none: given the singles the rates
    are known, and their chance deviations cancel. Arguments are those of ``correlogram``; delays must leave live time.

    Raises:
        ValueError: as ``correlogram``.
    """
    ends = checked_channels(start), checked_channels(stop)
    tags = delayed(tags, ends[0] + ends[1], delays_ps)
    counted = correlogram(tags, start, stop, bin_ps, span_ps)
    stretches = tags.live_stretches()
    live = float((stretches[:, 1] - stretches[:, 0]).sum())
    inside = tags.channels[tags.live()]
    singles = [float(np.isin(inside, end).sum()) for end in ends]
    # What whole-ps differences a bin takes lie about its centre; T(tau) is linear there but for the stretches' ends.
    expected = np.zeros(len(counted.counts))
    if live > 0:
        per_ps = singles[0] * singles[1] / live**2
        expected = per_ps * bin_ps * overlap_ps(stretches, counted.centres_ps)
    values, errors = np.full((2, len(expected)), math.nan)
    some = expected > 0
    values[some] = counted.counts[some] / expected[some]
    deviations = np.sqrt(np.where(counted.counts > 0, counted.counts, ZERO_COUNTS_ERROR**2))
    errors[some] = deviations[some] / expected[some]
    return Correlation(values, errors, counted)


def overlap_ps(stretches: npt.NDArray[np.int64], delays_ps: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return float64[n], ps: for each delay how long two tags so far apart can both lie in one of the stretches."""
    lengths = np.sort((stretches[:, 1] - stretches[:, 0]).astype(np.float64))
    sums = np.concatenate([[0.0], np.cumsum(lengths)])
    size = np.abs(delays_ps)
    shorter = np.searchsorted(lengths, size)
    overlap: npt.NDArray[np.float64] = sums[-1] - sums[shorter] - (len(lengths) - shorter) * size
    return overlap


def heralded_g2(
    tags: Tags,
    herald: Channel,
    first: Channel,
    second: Channel,
    window_ps: int = 1000,
    delays_ps: Mapping[int, int] | None = None,
) -> Estimate:
    """Return g2_h(0) = N_h12 N_h / (N_h1 N_h2) of two detectors behind a splitter, given a herald.

    Grangier, Roger & Aspect, Europhys. Lett. 1, 173 (1986). N_h1 and N_h2 are the pairs of a herald and a tag at most
    ``window_ps`` from it, N_h12 the triples of a herald with one of either. The gate lies about the herald, so that
    unrelated tags give 1. (Triples by their span would give 3/4: a window of 3 w^2 instead of 4 w^2.)

    The error takes the counts as Poissonian and independent, which makes it slightly too large where g2 nears 1.

    Raises:
        ValueError: channels, window or delays that make no sense; a channel in two places.
    """
    window = checked_window(window_ps)
    ends = [checked_channels(end) for end in (herald, first, second)]
    channels = ends[0] + ends[1] + ends[2]
    if len(set(channels)) < len(channels):
        raise ValueError(f"herald {ends[0]} and detectors {ends[1]}, {ends[2]} share a channel")
    tags = delayed(tags, channels, delays_ps)
    live = tags.live()
    heralds, *detected = (tags.times_ps[live & np.isin(tags.channels, end)] for end in ends)
    low, high = _gates(heralds, tags.gaps, window)
    near = [np.searchsorted(times, high, "right") - np.searchsorted(times, low, "left") for times in detected]
    n_h, n_1, n_2, n_12 = len(heralds), int(near[0].sum()), int(near[1].sum()), int((near[0] * near[1]).sum())
    if not n_1 or not n_2:
        return Estimate(None, None, "", f"{n_h} heralds, with {n_1} and {n_2} tags near them")
    scale = n_h / (n_1 * n_2)
    deviation = math.sqrt(n_12 + n_12**2 * (1 / n_1 + 1 / n_2)) if n_12 else ZERO_COUNTS_ERROR
    return Estimate(n_12 * scale, deviation * scale)


def _gates(
    heralds: npt.NDArray[np.int64], gaps: npt.NDArray[np.int64], window: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the first and last time of each herald's gate; a gate ends at a gap."""
    limits = np.iinfo(np.int64)
    low = np.maximum(heralds, limits.min + window) - window
    high = np.minimum(heralds, limits.max - window) + window
    if len(gaps):
        after = np.searchsorted(gaps[:, 0], heralds, "right")
        low = np.maximum(low, np.concatenate([[limits.min], gaps[:, 1]])[after])
        high = np.minimum(high, np.concatenate([gaps[:, 0] - 1, [limits.max]])[after])
    return low, high
