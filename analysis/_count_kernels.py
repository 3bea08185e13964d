"""Compiled counting of all tuples: pairs as a matrix, n-folds by groups, sparse or crowded windows.

Common arguments: ``times`` int64[n] ascending, ``channels`` uint8[n], ``pieces`` int64[m, 3] of (floor, start, stop):
tuples whose last tag has an index in [start, stop) are counted, tags below floor are not looked at. ``place``
uint8[256] turns channels into rows; channels nobody asked for share the last row.
"""

import numpy as np
from numba import njit

from ._near_kernels import AT_ONCE, BLOCK, near

MOST, EXACT = 2**62, 2.0**53
"""A total beyond the first is refused, and a single tag that closes more tuples than the second: 64-bit floats are
exact only up to there."""


@njit(cache=True, nogil=True)
def count_pairs(times, channels, pieces, window, place, matrix):
    """Add to ``matrix[row of the later tag, row of the earlier]`` one for each two tags at most ``window`` apart."""
    index = np.empty(BLOCK + AT_ONCE, np.int32)
    for piece in range(len(pieces)):
        floor, stop = pieces[piece, 0], pieces[piece, 2]
        at = max(pieces[piece, 1], floor + 1)
        while at < stop:
            end = min(at + BLOCK, stop)
            found = near(times, at, end, 1, window, index)
            for k in range(found):
                i = at + index[k]
                row = place[channels[i]]
                j = i - 1
                while True:
                    matrix[row, place[channels[j]]] += 1
                    j -= 1
                    if j < floor or times[i] - times[j] > window:
                        break
            at = end


@njit(cache=True, nogil=True)
def count_groups(times, channels, pieces, window, place, least, first, others, members, totals):
    """Add every group's tuples to ``totals``; False if a number grows too large.

    A tag closes as many tuples of a group as the product of the numbers of tags of the group's other rows in the
    window before it.

    Args:
        least: size of the smallest group; a tag without least - 1 others in its window closes none.
        first: int64[rows + 1], where a row's groups begin in ``others``.
        others: int64[k, 3], (group, where its other rows begin in ``members``, where they end).
        members: uint8, rows.
    """
    index = np.empty(BLOCK + AT_ONCE, np.int32)
    inside = np.zeros(len(first), np.int64)
    back = least - 1
    for piece in range(len(pieces)):
        floor, stop = pieces[piece, 0], pieces[piece, 2]
        at = max(pieces[piece, 1], floor + back)
        while at < stop:
            end = min(at + BLOCK, stop)
            found = near(times, at, end, back, window, index)
            for k in range(found):
                i = at + index[k]
                j = i - 1
                while j >= floor and times[i] - times[j] <= window:
                    inside[place[channels[j]]] += 1
                    j -= 1
                if not _close(place[channels[i]], inside, first, others, members, totals):
                    return False
                for used in range(j + 1, i):
                    inside[place[channels[used]]] = 0
            at = end
    return True


@njit(cache=True, nogil=True)
def count_crowded(times, channels, pieces, window, place, first, others, members, totals):
    """Do the same as ``count_groups`` at a cost that does not grow with the window: a window slides along."""
    inside = np.zeros(len(first), np.int64)
    for piece in range(len(pieces)):
        floor, start, stop = pieces[piece]
        if start >= stop:
            continue
        inside[:] = 0
        tail = start
        while tail > floor and times[start] - times[tail - 1] <= window:
            tail -= 1
            inside[place[channels[tail]]] += 1
        for i in range(start, stop):
            row = place[channels[i]]
            while times[i] - times[tail] > window:
                inside[place[channels[tail]]] -= 1
                tail += 1
            if not _close(row, inside, first, others, members, totals):
                return False
            inside[row] += 1
    return True


@njit(cache=True, nogil=True)
def _close(row, inside, first, others, members, totals):
    for k in range(first[row], first[row + 1]):
        product = 1.0
        for member in range(others[k, 1], others[k, 2]):
            product *= inside[members[member]]
        if product:
            if product >= EXACT or totals[others[k, 0]] >= MOST:
                return False
            totals[others[k, 0]] += np.int64(product)
    return True
