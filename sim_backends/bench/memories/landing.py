"""Where photons land: click patterns of one window from single-photon amplitudes, without any photon-number space.

At most one photon comes from each node. Its amplitude at detector d is sqrt(eta eta_d / 2), with a minus for node B's
at detector 1; what is left lands nowhere. Two photons that meet interfere as far as their shapes agree: the amplitude
for exchanged photons has the overlap sqrt(V) twice (Hong, Ou, Mandel, Phys. Rev. Lett. 59, 2044, 1987). All terms are
sums of what can be seen, none a difference of large numbers, so that small probabilities keep their digits.
"""

import itertools
import math

import numpy as np
import numpy.typing as npt

from .optics import HeraldOptics, Pair

Matrix = npt.NDArray[np.complex128]
Effects = dict[tuple[int, bool], Matrix]
"""(clicks as bits of detectors 0 and 1, two counts seen in one detector) -> complex128[4, 4] on (n_A, n_B)."""

_LOST = 2


def landing_matrices(efficiency: Pair, detectors: Pair, visibility: float) -> list[Matrix]:
    """Return for detector 0, detector 1 and nowhere the operator complex128[2, 2] on one photon from A or from B."""
    found = []
    for sign, share in zip((1, -1), detectors):
        amplitude = np.array([math.sqrt(efficiency[0] * share / 2), sign * math.sqrt(efficiency[1] * share / 2)])
        operator = np.outer(amplitude, amplitude).astype(np.complex128)
        operator[[0, 1], [1, 0]] *= math.sqrt(visibility)
        found.append(operator)
    # What unequal detectors lose is lost in step: it has an off-diagonal part.
    return [*found, np.eye(2) - found[0] - found[1]]


def window_effects(efficiency: Pair, dark: Pair, optics: HeraldOptics) -> Effects:
    """Return the operator of every pattern: element [n', n] is what it contributes to the coherence of n and n'.

    ``n`` is 2 n_A + n_B. Only numbers of equal sum have coherences, so a common phase of both nodes does not matter.
    """
    effects: Effects = {}
    for landed, operator in _landings(landing_matrices(efficiency, optics.detectors, optics.visibility)):
        for dark_clicks in itertools.product((0, 1), repeat=2):
            chance = math.prod(dark[d] if dark_clicks[d] else 1 - dark[d] for d in (0, 1))
            counts = [landed.count(d) + dark_clicks[d] for d in (0, 1)]
            seen = sum(1 << d for d in (0, 1) if counts[d]), optics.resolving and max(counts) > 1
            effects[seen] = effects.get(seen, np.zeros((4, 4), np.complex128)) + chance * operator
    return effects


def _landings(places: list[Matrix]) -> list[tuple[tuple[int, ...], Matrix]]:
    """Return (detectors hit or 2 for nowhere, one per photon; operator on (n_A, n_B)) for none, one and two photons."""
    none = np.zeros((4, 4), np.complex128)
    none[0, 0] = 1.0
    found: list[tuple[tuple[int, ...], Matrix]] = [((), none)]
    one = np.ix_([2, 1], [2, 1])  # a photon from A is n = 2, from B n = 1
    for place, operator in enumerate(places):
        single = np.zeros((4, 4), np.complex128)
        single[one] = operator
        found.append(((place,), single))
    for first, second in itertools.product(range(_LOST + 1), repeat=2):
        both = np.zeros((4, 4), np.complex128)
        direct = places[first][0, 0] * places[second][1, 1]
        both[3, 3] = direct + places[first][0, 1] * places[second][1, 0]
        found.append(((first, second), both))
    return found
