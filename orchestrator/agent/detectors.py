"""The detectors of a node that feed heralding stations: counted all the time, and judged by their counts.

Each instrument is asked twice a second what it has counted, and a channel is judged by what came since the time before,
so no time is left out. What was not read for ``PATIENCE_S`` is unfit. A detector that is switched off is not judged:
who wants pairs switches it on. But one that was found sick stays so until counts show otherwise. While attempts are
made, and where nobody knows whether they are, light is on the detectors, and many clicks are no jump of dark counts.
In a dry run in lockstep nothing is asked.
"""

import functools
from collections.abc import Callable, Mapping, Sequence

from ...drivers.interfaces import Counted
from ..heralding.conditions import DetectorLimits, detector_unfit
from ..heralding.watched import WatchedDetector
from ..wire.messages import Refusal, Reply, Watched
from .children import Child
from .pipe import Count

LOOK_S = 0.5
PATIENCE_S = 3.0
"""The instrument may be busy with somebody's call for so long."""
LATE_S = 1.0
"""How late counts may come: they are of light that was on so long ago."""


class Channel:
    """What is known of one detector; pure.

    Attributes:
        trips: how often it was found unfit.
    """

    def __init__(self, limits: DetectorLimits) -> None:
        self._limits = limits
        self._live_s, self._clicks = float("inf"), 0
        self._silent_s = 0.0
        """How long it has counted since its last click."""
        self._sick = self._unread = ""
        self.trips = 0

    @property
    def why(self) -> str:
        """Return why it is unfit, "" if it is fit."""
        return self._unread or self._sick

    def take(self, live_s: float, clicks: int, *, enabled: bool, lit: Callable[[float], bool]) -> None:
        """Take in what was counted up to now.

        Args:
            lit: whether light was on it within so many seconds.
        """
        new_s, new, was_fit = live_s - self._live_s, clicks - self._clicks, not self.why
        self._live_s, self._clicks, self._unread = live_s, clicks, ""
        if new_s < 0 or new < 0:
            return  # its driver process began anew
        if not enabled:
            self._silent_s = self._silent_s if self._sick else 0.0
        elif new_s > 0:
            self._silent_s = 0.0 if new else self._silent_s + new_s
            seen_s = new_s if new else self._silent_s
            self._sick = detector_unfit(self._limits, new, seen_s, lit=lit(new_s))
        self.trips += was_fit and bool(self.why)

    def unreadable(self, why: str) -> None:
        """Note that nothing is known of it any more."""
        self.trips += not self.why
        self._unread = f"the detector's clicks cannot be read: {why}"


class Detectors:
    """All watched detectors of one node.

    Args:
        watched: which.
        children: who has their instruments.
        attempting: whether attempts are being made here, None if that cannot be known.
    """

    def __init__(
        self,
        watched: Sequence[WatchedDetector],
        children: Mapping[str, Child],
        attempting: Callable[[], bool | None],
        lockstep: bool,
    ) -> None:
        self._attempting, self._lit_s = attempting, float("-inf")
        self._channels = {each: Channel(each.limits) for each in watched}
        of = sorted({each.instrument for each in watched})
        self._instruments = [] if lockstep else [_Instrument(name, children[name]) for name in of]

    def turn(self, now_s: float) -> None:
        """Ask what is due; call it often."""
        self._note_light(now_s)
        for each in self._instruments:
            if each.child.darkening:  # it answers nobody meanwhile
                each.known_s = now_s
            elif not each.waiting and now_s >= each.asked_s + LOOK_S:
                self._ask(each, now_s)
            if now_s - each.known_s > PATIENCE_S:
                for channel in self._of(each.name).values():
                    channel.unreadable(each.problem or f"no answer for {PATIENCE_S:g} s")

    def watched(self) -> tuple[Watched, ...]:
        """Return how they are, as the coordinator is told."""
        return tuple(Watched(each.name, channel.why, channel.trips) for each, channel in self._channels.items())

    def _of(self, instrument: str) -> dict[int, Channel]:
        found = self._channels.items()
        return {each.channel: channel for each, channel in found if each.instrument == instrument}

    def _note_light(self, now_s: float) -> None:
        if self._attempting() is not False:
            self._lit_s = now_s

    def _lit(self, now_s: float, within_s: float) -> bool:
        return now_s - self._lit_s <= within_s + LATE_S

    def _ask(self, each: "_Instrument", now_s: float) -> None:
        each.waiting, each.asked_s = True, now_s
        if each.known_s == float("-inf"):
            each.known_s = now_s

        def take(answer: Reply | Refusal) -> None:
            each.waiting = False
            counted = None if isinstance(answer, Refusal) else answer.value
            if not isinstance(counted, Counted) or counted.clicks.ndim != 1:
                each.problem = answer.what if isinstance(answer, Refusal) else "its driver counts no clicks"
                return
            each.problem, each.known_s = "", now_s
            self._note_light(now_s)
            for number, channel in self._of(each.name).items():
                if number > len(counted.clicks):
                    channel.unreadable(f"the instrument has {len(counted.clicks)} detectors")
                else:
                    lit = functools.partial(self._lit, now_s)
                    clicks = int(counted.clicks[number - 1])
                    channel.take(counted.live_s, clicks, enabled=counted.enabled, lit=lit)

        each.child.submit(Count(0, each.name), take, ahead=True)


class _Instrument:
    """One that has watched channels."""

    def __init__(self, name: str, child: Child) -> None:
        self.name, self.child = name, child
        self.waiting = False
        self.asked_s = self.known_s = float("-inf")
        self.problem = ""
