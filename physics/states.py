"""Two memory qubits: Bell states by their labels, Pauli operations, fidelities, and the correction a label asks for.

Qubits. |1> is the bright state of a spin, |0> the dark one, and T1 relaxes towards |0>. With single-click heralding the
spin starts as sqrt(1 - alpha)|0> + sqrt(alpha)|1>, and |1> emits. In time-bin encoding (two-click, photon pairs,
serial) |0> belongs to the photon in the early bin, |1> to the late one. A pair is ordered |00>, |01>, |10>, |11>, the
first node first.

States are density matrices complex128[..., 4, 4]; a leading shape is a stack of them. ``ValueError`` for other shapes
and unknown labels.
"""

import functools
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.complex128]
Floats = npt.NDArray[np.float64]

LABELS = ("phi+", "phi-", "psi+", "psi-")
"""(|00> +- |11>)/sqrt 2 and (|01> +- |10>)/sqrt 2."""

Operation = Literal["I", "X", "Y", "Z"]
OPERATIONS: tuple[Operation, ...] = ("I", "X", "Y", "Z")

PAULI: dict[str, Matrix] = {
    "I": np.eye(2, dtype=np.complex128),
    "X": np.array([[0, 1], [1, 0]], dtype=np.complex128),
    "Y": np.array([[0, -1j], [1j, 0]], dtype=np.complex128),
    "Z": np.diag(np.array([1, -1], dtype=np.complex128)),
}

_COMPONENTS = {"phi+": (0, 3, 1), "phi-": (0, 3, -1), "psi+": (1, 2, 1), "psi-": (1, 2, -1)}


def kron(*factors: npt.NDArray[Any]) -> Matrix:
    """Return the tensor product of operators, the first factor most significant."""
    product = np.eye(1, dtype=np.complex128)
    for factor in factors:
        product = np.kron(product, factor).astype(np.complex128, copy=False)
    return product


def bell_vector(label: str) -> Matrix:
    """Return complex128[4], the Bell state called ``label``."""
    if label not in LABELS:
        raise ValueError(f"'{label}' is no Bell state; valid: {', '.join(LABELS)}")
    first, second, sign = _COMPONENTS[label]
    vector = np.zeros(4, dtype=np.complex128)
    vector[first], vector[second] = np.sqrt(0.5), sign * np.sqrt(0.5)
    return vector


def bell_state(label: str) -> Matrix:
    """Return complex128[4, 4], the density matrix of the Bell state called ``label``."""
    vector = bell_vector(label)
    return np.outer(vector, vector.conj())


def werner_state(label: str, fidelity: float) -> Matrix:
    """Return the Bell state mixed with white noise so that its fidelity is ``fidelity``, from 1/4 to 1.

    Werner, Phys. Rev. A 40, 4277 (1989).
    """
    if not 0.25 <= fidelity <= 1:
        raise ValueError(f"fidelity is {fidelity}; a Werner state of visibility 0 to 1 has 0.25 to 1")
    share = (4 * fidelity - 1) / 3
    werner: Matrix = share * bell_state(label) + (1 - share) * np.eye(4) / 4
    return werner


def fidelity(rho: Matrix, label: str) -> Floats:
    """Return float64[...], <B|rho|B> with the Bell state called ``label``; rho of trace 1 is not checked for."""
    vector = bell_vector(label)
    return np.asarray(np.einsum("i,...ij,j->...", vector.conj(), _pairs(rho), vector).real, dtype=np.float64)


@functools.cache
def pauli_pair(names: str) -> Matrix:
    """Return complex128[4, 4], for "XZ" the Pauli X on the first qubit and Z on the second."""
    if len(names) != 2 or not set(names) <= set(OPERATIONS):
        raise ValueError(f"'{names}' is no pair of Pauli operations; write two letters of I, X, Y, Z")
    product = kron(PAULI[names[0]], PAULI[names[1]])
    product.setflags(write=False)
    return product


def correlator(rho: Matrix, names: str) -> Floats:
    """Return float64[...], Tr[rho P Q] for ``names`` such as "XX"."""
    return np.asarray(np.einsum("...ij,ji->...", _pairs(rho), pauli_pair(names)).real, dtype=np.float64)


def correction(label: str, target: str) -> Operation:
    """Return which of I, X, Y, Z turns the Bell state ``label`` into ``target``, a global phase aside.

    It may be applied at either node: for a Bell state a Pauli operation on one qubit is the same one on the other.
    Found from the vectors, not from a table. From psi- to phi+: Y.
    """
    have, want = bell_vector(label), bell_vector(target)
    overlaps = [abs(want.conj() @ pauli_pair(f"I{name}") @ have) for name in OPERATIONS]
    return OPERATIONS[int(np.argmax(overlaps))]


def _pairs(rho: Matrix) -> Matrix:
    states = np.asarray(rho, dtype=np.complex128)
    if states.shape[-2:] != (4, 4):
        raise ValueError(f"states of two qubits have shape (..., 4, 4), not {states.shape}")
    return states
