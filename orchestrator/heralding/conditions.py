"""What makes a link unfit, judged from readings: each returns the reason, or "" if all is well.

A reading that is missing or no number is never well: who cannot see does not go on.
"""

import math
from dataclasses import dataclass

from .waiting import at_least

BY_CHANCE = 1e-9
"""What a healthy detector shows less often than this, per look, is no chance."""


def interlock_open(closed: object) -> str:
    """Judge an interlock: closed is ``True`` itself, nothing that merely counts as true."""
    return "" if closed is True else f"the interlock is open, or cannot be read ({closed!r:.40})"


def clock_unlocked(locked: object, holdover: object = False) -> str:
    """Judge a clock: locked to its reference, and not in holdover."""
    if locked is not True:
        return f"the clock is not locked ({locked!r:.40})"
    return "" if holdover is False else "the clock is in holdover: its reference is missing"


def visibility_low(visibility: float | None, error: float | None, limit: float) -> str:
    """Judge a visibility: its lower bound of one standard deviation must reach the limit."""
    if visibility is None or error is None or not _finite(visibility, error):
        return f"there is no visibility ({visibility}, {error})"
    if visibility - error >= limit:
        return ""
    return f"the visibility is {visibility:.4f} +- {error:.4f}, below {limit:g}"


@dataclass(frozen=True)
class DetectorLimits:
    """What one detector does when it is well.

    Attributes:
        dark_hz: its dark counts, as calibrated with light off.
        dead_time_s: after each click; clicks come at most every so often.
        most_lost: largest share of clicks that dead time may swallow.
        most_dark: so many times ``dark_hz`` are still no jump: it drifts a little from day to day.
    """

    dark_hz: float
    dead_time_s: float
    most_lost: float = 0.1
    most_dark: float = 1.0


def detector_unfit(limits: DetectorLimits, count: int | None, live_s: float | None, *, lit: bool) -> str:
    """Judge a detector by its clicks in ``live_s`` (s), with light on it or in the dark.

    Latched or blind: no click where dark counts alone would have left some but for ``BY_CHANCE``; a look must be long
    enough for 21 of them. Saturated: a share of more than ``most_lost`` of the clicks falls into dead time, which for a
    non-paralysable detector is the counted rate times the dead time (Knoll, Radiation Detection and Measurement).
    Dark-count jump: more clicks in the dark than Poisson statistics give but for ``BY_CHANCE``, were the baseline the
    largest that is none.
    """
    if count is None or live_s is None or not _finite(live_s) or live_s <= 0 or count < 0:
        return f"the detector's clicks cannot be read ({count} in {live_s} s)"
    expected = limits.dark_hz * live_s
    if count == 0 and math.exp(-expected) < BY_CHANCE:
        return f"the detector is latched or blind: no click in {live_s:g} s, {expected:.0f} dark counts were expected"
    lost = count / live_s * limits.dead_time_s
    if lost > limits.most_lost:
        return f"the detector is saturated: dead time swallows {lost:.0%} of its clicks"
    if not lit and at_least(count, limits.most_dark * expected) < BY_CHANCE:
        return f"dark counts jumped: {count} in {live_s:g} s, {expected:.0f} were expected"
    return ""


def _finite(*values: float) -> bool:
    return all(math.isfinite(value) for value in values)
