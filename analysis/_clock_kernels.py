"""Compiled loops of the clock search and fit. Import it where it is needed: it brings numba and LLVM along (0.4 s).

All arrays are one-dimensional and contiguous; times are int64 ps as in ``_clock_line``, ``a`` and ``b`` ascending. Here
nothing is checked. A line is given as (offset in ps at time zero, drift).
"""

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def binned(times, start, width, bins):
    """Return float32[bins]: how many times lie in each bin of ``width`` ps from ``start`` on."""
    counts = np.zeros(bins, np.float32)
    for i in range(np.searchsorted(times, start), len(times)):
        k = (times[i] - start) // width
        if k >= bins:
            break
        counts[k] += np.float32(1.0)
    return counts


@njit(cache=True, nogil=True)
def slanted_excess(rows, shifts, reach):
    """Return float32[lags - 1]: the rows added along ``shifts``, neighbouring lags added, as excess in Poisson sigma.

    A time difference spreads over two neighbouring lags, for both ends are binned. The mean is that of the lags within
    ``reach`` bins, so that it follows slow changes of the rates.
    """
    count, lags = rows.shape
    total = np.zeros(lags, np.float32)
    for k in range(count):
        low, high = max(0, -shifts[k]), min(lags, lags - shifts[k])
        for i in range(low, high):
            total[i] += rows[k, i + shifts[k]]
    for i in range(lags - 1):
        total[i] += total[i + 1]
    size = lags - 1
    score = np.empty(size, np.float32)
    low = high = 0
    running = 0.0
    for i in range(size):
        while high < min(i + reach + 1, size):
            running += total[high]
            high += 1
        while low < i - reach:
            running -= total[low]
            low += 1
        mean = running / (high - low)
        score[i] = (total[i] - mean) / math.sqrt(max(mean, 1.0))
    return score


@njit(cache=True, nogil=True)
def slanted_grid(a, b, step, offset, drift, half_span, half, width, slices, bins):
    """Return int64[slices, bins]: pairs of tags within ``half`` of the line, by time and difference.

    Of ``a`` only one run of tags in ``step`` is used.
    """
    grid = np.zeros((slices, bins), np.int64)
    near = np.int64(math.ceil(half)) - 1
    run = max(1, min(256, len(a) // (100 * step)))
    for start in range(0, len(a), run * step):
        j = np.searchsorted(b, a[start] + np.int64(np.rint(offset + drift * a[start])) - near)
        for i in range(start, min(start + run, len(a))):
            expected = a[i] + np.int64(np.rint(offset + drift * a[i]))
            while j < len(b) and b[j] < expected - near:
                j += 1
            if j == len(b):
                break
            if b[j] > expected + near:
                continue
            row = min(int((a[i] / half_span + 1) * (slices / 2)), slices - 1)
            k = j
            while k < len(b) and b[k] <= expected + near:
                grid[row, int((b[k] - expected + half) / width)] += 1
                k += 1
    return grid


@njit(cache=True, nogil=True)
def best_slant(grid, slants, reach, windows):
    """Return (sigmas, slant, first bin, window) of the window that stands out most along a slant; sigmas < 0 if none.

    ``slants`` are shifts in bins at the ends of the span; a window's middle may lie ``reach`` bins from the grid's. The
    mean is that of the other bins of the grid; sigmas are the signed root of the likelihood ratio (Wilks' theorem),
    good to a few per cent at any mean, where (n - mean) / sqrt(mean) is far too generous below one.
    """
    slices, bins = grid.shape
    total = grid.sum()
    line = np.empty(bins + 1)
    sigmas, slant, first, window = -1.0, 0.0, 0, 0
    for way in slants:
        line[:] = 0.0
        for k in range(slices):
            shift = int(np.rint(way * ((2 * k + 1) / slices - 1)))
            for i in range(max(0, -shift), min(bins, bins - shift)):
                line[i + 1] += grid[k, i + shift]
        for i in range(bins):
            line[i + 1] += line[i]
        for size in windows:
            for i in range(bins - size + 1):
                if abs(i + size / 2 - bins / 2) > reach:
                    continue
                n = line[i + size] - line[i]
                mean = size * (total - n + 1) / (bins - size)
                if n <= mean:
                    continue
                found = math.sqrt(2 * max(n * math.log(n / mean) - (n - mean), 0.0))
                if found > sigmas:
                    sigmas, slant, first, window = found, way, i, size
    return sigmas, slant, first, window


@njit(cache=True, nogil=True)
def differences(a, b, offset, drift, half, times, found):
    """Return how many pairs of tags lie within ``half`` ps of the line.

    As many as there is room for are written down: ``times`` (of ``a``) and ``found``, the difference from the line.
    """
    near = np.int64(math.floor(half))
    whole = np.int64(math.floor(offset))
    count = j = 0
    if len(a):
        j = np.searchsorted(b, a[0] + np.int64(np.rint(offset + drift * a[0])) - near)
    for i in range(len(a)):
        expected = a[i] + np.int64(np.rint(offset + drift * a[i]))
        while j < len(b) and b[j] < expected - near:
            j += 1
        if j == len(b):
            break
        k = j
        while k < len(b) and b[k] <= expected + near:
            if count < len(times):
                times[count] = a[i]
                found[count] = (b[k] - a[i] - whole) - (drift * a[i] + (offset - whole))
            count += 1
            k += 1
    return count


@njit(cache=True, nogil=True)
def maximise(t, y, half, free_drift, start, least, enough):
    """Return (level, slope, middle, sigma, share): the likeliest Gaussian about a line on a flat background.

    Expectation maximisation from ``start`` (level, slope, middle, sigma, share), until level and sigma move by less
    than ``enough`` of the level's error. The line is level + slope (t - middle), ``middle`` the mean time of the pairs;
    ``share`` of the points are pairs. ``sigma`` never falls below ``least``.
    """
    level, slope, middle, sigma, share = start
    n = len(t)
    for _ in range(200):
        factor = share / (sigma * math.sqrt(2 * math.pi))
        flat = (1 - share) / (2 * half)
        s0 = st = sy = stt = sty = syy = 0.0
        for i in range(n):
            x = t[i] - middle
            r = y[i] - level - slope * x
            peak = factor * math.exp(-0.5 * (r / sigma) ** 2)
            w = peak / (peak + flat)
            s0 += w
            st += w * x
            sy += w * r
            stt += w * x * x
            sty += w * x * r
            syy += w * r * r
        s0 = max(s0, 1e-9)
        mean, rest = st / s0, sy / s0
        spread, slant = stt - st * mean, sty - st * rest
        more = slant / spread if free_drift and spread > 0 else 0.0
        middle += mean
        moved = rest + slope * mean
        level += moved
        slope += more
        variance = max(syy - sy * rest - more * slant, 0.0) / s0
        width, sigma = sigma, max(math.sqrt(variance), least)
        share = min(s0 / n, 1 - 0.5 / n)
        error = sigma / math.sqrt(max(s0, 1.0))
        if abs(rest) < enough * error and abs(sigma - width) < enough * error:
            break
    return level, slope, middle, sigma, share


@njit(cache=True, nogil=True)
def information(t, y, half, level, slope, middle, scale, sigma, share):
    """Return (pairs, float64[6]): sums over points of curvature and of squared slopes of the log likelihood.

    Each with 1, x and x^2 where x = (t - middle) / scale, in units of 1 / sigma^2: the parts of a sandwich.
    """
    factor = share / (sigma * math.sqrt(2 * math.pi))
    flat = (1 - share) / (2 * half)
    pairs, sums = 0.0, np.zeros(6)
    for i in range(len(t)):
        x = (t[i] - middle) / scale
        square = ((y[i] - level - slope * (t[i] - middle)) / sigma) ** 2
        peak = factor * math.exp(-0.5 * square)
        w = peak / (peak + flat)
        pairs += w
        curvature, push = w - w * (1 - w) * square, w * w * square
        sums[0] += curvature
        sums[1] += curvature * x
        sums[2] += curvature * x * x
        sums[3] += push
        sums[4] += push * x
        sums[5] += push * x * x
    return pairs, sums
