"""The memory of a node's core: qubits in slots, corrections with deadlines, operations, measurements.

What an operation does to the state is the link's physics; here is when it may be done, and to which qubit.
"""

from typing import TYPE_CHECKING

from .attempt_run import Qubit, Run

if TYPE_CHECKING:
    from .attempt_core import AttemptCoreTwin
    from .herald_link import HeraldSource


class NoQubit(Exception):
    """There is no such slot, or nothing in it."""


class Memory:
    """The slots of ``core``."""

    def __init__(self, core: "AttemptCoreTwin", slots: int) -> None:
        self._core = core
        self._prepared = 0
        self.slots: list[Qubit | None] = [None] * slots

    def free(self) -> int | None:
        """Return the first free slot, None if all are taken."""
        return next((number for number, qubit in enumerate(self.slots) if qubit is None), None)

    def store(self, run: Run, k: int) -> None:
        """Keep the qubit of attempt ``k``, if its correction has not come before; without a free slot it is lost."""
        if self._held(run.batch, k) is not None:
            return
        slot = self.free()
        if slot is None:
            self._source_drop(run.qubit(k))
        else:
            self.slots[slot] = run.qubit(k)

    def lines(self) -> list[str]:
        """Return slot, batch, attempt and age (ps) of every qubit held."""
        now = self._core.lab.now_ps
        return [f"{n} {q.batch} {q.k} {now - q.begin_ps}" for n, q in enumerate(self.slots) if q is not None]

    def sit_through(self, run: Run) -> None:
        """A run is over: its attempts were made beside the qubits that were stored meanwhile."""
        for qubit in self.slots:
            beside = run.attempts if qubit is None or qubit.batch != run.batch else run.attempts - 1 - qubit.k
            if qubit is not None and beside > 0:
                self._source().attempts(qubit.owner, qubit.batch, qubit.k, beside)

    def correct(self, run: Run, k: int, operation: str, not_after_ps: int) -> str:
        """Apply a correction now; return why not, or nothing if it was applied."""
        now = self._core.lab.now_ps
        qubit = self._held(run.batch, k)
        if qubit is None and run.still_there(k) and self.free() is not None:
            self.store(run, k)
            qubit = run.qubit(k)
        if k in run.corrected:
            return "double"
        if now > not_after_ps:
            return "late correction"
        if qubit is None or now - qubit.begin_ps > run.program.max_age_ps:
            return "too old"
        run.corrected.add(k)
        self._operate(qubit, operation)
        return ""

    def operate(self, slot: int, operation: str) -> int:
        """Apply an operation now and return the hardware time, ps."""
        self._operate(self._at(slot), operation)
        return self._core.lab.now_ps

    def measure(self, slot: int, basis: str) -> int:
        """Measure now, free the slot, return 0 or 1."""
        qubit = self._at(slot)
        self.slots[slot] = None
        return self._source().measure(qubit.owner, qubit.batch, qubit.k, basis, self._core.lab.now_ps)

    def prepare(self, slot: int, state: str) -> None:
        """Put a fresh qubit into an empty slot."""
        if not 0 <= slot < len(self.slots) or self.slots[slot] is not None or self._core.link is None:
            raise NoQubit
        self._prepared += 1
        now = self._core.lab.now_ps
        qubit = self.slots[slot] = Qubit(self._core.name, 0, self._prepared, now)
        self._source().prepare(qubit.owner, qubit.k, state, now)

    def measure_bell(self, slot: int, other: "Memory", other_slot: int) -> str:
        """Measure two qubits in the Bell basis, free both slots, return the label read."""
        first, second = self._at(slot), other._at(other_slot)
        if first is second:
            raise NoQubit
        self.slots[slot] = other.slots[other_slot] = None
        names = [
            memory._source().qubit(qubit.owner, qubit.batch, qubit.k)
            for memory, qubit in ((self, first), (other, second))
        ]
        return self._source().bell_measure(names[0], names[1], self._core.lab.now_ps)

    def reset(self, slot: int) -> None:
        """Free a slot."""
        if not 0 <= slot < len(self.slots):
            raise NoQubit
        qubit, self.slots[slot] = self.slots[slot], None
        if qubit is not None:
            self._source_drop(qubit)

    def _at(self, slot: int) -> Qubit:
        qubit = self.slots[slot] if 0 <= slot < len(self.slots) else None
        if qubit is None:
            raise NoQubit
        return qubit

    def _held(self, batch: int, k: int) -> Qubit | None:
        return next((q for q in self.slots if q is not None and (q.batch, q.k) == (batch, k)), None)

    def _operate(self, qubit: Qubit, operation: str) -> None:
        if self._core.link is not None:
            now = self._core.lab.now_ps
            self._core.link.source.operate(qubit.owner, qubit.batch, qubit.k, operation, now)

    def _source_drop(self, qubit: Qubit) -> None:
        if self._core.link is not None:
            self._core.link.source.drop(qubit.owner, qubit.batch, qubit.k)

    def _source(self) -> "HeraldSource":
        link = self._core.link
        assert link is not None  # without a link no qubit was ever stored
        return link.source
