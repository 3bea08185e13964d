"""Polarisation of photons and pairs: wave plates, polarisers, pair states, click probabilities.

A photon is a Jones vector (H, V); a pair is ordered HH, HV, VH, VV, the first photon first. Angles are degrees from H.
A half-wave plate at physical angle a, followed by a polarising beam splitter, measures polarisation at 2a. Global
phases are dropped: only what a detector could see is promised. ``ValueError`` for arrays of the wrong shape and for
states that are not normalised.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.complex128]
"""complex128[2, 2] on one photon (a Jones matrix or a POVM element), or complex128[4, 4] on a pair."""


def rotator(angle_deg: float) -> Matrix:
    """Return the rotation that takes polarisation at x to x + ``angle_deg``."""
    angle = np.deg2rad(angle_deg)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], dtype=np.complex128)


def retarder(retardance_deg: float, angle_deg: float) -> Matrix:
    """Return R(a) diag(1, exp(i d)) R(-a), fast axis at ``angle_deg`` (Jones, J. Opt. Soc. Am. 31, 488, 1941)."""
    phases = np.diag(np.exp(1j * np.deg2rad([0.0, retardance_deg])))
    jones: Matrix = rotator(angle_deg) @ phases @ rotator(-angle_deg)
    return jones


def half_wave_plate(angle_deg: float) -> Matrix:
    """Return the plate with its fast axis at ``angle_deg``: polarisation at x comes out at 2 a - x."""
    return retarder(180.0, angle_deg)


def quarter_wave_plate(angle_deg: float) -> Matrix:
    """Return the plate with its fast axis at ``angle_deg``: H becomes circular at +-45 degrees."""
    return retarder(90.0, angle_deg)


def polariser(angle_deg: float) -> Matrix:
    """Return the projector |x><x| on linear polarisation at ``angle_deg``."""
    return rotator(angle_deg) @ np.diag([1.0 + 0j, 0.0]) @ rotator(-angle_deg)


def analyser(plate_deg: float) -> tuple[Matrix, Matrix]:
    """Return (transmitted, reflected) POVM elements of a half-wave plate at ``plate_deg`` and a polarising splitter."""
    plate = half_wave_plate(plate_deg)
    return before(plate, polariser(0.0)), before(plate, polariser(90.0))


def before(jones: Matrix, element: Matrix) -> Matrix:
    """Return J+ E J: the POVM element ``element`` as seen in front of optics with Jones matrix ``jones``."""
    return jones.conj().T @ element @ jones


def pair_state(pump_plate_deg: float) -> Matrix:
    """Return complex128[4], cos 2a |HH> + sin 2a |VV>, for the pump's half-wave plate at physical angle a.

    Kwiat et al., Phys. Rev. A 60, R773 (1999), for a source that turns pump H into HH and V into VV in phase.
    """
    angle = np.deg2rad(2.0 * pump_plate_deg)
    return np.array([np.cos(angle), 0.0, 0.0, np.sin(angle)], dtype=np.complex128)


def density_matrix(state: Matrix) -> Matrix:
    """Return complex128[4, 4] of a pair state given as complex128[4], or the density matrix itself, checked."""
    rho: Matrix = np.asarray(state, dtype=np.complex128)
    if rho.ndim == 1:
        rho = np.outer(rho, rho.conj())
    if rho.shape != (4, 4):
        raise ValueError(f"a pair state has shape (4,) or (4, 4), not {np.shape(state)}")
    if abs(np.trace(rho) - 1) > 1e-9 or np.abs(rho - rho.conj().T).max() > 1e-9:
        raise ValueError(f"not a pair state: the trace is {np.trace(rho):.6g} (must be 1) or it is not Hermitian")
    return rho


def with_white_noise(state: Matrix, visibility: float) -> Matrix:
    """Return V rho + (1 - V) 1/4; of a Bell state this is a Werner state (Phys. Rev. A 40, 4277, 1989)."""
    if not 0 <= visibility <= 1:
        raise ValueError(f"visibility is {visibility}; it must lie between 0 and 1")
    noisy: Matrix = visibility * density_matrix(state) + (1 - visibility) * np.eye(4) / 4
    return noisy


def joint_probabilities(
    state: Matrix, elements_a: Sequence[npt.NDArray[Any]], elements_b: Sequence[npt.NDArray[Any]]
) -> npt.NDArray[np.float64]:
    """Return float64[len(a), len(b)], Tr[rho (A_i x B_j)].

    Args:
        state: the pair, complex128[4] or [4, 4].
        elements_a: POVM elements of the first photon's detectors, 2x2 each; they need not add up to one (loss).
        elements_b: the same for the second photon.
    """
    rho = density_matrix(state).reshape(2, 2, 2, 2)
    probabilities = np.einsum("ikjl,aji,blk->ab", rho, _elements(elements_a), _elements(elements_b))
    return np.asarray(probabilities.real, dtype=np.float64)


def marginal(state: Matrix, elements: Sequence[npt.NDArray[Any]], photon: int) -> npt.NDArray[np.float64]:
    """Return float64[len(elements)], the probabilities at one photon (0 or 1) whatever happens to the other."""
    probabilities = np.einsum("ij,aji->a", partial_trace(state, photon), _elements(elements))
    return np.asarray(probabilities.real, dtype=np.float64)


def partial_trace(state: Matrix, keep: int) -> Matrix:
    """Return complex128[2, 2], the state of photon ``keep`` (0 or 1) alone."""
    if keep not in (0, 1):
        raise ValueError(f"keep is {keep}; the photons of a pair are 0 and 1")
    rho = density_matrix(state).reshape(2, 2, 2, 2)
    reduced: Matrix = np.einsum("ikjk->ij" if keep == 0 else "kikj->ij", rho)
    return reduced


def correlation(state: Matrix, angle_a_deg: float, angle_b_deg: float) -> float:
    """Return E = P(++) + P(--) - P(+-) - P(-+) for linear analysers at these polarisation angles, + along the angle."""
    signs = [polariser(angle) - polariser(angle + 90.0) for angle in (angle_a_deg, angle_b_deg)]
    return float(joint_probabilities(state, signs[:1], signs[1:])[0, 0])


def random_unitary(rng: np.random.Generator) -> Matrix:
    """Return a 2x2 unitary drawn from the Haar measure: a fibre nobody has characterised.

    QR of a complex Gaussian matrix with the phases of R's diagonal put back (Mezzadri, Notices AMS 54, 592, 2007).
    """
    q, r = np.linalg.qr(rng.standard_normal((2, 2)) + 1j * rng.standard_normal((2, 2)))
    diagonal = np.diagonal(r)
    unitary: Matrix = q * (diagonal / np.abs(diagonal))
    return unitary


def _elements(elements: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.complex128]:
    stack = np.asarray(elements, dtype=np.complex128) if len(elements) else np.empty((0, 2, 2), np.complex128)
    if stack.shape[1:] != (2, 2):
        raise ValueError(f"POVM elements of one photon are 2x2 matrices, not of shape {stack.shape[1:]}")
    return stack
