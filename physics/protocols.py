"""Teleportation and entanglement swapping as exact maps on density matrices, Bell measurements with their errors.

A noisy Bell measurement is a matrix of probabilities: which label is read where which one is true. Whatever it reads,
the other qubits are left as the true label leaves them; what is then done to them follows from what was read. Labels,
qubits and operations are those of ``states``.

Sources: Bennett et al., Phys. Rev. Lett. 70, 1895 (1993); Zukowski et al., Phys. Rev. Lett. 71, 4287 (1993).
"""

import numpy as np

from .channels import BASIS_CHANGE, confusion, depolarising_probability
from .states import LABELS, PAULI, Floats, Matrix, bell_vector, correction, kron

INPUTS = ("Z+", "Z-", "X+", "X-", "Y+", "Y-")
"""The six eigenstates of the Pauli operators; a mean over them is the mean over all states of a qubit."""

_BITS = {"phi+": (0, 0), "phi-": (0, 1), "psi+": (1, 0), "psi-": (1, 1)}
"""What a circuit of CNOT and Hadamard reads: Z of the second qubit, then of the first."""


def eigenstate(name: str) -> Matrix:
    """Return complex128[2], the eigenstate called ``name``, one of ``INPUTS``.

    Raises:
        ValueError: it is none of them.
    """
    if name not in INPUTS:
        raise ValueError(f"'{name}' is no eigenstate; valid: {', '.join(INPUTS)}")
    vector: Matrix = BASIS_CHANGE[name[0]].conj().T[:, "+-".index(name[1])]
    return vector


def swapped_label(first: str, second: str, read: str) -> str:
    """Return the Bell state of the outer qubits after a Bell measurement on the inner ones of two pairs read ``read``.

    Two phi+ give what was read; every other pair turns it as its own Pauli operation does. psi+, psi+, psi-: psi-.
    """
    operator = PAULI["I"]
    for label in (first, second, read):
        operator = operator @ PAULI[correction(label, "phi+")]
    overlaps = [abs(bell_vector(label).conj() @ kron(PAULI["I"], operator) @ bell_vector("phi+")) for label in LABELS]
    return LABELS[int(np.argmax(overlaps))]


def bell_readout(
    two_qubit_fidelity: float = 1.0,
    gate_fidelity: float = 1.0,
    readout_first: tuple[float, float] = (1.0, 1.0),
    readout_second: tuple[float, float] = (1.0, 1.0),
) -> Floats:
    """Return float64[4, 4], the probability to read label j where i is true, in the order of ``LABELS``.

    A CNOT, a Hadamard gate on the first qubit and readout of both: white noise of the first makes both bits random, of
    the second the first qubit's.

    Args:
        two_qubit_fidelity, gate_fidelity: average fidelities of CNOT and Hadamard.
        readout_first, readout_second: probabilities to read 0 where it is 0, and 1 where it is 1.
    """
    white, white_first = depolarising_probability(two_qubit_fidelity, 2), depolarising_probability(gate_fidelity)
    blur = (1 - white_first) * np.eye(2) + white_first / 2
    clean = (1 - white) * np.kron(np.eye(2), blur) + white / 4
    by_bits = clean @ np.kron(confusion(*readout_second), confusion(*readout_first))
    order = [2 * parity + sign for parity, sign in (_BITS[label] for label in LABELS)]
    found: Floats = by_bits[np.ix_(order, order)]
    return found


def teleported(pair: Matrix, state: str, given: Matrix, readout: Floats, gate_fidelity: float = 1.0) -> Matrix:
    """Return complex128[2, 2], what arrives at the second node of ``pair``, its correction done.

    Args:
        pair: complex128[4, 4], sender's qubit first.
        state: the Bell state that the pair is taken for.
        given: complex128[2, 2], the state to be teleported.
        readout: of ``bell_readout``; the given qubit is the first one of the measurement.
        gate_fidelity: of the correction, if it is not I.
    """
    joint = kron(given, pair)
    arrived = np.zeros((2, 2), np.complex128)
    for true in LABELS:
        left = _projected(joint, bell_vector(true), 1)
        for column, read in enumerate(LABELS):
            chance = readout[LABELS.index(true), column]
            arrived += chance * _corrected(left, correction(read, state), gate_fidelity)
    return arrived


def swapped(
    first: Matrix, second: Matrix, states: tuple[str, str], target: str, readout: Floats, gate_fidelity: float = 1.0
) -> Matrix:
    """Return complex128[4, 4], the pair of the outer nodes after a swap, turned into ``target`` at the last node.

    Args:
        first, second: complex128[4, 4], pairs of outer and middle node, and of middle and outer node.
        states: the Bell states that they are taken for.
        target: the Bell state wanted.
        readout: of ``bell_readout``; the first pair's qubit is the first one of the measurement.
        gate_fidelity: of the correction, if it is not I.
    """
    joint = kron(first, second)
    outer = np.zeros((4, 4), np.complex128)
    for true in LABELS:
        left = _projected(joint, bell_vector(true), 2)
        for column, read in enumerate(LABELS):
            operation = correction(swapped_label(*states, read), target)
            outer += readout[LABELS.index(true), column] * _corrected(left, operation, gate_fidelity)
    return outer


def _projected(joint: Matrix, vector: Matrix, before: int) -> Matrix:
    """Return <v|joint|v>, two qubits projected; those before them have dimension ``before``."""
    shape = (before, 4, len(joint) // (4 * before))
    split = joint.reshape(*shape, *shape)
    left = np.einsum("i,aibcjd,j->abcd", vector.conj(), split, vector)
    size = shape[0] * shape[2]
    return np.asarray(left.reshape(size, size), dtype=np.complex128)


def _corrected(rho: Matrix, operation: str, gate_fidelity: float) -> Matrix:
    """Return the state after an operation on the last qubit and its white noise; I is no gate."""
    if operation == "I":
        return rho
    before = len(rho) // 2
    operator = kron(np.eye(before), PAULI[operation])
    turned = operator @ rho @ operator.conj().T
    white = depolarising_probability(gate_fidelity)
    split = turned.reshape(before, 2, before, 2)
    noise = np.kron(np.einsum("aibi->ab", split), np.eye(2) / 2)
    return np.asarray((1 - white) * turned + white * noise, dtype=np.complex128)
