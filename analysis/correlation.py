"""Histograms of time differences: every pair of tags within the span counts, memory is bounded.

``correlogram`` takes one merged stream and is the fast one; ``delay_histogram`` takes two streams of their own.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._arrays import Times, partners, sorted_times
from ._delays import DelayLine
from ._groups import checked_channels, checked_delays
from ._histograms import Differences
from ._live import LiveTime
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


class CorrelationHistogram:
    """``correlogram``s of any pairs of channels in one pass over a stream that comes in blocks: exact, whatever those.

    Arguments are those of ``correlogram``, ``pairs`` being (start, stop) of each. Blocks follow each other in time as
    in ``CoincidenceCounter``.
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
        self._stream = Stream(span_ps, self._differences)
        channels = np.array(sorted({c for pair in self.pairs for end in pair for c in end}), np.uint8)
        delays = {c: d for c, d in checked_delays(delays_ps).items() if c in channels}
        self._line = DelayLine(channels, delays) if delays else None
        self._live = LiveTime()

    def feed(self, tags: Tags) -> None:
        """Take the next block; ValueError if it begins before the last tag, or a gap of it before counted tags."""
        if self._line is None:
            self._take(tags.times_ps, tags.channels, tags.gaps)
        else:
            self._take(*self._line.feed(tags))

    def read(self) -> list[Histogram]:
        """Return the histograms of all that was fed, as if nothing followed. Feeding can go on."""
        differences = self._settled()._differences
        edges = -differences.span + differences.bin * np.arange(differences.bins + 1, dtype=np.int64)
        return [Histogram(counts, edges) for counts in differences.counts]

    @property
    def live_time_ps(self) -> int:
        """Time from the first to the last tag fed, less the gaps; ps."""
        return self._settled()._live.live_ps

    def _take(self, times: Times, channels: npt.NDArray[np.uint8], gaps: Times) -> None:
        self._stream.feed(times, channels, gaps)
        self._live.feed(times, gaps)

    def _settled(self) -> "CorrelationHistogram":
        if self._line is None:
            return self
        histogram = copy.deepcopy(self)
        assert histogram._line is not None
        times, channels = histogram._line.flush()
        histogram._take(times, channels, np.empty((0, 2), np.int64))
        return histogram


def delay_histogram(
    a_ps: npt.ArrayLike, b_ps: npt.ArrayLike, bin_ps: int, span_ps: int, delay_ps: int = 0
) -> Histogram:
    """Return how many pairs of tags of two streams have b - a in each bin of [delay - span, delay + span).

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
    bin_ps, span_ps = _checked_bins(bin_ps, span_ps)
    delay_ps = int(delay_ps)
    bins = 2 * span_ps // bin_ps
    counts = np.zeros(bins, np.int64)
    for i, j in partners(a, b, delay_ps - span_ps, delay_ps + span_ps - 1):
        counts += np.bincount((b[j] - a[i] - (delay_ps - span_ps)) // bin_ps, minlength=bins)
    return Histogram(counts, delay_ps - span_ps + bin_ps * np.arange(bins + 1, dtype=np.int64))


def _checked_bins(bin_ps: int, span_ps: int) -> tuple[int, int]:
    whole = bin_ps == int(bin_ps) and span_ps == int(span_ps)
    if not whole or bin_ps < 1 or not 1 <= span_ps < 2**61 or 2 * span_ps % bin_ps:
        raise ValueError(f"2 x {span_ps} ps is no whole number of bins of {bin_ps} ps")
    return int(bin_ps), int(span_ps)
