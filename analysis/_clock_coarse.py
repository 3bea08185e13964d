"""First look for a correlation peak: time differences by FFT, slice by slice, added along the slants of many drifts.

The circular correlation theorem on binned tags, as Ho, Lamas-Linares and Kurtsiefer use it (New J. Phys. 11, 045011,
2009), with slices of the recording added along the slants that drifts within reach could have. A peak of N pairs over
M accidentals a bin stands out by N / sqrt(M), which grows as the bins shrink, as does the cost.
"""

import math

import numpy as np
import numpy.typing as npt

from ._arrays import Times
from ._clock_line import Guess, Line

_BACKGROUND_PS = 1e9
"""The mean is taken over so much on either side: slow changes of both rates are followed."""


def coarse_guesses(
    a: Times, b: Times, reach: float, max_drift: float, width: int, span: float, most: int
) -> list[Guess]:
    """Return the ``most`` promising lines, best first, from bins of ``width`` ps over the middle ``span`` ps."""
    from ._clock_kernels import slanted_excess

    hypotheses = max(1, math.ceil(max_drift * span / width))
    longest = span if hypotheses == 1 else min(span, max(2 * reach, 256.0 * width))
    slices, centres = _correlations(a, b, round(reach), width, span, longest)
    drifts = max_drift * ((2 * np.arange(hypotheses) + 1) / hypotheses - 1)
    local = max(60, round(_BACKGROUND_PS / width))
    found: list[tuple[float, int, float]] = []
    for drift in drifts:
        score = slanted_excess(slices, np.rint(drift * centres / width).astype(np.int64), local)
        top = np.argpartition(score, -min(4 * most, len(score)))[-4 * most :]
        found += [(float(score[lag]), int(lag), float(drift)) for lag in top]
    chosen: list[tuple[float, int, float]] = []
    for sigmas, lag, drift in sorted(found, reverse=True):
        if all(abs(lag - other) > 3 for _, other, _ in chosen):
            chosen.append((sigmas, lag, drift))
    step = 2 * max_drift / hypotheses
    return [
        Guess(Line((lag + 0.5) * width - round(reach), drift), 2 * width, step, span / 2, sigmas)
        for sigmas, lag, drift in chosen[:most]
    ]


def _correlations(
    a: Times, b: Times, reach: int, width: int, span: float, longest: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Return (float32[slices, lags] pairs by lag bin, the first at -reach; float64[slices] middles of slices, ps).

    ``longest`` bounds the length of a slice, ps.
    """
    from ._clock_kernels import binned

    lags = 2 * reach // width + 2
    bins = math.ceil(longest / width)
    size = _fast_length(bins + lags)
    count = math.ceil(span / (bins * width))
    starts = [round((k - count / 2) * bins * width) for k in range(count)]
    rows = np.empty((count, lags), np.float32)
    for row, start in zip(rows, starts):
        ours = np.fft.rfft(binned(a, start, width, bins), size)
        theirs = np.fft.rfft(binned(b, start - reach, width, bins + lags - 1), size)
        np.multiply(np.conj(ours, out=ours), theirs, out=theirs)
        row[:] = np.fft.irfft(theirs, size)[:lags]
    return rows, np.array(starts) + bins * width / 2


def _fast_length(least: int) -> int:
    """Return the smallest 2^i 3^j 5^k not below ``least``: lengths the FFT is fast at."""
    best = 1 << (least - 1).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            best = min(best, three << max(0, (-(-least // three) - 1).bit_length()))
            three *= 3
        five *= 5
    return best
