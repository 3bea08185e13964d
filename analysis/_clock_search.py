"""Finding a correlation peak of unknown offset and drift: coarse by FFT, then closer by slanted histograms.

Both steps do the same thing at different scales: histogram time differences in slices of recording time, and add the
slices along every slant a drift could have.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ._arrays import Times
from ._clock_coarse import coarse_guesses
from ._clock_line import Guess, Line, Peak

COARSE_PS = (16_000_000, 4_000_000, 2_000_000)
"""Widths of the coarse bins, look by look: a wide one finds 5 % of pairs in ``SHORT_PS``, the narrow one 1 % in 3 s."""
SHORT_PS = 4e12
LONG_PS = 20e12
FINEST_PS = 1000
"""Window below which the fit of the line takes over."""
_MOST_BINS = 2**23
"""Bins in all FFTs of one look, which bounds its time and memory."""
_HALF_BINS = 48
_WINDOWS = (2, 4, 8, 16)
_RIVAL_SIGMAS, _RIVAL_MARGIN = 6.5, 6.0
"""A guess that stood out by so much may be as high a peak as the best, if it is less than the margin or half below."""


def find_peaks(a: Times, b: Times, reach: float, max_drift: float, half_span: float, enough: float) -> list[Peak]:
    """Return the first peak of at least ``enough`` sigma and those elsewhere that may be as high; else the best seen.

    Empty where no two tags ever meet. Cheap looks come first: a short stretch of the recording in wide bins, then all
    of it (up to 20 s) with every slant, then finer bins. ``reach`` bounds the offset in ps at time zero, ``half_span``
    the recording in ps.
    """
    best: Peak | None = None
    for guesses, points in _looks(a, b, reach, max_drift, half_span):
        for number, guess in enumerate(guesses):
            peak = _close_in(a, b, guess, half_span, points, reach, max_drift)
            if peak is not None and (best is None or peak.significance > best.significance):
                best = peak
            if best is not None and best.significance >= enough:
                others = [other for n, other in enumerate(guesses) if n != number and _rivals(other, guess)]
                seen = [_close_in(a, b, other, half_span, points, reach, max_drift) for other in others]
                return [best, *(peak for peak in seen if peak is not None and peak.significance >= enough)]
    return [] if best is None else [best]


def _rivals(other: Guess, found: Guess) -> bool:
    return other.sigmas > max(_RIVAL_SIGMAS, min(found.sigmas - _RIVAL_MARGIN, found.sigmas / 2))


def _looks(a: Times, b: Times, reach: float, max_drift: float, half_span: float) -> Iterator[tuple[list[Guess], float]]:
    """Yield (guesses, how many pairs of tags may be looked at for each)."""
    reach = max(reach, 10.0 * FINEST_PS)  # leaves room for the peak's own width
    whole = min(2 * half_span, LONG_PS)
    wide, middling, narrow = COARSE_PS
    if reach <= 8 * narrow:
        short = min(whole, 0.5e12, narrow / max_drift if max_drift else math.inf)
        for span, points in ((short, 1.5e5), (whole, 4e6)):
            yield [Guess(Line(0.0, 0.0), reach, max_drift, span / 2)], points
        return
    short = min(whole, SHORT_PS, wide / max_drift if max_drift else math.inf)
    yield coarse_guesses(a, b, reach, max_drift, wide, short, 3), 1.5e5
    yield coarse_guesses(a, b, reach, max_drift, middling, whole, 6), 4e6
    finest = math.ceil(max(2 * whole, whole + 2 * reach) / _MOST_BINS)
    for finer in (max(narrow, finest), max(narrow // 20, finest)):
        if finer < middling:
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

    Of more than ``points`` tags in ``a`` only one in two, three, ... is used: that thins pairs and background alike.
    """
    from ._clock_kernels import best_slant, slanted_grid

    half = max(float(_HALF_BINS), guess.offset_reach + guess.drift_reach * guess.half_span)
    width = half / _HALF_BINS
    slant = guess.drift_reach * guess.half_span / width
    low, high = np.searchsorted(a, [-guess.half_span, guess.half_span])
    step, slices = max(1, math.ceil((high - low) / points)), 2 * math.ceil(slant) + 1
    line = guess.line.offset, guess.line.drift
    grid = slanted_grid(a[low:high], b, step, *line, guess.half_span, half, width, slices, 2 * _HALF_BINS)
    slants = np.linspace(-slant, slant, 2 * math.ceil(slant) + 1)
    sigmas, way, first, window = best_slant(grid, slants, guess.offset_reach / width + 1, _WINDOWS)
    if sigmas < 0:
        return None
    offset = (first + window / 2) * width - half
    drift = way * width / guess.half_span
    return Line(guess.line.offset + offset, guess.line.drift + drift), window * width, sigmas
