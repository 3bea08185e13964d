"""How often the light of two pair sources makes a click pattern, with the sources' full number statistics.

Each source squeezes one spectral mode per bin. That a set S of detectors stays silent has the effect Gamma(M) on the
idlers, M = 1 - sum of the landing matrices of S, and Gamma(M) of a thermal state is 1 / det: a silent probability is
(1 - x_A^2)(1 - x_B^2) / det(1 - X M X), X = diag(x_A, x_B). Exact for any brightness. Patterns are differences of
these: relative errors are about 1e-16 over the probability of a click in one window.
"""

import math

import numpy as np

from .landing import landing_matrices
from .optics import WINDOWS, HeraldOptics


def pattern_probabilities(optics: HeraldOptics) -> dict[int, float]:
    """Return the probability per attempt of every pattern, silence (0) included."""
    windows = WINDOWS[optics.scheme]
    found = {0: 1.0}
    for window in range(windows):
        clicks = _one_window(optics, window)
        found = {
            pattern | sum(1 << (d * windows + window) for d in (0, 1) if seen >> d & 1): before * chance
            for pattern, before in found.items()
            for seen, chance in clicks.items()
        }
    return found


def _one_window(optics: HeraldOptics, window: int) -> dict[int, float]:
    squeezing = np.diag([math.sqrt(pairs / (2 + pairs)) for pairs in optics.mean_photons])
    places = landing_matrices(optics.efficiency[window], optics.detectors, optics.visibility)
    vacuum = float(np.prod(1 - np.diag(squeezing) ** 2))
    silent = {}
    for which in ((), (0,), (1,), (0, 1)):
        left = np.eye(2) - sum((places[d] for d in which), np.zeros((2, 2)))
        chance = vacuum / float(np.linalg.det(np.eye(2) - squeezing @ left @ squeezing).real)
        silent[which] = chance * math.prod(1 - optics.dark[window][d] for d in which)
    none, first, second = silent[0, 1], silent[1,] - silent[0, 1], silent[0,] - silent[0, 1]
    return {0: none, 1: first, 2: second, 3: max(0.0, silent[()] - none - first - second)}
