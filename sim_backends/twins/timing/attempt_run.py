"""One batch in a core: what happens between ARM and its end, and what its report says."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ....testbed.attempts import AttemptProgram
from .herald_link import Clicks

if TYPE_CHECKING:
    from .attempt_core import AttemptCoreTwin

OVER = ("DONE", "DARK")


@dataclass(frozen=True)
class Qubit:
    """A qubit in a memory slot.

    Attributes:
        owner, batch, k: its name for the physics; one that was prepared by a command has batch 0.
        begin_ps: when its attempt began, or when it was prepared.
    """

    owner: str
    batch: int
    k: int
    begin_ps: int


class Run:
    """One batch at one core; armed when made."""

    def __init__(self, core: "AttemptCoreTwin", program: AttemptProgram, batch: int, epoch: int, start_ps: int) -> None:
        self.core, self.program, self.batch, self.epoch, self.start_ps = core, program, batch, epoch, start_ps
        self.key = (batch, start_ps, program.digest)
        """What the cores of a link must agree on to run the same batch."""
        self.state, self.stopped_by, self.was_committed = "ARMED", "", False
        self.end_ps = self.lateness_ps = self.underflows = 0
        self.first_hseq = self.records = self.heralds = 0
        self.applied: list[str] = []
        self.corrected: set[int] = set()
        self._table = program.table()
        self._next = 0
        self._clicks: Clicks | None = None
        self._at(start_ps, self._begin)

    # --- the way through the states ---------------------------------------------------------------------------

    def commit(self) -> None:
        """From ARMED to COMMITTED; the link counts on us from now on."""
        self.state, self.was_committed = "COMMITTED", True
        if self.core.link is not None:
            self.core.link.committed(self.core.core_name, self)

    def _begin(self) -> None:
        if self.state == "ARMED":
            self.end("DARK", "not committed")
        elif self.state == "COMMITTED":
            self.state = "RUNNING"
            last = self.start_ps + self.program.attempts * self.program.period_ps
            if self.core.is_station:
                last += (self.program.shift + 1) * self.program.period_ps
            self._at(last, partial(self.end, "DONE", "attempts"))
            if not self.core.is_station:
                self._emit()
            elif self.core.link is not None:
                self._clicks = self.core.link.clicks(self)
                self._listen()

    def _emit(self) -> None:
        self.core.switch(True)
        self.lateness_ps = self.core.take_lateness()
        if self.core.take_fault("underflow"):
            k = int(self.core.rng.integers(self.program.attempts))
            self._at(self.start_ps + k * self.program.period_ps, self._underflow)

    def _underflow(self) -> None:
        if self.state == "RUNNING":
            self.underflows += 1
            self.end("DARK", "underflow")

    def end(self, state: str, why: str) -> None:
        """End, dark; nothing if it is over."""
        if self.state in OVER:
            return
        self.core.switch(False)
        if self.core.link is not None:
            self.core.link.ended(self.core.core_name, self)
        self.state, self.stopped_by, self.end_ps = state, why, self.core.lab.now_ps
        self.core.memory.sit_through(self)
        self.core.record("E", f"{self.batch} {state} {why}")

    @property
    def attempts(self) -> int:
        """Return how many attempts have begun."""
        until = self.end_ps if self.state in OVER else self.core.lab.now_ps
        if until < self.start_ps or self.state in ("ARMED", "COMMITTED") or self.stopped_by == "not committed":
            return 0
        return min(self.program.attempts, (until - self.start_ps) // self.program.period_ps + 1)

    # --- the station ------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Wait for the next attempt with clicks."""
        assert self._clicks is not None
        if self._next < len(self._clicks[0]):
            self._at(int(self._clicks[2][self._next]), self._click)

    def _click(self) -> None:
        if self.state != "RUNNING" or self._clicks is None or self.core.link is None:
            return
        k, pattern, t_ps, doubled = (int(values[self._next]) for values in self._clicks)
        self._next += 1
        if not self.program.calibrates(k) and self.core.link.emitted(self, k):
            reason = "" if pattern in self._table else "unknown pattern"
            reason = "two clicks in one window" if doubled else reason
            reason = "overflow" if self.core.take_fault("overflow") else reason
            hseq = self.core.herald(f"{self.batch} {k} {pattern} {t_ps} {reason or '-'}")
            self.first_hseq = self.first_hseq or hseq
            self.records += 1
            if not reason:
                self.heralds += 1
                self.core.link.announce(self.core.core_name, self.batch, k, hseq, t_ps)
        if not self._enough():
            self._listen()

    def _enough(self) -> bool:
        """End if as many heralds came as are wanted; return whether it is over."""
        wanted = self.program.heralds_wanted
        if wanted is not None and self.heralds >= wanted:
            asked = {"first": 1, "count": self.program.stop.count}.get(self.program.stop.kind)
            self.end("DONE", "heralds" if wanted == asked else "memory full")
        return self.state in OVER

    # --- a node -----------------------------------------------------------------------------------------------

    def heard(self, k: int, hseq: int) -> None:
        """A herald came along the line: keep the qubit of attempt ``k``, or tell what it was measured as."""
        self.first_hseq = self.first_hseq or hseq
        self.heralds += 1
        self.records += 1
        if self.program.keep == "keep":
            self.core.memory.store(self, k)
        else:
            basis = self.program.basis(self.core.core_name, k)
            if basis and self.core.link is not None:
                own = (each for each in self.program.pulses if each.node == self.core.core_name)
                last_ps = max((each.begin_ps + each.length_ps for each in own), default=0)
                measured_ps = self.start_ps + k * self.program.period_ps + last_ps
                bit = self.core.link.source.read(self.core.core_name, self.batch, k, basis, measured_ps)
                self.core.record("M", f"{self.batch} {k} {basis} {bit}")
        self._enough()

    def qubit(self, k: int) -> Qubit:
        """Return this node's qubit of attempt ``k``."""
        return Qubit(self.core.core_name, self.batch, k, self.start_ps + k * self.program.period_ps)

    def still_there(self, k: int) -> bool:
        """Return whether the qubit of attempt ``k`` was kept by no herald, but not overwritten either."""
        last = self.attempts - 1
        return self.program.keep == "keep" and 0 <= last - self.program.memory_modes < k <= last

    def _at(self, when_ps: int, action: Callable[[], None]) -> None:
        self.core.lab.at(when_ps, action, owner=self.core.name)
