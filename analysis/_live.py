"""Live time of a stream that comes in blocks."""

import numpy as np

from ._arrays import Times
from .tags import union_of_gaps


class LiveTime:
    """Time from the first to the last tag, less the gaps; gaps that reach further widen it, as in ``Tags.span_ps``."""

    def __init__(self) -> None:
        self._span: tuple[int, int] | None = None
        self._dead = 0
        self._open: Times = np.empty((0, 2), np.int64)

    def feed(self, times: Times, gaps: Times) -> None:
        """Take the next tags' times and gaps, in the order of time."""
        edges = [*times[:1].tolist(), *(times[-1:] + 1).tolist(), *gaps[:1, 0].tolist(), *gaps[-1:, 1].tolist()]
        if edges:
            self._span = min([*edges, *(self._span or ())]), max([*edges, *(self._span or ())])
        gaps = union_of_gaps(np.concatenate([self._open, gaps]))
        self._dead += sum((gaps[:-1, 1] - gaps[:-1, 0]).tolist())
        self._open = gaps[-1:]

    @property
    def live_ps(self) -> int:
        low, high = self._span or (0, 0)
        return high - low - self._dead - sum((self._open[:, 1] - self._open[:, 0]).tolist())
