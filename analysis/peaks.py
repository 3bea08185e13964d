"""Where the peak of a histogram is: its centre and width with errors, or the reason why there is none."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .correlation import Histogram
from .estimates import Estimate

THRESHOLD = 6.0
"""Poisson sigma by which the highest bin must stand out: by chance once in a billion bins."""


@dataclass(frozen=True)
class Peak:
    """What ``peak`` found.

    Attributes:
        centre: ps.
        width: full width at half maximum of a Gaussian of the same variance, ps; the bin's own width is taken out.
        counts: above the background.
        background: counts a bin, the mean of the bins outside the peak.
        significance: of the highest bin, in sigma of the background.
    """

    centre: Estimate
    width: Estimate
    counts: Estimate
    background: float
    significance: float


def peak(histogram: Histogram) -> Peak:
    """Return the highest peak, taken as alone on a flat background.

    The centre is the mean of the counts within 1.5 full widths of it, less the background; its error, and that of the
    width, are those of moments of Poisson counts. A peak at the edge, or two within three widths, give no good centre.
    """
    counts, x = histogram.counts.astype(np.float64), histogram.centres_ps
    highest = int(counts.argmax()) if len(counts) else 0
    background = float(np.median(counts)) if len(counts) else 0.0
    if (
        len(counts) and background < 20
    ):  # a median is whole; so few counts need the mean, without the peak's surroundings
        background = float(np.mean(counts[np.abs(np.arange(len(counts)) - highest) > len(counts) // 20])) or 0.0
    top = float(counts[highest]) if len(counts) else 0.0
    significance = _sigma(top, background)
    if significance < THRESHOLD:
        reason = f"no bin stands out: the highest by {significance:.1f} sigma, {THRESHOLD:g} are needed"
        none = Estimate(None, None, "ps", reason)
        return Peak(none, none, Estimate(None, None, "", reason), background, significance)
    bin_ps = float(x[1] - x[0]) if len(x) > 1 else 1.0
    half = max(1.5 * bin_ps * _bins_above(counts, highest, background + (top - background) / 2), 2 * bin_ps)
    centre = float(x[highest])
    near = np.zeros(len(x), np.bool_)
    for _ in range(50):
        near = np.abs(x - centre) <= half
        before, centre = centre, _mean(x[near], counts[near] - background, centre)
        if abs(centre - before) < 1e-6 * bin_ps:
            break
    outside = np.abs(x - centre) > 2 * half
    background = float(counts[outside].mean()) if outside.any() else background
    excess = counts[near] - background
    total, off = float(excess.sum()), x[near] - centre
    variance = float((excess * off**2).sum()) / total
    error = math.sqrt(float((counts[near] * off**2).sum())) / total
    spread = math.sqrt(float((counts[near] * (off**2 - variance) ** 2).sum())) / total
    sigma = math.sqrt(max(variance - bin_ps**2 / 12, 0.0))
    fwhm = math.sqrt(8 * math.log(2))
    width = (
        Estimate(fwhm * sigma, fwhm * spread / (2 * sigma), "ps")
        if sigma > 0
        else Estimate(None, None, "ps", "narrower than a bin")
    )
    return Peak(
        Estimate(centre, max(error, bin_ps / math.sqrt(12 * total)), "ps"),
        width,
        Estimate(total, math.sqrt(float(counts[near].sum()))),
        background,
        significance,
    )


def _sigma(count: float, mean: float) -> float:
    """Return how far ``count`` stands above a Poisson mean: the signed root of twice the log-likelihood ratio."""
    if count <= mean:
        return 0.0
    if mean <= 0:
        mean = 1e-3  # not one background count was seen; the mean is not known to be 0
    return math.sqrt(2 * (count * math.log(count / mean) - (count - mean)))


def _bins_above(counts: npt.NDArray[np.float64], highest: int, level: float) -> int:
    """Return the number of neighbouring bins about ``highest`` that lie above ``level``."""
    below = np.flatnonzero(counts <= level)
    left = below[below < highest].max(initial=-1)
    right = below[below > highest].min(initial=len(counts))
    return int(right - left - 1)


def _mean(x: npt.NDArray[np.float64], weight: npt.NDArray[np.float64], otherwise: float) -> float:
    total = float(weight.sum())
    return float((x * weight).sum()) / total if total > 0 else otherwise
