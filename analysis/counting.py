"""Two-fold coincidences between sorted streams, and the accidental ones among them.

A coincidence is every pair of tags with |t_b - t_a - delay| <= window: all pairs count (a tag can be in several), and
the full width in which unrelated tags meet is 2 window + 1 ps. Streams are int64 ps, ascending; ``ValueError`` if not.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ._arrays import Times, check_reach, partners, sorted_times
from .estimates import ZERO_COUNTS_ERROR


def count_coincidences(a_ps: npt.ArrayLike, b_ps: npt.ArrayLike, window_ps: int, delay_ps: int = 0) -> int:
    """Return the number of pairs with |b - a - delay| <= window.

    Args:
        a_ps: int64[n], ps.
        b_ps: int64[m], ps.
        window_ps: half width, 0 or more.
        delay_ps: where b's tag of a true pair comes after a's.
    """
    return _count(sorted_times(a_ps, "a_ps"), sorted_times(b_ps, "b_ps"), _checked(window_ps), int(delay_ps))


def coincidence_matrix(
    a: Sequence[npt.ArrayLike], b: Sequence[npt.ArrayLike], window_ps: int, delay_ps: int = 0
) -> npt.NDArray[np.int64]:
    """Return int64[len(a), len(b)], ``count_coincidences`` of every detector of one end with every one of the other."""
    rows, columns, window = _streams(a, "a"), _streams(b, "b"), _checked(window_ps)
    counts = [[_count(x, y, window, int(delay_ps)) for y in columns] for x in rows]
    return np.array(counts, dtype=np.int64).reshape(len(rows), len(columns))


def accidental_matrix(
    a: Sequence[npt.ArrayLike],
    b: Sequence[npt.ArrayLike],
    window_ps: int,
    delay_ps: int = 0,
    shifts_ps: Sequence[int] | None = None,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return (mean, error), float64[len(a), len(b)] each: counts in one window, averaged over windows off the peak.

    The error is Poissonian, sqrt(total) / windows, and 1.841 / windows where no window had a count. It covers counting
    only: rates that vary within the largest shift bias the mean.

    Args:
        a: streams of one end, int64 ps each.
        b: streams of the other end.
        window_ps: half width of each window, as in ``coincidence_matrix``.
        delay_ps: the peak.
        shifts_ps: window centres relative to the peak. Default: +-200 to +-400 windows in steps of
            10, a window being taken as at least 100 ps.

    Raises:
        ValueError: no shifts, or shifted windows that overlap each other or the peak's.
    """
    rows, columns, window = _streams(a, "a"), _streams(b, "b"), _checked(window_ps)
    shifts = _checked_shifts(shifts_ps, window)
    totals = np.zeros((len(rows), len(columns)))
    for group in np.split(shifts, np.flatnonzero(np.diff(shifts) > 64 * (window + 1)) + 1):
        totals += [[_total(x, y, window, int(delay_ps), group) for y in columns] for x in rows]
    return totals / len(shifts), np.where(totals > 0, np.sqrt(totals), ZERO_COUNTS_ERROR) / len(shifts)


def delayed_windows(window_ps: int) -> npt.NDArray[np.int64]:
    """Return int64[42], ps: where ``accidental_matrix`` looks by default, relative to the peak."""
    return _checked_shifts(None, _checked(window_ps))


def _count(a: Times, b: Times, window: int, delay: int) -> int:
    if len(b) < len(a):
        a, b, delay = b, a, -delay
    check_reach(a, delay, window)
    first = np.searchsorted(b, a + (delay - window), "left")
    # Most tags have no partner: look for the last partner only where there is a first one.
    some = first < len(b)
    some[some] = b[first[some]] <= a[some] + (delay + window)
    return int((np.searchsorted(b, a[some] + (delay + window), "right") - first[some]).sum())


def _total(a: Times, b: Times, window: int, delay: int, shifts: Times) -> int:
    """Return the counts in all windows of a group of neighbouring shifts, found by one search."""
    low, high = delay + int(shifts[0]) - window, delay + int(shifts[-1]) + window
    if len(shifts) == 1:
        return _count(a, b, window, delay + int(shifts[0]))
    total = 0
    for i, j in partners(a, b, low, high):
        difference = b[j] - a[i] - delay
        nearest = shifts[np.searchsorted(shifts, difference + window, "right") - 1]
        total += int((difference <= nearest + window).sum())
    return total


def _streams(streams: Sequence[npt.ArrayLike], name: str) -> list[Times]:
    return [sorted_times(stream, f"{name}[{i}]") for i, stream in enumerate(streams)]


def _checked(window_ps: int) -> int:
    if window_ps < 0 or window_ps != int(window_ps):
        raise ValueError(f"window_ps is {window_ps}; it must be a whole number of ps, zero or more")
    return int(window_ps)


def _checked_shifts(shifts_ps: Sequence[int] | None, window: int) -> Times:
    if shifts_ps is None:
        steps = np.arange(20, 41) * 10 * max(window, 100)
        return np.concatenate([-steps[::-1], steps])
    shifts = np.sort(np.asarray(shifts_ps, dtype=np.int64))
    if len(shifts) == 0:
        raise ValueError("no shifts: accidentals need at least one window off the peak")
    if np.diff(shifts).min(initial=2 * window + 1) <= 2 * window or np.abs(shifts).min() <= 2 * window:
        raise ValueError(f"shifted windows overlap each other or the peak's; set them more than {2 * window} ps apart")
    return shifts
