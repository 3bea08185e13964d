"""What a herald leaves behind, predicted by propagating density matrices through an attempt step by step.

Each function returns an instrument: for every click pattern (bit = detector * windows + window) the unnormalised state
complex128[4, 4] of the two qubits; its trace is the probability per attempt, all traces add up to 1. Two photons
interfere on a 50/50 splitter in front of two threshold detectors. Nothing is taken as small: loss, dark counts, both
nodes bright, imperfect overlap and phase noise act in full. Left out: double excitation of one emitter, and whatever
lasts longer than an attempt (drifts, dead time).

Photons are propagated in truncated Fock space by beam-splitter unitaries and Kraus operators of loss (``fock``).
The simulated bench works the same physics out another way, from single-photon amplitudes; agreement means something.

Args common to all: ``efficiency`` (node A, node B) from emission to click; ``visibility`` of two-photon interference,
the squared overlap of the photons' shapes; ``phase_noise_rad``, standard deviation of the Gaussian optical phase
between the arms, constant within one attempt; ``dark`` float64[windows, 2 detectors], probability of a dark click.
"""

import math

import numpy as np
import numpy.typing as npt

from . import fock
from ._checks import fraction, not_negative, positive
from ._clicks import bits, phases, turned, window_effects
from .channels import unitary
from .states import PAULI, Floats, Matrix, kron

Instrument = dict[int, Matrix]


def single_click(
    efficiency: tuple[float, float],
    bright: tuple[float, float],
    visibility: float,
    phase_noise_rad: float,
    dark: npt.ArrayLike,
) -> Instrument:
    """Return the instrument of sqrt(1 - alpha)|0> + sqrt(alpha)|1> at each node, one window. Cabrillo et al. 1999."""
    spins = np.kron(*(_vector(fraction("bright", share)) for share in bright))
    (effects,) = window_effects(efficiency, visibility, dark, 1)
    found: Instrument = {pattern: np.zeros((4, 4), np.complex128) for pattern in range(4)}
    for weight, phase in phases(phase_noise_rad):
        for number, effect in enumerate(turned(effects, phase)):
            found[bits([number])] += weight * _herald(np.outer(spins, spins.conj()), effect)
    return found


def two_click(
    efficiency: tuple[float, float], visibility: float, phase_noise_rad: float, dark: npt.ArrayLike
) -> Instrument:
    """Return the instrument of Barrett and Kok (2005): excite, flip the spins, excite again; windows early, late."""
    spins = np.full((4, 4), 0.25, np.complex128)
    early, late = window_effects(efficiency, visibility, dark, 1)
    found: Instrument = {pattern: np.zeros((4, 4), np.complex128) for pattern in range(16)}
    for weight, phase in phases(phase_noise_rad):
        for first, effect in enumerate(turned(early, phase)):
            heralded = _herald(spins, effect)
            flipped = unitary(unitary(heralded, PAULI["X"], 0), PAULI["X"], 1)
            for second, other in enumerate(turned(late, phase)):
                found[bits([first, second])] += weight * _herald(flipped, other)
    return found


def photon_pairs(
    efficiency: tuple[float, float],
    mean_pairs: tuple[float, float],
    visibility: float,
    phase_noise_rad: float,
    dark: npt.ArrayLike,
    photons: int = 2,
) -> Instrument:
    """Return the instrument of two pair sources whose idlers meet at the station while their signals are stored.

    Each source squeezes one spectral mode in an early and a late bin, ``mean_pairs`` pairs an attempt in all; a memory
    with one excitation is a qubit (early is |0>). A memory with none or several reads as white noise, and so does the
    other one then. Cut off at ``photons`` pairs per source and bin: exact to order mean_pairs^(photons + 1).
    """
    squeezing = [math.sqrt(pairs / (2 + pairs)) for pairs in mean_pairs]
    not_negative(mean_pairs_a=mean_pairs[0], mean_pairs_b=mean_pairs[1])
    source = np.kron(*(math.sqrt(1 - x * x) * x ** np.arange(photons + 1) for x in squeezing))
    early, late = window_effects(efficiency, visibility, dark, photons)
    levels = photons + 1
    # Excitations (A, B) of the early bin for qubits 00, 01, 10, 11, as an index; the late bin has the others.
    in_early = np.array([levels + 1, levels, 1, 0])
    in_late = in_early[::-1]
    found: Instrument = {pattern: np.zeros((4, 4), np.complex128) for pattern in range(16)}
    for weight, phase in phases(phase_noise_rad):
        stored = [
            [kron(source[:, None], source) * effect.T for effect in turned(each, phase)] for each in (early, late)
        ]
        for first, rho_early in enumerate(stored[0]):
            for second, rho_late in enumerate(stored[1]):
                qubits = rho_early[np.ix_(in_early, in_early)] * rho_late[np.ix_(in_late, in_late)]
                total = (np.trace(rho_early) * np.trace(rho_late)).real
                white = (total - np.trace(qubits).real) / 4 * np.eye(4)
                found[bits([first, second])] += weight * (qubits + white)
    return found


def serial(
    transmission: tuple[float, float],
    mean_photons: float,
    visibility: float,
    phase_noise_rad: float,
    dark: npt.ArrayLike,
    photons: int = 4,
) -> Instrument:
    """Return the instrument of a weak coherent time-bin pulse that visits node A, then node B, then the detectors.

    Nodes reflect the early bin off |0> and the late one off |1> (a flip between the bins), and lose it otherwise;
    both spins start as (|0> + |1>)/sqrt 2. The bins then interfere; detector 0 heralds phi+, detector 1 phi-. Knaut et
    al., Nature 629, 573 (2024). ``transmission``: from A to B, and from B to the click; ``mean_photons`` in the pulse
    at A; ``visibility``: squared overlap of the two bins at the splitter; phase noise is that of the interferometer.
    Cut off at ``photons`` a bin: exact to order mean_photons^(photons + 1).
    """
    not_negative(mean_photons=mean_photons)
    levels = photons + 1
    (effects,) = window_effects((1.0, 1.0), visibility, dark, photons)
    light = np.kron(*(fock.coherent(levels, math.sqrt(mean_photons / 2)) for _ in range(2)))
    state = np.kron(np.full(4, 0.5), light)
    rho = np.outer(state, state.conj())
    for node, after in enumerate(transmission):
        for mode in (0, 1):
            rho = _reflected(rho, node, mode, levels)
            rho = _applied(rho, [kron(np.eye(4), fock.on_mode(k, mode, 2, levels)) for k in fock.loss(levels, after)])
    late = np.tile(np.arange(levels), 4 * levels)
    rho = rho * np.exp(-((phase_noise_rad * (late[:, None] - late)) ** 2) / 2)
    blocks = rho.reshape(4, levels**2, 4, levels**2)
    return {bits([n]): np.einsum("sitj,ji->st", blocks, effect) for n, effect in enumerate(effects)}


def probability(instrument: Instrument, patterns: list[int]) -> float:
    """Return the probability per attempt that one of ``patterns`` is seen."""
    return float(sum(np.trace(instrument[pattern]).real for pattern in patterns))


def conditional(instrument: Instrument, pattern: int) -> Matrix:
    """Return the normalised state after ``pattern``.

    Raises:
        ValueError: that pattern never occurs.
    """
    state = instrument[pattern]
    chance = float(np.trace(state).real)
    positive(**{f"probability of pattern {pattern}": chance})
    normalised: Matrix = state / chance
    return normalised


# --- steps ----------------------------------------------------------------------------------------------------


def _vector(bright: float) -> Floats:
    return np.array([math.sqrt(1 - bright), math.sqrt(bright)])


def _herald(spins: Matrix, effect: Matrix) -> Matrix:
    """Return the spins after |1> of each emitted a photon and the photons met ``effect``."""
    emission = np.zeros((4, 4, 4), np.complex128)  # [spins after, photons, spins before]
    for index in range(4):
        emission[index, index, index] = 1.0
    joint = np.einsum("spi,ij,tqj->sptq", emission, spins, emission.conj())
    heralded: Matrix = np.einsum("sptq,qp->st", joint, effect)
    return heralded


def _applied(rho: Matrix, kraus: list[Matrix]) -> Matrix:
    total: Matrix = np.sum([k @ rho @ k.conj().T for k in kraus], axis=0)
    return total


def _reflected(rho: Matrix, node: int, mode: int, levels: int) -> Matrix:
    """Return spins and bins after bin ``mode`` met ``node``: what is not reflected leaves, with its photon number."""
    survivors = fock.loss(levels, 1.0), fock.loss(levels, 0.0)
    projectors = [np.diag([1.0 - value, 1.0 * value]) for value in (mode, 1 - mode)]  # the spin that reflects, and not
    kraus = []
    for kept, lost in zip(*survivors):
        parts = [
            np.kron(fock.on_mode(projector, node, 2, 2), fock.on_mode(k, mode, 2, levels))
            for projector, k in zip(projectors, (kept, lost))
        ]
        kraus.append(parts[0] + parts[1])
    return _applied(rho, kraus)
