"""What all objects share that are fed a stream block by block and read at any time."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

from ._arrays import Times
from ._delays import DelayLine
from ._groups import checked_delays
from ._live import LiveTime
from ._stream import Stream
from .tags import Tags


class Fed:
    """Blocks of tags, delayed and cut at the gaps, for some kernels.

    Args:
        channels: those that matter; delays of others do not.
        delays_ps: ps added to each channel's times before, by channel.
        streams: one for each kernel.
    """

    def __init__(
        self, channels: Iterable[int], delays_ps: Mapping[int, int] | None, streams: Sequence[Stream]
    ) -> None:  # fmt: skip
        used = np.array(sorted(set(channels)), np.uint8)
        delays = {c: d for c, d in checked_delays(delays_ps).items() if c in used}
        self._line = DelayLine(used, delays) if delays else None
        self._streams = streams
        self._live = LiveTime()

    def feed(self, tags: Tags) -> None:
        """Take the next block.

        Blocks follow each other in time; a block's gaps may reach beyond its last tag, but not back before the last tag
        of the block before (they would hide tags that are counted).

        Raises:
            ValueError: it begins before the last tag, or a gap of it before tags that are counted.
        """
        if self._line is None:
            self._take(tags.times_ps, tags.channels, tags.gaps)
        else:
            self._take(*self._line.feed(tags))

    @property
    def live_time_ps(self) -> int:
        """Time from the first to the last tag fed, less the gaps; ps."""
        return self._settled()._live.live_ps

    @property
    def span_ps(self) -> tuple[int, int]:
        """From the first tag or gap to the end of the last, ps, as in ``Tags``."""
        return self._settled()._live.span_ps

    def live_stretches(self) -> Times:
        """Return int64[m, 2], ps: [from, to) of the live time, gaps being grown by the delays."""
        return self._settled()._live.stretches()

    @property
    def tags_in_gaps(self) -> int:
        """Tags fed that lie in gaps and so count nowhere."""
        return max((stream.in_gaps for stream in self._settled()._streams), default=0)

    def _take(self, times: Times, channels: npt.NDArray[np.uint8], gaps: Times) -> None:
        for stream in self._streams:
            stream.feed(times, channels, gaps)
        self._live.feed(times, gaps)

    def _settled(self) -> Self:
        """Return an object that has counted the tags held back because of delays, too."""
        if self._line is None:
            return self
        other = copy.deepcopy(self)
        assert other._line is not None
        times, channels = other._line.flush()
        other._take(times, channels, np.empty((0, 2), np.int64))
        return other
