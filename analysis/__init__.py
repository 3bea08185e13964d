"""Tags to coincidences, correlations, clocks and Bell parameters: arrays in, numbers with errors out.

Times are int64 ps in ascending order. Bad input is a ``ValueError``; where data allow no answer the value is None
with a reason, or ``NoPeak``. The correlation E of one setting is ``bell.correlation``; here that name is the module
of histograms.
"""

from .alignment import find_clock, follow_clock, to_second_clock
from .bell import FringeFit, chsh, fit_fringe, visibility
from .clocks import ClockOffset, NoPeak, clock_offset
from .correlation import Histogram, correlogram
from .counting import accidental_matrix, coincidence_matrix, count_coincidences, delayed_windows
from .estimates import Estimate, rate
from .tags import Tags

__all__ = [
    "ClockOffset",
    "Estimate",
    "FringeFit",
    "Histogram",
    "NoPeak",
    "Tags",
    "accidental_matrix",
    "chsh",
    "clock_offset",
    "coincidence_matrix",
    "correlogram",
    "count_coincidences",
    "delayed_windows",
    "find_clock",
    "fit_fringe",
    "follow_clock",
    "rate",
    "to_second_clock",
    "visibility",
]
