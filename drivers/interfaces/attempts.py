"""What real-time back-ends of entanglement attempts can do: run batches, hold qubits, generate pulses.

Hardware time is int64 ps since the testbed's epoch. ``batch``, ``epoch``, the attempt index ``k`` and the herald
number ``hseq`` are plain integers; together (batch, k, hseq) name a pair.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ...testbed.attempts import AttemptProgram
from ...testbed.attempts.traits import Traits
from ...testbed.errors import InstrumentError


class Refused(InstrumentError):
    """A back-end refused a command; ``code`` is its word for why (``past``, ``lead``, ``hash``, ``clock``, ...)."""

    def __init__(self, what: str, *, code: str, where: str = "", hint: str = "") -> None:
        super().__init__(what, where=where, hint=hint)
        self.code = code


@dataclass(frozen=True)
class HeraldRecord:
    """What the station's hardware saw in one attempt.

    Attributes:
        hseq: number of the record, one more than the last one's since the station's boot; a gap means lost records.
        batch: the batch.
        k: attempt index of the nodes.
        pattern: clicks as a bit mask, bit = detector number * number of windows + window number.
        t_ps: hardware time of the last click, ps.
        reason: empty for a herald, else why it is none.
    """

    hseq: int
    batch: int
    k: int
    pattern: int
    t_ps: int
    reason: str


@dataclass(frozen=True)
class Applied:
    """What became of one correction at a node.

    Attributes:
        batch: the batch.
        k: attempt index of the nodes.
        hseq: number of the herald record it belongs to.
        operation: I, X, Y or Z.
        t_ps: hardware time of the operation, ps; if it was refused, of the refusal.
        reason: empty if it was applied, else why not; then the qubit was left alone.
    """

    batch: int
    k: int
    hseq: int
    operation: str
    t_ps: int
    reason: str


@dataclass(frozen=True)
class Outcome:
    """One measured qubit.

    Attributes:
        batch: the batch.
        k: attempt index.
        basis: X, Y or Z.
        bit: 0 or 1.
    """

    batch: int
    k: int
    basis: str
    bit: int


@dataclass(frozen=True)
class Held:
    """A qubit in memory.

    Attributes:
        slot: number of the memory slot.
        batch: the batch it comes from; 0 for one that was prepared by itself.
        k: attempt index.
        age_ps: time since its attempt began, ps.
    """

    slot: int
    batch: int
    k: int
    age_ps: int


@dataclass(frozen=True)
class BatchReport:
    """What a back-end did in a batch.

    Attributes:
        batch: the batch.
        state: DONE, or DARK if it ended before its time.
        attempts: attempts that were begun.
        first_hseq: number of the first herald record, 0 without any.
        heralds: herald records, those with a reason included.
        applied: every correction that reached it, in the order of their arrival.
        lateness_ps: by how much the latest pulse came after its time, ps; 0 if all were punctual.
        underflows: pulses that were not ready in time.
        stopped_by: ``attempts``, ``heralds``, ``memory full``, ``underflow``, or the reason of an abort.
    """

    batch: int
    state: str
    attempts: int
    first_hseq: int
    heralds: int
    applied: tuple[Applied, ...]
    lateness_ps: int
    underflows: int
    stopped_by: str


@runtime_checkable
class AttemptController(Protocol):
    """A real-time core that runs batches of attempts, at a node or at a station.

    It never runs without ``commit`` before the start time, and it is dark whenever it does not run. What it refuses
    it refuses with ``Refused``, whose ``code`` says why.
    """

    def traits(self) -> Traits:
        """Return what the back-end can do; nothing is asked."""

    def load(self, program: AttemptProgram) -> None:
        """Send a program; it is kept by its digest. A program the back-end cannot run is refused before sending."""

    def arm(self, batch: int, epoch: int, start_ps: int, digest: str) -> None:
        """Make ready to run the loaded program ``digest`` as ``batch`` of coordinator ``epoch`` at ``start_ps`` (ps).

        Refused: start in the past or too near, no such program, clock not locked, busy, an older epoch than one seen,
        a batch that was there before.
        """

    def commit(self, batch: int) -> None:
        """Let the armed batch run at its start time; refused when that has passed."""

    def abort(self, batch: int, reason: str) -> None:
        """End a batch in any state, dark; ``reason`` stands in its report. An unknown batch can never be armed then."""

    def read_heralds(self, wait_s: float) -> list[HeraldRecord]:
        """Return the herald records that came since the last call.

        The first is waited for, at most ``wait_s`` (s), and not beyond the end of a batch that a back-end tells of.
        """

    def apply(self, batch: int, k: int, hseq: int, operation: str, not_after_ps: int) -> None:
        """Have a correction applied, if it is not later than hardware time ``not_after_ps`` (ps).

        Returns when it is written; no answer is awaited. What became of it, ``read_applied`` and ``report`` say.
        """

    def read_applied(self, wait_s: float) -> list[Applied]:
        """Return what became of corrections since the last call, waiting like ``read_heralds``."""

    def report(self, batch: int) -> BatchReport:
        """Return what was done in a batch; refused while it runs, and for a batch that is no longer remembered."""


@runtime_checkable
class QuantumMemory(Protocol):
    """Qubits that outlive the attempt they were made in, and the outcomes of those measured in it."""

    def slot_count(self) -> int:
        """Return the number of memory slots."""

    def held(self) -> list[Held]:
        """Return the qubits in memory, with their ages."""

    def operate(self, slot: int, operation: str) -> None:
        """Apply I, X, Y, Z or H to the qubit in ``slot``; refused if there is none."""

    def measure(self, slot: int, basis: str) -> int:
        """Measure the qubit in ``slot`` in basis X, Y or Z, return 0 or 1, and free the slot."""

    def prepare(self, slot: int, state: str) -> None:
        """Put a fresh qubit into the empty ``slot``, in the eigenstate Z+, Z-, X+, X-, Y+ or Y-.

        Refused if the slot is taken. Among ``held`` it is one of batch 0.
        """

    def measure_bell(self, first: int, second: int, partner: str = "") -> str:
        """Measure the qubits in two slots in the Bell basis, return phi+, phi-, psi+ or psi-, and free both slots.

        ``second`` is a slot of the core ``partner`` of the same node, if one is named: an instrument's name.
        """

    def reset(self, slot: int) -> None:
        """Give up the qubit in ``slot``, if there is one."""

    def read_outcomes(self, wait_s: float) -> list[Outcome]:
        """Return outcomes of ``measure`` programs since the last call, waiting like ``read_heralds``."""


@runtime_checkable
class PulseGenerator(Protocol):
    """A generator of digital pulses on several channels."""

    def set_pulses(self, pulses: list[tuple[str, int, int]], period_ps: int, repeats: int) -> None:
        """Prepare ``pulses`` (channel, begin and length in ps) once a period (``period_ps``, ps), ``repeats`` times.

        Nothing is played yet. Refused: an unknown channel, times off the generator's clock, or too many pulses.
        """

    def start(self) -> None:
        """Play what was prepared, now or at the next trigger, as the generator is set."""

    def stop(self) -> None:
        """Stop at once; all channels are low, verified by readback."""

    def is_playing(self) -> bool:
        """Ask whether it plays or waits for a trigger."""

    def underflowed(self) -> bool:
        """Ask whether pulses were lost or late since the last ``start`` because they were not ready in time."""
