"""Sorted streams to one: stretch by stretch, so that the work stays in the caches. Stable, and easy on memory."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ._arrays import Times

Channels = npt.NDArray[np.uint8]

STRETCH = 1 << 15
"""Tags merged in one go: words and spare together fill half a second-level cache of 1 MB."""
_LONGEST_PS = 1 << 48
_MOST_STREAMS = 256


def merged(streams: Sequence[tuple[Times, Channels]]) -> tuple[Times, Channels]:
    """Return (int64[n] ps, uint8[n]) of all streams together; at equal times the earlier stream comes first."""
    streams = [(np.ascontiguousarray(t), np.ascontiguousarray(c)) for t, c in streams if len(t)]
    while len(streams) > _MOST_STREAMS:
        streams = [merged(streams[k : k + _MOST_STREAMS]) for k in range(0, len(streams), _MOST_STREAMS)]
    if not streams:
        return np.empty(0, np.int64), np.empty(0, np.uint8)
    total = sum(len(t) for t, _ in streams)
    times, channels = np.empty(total, np.int64), np.empty(total, np.uint8)
    each = max(1, STRETCH // len(streams))
    words, spare = np.empty((2, each * len(streams)), np.uint64)
    at, done = [0] * len(streams), 0
    while done < total:
        # The stretch ends before the time that one of the streams cannot go beyond with so many tags.
        ahead = [int(t[i + each]) for i, (t, _) in zip(at, streams) if i + each < len(t)]
        ends = [len(t) for t, _ in streams]
        if ahead:
            limit = min(ahead)
            ends = [i + int(np.searchsorted(t[i : i + each], limit, "left")) for i, (t, _) in zip(at, streams)]
            if ends == at:  # more than ``each`` equal times
                ends = [i + int(np.searchsorted(t[i:], limit, "right")) for i, (t, _) in zip(at, streams)]
        pieces = [(t[i:j], c[i:j]) for i, j, (t, c) in zip(at, ends, streams)]
        size = sum(map(len, (t for t, _ in pieces)))
        _merge_stretch(pieces, words, spare, times[done : done + size], channels[done : done + size])
        at, done = ends, done + size
    return times, channels


def _merge_stretch(
    pieces: list[tuple[Times, Channels]],
    words: npt.NDArray[np.uint64],
    spare: npt.NDArray[np.uint64],
    times: Times,
    channels: Channels,
) -> None:
    from ._merge_kernels import merge_words, pack

    origin = min(int(t[0]) for t, _ in pieces if len(t))
    last = max(int(t[-1]) for t, _ in pieces if len(t))
    if last - origin >= _LONGEST_PS or len(times) > len(words):
        # Slow streams (fewer than a few hundred tags a second), or thousands of equal times: rare, so done simply.
        every = np.concatenate([t for t, _ in pieces])
        order = np.argsort(every, kind="stable")
        times[:], channels[:] = every[order], np.concatenate([c for _, c in pieces])[order]
        return
    ends, at = [], 0
    for number, (t, c) in enumerate(pieces):
        pack(t, c, origin, number, words, at)
        at += len(t)
        ends.append(at)
    merge_words(words, spare, np.array(ends), origin, times, channels)
