"""Tags to coincidences, correlations, clocks and Bell parameters: arrays in, numbers with errors out.

Times are int64 ps in ascending order. Bad input is a ``ValueError``; where data allow no answer the value is None
with a reason, or ``NoPeak``. The correlation E of one setting is ``bell.correlation``; here that name is the module
of histograms.
"""

from ._delays import delayed
from .accidentals import DelayedCounter, accidental, accidentals_from_rates
from .alignment import find_clock, follow_clock, to_second_clock
from .bell import FringeFit, chsh, fit_fringe, visibility
from .clocks import ClockOffset, NoPeak, clock_offset
from .coincidences import CoincidenceCounter, coincidences
from .correlation import CorrelationHistogram, Histogram, correlogram
from .estimates import Estimate, rate
from .fidelity import (
    conditional_fidelity,
    conditional_visibility,
    fidelity_from_correlators,
    selected_fraction,
    visibility_from_correlators,
)
from .g2 import Correlation, g2, heralded_g2
from .pair_figures import PairFigures, pair_figures
from .sifting import Sifted, Tuples, coincident, heralded, in_slots
from .singles import SinglesCounter, singles
from .tags import Tags
from .tomography import Tomogram, linear_fidelity, projected_fidelity, tomography
from .tracking import ClockTracker, Lock, Wander

__all__ = [
    "ClockOffset",
    "ClockTracker",
    "CoincidenceCounter",
    "Correlation",
    "CorrelationHistogram",
    "DelayedCounter",
    "Estimate",
    "FringeFit",
    "Histogram",
    "Lock",
    "NoPeak",
    "PairFigures",
    "Sifted",
    "SinglesCounter",
    "Tags",
    "Tomogram",
    "Tuples",
    "Wander",
    "accidental",
    "accidentals_from_rates",
    "chsh",
    "clock_offset",
    "coincidences",
    "coincident",
    "conditional_fidelity",
    "conditional_visibility",
    "correlogram",
    "delayed",
    "fidelity_from_correlators",
    "find_clock",
    "fit_fringe",
    "follow_clock",
    "g2",
    "heralded",
    "heralded_g2",
    "in_slots",
    "linear_fidelity",
    "pair_figures",
    "projected_fidelity",
    "rate",
    "selected_fraction",
    "singles",
    "to_second_clock",
    "tomography",
    "visibility",
    "visibility_from_correlators",
]
