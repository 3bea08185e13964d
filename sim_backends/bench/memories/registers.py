"""Qubits that share a state: density matrices of a few qubits, wherever their nodes are.

Entangled nodes have one truth, and it is here. A register holds qubits that may be entangled with each other; two
registers become one when a gate joins them, and a qubit that is measured or given up leaves its register.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np

from ....physics.channels import BASIS_CHANGE, qubits_of, unitary
from ....physics.states import Matrix, kron

MOST_QUBITS = 6
"""A density matrix of so many has 64 kB; joining more is refused."""


@dataclass
class Register:
    """Some qubits and their joint state.

    Attributes:
        qubits: their names, in the order of the tensor factors.
        rho: complex128[2**n, 2**n].
    """

    qubits: list[Hashable]
    rho: Matrix = field(repr=False)

    def position(self, qubit: Hashable) -> int:
        """Return which tensor factor ``qubit`` is."""
        return self.qubits.index(qubit)

    def joined(self, other: "Register") -> "Register":
        """Return one register of both, not entangled yet.

        Raises:
            ValueError: it would be too large.
        """
        if len(self.qubits) + len(other.qubits) > MOST_QUBITS:
            raise ValueError(f"{len(self.qubits) + len(other.qubits)} qubits in one state; at most {MOST_QUBITS}")
        return Register([*self.qubits, *other.qubits], kron(self.rho, other.rho))

    def bring_first(self, first: Hashable, second: Hashable) -> None:
        """Reorder the factors so that ``first`` and ``second`` are factors 0 and 1."""
        rest = [qubit for qubit in self.qubits if qubit not in (first, second)]
        order = [self.position(qubit) for qubit in (first, second, *rest)]
        count = qubits_of(self.rho)
        split = self.rho.reshape((2,) * (2 * count))
        turned = split.transpose([*order, *(count + each for each in order)])
        self.qubits, self.rho = [first, second, *rest], turned.reshape(self.rho.shape)

    def without(self, qubit: Hashable) -> "Register":
        """Return the register of the others, whatever happens to ``qubit`` (partial trace)."""
        place = self.position(qubit)
        shape = (1 << place, 2, 1 << (len(self.qubits) - place - 1))
        traced = np.einsum("aibcid->abcd", self.rho.reshape(*shape, *shape))
        size = shape[0] * shape[2]
        return Register([each for each in self.qubits if each != qubit], traced.reshape(size, size))

    def probability_of_one(self, qubit: Hashable, basis: str) -> float:
        """Return the probability of the eigenvalue -1 (bit 1) in basis X, Y or Z."""
        turned = unitary(self.rho, BASIS_CHANGE[basis], self.position(qubit))
        ones = (np.arange(turned.shape[0]) >> (len(self.qubits) - 1 - self.position(qubit))) & 1
        return float(np.clip(np.diagonal(turned).real[ones == 1].sum(), 0.0, 1.0))

    def collapsed(self, qubit: Hashable, basis: str, bit: int) -> "Register":
        """Return the others after ``qubit`` was found in eigenstate ``bit`` of the basis."""
        turned = Register(self.qubits, unitary(self.rho, BASIS_CHANGE[basis], self.position(qubit)))
        place = self.position(qubit)
        shape = (1 << place, 2, 1 << (len(self.qubits) - place - 1))
        kept = turned.rho.reshape(*shape, *shape)[:, bit, :, :, bit, :].reshape(shape[0] * shape[2], -1)
        return Register([each for each in self.qubits if each != qubit], kept / np.trace(kept))
