"""Finding a correlation peak of unknown offset and drift: coarse by FFT, then closer by slanted histograms.

Both steps do the same thing at different scales: histogram time differences in slices of recording time, and add the
slices along every slant a drift could have. ``a`` and ``b`` are int64 ps with the middle of the recording at zero and
the expected offset taken out, so that pairs lie at b = a + offset + drift a.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._arrays import Times, partners

COARSE_PS = 2_000_000
"""Width of a coarse bin: narrow enough to raise a 1 % peak from the background, wide enough for short FFTs."""
FINEST_PS = 1000
"""Window below which the fit of the line takes over."""
_HALF_BINS = 48
_WINDOWS = (2, 4, 8, 16)
_BACKGROUND_BINS = 500


@dataclass(frozen=True)
class Line:
    """Pairs lie at b = a + offset + drift a; offset in ps."""

    offset: float
    drift: float

    def predict(self, a: Times) -> Times:
        """Return where b's tags of pairs should be, int64 ps."""
        return a + np.rint(self.offset + self.drift * a).astype(np.int64)


@dataclass(frozen=True)
class Guess:
    """A line known to within ``offset_reach`` ps at time zero and ``drift_reach``, seen over |a| <= ``half_span`` ps."""

    line: Line
    offset_reach: float
    drift_reach: float
    half_span: float


@dataclass(frozen=True)
class Peak:
    """A line with the full ``width`` (ps) of the window that shows it best over |a| <= ``half_span`` ps.

    ``significance`` is in sigma, discounted for every offset, drift and width that was or could have been looked at.
    """

    line: Line
    width: float
    half_span: float
    significance: float


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


def _looks(a: Times, b: Times, reach: float, max_drift: float, half_span: float):  # noqa: ANN202 - see the yields
    """Yield (guesses, how many pairs of tags may be looked at for each)."""
    whole = min(2 * half_span, 20e12)
    short = min(whole, 0.5e12, COARSE_PS / max_drift if max_drift else math.inf)
    if reach <= 8 * COARSE_PS:
        for span, points in ((short, 1.5e5), (whole, 4e6)):
            yield [Guess(Line(0.0, 0.0), reach, max_drift, span / 2)], points
        return
    yield _coarse(a, b, reach, max_drift, COARSE_PS, short, 3), 1.5e5
    yield _coarse(a, b, reach, max_drift, COARSE_PS, whole, 6), 4e6
    if reach <= 2**16 * COARSE_PS:
        yield _coarse(a, b, reach, max_drift, COARSE_PS // 4, whole, 6), 4e6


def _coarse(a: Times, b: Times, reach: float, max_drift: float, width: int, span: float, most: int) -> list[Guess]:
    """Return the ``most`` promising lines of the correlation in bins of ``width`` ps over the middle ``span`` ps."""
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
    """Return (float32[slices, lags] pairs by lag bin, first bin at -reach; float64[slices] middle of each slice, ps)."""
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
    return (counts - mean) / np.sqrt(np.maximum(mean, 1.0))


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
    return Guess(guess.line, guess.offset_reach, guess.drift_reach, guess.half_span * min(1.0, points / max(pairs, 1.0)))


def _look(a: Times, b: Times, guess: Guess, points: float) -> tuple[Line, float, float] | None:
    """Return the best line within a guess: (line, width of the window that shows it in ps, sigma above background).

    Of more than ``points`` tags in ``a`` only every second, third, ... is used: that thins pairs and background alike.
    """
    half = guess.offset_reach + guess.drift_reach * guess.half_span
    width = max(1.0, half / _HALF_BINS)
    bins = 2 * math.ceil(half / width)
    low, high = np.searchsorted(a, [-guess.half_span, guess.half_span])
    times = a[low : high : max(1, math.ceil((high - low) / points))]
    slant = guess.drift_reach * guess.half_span / width
    slices = 2 * math.ceil(slant) + 1
    grid = np.zeros(slices * bins)
    expected = guess.line.predict(times)
    limit = bins // 2 * width
    for i, j in partners(expected, b, -math.ceil(limit) + 1, math.ceil(limit) - 1):
        column = ((b[j] - expected[i] + limit) / width).astype(np.int64)
        row = ((times[i] / guess.half_span + 1) * (slices / 2)).astype(np.int64)
        grid += np.bincount(np.minimum(row, slices - 1) * bins + column, minlength=len(grid))
    total = grid.sum()
    if total == 0:
        return None
    drifts = np.linspace(-guess.drift_reach, guess.drift_reach, slices)
    sums = _slanted(grid.reshape(slices, bins), drifts, slant)
    sums = np.concatenate([np.zeros((slices, 1)), np.cumsum(sums, axis=1)], axis=1)
    best = (-1.0, 0, 0, 0)
    for window in _WINDOWS:
        counts = sums[:, window:] - sums[:, :-window]
        centres = (np.arange(counts.shape[1]) + window / 2) * width - limit
        counts = np.where(np.abs(centres) <= guess.offset_reach + width, counts, 0.0)
        score = _sigmas(counts, window * (total - counts + 1) / (bins - window))
        row, column = np.unravel_index(int(score.argmax()), score.shape)
        if score[row, column] > best[0]:
            best = (float(score[row, column]), int(row), int(column), window)
    sigmas, row, column, window = best
    offset = guess.line.offset + (column + window / 2) * width - limit
    return Line(offset, guess.line.drift + float(drifts[row])), window * width, sigmas


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
    return np.where(counts > mean, np.sqrt(2 * np.maximum(ratio, 0.0)), 0.0)


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
