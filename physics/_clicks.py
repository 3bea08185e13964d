"""What two threshold detectors behind a 50/50 splitter tell about the photons in front of it, in truncated Fock space.

An effect is the operator complex128[(photons + 1)^2, same] on the photon numbers (n_A, n_B) of one window whose mean
value is the probability of a click pattern; loss, dark counts and imperfect overlap are in it.
"""

import math

import numpy as np
import numpy.typing as npt

from . import fock
from ._checks import fraction, not_negative
from .states import Matrix

PATTERNS = ((False, False), (True, False), (False, True), (True, True))
"""Clicks of (detector 0, detector 1) in one window, in the order of the effects."""


def bits(clicks: list[int]) -> int:
    """Return the pattern for an index into ``PATTERNS`` per window."""
    windows = len(clicks)
    seen = [(detector, w) for w, number in enumerate(clicks) for detector in (0, 1) if PATTERNS[number][detector]]
    return sum(1 << (detector * windows + window) for detector, window in seen)


def window_effects(
    efficiency: tuple[float, float], visibility: float, dark: npt.ArrayLike, photons: int
) -> list[list[Matrix]]:
    """Return the effects of each window, ``dark`` float64[windows, 2] being the probabilities of dark clicks."""
    table = np.atleast_2d(np.asarray(dark, dtype=np.float64))
    return [_click_effects(efficiency, visibility, (float(a), float(b)), photons) for a, b in table]


def _click_effects(
    efficiency: tuple[float, float], visibility: float, dark: tuple[float, float], photons: int
) -> list[Matrix]:
    """Return for each of ``PATTERNS`` its effect on photon numbers (n_A, n_B), complex128[(photons + 1)^2, same].

    Node B's photons have the amplitude sqrt(V) in the shape of node A's and sqrt(1 - V) in another one, which meets
    only vacuum. A detector that is silent has seen vacuum in both shapes and had no dark count.
    """
    silent = {}
    for which in ((), (0,), (1,), (0, 1)):
        same = _before_splitter(which, efficiency, photons)
        other = _before_splitter(which, (0.0, efficiency[1]), photons)
        no_dark = math.prod(1 - fraction("dark", dark[detector]) for detector in which)
        silent[which] = no_dark * _shapes_joined(same, other, fraction("visibility", visibility), photons)
    return [
        silent[0, 1],
        silent[1,] - silent[0, 1],
        silent[0,] - silent[0, 1],
        silent[()] - silent[0,] - silent[1,] + silent[0, 1],
    ]


def _before_splitter(silent: tuple[int, ...], efficiency: tuple[float, float], photons: int) -> Matrix:
    """Return the effect "no photon at these detectors" of one shape in front of loss and splitter, on (n_A, n_B)."""
    levels = 2 * photons + 1
    effect = np.eye(levels**2, dtype=np.complex128)
    for detector in silent:
        effect = effect @ fock.on_mode(fock.vacuum(levels), detector, 2, levels)
    splitter = fock.beam_splitter(levels)
    few = [a * levels + b for a in range(photons + 1) for b in range(photons + 1)]
    # Loss takes photons away only, so of what arrives at the splitter no more matters than what was sent.
    effect = (splitter.conj().T @ effect @ splitter)[np.ix_(few, few)]
    for mode, eta in enumerate(efficiency):
        kraus = [fock.on_mode(k, mode, 2, photons + 1) for k in fock.loss(photons + 1, eta)]
        effect = np.sum([k.conj().T @ effect @ k for k in kraus], axis=0)
    return effect


def _shapes_joined(same: Matrix, other: Matrix, visibility: float, photons: int) -> Matrix:
    levels = photons + 1
    split = np.zeros((levels, levels, levels), np.complex128)  # [n_B in the same shape, in the other one, n_B]
    for total in range(levels):
        for joint in range(total + 1):
            weight = math.comb(total, joint) * visibility**joint * (1 - visibility) ** (total - joint)
            split[joint, total - joint, total] = math.sqrt(weight)
    first = same.reshape(levels, levels, levels, levels)
    second = other[:levels, :levels]  # node A's side of the other shape is empty
    joined: Matrix = np.einsum("xyb,axcz,yw,zwd->abcd", split.conj(), first, second, split, optimize=True)
    return joined.reshape(levels**2, levels**2)


def phases(sigma: float) -> list[tuple[float, float]]:
    """Return (weight, phase) that average over a Gaussian phase (Gauss-Hermite, 24 points)."""
    not_negative(phase_noise_rad=sigma)
    if sigma == 0:
        return [(1.0, 0.0)]
    points, weights = np.polynomial.hermite_e.hermegauss(24)
    return [(float(w), float(sigma * x)) for x, w in zip(points, weights / weights.sum())]


def turned(effects: list[Matrix], phase: float) -> list[Matrix]:
    """Return the effects as seen in front of a phase shift of node B's photons."""
    levels = math.isqrt(effects[0].shape[0])
    shift = np.exp(1j * phase * np.tile(np.arange(levels), levels))
    return [shift.conj()[:, None] * effect * shift for effect in effects]
