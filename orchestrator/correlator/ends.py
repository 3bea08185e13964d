"""One end of a link: its tags of the last seconds, and of which stretches of time they tell. No sockets, no clocks.

All times are int64 ps of the end's own tagger since its stream began. Memory is bounded: ``KEPT_PS`` and ``MOST_TAGS``.
"""

from collections import deque

import numpy as np
import numpy.typing as npt

from ...drivers.interfaces import TagBlock

Times = npt.NDArray[np.int64]
Intervals = npt.NDArray[np.int64]
"""int64[n, 2], [from, to) each, ascending and apart."""

KEPT_PS = 10_000_000_000_000
"""So far may the ends' streams lie apart."""
MOST_TAGS = 20_000_000


class End:
    """The tags of two inputs of one tagger.

    Attributes:
        received, lost, late: blocks that came in time; that are missing, by their numbers; that came when their time
            was counted already, or so long before the other end's that they were given up.
        frontier_ps: what came is complete up to here.
    """

    def __init__(self, transmitted: int, reflected: int) -> None:
        self.inputs = (transmitted, reflected)
        self.received = self.lost = self.late = 0
        self.stream = ""
        self.begin()

    def begin(self, stream: str = "") -> None:
        """Forget everything but the counts of blocks: a new stream begins."""
        self.stream = stream
        self.frontier_ps = 0
        self._number = 0
        self._blocks: deque[TagBlock] = deque()
        self._size = 0

    def feed(self, number: int, block: TagBlock) -> None:
        """Take in a block of the present stream; ``number`` counts from 1."""
        self.received += 1
        if block.begin_ps < self.frontier_ps:
            self.late += 1
            return
        self.lost += max(0, number - self._number - 1) if self._number else 0
        self._number = number
        self._blocks.append(block)
        self._size += len(block.times_ps)
        self.frontier_ps = block.end_ps
        while self._size > MOST_TAGS or self.frontier_ps - self._blocks[0].begin_ps > KEPT_PS:
            if len(self._blocks) == 1:
                break  # one block may be as large as it is
            self._size -= len(self._blocks.popleft().times_ps)
            self.late += 1

    @property
    def earliest_ps(self) -> int | None:
        """Return where the kept tags begin, None if there are none."""
        return self._blocks[0].begin_ps if self._blocks else None

    def done(self, before_ps: int) -> None:
        """Forget blocks that lie wholly before ``before_ps``: they were counted."""
        while self._blocks and self._blocks[0].end_ps <= before_ps:
            self._size -= len(self._blocks.popleft().times_ps)

    def tags(self, low_ps: int, high_ps: int) -> tuple[Times, npt.NDArray[np.bool_]]:
        """Return (times, whether reflected) of both inputs' tags in [low, high)."""
        times, channels = [np.empty(0, np.int64)], [np.empty(0, np.uint8)]
        for block in self._blocks:
            if block.begin_ps < high_ps and block.end_ps > low_ps:
                part = slice(*np.searchsorted(block.times_ps, [low_ps, high_ps]))
                times.append(block.times_ps[part])
                channels.append(block.channels[part])
        found, inputs = np.concatenate(times), np.concatenate(channels)
        ours = (inputs == self.inputs[0]) | (inputs == self.inputs[1])
        return found[ours], inputs[ours] == self.inputs[1]

    def gaps(self, low_ps: int, high_ps: int) -> Intervals:
        """Return the stretches of [low, high) from which tags may be missing."""
        parts = [np.array([[low_ps, low_ps]], np.int64)]
        for block in self._blocks:
            if block.begin_ps < high_ps and block.end_ps > low_ps:
                edges = np.concatenate([[block.begin_ps], block.gaps_ps.ravel(), [block.end_ps]])
                parts.append(edges.reshape(-1, 2))
        told = np.clip(np.concatenate([*parts, [[high_ps, high_ps]]]), low_ps, high_ps)
        between: Intervals = told.ravel()[1:-1].reshape(-1, 2)
        return between[between[:, 0] < between[:, 1]]
