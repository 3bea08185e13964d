"""PicoQuant's files: ``.ptu`` through ptufile, ``.ht3`` of format 2.0 here, of format 1.0 through tttrlib.

T2 times are ps since the start. T3 gives the number of the sync pulse and the time since it: the tag's time is number
times sync period plus that. A ``.ht3`` file has the sync rate in whole hertz, so the scale of its long times is only
that good. Layout of ``.ht3`` 2.0: the structures of tsbischof/libpicoquant, ``src/hydraharp/hh_v20.h``; records as in
PicoQuant's published demos. Markers are counted, not returned.
"""

import logging
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._arrays import Times
from ..tags import Tags
from .recording import Recording

_PICOHARP_T2 = 0x00010203
_HT3_RECORDS_AT = 800
_SPECIAL, _OVERFLOW = 1 << 31, 63


def read_ptu(path: Path) -> Recording:
    """Read a unified T2 or T3 file. The sync input's own events (T2) get the number after the last input's.

    Raises:
        ValueError: no such file, or one that is damaged before its first record.
        ModuleNotFoundError: ptufile is not installed.
    """
    try:
        import ptufile
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "reading .ptu files takes ptufile: pip install 'bellringer[files]'", name=error.name
        ) from None
    log = logging.getLogger("ptufile")
    level, log.level = log.level, logging.ERROR  # it warns of cut files; so do we, in the recording
    try:
        with ptufile.PtuFile(path) as file:
            words = file.read_records()
            decoded = file.decode_records(words)
            header = dict(file.tags)
            t3 = bool(file.is_t3)
            unit, resolution = file.global_resolution, file.tcspc_resolution
    except (ptufile.PqFileError, struct.error, KeyError) as error:
        raise ValueError(f"{path}: not a sound .ptu file: {error}") from error
    finally:
        log.level = level
    photons = decoded["channel"] >= 0
    channels, names = decoded["channel"].astype(np.uint8), {}
    if not t3 and header["TTResultFormat_TTTRRecType"] != _PICOHARP_T2:
        sync = words >> 25 == _SPECIAL >> 25  # ptufile calls sync events channel 0, as those of the first input
        channels[sync] = inputs = int(header.get("HW_InpChannels", 64))
        names = {str(inputs): "sync"} if sync.any() else {}
    counts = decoded["time"][photons].astype(np.int64)
    if t3:
        rate = int(header.get("TTResult_SyncRate", 0))
        period = Fraction(10**12, rate) if rate and abs(unit * rate - 1) < 1e-9 else _near(unit)
        times, repairs = _t3_times(path, counts, decoded["dtime"][photons], period, _near(resolution))
    else:
        times, repairs = _scaled(counts, _near(unit)), ()
    channels = channels[photons]
    if repairs:
        order = np.argsort(times, kind="stable")
        times, channels = times[order], channels[order]
    about = {key: value if isinstance(value, (int, float, str, bool)) else str(value) for key, value in header.items()}
    expected = int(header.get("TTResult_NumberOfRecords", 0))
    losses = (f"{expected - len(words)} of {expected} records are cut off",) if len(words) < expected else ()
    return Recording(
        Tags(times, channels),
        about={"mode": "T3" if t3 else "T2", "channels": names, "markers": int((decoded["marker"] > 0).sum()),
               "header": about},
        repairs=repairs,
        losses=losses,
    )  # fmt: skip


def read_ht3(path: Path) -> Recording:
    """Read a HydraHarp T3 file of format 2.0, or 1.0 if tttrlib is installed.

    Raises:
        ValueError: another format or mode, or a header that makes no sense.
        ModuleNotFoundError: format 1.0 without tttrlib.
    """
    raw = path.read_bytes()
    version = raw[16:22].rstrip(b"\0").decode("ascii", "replace")
    if not raw.startswith(b"HydraHarp") or version not in ("1.0", "2.0"):
        raise ValueError(f"{path} is no HydraHarp file of format 1.0 or 2.0")
    if version == "1.0":
        return _ht3_of_tttrlib(path)
    if len(raw) < _HT3_RECORDS_AT:
        raise ValueError(f"{path}: the header is cut off after {len(raw)} bytes")
    (bits,), (mode,) = struct.unpack_from("<i", raw, 0x14C), struct.unpack_from("<i", raw, 0x154)
    (resolution,), (inputs,) = struct.unpack_from("<d", raw, 0x160), struct.unpack_from("<i", raw, 0x298)
    if mode != 3 or bits != 32 or not 0 < resolution < 1e9 or not 0 <= inputs <= 64:
        raise ValueError(f"{path} is no T3 file with 32-bit records (mode {mode}, {bits} bits)")
    at = 0x2B8 + 20 * inputs  # 16 bytes of settings and 4 of rate for each input
    if len(raw) < at + 24:
        raise ValueError(f"{path}: the header is cut off after {len(raw)} bytes")
    rate, _, stop, image, expected = struct.unpack_from("<iiiiq", raw, at)
    if rate <= 0 or image < 0 or expected < 0:
        raise ValueError(f"{path}: the header makes no sense (sync rate {rate} Hz, {expected} records)")
    start = at + 24 + 4 * image
    count = min(expected, max(0, len(raw) - start) // 4)
    words = np.frombuffer(raw, "<u4", count, start if count else 0)
    pulses, delays, channels, markers = _t3_records(words)
    times, repairs = _t3_times(path, pulses, delays, Fraction(10**12, rate), _near(resolution * 1e-12))
    if repairs:
        order = np.argsort(times, kind="stable")
        times, channels = times[order], channels[order]
    losses = (f"{expected - count} of {expected} records are cut off",) if count < expected else ()
    about = {"mode": "T3", "version": version, "sync_rate_hz": rate, "resolution_ps": resolution, "markers": markers,
             "stop_reason": stop, "created": raw[52:70].rstrip(b"\0").decode("latin-1")}  # fmt: skip
    return Recording(Tags(times, channels), about=about, repairs=repairs, losses=losses)


def _t3_records(
    words: npt.NDArray[np.uint32],
) -> tuple[Times, npt.NDArray[np.int64], npt.NDArray[np.uint8], int]:
    """Return (sync pulse, time since it in units of the resolution, channel) of the photons, and the markers' number.

    A record is 1 bit special, 6 channel, 15 time, 10 pulse; special channel 63 adds 1024 pulses as many times as its
    pulse field says (once if that is 0).
    """
    channel, pulse = words >> 25 & 63, (words & 1023).astype(np.int64)
    special = words >= _SPECIAL
    overflow = special & (channel == _OVERFLOW)
    pulses = pulse + np.cumsum(np.where(overflow, np.maximum(pulse, 1), 0)) * 1024
    photons = ~special
    markers = special & (channel >= 1) & (channel <= 15)
    delays = (words >> 10 & 0x7FFF).astype(np.int64)
    return pulses[photons], delays[photons], channel[photons].astype(np.uint8), int(markers.sum())


def _ht3_of_tttrlib(path: Path) -> Recording:
    try:
        import tttrlib
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "reading .ht3 files of format 1.0 takes tttrlib: pip install 'bellringer[files]'", name=error.name
        ) from None
    file = tttrlib.TTTR(str(path), "HT3")
    if not len(file):
        raise ValueError(f"{path}: tttrlib finds no photon in it")
    period, resolution = (_near(x) for x in (file.header.macro_time_resolution, file.header.micro_time_resolution))
    pulses, delays = file.macro_times.astype(np.int64), file.micro_times.astype(np.int64)
    times, repairs = _t3_times(path, pulses, delays, period, resolution)
    order = np.argsort(times, kind="stable")
    channels = file.routing_channels.astype(np.uint8)
    return Recording(Tags(times[order], channels[order]), about={"mode": "T3", "version": "1.0"}, repairs=repairs)


def _t3_times(
    path: Path, pulses: Times, delays: npt.NDArray[Any], period: Fraction, resolution: Fraction
) -> tuple[Times, tuple[str, ...]]:
    """Return times in ps, not yet sorted, and what must be put right.

    Inputs with an offset can report photons of one pulse out of order; more than that is no T3 file.
    """
    times = _scaled(pulses, period) + _scaled(delays.astype(np.int64), resolution)
    back = np.flatnonzero(np.diff(times) < 0)
    if not len(back):
        return times, ()
    worst = int(-np.diff(times)[back].min())
    if (np.diff(pulses) < 0).any() or worst > 2 * period + 2**16 * resolution:
        raise ValueError(f"{path}: time goes back by {worst} ps at photon {int(back[0]) + 1}")
    return times, (f"{len(back)} of {len(times)} photons were put in order, by {worst} ps at most",)


def _scaled(counts: Times, unit: Fraction) -> Times:
    """Return ``counts`` times ``unit`` in whole ps, rounded once."""
    whole, rest = divmod(unit.numerator, unit.denominator)
    largest = int(np.abs(counts).max(initial=0))
    if largest * (whole + 1) >= 2**62 or largest * rest >= 2**62:
        raise ValueError(f"times up to {largest} x {float(unit):g} ps are beyond 2^62 ps")
    times: Times = counts * whole + (counts * rest + unit.denominator // 2) // unit.denominator
    return times


def _near(seconds: float) -> Fraction:
    """Return a float of seconds as ps: a whole number or simple fraction where it is one, else to 2^-20 ps."""
    simple = Fraction(seconds * 1e12).limit_denominator(1000)
    return simple if abs(simple - Fraction(seconds * 1e12)) < simple * Fraction(1, 10**13) else Fraction(
        round(seconds * 1e12 * 2**20), 2**20)  # fmt: skip
