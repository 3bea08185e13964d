"""Histogram of time differences between two streams: every pair within the span counts, memory is bounded."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._arrays import partners, sorted_times


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts in equal bins.

    Attributes:
        counts: int64[n].
        edges_ps: int64[n + 1], ps; bin k holds edges[k] <= difference < edges[k + 1].
    """

    counts: npt.NDArray[np.int64]
    edges_ps: npt.NDArray[np.int64]

    @property
    def centres_ps(self) -> npt.NDArray[np.float64]:
        """float64[n], ps: the mean of the whole-picosecond differences a bin takes (half a ps below its middle)."""
        return self.edges_ps[:-1] + (np.diff(self.edges_ps) - 1) / 2


def correlogram(a_ps: npt.ArrayLike, b_ps: npt.ArrayLike, bin_ps: int, span_ps: int, delay_ps: int = 0) -> Histogram:
    """Return how many pairs of tags have b - a in each bin of [delay - span, delay + span).

    Exact: every pair counts once. Time and memory grow with the pairs inside the span, a million of them at a time.

    Args:
        a_ps: int64[n], ps, ascending.
        b_ps: int64[m], ps, ascending.
        bin_ps: width of a bin.
        span_ps: half width of the histogram; twice it must be a whole number of bins.
        delay_ps: middle of the histogram.

    Raises:
        ValueError: streams out of order, or bins that do not fit the span.
    """
    a, b = sorted_times(a_ps, "a_ps"), sorted_times(b_ps, "b_ps")
    bin_ps, span_ps, delay_ps = int(bin_ps), int(span_ps), int(delay_ps)
    if bin_ps < 1 or span_ps < 1 or 2 * span_ps % bin_ps:
        raise ValueError(f"2 x {span_ps} ps is no whole number of bins of {bin_ps} ps")
    bins = 2 * span_ps // bin_ps
    counts = np.zeros(bins, np.int64)
    for i, j in partners(a, b, delay_ps - span_ps, delay_ps + span_ps - 1):
        counts += np.bincount((b[j] - a[i] - (delay_ps - span_ps)) // bin_ps, minlength=bins)
    return Histogram(counts, delay_ps - span_ps + bin_ps * np.arange(bins + 1, dtype=np.int64))
