"""Histograms of time differences in a merged stream: every pair of tags within the span counts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._fed import Fed
from ._groups import checked_channels
from ._histograms import Differences
from ._stream import Stream
from .tags import Tags

Channel = int | Sequence[int]
"""One channel, or several that are taken as one detector."""


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


def correlogram(
    tags: Tags,
    start: Channel = 0,
    stop: Channel = 1,
    bin_ps: int = 100,
    span_ps: int = 100_000,
    delays_ps: Mapping[int, int] | None = None,
) -> Histogram:
    """Return how many pairs of tags have t_stop - t_start in each bin of [-span, +span).

    Every start counts with every stop. With ``start`` equal to ``stop`` it is the autocorrelation: every two different
    tags count once in either order, a tag with itself does not. No pair reaches across a gap.

    Args:
        tags: the stream.
        start, stop: a channel, or several taken as one.
        bin_ps: width of a bin.
        span_ps: half width of the histogram; twice it must be a whole number of bins.
        delays_ps: ps added to each channel's times before, by channel.

    Raises:
        ValueError: bins that do not fit the span, or channels and delays that make no sense.
    """
    histogram = CorrelationHistogram([(start, stop)], bin_ps, span_ps, delays_ps)
    histogram.feed(tags)
    return histogram.read()[0]


class CorrelationHistogram(Fed):
    """``correlogram``s of any pairs of channels in one pass over a stream that comes in blocks: exact, whatever those.

    Arguments are those of ``correlogram``, ``pairs`` being (start, stop) of each; ``feed`` says how blocks follow each
    other.
    """

    def __init__(
        self,
        pairs: Iterable[tuple[Channel, Channel]],
        bin_ps: int = 100,
        span_ps: int = 100_000,
        delays_ps: Mapping[int, int] | None = None,
    ) -> None:
        bin_ps, span_ps = _checked_bins(bin_ps, span_ps)
        self.pairs = [(checked_channels(start), checked_channels(stop)) for start, stop in pairs]
        self._differences = Differences(self.pairs, bin_ps, span_ps)
        channels = (channel for pair in self.pairs for end in pair for channel in end)
        super().__init__(channels, delays_ps, [Stream(span_ps, self._differences)])

    def read(self) -> list[Histogram]:
        """Return the histograms of all that was fed, as if nothing followed. Feeding can go on."""
        differences = self._settled()._differences
        edges = -differences.span + differences.bin * np.arange(differences.bins + 1, dtype=np.int64)
        return [Histogram(counts, edges) for counts in differences.counts]


def _checked_bins(bin_ps: int, span_ps: int) -> tuple[int, int]:
    whole = bin_ps == int(bin_ps) and span_ps == int(span_ps)
    if not whole or bin_ps < 1 or not 1 <= span_ps < 2**61 or 2 * span_ps % bin_ps:
        raise ValueError(f"2 x {span_ps} ps is no whole number of bins of {bin_ps} ps")
    return int(bin_ps), int(span_ps)
