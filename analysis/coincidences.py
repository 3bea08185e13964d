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

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ._counters import AllTuples, Matched
from ._fed import Fed
from ._groups import checked_groups, checked_window
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


class CoincidenceCounter(Fed):
    """``coincidences`` of a stream that comes in blocks: exact, whatever the blocks.

    Arguments are those of ``coincidences``; ``feed`` says how blocks follow each other.
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
        self._counted = [(ids, each, Stream(each.window, each, each.marked)) for ids, each in self._counters(how)]
        channels = (channel for group in self.groups for channel in group)
        super().__init__(channels, delays_ps, [stream for *_, stream in self._counted])

    def _counters(self, how: str) -> list[tuple[list[int], AllTuples | Matched]]:
        if how != "all":
            return [([k], Matched(g, w, how)) for k, (g, w) in enumerate(zip(self.groups, self.windows_ps))]
        kinds: dict[tuple[int, int], list[int]] = {}
        for k, (group, window) in enumerate(zip(self.groups, self.windows_ps)):
            kinds.setdefault((window, min(len(group), 3)), []).append(k)
        return [(ids, AllTuples([self.groups[k] for k in ids], window)) for (window, _), ids in kinds.items()]

    def read(self) -> npt.NDArray[np.int64]:
        """Return int64[groups], the counts of all that was fed, as if nothing followed. Feeding can go on."""
        counter = self._settled()
        counts = np.zeros(len(self.groups), np.int64)
        for ids, each, _ in counter._counted:
            counts[ids] = each.counts
        return counts
