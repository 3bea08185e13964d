"""Live time of a stream that comes in blocks."""

import numpy as np

from ._arrays import Times
from .tags import union_of_gaps


class LiveTime:
    """Time from the first to the last tag, less the gaps; gaps that reach further widen it, as in ``Tags.span_ps``."""

    def __init__(self) -> None:
        self._span: tuple[int, int] | None = None
        self._closed: list[Times] = []
        self._open: Times = np.empty((0, 2), np.int64)

    def feed(self, times: Times, gaps: Times) -> None:
        """Take the next tags' times and gaps, in the order of time."""
        edges = [*times[:1].tolist(), *(times[-1:] + 1).tolist(), *gaps[:1, 0].tolist(), *gaps[-1:, 1].tolist()]
        if edges:
            self._span = min([*edges, *(self._span or ())]), max([*edges, *(self._span or ())])
        if len(gaps):
            gaps = union_of_gaps(np.concatenate([self._open, gaps]))
            self._closed.append(gaps[:-1])
            self._open = gaps[-1:]

    def stretches(self) -> Times:
        """Return int64[m, 2], [from, to) of what is live."""
        low, high = self.span_ps
        gaps = np.concatenate([*self._closed, self._open])
        stretches: Times = np.concatenate([[low], gaps.ravel(), [high]]).astype(np.int64).reshape(-1, 2)
        return stretches[stretches[:, 0] < stretches[:, 1]]

    @property
    def span_ps(self) -> tuple[int, int]:
        return self._span or (0, 0)

    @property
    def live_ps(self) -> int:
        return sum((stretch[1] - stretch[0] for stretch in self.stretches().tolist()), 0)
