"""Whether a node may be armed, as its surroundings are, and whether its hardware time can be trusted."""

from dataclasses import dataclass

from .terms import PS_PER_S, Now

STEP_S = 1e-3
"""A jump of hardware time against the host's monotonic clock that is taken for a step."""
SLEW = 1e-3
"""How much faster one of the two may run, as a fraction; hosts slew by at most 5e-4."""
SETTLE_S = 2.0
"""How long hardware time must have been locked and without a step before anything is armed."""


@dataclass(frozen=True)
class Conditions:
    """What a node's loop reads from its surroundings.

    Attributes:
        clock_locked: the timed devices are locked and their clock maps valid.
        interlock_closed: None if it could not be read, which counts as open.
        calibration: identity of the calibration in force, "" if it is out of spec or too old.
        room: the journal's disk has room for another batch.
        suspended: why nothing is armed just now (detector latched, visibility below its limit), "" for nothing.
    """

    clock_locked: bool = False
    interlock_closed: bool | None = None
    calibration: str = ""
    room: bool = True
    suspended: str = ""

    def trouble(self) -> str:
        """Return why no light may be on, "" if it may."""
        if self.interlock_closed is not True:
            return "the interlock is open" if self.interlock_closed is False else "the interlock cannot be read"
        return "" if self.clock_locked else "the clock is not locked"

    def refusal(self) -> str:
        """Return why nothing may be armed, "" if it may."""
        if self.trouble():
            return self.trouble()
        if not self.calibration:
            return "the calibration is out of spec"
        return self.suspended or ("" if self.room else "the journal's disk is full")


class ClockWatch:
    """Notices steps of hardware time: by the host's monotonic clock those of a millisecond and more.

    Smaller ones only the devices' own lock can tell (``Conditions.clock_locked``). The two readings of a ``Now`` must
    be taken together, to much better than ``STEP_S``.
    """

    def __init__(self) -> None:
        self._last: Now | None = None
        self._steady_since_s = float("inf")

    def look(self, now: Now, locked: bool) -> bool:
        """Return whether hardware time has stepped since the last look."""
        last, self._last = self._last, now
        stepped = last is not None and _stepped(last, now)
        if stepped or not locked:
            self._steady_since_s = float("inf")
        if locked:
            self._steady_since_s = min(self._steady_since_s, now.mono_s)
        return stepped

    def steady(self, now: Now) -> bool:
        """Return whether hardware time can be trusted to start something by it."""
        return now.mono_s - self._steady_since_s >= SETTLE_S


class LabClockWatch(ClockWatch):
    """For a simulated lab in lockstep, whose time jumps by nature and is never wrong."""

    def look(self, now: Now, locked: bool) -> bool:
        """Return that nothing has stepped."""
        return False

    def steady(self, now: Now) -> bool:
        """Return that it can be trusted, if it is locked (``Conditions``)."""
        return True


def _stepped(last: Now, now: Now) -> bool:
    elapsed_s = now.mono_s - last.mono_s
    return abs((now.hw_ps - last.hw_ps) / PS_PER_S - elapsed_s) > STEP_S + SLEW * elapsed_s
