"""Channels moved against each other in time, block by block: tags come out in order, once nothing can overtake them."""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from ._arrays import Times, check_reach
from ._groups import checked_delays
from ._merge import merged
from .tags import Tags, union_of_gaps

Channels = npt.NDArray[np.uint8]


class DelayLine:
    """Adds each channel's delay to its times and keeps the order.

    A gap of the recording hides other stretches of each channel now: it grows to [from + least, to + largest delay).
    At equal times channels of the smaller delay come first.

    Args:
        channels: the channels in question; all others are left out.
        delays_ps: ps to add, by channel; 0 where none is given.
    """

    def __init__(self, channels: npt.NDArray[np.uint8], delays_ps: Mapping[int, int]) -> None:
        delays = {int(c): int(delays_ps.get(int(c), 0)) for c in channels}
        self._by_delay = [(d, [c for c in delays if delays[c] == d]) for d in sorted(set(delays.values()))]
        self._held = [(np.empty(0, np.int64), np.empty(0, np.uint8)) for _ in self._by_delay]
        self._last: int | None = None

    def feed(self, tags: Tags) -> tuple[Times, Channels, Times]:
        """Return (times, channels, gaps) of what is settled by these tags; the rest is held.

        Raises:
            ValueError: time runs backwards, or delays lead out of 64 bits.
        """
        if len(tags) and self._last is not None and int(tags.times_ps[0]) < self._last:
            raise ValueError(f"a block begins at {tags.times_ps[0]} ps, before the last tag at {self._last} ps")
        least, largest = self._by_delay[0][0], self._by_delay[-1][0]
        check_reach(tags.times_ps, max(abs(least), abs(largest)))
        check_reach(tags.gaps.ravel(), max(abs(least), abs(largest)))
        for k, (delay, channels) in enumerate(self._by_delay):
            ours = np.isin(tags.channels, channels)
            times, numbers = self._held[k]
            self._held[k] = (
                np.concatenate([times, tags.times_ps[ours] + delay]),
                np.concatenate([numbers, tags.channels[ours]]),
            )
        gaps = union_of_gaps(tags.gaps + np.array([least, largest]))
        if len(tags):
            self._last = int(tags.times_ps[-1])
        times, numbers = self._release()
        return times, numbers, gaps

    def flush(self) -> tuple[Times, Channels]:
        """Return all that is held, as if no tag came any more."""
        held, self._held = self._held, [(t[:0], c[:0]) for t, c in self._held]
        return merged(held)

    def _release(self) -> tuple[Times, Channels]:
        before = (self._last or 0) + self._by_delay[0][0]  # what comes yet is not earlier
        cuts = [int(np.searchsorted(t, before, "left")) for t, _ in self._held]
        free = [(t[:cut], c[:cut]) for (t, c), cut in zip(self._held, cuts)]
        self._held = [(t[cut:], c[cut:]) for (t, c), cut in zip(self._held, cuts)]
        return merged(free)


def delayed(tags: Tags, channels: Iterable[int], delays_ps: Mapping[int, int] | None) -> Tags:
    """Return the tags with the delays of these channels added, in order, gaps grown; without delays the tags as given.

    With delays all other channels are left out.
    """
    used = set(channels)
    delays = {c: d for c, d in checked_delays(delays_ps).items() if c in used}
    if not delays:
        return tags
    line = DelayLine(np.array(sorted(used), np.uint8), delays)
    times, numbers, gaps = line.feed(tags)
    late_times, late_numbers = line.flush()
    return Tags(np.concatenate([times, late_times]), np.concatenate([numbers, late_numbers]), gaps)
