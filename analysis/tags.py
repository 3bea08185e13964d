"""One recording of a time tagger: times, channels, and the stretches in which tags were lost.

Nothing is ever sorted silently: an unsorted recording is a fault somebody must hear of. Gaps (overflow, missed events,
lost lock) stay with the tags through every cut and merge, and live time is what they leave.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ._arrays import Times, sorted_times


class Tags:
    """Time tags in order, unchangeable.

    Args:
        times_ps: int64[n], ps, ascending (equal times are allowed).
        channels: [n], each 0 to 255.
        gaps: int64[m, 2], stretches [from, to) ps in which tags were lost, ascending and apart; None for none.

    Raises:
        ValueError: shapes or values are wrong; a broken order is named by its index.
    """

    __slots__ = ("channels", "gaps", "times_ps")

    def __init__(self, times_ps: npt.ArrayLike, channels: npt.ArrayLike, gaps: npt.ArrayLike | None = None) -> None:
        self.times_ps: Times = _frozen(sorted_times(times_ps, "times_ps"))
        self.channels: npt.NDArray[np.uint8] = _frozen(_checked_channels(channels, len(self.times_ps)))
        self.gaps: Times = _frozen(_checked_gaps(gaps))

    def __len__(self) -> int:
        return len(self.times_ps)

    def __repr__(self) -> str:
        return f"Tags({len(self)} tags, channels {np.unique(self.channels).tolist()}, {len(self.gaps)} gaps)"

    def of(self, channel: int) -> Times:
        """Return int64[k], ps, the times of one channel; empty if it never clicked."""
        times: Times = self.times_ps[self.channels == channel]
        return times

    def between(self, from_ps: int, to_ps: int) -> "Tags":
        """Return the tags with from_ps <= time < to_ps, and the parts of the gaps inside."""
        low, high = np.searchsorted(self.times_ps, [from_ps, to_ps], "left") if from_ps < to_ps else (0, 0)
        return Tags(self.times_ps[low:high], self.channels[low:high], self._gaps_in(from_ps, to_ps))

    @property
    def span_ps(self) -> tuple[int, int]:
        """[from, to) of what is known: first to last tag, and gaps that reach further; (0, 0) if there is nothing."""
        edges = [int(x) for x in (*self.times_ps[:1], *self.gaps[:1, 0])]
        ends = [int(x) for x in (*(self.times_ps[-1:].tolist()), *self.gaps[-1:, 1].tolist())]
        if len(self):
            ends[0] += 1
        return (min(edges), max(ends)) if edges else (0, 0)

    def live_time_ps(self, from_ps: int | None = None, to_ps: int | None = None) -> int:
        """Return how many ps of [from_ps, to_ps) lie outside all gaps; by default of ``span_ps``."""
        low, high = self.span_ps
        low, high = low if from_ps is None else from_ps, high if to_ps is None else to_ps
        gaps = self._gaps_in(low, high)
        return max(0, high - low) - sum((gaps[:, 1] - gaps[:, 0]).tolist())

    def live_stretches(self, from_ps: int | None = None, to_ps: int | None = None) -> Times:
        """Return int64[m, 2], [from, to) of what lies outside the gaps; by default of ``span_ps``."""
        low, high = self.span_ps
        low, high = low if from_ps is None else from_ps, high if to_ps is None else to_ps
        edges = np.concatenate([[low], self._gaps_in(low, high).ravel(), [max(low, high)]]).astype(np.int64)
        stretches: Times = edges.reshape(-1, 2)
        return stretches[stretches[:, 0] < stretches[:, 1]]

    def live(self) -> npt.NDArray[np.bool_]:
        """Return bool[n], True for the tags outside all gaps."""
        edges = np.searchsorted(self.times_ps, self.gaps.ravel(), "left")
        lengths = np.diff(np.concatenate([[0], edges, [len(self)]]))
        return np.repeat(np.arange(len(lengths)) % 2 == 0, lengths)

    @staticmethod
    def merge(parts: Sequence["Tags"], channels: Sequence[Mapping[int, int]] | None = None) -> "Tags":
        """Return all tags of several recordings on one clock; at equal times the earlier part comes first.

        A gap in any part is a gap of the whole, for the merged stream is complete only outside of it.

        Args:
            parts: the recordings.
            channels: for each part the new number of each of its channels; by default they keep their numbers.

        Raises:
            ValueError: a part has tags on a channel its map does not name.
        """
        from ._merge import merged

        maps = [None] * len(parts) if channels is None else list(channels)
        if len(maps) != len(parts):
            raise ValueError(f"{len(maps)} channel maps for {len(parts)} recordings")
        streams = [(part.times_ps, _renumbered(part, k, each)) for k, (part, each) in enumerate(zip(parts, maps))]
        gaps = [part.gaps for part in parts] or [np.empty((0, 2), np.int64)]
        return Tags._of(*merged(streams), union_of_gaps(np.concatenate(gaps)))

    @staticmethod
    def _of(times: Times, channels: npt.NDArray[np.uint8], gaps: Times) -> "Tags":
        """Return a recording of arrays that are known to be right."""
        tags = object.__new__(Tags)
        tags.times_ps, tags.channels, tags.gaps = _frozen(times), _frozen(channels), _frozen(gaps)
        return tags

    def _gaps_in(self, from_ps: int, to_ps: int) -> Times:
        inside = self.gaps[(self.gaps[:, 0] < to_ps) & (self.gaps[:, 1] > from_ps) & (from_ps < to_ps)]
        return np.clip(inside, from_ps, to_ps) if len(inside) else inside


def _checked_channels(channels: npt.ArrayLike, expected: int) -> npt.NDArray[np.uint8]:
    array = np.asarray(channels)
    if array.size == 0:
        array = array.astype(np.uint8)
    if array.shape != (expected,) or array.dtype.kind not in "iu":
        raise ValueError(f"channels must be {expected} whole numbers, one a tag, not {array.dtype}{list(array.shape)}")
    if array.dtype != np.uint8 and ((array < 0) | (array > 255)).any():
        raise ValueError(f"channel numbers run from 0 to 255; there is {array[(array < 0) | (array > 255)][0]}")
    return array.astype(np.uint8, copy=False)


def _checked_gaps(gaps: npt.ArrayLike | None) -> Times:
    array = np.asarray([] if gaps is None else gaps)
    if array.size == 0:
        return np.empty((0, 2), np.int64)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"gaps must have shape (m, 2), [from, to) each, not {array.shape}")
    flat = sorted_times(array.ravel(), "gaps (from, to, from, to, ...)")
    if (flat[::2] == flat[1::2]).any():
        raise ValueError("a gap is empty: from and to are equal")
    return flat.reshape(-1, 2)


def _renumbered(part: Tags, number: int, numbers: Mapping[int, int] | None) -> npt.NDArray[np.uint8]:
    if numbers is None:
        return part.channels
    table = np.full(256, -1, np.int64)
    for old, new in numbers.items():
        if not (0 <= old <= 255 and 0 <= new <= 255):
            raise ValueError(f"channel map {number} has {old}: {new}; channel numbers run from 0 to 255")
        table[old] = new
    counts = np.bincount(part.channels, minlength=256)
    if (counts[table < 0] > 0).any():
        lost = np.flatnonzero((table < 0) & (counts > 0)).tolist()
        raise ValueError(f"recording {number} has tags on channels {lost}, which its channel map does not name")
    renumbered: npt.NDArray[np.uint8] = np.maximum(table, 0).astype(np.uint8)[part.channels]
    return renumbered


def union_of_gaps(gaps: Times) -> Times:
    """Return int64[m, 2]: overlapping and touching gaps as one, ascending."""
    if len(gaps) < 2:
        return gaps
    gaps = gaps[np.argsort(gaps[:, 0], kind="stable")]
    ends = np.maximum.accumulate(gaps[:, 1])
    fresh = np.flatnonzero(np.concatenate([[True], gaps[1:, 0] > ends[:-1]])) if len(gaps) else np.empty(0, np.intp)
    last = np.append(fresh[1:], len(gaps)) - 1 if len(gaps) else fresh
    return np.column_stack([gaps[fresh, 0], ends[last]])


def _frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
