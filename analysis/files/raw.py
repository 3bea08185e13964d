"""Instruments' raw dumps without a self-telling header: quTAG, ID900, qcrypto; records of one size after each other."""

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._arrays import Times
from .._gaps import ToldGaps, told_gaps
from ..tags import Tags
from .source import STEP, Part, Source

Records = npt.NDArray[Any]
_FARTHEST = 2**62


class RawSource(Source):
    """Records of one kind after a header.

    Attributes:
        name: of the format, for messages.
        kind: of a record.
        count: of the records.
    """

    name: str
    kind: "np.dtype[Any]"

    def __init__(self, path: Path, header: int = 0) -> None:
        super().__init__(path.stat().st_size)
        if self.size < header:
            raise ValueError(f"{path} has {self.size} bytes; its header alone has {header}")
        self.path, self._header = path, header
        self.count, rest = divmod(self.size - header, self.kind.itemsize)
        if rest:
            self.losses = (f"the last record is cut off: {rest} of {self.kind.itemsize} bytes",)

    @abstractmethod
    def decode(self, first: int, records: Records) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return times in ps and channels of the tags among some records, the first of which has this number.

        Raises:
            ValueError: these are none of this format; says what is wrong, without the file's name.
        """

    def told(self) -> ToldGaps:
        """Return all gaps of the file; none here."""
        return told_gaps([], (), ())

    def chunks(self) -> Iterator[tuple[int, Records]]:
        """Yield (number of the first one, records), a few hundred thousand at a time."""
        with open(self.path, "rb") as file:
            file.seek(self._header)
            for first in range(0, self.count, STEP):
                wanted = min(STEP, self.count - first)
                records = np.fromfile(file, self.kind, wanted)
                if len(records) < wanted:
                    raise ValueError(f"{self.path} became shorter while it was read")
                yield first, records

    def parts(self) -> Iterator[Part]:
        told, count = self.told(), 0
        if len(told.gaps):
            yield Part(Tags([], [], told.gaps), told.reasons, told.missed)
        last: int | None = None
        for first, records in self.chunks():
            try:
                times, channels = self.decode(first, records)
                _check_order(times, last, count)
                tags = Tags(times, channels)
            except ValueError as error:
                raise ValueError(f"{self.path}, read as {self.name}: {error}") from None
            last = int(tags.times_ps[-1]) if len(tags) else last
            count += len(tags)
            yield Part(tags, end_byte=self._header + (first + len(records)) * self.kind.itemsize)


def _check_order(times: npt.NDArray[Any], last: int | None, count: int) -> None:
    """Raise ValueError if times go back, or the first one before the ``last`` of ``count`` tags before."""
    if last is not None and len(times) and int(times[0]) < last:
        raise ValueError(f"times go back at tag {count}, from {last} ps to {times[0]} ps")
    falls = times[1:] < times[:-1]
    if falls.any():
        k = int(falls.argmax())
        raise ValueError(f"times go back at tag {count + k + 1}, from {times[k]} ps to {times[k + 1]} ps")


class QuTag(RawSource):
    """qutools' FORMAT_BINARY: 40 bytes of header, then 10 bytes a tag: int64 time, int16 channel, little-endian.

    Channels are counted from 0 in these files, from 1 in qutools' text files. 100 to 104 and 200 to 203 are marker
    inputs and the millisecond tick, of low resolution, if they were switched on. Source: qutools, ``tdcbase.h`` of the
    quTAG library 1.5.2, and its example for ``writeTimestamps``; quTAU manual 4.0, page 25.

    Args:
        unit_ps: of the times: 1 for a quTAG. A quTAU counts in steps of its own, about 81 ps.
        header: bytes before the first record; 0 for FORMAT_RAW.
    """

    name = "quTAG"
    kind = np.dtype([("time", "<i8"), ("channel", "<i2")])

    def __init__(self, path: Path, unit_ps: int = 1, header: int = 40) -> None:
        super().__init__(path, header)
        self._unit_ps = unit_ps

    def decode(self, first: int, records: Records) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        if len(records) and int(np.abs(records["time"]).max()) * self._unit_ps >= _FARTHEST:
            raise ValueError("times reach 2^62 ps; this is no quTAG file, or a damaged one")
        return records["time"] * self._unit_ps, records["channel"]


class Id900(RawSource):
    """One channel's time stamps as DataLinkTargetService saves them: uint64 ps since the acquisition's start.

    Source: ID Quantique, Time Controller Series user manual, page 48, table 10, and its example that reads such files.
    """

    name = "ID900"
    kind = np.dtype("<u8")

    def __init__(self, path: Path, channel: int = 0) -> None:
        super().__init__(path)
        self._channel = channel

    def decode(self, first: int, records: Records) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        falls = records[1:] < records[:-1]
        if falls.any():
            raise ValueError(
                f"times go back at time stamp {first + int(falls.argmax()) + 1}; if they count from a reference, with "
                "its index saved, the format is id900-indexed"
            )
        return records, np.full(len(records), self._channel)


class Id900Indexed(RawSource):
    """Time stamps saved with the reference's index: pairs of uint64, ps since the reference and its number.

    Source: as ``Id900``.
    """

    name = "ID900 with index"
    kind = np.dtype([("time", "<u8"), ("index", "<u8")])

    def __init__(self, path: Path, reference_period_ps: int = 0, channel: int = 0) -> None:
        if reference_period_ps <= 0:
            raise ValueError(f"{path}: time stamps with a reference index need the reference's period")
        super().__init__(path)
        self.about = {"reference_period_ps": reference_period_ps}
        self._period_ps, self._channel = reference_period_ps, channel

    def decode(self, first: int, records: Records) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        if int(records["index"].max()) * self._period_ps + int(records["time"].max()) >= _FARTHEST:
            raise ValueError("times reach 2^62 ps; these are no time stamps with a reference index")
        times = records["time"] + records["index"] * np.uint64(self._period_ps)
        return times, np.full(len(times), self._channel)


class A1(RawSource):
    """qcrypto's a1 events: 64 bits, the upper 54 a time in 1/256 ns, the lower 4 a pattern of detectors.

    Detector k of 4 is channel k; an event of several detectors is a tag of each. Events without a detector (timer
    events) are counted in ``about``. Times are rounded to whole ps, off by 0.5 ps at most. Source:
    s-fifteen-instruments/fpfind, ``parse_timestamps.py``; for the older card kurtsiefer/qcrypto, ``readevents3.c``.

    Args:
        swapped: the older order, with the upper 32 bits first.
        eighths: 1 for files of the older card (``readevents3``): their times are 49 bits of 1/8 ns, and the bits below
            may hold the phase pattern.
    """

    name = "qcrypto a1"
    kind = np.dtype("<u8")

    def __init__(self, path: Path, swapped: bool = False, eighths: int = 0) -> None:
        super().__init__(path)
        self._swapped, self._eighths = swapped, bool(eighths)

    def parts(self) -> Iterator[Part]:
        self.about = {"events_without_detector": 0}
        return super().parts()

    def decode(self, first: int, records: Records) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        words = _swapped(records) if self._swapped else records
        times = self._units(words)
        falls = times[1:] < times[:-1]
        if falls.any():
            better = (np.diff(self._units(_swapped(words))) >= 0).all()
            other = "; with its words swapped it is: the format is " + ("a1" if self._swapped else "a1-swapped")
            raise ValueError(f"time goes back at event {first + int(falls.argmax()) + 1}{other if better else ''}")
        times = (times >> 5) * 125 + ((times & 31) * 125 + 16 >> 5)
        pattern = (words & np.uint64(15)).astype(np.uint8)
        self.about["events_without_detector"] += int((pattern == 0).sum())
        hits = np.unpackbits(pattern[:, None], axis=1, bitorder="little")[:, :4].astype(bool)
        event, detector = np.nonzero(hits)
        return times[event], detector + 1

    def _units(self, words: Records) -> Times:
        """Return the times in 1/256 ns."""
        times = (words >> np.uint64(10)).astype(np.int64)
        return times & ~np.int64(31) if self._eighths else times


def _swapped(words: Records) -> Records:
    swapped: Records = words << np.uint64(32) | words >> np.uint64(32)
    return swapped
