"""Tags of each channel that count: those outside the gaps, over the live time."""

from collections.abc import Sequence

import numpy as np

from ._arrays import Times
from ._fed import Fed
from ._groups import checked_channels
from ._stream import Channels, Marks, Pieces, Stream
from .estimates import Estimate, rate
from .tags import Tags


def singles(tags: Tags, channel: int | Sequence[int]) -> Estimate:
    """Return the rate of a channel (or of several together), 1/s, outside the gaps."""
    counter = SinglesCounter()
    counter.feed(tags)
    return counter.rate(channel)


class SinglesCounter(Fed):
    """Singles of a stream that comes in blocks.

    Attributes:
        counts: int64[256], tags outside the gaps so far, by channel.
    """

    def __init__(self) -> None:
        self.counts = np.zeros(256, np.int64)
        super().__init__((), None, [Stream(0, self._count)])

    def rate(self, channel: int | Sequence[int]) -> Estimate:
        """Return the rate of a channel, or of several together, 1/s."""
        return rate(int(self.counts[list(checked_channels(channel))].sum()), self.live_time_ps * 1e-12)

    def _count(self, times: Times, channels: Channels, pieces: Pieces, marks: Marks) -> None:
        for _, start, stop in pieces.tolist():
            self.counts += np.bincount(channels[start:stop], minlength=256)
