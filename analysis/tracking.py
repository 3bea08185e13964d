"""Two clocks followed over time from the tags of both ends, block by block.

Found in a wide search, then followed step by step near where they are predicted to be. Lock is never claimed without
photons: a step without a peak lets the error grow, and a clock that was not seen for ``patience_ps``, or whose error is
beyond ``hold_ps``, is given up and sought anew. A clock that jumped is followed from its new place, and counted.
"""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from ._arrays import Times, sorted_times
from ._clock_filter import JUMP, Wander, ahead, innovation, loosened, updated
from .alignment import FOLLOW_DRIFT, FOLLOW_REACH_PS, follow_clock, to_second_clock
from .clocks import ClockOffset, NoPeak, clock_offset

_USUAL = Wander()


class Lock(StrEnum):
    """What a tracker knows."""

    SEARCHING = "searching"
    """nothing yet, or nothing any more"""
    LOCKED = "locked"
    """the last step had its peak"""
    COASTING = "coasting"
    """the last step had none: the clock is predicted, its error grows"""


class ClockTracker:
    """Follows Bob's clock against Alice's.

    Args:
        max_offset_ps, max_drift, expected_offset_ps: of the search, as in ``clock_offset``.
        step_ps: on Alice's clock, how long a stretch is fitted by one line.
        wander: of the clocks; the errors are honest only if it is no smaller than the truth.
        patience_ps: the clock is given up when it was not seen for so long.
        hold_ps: the clock is given up when the offset's error (one standard deviation) grows beyond this.
        search_ps: so much is searched at most.
    """

    def __init__(
        self,
        max_offset_ps: int = 10**12,
        max_drift: float = 1e-6,
        expected_offset_ps: int = 0,
        *,
        step_ps: int = 10**12,
        wander: Wander = _USUAL,
        patience_ps: int = 5 * 10**12,
        hold_ps: float = 1000.0,
        search_ps: int = 10**13,
    ) -> None:
        if not 0 < step_ps <= search_ps or patience_ps <= 0 or not hold_ps > 0:
            raise ValueError("step_ps, patience_ps, hold_ps must be above zero, and search_ps not below step_ps")
        self._search = max_offset_ps, max_drift, expected_offset_ps
        self._step_ps, self._search_ps = step_ps, search_ps
        self._wander, self._patience_ps, self._hold_ps = wander, patience_ps, hold_ps
        self._ends = [np.empty(0, np.int64), np.empty(0, np.int64)]
        self._from: int | None = None
        self._until = 0
        self._known: ClockOffset | None = None
        self.state = Lock.SEARCHING
        self.reason = "no tags yet"
        """Why the state is not LOCKED, or what last happened to the lock; empty if nothing did."""
        self.jumps = self.losses = 0
        """How often the clock jumped; how often it was given up."""

    @property
    def clock(self) -> ClockOffset | None:
        """The clock at the end of the last step (its ``t_ref_ps``), error grown until there; None while searching."""
        return None if self._known is None else self.at(self._until)

    def at(self, t_ref_ps: int) -> ClockOffset:
        """Return the clock at a time of Alice's, with what it may have wandered since it was seen.

        Raises:
            NoPeak: the clock is not known.
        """
        if self._known is None:
            raise NoPeak(f"the clock is not known: {self.reason}")
        return ahead(self._known, t_ref_ps, self._wander)

    def feed(self, alice_ps: npt.ArrayLike, bob_ps: npt.ArrayLike) -> Sequence[ClockOffset]:
        """Take in the next tags of both ends, cut anywhere; return the clock of every step that showed it.

        Those come at their own reference times (about mid-step), with all that was seen before. A step is looked at
        when both ends' tags for it are there; an end that is ``patience_ps`` behind the other is taken to be silent.

        Raises:
            ValueError: tags out of order, within a block or to those before. The block is not taken in.
        """
        blocks = sorted_times(alice_ps, "alice_ps"), sorted_times(bob_ps, "bob_ps")
        for name, kept, block in zip(("alice_ps", "bob_ps"), self._ends, blocks):
            if len(kept) and len(block) and block[0] < kept[-1]:
                raise ValueError(f"{name} begins at {block[0]} ps, before the last block's end, {kept[-1]} ps")
        self._ends = [np.concatenate(each) for each in zip(self._ends, blocks)]
        if self._from is None and len(self._ends[0]):
            self._from = self._until = int(self._ends[0][0])
        seen: list[ClockOffset] = []
        while self._from is not None and self._complete(self._until + self._step_ps):
            self._until += self._step_ps
            found = self._sought() if self._known is None else self._followed(self._known)
            seen += [found] if found is not None else []
        return seen

    def _complete(self, until_ps: int) -> bool:
        """Return whether both ends' tags until then are there, or one end has been silent for long."""
        alice, bob = self._ends
        if self._known is not None:
            there = to_second_clock(self._known, until_ps) + FOLLOW_REACH_PS
        else:
            there = until_ps + self._search[2]
        ours, theirs = (int(end[-1]) if len(end) else None for end in (alice, bob))
        fronts = [front - due for front, due in ((ours, until_ps), (theirs, there)) if front is not None]
        return (len(fronts) == 2 and min(fronts) >= 0) or (bool(fronts) and max(fronts) >= self._patience_ps)

    def _sought(self) -> ClockOffset | None:
        """Search as soon as the tags have doubled, then every half of ``search_ps``."""
        assert self._from is not None
        steps, most = (self._until - self._from) // self._step_ps, max(1, self._search_ps // self._step_ps)
        if steps < most and steps & (steps - 1):
            return None
        alice, bob = self._between(self._from, self._until, self._search[2], self._search[0])
        later = int(np.searchsorted(self._ends[0], self._until))
        if not len(alice) and later < len(self._ends[0]):  # nothing for long: go on where there is something
            self._from = self._until = int(self._ends[0][later])
            return None
        found = None
        try:
            found = clock_offset(alice, bob, *self._search)
        except NoPeak as error:
            self.reason = str(error)
            if steps >= most:
                self._forget(self._until - self._search_ps // 2, self._search[2] - self._search[0])
        if found is not None:
            self.state, self.reason = Lock.LOCKED, ""
            return self._seen(loosened(found, self._until - self._from, self._wander))
        return None

    def _followed(self, known: ClockOffset) -> ClockOffset | None:
        assert self._from is not None
        middle = (self._from + self._until) // 2
        predicted = self.at(middle)
        reach = max(FOLLOW_REACH_PS, round(6 * predicted.offset_error_ps))
        alice, bob = self._between(self._from, self._until, round(predicted.offset_ps), reach + 10**6)
        try:
            measured = follow_clock(predicted, alice, bob, reach, max(FOLLOW_DRIFT, 6 * predicted.drift_error))
        except NoPeak as error:
            self.state, self.reason = Lock.COASTING, str(error)
            unseen, error_ps = self._until - known.t_ref_ps, self.at(self._until).offset_error_ps
            if unseen > self._patience_ps or error_ps > self._hold_ps:
                self._known, self.state, self.losses = None, Lock.SEARCHING, self.losses + 1
                self.reason = (
                    f"given up after {unseen * 1e-12:.3g} s without a peak (offset +- {error_ps:.3g} ps): {error}"
                )
            return None
        measured = loosened(measured, self._until - self._from, self._wander)
        predicted = self.at(measured.t_ref_ps)
        chi2 = innovation(predicted, measured)
        self.state, self.reason = Lock.LOCKED, ""
        if chi2 > JUMP:
            self.jumps += 1
            jump = measured.offset_ps - predicted.offset_ps
            self.reason = f"the clock jumped by {jump:+.0f} ps about {measured.t_ref_ps} ps (chi^2 {chi2:.0f})"
            return self._seen(measured)
        return self._seen(updated(predicted, measured))

    def _seen(self, clock: ClockOffset) -> ClockOffset:
        self._known = clock
        self._forget(self._until, round(clock.offset_ps) - 2 * FOLLOW_REACH_PS)
        return clock

    def _between(self, low_ps: int, high_ps: int, offset_ps: int, margin_ps: int) -> tuple[Times, Times]:
        """Return the tags of a stretch of Alice's time; Bob's with a margin on both sides."""
        alice, bob = self._ends
        theirs = low_ps + offset_ps - margin_ps, high_ps + offset_ps + margin_ps
        return alice[slice(*np.searchsorted(alice, [low_ps, high_ps]))], bob[slice(*np.searchsorted(bob, theirs))]

    def _forget(self, before_ps: int, offset_ps: int) -> None:
        alice, bob = self._ends
        # One tag is kept, for the order of the next block to be checked by.
        self._ends = [
            end[min(int(np.searchsorted(end, due)), max(0, len(end) - 1)) :]
            for end, due in ((alice, before_ps), (bob, before_ps + offset_ps))
        ]
        self._from = before_ps
