"""Instruments' raw dumps without a self-telling header: quTAG, Swabian, ID900, qcrypto."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._arrays import Times
from .._gaps import ToldGaps, told_gaps
from ..tags import Tags
from .recording import Recording

_QUTAG = np.dtype([("time", "<i8"), ("channel", "<i2")])
_QUTAG_HEADER = 40
_SWABIAN = np.dtype([("type", "u1"), ("free", "u1"), ("missed", "<u2"), ("channel", "<i4"), ("time", "<i8")])
_TAG, _ERROR, _BEGIN, _END, _MISSED = range(5)
_NO_DETECTION = 0


def read_qutag(path: Path, unit_ps: int = 1) -> Recording:
    """Read qutools' binary format: 40 bytes of header, then 10 bytes a tag: int64 time, int16 channel.

    Args:
        unit_ps: of the times: 1 for a quTAG. A quTAU counts in steps of its own, about 81 ps.

    Raises:
        ValueError: no such file; times out of order; channels beyond 255.
    """
    body, losses = _records(path, _QUTAG, _QUTAG_HEADER)
    if len(body) and int(np.abs(body["time"]).max()) * unit_ps >= 2**62:
        raise ValueError(f"{path}: times reach 2^62 ps; this is no quTAG file, or a damaged one")
    tags = _tags(path, "quTAG", body["time"] * unit_ps, body["channel"])
    return Recording(tags, losses=losses)


def read_swabian(path: Path, channels: Mapping[int, int] | None = None) -> Recording:
    """Read a Swabian Time Tagger ``Dump``: 16 bytes a record (type, missed events, channel, time in ps).

    Overflows are gaps from their begin to their end, missed events and errors from the record before to theirs.

    Args:
        channels: Swabian's number to ours. Default: 0 to 127 keep theirs, a falling edge -n becomes 128 + n.

    Raises:
        ValueError: no such file; times out of order; a channel that has no number here.
    """
    body, losses = _records(path, _SWABIAN, 0)
    strange = (body["type"] > _MISSED) | (body["free"] != 0)
    if strange.any():
        raise ValueError(f"{path} is no Swabian dump: record {int(strange.argmax())} is of no type there is")
    body = body.astype(_SWABIAN.newbyteorder("="))
    photons = body["type"] == _TAG
    numbers, names = _swabian_channels(path, body["channel"][photons], channels)
    told = _swabian_gaps(body)
    tags = _tags(path, "Swabian dump", body["time"][photons], numbers, told.gaps)
    return Recording(tags, told.reasons, told.missed, {"channels": names}, losses=losses)


def read_id900(path: Path, channel: int = 0) -> Recording:
    """Read one channel's time stamps as DataLinkTargetService saves them: uint64 ps since the acquisition's start.

    Raises:
        ValueError: no such file, or times that go back: they count from a reference then, see ``read_id900_indexed``.
    """
    times, losses = _records(path, np.dtype("<u8"), 0)
    if (times[1:] < times[:-1]).any():
        raise ValueError(
            f"{path}: times go back at time stamp {int((times[1:] < times[:-1]).argmax()) + 1}; if they count from a "
            "reference, with its index saved, the format is id900-indexed"
        )
    return Recording(_tags(path, "ID900", times, np.full(len(times), channel)), losses=losses)


def read_id900_indexed(path: Path, reference_period_ps: int = 0, channel: int = 0) -> Recording:
    """Read time stamps saved with the reference's index: pairs of uint64, ps since the reference and its number.

    Raises:
        ValueError: no such file; no period given; times out of order.
    """
    if reference_period_ps <= 0:
        raise ValueError(f"{path}: time stamps with a reference index need the reference's period")
    pairs, losses = _records(path, np.dtype([("time", "<u8"), ("index", "<u8")]), 0)
    if len(pairs) and int(pairs["index"].max()) * reference_period_ps + int(pairs["time"].max()) >= 2**62:
        raise ValueError(f"{path}: times reach 2^62 ps; these are no time stamps with a reference index")
    times = pairs["time"] + pairs["index"] * np.uint64(reference_period_ps)
    tags = _tags(path, "ID900 with index", times, np.full(len(times), channel))
    return Recording(tags, about={"reference_period_ps": reference_period_ps}, losses=losses)


def read_a1(path: Path, swapped: bool = False) -> Recording:
    """Read qcrypto's a1 events: 64 bits, the upper 54 a time in 1/256 ns, the lower 4 a pattern of detectors.

    Detector k of 4 is channel k; an event of several detectors is a tag of each. Events without a detector (timer
    events) are counted in ``about``. Times are rounded to whole ps, off by 0.5 ps at most.

    Args:
        swapped: the older layout with the upper 32 bits first.

    Raises:
        ValueError: no such file; times out of order.
    """
    words, losses = _records(path, np.dtype("<u8"), 0)
    if swapped:
        words = words << np.uint64(32) | words >> np.uint64(32)
    times, pattern = (words >> np.uint64(10)).astype(np.int64), (words & np.uint64(15)).astype(np.uint8)
    if (np.diff(times) < 0).any():
        other = words << np.uint64(32) | words >> np.uint64(32)
        hint = "; with its words swapped it is: the format is " + ("a1" if swapped else "a1-swapped")
        better = (np.diff((other >> np.uint64(10)).astype(np.int64)) >= 0).all()
        index = int((np.diff(times) < 0).argmax()) + 1
        raise ValueError(f"{path} is not in order: time goes back at event {index}{hint if better else ''}")
    times = (times >> 5) * 125 + ((times & 31) * 125 + 16 >> 5)
    hits = np.unpackbits(pattern[:, None], axis=1, bitorder="little")[:, :4].astype(bool)
    event, detector = np.nonzero(hits)
    tags = _tags(path, "qcrypto a1", times[event], detector + 1)
    return Recording(tags, about={"events_without_detector": int((pattern == _NO_DETECTION).sum())}, losses=losses)


def _records(path: Path, kind: np.dtype[Any], header: int) -> tuple["npt.NDArray[Any]", tuple[str, ...]]:
    """Return a file's records, and a word about a last one that is cut off."""
    raw = path.read_bytes()
    if len(raw) < header:
        raise ValueError(f"{path} has {len(raw)} bytes; its header alone has {header}")
    count, rest = divmod(len(raw) - header, kind.itemsize)
    losses = (f"the last record is cut off: {rest} of {kind.itemsize} bytes",) if rest else ()
    return np.frombuffer(raw, kind, count, header if count else 0), losses


def _tags(path: Path, kind: str, times: npt.ArrayLike, channels: npt.ArrayLike, gaps: Times | None = None) -> Tags:
    try:
        return Tags(times, channels, gaps)
    except ValueError as error:
        raise ValueError(f"{path}, read as {kind}: {error}") from None


def _swabian_channels(
    path: Path, numbers: npt.NDArray[np.int32], given: Mapping[int, int] | None
) -> tuple[npt.NDArray[np.uint8], dict[str, str]]:
    found, inverse = np.unique(numbers, return_inverse=True)
    table = given or {int(n): int(n) if n >= 0 else 128 - int(n) for n in found if -127 <= n <= 127}
    missing = [int(n) for n in found if not 0 <= table.get(int(n), -1) <= 255]
    if missing:
        raise ValueError(f"{path}: channels {missing[:5]} have no number from 0 to 255; give a map for all")
    new = np.array([table[int(n)] for n in found], np.uint8)
    names = {str(table[int(n)]): f"{n} (falling edge)" if n < 0 else str(n) for n in found.tolist() if table[n] != n}
    return new[inverse] if len(found) else np.empty(0, np.uint8), names


def _swabian_gaps(body: "npt.NDArray[Any]") -> ToldGaps:
    kinds, times = body["type"], body["time"]
    before = np.concatenate([times[:1], times[:-1]])
    begins, ends = np.flatnonzero(kinds == _BEGIN), np.flatnonzero(kinds == _END)
    # The end that belongs to a begin is the next one; without one the overflow lasts to the end of the file.
    after = np.searchsorted(ends, begins)
    stops = np.append(times[ends], times[-1:] + 1)[after] if len(begins) else times[:0]
    # An end without a begin: the recording began in an overflow.
    lone = ends[np.searchsorted(begins, ends) == 0]
    other = np.flatnonzero((kinds == _MISSED) | (kinds == _ERROR))
    edges = np.concatenate([
        np.column_stack([times[begins], stops]),
        np.column_stack([np.repeat(times[:1], len(lone)), times[lone]]),
        np.column_stack([before[other], times[other]]),
    ])  # fmt: skip
    reasons = ["overflow"] * (len(begins) + len(lone))
    reasons += ["missed events" if kind == _MISSED else "unknown" for kind in kinds[other]]
    missed: list[int | None] = [None] * (len(begins) + len(lone))
    missed += [int(body["missed"][k]) if kinds[k] == _MISSED else None for k in other]
    return told_gaps(edges, reasons, missed)
