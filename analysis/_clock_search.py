"""Finding a correlation peak of unknown offset and drift: coarse by FFT, then closer by slanted histograms.

Both steps do the same thing at different scales: histogram time differences in slices of recording time, and add the
slices along every slant a drift could have.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ._arrays import Times, partners
from ._clock_coarse import coarse_guesses
from ._clock_line import Guess, Line, Peak

COARSE_PS = 2_000_000
"""Width of a coarse bin: of 1 s, narrow enough to raise a 1 % peak from the background; wide enough to be quick."""
FINEST_PS = 1000
"""Window below which the fit of the line takes over."""
_MOST_BINS = 2**22
"""Bins in all FFTs of one look, which bounds its time and memory."""
_HALF_BINS = 48
_WINDOWS = (2, 4, 8, 16)


def find_peak(a: Times, b: Times, reach: float, max_drift: float, half_span: float, enough: float) -> Peak | None:
    """Return the first peak of at least ``enough`` sigma, else the best seen, or None where no two tags ever meet.

    Cheap looks come first: a short stretch of the recording, then all of it (up to 20 s) with every slant, then
    finer bins. ``reach`` bounds the offset in ps at time zero, ``half_span`` the recording in ps.
    """
    best: Peak | None = None
    for guesses, points in _looks(a, b, reach, max_drift, half_span):
        for guess in guesses:
            peak = _close_in(a, b, guess, half_span, points, reach, max_drift)
            if peak is not None and (best is None or peak.significance > best.significance):
                best = peak
            if best is not None and best.significance >= enough:
                return best
    return best


def _looks(a: Times, b: Times, reach: float, max_drift: float, half_span: float) -> Iterator[tuple[list[Guess], float]]:
    """Yield (guesses, how many pairs of tags may be looked at for each)."""
    reach = max(reach, 10.0 * FINEST_PS)  # leaves room for the peak's own width
    whole = min(2 * half_span, 20e12)
    short = min(whole, 0.5e12, COARSE_PS / max_drift if max_drift else math.inf)
    if reach <= 8 * COARSE_PS:
        for span, points in ((short, 1.5e5), (whole, 4e6)):
            yield [Guess(Line(0.0, 0.0), reach, max_drift, span / 2)], points
        return
    yield coarse_guesses(a, b, reach, max_drift, COARSE_PS, short, 3), 1.5e5
    yield coarse_guesses(a, b, reach, max_drift, COARSE_PS, whole, 6), 4e6
    finer = max(COARSE_PS // 20, math.ceil(max(2 * whole, whole + 2 * reach) / _MOST_BINS))
    if finer < COARSE_PS:
        yield coarse_guesses(a, b, reach, max_drift, finer, whole, 6), 4e6


def _close_in(
    a: Times, b: Times, guess: Guess, half_span: float, points: float, reach: float, max_drift: float
) -> Peak | None:
    """Look closer, over ever longer spans, until all of the recording is used and no closer look shows more."""
    best: Peak | None = None
    for _ in range(16):
        guess = _affordable(a, b, guess, points)
        seen = _look(a, b, guess, points)
        if seen is None:
            return best
        line, window, sigmas = seen
        cells = (2 * reach / window + 1) * (4 * max_drift * guess.half_span / window + 1) * 4 * len(_WINDOWS)
        significance = math.sqrt(max(0.0, sigmas**2 - 2 * math.log(cells)))
        longer = best is None or guess.half_span > best.half_span
        better = best is None or significance > 1.1 * best.significance
        if best is None or longer or significance > best.significance:
            best = Peak(line, window, guess.half_span, significance)
        done = guess.half_span >= half_span and (window <= FINEST_PS or not (longer or better))
        if done or (not longer and significance == 0.0):
            return best
        half = guess.offset_reach + guess.drift_reach * guess.half_span
        uncertain = window / guess.half_span if guess.drift_reach else 0.0
        growth = min(8.0, half / window - 1)  # never look further off than now
        guess = Guess(line, window, uncertain, min(half_span, growth * guess.half_span))
    return best


def _affordable(a: Times, b: Times, guess: Guess, points: float) -> Guess:
    """Return the guess over a shorter span if it would mean looking at more than ``points`` pairs of tags."""
    half = guess.offset_reach + guess.drift_reach * guess.half_span
    extent = max(1.0, float(b[-1] - b[0])) if len(b) else 1.0
    low, high = np.searchsorted(a, [-guess.half_span, guess.half_span])
    pairs = float(high - low) * len(b) / extent * 2 * half
    return replace(guess, half_span=guess.half_span * min(1.0, points / max(pairs, 1.0)))


def _look(a: Times, b: Times, guess: Guess, points: float) -> tuple[Line, float, float] | None:
    """Return the best line within a guess: (line, width of the window that shows it in ps, sigma above background).

    Of more than ``points`` tags in ``a`` only every second, third, ... is used: that thins pairs and background alike.
    """
    half = max(float(_HALF_BINS), guess.offset_reach + guess.drift_reach * guess.half_span)
    width = half / _HALF_BINS
    slant = guess.drift_reach * guess.half_span / width
    low, high = np.searchsorted(a, [-guess.half_span, guess.half_span])
    grid = _grid(a[low : high : max(1, math.ceil((high - low) / points))], b, guess, width, 2 * math.ceil(slant) + 1)
    if not grid.any():
        return None
    drifts = np.linspace(-guess.drift_reach, guess.drift_reach, len(grid))
    sums = np.pad(np.cumsum(_slanted(grid, drifts, slant), axis=1), ((0, 0), (1, 0)))
    best = (-1.0, 0.0, 0.0, 0.0)
    for window in _WINDOWS:
        counts = sums[:, window:] - sums[:, :-window]
        offsets = (np.arange(counts.shape[1]) + window / 2) * width - half
        counts[:, np.abs(offsets) > guess.offset_reach + width] = 0.0
        score = _sigmas(counts, window * (grid.sum() - counts + 1) / (grid.shape[1] - window))
        row, column = divmod(int(score.argmax()), score.shape[1])
        best = max(best, (float(score[row, column]), float(offsets[column]), float(drifts[row]), window * width))
    sigmas, offset, drift, window_ps = best
    return Line(guess.line.offset + offset, guess.line.drift + drift), window_ps, sigmas


def _grid(a: Times, b: Times, guess: Guess, width: float, slices: int) -> npt.NDArray[np.float64]:
    """Return [slices of the span, bins of ``width`` ps about the guess's line]: how many pairs of tags lie there."""
    bins, half = 2 * _HALF_BINS, _HALF_BINS * width
    grid = np.zeros(slices * bins)
    expected = guess.line.predict(a)
    for i, j in partners(expected, b, 1 - math.ceil(half), math.ceil(half) - 1):
        column = ((b[j] - expected[i] + half) / width).astype(np.int64)
        row = ((a[i] / guess.half_span + 1) * (slices / 2)).astype(np.int64)
        grid += np.bincount(np.minimum(row, slices - 1) * bins + column, minlength=len(grid))
    return grid.reshape(slices, bins)


def _slanted(grid: npt.NDArray[np.float64], drifts: npt.NDArray[np.float64], slant: float) -> npt.NDArray[np.float64]:
    """Return [drifts, bins]: the slices added along each drift; ``slant`` is the largest shift at the span's ends."""
    slices, bins = grid.shape
    pad = math.ceil(slant) + 1
    padded = np.pad(grid, ((0, 0), (pad, pad)))
    middles = (2 * np.arange(slices) + 1) / slices - 1
    relative = drifts / drifts[-1] if drifts[-1] else drifts
    shifts = np.rint(slant * relative[:, None] * middles[None, :]).astype(np.int64)
    columns = np.arange(bins) + pad
    total = np.zeros((len(drifts), bins))
    for k in range(slices):
        total += padded[k][columns[None, :] + shifts[:, k, None]]
    return total


def _sigmas(counts: npt.NDArray[np.float64], mean: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return how unlikely ``counts`` are above a Poisson mean, in sigma: the signed root of the likelihood ratio.

    Wilks' theorem; good to a few per cent at any mean, where (n - mean) / sqrt(mean) is far too generous below one.
    """
    ratio = counts * np.log(np.maximum(counts, 1e-300) / mean) - (counts - mean)
    sigmas: npt.NDArray[np.float64] = np.where(counts > mean, np.sqrt(2 * np.maximum(ratio, 0.0)), 0.0)
    return sigmas
