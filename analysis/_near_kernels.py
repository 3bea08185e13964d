"""Compiled search for tags that have others close before them, the start of every count and histogram.

Most tags of a photon stream have no neighbour inside a coincidence window. So every kernel first lists the few that
have one, 64 comparisons at a time and without a branch the processor could guess wrong, and only looks at those.
"""

import numpy as np
from numba import njit

BLOCK = 4096
"""Tags looked at in one go; their times stay in the first-level cache."""
AT_ONCE = 4
"""Tags taken out of a word without asking whether there are so many."""

_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_PLACES = np.zeros(64, np.uint8)
"""Place of the only bit of a word, by the top 6 bits of its product with a de Bruijn sequence (Leiserson 1998)."""
for _bit in range(64):
    _PLACES[(int(_DE_BRUIJN) << _bit & (1 << 64) - 1) >> 58] = _bit


@njit(cache=True, nogil=True)
def near(times, start, stop, back, window, index):
    """Write i - start of every i in [start, stop) with times[i] - times[i - back] <= window; return how many.

    ``index`` is int32 with room for stop - start + AT_ONCE; start >= back.
    """
    here, before = times[start:stop], times[start - back : stop - back]
    one, found, whole = np.uint64(1), np.uint64(0), len(here) // 64 * 64
    for word in range(0, whole, 64):
        mask = np.uint64(0)
        for bit in range(64):
            mask |= np.uint64(here[word + bit] - before[word + bit] <= window) << np.uint64(bit)
        while mask:
            for _ in range(AT_ONCE):  # more than there are does no harm, a branch for each would
                index[found] = word + _PLACES[((mask & (~mask + one)) * _DE_BRUIJN) >> np.uint64(58)]
                found += np.uint64(mask != 0)
                mask &= mask - one
    for i in range(whole, len(here)):
        index[found] = i
        found += np.uint64(here[i] - before[i] <= window)
    return np.int64(found)
