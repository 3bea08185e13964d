"""The counters of the ID900's inputs: cycles of an integration time, or everything since a reset.

Light costs computing time, so a cycling counter that nobody asks falls asleep; the next question to it is answered
at the end of a fresh cycle.
"""

from typing import TYPE_CHECKING, Any

from .id900_blocks import INPUTS
from .scpi import Leaf, NotYet, choice, whole

if TYPE_CHECKING:
    from ...lab.lab import Event
    from .id900 import Id900Twin

_PS_PER_MS = 10**9
_SLEEPS_AFTER_PS = 30 * 10**12


class Counter:
    """The counter of one input block."""

    def __init__(self, twin: "Id900Twin", block: str, path: str) -> None:
        self._twin, self._lab, self._block = twin, twin.lab, block
        self._port = twin.port_of(block)
        self._capture: Any = None
        self._event: Event | None = None
        self._end_ps = self._ready_ps = self._read_ps = self._asked_ps = 0
        self._total = 0
        self._last: int | None = None
        """Clicks of the last whole cycle."""
        twin.tree.add(f"{path}:COUNter", Leaf(lambda: str(self._count())))
        twin.tree.setting(
            f"{path}:COUNter:MODE", choice("CYCL,CYCLE", "ACCU,ACCUM"), "CYCL", lambda value: self._changed(value)
        )
        twin.tree.setting(
            f"{path}:COUNter:INTEgration", whole(1, 3_600_000), 1000, lambda value: self._changed(ms=value)
        )
        twin.tree.action(f"{path}:COUNter:RESEt", self._wind)

    def _changed(self, mode: str = "", ms: int = 0) -> None:
        """Take a new mode or time; a sleeping counter stays asleep unless it must not miss a click."""
        if self._capture is not None or (mode or self._value("MODE")) == "ACCU":
            self._wind(mode, ms)

    def _wind(self, mode: str = "", ms: int = 0) -> None:
        """Start from zero, in the given mode and integration time or the ones that are set."""
        self._sleep()
        self._total, self._last = 0, None
        if self._lab.bench is not None:
            now = self._asked_ps = self._end_ps = self._lab.now_ps
            self._capture = self._lab.bench.capture([self._port], now)
            self._start_cycle(mode or self._value("MODE"), ms or self._value("INTE"))

    def _value(self, name: str) -> Any:
        return self._twin.tree.values[f"{self._block}:COUN:{name}"]

    def _start_cycle(self, mode: str, ms: int) -> None:
        self._end_ps += ms * _PS_PER_MS
        self._ready_ps = self._lab.bench.ready_at(self._end_ps)
        self._event = self._lab.at(self._ready_ps, lambda: self._end_cycle(mode, ms), owner=self._twin.name)

    def _end_cycle(self, mode: str, ms: int) -> None:
        self._last = self._read(self._end_ps)
        if mode == "CYCL" and self._lab.now_ps - self._asked_ps > max(_SLEEPS_AFTER_PS, 3 * ms * _PS_PER_MS):
            self._sleep()
        else:
            self._start_cycle(mode, ms)

    def _sleep(self) -> None:
        if self._capture is not None:
            self._capture.close()
            self._capture = None
        if self._event is not None:
            self._event.cancel()
            self._event = None

    def _read(self, until_ps: int) -> int:
        self._read_ps = max(until_ps, self._read_ps)  # a question between a cycle's end and its reading went further
        clicks = len(self._capture.read(self._read_ps)[self._port])
        self._total += clicks
        return clicks

    def _count(self) -> int:
        if self._lab.bench is None or not self._twin.tree.values[f"{self._block}:ENAB"]:
            return 0
        if self._capture is None:
            self._wind()
        self._asked_ps = self._lab.now_ps
        if self._value("MODE") == "ACCU":
            self._read(self._lab.now_ps)
            return self._total
        if self._last is None:
            raise NotYet(self._ready_ps)
        return self._last


def add_counters(twin: "Id900Twin") -> None:
    """Add the counters of all inputs."""
    for block, connector in INPUTS.items():
        Counter(twin, block, "STARt" if connector == "start" else f"INPUt{connector}")
