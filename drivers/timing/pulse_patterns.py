"""Pulses of one period as the run-length code of a Pulse Streamer: how long, and which outputs are high.

The code is that of the JSON-RPC ``stream``: base64 of nine bytes a step, big-endian: duration in ns (32 bits without
sign), outputs as bits, two analogue values of 16 bits (always 0 here).
"""

import base64
import itertools
import struct
from collections.abc import Iterable, Mapping

from ...testbed.errors import LimitError, nearest

CLOCK_PS = 1000
MOST_STEPS = 2_000_000
OUTPUTS = 8
_LONGEST_NS = 2**32 - 1


def steps(
    pulses: Iterable[tuple[str, int, int]], period_ps: int, outputs: Mapping[str, int], where: str = ""
) -> list[tuple[int, int]]:
    """Return (duration in ns, bit mask) of one period.

    Args:
        pulses: channel, begin and length in ps; a channel is high while any of its pulses lasts.
        outputs: channel name -> output number, 0 to 7.

    Raises:
        LimitError: an unknown channel, a time off the clock of 1 ns or outside the period, or too many steps.
    """
    _on_clock("period_ps", period_ps, 1, where)
    edges: dict[int, list[tuple[int, int]]] = {0: [], period_ps: []}
    for channel, begin_ps, length_ps in pulses:
        if channel not in outputs:
            raise LimitError(f"no output is called '{channel}'", where=where, hint=nearest(channel, outputs))
        _on_clock(f"begin of a pulse on {channel}", begin_ps, 0, where)
        _on_clock(f"length of a pulse on {channel}", length_ps, 1, where)
        if begin_ps + length_ps > period_ps:
            hint = "shorten it, begin earlier, or make the period longer"
            raise LimitError(f"a pulse on {channel} ends after the period", where=where, hint=hint)
        edges.setdefault(begin_ps, []).append((outputs[channel], 1))
        edges.setdefault(begin_ps + length_ps, []).append((outputs[channel], -1))
    times, high, found = sorted(edges), [0] * OUTPUTS, list[tuple[int, int]]()
    for begin_ps, end_ps in itertools.pairwise(times):
        for output, change in edges[begin_ps]:
            high[output] += change
        mask = sum(1 << output for output, count in enumerate(high) if count)
        found += _split((end_ps - begin_ps) // CLOCK_PS, mask)
    if len(found) > MOST_STEPS:
        raise LimitError(f"{len(found)} steps a period", where=where, hint=f"at most {MOST_STEPS} fit its memory")
    return found


def encoded(pattern: Iterable[tuple[int, int]]) -> str:
    """Return the base64 text of steps."""
    return base64.b64encode(b"".join(struct.pack(">IBhh", ns, mask, 0, 0) for ns, mask in pattern)).decode("ascii")


def _split(ns: int, mask: int) -> list[tuple[int, int]]:
    whole, rest = divmod(ns, _LONGEST_NS)
    return [(_LONGEST_NS, mask)] * whole + ([(rest, mask)] if rest else [])


def _on_clock(name: str, time_ps: int, least: int, where: str) -> None:
    if isinstance(time_ps, bool) or not isinstance(time_ps, int) or time_ps < least:
        raise LimitError(f"{name} is {time_ps!r}", where=where, hint="nothing was sent; times are whole picoseconds")
    if time_ps % CLOCK_PS:
        hint = "nothing was sent; build the program with grid_s=1e-9"
        raise LimitError(f"{name} is {time_ps} ps, off the clock of 1 ns", where=where, hint=hint)
