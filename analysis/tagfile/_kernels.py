"""The loops over tags, compiled. Import this only where tags are packed or unpacked: it brings numba."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt


@numba.njit(cache=True, nogil=True)
def survey(channels: npt.NDArray[np.uint8], seen: npt.NDArray[np.bool_]) -> None:
    """Mark the channels that occur in ``seen``."""
    for channel in channels:
        seen[channel] = True


@numba.njit(cache=True, nogil=True)
def pack(
    times: npt.NDArray[np.int64],
    channels: npt.NDArray[np.uint8],
    index: npt.NDArray[np.uint16],
    bits: int,
    words: npt.NDArray[Any],
) -> tuple[Any, Any]:
    """Write (time since the tag before) << bits | index[channel] to ``words``, uint32 or uint64.

    Return all steps and all indices or-ed together: the words are right only if the steps fit, and no index is 256,
    which stands for a channel that is not in the table.
    """
    shift = np.uint64(bits)
    steps, indices = np.uint64(0), np.uint64(0)
    previous = times[0]
    for i in range(len(times)):
        step = np.uint64(times[i] - previous)
        place = np.uint64(index[channels[i]])
        steps |= step
        indices |= place
        words[i] = (step << shift) | place
        previous = times[i]
    return steps, indices


@numba.njit(cache=True, nogil=True)
def unpack(
    words: npt.NDArray[Any],
    table: npt.NDArray[np.uint8],
    bits: int,
    first: int,
    times: npt.NDArray[np.int64],
    channels: npt.NDArray[np.uint8],
) -> Any:
    """Undo ``pack`` into ``times`` and ``channels``; return the last time. ``table`` has 256 entries."""
    shift = np.uint64(bits)
    mask = (np.uint64(1) << shift) - np.uint64(1)
    now = np.int64(first)
    fours = len(words) // 4 * 4
    for i in range(0, fours, 4):  # four at a time: the chain of additions is the slow part, and is a quarter as long
        a, b, c, d = np.uint64(words[i]), np.uint64(words[i + 1]), np.uint64(words[i + 2]), np.uint64(words[i + 3])
        one = np.int64(a >> shift)
        two = one + np.int64(b >> shift)
        three = two + np.int64(c >> shift)
        four = three + np.int64(d >> shift)
        times[i], times[i + 1], times[i + 2], times[i + 3] = now + one, now + two, now + three, now + four
        channels[i], channels[i + 1] = table[a & mask], table[b & mask]
        channels[i + 2], channels[i + 3] = table[c & mask], table[d & mask]
        now += four
    for i in range(fours, len(words)):
        word = np.uint64(words[i])
        now += np.int64(word >> shift)
        times[i] = now
        channels[i] = table[word & mask]
    return now
