"""Several files on one clock as one stream, block by block."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from .._arrays import Times
from ..tags import Tags, union_of_gaps
from .source import Part, Source

Stepped = Callable[[int], object]
"""Told how many bytes of all the files were read."""


def tags_by_channel(source: Source, stepped: Stepped) -> tuple[npt.NDArray[np.int64], int]:
    """Return (int64[256], the tags of each channel, those in gaps, too; time from the first to the last, ps)."""
    counts, edges = np.zeros(256, np.int64), list[int]()
    for part in source.parts():
        counts += np.bincount(part.tags.channels, minlength=256)
        edges = [*edges[:1], *part.tags.times_ps[[0, -1]].tolist()] if len(part.tags) else edges
        stepped(part.end_byte)
    return counts, edges[-1] - edges[0] if edges else 0


def together(
    sources: Sequence[Source], raised: Sequence[int], stepped: Stepped = lambda done: None
) -> Iterator[Tags]:  # fmt: skip
    """Yield the tags of all files in the order of time, the channels of each raised by a number; of equal times those
    of the earlier file come first. Gaps of any are gaps of the whole. Memory is that of some blocks.

    Raises:
        ValueError: a file is not in order, or cannot be read.
    """
    streams = [_Stream(source.parts(), by) for source, by in zip(sources, raised)]
    while any(not stream.over for stream in streams):
        for stream in streams:
            stream.fetch()
        stepped(sum(stream.end_byte for stream in streams))
        limit = min((stream.limit for stream in streams if not stream.over), default=None)
        yield Tags.merge([stream.take(limit) for stream in streams])


class _Stream:
    """What was read of one file and could not be given yet."""

    def __init__(self, parts: Iterator[Part], raised: int) -> None:
        self._parts, self._raised = parts, raised
        self.over = False
        self.end_byte = 0
        self._times: Times = np.empty(0, np.int64)
        self._channels = np.empty(0, np.uint8)
        self._gaps: Times = np.empty((0, 2), np.int64)

    def fetch(self) -> None:
        """Read on unless there are tags before the last one's time, or the file is over."""
        while not self.over and (len(self._times) == 0 or self._times[0] == self._times[-1]):
            part = next(self._parts, None)
            if part is None:
                self.over = True
                return
            tags, self.end_byte = part.tags, max(self.end_byte, part.end_byte)
            if len(tags) and len(self._times) and tags.times_ps[0] < self._times[-1]:
                raise ValueError(f"time goes back from {self._times[-1]} ps to {tags.times_ps[0]} ps")
            self._times = np.concatenate([self._times, tags.times_ps]) if len(self._times) else tags.times_ps
            raised = tags.channels + np.uint8(self._raised)
            self._channels = np.concatenate([self._channels, raised]) if len(self._channels) else raised
            self._gaps = np.concatenate([self._gaps, tags.gaps])

    @property
    def limit(self) -> int:
        """Before this time nothing comes any more."""
        return int(self._times[-1])

    def take(self, before_ps: int | None) -> Tags:
        """Give the tags before a time, or all."""
        end = len(self._times) if before_ps is None else int(np.searchsorted(self._times, before_ps, "left"))
        taken = Tags._of(self._times[:end], self._channels[:end], union_of_gaps(self._gaps))
        self._times, self._channels, self._gaps = self._times[end:], self._channels[end:], self._gaps[:0]
        return taken
