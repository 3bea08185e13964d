"""What happens to stored qubits: relaxation, dephasing, depolarising, gates and imperfect readout, as exact channels.

Every function takes density matrices of n qubits, complex128[..., 2**n, 2**n] (a leading shape is a stack), and the
number of the qubit it acts on, 0 being the first (most significant) one, and returns new ones. Strengths may be arrays
that broadcast against the stack. Trace and positivity are kept to rounding; a strength that would not keep them is
refused with ``ValueError``.

Source of the channels: Nielsen & Chuang, Quantum Computation and Quantum Information, section 8.3.
"""

import numpy as np
import numpy.typing as npt

from ._checks import fraction
from .states import PAULI, Floats, Matrix, kron


def qubits_of(rho: Matrix) -> int:
    """Return the number n of qubits of density matrices complex128[..., 2**n, 2**n]."""
    size = rho.shape[-1] if rho.ndim >= 2 else 0
    count = size.bit_length() - 1
    if size < 2 or rho.shape[-2] != size or size != 1 << count:
        raise ValueError(f"a state of n qubits has shape (..., 2**n, 2**n), not {rho.shape}")
    return count


def unitary(rho: Matrix, operator: Matrix, qubit: int) -> Matrix:
    """Return U rho U+ for ``operator`` complex128[2**m, 2**m] on qubits ``qubit`` to ``qubit + m - 1``."""
    full = _on(operator, qubit, qubits_of(rho))
    turned: Matrix = full @ rho @ full.conj().T
    return turned


def dephase(rho: Matrix, qubit: int, factor: npt.ArrayLike) -> Matrix:
    """Return the state with the qubit's coherences multiplied by ``factor``, from -1 to 1 (phase damping)."""
    factors = _strengths(factor, -1.0)
    states = _stack(rho, factors)
    split = _split(states, qubit)
    split[..., :, 0, :, :, 1, :] *= factors
    split[..., :, 1, :, :, 0, :] *= factors
    return states


def relax(rho: Matrix, qubit: int, survival: npt.ArrayLike) -> Matrix:
    """Return the state after amplitude damping: |1> stays with probability ``survival``, else it becomes |0>.

    Coherences take the factor sqrt(survival). After a time t, survival = e^(-t / T1).
    """
    stay = _strengths(survival, 0.0)
    states = _stack(rho, stay)
    split = _split(states, qubit)
    split[..., :, 0, :, :, 0, :] += (1 - stay) * split[..., :, 1, :, :, 1, :]
    split[..., :, 1, :, :, 1, :] *= stay
    split[..., :, 0, :, :, 1, :] *= np.sqrt(stay)
    split[..., :, 1, :, :, 0, :] *= np.sqrt(stay)
    return states


def depolarise(rho: Matrix, qubit: int, probability: npt.ArrayLike, width: int = 1) -> Matrix:
    """Return the state in which ``width`` qubits from ``qubit`` on are replaced by white noise with ``probability``."""
    share = _strengths(probability, 0.0)[..., 0, 0]
    size = 1 << width
    split = _split(rho, qubit, width)
    traced = np.einsum("...aibcid->...abcd", split)
    white = np.einsum("...abcd,ij->...aibcjd", traced, np.eye(size) / size).reshape(rho.shape)
    mixed: Matrix = (1 - share) * rho + share * white
    return mixed


def depolarising_probability(average_fidelity: float, width: int = 1) -> float:
    """Return the probability of white noise behind a gate of ``width`` qubits with this average fidelity.

    1 - F = p (d - 1) / d with d = 2**width (Nielsen, Phys. Lett. A 303, 249, 2002). One qubit, 0.99: 0.02.
    """
    size = 1 << width
    probability = (1 - fraction("average_fidelity", average_fidelity)) * size / (size - 1)
    if probability > 1:
        raise ValueError(f"average_fidelity is {average_fidelity}; white noise alone has {1 / size:g}")
    return probability


def spin_photon_probability(entanglement_fidelity: float) -> float:
    """Return the probability of white noise on one qubit of a Bell pair that leaves it this fidelity: 4 (1 - F) / 3."""
    probability = 4 * (1 - fraction("entanglement_fidelity", entanglement_fidelity)) / 3
    if probability > 1:
        raise ValueError(f"entanglement_fidelity is {entanglement_fidelity}; white noise alone has 0.25")
    return probability


def stored(
    rho: Matrix,
    qubit: int,
    from_s: npt.ArrayLike,
    to_s: npt.ArrayLike,
    t1_s: float,
    t2_s: float,
    stretch: float = 1.0,
) -> Matrix:
    """Return the state after storage from age ``from_s`` to age ``to_s`` (seconds since the qubit was prepared).

    |1> relaxes with e^(-t / T1). Coherences take e^(-t / 2 T1) from that and, besides, exp(-(t / T2)^n): T2 is the time
    of pure dephasing, so that every T1, T2 and n is physical. A stretched exponential (n other than 1) is no function
    of the time that passes but of the age: what is applied is C(to) / C(from), so that looking at a qubit half way
    changes nothing. ``t1_s`` and ``t2_s`` may be ``inf``.
    """
    begin, end = (np.asarray(age, dtype=np.float64) for age in (from_s, to_s))
    if (begin < 0).any() or (end < begin).any():
        raise ValueError(f"ages run from {from_s!r} to {to_s!r} s; they start at 0 and go forward")
    factor = np.exp((begin / t2_s) ** stretch - (end / t2_s) ** stretch)
    return dephase(relax(rho, qubit, np.exp((begin - end) / t1_s)), qubit, factor)


BASIS_CHANGE: dict[str, Matrix] = {
    "Z": PAULI["I"],
    "X": np.array([[1, 1], [1, -1]], dtype=np.complex128) / np.sqrt(2),
    "Y": np.array([[1, -1j], [1, 1j]], dtype=np.complex128) / np.sqrt(2),
}
"""Turns the eigenstates +1 and -1 of the named Pauli operator into |0> and |1>."""


def outcome_probabilities(rho: Matrix, bases: str) -> Floats:
    """Return float64[..., 2**n], the probabilities of the bits of all qubits measured in ``bases``, "XZ" for two.

    Bit 0 is the eigenvalue +1. Rounding below zero is cut off.
    """
    if len(bases) != qubits_of(rho) or not set(bases) <= set(BASIS_CHANGE):
        raise ValueError(f"bases are '{bases}'; write one of X, Y, Z for each of {qubits_of(rho)} qubits")
    turn = np.eye(1, dtype=np.complex128)
    for basis in bases:
        turn = kron(turn, BASIS_CHANGE[basis])
    diagonal = np.einsum("ai,...ij,aj->...a", turn, rho, turn.conj()).real
    return np.asarray(np.clip(diagonal, 0.0, None), dtype=np.float64)


def confusion(fidelity_0: float, fidelity_1: float) -> Floats:
    """Return float64[2, 2], the probability to read j where the qubit is i; arguments are those to read right."""
    right = fraction("fidelity_0", fidelity_0), fraction("fidelity_1", fidelity_1)
    return np.array([[right[0], 1 - right[0]], [1 - right[1], right[1]]])


def misread(probabilities: Floats, first: Floats, second: Floats) -> Floats:
    """Return float64[..., 4], what readout with the ``confusion`` matrices of two qubits makes of probabilities."""
    read: Floats = probabilities @ np.kron(first, second)
    return read


def _strengths(strength: npt.ArrayLike, least: float) -> Floats:
    """Return the strengths with axes for ``_split`` blocks, checked to lie between ``least`` and 1."""
    values = np.asarray(strength, dtype=np.float64)
    if not ((values >= least) & (values <= 1)).all():
        raise ValueError(f"the strength {strength!r} does not lie between {least:g} and 1")
    return values[..., None, None, None, None]


def _stack(rho: Matrix, strengths: Floats) -> Matrix:
    """Return a fresh array of the states, one for each strength."""
    shape = np.broadcast_shapes(rho.shape[:-2], strengths.shape[:-4])
    return np.broadcast_to(np.asarray(rho, dtype=np.complex128), (*shape, *rho.shape[-2:])).copy()


def _split(rho: Matrix, qubit: int, width: int = 1) -> Matrix:
    """Return a view complex128[..., before, 2**width, after, before, 2**width, after]."""
    count = qubits_of(rho)
    if not 0 <= qubit <= count - width:
        raise ValueError(f"there is no qubit {qubit} to {qubit + width - 1} among {count}, counted from 0")
    shape = (1 << qubit, 1 << width, 1 << (count - qubit - width))
    return rho.reshape(*rho.shape[:-2], *shape, *shape)


def _on(operator: Matrix, qubit: int, count: int) -> Matrix:
    width = qubits_of(operator)
    if not 0 <= qubit <= count - width:
        raise ValueError(f"there is no qubit {qubit} to {qubit + width - 1} among {count}, counted from 0")
    return kron(np.eye(1 << qubit), operator, np.eye(1 << (count - qubit - width)))
