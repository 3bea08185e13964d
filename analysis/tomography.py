"""The state of pairs from counts in nine settings: linear inversion, and the nearest physical state.

Settings are pairs of Pauli bases in the order of ``SETTINGS``; counts of each are a 2x2 matrix, [first, second qubit],
(bit 0, bit 1) = (+1, -1). Linear inversion is unbiased and can have negative eigenvalues. ``project`` makes it
physical: the maximum-likelihood state for equal Gaussian errors, biased towards mixed states where the true one is
nearly pure. ``linear_fidelity`` is of the former, with the error of its counts; ``projected_fidelity`` of the latter,
with a bootstrap.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .bell import whole_counts
from .estimates import Estimate
from .fidelity import Readout, outcome_values

SETTINGS = tuple(a + b for a in "XYZ" for b in "XYZ")
Matrix = npt.NDArray[np.complex128]
Counts = npt.NDArray[np.int64]

_PAULI = {
    "I": np.eye(2, dtype=np.complex128),
    "X": np.array([[0, 1], [1, 0]], dtype=np.complex128),
    "Y": np.array([[0, -1j], [1j, 0]], dtype=np.complex128),
    "Z": np.diag(np.array([1, -1], dtype=np.complex128)),
}


@dataclass(frozen=True, eq=False)
class Tomogram:
    """A reconstructed pair state.

    Attributes:
        linear: complex128[4, 4], Hermitian, trace 1, by linear inversion.
        state: complex128[4, 4], the nearest density matrix to it.
        counts: int64[9, 2, 2].
        readout: fidelities that were corrected for, of both qubits.
    """

    linear: Matrix
    state: Matrix
    counts: Counts
    readout: tuple[Readout, Readout]


def tomography(counts: npt.ArrayLike, readout_a: Readout = (1, 1), readout_b: Readout = (1, 1)) -> Tomogram:
    """Return the state from int[9, 2, 2] counts in the order of ``SETTINGS``.

    rho = sum of r_PQ P x Q / 4 over Pauli operators; each r is the mean product of outcomes, those with an identity
    averaged over the three settings that tell them. James et al., Phys. Rev. A 64, 052312 (2001).

    Raises:
        ValueError: no counts, or a setting without any.
    """
    table = whole_counts(counts, (9, 2, 2))
    empty = [name for name, total in zip(SETTINGS, table.sum(axis=(1, 2))) if total == 0]
    if empty:
        raise ValueError(f"no pairs measured in {', '.join(empty)}; tomography needs all nine settings")
    linear = _inverted(table, readout_a, readout_b)
    return Tomogram(linear, project(linear), table, (readout_a, readout_b))


def project(matrix: Matrix) -> Matrix:
    """Return the density matrix nearest to a Hermitian matrix of trace 1 in the 2-norm.

    Negative eigenvalues become 0 and what they had is taken from the others equally, the smallest first. Smolin,
    Gambetta, Smith, Phys. Rev. Lett. 108, 070502 (2012).
    """
    values, vectors = np.linalg.eigh(matrix)
    rest = 0.0
    kept = values.copy()
    for index in range(len(values)):  # ascending
        if values[index] + rest / (len(values) - index) >= 0:
            kept[index:] = values[index:] + rest / (len(values) - index)
            break
        rest += values[index]
        kept[index] = 0.0
    physical: Matrix = (vectors * kept) @ vectors.conj().T
    return physical


def linear_fidelity(tomogram: Tomogram, target: npt.ArrayLike) -> Estimate:
    """Return <t|rho|t> of the linear inversion, unbiased, with the error of its counts; not clipped to 0..1.

    The fidelity is a weighted mean of outcomes in each setting; variances are those of the smoothed counts (one pair of
    each kind added).

    Args:
        target: complex[4], normalised.
    """
    vector = _target(target)
    weights = _fidelity_weights(vector, *tomogram.readout)
    variance = 0.0
    for table, weight in zip(tomogram.counts, weights):
        total = table.sum()
        smooth = (table + 1) / (total + 4)
        variance += float((smooth * weight**2).sum() - (smooth * weight).sum() ** 2) / float(total)
    return Estimate(float((vector.conj() @ tomogram.linear @ vector).real), math.sqrt(variance))


def projected_fidelity(
    tomogram: Tomogram, target: npt.ArrayLike, rng: np.random.Generator, resamples: int = 200
) -> Estimate:
    """Return <t|rho|t> of the physical state; the error is the spread over resampled counts (bootstrap).

    Efron, Ann. Statist. 7, 1 (1979): multinomial draws from the counts of each setting. The bias of ``project`` is not
    in the error.

    Raises:
        ValueError: fewer than 2 resamples.
    """
    if resamples < 2:
        raise ValueError(f"resamples is {resamples}; a spread needs at least 2")
    vector = _target(target)
    found = [
        float((vector.conj() @ project(_inverted(drawn, *tomogram.readout)) @ vector).real)
        for drawn in _resampled(tomogram.counts, rng, resamples)
    ]
    value = float((vector.conj() @ tomogram.state @ vector).real)
    return Estimate(value, float(np.std(found, ddof=1)))


def _resampled(counts: Counts, rng: np.random.Generator, resamples: int) -> Counts:
    drawn = [rng.multinomial(int(t.sum()), t.ravel() / t.sum(), resamples).reshape(-1, 2, 2) for t in counts]
    return np.stack(drawn, axis=1)


def _inverted(counts: Counts, readout_a: Readout, readout_b: Readout) -> Matrix:
    shares = counts / counts.sum(axis=(1, 2), keepdims=True)
    rho = np.eye(4, dtype=np.complex128) / 4
    for setting, share in zip(SETTINGS, shares):
        for operator, weight in _terms(setting, readout_a, readout_b):
            rho += float((share * weight).sum()) * operator
    return rho


def _fidelity_weights(vector: Matrix, readout_a: Readout, readout_b: Readout) -> list[npt.NDArray[np.float64]]:
    """Return per setting float64[2, 2], what an outcome adds to the fidelity, a constant aside."""
    found = []
    for setting in SETTINGS:
        parts = [
            float((vector.conj() @ operator @ vector).real) * weight
            for operator, weight in _terms(setting, readout_a, readout_b)
        ]
        found.append(np.sum(parts, axis=0))
    return found


def _terms(setting: str, readout_a: Readout, readout_b: Readout) -> Sequence[tuple[Matrix, npt.NDArray[np.float64]]]:
    """Return (operator, value of each outcome float64[2, 2]) of what a setting tells: both, first only, second only."""
    first, second, ones = outcome_values(readout_a), outcome_values(readout_b), np.ones(2)
    a, b, identity = _PAULI[setting[0]], _PAULI[setting[1]], _PAULI["I"]
    return [
        (_product(a, b) / 4, np.multiply.outer(first, second)),
        (_product(a, identity) / 12, np.multiply.outer(first, ones)),
        (_product(identity, b) / 12, np.multiply.outer(ones, second)),
    ]


def _product(first: Matrix, second: Matrix) -> Matrix:
    product: Matrix = np.kron(first, second).astype(np.complex128, copy=False)
    return product


def _target(target: npt.ArrayLike) -> Matrix:
    vector = np.asarray(target, dtype=np.complex128)
    if vector.shape != (4,) or abs(np.linalg.norm(vector) - 1) > 1e-9:
        raise ValueError(f"the target is no normalised state of two qubits: {target!r}")
    return vector
