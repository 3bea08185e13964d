"""One memory link as its cores see it: the clicks of a batch, drawn once, and the qubits behind them.

Everything follows from the seed, the link's name and the batch number, in whatever order and how often it is asked.
A pair becomes a joint state in the lab's memories when one of its qubits is first touched.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ....physics.protocols import eigenstate
from ....testbed.attempts import AttemptProgram
from .bulk import BASES, Bits, aged, measure_pairs, readout_table
from .link_physics import EMITS, LinkPhysics, attempt_optics, click_times
from .memories import Memories
from .sampler import Ints, sample
from .table import HeraldTable, herald_table

KEPT = 256
"""Batches remembered; stored qubits outlive them."""
TWO_CLICKS = "two clicks in one window"
UNKNOWN = "unknown pattern"


@dataclass(frozen=True, eq=False)
class BatchClicks:
    """What happened in a batch.

    Attributes:
        program: what was run.
        physics: what the link was at its start.
        start_ps: hardware time T.
        k: int64[n], attempts of the nodes with a click, ascending.
        pattern: int64[n], bit = detector * windows + window.
        t_ps: int64[n], hardware time of the last click at the station.
        outcome: int64[n], row of ``table``.
        table: all outcomes of one attempt.
        attempts: attempts made until the batch ended.
    """

    program: AttemptProgram
    physics: LinkPhysics
    start_ps: int
    k: Ints
    pattern: Ints
    t_ps: Ints
    outcome: Ints
    table: HeraldTable
    attempts: int

    def reasons(self) -> list[str]:
        """Return for every click why it is no herald; empty if it is one."""
        known = self.program.table()
        doubled = self.table.doubled[self.outcome]
        return [
            TWO_CLICKS if twice else "" if int(pattern) in known else UNKNOWN
            for pattern, twice in zip(self.pattern, doubled)
        ]


class MemoryLink:
    """The physics of a link: what its detectors see, and the qubits of its memories.

    Args:
        name: of the link; links of one lab have different random numbers.
        seed: of the lab.
        physics_at: what the link is at a hardware time (ps); asked at the start of each batch.
        memories: of the whole lab, shared by its links.
    """

    def __init__(self, name: str, seed: int, physics_at: Callable[[int], LinkPhysics], memories: Memories) -> None:
        self.memories = memories
        self.physics_at = physics_at
        self._stream = (seed, zlib.crc32(name.encode()))
        self._batches: dict[int, BatchClicks] = {}
        self._touched: dict[int, set[int]] = {}
        self._bits: dict[int, tuple[Bits, Bits]] = {}
        """What ``measured`` gave for a batch that it was asked about."""

    def batch(
        self, program: AttemptProgram, batch: int, start_ps: int, attempts: int, emitting: tuple[str, ...]
    ) -> tuple[Ints, Ints, Ints]:
        """Return attempts k (ascending), patterns and hardware times (ps) of all attempts with a click.

        Periods that calibrate have no clicks. The stop rule ends the batch with the herald that fulfils it.
        ``emitting`` are the nodes that run; the others send nothing.
        """
        found = self.clicks(program, batch, start_ps, attempts, emitting)
        return found.k, found.pattern, found.t_ps

    def doubled(self, batch: int) -> npt.NDArray[np.bool_]:
        """Return bool[n] for the clicks of a batch: two were seen by one detector in one window."""
        found = self._batches[batch]
        doubled: npt.NDArray[np.bool_] = found.table.doubled[found.outcome]
        return doubled

    def clicks(
        self, program: AttemptProgram, batch: int, start_ps: int, attempts: int, emitting: tuple[str, ...]
    ) -> BatchClicks:
        """Return the same with the states behind; a batch number always stands for the same draw."""
        rng = np.random.default_rng((*self._stream, batch))
        physics = self.physics_at(start_ps)
        table = herald_table(attempt_optics(physics, program, emitting))
        is_herald = np.isin(table.pattern, list(program.table())) & ~table.doubled
        drawn = sample(table, rng, _tried(program, attempts), is_herald, program.heralds_wanted)
        k = _skip_calibration(program, drawn.k)
        pattern = table.pattern[drawn.outcome]
        in_period = click_times(physics, program, rng, pattern)
        t_ps = start_ps + (k + program.shift) * program.period_ps + in_period
        ended = int(_skip_calibration(program, np.array([max(0, drawn.attempts - 1)]))[0]) + 1
        made = attempts if drawn.attempts == _tried(program, attempts) else ended
        found = BatchClicks(program, physics, start_ps, k, pattern, t_ps, drawn.outcome, table, made)
        self._batches[batch], self._touched[batch] = found, set()
        self._bits.pop(batch, None)
        while len(self._batches) > KEPT:
            oldest = min(self._batches)
            del self._batches[oldest], self._touched[oldest]
            self._bits.pop(oldest, None)
        return found

    def measured(self, batch: int) -> tuple[Bits, Bits]:
        """Return the bits that both nodes read in every attempt with a click, in the bases of a ``measure`` program.

        Qubits are measured at the end of their node's last pulse. All at once, from the conditional states.

        Raises:
            ValueError: the program does not measure both qubits.
        """
        found = self._batches[batch]
        bases = [_bases(found, arm.node) for arm in found.physics.arms]
        ages = [self._measured_age_s(found.program, arm.node) for arm in found.physics.arms]
        models = [arm.memory for arm in found.physics.arms]
        table = readout_table(aged(found.table.state, models, ages), models)
        rng = np.random.default_rng((*self._stream, batch, 1))
        return measure_pairs(table, rng, found.outcome, bases[0], bases[1])

    def read(self, node: str, batch: int, k: int, basis: str, t_ps: int) -> int:
        """Return the bit that a node's core reads by itself in attempt ``k`` of a ``measure`` program.

        The bits of a batch are drawn together: one by one they would cost a lab that keeps step with the wall more time
        than the heralds of a good link leave it. A program that measures at one node only goes the long way.
        """
        found = self._batches[batch]
        nodes = [arm.node for arm in found.physics.arms]
        if {each.node for each in found.program.readout} != set(nodes):
            return self.measure(node, batch, k, basis, t_ps)
        if batch not in self._bits:
            self._bits[batch] = self.measured(batch)
        row = int(np.searchsorted(found.k, k))
        if row == found.k.size or found.k[row] != k:
            raise ValueError(f"attempt {k} of batch {batch} had no click, so nobody was told to read its qubits")
        return int(self._bits[batch][nodes.index(node)][row])

    def operate(self, node: str, batch: int, k: int, operation: str, t_ps: int) -> None:
        """Apply I, X, Y, Z or H at hardware time ``t_ps`` (ps) to a node's qubit of attempt ``k``."""
        self.memories.operate(self.qubit(node, batch, k), operation, t_ps)

    def measure(self, node: str, batch: int, k: int, basis: str, t_ps: int) -> int:
        """Measure a node's qubit of attempt ``k`` at hardware time ``t_ps`` (ps) and return the bit read."""
        return self.memories.measure(self.qubit(node, batch, k), basis, t_ps)

    def drop(self, node: str, batch: int, k: int) -> None:
        """A node has given up its qubit of attempt ``k``."""
        self.memories.drop(self.qubit(node, batch, k))

    def attempts(self, node: str, batch: int, k: int, count: int) -> None:
        """A node's qubit of attempt ``k`` was stored while ``count`` attempts were made beside it."""
        self.memories.attempts(self.qubit(node, batch, k), count)

    def prepare(self, memory: str, k: int, state: str, t_ps: int) -> None:
        """Take in a fresh qubit (``memory``, 0, ``k``) of a memory in the eigenstate ``state`` such as "X+"."""
        vector = eigenstate(state)
        self.memories.store({(memory, 0, k): memory}, np.outer(vector, vector.conj()), [t_ps])

    def bell_measure(self, first: tuple[str, int, int], second: tuple[str, int, int], t_ps: int) -> str:
        """Measure two qubits of one node in the Bell basis at ``t_ps`` (ps), give them up, return the label read."""
        return self.memories.bell_measure(first, second, t_ps)

    def qubit(self, node: str, batch: int, k: int) -> tuple[str, int, int]:
        """Return the name in the memories of a node's qubit of attempt ``k``, its pair stored there.

        Raises:
            ValueError: it is gone, or that attempt was never made.
        """
        qubit = (node, batch, k)
        if qubit in self.memories:
            return qubit
        found = self._batches[batch]
        if not 0 <= k < found.attempts:
            raise ValueError(f"batch {batch} has attempts 0 to {found.attempts - 1}; there is no attempt {k}")
        if k in self._touched[batch]:
            raise ValueError(f"the qubit of {node} from attempt {k} of batch {batch} was measured or given up")
        self._touched[batch].add(k)
        row = int(np.searchsorted(found.k, k))
        clicked = row < found.k.size and found.k[row] == k
        rho = found.table.state[found.outcome[row]] if clicked else found.table.silent
        homes = {(arm.node, batch, k): arm.name for arm in found.physics.arms}
        begin = found.start_ps + k * found.program.period_ps
        prepared = [begin + _emitted_ps(found.program, node) for node, _, _ in homes]
        self.memories.store(homes, rho, prepared)
        return qubit

    def _measured_age_s(self, program: AttemptProgram, node: str) -> float:
        ends = [pulse.begin_ps + pulse.length_ps for pulse in program.pulses if pulse.node == node]
        return (max(ends, default=0) - _emitted_ps(program, node)) * 1e-12


def _emitted_ps(program: AttemptProgram, node: str) -> int:
    """Return when in an attempt a node's qubit begins: with its first emission, or when it is prepared (serial)."""
    begins = [p.begin_ps for p in program.pulses if p.node == node and p.channel == EMITS[program.scheme]]
    prepared = [p.begin_ps + p.length_ps for p in program.pulses if p.node == node and p.channel == "prepare"]
    return min(begins or prepared, default=0)


def _tried(program: AttemptProgram, periods: int) -> int:
    """Return how many of the first ``periods`` periods are attempts, not calibration."""
    if program.calibration is None:
        return periods
    every, length = program.calibration.every, program.calibration.length
    whole, rest = divmod(periods, every + length)
    return whole * every + min(rest, every)


def _skip_calibration(program: AttemptProgram, tried: Ints) -> Ints:
    """Return the attempt indices k of the attempts that are the ``tried``-th, calibration not counted."""
    if program.calibration is None:
        return tried
    every, length = program.calibration.every, program.calibration.length
    return tried + tried // every * length


def _bases(found: BatchClicks, node: str) -> Ints:
    for readout in found.program.readout:
        if readout.node == node:
            cycle = np.array([BASES.index(basis) for basis in readout.bases], np.int64)
            return cycle[found.k % cycle.size]
    raise ValueError(f"the program does not measure the qubit of {node}")
