"""Coincidences of any groups of channels in a merged stream, at the speed of the memory, whole or block by block.

A tuple of a group has one tag of each of its channels; its span is its last less its first time. It counts where its
span is at most ``window_ps``: for two-folds |t_b - t_a| <= window, so that unrelated tags meet within a full width of
2 window (+ 1 ps, times being whole). Which tuples count is a matter of ``how``:

- ``"all"`` (default): every tuple. A tag can be in many.
- ``"one_to_one"``: the largest number of tuples that share no tag, found by taking the earliest tags first.
- ``"first"``: tuples that begin with the same tag count once: the tags that have, within the window after them, a tag
  of every other channel. (A gate opened by each tag.)
- ``"last"``: tuples that end with the same tag count once: the tags that have, within the window before them, a tag of
  every other channel. (What a tagger finds that remembers each channel's last tag.)

Tags of equal time stand in the order of the stream. Tags in gaps do not count, and no tuple reaches across a gap: the
clock may have jumped in it. A group of one channel counts its tags.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ._arrays import Times
from ._counters import AllTuples, Matched
from ._delays import DelayLine
from ._groups import checked_delays, checked_groups, checked_window
from ._live import LiveTime
from ._stream import Stream
from .tags import Tags

RULES = ("all", "one_to_one", "first", "last")


def coincidences(
    tags: Tags,
    groups: Iterable[Sequence[int]],
    window_ps: int | Sequence[int] = 1000,
    delays_ps: Mapping[int, int] | None = None,
    how: str = "all",
) -> npt.NDArray[np.int64]:
    """Return int64[groups], the coincidences of each group of channels.

    Args:
        tags: the stream.
        groups: channels of each, 1 to 64; any number of groups, of any sizes.
        window_ps: largest span, ps, inclusive; one for all groups or one for each.
        delays_ps: ps added to each channel's times before counting, by channel. A gap grows with them.
        how: "all", "one_to_one", "first" or "last"; see the module.

    Raises:
        ValueError: a window, group, delay or rule that makes no sense, or a count beyond 2**62.
    """
    counter = CoincidenceCounter(groups, window_ps, delays_ps, how)
    counter.feed(tags)
    return counter.read()


class CoincidenceCounter:
    """``coincidences`` of a stream that comes in blocks: exact, whatever the blocks.

    Arguments are those of ``coincidences``. Blocks follow each other in time; a block's gaps may reach beyond its last
    tag, but not back before the last tag of the block before (they would hide tags that are counted).
    """

    def __init__(
        self,
        groups: Iterable[Sequence[int]],
        window_ps: int | Sequence[int] = 1000,
        delays_ps: Mapping[int, int] | None = None,
        how: str = "all",
    ) -> None:
        if how not in RULES:
            raise ValueError(f"how is {how!r}; it must be one of {', '.join(RULES)}")
        self.groups = checked_groups(groups)
        count = len(self.groups)
        windows = [window_ps] * count if isinstance(window_ps, int | np.integer | float) else list(window_ps)
        if len(windows) != count:
            raise ValueError(f"{len(windows)} windows for {count} groups")
        self.windows_ps = [checked_window(window) for window in windows]
        self._channels = np.array(sorted({c for group in self.groups for c in group}), np.uint8)
        delays = {c: d for c, d in checked_delays(delays_ps).items() if c in self._channels}
        self._line = DelayLine(self._channels, delays) if delays else None
        self._counted = [(ids, each, Stream(each.window, each, each.marked)) for ids, each in self._counters(how)]
        self._live = LiveTime()

    def _counters(self, how: str) -> list[tuple[list[int], AllTuples | Matched]]:
        if how != "all":
            return [([k], Matched(g, w, how)) for k, (g, w) in enumerate(zip(self.groups, self.windows_ps))]
        kinds: dict[tuple[int, int], list[int]] = {}
        for k, (group, window) in enumerate(zip(self.groups, self.windows_ps)):
            kinds.setdefault((window, min(len(group), 3)), []).append(k)
        return [(ids, AllTuples([self.groups[k] for k in ids], window)) for (window, _), ids in kinds.items()]

    def feed(self, tags: Tags) -> None:
        """Take the next block.

        Raises:
            ValueError: it begins before the last tag, or a gap of it before tags that are counted.
        """
        if self._line is None:
            self._take(tags.times_ps, tags.channels, tags.gaps)
        else:
            self._take(*self._line.feed(tags))

    def read(self) -> npt.NDArray[np.int64]:
        """Return int64[groups], the counts of all that was fed, as if nothing followed. Feeding can go on."""
        counter = self._settled()
        counts = np.zeros(len(self.groups), np.int64)
        for ids, each, _ in counter._counted:
            counts[ids] = each.counts
        return counts

    @property
    def live_time_ps(self) -> int:
        """Time from the first to the last tag fed, less the gaps; ps."""
        return self._settled()._live.live_ps

    @property
    def tags_in_gaps(self) -> int:
        """Tags fed that lie in gaps and so count nowhere."""
        return max((stream.in_gaps for *_, stream in self._settled()._counted), default=0)

    def _take(self, times: Times, channels: npt.NDArray[np.uint8], gaps: Times) -> None:
        for *_, stream in self._counted:
            stream.feed(times, channels, gaps)
        self._live.feed(times, gaps)

    def _settled(self) -> "CoincidenceCounter":
        """Return a counter that has counted the tags held back because of delays, too."""
        if self._line is None:
            return self
        counter = copy.deepcopy(self)
        assert counter._line is not None
        times, channels = counter._line.flush()
        counter._take(times, channels, np.empty((0, 2), np.int64))
        return counter
