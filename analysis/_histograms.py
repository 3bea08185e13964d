"""Time differences of a stream, pair by pair of channels: the ``Kernel`` of ``correlation.CorrelationHistogram``."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ._arrays import Times
from ._groups import rows_of
from ._stream import Channels, Marks, Pieces


class Differences:
    """Histograms of t_stop - t_start in [-span, span), each of some starts with some stops.

    Each (start channel, stop channel) has a histogram of its own, so that any requests can share a pass.
    """

    def __init__(self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]], bin_ps: int, span_ps: int) -> None:
        self.bin, self.span, self.bins = bin_ps, span_ps, 2 * span_ps // bin_ps
        rows, self._place = rows_of(channel for pair in pairs for end in pair for channel in end)
        self._each = sorted({(a, b) for starts, stops in pairs for a in starts for b in stops})
        self._asked = [[self._each.index((a, b)) for a in starts for b in stops] for starts, stops in pairs]
        self._later = np.zeros((len(rows) + 1, len(rows) + 1), np.int64)
        for k, (start, stop) in enumerate(self._each):
            self._later[self._place[stop], self._place[start]] = (k + 1) * (self.bins + 1)
        self._earlier = np.ascontiguousarray(self._later.T)
        self._both = bool(((self._later > 0) & (self._earlier > 0)).any())
        self._counts = np.zeros((len(self._each) + 1) * (self.bins + 1), np.int64)
        # v // bin as v * factor >> shift is exact while v < 2**31 (Granlund & Montgomery 1994, theorem 4.2), and then
        # the product stays below 2**63.
        self._shift = 31 + (bin_ps - 1).bit_length() if span_ps < 2**30 else 0
        self._factor = (1 << self._shift) // bin_ps + 1 if self._shift else 0

    @property
    def counts(self) -> list[npt.NDArray[np.int64]]:
        each = self._counts.reshape(-1, self.bins + 1)[1:, :-1]
        return [each[ids].sum(axis=0) for ids in self._asked]

    def __call__(self, times: Times, channels: Channels, pieces: Pieces, marks: Marks) -> None:
        from ._stream_kernels import add_differences

        add_differences(
            times, channels, pieces, self.span, self.bin, self._factor, self._shift, self._place, self._later,
            self._earlier, self._both, self._counts,
        )  # fmt: skip
