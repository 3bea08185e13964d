"""One kernel, one window: what is counted of a stream, by rule. Each is a ``Kernel`` for ``_stream.Stream``."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ._arrays import Times
from ._groups import ClosingTable, rows_of
from ._stream import Channels, Marks, Pieces

_CROWDED = 32
"""Mean number of tags in a window above which sliding it is cheaper than looking back from each tag."""
_CHUNK = 1 << 18
"""Tags after which is asked again whether the window is crowded."""
_NO_TUPLES = np.empty((0, 0), np.int64)


class AllTuples:
    """Counts all tuples of some groups in ``counts``, int64[groups]."""

    marked = False

    def __init__(self, groups: Sequence[Sequence[int]], window: int) -> None:
        self.window = window
        rows, self._place = rows_of(channel for group in groups for channel in group)
        self._groups, self._least = groups, min(map(len, groups))
        self._totals = np.zeros(len(groups), np.int64)
        self._matrix = np.zeros((len(rows) + 1, len(rows) + 1), np.int64)
        self._pairs_only = {len(group) for group in groups} == {2}
        self._table = ClosingTable(groups, self._place, len(rows))

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        counts = self._totals.copy()
        if self._pairs_only:
            a, b = self._place[np.array(self._groups)].T
            counts += self._matrix[a, b] + self._matrix[b, a]
        return counts

    def __call__(self, times: Times, channels: Channels, pieces: Pieces, marks: Marks) -> None:
        for chunk in _chunks(pieces):
            if not self._count(times, channels, chunk):
                raise ValueError(f"too many tuples for 64 bits: too many tags lie within a window of {self.window} ps")

    def _count(self, times: Times, channels: Channels, pieces: Pieces) -> bool:
        from . import _stream_kernels as kernels

        table = self._table
        if _crowd(times, pieces, self.window) > _CROWDED:
            return bool(kernels.count_crowded(
                times, channels, pieces, self.window, self._place, table.first, table.others, table.members,
                self._totals,
            ))  # fmt: skip
        if self._pairs_only:
            kernels.count_pairs(times, channels, pieces, self.window, self._place, self._matrix)
            return True
        return bool(kernels.count_groups(
            times, channels, pieces, self.window, self._place, self._least, table.first, table.others, table.members,
            self._totals,
        ))  # fmt: skip


class Matched:
    """Counts one group by the rule ``how``: "one_to_one", "first" or "last"."""

    def __init__(self, group: Sequence[int], window: int, how: str) -> None:
        self.window, self.how, self.marked = window, how, how != "last"
        self._size = len(group)
        _, self._place = rows_of(group)
        self._total = 0

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        return np.array([self._total], np.int64)

    def __call__(self, times: Times, channels: Channels, pieces: Pieces, marks: Marks) -> None:
        from . import _match_kernels as kernels

        words = times, channels, pieces, self.window, self._place, self._size
        if self.how == "last":
            self._total += int(kernels.count_closing(*words))
        elif self.how == "first":
            self._total += int(kernels.count_opening(*words, marks))
        else:
            self._total += int(kernels.count_one_to_one(*words, marks, _NO_TUPLES))


def _chunks(pieces: Pieces) -> list[Pieces]:
    """Return the pieces cut so that no chunk has much more tags than ``_CHUNK``."""
    chunks, chunk, size = [], [], 0
    for floor, start, stop in pieces.tolist():
        while start < stop:
            end = min(stop, start + _CHUNK - size)
            chunk.append((floor, start, end))
            size, start = size + end - start, end
            if size == _CHUNK:
                chunks.append(np.array(chunk, np.int64))
                chunk, size = [], 0
    if chunk:
        chunks.append(np.array(chunk, np.int64))
    return chunks


def _crowd(times: Times, pieces: Pieces, window: int) -> float:
    """Return the mean number of tags in a window."""
    first, last = int(pieces[0, 1]), int(pieces[-1, 2])
    return (last - first) * window / max(1, int(times[last - 1]) - int(times[first]))
