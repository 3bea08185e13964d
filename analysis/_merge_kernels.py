"""Compiled merging of a stretch of many sorted streams, small enough for the caches.

A tag is one word: time since the stretch began (48 bits), number of its stream, channel (8 bits each). Words are merged
two streams at a time from both ends at once, without a branch the processor could guess wrong.
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def pack(times, channels, origin, number, words, at):
    """Write the words of one stream's tags to ``words[at:]``."""
    out = words[at : at + len(times)]
    number = np.uint64(number) << np.uint64(8)
    for i in range(len(out)):
        out[i] = np.uint64(times[i] - origin) << np.uint64(16) | number | np.uint64(channels[i])


@njit(cache=True, nogil=True)
def merge_words(words, spare, ends, origin, times, channels):
    """Write times and channels of the streams in ``words``, that end at ``ends``. Uses up ``words`` and ``spare``."""
    ends = ends.copy()
    count = len(ends)
    while count > 1:
        begin = 0
        for k in range(0, count - 1, 2):
            _merge_two(words, begin, ends[k], ends[k + 1], spare)
            begin = ends[k + 1]
            ends[k // 2] = begin
        if count % 2:
            spare[begin : ends[count - 1]] = words[begin : ends[count - 1]]
            ends[count // 2] = ends[count - 1]
        words, spare = spare, words
        count = (count + 1) // 2
    for i in range(len(times)):
        times[i] = np.int64(words[i] >> np.uint64(16)) + origin
        channels[i] = np.uint8(words[i])


@njit(cache=True, nogil=True)
def _merge_two(words, begin, middle, end, out):
    """Merge words[begin:middle] and words[middle:end] to out[begin:end]."""
    one = np.uint64(1)
    i, j, p, q = np.uint64(begin), np.uint64(middle), np.uint64(middle), np.uint64(end)
    low, high = np.uint64(begin), np.uint64(end)
    while True:
        # So many steps from either end cannot use up the shorter stream.
        steps = min(np.int64(p - i), np.int64(q - j)) // 2
        if steps <= 0:
            break
        for _ in range(steps):
            x, y = words[i], words[j]
            second = np.uint64(y < x)
            out[low] = min(x, y)
            low += one
            j += second
            i += one - second
            x, y = words[p - one], words[q - one]
            second = np.uint64(y > x)
            high -= one
            out[high] = max(x, y)
            q -= second
            p -= one - second
    while i < p and j < q:
        if words[j] < words[i]:
            out[low] = words[j]
            j += one
        else:
            out[low] = words[i]
            i += one
        low += one
    while i < p:
        out[low] = words[i]
        low += one
        i += one
    while j < q:
        out[low] = words[j]
        low += one
        j += one
