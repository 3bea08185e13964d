"""One weak coherent pulse that visits both nodes: its light is a coherent state for each state of the spins.

The early bin is reflected off |0>, the late one off |1> (a flip between the bins); other light leaves at the node. So
for spins 00 only the early bin comes through, for 11 only the late one, for 01 and 10 nothing. Coherences of the spins
are overlaps of coherent states in all places where light went, detectors included: exact for any mean photon number.
"""

import itertools
import math

import numpy as np
import numpy.typing as npt

from .landing import Matrix
from .optics import HeraldOptics

_POINTS = 24


def serial_effects(optics: HeraldOptics) -> dict[tuple[int, bool], Matrix]:
    """Return for every pattern the factor of each coherence [s', s] of the spins, averaged over the phase noise."""
    phases, weights = np.polynomial.hermite_e.hermegauss(_POINTS)
    weights = weights / weights.sum()
    found = {(pattern, False): np.zeros((4, 4), np.complex128) for pattern in range(4)}
    for phase, weight in zip(phases * optics.phase_noise_rad, weights):
        lost, arriving = _lost_light(optics), _arriving_light(optics, float(phase))
        for pattern in range(4):
            factor = _overlaps(lost)
            for detector, share in enumerate(optics.detectors):
                clicks = bool(pattern >> detector & 1)
                factor = factor * _overlaps(math.sqrt(1 - share) * arriving[detector])
                factor = factor * _detector(math.sqrt(share) * arriving[detector], optics.dark[0][detector], clicks)
            found[pattern, False] += weight * factor
    return found


def _lost_light(optics: HeraldOptics) -> npt.NDArray[np.complex128]:
    """Return complex128[4 spin states, places], amplitudes of the light that reaches no detector."""
    places = []
    for spins, early in itertools.product(itertools.product((0, 1), repeat=2), (True, False)):
        left, lost = math.sqrt(optics.mean_photons[0] / 2), []
        for spin, after in zip(spins, optics.efficiency[0]):
            reflected = left if (spin == 0) == early else 0.0
            lost += [left if reflected == 0.0 else 0.0, reflected * math.sqrt(1 - after)]
            left = reflected * math.sqrt(after)
        places.append(lost)
    return np.array(places, np.complex128).reshape(4, -1)


def _arriving_light(optics: HeraldOptics, phase: float) -> npt.NDArray[np.complex128]:
    """Return complex128[detector, 4 spin states, 2 shapes], amplitudes behind the splitter where the bins interfere."""
    through = math.sqrt(optics.mean_photons[0] / 2 * math.prod(optics.efficiency[0]))
    light = np.zeros((2, 4, 2), np.complex128)
    light[:, 0, 0] = through / math.sqrt(2)
    late = through / math.sqrt(2) * np.exp(1j * phase)
    for detector, sign in enumerate((1, -1)):
        light[detector, 3] = sign * late * np.array([math.sqrt(optics.visibility), math.sqrt(1 - optics.visibility)])
    return light


def _overlaps(light: npt.NDArray[np.complex128]) -> Matrix:
    """Return complex128[4, 4], <beta_s'|beta_s> of coherent states with amplitudes complex128[4, places]."""
    norms = np.square(np.abs(light)).sum(axis=1)
    overlaps: Matrix = np.exp(light.conj() @ light.T - (norms[:, None] + norms) / 2)
    return overlaps


def _detector(light: npt.NDArray[np.complex128], dark: float, clicks: bool) -> Matrix:
    norms = np.square(np.abs(light)).sum(axis=1)
    silent = (1 - dark) * np.exp(-(norms[:, None] + norms) / 2).astype(np.complex128)
    return _overlaps(light) - silent if clicks else silent
