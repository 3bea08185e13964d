"""Swabian Instruments' ``Dump``: 16 bytes a record, markers of what was lost among them.

Source: Time Tagger documentation 2.22, "Time-tag streaming", for the layout; libtcspc, ``swabian_tag_event``, for the
numbers of the record types.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._gaps import ToldGaps, told_gaps
from .raw import RawSource, Records

_TAG, _ERROR, _BEGIN, _END, _MISSED = range(5)


class Swabian(RawSource):
    """A dump: type, reserved, missed events (uint16), channel (int32), time in ps (int64), little-endian.

    Overflows are gaps from their begin to their end, missed events and errors from the record before to theirs.

    Args:
        channels: Swabian's number to ours. Default: 0 to 127 keep theirs, a falling edge -n becomes 128 + n.
    """

    name = "Swabian dump"
    kind = np.dtype([("type", "u1"), ("free", "u1"), ("missed", "<u2"), ("channel", "<i4"), ("time", "<i8")])

    def __init__(self, path: Path, channels: Mapping[int, int] | None = None) -> None:
        super().__init__(path)
        self._channels = channels
        self.about = {"channels": {}}

    def decode(self, first: int, records: Records) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        photons = records["type"] == _TAG
        return records["time"][photons], self._numbers(records["channel"][photons])

    def told(self) -> ToldGaps:
        """Return the gaps; found in a pass of their own, for an overflow's end may be far from its begin."""
        kinds, times, before, missed = ([np.empty(0, np.int64)] for _ in range(4))
        start = last = 0
        for first, records in self.chunks():
            strange = (records["type"] > _MISSED) | (records["free"] != 0)
            if strange.any():
                raise ValueError(
                    f"{self.path} is no Swabian dump: record {first + int(strange.argmax())} is of no type there is"
                )
            all_times = records["time"].astype(np.int64)
            start, last = (int(all_times[0]) if first == 0 else start), (int(all_times[0]) if first == 0 else last)
            marks = np.flatnonzero(records["type"] != _TAG)
            kinds.append(records["type"][marks].astype(np.int64))
            times.append(all_times[marks])
            before.append(np.concatenate([[last], all_times[:-1]])[marks])
            missed.append(records["missed"][marks].astype(np.int64))
            last = int(all_times[-1])
        every = _Marks(*map(np.concatenate, (kinds, times, before, missed)))
        return _gaps(every, start, last)

    def _numbers(self, numbers: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
        found, inverse = np.unique(numbers, return_inverse=True)
        table = self._channels or {int(n): int(n) if n >= 0 else 128 - int(n) for n in found if -127 <= n <= 127}
        missing = [int(n) for n in found if not 0 <= table.get(int(n), -1) <= 255]
        if missing:
            raise ValueError(f"channels {missing[:5]} have no number from 0 to 255; give a map for all")
        new = np.array([table[int(n)] for n in found], np.uint8)
        self.about["channels"] |= {
            str(table[n]): f"{n} (falling edge)" if n < 0 else str(n) for n in found.tolist() if table[n] != n
        }
        return new[inverse] if len(found) else np.empty(0, np.uint8)


class _Marks(NamedTuple):
    """Type, time and missed events of all markers, and the time of the record before each."""

    kinds: npt.NDArray[np.int64]
    times: npt.NDArray[np.int64]
    before: npt.NDArray[np.int64]
    missed: npt.NDArray[np.int64]


def _gaps(marks: _Marks, start: int, last: int) -> ToldGaps:
    """Return the gaps that markers tell of; ``start`` and ``last`` are the first and last time of the file."""
    kinds, times, before, missed = marks
    begins, ends = np.flatnonzero(kinds == _BEGIN), np.flatnonzero(kinds == _END)
    # The end that belongs to a begin is the next one; without one the overflow lasts to the end of the file.
    stops = np.append(times[ends], last + 1)[np.searchsorted(ends, begins)]
    # An end without a begin: the recording began in an overflow.
    lone = ends[np.searchsorted(begins, ends) == 0]
    other = np.flatnonzero((kinds == _MISSED) | (kinds == _ERROR))
    edges = np.concatenate([
        np.column_stack([times[begins], stops]),
        np.column_stack([np.full(len(lone), start), times[lone]]),
        np.column_stack([before[other], times[other]]),
    ])  # fmt: skip
    reasons = ["overflow"] * (len(begins) + len(lone))
    reasons += ["missed events" if kind == _MISSED else "unknown" for kind in kinds[other]]
    unknown: list[int | None] = [None] * (len(begins) + len(lone))
    return told_gaps(edges, reasons, unknown + [int(missed[k]) if kinds[k] == _MISSED else None for k in other])
