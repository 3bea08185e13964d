"""Compiled histograms of time differences, any number of channel pairs in one pass.

Arguments ``times``, ``channels``, ``pieces`` and ``place`` are those of ``_count_kernels``.
"""

import numpy as np
from numba import njit

from ._near_kernels import AT_ONCE, BLOCK, near


@njit(cache=True, nogil=True, error_model="numpy")
def add_differences(times, channels, pieces, span, bin_width, factor, shift, place, later, earlier, both, counts):
    """Add to ``counts`` each two tags whose difference stop - start lies in [-span, span].

    Args:
        factor, shift: v // bin_width is v * factor >> shift; a shift of 0 asks for the division itself.
        later: int64[rows, rows], by (later tag, earlier tag): where the histogram of that start (earlier) and stop
            (later) begins in ``counts``.
        earlier: the same for start (later tag) and stop (earlier tag), differences being negative.
        both: whether some two rows have both; else only the one that is not 0 is filled, and 0 is for the rest.
        counts: int64, histograms of 2 span / bin_width + 1 bins, the last one for a difference of span itself.
    """
    index = np.empty(BLOCK + AT_ONCE, np.int32)
    for piece in range(len(pieces)):
        floor, stop = pieces[piece, 0], pieces[piece, 2]
        at = max(pieces[piece, 1], floor + 1)
        while at < stop:
            end = min(at + BLOCK, stop)
            found = near(times, at, end, 1, span, index)
            for k in range(found):
                i = at + index[k]
                time, row = times[i], place[channels[i]]
                j = i - 1
                difference = time - times[j]
                while difference <= span:
                    other = place[channels[j]]
                    up, down = later[row, other], earlier[row, other]
                    value = span + (difference if up else -difference)
                    cell = value * factor >> shift if shift else value // bin_width
                    counts[cell + (up if up else down)] += 1
                    if both and up and down:
                        value = span - difference
                        counts[down + (value * factor >> shift if shift else value // bin_width)] += 1
                    j -= 1
                    if j < floor:
                        break
                    difference = time - times[j]
            at = end
