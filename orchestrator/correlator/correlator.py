"""The core of a correlator: feed it blocks of both ends in the order they come, take results. No sockets.

Time is cut into steps of 0.2 s on the first end's clock, and a step is counted when both ends' tags for it are there;
so what comes out does not depend on how the tags were cut into blocks. Once a second the clocks are fitted anew from
the last two seconds: near where they were, or over the whole reach of the hosts' clocks if they were not known. Where
there is no peak, singles are counted and coincidences are not.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...analysis import (
    ClockOffset,
    DelayedCounter,
    NoPeak,
    SinglesCounter,
    Tags,
    coincidences,
    find_clock,
    follow_clock,
    to_second_clock,
)
from ...analysis.accidentals import off_peak
from ...analysis.alignment import LONGEST_PATH_PS
from ...drivers.interfaces import ClockMap, Recording, TagBlock
from .counts import Counts
from .ends import End

STEP_PS = 200_000_000_000
FIT_STEPS = 5
SEARCHED_PS = 4_000_000_000_000
"""Tags of so long are searched where the clocks are not known; an end is kept for ``ends.KEPT_PS``."""
FOLLOWED_PS = 2_000_000_000_000
FITTED_TAGS, SEARCHED_TAGS = 400_000, 1_000_000
"""More tags of the first end are not used for following or finding clocks; the latest ones are."""
SLACK_PS = 1_000_000
"""Clocks that are known turn out to have moved by less than that at a fit."""
PAIRS = ((0, 2), (0, 3), (1, 2), (1, 3))
"""Channels of the merged stream: the first end's transmitted and reflected clicks, the second end's."""


@dataclass(frozen=True)
class LinkEnds:
    """What is correlated.

    Attributes:
        link: its name.
        names: of the ends; the first one's clock is the reference.
        inputs: (transmitted, reflected) tagger inputs of both ends.
        window_ps: clicks coincide if they are at most this far apart.
    """

    link: str
    names: tuple[str, str]
    inputs: tuple[tuple[int, int], tuple[int, int]]
    window_ps: int


class Correlator:
    """Counts on one link.

    Args:
        ends: what is correlated.
        recent_s: over how long the recent rates are taken.
    """

    def __init__(self, ends: LinkEnds, recent_s: float = 1.0) -> None:
        self.ends = ends
        self._wide_ps = off_peak(ends.window_ps).far_ps
        self._sides = (End(*ends.inputs[0]), End(*ends.inputs[1]))
        self._maps: list[ClockMap | None] = [None, None]
        self._over = ["", ""]
        self._recent: deque[Counts] = deque(maxlen=max(1, round(recent_s * 1e12 / STEP_PS)))
        self.total = Counts()
        """Everything since the streams began."""
        self.clock: ClockOffset | None = None
        self._last: ClockOffset | None = None
        self.reason = ""
        self._step: int | None = None
        self._steps = 0

    # --- streams ----------------------------------------------------------------------------------------------

    def feed(self, end: int, stream: str, number: int, block: TagBlock, clock_map: ClockMap) -> None:
        """Take in one block of an end's stream (end 0 or 1), and count what can be counted."""
        side = self._sides[end]
        if side.stream != stream:
            side.begin(stream)
            self._maps[end], self._over[end] = clock_map, ""
            self._restart()
        side.feed(number, block)
        while self._count_step():
            pass

    def ended(self, end: int, stream: str, why: str) -> None:
        """Note that an end's stream has ended."""
        if self._sides[end].stream == stream:
            self._over[end] = why

    def result(self, silent: str = "") -> dict[str, Any]:
        """Return what is known now, in plain values.

        Args:
            silent: why nothing has come lately although it should have; recent rates mean nothing then.
        """
        state = "silent" if silent and self.state in ("searching", "no peak", "aligned") else self.state
        old = state in ("waiting", "ended", "silent")
        recent = Counts() if old else Counts.total(self._recent)
        reason = silent if state == "silent" else self.reason
        return self._described(state, reason, recent, self.total, None if old else self.clock, "stream")

    @property
    def state(self) -> str:
        """Return ``waiting`` (for a stream), ``ended``, ``searching``, ``no peak`` or ``aligned``."""
        if any(self._over):
            return "ended"
        if None in self._maps or self._step is None or not self._steps:
            return "waiting"
        if self.clock is not None:
            return "aligned"
        return "no peak" if self.reason else "searching"

    # --- recordings -------------------------------------------------------------------------------------------

    def correlate(self, first: Recording, second: Recording) -> dict[str, Any]:
        """Return the result of two recordings over one interval of hardware time."""
        sides = (End(*self.ends.inputs[0]), End(*self.ends.inputs[1]))
        for side, each in zip(sides, (first, second)):
            side.feed(1, TagBlock(0, each.duration_ps, each.times_ps, each.channels, each.gaps_ps))
        expected, uncertainty = _hosts(first.clock_map, second.clock_map)
        clock, reason = None, ""
        try:
            clock = find_clock(
                sides[0].tags(0, first.duration_ps)[0], sides[1].tags(0, second.duration_ps)[0], expected, uncertainty
            )
        except NoPeak as error:
            reason = str(error)
        counts = self._counted(sides, 0, first.duration_ps, clock, expected)
        state = "aligned" if clock else "no peak"
        return self._described(state, reason, counts, counts, clock, "recording")

    # --- one step ---------------------------------------------------------------------------------------------

    def _restart(self) -> None:
        """A new stream has begun at one end: device times mean something else now."""
        self.clock = self._last = None
        self.total, self.reason, self._step, self._steps = Counts(), "", None, 0
        self._recent.clear()

    def _count_step(self) -> bool:
        """Count the next step if both ends' tags for it are there; return whether they were."""
        first, second = self._sides
        if self._maps[0] is None or self._maps[1] is None or first.earliest_ps is None or second.earliest_ps is None:
            return False
        expected, uncertainty = _hosts(self._maps[0], self._maps[1])
        guess = self.clock or self._last or ClockOffset(expected, 0.0, 0.0, 0.0, 0.0, 0)
        earliest = max(first.earliest_ps, second.earliest_ps - round(guess.offset_ps))
        step = max(-(-earliest // STEP_PS), self._step or 0) if not self._steps else self._next(earliest)
        low, high = step * STEP_PS, (step + 1) * STEP_PS
        reach = 0 if self.clock is not None else uncertainty + LONGEST_PATH_PS
        wide = self._wide_ps + SLACK_PS
        if first.frontier_ps < high or second.frontier_ps < to_second_clock(guess, high) + reach + wide:
            return False
        self._step, self._steps = step, self._steps + 1
        if self._steps % FIT_STEPS == 0:
            self._fit(high, expected, uncertainty)
        counts = self._counted(self._sides, low, high, self.clock, round(guess.offset_ps))
        self._recent.append(counts)
        self.total += counts
        keep = high - SEARCHED_PS
        first.done(keep)
        second.done(to_second_clock(guess, keep) - 2 * uncertainty - LONGEST_PATH_PS)
        return True

    def _next(self, earliest_ps: int) -> int:
        """Return the step after the last one; a stretch in which one end told nothing at all is passed over."""
        assert self._step is not None
        return max(self._step + 1, earliest_ps // STEP_PS)

    def _fit(self, high_ps: int, expected_ps: int, uncertainty_ps: int) -> None:
        """Find or follow the clocks with the tags before ``high_ps``."""
        known = self.clock or self._last
        try:
            try:
                if known is None:
                    raise NoPeak("the clocks are not known yet")
                self.clock = self._followed(known, high_ps)
            except NoPeak:
                self.clock = self._found(high_ps, expected_ps, uncertainty_ps)
            self._last, self.reason = self.clock, ""
        except NoPeak as error:
            self.clock, self.reason = None, str(error)

    def _followed(self, known: ClockOffset, high_ps: int) -> ClockOffset:
        first, second = self._sides
        a = first.tags(high_ps - FOLLOWED_PS, high_ps)[0][-FITTED_TAGS:]
        low = int(a[0]) if len(a) else high_ps
        return follow_clock(known, a, second.tags(to_second_clock(known, low), to_second_clock(known, high_ps))[0])

    def _found(self, high_ps: int, expected_ps: int, uncertainty_ps: int) -> ClockOffset:
        first, second = self._sides
        reach = uncertainty_ps + LONGEST_PATH_PS
        a = first.tags(high_ps - SEARCHED_PS, high_ps)[0][-SEARCHED_TAGS:]
        low = int(a[0]) if len(a) else high_ps
        b = second.tags(low + expected_ps - reach, high_ps + expected_ps + reach)[0]
        return find_clock(a, b, expected_ps, uncertainty_ps)

    def _counted(
        self, sides: tuple[End, End], low: int, high: int, clock: ClockOffset | None, expected_ps: int
    ) -> Counts:
        """Count the first end's [low, high); without a clock only singles, the second end's by the hosts' clocks."""
        tags = self._merged(sides, low, high, clock or ClockOffset(expected_ps, 0.0, 0.0, 0.0, 0.0, 0))
        counter = SinglesCounter()
        counter.feed(tags.between(low, high))
        singles, live_ps = counter.counts[:4].reshape(2, 2), tags.live_time_ps(low, high)
        if clock is None:
            return Counts(live_ps, 0, singles)
        window_ps = self.ends.window_ps
        off = DelayedCounter(PAIRS, window_ps, tags_per_s=len(tags) / (high - low) * 1e12)
        off.feed(tags)
        stretches = tags.live_stretches(low - self._wide_ps, high + self._wide_ps)
        return Counts(
            live_ps,
            live_ps,
            singles,
            singles,
            coincidences(tags, PAIRS, window_ps).reshape(2, 2),
            off.counts().reshape(2, 2),
            off.exposure_s(stretches, (low, high)),
        )

    def _merged(self, sides: tuple[End, End], low: int, high: int, by: ClockOffset) -> Tags:
        """Return the first end's tags of [low, high) and the second end's of a wider stretch, on the first's clock."""
        first, second = sides
        theirs = to_second_clock(by, low - self._wide_ps), to_second_clock(by, high + self._wide_ps)
        parts: list[Tags] = []
        for end, span, map_times in ((first, (low, high), None), (second, theirs, by.to_alice)):
            times, reflected = end.tags(*span)
            gaps = end.gaps(*span)
            if map_times is not None:
                times, gaps = map_times(times), map_times(gaps.ravel()).reshape(-1, 2)
                gaps = gaps[gaps[:, 0] < gaps[:, 1]]
            parts.append(Tags(times, 2 * len(parts) + reflected.astype(np.uint8), gaps))
        return Tags.merge(parts)

    def _described(
        self, state: str, reason: str, recent: Counts, total: Counts, clock: ClockOffset | None, source: str
    ) -> dict[str, Any]:
        why = [f"{name}: {over}" for name, over in zip(self.ends.names, self._over) if over]
        return {
            "link": self.ends.link,
            "ends": list(self.ends.names),
            "source": source,
            "state": state,
            "reason": "; ".join(why) or reason,
            "recent": recent.described(),
            "total": total.described(),
            "clock": None if clock is None else vars(clock),
            "blocks": {
                name: {"received": side.received, "lost": side.lost, "late": side.late}
                for name, side in zip(self.ends.names, self._sides)
            },
        }


def _hosts(first: ClockMap, second: ClockMap) -> tuple[int, int]:
    """Return (second less first clock, bound on its error), ps, as the hosts' clocks have it."""
    return first.offset_ps - second.offset_ps, first.uncertainty_ps + second.uncertainty_ps
