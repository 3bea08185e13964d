"""What the pairs of a memory link should be when they are used: measured at once, or kept, corrected and then used.

From the states that ``memory_prediction`` finds for each herald, and the memories' own storage, gates and readout.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..physics import channels
from ..physics.states import PAULI, Floats, Matrix
from .attempts import AttemptProgram
from .attempts.terms import Terms
from .memory_models import MemoryLink, SpinQubitModel
from .memory_prediction import EMISSION, MemoryPrediction, predict_memory_link
from .memory_programs import attempt_program
from .testbed import Testbed
from .wiring import Wiring, part_of

Readout = tuple[float, float]


@dataclass(frozen=True)
class PairForecast:
    """What pairs of one link are.

    Attributes:
        link: as the testbed file has it.
        memories: models of both, in the order of the link.
        prediction: of their heralds.
        begins_s: when in an attempt each node's qubit begins, s; ages of qubits count from there.
        ends_s: when each node's last pulse ends; a qubit that is measured in its attempt is read then.
    """

    link: MemoryLink
    memories: tuple[SpinQubitModel, SpinQubitModel]
    prediction: MemoryPrediction
    begins_s: tuple[float, float]
    ends_s: tuple[float, float]

    @property
    def readout(self) -> tuple[Readout, Readout]:
        """Return of both memories the probabilities to read 0 where it is 0, and 1 where it is 1."""
        first, second = ((each.readout_fidelity_0, each.readout_fidelity_1) for each in self.memories)
        return first, second

    def measured(self, label: str) -> Matrix:
        """Return complex128[4, 4], the pair announced as ``label`` when both nodes read it in its own attempt."""
        return self._stored(self.prediction.heralded[label], self.ends_s)

    def kept(self, label: str, operations: Sequence[str], ages_s: tuple[float, float]) -> Matrix:
        """Return complex128[4, 4], a kept pair after its corrections.

        The corrections are taken to be done at the end: exact for dephasing, and for T1 as far as ages are short of it.

        Args:
            label: the Bell state it was announced as.
            operations: what was done to each node's qubit: I, X, Y or Z.
            ages_s: since the beginning of its attempt at each node, s.
        """
        rho = self._stored(self.prediction.heralded[label], ages_s)
        for qubit, (operation, memory) in enumerate(zip(operations, self.memories, strict=True)):
            if operation != "I":
                rho = channels.unitary(rho, PAULI[operation], qubit)
                rho = channels.depolarise(rho, qubit, channels.depolarising_probability(memory.gate_fidelity))
        return rho

    def read(self, rho: Matrix, bases: str) -> Floats:
        """Return float64[4], the probabilities of the bits 00, 01, 10, 11 that both nodes read in ``bases``."""
        first, second = (channels.confusion(*each) for each in self.readout)
        return channels.misread(channels.outcome_probabilities(rho, bases), first, second)

    def _stored(self, rho: Matrix, ages_s: tuple[float, float]) -> Matrix:
        for qubit, (memory, age, begin) in enumerate(zip(self.memories, ages_s, self.begins_s)):
            rho = channels.stored(rho, qubit, 0.0, max(0.0, age - begin), memory.t1, memory.t2, memory.stretch)
        return rho


def forecast_pairs(testbed: Testbed, link_name: str) -> PairForecast | None:
    """Return the forecast of a memory link, None if the testbed file has no ``model:`` of a part of it.

    Raises:
        BellringerError: its wiring leads nowhere.
    """
    link, wiring, instruments = testbed.memory_links[link_name], Wiring(testbed), testbed.instruments()
    models = [instruments[memory].model for memory in link.memories]
    memories = [model for model in models if isinstance(model, SpinQubitModel)]
    behind = [entry.model for name, entry in instruments.items() if _feeds(wiring, name, link.station)]
    if len(memories) < 2 or None in behind:
        return None
    terms = Terms(most_attempts=1, most_s=1e3, keep="measure", target=None)
    program = attempt_program(testbed, wiring, link_name, terms)
    nodes = [memory.partition(".")[0] for memory in link.memories]
    prediction = predict_memory_link(testbed, wiring, link_name)
    first, second = memories
    begins, ends = [_begin_s(program, node) for node in nodes], [_end_s(program, node) for node in nodes]
    return PairForecast(link, (first, second), prediction, (begins[0], begins[1]), (ends[0], ends[1]))


def _feeds(wiring: Wiring, instrument: str, station: str) -> bool:
    """Return whether pulses of one of the instrument's first channels go to the station's core."""
    return any(part_of(wiring.next(f"{instrument}.{channel}") or "") == station for channel in range(1, 9))


def _begin_s(program: AttemptProgram, node: str) -> float:
    emitted = [p.begin_ps for p in program.pulses if p.node == node and p.channel in EMISSION]
    prepared = [p.begin_ps + p.length_ps for p in program.pulses if p.node == node and p.channel == "prepare"]
    return min(emitted or prepared, default=0) * 1e-12


def _end_s(program: AttemptProgram, node: str) -> float:
    return max((p.begin_ps + p.length_ps for p in program.pulses if p.node == node), default=0) * 1e-12
