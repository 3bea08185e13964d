"""How a recording of an ID900/ID1000 is cut into sub-acquisitions, and how its tags are put together again.

The instrument hands time stamps over at the end of each sub-acquisition: one message of packed little-endian uint64
per channel, in ps since that sub-acquisition began, empty if there were none. Sub-acquisitions follow each other at an
exact period; between two of them the instrument is blind for 40 ns. Arrays in, arrays out, no I/O. Tags stay integers:
float64 would lose picoseconds after 2.5 hours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LONGEST_PS = 500_000_000_000
"""Longest sub-acquisition. At the rated 10 M tags/s in all it holds 5 M tags."""
SPLIT_TAGS = 100_000_000
"""From this many tags on, one sub-acquisition may come in several messages that cannot be told apart from others."""
STREAM_PS = 200_000_000_000
"""Sub-acquisitions of a continuous stream, for a prompt display: the shortest the maker advises."""
DEAD_PS = 40_000
"""Blind time between sub-acquisitions, the shortest the instrument allows."""
_GRAIN_PS = 1_000_000
"""Sub-acquisitions last whole microseconds, a multiple of every resolution the instrument has."""


@dataclass(frozen=True)
class Plan:
    """``count`` sub-acquisitions of ``width_ps``, one every ``period_ps``, that together cover ``duration_ps``."""

    duration_ps: int
    count: int
    width_ps: int
    period_ps: int

    @classmethod
    def covering(cls, duration_ps: int) -> "Plan":
        """Return equal sub-acquisitions that cover the duration; a short recording is a single one.

        Several are at least 0.25 s long each: the maker advises 0.2 s or more.
        """
        count = -(-duration_ps // LONGEST_PS)
        width = -(-duration_ps // count)
        width += -width % _GRAIN_PS
        return cls(duration_ps, count, width, width + DEAD_PS)

    @property
    def total_ps(self) -> int:
        """How long the instrument records, from the first to the last instant."""
        return (self.count - 1) * self.period_ps + self.width_ps

    def gaps_ps(self) -> npt.NDArray[np.int64]:
        """Return int64[m, 2], the blind intervals [from, to) inside the duration."""
        ends = np.arange(1, self.count, dtype=np.int64) * self.period_ps
        gaps = np.stack([ends - DEAD_PS, ends], axis=1)
        return np.minimum(gaps[gaps[:, 0] < self.duration_ps], self.duration_ps)


def unroll(messages: Sequence[bytes], plan: Plan) -> npt.NDArray[np.int64]:
    """Return the tags of one channel, int64 ps since the recording began, ascending, up to the planned duration.

    ``messages`` holds one message per sub-acquisition.

    Raises:
        ValueError: the messages cannot be what the instrument sends for this plan; says why.
    """
    if len(messages) != plan.count:
        raise ValueError(f"{len(messages)} messages for {plan.count} sub-acquisitions")
    tags = place(messages, 0, plan.period_ps)
    return tags[: np.searchsorted(tags, plan.duration_ps)]


def place(messages: Sequence[bytes], first: int, period_ps: int) -> npt.NDArray[np.int64]:
    """Return the tags of consecutive sub-acquisitions of one channel, the first of them number ``first`` (from 0).

    int64 ps since sub-acquisition 0 began, ascending.

    Raises:
        ValueError: a message cannot be what the instrument sends; says why.
    """
    parts = [np.empty(0, np.int64)]
    for number, message in enumerate(messages, first):
        if len(message) % 8:
            raise ValueError(f"message {number + 1} has {len(message)} bytes, no whole number of time stamps")
        stamps = np.frombuffer(message, "<u8")
        if stamps.size >= SPLIT_TAGS:
            raise ValueError(f"message {number + 1} holds {stamps.size} time stamps, it may be only a part")
        if stamps.size and stamps.max() >= period_ps:
            raise ValueError(f"message {number + 1} holds a time stamp of {stamps.max()} ps, later than its end")
        times = stamps.astype(np.int64)
        if np.any(times[1:] < times[:-1]):
            raise ValueError(f"the time stamps of message {number + 1} do not ascend")
        parts.append(times + number * period_ps)
    return np.concatenate(parts)


def merge(
    tags: Mapping[int, npt.NDArray[np.int64]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return (times, channels) of ascending tags by channel as one ascending stream; equal times keep their order."""
    times = np.concatenate([np.empty(0, np.int64), *tags.values()])
    channels = np.concatenate([np.empty(0, np.uint8), *(np.full(t.size, c, np.uint8) for c, t in tags.items())])
    order = np.argsort(times, kind="stable")
    return times[order], channels[order]
