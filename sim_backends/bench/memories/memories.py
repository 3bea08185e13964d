"""The qubits in all memories of a lab: stored, operated on, measured and given up, with the errors of their hardware.

Time acts lazily and exactly: whenever a qubit is used it is first brought from when it was last looked at to now
(``physics.channels.stored``: T1, and T2 with the stretched exponent counted from its preparation). Gates are perfect
operations followed by white noise, readout tells the wrong bit as often as the model says. Times are int64 ps;
asking about an earlier time than before is refused, a qubit's past is gone.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....physics.channels import BASIS_CHANGE, dephase, depolarise, depolarising_probability, stored, unitary
from ....physics.states import PAULI, Matrix
from ....testbed.memory_models import SpinQubitModel
from .registers import Register

CNOT = np.eye(4, dtype=np.complex128)[[0, 1, 3, 2]]
OPERATIONS: dict[str, Matrix] = {**PAULI, "H": BASIS_CHANGE["X"]}
BELL_OF_BITS = {(0, 0): "phi+", (1, 0): "psi+", (0, 1): "phi-", (1, 1): "psi-"}
"""(Z bit of the second, X bit of the first qubit) -> the Bell state they were in."""


@dataclass
class _Clock:
    """When a qubit was prepared and last brought up to date, ps, and how many attempts it has sat through."""

    prepared_ps: int
    seen_ps: int
    attempts: int = 0


class Memories:
    """All stored qubits.

    Args:
        models: what each memory (``node.instrument``) physically is.
        rng: draws the outcomes of measurements.
    """

    def __init__(self, models: Mapping[str, SpinQubitModel], rng: np.random.Generator) -> None:
        self._models, self._rng = dict(models), rng
        self._registers: dict[Hashable, Register] = {}
        self._clocks: dict[Hashable, _Clock] = {}
        self._homes: dict[Hashable, str] = {}

    def __contains__(self, qubit: Hashable) -> bool:
        return qubit in self._registers

    def store(self, homes: Mapping[Any, str], rho: Matrix, prepared_ps: Sequence[int]) -> None:
        """Take in qubits that share the state ``rho``.

        Args:
            homes: qubit (any name, new) -> the memory that holds it, in the order of the tensor factors.
            prepared_ps: when each was prepared: its age counts from then.
        """
        register = Register(list(homes), np.asarray(rho, np.complex128))
        for (qubit, home), begin in zip(homes.items(), prepared_ps, strict=True):
            if qubit in self._registers:
                raise ValueError(f"there is a qubit {qubit!r} already")
            self._registers[qubit], self._homes[qubit] = register, home
            self._clocks[qubit] = _Clock(begin, begin)

    def state(self, qubits: Sequence[Hashable], now_ps: int) -> Matrix:
        """Return the truth about one qubit or two: their density matrix at ``now_ps``, others traced out."""
        for qubit in qubits:
            self._bring(qubit, now_ps)
        register = self._together(*qubits) if len(qubits) == 2 else self._registers[qubits[0]]
        for other in [each for each in register.qubits if each not in qubits]:
            register = register.without(other)
        if len(qubits) == 2:
            register.bring_first(*qubits)
        return register.rho.copy()

    def operate(self, qubit: Hashable, operation: str, now_ps: int) -> None:
        """Apply I, X, Y, Z or H; I is no gate and has no error."""
        self._bring(qubit, now_ps)
        if operation == "I":
            return
        register = self._registers[qubit]
        place = register.position(qubit)
        register.rho = unitary(register.rho, OPERATIONS[operation], place)
        error = depolarising_probability(self._models[self._homes[qubit]].gate_fidelity)
        register.rho = depolarise(register.rho, place, error)

    def attempts(self, qubit: Hashable, count: int) -> None:
        """Let a stored qubit sit through ``count`` attempts of its node: coherence e^(-N / N_e), whenever they come."""
        per_e = self._models[self._homes[qubit]].attempts_per_e
        clock, register = self._clocks[qubit], self._registers[qubit]
        clock.attempts += count
        if per_e:
            register.rho = dephase(register.rho, register.position(qubit), float(np.exp(-count / per_e)))

    def measure(self, qubit: Hashable, basis: str, now_ps: int) -> int:
        """Measure in X, Y or Z, give the qubit up, and return the bit read: 0 for the eigenvalue +1."""
        self._bring(qubit, now_ps)
        register, model = self._registers[qubit], self._models[self._homes[qubit]]
        bit = int(self._rng.random() < register.probability_of_one(qubit, basis))
        right = (model.readout_fidelity_0, model.readout_fidelity_1)[bit]
        self._replace(qubit, register.collapsed(qubit, basis, bit))
        return bit if self._rng.random() < right else 1 - bit

    def bell_measure(self, first: Hashable, second: Hashable, now_ps: int) -> str:
        """Measure two qubits of one node in the Bell basis, give them up, and return the label read.

        A CNOT (with the two-qubit error of the first one's memory), a Hadamard gate, and readout of both in Z. They may
        lie in two memories of one node.
        """
        nodes = {self._homes[qubit].partition(".")[0] for qubit in (first, second)}
        if len(nodes) > 1:
            raise ValueError(f"a Bell measurement needs both qubits at one node, not at {sorted(nodes)}")
        self._bring(first, now_ps)
        self._bring(second, now_ps)
        register = self._together(first, second)
        register.bring_first(first, second)
        error = depolarising_probability(self._models[self._homes[first]].two_qubit_fidelity, 2)
        register.rho = depolarise(unitary(register.rho, CNOT, 0), 0, error, width=2)
        self.operate(first, "H", now_ps)
        sign = self.measure(first, "Z", now_ps)
        return BELL_OF_BITS[self.measure(second, "Z", now_ps), sign]

    def drop(self, qubit: Hashable) -> None:
        """Give a qubit up; the others keep what they are without it."""
        self._replace(qubit, self._registers[qubit].without(qubit))

    def age_ps(self, qubit: Hashable, now_ps: int) -> int:
        """Return how long ago it was prepared."""
        return now_ps - self._clocks[qubit].prepared_ps

    def _bring(self, qubit: Hashable, now_ps: int) -> None:
        clock, model, register = self._clocks[qubit], self._models[self._homes[qubit]], self._registers[qubit]
        if now_ps < clock.seen_ps:
            raise ValueError(f"qubit {qubit!r} was used at {clock.seen_ps} ps; {now_ps} ps is earlier")
        ages = [(when - clock.prepared_ps) * 1e-12 for when in (clock.seen_ps, now_ps)]
        place = register.position(qubit)
        register.rho = stored(register.rho, place, ages[0], ages[1], model.t1, model.t2, model.stretch)
        clock.seen_ps = now_ps

    def _together(self, first: Hashable, second: Hashable) -> Register:
        if self._registers[first] is not self._registers[second]:
            joint = self._registers[first].joined(self._registers[second])
            for qubit in joint.qubits:
                self._registers[qubit] = joint
        return self._registers[first]

    def _replace(self, gone: Hashable, rest: Register) -> None:
        for qubit in rest.qubits:
            self._registers[qubit] = rest
        del self._registers[gone], self._clocks[gone], self._homes[gone]
