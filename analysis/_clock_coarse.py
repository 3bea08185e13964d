"""First look for a correlation peak: time differences by FFT, slice by slice, added along the slants of many drifts."""

import math

import numpy as np
import numpy.typing as npt

from ._arrays import Times
from ._clock_line import Guess, Line

_BACKGROUND_BINS = 500


def coarse_guesses(
    a: Times, b: Times, reach: float, max_drift: float, width: int, span: float, most: int
) -> list[Guess]:
    """Return the ``most`` promising lines, from bins of ``width`` ps over the middle ``span`` ps of the recording."""
    slices, centres = _correlations(a, b, round(reach), width, span)
    lags = slices.shape[1]
    hypotheses = max(1, math.ceil(max_drift * span / width))
    drifts = max_drift * ((2 * np.arange(hypotheses) + 1) / hypotheses - 1)
    found: list[tuple[float, int, float]] = []
    for drift in drifts:
        total = np.zeros(lags)
        for row, shift in zip(slices, np.rint(drift * centres / width).astype(int)):
            low, high = max(0, -shift), min(lags, lags - shift)
            total[low:high] += row[low + shift : high + shift]
        # A time difference spreads over two neighbouring bins, for both ends are binned: add neighbours.
        score = _excess(total[:-1] + total[1:])
        top = np.argpartition(score, -min(4 * most, len(score)))[-4 * most :]
        found += [(float(score[lag]), int(lag), float(drift)) for lag in top]
    chosen: list[tuple[int, float]] = []
    for _, lag, drift in sorted(found, reverse=True):
        if all(abs(lag - other) > 3 for other, _ in chosen):
            chosen.append((lag, drift))
    step = 2 * max_drift / hypotheses
    return [
        Guess(Line((lag + 0.5) * width - round(reach), drift), 2 * width, step, span / 2)
        for lag, drift in chosen[:most]
    ]


def _correlations(
    a: Times, b: Times, reach: int, width: int, span: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Return (float32[slices, lags] pairs by lag bin, the first at -reach; float64[slices] middles of slices, ps)."""
    lags = 2 * reach // width + 2
    bins = math.ceil(min(span, max(2 * reach, 256 * width)) / width)
    size = _fast_length(bins + lags)
    count = math.ceil(span / (bins * width))
    starts = [round((k - count / 2) * bins * width) for k in range(count)]
    rows = np.empty((count, lags), np.float32)
    for row, start in zip(rows, starts):
        ours = np.fft.rfft(_binned(a, start, width, bins), size)
        theirs = np.fft.rfft(_binned(b, start - reach, width, bins + lags - 1), size)
        row[:] = np.fft.irfft(np.conj(ours) * theirs, size)[:lags]
    return rows, np.array(starts) + bins * width / 2


def _binned(times: Times, start: int, width: int, bins: int) -> npt.NDArray[np.float32]:
    low, high = np.searchsorted(times, [start, start + bins * width])
    return np.bincount((times[low:high] - start) // width, minlength=bins).astype(np.float32)


def _excess(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the excess over the local mean in units of its Poisson deviation; the mean follows slow changes."""
    sums = np.concatenate([[0.0], np.cumsum(counts)])
    index = np.arange(len(counts))
    low, high = np.maximum(index - _BACKGROUND_BINS, 0), np.minimum(index + _BACKGROUND_BINS + 1, len(counts))
    mean = (sums[high] - sums[low]) / (high - low)
    excess: npt.NDArray[np.float64] = (counts - mean) / np.sqrt(np.maximum(mean, 1.0))
    return excess


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
