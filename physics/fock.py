"""Truncated Fock space: photon-number operators of a few optical modes, for propagating states step by step.

A mode holds 0 to ``levels - 1`` photons. Operators are complex128[d, d] on the space of the modes named, the first
mode most significant. Everything is exact as long as no mode would have to hold more photons than it can.
"""

import functools
import math

import numpy as np

from ._checks import fraction
from .states import Matrix, kron


def annihilator(levels: int) -> Matrix:
    """Return a with a|n> = sqrt(n)|n - 1>."""
    return np.diag(np.sqrt(np.arange(1.0, levels)), 1).astype(np.complex128)


@functools.cache
def beam_splitter(levels: int) -> Matrix:
    """Return the 50/50 beam splitter on two modes: a+ -> (a+ + b+)/sqrt 2, b+ -> (a+ - b+)/sqrt 2 (outputs 1 and 2).

    exp(theta (a+ b - a b+)) at 45 degrees, times the sign of output 2; by the eigenvectors of the Hermitian generator.
    """
    one = np.eye(levels)
    a, b = np.kron(annihilator(levels), one), np.kron(one, annihilator(levels))
    values, vectors = np.linalg.eigh(1j * (a.conj().T @ b - b.conj().T @ a))
    rotation = (vectors * np.exp(-1j * math.pi / 4 * values)) @ vectors.conj().T
    sign = np.kron(one, np.diag((-1.0) ** np.arange(levels)))
    splitter: Matrix = sign @ rotation
    splitter.setflags(write=False)
    return splitter


def loss(levels: int, transmission: float) -> list[Matrix]:
    """Return the Kraus operators K_j of losing j photons, K_j|n> = sqrt(C(n, j) eta^(n-j) (1 - eta)^j)|n - j>.

    Binomial loss; Leonhardt, Phys. Rev. A 48, 3265 (1993).
    """
    eta = fraction("transmission", transmission)
    operators = []
    for lost in range(levels):
        kraus = np.zeros((levels, levels), dtype=np.complex128)
        for photons in range(lost, levels):
            share = math.comb(photons, lost) * eta ** (photons - lost) * (1 - eta) ** lost
            kraus[photons - lost, photons] = math.sqrt(share)
        operators.append(kraus)
    return operators


def coherent(levels: int, amplitude: complex) -> Matrix:
    """Return complex128[levels], the coherent state cut off at ``levels - 1`` photons, not normalised again."""
    number = np.arange(levels)
    factorial = np.array([math.factorial(n) for n in number], dtype=np.float64)
    vector: Matrix = np.exp(-(abs(amplitude) ** 2) / 2) * np.asarray(amplitude, complex) ** number / np.sqrt(factorial)
    return vector


def vacuum(levels: int) -> Matrix:
    """Return |0><0|."""
    projector = np.zeros((levels, levels), dtype=np.complex128)
    projector[0, 0] = 1.0
    return projector


def on_mode(operator: Matrix, mode: int, modes: int, levels: int) -> Matrix:
    """Return ``operator`` of one mode on the space of ``modes`` modes."""
    return kron(np.eye(levels**mode), operator, np.eye(levels ** (modes - mode - 1)))
