"""Compiled counting and histograms of a stream: all tuples as pairs or groups, sparse or crowded; time differences.

Most tags of a photon stream have no neighbour inside a coincidence window. So every kernel first lists the few that
have one (``near``), 64 comparisons at a time and without a branch the processor could guess wrong, and only looks at
those.

Common arguments: ``times`` int64[n] ascending, ``channels`` uint8[n], ``pieces`` int64[m, 3] of (floor, start, stop):
tuples whose last tag has an index in [start, stop) are counted, tags below floor are not looked at. ``place``
uint8[256] turns channels into rows; channels nobody asked for share the last row.

All in one file: numba compiles a kernel anew when the file it stands in has changed, and looks at no other.
"""

import numpy as np
from numba import njit

BLOCK = 4096
"""Tags looked at in one go; their times stay in the first-level cache."""
AT_ONCE = 4
"""Tags taken out of a word without asking whether there are so many."""
MOST, EXACT = 2**62, 2.0**53
"""A total beyond the first is refused, and a single tag that closes more tuples than the second: 64-bit floats are
exact only up to there."""

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
