"""Compiled counting of tuples by the other rules: each tag used once, or each tuple known by its first or last tag.

Arguments are those of ``_stream_kernels``, for one group: ``place`` turns its channels into rows 0 to size - 1, and all
others into row ``size``. ``marks`` uint64[n] is what is known of each tag; it is carried along with the tags.
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def count_one_to_one(times, channels, pieces, window, place, size, marks, tuples):
    """Return how many tuples close where each takes the earliest unused tags; ``marks`` is 1 for a used tag.

    The first of them are written to ``tuples``, int64[any number, size]: the tag of each row.
    """
    total = 0
    earliest = np.empty(size, np.int64)
    for piece in range(len(pieces)):
        floor, start, stop = pieces[piece]
        for i in range(start, stop):
            row = place[channels[i]]
            if row == size:
                continue
            earliest[:] = -1
            earliest[row] = i
            j = i - 1
            while j >= floor and times[i] - times[j] <= window:
                other = place[channels[j]]
                if other < size and marks[j] == 0:
                    # A tag of the same row waits already: it had no partners, and this one finds none either.
                    earliest[other] = j
                j -= 1
            if earliest.min() >= 0:
                for k in earliest:
                    marks[k] = 1
                if total < len(tuples):
                    tuples[total] = earliest
                total += 1
    return total


@njit(cache=True, nogil=True)
def count_closing(times, channels, pieces, window, place, size):
    """Return how many tags have a tag of every other row in the window before them."""
    total = 0
    for piece in range(len(pieces)):
        floor, start, stop = pieces[piece]
        for i in range(start, stop):
            row = place[channels[i]]
            if row == size:
                continue
            seen, missing = np.uint64(1) << np.uint64(row), size - 1
            j = i - 1
            while missing and j >= floor and times[i] - times[j] <= window:
                other = place[channels[j]]
                bit = np.uint64(1) << np.uint64(other)
                if other < size and not seen & bit:
                    seen |= bit
                    missing -= 1
                j -= 1
            total += missing == 0
    return total


@njit(cache=True, nogil=True)
def count_opening(times, channels, pieces, window, place, size, marks):
    """Return how many tags have a tag of every other row in the window after them, as soon as the last one comes.

    ``marks`` has a bit for each row seen from the tag on.
    """
    total = 0
    full = ~np.uint64(0) >> np.uint64(64 - size)
    for piece in range(len(pieces)):
        floor, start, stop = pieces[piece]
        for i in range(start, stop):
            row = place[channels[i]]
            if row == size:
                continue
            bit = np.uint64(1) << np.uint64(row)
            marks[i] |= bit
            total += marks[i] == full
            j = i - 1
            while j >= floor and times[i] - times[j] <= window:
                if place[channels[j]] < size and not marks[j] & bit:
                    marks[j] |= bit
                    total += marks[j] == full
                j -= 1
    return total


@njit(cache=True, nogil=True)
def list_all(times, channels, pieces, window, place, size, tuples):
    """Write every tuple to ``tuples``, int64[their number, size], by the tag that closes it; the tag of each row."""
    total = 0
    choice, free = np.empty(size, np.int64), np.empty(size, np.int64)
    for piece in range(len(pieces)):
        floor, start, stop = pieces[piece]
        for i in range(start, stop):
            row = place[channels[i]]
            if row == size:
                continue
            low = i
            while low > floor and times[i] - times[low - 1] <= window:
                low -= 1
            digits = 0
            for other in range(size):
                if other != row:
                    free[digits] = other
                    digits += 1
            # An odometer: each digit runs over the tags of its row in [low, i); low - 1 is before its first.
            choice[:] = low - 1
            choice[row] = i
            digit = 0
            while digit >= 0:
                if digit == digits:
                    tuples[total] = choice
                    total += 1
                    digit -= 1
                    continue
                k = choice[free[digit]] + 1
                while k < i and place[channels[k]] != free[digit]:
                    k += 1
                choice[free[digit]] = k if k < i else low - 1
                digit += 1 if k < i else -1
    return total
