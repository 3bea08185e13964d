"""One recording of a time tagger: times, channels, and the stretches in which tags were lost.

Nothing is ever sorted silently: an unsorted recording is a fault somebody must hear of.
"""

from collections.abc import Sequence
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

    def live_time_ps(self, from_ps: int, to_ps: int) -> int:
        """Return how many ps of [from_ps, to_ps) lie outside all gaps."""
        gaps = self._gaps_in(from_ps, to_ps)
        return max(0, to_ps - from_ps) - int((gaps[:, 1] - gaps[:, 0]).sum())

    @staticmethod
    def merge(parts: Sequence["Tags"]) -> "Tags":
        """Return all tags of several recordings on one clock; at equal times the earlier part comes first.

        A gap in any part is a gap of the whole, for the merged stream is complete only outside of it.
        """
        if not parts:
            return Tags([], [])
        times = np.concatenate([part.times_ps for part in parts])
        order = np.argsort(times, kind="stable")
        channels = np.concatenate([part.channels for part in parts])
        return Tags(times[order], channels[order], _union(np.concatenate([part.gaps for part in parts])))

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


def _union(gaps: Times) -> Times:
    """Return overlapping and touching gaps as one."""
    gaps = gaps[np.argsort(gaps[:, 0], kind="stable")]
    ends = np.maximum.accumulate(gaps[:, 1])
    fresh = np.flatnonzero(np.concatenate([[True], gaps[1:, 0] > ends[:-1]])) if len(gaps) else np.empty(0, np.intp)
    last = np.append(fresh[1:], len(gaps)) - 1 if len(gaps) else fresh
    return np.column_stack([gaps[fresh, 0], ends[last]])


def _frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
