"""Sorted picosecond times: the checks that everything else here is built on."""

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]
"""int64[n], ps, ascending; equal times are allowed."""


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
