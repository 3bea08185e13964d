"""What a correlator does, done once with made-up tags before it listens.

Its loops are compiled: loading them takes a third of a second, compiling them the first time ever 5 to 20 s, and none
of that may happen while tags come in.
"""

from collections.abc import Callable

import numpy as np

from ...analysis.kernels import compiled_anew
from ...drivers.interfaces import ClockMap, Recording
from .correlator import Correlator, LinkEnds

_SECONDS, _PAIRS = 2, 4000
"""Of the made-up recording; enough for the clocks to be found."""


def warm_up(tell: Callable[[str], object]) -> None:
    """Find the clocks of a pair source of numbers and count it; ``tell`` is told if that will take long."""
    if compiled_anew():
        tell("compiling the loops that count time tags; this happens once and takes some seconds")
    correlator = Correlator(LinkEnds("warming up", ("first", "second"), ((0, 1), (2, 3)), 1000))
    clock_map = ClockMap(0, 0.0, 1_000_000, 0.0, "none", True)
    rng = np.random.default_rng(1)
    times = np.sort(rng.integers(0, _SECONDS * 10**12, _PAIRS))
    channels = rng.integers(0, 2, _PAIRS).astype(np.uint8)
    ends = (Recording(times, channels + np.uint8(2 * end), _SECONDS * 10**12, clock_map) for end in (0, 1))
    correlator.correlate(*ends)
