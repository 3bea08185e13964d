"""Tags as they come in blocks, made ready for a kernel: delayed, cut at the gaps, with the last window carried over.

What a kernel is to count are sets of tags by their last tag. A set counts only if all its tags lie in one live stretch:
outside of the gaps, and with no gap between them, for after a gap the clock may have jumped.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ._arrays import Times
from .tags import union_of_gaps

Channels = npt.NDArray[np.uint8]
Marks = npt.NDArray[np.uint64]
Pieces = npt.NDArray[np.int64]
"""int64[m, 3]: (floor, start, stop) indices, as the kernels take them."""
Kernel = Callable[[Times, Channels, Pieces, Marks], None]

_NO_GAPS = np.empty((0, 2), np.int64)
_LARGEST = 2**63 - 1


class Stream:
    """Live tags of the channels in question, block by block.

    Args:
        window_ps: how far back a kernel looks, inclusive.
        kernel: called with (times, channels, pieces, marks) so that each tag is once the last one. ``marks`` belongs to
            the kernel and is carried from block to block with its tag; empty unless ``marked``.
        marked: whether the kernel needs marks.

    Attributes:
        in_gaps: tags left out so far because they lie in gaps.
    """

    def __init__(self, window_ps: int, kernel: Kernel, marked: bool = False) -> None:
        self.window, self.kernel, self.marked = window_ps, kernel, marked
        self.in_gaps = 0
        self._gaps: Times = _NO_GAPS
        self._times: Times = np.empty(0, np.int64)
        self._channels: Channels = np.empty(0, np.uint8)
        self._marks: Marks = np.empty(0, np.uint64)
        self._last: int | None = None

    def feed(self, times: Times, channels: Channels, gaps: Times) -> None:
        """Take the next tags and the gaps among or after them.

        Raises:
            ValueError: time runs backwards, or a gap begins before tags that are counted already.
        """
        last = self._last
        if last is not None and len(gaps):
            hidden = self._gaps[(self._gaps[:, 0] <= last) & (self._gaps[:, 1] > last), 0]
            first = int(hidden[0]) if len(hidden) else last + 1
            if gaps[0, 0] < first:
                raise ValueError(f"a gap from {gaps[0, 0]} ps comes after the tag at {last} ps it would hide")
        self._gaps = union_of_gaps(np.concatenate([self._gaps, gaps]))
        if not len(times):
            return
        if last is not None and int(times[0]) < last:
            raise ValueError(f"a block begins at {times[0]} ps, before the last tag at {last} ps")
        if int(times[-1]) - int(times[0] if last is None else min(last, int(times[0]))) >= 2**63:
            raise ValueError(f"tags from {times[0]} to {times[-1]} ps span more than 64 bits")
        self._run(times, channels)
        self._last = int(times[-1])
        self._gaps = self._gaps[self._gaps[:, 1] > self._last]

    def _run(self, times: Times, channels: Channels) -> None:
        gaps = self._gaps[self._gaps[:, 0] <= times[-1]]
        low, high = np.searchsorted(times, gaps[:, 0], "left"), np.searchsorted(times, gaps[:, 1], "left")
        starts, stops = np.concatenate([[0], high]), np.concatenate([low, [len(times)]])
        self.in_gaps += int((high - low).sum())
        marks = np.zeros(len(times) if self.marked else 0, np.uint64)
        head, first = 0, int(stops[0])
        carried = len(self._times)
        if carried and first:
            # The window's tail and the tags it reaches, put together; the rest of the block is used where it lies.
            reach = min(int(self._times[-1]) + self.window, _LARGEST)
            head = int(np.searchsorted(times[:first], reach, "right"))
            joint = np.concatenate([self._times, times[:head]])
            joint_channels = np.concatenate([self._channels, channels[:head]])
            joint_marks = np.concatenate([self._marks, marks[:head]])
            self.kernel(joint, joint_channels, np.array([[0, carried, len(joint)]]), joint_marks)
            marks[:head] = joint_marks[carried:] if self.marked else 0
        if head < len(times):
            pieces = np.column_stack([starts, starts, stops]).astype(np.int64)
            pieces[0, 1] = head
            self.kernel(times, channels, pieces[pieces[:, 1] < pieces[:, 2]], marks)
        if head == len(times):
            self._keep(joint, joint_channels, joint_marks, 0)
        else:
            self._keep(times, channels, marks, int(starts[-1]))

    def _keep(self, times: Times, channels: Channels, marks: Marks, floor: int) -> None:
        """Keep copies of what the next tags can reach."""
        low = len(times)
        if floor < low:
            reach = max(int(times[-1]) - self.window, -_LARGEST - 1)
            low = floor + int(np.searchsorted(times[floor:], reach, "left"))
        self._times, self._channels = times[low:].copy(), channels[low:].copy()
        self._marks = marks[low:].copy() if self.marked else marks[:0]
