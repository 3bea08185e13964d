"""The clocks of a link's two ends from their tags: found once in a wide search, then followed closely.

Taggers are started by their hosts' clocks, good to milliseconds; the photons tell the rest. The first end's clock is
the reference ("alice" in ``clocks``).
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from .clocks import ClockOffset, clock_offset

LONGEST_PATH_PS = 2_000_000_000
"""Bound on the difference of the two ends' optical delays: 400 km of fibre."""
MAX_DRIFT = 1e-5
FOLLOW_REACH_PS = 100_000
FOLLOW_DRIFT = 1e-7
"""How far clocks that were known a moment ago may have wandered; better than any quartz in a laboratory."""


def find_clock(first_ps: npt.ArrayLike, second_ps: npt.ArrayLike, expected_ps: int, uncertainty_ps: int) -> ClockOffset:
    """Return how the second end's clock lies to the first one's, of which the hosts' clocks tell little.

    Args:
        first_ps: int64[n], ps, ascending; all detectors of the first end together.
        second_ps: int64[m], ps, ascending.
        expected_ps: second less first clock, as the hosts have it.
        uncertainty_ps: bound on the error of that; the light's ways to the two ends are added.

    Raises:
        NoPeak: the tags do not tell.
    """
    return clock_offset(
        first_ps, second_ps, uncertainty_ps + LONGEST_PATH_PS, MAX_DRIFT, expected_offset_ps=expected_ps
    )


def follow_clock(
    before: ClockOffset,
    first_ps: npt.ArrayLike,
    second_ps: npt.ArrayLike,
    reach_ps: int = FOLLOW_REACH_PS,
    max_drift: float = FOLLOW_DRIFT,
) -> ClockOffset:
    """Return the clocks as these tags alone show them, near where ``before`` says.

    One fit without memory, and what ``tracking.ClockTracker`` is fed by.

    Args:
        before: the clocks as they were, or are predicted to be.
        first_ps, second_ps: int64, ps, ascending; each end's own time.
        reach_ps, max_drift: how far offset and drift may lie from there.

    Raises:
        NoPeak: the tags do not tell, or the clocks are somewhere else.
    """
    rest = clock_offset(first_ps, before.to_alice(second_ps), reach_ps, max_drift)
    # t_second = x + O + D (x - T) where x = t + o + d (t - t0): the two lines as one, about t0
    since = rest.t_ref_ps - before.t_ref_ps + rest.offset_ps
    return replace(
        rest,
        offset_ps=before.offset_ps + rest.offset_ps + before.drift * since,
        drift=before.drift + rest.drift + before.drift * rest.drift,
    )


def to_second_clock(clock: ClockOffset, time_ps: int) -> int:
    """Return a time of the first clock on the second one, ps; good to a picosecond near ``t_ref_ps``."""
    since = time_ps - clock.t_ref_ps
    return time_ps + int(np.rint(clock.offset_ps + clock.drift * since))
