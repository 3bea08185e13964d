"""Whether a line of pairs is the only one: a periodic source has others beside it, any of which may be the right one.

Near the line this is asked here; lines further off than a coarse bin are compared by ``clocks`` itself.
"""

import math

import numpy as np

from ._arrays import Times
from ._clock_fit import LineFit
from ._clock_line import Line

_AROUND_PS = 64e6
"""Four bins of the widest coarse look, so that no rival is too far for this and too near for that."""
_MOST_BINS = 2**19
_POINTS, _MOST = 2e6, 4
_STANDS_OUT, _CLEAR = 5.0, 20.0
_APART = 4.0


def rivals(a: Times, b: Times, fit: LineFit, half_span: float, reach: float) -> list[Line]:
    """Return the other lines beside ``fit``, as steep, that may have as many pairs; at most 4, none in most cases.

    A window of 4 sigma counts if it stands out of the background by 5 sigma after the look-elsewhere discount
    (Chernoff's bound of the Poisson tail), may hold as much as the fit's, and lies within ``reach`` ps of zero. Where
    tags are many, only some runs of them are looked at: 2 million pairs of tags.

    Raises:
        LookupError: the fit's own line does not stand out from its surroundings.
    """
    from ._clock_kernels import slanted_grid

    at_zero = fit.offset - fit.drift * fit.time
    half = min(max(_AROUND_PS, 50 * fit.sigma), reach + abs(at_zero) + 8 * fit.sigma)
    width = max(2 * fit.sigma, 2 * half / _MOST_BINS)
    bins = int(half / width) * 2
    if bins < 20:
        return []
    half = bins / 2 * width
    a = a[slice(*np.searchsorted(a, [-half_span, half_span]))]
    points = len(a) * 2 * half * len(b) / max(1.0, float(b[-1] - b[0]))
    step = max(1, math.ceil(points / _POINTS))
    counts = slanted_grid(a, b, step, at_zero, fit.drift, half_span, half, width, 1, bins)[0]
    windows = (counts[:-1] + counts[1:]).astype(np.float64)
    offsets = (np.arange(bins - 1) + 1 - bins / 2) * width
    middle = bins // 2 - 1
    own = float(windows[middle])
    mean = 2 * (float(counts.sum()) - own) / bins
    windows[max(0, middle - 4) : middle + 5] = 0.0
    windows[np.abs(at_zero + offsets) > reach] = 0.0
    sigmas = _sigmas(own, mean, 1)
    if sigmas < _CLEAR:  # among ripples, not only Poisson's noise, it has to stand out too
        others = windows[windows > 0]
        ripples = float(np.mean(np.square(others - mean))) / max(mean, 0.1) if len(others) > bins / 2 else 1.0
        sigmas /= math.sqrt(max(1.0, ripples))
    if sigmas < _STANDS_OUT:
        raise LookupError(f"{own:.0f} pairs of tags where {mean:.0f} are usual")
    found: list[Line] = []
    for _ in range(_MOST):
        best = int(windows.argmax())
        most = float(windows[best])
        # Bins that do not lie about a peak's middle lose up to a quarter of it.
        may_be = most > 0.7 * own - _APART * math.sqrt(most + own)
        if not may_be or _sigmas(most, mean, 4 * bins) < _STANDS_OUT:
            break
        found.append(Line(at_zero + float(offsets[best]), fit.drift))
        windows[max(0, best - 4) : best + 5] = 0.0
    return found


def _sigmas(count: float, mean: float, looked_at: int) -> float:
    """Return how far a count stands out of a Poisson mean, in sigma, after looking at so many."""
    mean = max(mean, 0.1)
    if count <= mean:
        return 0.0
    return math.sqrt(max(0.0, 2 * (count * math.log(count / mean) - (count - mean) - math.log(looked_at))))
