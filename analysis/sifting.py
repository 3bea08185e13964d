"""Filters that give back the tags themselves: those near a herald, in a slot of a clock, or in a coincidence.

Tags in gaps are left out, and nothing is matched across a gap. Times are those of the stream, without delays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._arrays import Times
from ._groups import checked_channels, checked_delays, checked_groups, checked_window, rows_of
from .coincidences import coincidences
from .correlation import Channel
from .tags import Tags


@dataclass(frozen=True, eq=False)
class Sifted:
    """Tags that passed a filter.

    Attributes:
        tags: they themselves, with the gaps of the stream.
        number: int64[n], the attempt (counted herald) or slot each belongs to.
        after_ps: int64[n], ps from the herald or the slot's beginning.
    """

    tags: Tags
    number: npt.NDArray[np.int64]
    after_ps: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.tags)


@dataclass(frozen=True, eq=False)
class Tuples:
    """Coincidences, tag by tag; row k is one, its columns the channels of the group as they were given.

    Attributes:
        index: int64[k, n], which tags of the stream.
        times_ps: int64[k, n], their times.
    """

    index: npt.NDArray[np.int64]
    times_ps: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.index)


def heralded(tags: Tags, herald: Channel, from_ps: int, to_ps: int, channels: Sequence[int] | None = None) -> Sifted:
    """Return the tags with herald + from <= time < herald + to, each with the number of its herald.

    Heralds are counted from 0 in the order of time, those in gaps too, so that numbers are those of the attempts. A tag
    in the gates of several heralds belongs to the last of them. A gate ends at a gap.

    Args:
        tags: the stream.
        herald: channel of the heralds, or several.
        from_ps, to_ps: the gate, ps after (or, negative, before) the herald.
        channels: which channels pass; all but the heralds' by default.

    Raises:
        ValueError: an empty gate, or channels that make no sense.
    """
    if not (from_ps == int(from_ps) and to_ps == int(to_ps) and -(2**62) <= from_ps < to_ps <= 2**62):
        raise ValueError(f"a gate from {from_ps} to {to_ps} ps after the herald is empty or not whole")
    isherald = np.isin(tags.channels, checked_channels(herald))
    wanted = ~isherald if channels is None else np.isin(tags.channels, checked_channels(list(channels)))
    live = tags.live()
    heralds, times = tags.times_ps[isherald], tags.times_ps
    index = np.flatnonzero(wanted & live)
    # The last herald with herald + from <= time; times - from is safe unless they leave 64 bits together.
    reach = max(abs(int(t)) for t in [0, *times[:1].tolist(), *times[-1:].tolist()]) + max(abs(from_ps), abs(to_ps))
    if reach >= 2**63:
        raise ValueError(f"times and gate add up to {reach} ps, beyond 64 bits; subtract a common start first")
    number = np.searchsorted(heralds, times[index] - from_ps, "right") - 1
    some = number >= 0
    index, number = index[some], number[some]
    after = times[index] - heralds[number]
    stretch = np.searchsorted(tags.gaps[:, 0], times, "right")
    which = np.flatnonzero(isherald)[number]
    good = (after < to_ps) & live[which] & (stretch[which] == stretch[index])
    return _sifted(tags, index[good], number[good], after[good])


def in_slots(
    tags: Tags,
    period_ps: int,
    origin_ps: int = 0,
    from_ps: int = 0,
    to_ps: int | None = None,
    channels: Sequence[int] | None = None,
) -> Sifted:
    """Return the tags in [from, to) of a slot of a periodic clock, each with the number of its slot.

    Slot k begins at origin + k period; tags before the origin have negative numbers.

    Args:
        tags: the stream.
        period_ps: length of a slot.
        origin_ps: beginning of slot 0.
        from_ps, to_ps: the part of a slot that passes; the whole by default.
        channels: which channels pass; all by default.

    Raises:
        ValueError: 0 <= from < to <= period does not hold, or times and origin are more than 64 bits apart.
    """
    to_ps = period_ps if to_ps is None else to_ps
    if any(x != int(x) for x in (period_ps, origin_ps, from_ps, to_ps)) or not 0 <= from_ps < to_ps <= period_ps:
        raise ValueError(f"[{from_ps}, {to_ps}) ps is no part of a slot of {period_ps} ps")
    if any(abs(int(t) - origin_ps) >= 2**63 for t in (*tags.times_ps[:1], *tags.times_ps[-1:])):
        raise ValueError(f"the tags are more than 64 bits away from the origin {origin_ps} ps")
    wanted = tags.live()
    if channels is not None:
        wanted &= np.isin(tags.channels, checked_channels(list(channels)))
    number, after = np.divmod(tags.times_ps - np.int64(origin_ps), np.int64(period_ps))
    index = np.flatnonzero(wanted & (after >= from_ps) & (after < to_ps))
    return _sifted(tags, index, number[index], after[index])


def coincident(
    tags: Tags,
    group: Sequence[int],
    window_ps: int = 1000,
    delays_ps: Mapping[int, int] | None = None,
    how: str = "all",
) -> Tuples:
    """Return the tags of every coincidence that ``coincidences`` counts, in the order of their last (delayed) tags.

    Args are those of ``coincidences``; ``how`` is "all" or "one_to_one".

    Raises:
        ValueError: as there; another rule, or more than 2**31 tuples.
    """
    from . import _match_kernels as kernels

    if how not in ("all", "one_to_one"):
        raise ValueError(f"how is {how!r}; tags are listed for 'all' and 'one_to_one' only")
    (channels,), window = checked_groups([group]), checked_window(window_ps)
    count = int(coincidences(tags, [channels], window, delays_ps, how)[0])
    if count >= 2**31:
        raise ValueError(f"{count} coincidences are too many to list")
    order, times, pieces = _delayed_order(tags, channels, checked_delays(delays_ps))
    rows, place = rows_of(channels)
    found = np.empty((count, len(rows)), np.int64)
    words = times, np.ascontiguousarray(tags.channels[order]), pieces, window, place, len(rows)
    if how == "all":
        kernels.list_all(*words, found)
    else:
        kernels.count_one_to_one(*words, np.zeros(len(times), np.uint64), found)
    index = order[found[:, [rows.index(c) for c in channels]]]
    return Tuples(index, tags.times_ps[index])


def _delayed_order(
    tags: Tags, channels: Sequence[int], delays_ps: Mapping[int, int]
) -> tuple[npt.NDArray[np.intp], Times, npt.NDArray[np.int64]]:
    """Return (which tags in the order of their delayed times, these times, live pieces); as ``DelayLine`` has them."""
    delays = np.zeros(256, np.int64)
    for channel in channels:
        delays[channel] = delays_ps.get(channel, 0)
    index = np.flatnonzero(np.isin(tags.channels, channels))
    own = delays[tags.channels[index]]
    times = tags.times_ps[index] + own
    if own.any():
        order = np.lexsort((own, times))
        index, times = index[order], times[order]
    spread = delays[list(channels)]
    starts, stops = [0], []
    for low, high in (tags.gaps + np.array([spread.min(), spread.max()])).tolist():
        stops.append(max(int(np.searchsorted(times, low)), starts[-1]))
        starts.append(max(int(np.searchsorted(times, high)), starts[-1]))
    pieces = np.array(list(zip(starts, starts, [*stops, len(times)])), np.int64)
    return index, times, pieces[pieces[:, 1] < pieces[:, 2]]


def _sifted(
    tags: Tags, index: npt.NDArray[np.intp], number: npt.NDArray[np.int64], after: npt.NDArray[np.int64]
) -> Sifted:
    return Sifted(Tags(tags.times_ps[index], tags.channels[index], tags.gaps), number, after)
