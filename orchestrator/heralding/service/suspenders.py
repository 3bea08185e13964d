"""What stops arming: a condition that went bad, until it has been good for a hold-off time.

A trip is an edge, never a level: whoever watches a condition counts its trips and reports the count, so one that came
and went between two looks is seen as a count that grew. A count that went back (the watcher began anew) is a trip too,
for nobody knows what was missed; so is silence, and so is a condition that never was reported at all.

A suspended link starts no batch, ends those under way, and takes no new request. No I/O; times are seconds on the
service's clock.
"""

from dataclasses import dataclass
from typing import Any

from ....testbed.errors import BellringerError, nearest
from .replies import Code

HOLD_OFF_S = 10.0


@dataclass(frozen=True)
class Condition:
    """Something that links depend on.

    Attributes:
        links: which.
        code: how requests are refused meanwhile.
        hold_off_s: how long it must have been good before links are used again.
        silent_s: how long it may go unreported.
        trusted: whether it counts as good until something else is reported: of what the nodes themselves see to before
            they arm, and tell only when it goes wrong.
        spoils: whether what was calibrated is worth nothing after a trip. Such a condition does not keep the link from
            being calibrated, which is how it gets well.
    """

    name: str
    links: tuple[str, ...]
    code: Code = Code.NORES
    hold_off_s: float = HOLD_OFF_S
    silent_s: float = 2.0
    trusted: bool = False
    spoils: bool = False


@dataclass
class _Watch:
    condition: Condition
    seen_s: float
    count: int | None = None
    good_since_s: float | None = None
    why: str = "it was not reported yet"
    trips: int = 0


class Suspenders:
    """All conditions; each is bad until it has been reported good for its hold-off time.

    Args:
        conditions: their names are unique.
        now_s: when watching begins.
    """

    def __init__(self, conditions: tuple[Condition, ...], now_s: float) -> None:
        self._watches = {
            each.name: _Watch(each, now_s, good_since_s=float("-inf") if each.trusted else None) for each in conditions
        }
        if len(self._watches) < len(conditions):
            raise BellringerError("two conditions have the same name", hint="give each its own name")

    def report(self, name: str, reason: str, trips: int, now_s: float) -> bool:
        """Take a look at a condition; return whether it tripped since the last one.

        Args:
            name: which.
            reason: what is wrong with it now, "" if nothing.
            trips: how often it tripped since its watcher began.
            now_s: when this was looked at.

        Raises:
            BellringerError: there is no such condition.
        """
        watch = self._watches.get(name)
        if watch is None:
            raise BellringerError(f"there is no condition '{name}'", hint=nearest(name, self._watches))
        self._silence(watch, now_s)
        missed = watch.count is not None and trips != watch.count
        watch.seen_s, watch.count = now_s, trips
        was_good = watch.good_since_s is not None
        if reason:
            watch.why, watch.good_since_s = reason, None
        elif missed:
            watch.why, watch.good_since_s = "it tripped and went well again between two looks", now_s
        elif not was_good:
            watch.good_since_s = now_s
        tripped = missed or (was_good and bool(reason))
        watch.trips += tripped
        return tripped

    def tick(self, now_s: float) -> tuple[str, ...]:
        """Let time pass; return the conditions that tripped by silence."""
        return tuple(name for name, watch in self._watches.items() if self._silence(watch, now_s))

    def blocking(self, link: str, now_s: float, *, calibrating: bool = False) -> tuple[Condition, str, float] | None:
        """Return what suspends a link: the condition, why, and seconds until it may be used again (infinite if bad).

        The one that lasts longest, an interlock before others. ``calibrating``: whether it keeps the link from being
        calibrated.
        """
        found = []
        for watch in self._watches.values():
            condition = watch.condition
            if link not in condition.links or (calibrating and condition.spoils):
                continue
            left_s = self._left_s(watch, now_s)
            if left_s > 0:
                found.append((condition, watch.why, left_s))
        return max(found, key=lambda each: (each[0].code is Code.INTERLOCK, each[2]), default=None)

    def condition(self, name: str) -> Condition:
        """Return the condition of this name."""
        return self._watches[name].condition

    def described(self, now_s: float) -> dict[str, dict[str, Any]]:
        """Return every condition, for people."""
        found = {}
        for name, watch in self._watches.items():
            left_s = self._left_s(watch, now_s)
            good = watch.good_since_s is not None
            found[name] = {
                "good": good,
                "why": watch.why if left_s > 0 else "",
                "trips": watch.trips,
                "links": list(watch.condition.links),
                "suspended_s": left_s if good else None,
            }
        return found

    def _silence(self, watch: _Watch, now_s: float) -> bool:
        if watch.good_since_s is None or now_s - watch.seen_s <= watch.condition.silent_s:
            return False
        watch.good_since_s = None
        watch.why = f"it was not reported for {now_s - watch.seen_s:.1f} s"
        watch.trips += 1
        return True

    @staticmethod
    def _left_s(watch: _Watch, now_s: float) -> float:
        if watch.good_since_s is None:
            return float("inf")
        return max(watch.good_since_s + watch.condition.hold_off_s - now_s, 0.0)
