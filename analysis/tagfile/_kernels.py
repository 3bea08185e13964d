"""The loop that unpacks tags, compiled. Import this only where tags are read: it brings numba."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt


@numba.njit(cache=True, nogil=True)
def unpack(
    words: npt.NDArray[Any],
    table: npt.NDArray[np.uint8],
    bits: int,
    first: int,
    times: npt.NDArray[np.int64],
    channels: npt.NDArray[np.uint8],
) -> Any:
    """Undo ``codec.Packer`` into ``times`` and ``channels``; return the last time. ``table`` has 256 entries."""
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
