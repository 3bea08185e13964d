"""Sorted picosecond times: the checks and the one search that everything else here is built on."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]
"""int64[n], ps, ascending; equal times are allowed."""

_ROWS = 1 << 16
_PAIRS = 1 << 20


def sorted_times(times: npt.ArrayLike, name: str) -> Times:
    """Return ``times`` as int64 ps, checked: whole numbers, one dimension, ascending.

    Raises:
        ValueError: names the array and, where an order is broken, the index.
    """
    array = np.asarray(times)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"{name} must be one-dimensional whole picoseconds, not {array.dtype}{list(array.shape)}")
    if array.dtype == np.uint64 and array.max(initial=0) > np.iinfo(np.int64).max:
        raise ValueError(f"{name} holds times beyond the 64-bit signed range")
    array = array.astype(np.int64, copy=False)
    falls = array[1:] < array[:-1]
    if falls.any():
        index = int(falls.argmax()) + 1
        raise ValueError(f"{name} is not ascending at index {index}: {array[index - 1]} ps, then {array[index]} ps")
    return array


def check_reach(a: Times, *offsets: int) -> None:
    """Raise ValueError if a time of ``a`` plus all ``offsets`` could leave the 64-bit range."""
    largest = max((abs(int(t)) for t in (a[:1].tolist() + a[-1:].tolist())), default=0) + sum(map(abs, offsets))
    if largest >= 2**63:
        raise ValueError(
            f"times, delay and window add up to {largest} ps, beyond 64 bits; subtract a common start first"
        )


def partners(a: Times, b: Times, low: int, high: int) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Yield (i, j) index arrays of all pairs with low <= b[j] - a[i] <= high, i ascending, then j.

    Memory is bounded: at most about a million pairs at a time, or the partners of one single tag if those are more.
    """
    check_reach(a, low, high)
    start = 0
    while start < len(a):
        rows = a[start : start + _ROWS]
        first = np.searchsorted(b, rows + low, "left")
        # Within a narrow window most tags have no partner: look for the last one only where there is a first one.
        some = first < len(b)
        some[some] = b[first[some]] <= rows[some] + high
        index = np.flatnonzero(some)
        first = first[index]
        count = np.searchsorted(b, rows[index] + high, "right") - first
        ends = np.cumsum(count)
        taken = max(1, int(np.searchsorted(ends, _PAIRS, "right")))
        if taken < len(index):
            index, first, count, ends, step = (
                index[:taken],
                first[:taken],
                count[:taken],
                ends[:taken],
                int(index[taken]),
            )
        else:
            step = len(rows)
        if len(index):
            yield np.repeat(start + index, count), np.arange(ends[-1]) + np.repeat(first - ends + count, count)
        start += step
