"""Groups of channels as the kernels take them: checked, numbered, and by the tag that closes a tuple."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

MOST_CHANNELS = 64
"""In one group."""


def checked_groups(groups: Iterable[Sequence[int]]) -> list[tuple[int, ...]]:
    """Return the groups as tuples.

    Raises:
        ValueError: an empty group, a channel twice in a group, or a channel outside 0 to 255.
    """
    checked = []
    for k, group in enumerate(groups):
        channels = tuple(int(c) for c in group)
        if channels != tuple(group) or min(channels, default=0) < 0 or max(channels, default=0) > 255:
            raise ValueError(f"group {k}, {tuple(group)}: channel numbers are whole and run from 0 to 255")
        if not channels or len(channels) > MOST_CHANNELS:
            raise ValueError(f"group {k} has {len(channels)} channels; 1 to {MOST_CHANNELS} make a group")
        if len(set(channels)) < len(channels):
            raise ValueError(f"group {k}, {channels}, names a channel twice")
        checked.append(channels)
    return checked


def checked_channels(channels: int | Sequence[int]) -> tuple[int, ...]:
    """Return one channel, or several that are taken as one, as a tuple; ValueError as for a group."""
    return checked_groups([tuple(channels) if isinstance(channels, Sequence) else (channels,)])[0]


def checked_window(window_ps: int) -> int:
    """Return the window as int ps; ValueError unless it is whole, zero or more, and below 2**62 ps (53 days)."""
    if window_ps != int(window_ps) or not 0 <= window_ps < 2**62:
        raise ValueError(f"window_ps is {window_ps}; it must be a whole number of ps from 0 to 2**62")
    return int(window_ps)


def checked_delays(delays_ps: Mapping[int, int] | None) -> dict[int, int]:
    """Return the delays that are not 0; ValueError where one is no whole number of ps."""
    delays = {}
    for channel, delay in (delays_ps or {}).items():
        if delay != int(delay) or not -(2**62) <= delay <= 2**62:
            raise ValueError(f"the delay of channel {channel} is {delay} ps; it must be whole, at most 2**62 ps")
        if channel != int(channel) or not 0 <= channel <= 255:
            raise ValueError(f"delays_ps names channel {channel}; channel numbers run from 0 to 255")
        delays[int(channel)] = int(delay)
    return {channel: delay for channel, delay in delays.items() if delay}


def rows_of(channels: Iterable[int]) -> tuple[list[int], npt.NDArray[np.uint8]]:
    """Return (channels, one a row; uint8[256], row of a channel, the number of rows for all channels not named).

    Raises:
        ValueError: all 256 channels, for one row must be left.
    """
    rows = sorted(set(channels))
    if len(rows) > 255:
        raise ValueError("no more than 255 channels can be counted at a time")
    place = np.full(256, len(rows), np.uint8)
    place[rows] = np.arange(len(rows), dtype=np.uint8)
    return rows, place


class ClosingTable:
    """For each row the groups it is in, and their other rows; the arrays of ``_stream_kernels.count_groups``."""

    def __init__(self, groups: Sequence[Sequence[int]], place: npt.NDArray[np.uint8], rows: int) -> None:
        first, others = [0], []
        members: list[int] = []
        for row in range(rows + 1):
            for k, group in enumerate(groups):
                mates = [int(place[c]) for c in group if place[c] != row]
                if row < rows and len(mates) < len(group):
                    others.append((k, len(members), len(members) + len(mates)))
                    members += mates
            first.append(len(others))
        self.first = np.array(first, np.int64)
        self.others = np.array(others, np.int64).reshape(-1, 3)
        self.members = np.array(members, np.uint8)
