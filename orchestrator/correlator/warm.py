"""Everything a correlator does, done once with made-up tags before it listens.

Its loops are compiled: loading them takes a third of a second, compiling them the first time ever 5 to 20 s, and none
of that may happen while tags come in.
"""

from collections.abc import Callable

import numpy as np

from ...analysis.kernels import compiled_anew
from ...drivers.interfaces import ClockMap, Recording, TagBlock
from .correlator import FIT_STEPS, STEP_PS, Correlator, LinkEnds

_PAIRS = 400
"""In each step; enough for clocks to be found."""


def warm_up(tell: Callable[[str], object]) -> None:
    """Find, follow and count a pair source of numbers; ``tell`` is told if that will take long."""
    if compiled_anew():
        tell("compiling the loops that count time tags; this happens once and takes some seconds")
    correlator = Correlator(LinkEnds("warming up", ("first", "second"), ((0, 1), (2, 3)), 1000))
    clock_map = ClockMap(0, 0.0, 1_000_000, 0.0, "none", True)
    rng = np.random.default_rng(1)
    steps = 2 * FIT_STEPS + 2
    times = np.sort(rng.integers(0, steps * STEP_PS, steps * _PAIRS))
    channels = rng.integers(0, 2, len(times)).astype(np.uint8)
    for number, low in enumerate(range(0, steps * STEP_PS, STEP_PS), 1):
        part = slice(*np.searchsorted(times, [low, low + STEP_PS]))
        for end in (0, 1):
            block = TagBlock(low, low + STEP_PS, times[part], channels[part] + 2 * np.uint8(end))
            correlator.feed(end, f"{end}", number, block, clock_map)
    whole = (Recording(times, channels + 2 * np.uint8(end), steps * STEP_PS, clock_map) for end in (0, 1))
    correlator.correlate(*whole)
    correlator.result()
