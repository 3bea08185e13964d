"""What ``bellringer doctor`` looks at on this computer: Python, packages, ZeroMQ, clock, disk, e-stop, ports."""

import ctypes
import re
import shutil
import socket
import sys
from collections.abc import Callable, Collection, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import zmq

from ..orchestrator.client.contact import sessions
from .findings import BAD, OK, UNKNOWN, WARN, Finding
from .kept_estop import HINT, latched_here

LEAST_BYTES, LEAST_SHARE = 5e9, 0.05
PORTS = (5570, 5571, 5572)
STA_UNSYNC, TIME_ERROR = 0x0040, 5


def host(runs: Path, ours: Collection[int]) -> Iterator[Finding]:
    """Check this computer.

    Args:
        runs: where run folders go.
        ours: ports at which a coordinator of ours answered.
    """
    yield _python()
    yield _packages()
    yield _curve()
    yield clock_is_set(_adjtimex)
    for what, folder in (("disk for runs", runs), ("disk for recordings", sessions())):
        yield disk(what, folder)
    yield _estop()
    for port in PORTS:
        yield _port(port, port in ours)


def _python() -> Finding:
    text = f"{sys.version.split()[0]} on {sys.platform}"
    fits = sys.version_info >= (3, 11)
    return Finding("python", OK if fits else BAD, text, "" if fits else "bellringer needs Python 3.11 or newer")


def _packages() -> Finding:
    wrong, seen = [], []
    for line in requires("bellringer") or []:
        match = re.match(r"([\w.-]+)\s*>=\s*([\d.]+)\s*$", line)
        if match is None:
            continue  # of the extras
        try:
            has = version(match[1])
        except PackageNotFoundError:
            wrong.append(f"{match[1]} is missing")
            continue
        seen.append(f"{match[1]} {has}")
        if _numbers(has) < _numbers(match[2]):
            wrong.append(f"{match[1]} {has} is older than {match[2]}")
    fix = "install bellringer again: pip install --upgrade bellringer" if wrong else ""
    return Finding("packages", BAD if wrong else OK, "; ".join(wrong or seen), fix)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text.partition("+")[0])[:3])


def _curve() -> Finding:
    has = bool(zmq.has("curve"))
    text = f"libzmq {zmq.zmq_version()} {'with' if has else 'without'} encryption (CURVE)"
    return Finding("zeromq", OK if has else BAD, text, "" if has else "install pyzmq from its wheel: it has CURVE")


def disk(what: str, folder: Path) -> Finding:
    """Check that there is room where ``folder`` is or will be."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    total, _, free = shutil.disk_usage(place)
    low = free < LEAST_BYTES or free < LEAST_SHARE * total
    text = f"{free / 1e9:.1f} GB free of {total / 1e9:.0f} GB at {place}"
    return Finding(what, WARN if low else OK, text, "make room: a full disk ends a recording" if low else "")


def _estop() -> Finding:
    by = latched_here()
    return Finding("e-stop here", BAD if by else OK, by or "none of an ended run or up is latched", HINT if by else "")


def _port(port: int, ours: bool) -> Finding:
    check = f"port {port}"
    with socket.socket() as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            if ours:
                return Finding(check, OK, "a coordinator of ours listens there")
            fix = "a coordinator on this computer needs another --port, or an end of that program"
            return Finding(check, WARN, f"another program listens there, or it may not be used ({error.strerror})", fix)
    return Finding(check, OK, "free")


# --- whether the clock is set -------------------------------------------------------------------------------------


class _Timex(ctypes.Structure):
    """``struct timex`` of Linux (adjtimex(2))."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        *((name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")),
        ("status", ctypes.c_int),
        *((name, ctypes.c_long) for name in ("constant", "precision", "tolerance", "sec", "usec", "tick")),
        *((name, ctypes.c_long) for name in ("ppsfreq", "jitter")),
        ("shift", ctypes.c_int),
        *((name, ctypes.c_long) for name in ("stabil", "jitcnt", "calcnt", "errcnt", "stbcnt")),
        ("tai", ctypes.c_int),
        ("reserved", ctypes.c_int * 11),
    ]


def clock_is_set(adjtimex: Callable[[], tuple[int, int, int]]) -> Finding:
    """Check that the kernel knows its clock to be kept right; reading only.

    Args:
        adjtimex: returns what adjtimex(2) returned, its status bits, and its greatest error in microseconds; OSError
            if the kernel does not tell.
    """
    try:
        returned, status, most_us = adjtimex()
    except OSError as error:
        return Finding("clock", UNKNOWN, f"the system does not tell whether its clock is kept right ({error})")
    if returned == TIME_ERROR or status & STA_UNSYNC:
        fix = "start an NTP client, e.g. chrony or systemd-timesyncd; nodes start recordings by their clocks"
        return Finding("clock", WARN, "nobody keeps this computer's clock right (not synchronised)", fix)
    return Finding("clock", OK, f"synchronised, wrong by at most {most_us / 1000:.0f} ms")


def _adjtimex() -> tuple[int, int, int]:
    if sys.platform != "linux":
        raise OSError("only Linux is asked")
    timex = _Timex()
    returned = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    if returned < 0:
        raise OSError(ctypes.get_errno(), "adjtimex is not allowed here")
    return returned, timex.status, timex.maxerror
