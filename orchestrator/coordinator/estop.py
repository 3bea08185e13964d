"""The e-stop of the whole testbed: pressed by anybody, latched, cleared by a person who saw it.

No I/O; times are seconds on the coordinator's monotonic clock.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...testbed.errors import BellringerError
from ..wire.shown import estop_text, moment
from .terms import Caller, Change

SAME_PRESS_S = 1.0
"""Presses of one key within this time are one press."""
SHOWN = 20
"""How many presses are kept for people: the first one and the newest."""


@dataclass
class Latch:
    """The latch.

    Args:
        report: called with every change.
        utc: the time of day, for people.

    Attributes:
        number: how many presses there were since the testbed's first start.
        presses: those since the last acknowledgement, oldest first: number, who, key, reason, utc.
    """

    report: Callable[[Change], None]
    utc: Callable[[], str]
    number: int = 0
    presses: list[dict[str, Any]] = field(default_factory=list)
    _counted_s: dict[str, float] = field(default_factory=dict)

    @property
    def latched(self) -> bool:
        return bool(self.presses)

    def why(self) -> str:
        """Return who pressed it first, when and why, in one line."""
        return estop_text(self.presses[0])

    def described(self) -> dict[str, Any]:
        """Return what people, clients and nodes are told."""
        return {"latched": self.latched, "number": self.number, "presses": list(self.presses)}

    def press(self, caller: Caller, reason: str, now_s: float) -> bool:
        """Latch, and return whether this is a new press: the same hand within a second is not."""
        counted_s = self._counted_s.get(caller.key)
        if counted_s is not None and now_s - counted_s < SAME_PRESS_S:
            return False
        self._counted_s[caller.key] = now_s
        self.number += 1
        press = {
            "number": self.number,
            "who": caller.name,
            "key": caller.key,
            "reason": reason,
            "utc": self.utc(),
        }
        self._add(press)
        self.report(Change("estop", press))
        return True

    def acknowledge(self, caller: Caller, number: int) -> None:
        """Clear the latch.

        Args:
            number: the newest press the person saw, 0 for whatever is latched.

        Raises:
            BellringerError: nothing is latched, or it was pressed again since.
        """
        if not self.latched:
            raise BellringerError("no e-stop is latched", hint="nothing to do")
        if number not in (0, self.number):
            newest = self.presses[-1]
            raise BellringerError(
                f"the e-stop was pressed again by '{newest['who']}' at {moment(newest['utc'])} UTC: {newest['reason']}",
                where=f"acknowledged was press {number}, the newest is {self.number}",
                hint="look at it, then acknowledge that one",
            )
        self.presses.clear()
        self._counted_s.clear()
        self.report(Change("ack", {"node": "", "number": self.number, "who": caller.name, "key": caller.key}))

    def restore(self, name: str, body: dict[str, Any]) -> None:
        """Make a journalled change again."""
        if name == "estop":
            self.number = body["number"]
            self._add(body)
        elif name == "ack":
            self.presses.clear()

    def kept(self) -> list[Change]:
        """Return changes that lead here when they are made again."""
        if self.latched or not self.number:
            return [Change("estop", press) for press in self.presses]
        gone = {"number": self.number, "who": "", "key": "", "reason": "", "utc": ""}
        return [Change("estop", gone), Change("ack", {"node": "", "number": self.number, "who": "", "key": ""})]

    def _add(self, press: dict[str, Any]) -> None:
        self.presses.append(press)
        if len(self.presses) > SHOWN:
            del self.presses[1]
