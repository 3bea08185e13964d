"""One swap of two pairs, and the fidelity that swaps should show: from the ages of all qubits, gates and readout."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..analysis.fidelity import BASES, SIGNS
from ..physics.channels import confusion, misread, outcome_probabilities
from ..physics.protocols import bell_readout, swapped
from ..physics.states import Matrix
from ..testbed.memory_forecast import PairForecast
from .memories import operations
from .pairs import Pair


@dataclass(frozen=True)
class Chain:
    """Two links that meet at a node.

    Attributes:
        links: their names.
        memories: outer one, the middle node's two, the other outer one.
    """

    links: tuple[str, str]
    memories: tuple[str, str, str, str]


@dataclass(frozen=True)
class Shot:
    """One swap.

    Attributes:
        pairs: of the first and the second link.
        ages_s: of the four qubits when they were measured, since the beginning of their attempts.
        bases: of the outer nodes.
        bits: read at the outer nodes.
    """

    pairs: tuple[Pair, Pair]
    ages_s: tuple[float, float, float, float]
    bases: str
    bits: tuple[int, int]


def predicted_correlators(
    chain: Chain, forecasts: tuple[PairForecast, PairForecast], taken: list[Shot], target: str
) -> list[float]:
    """Return what should be read in XX, YY and ZZ, readout errors of the outer nodes included; 0 where nothing was."""
    sums: dict[str, list[float]] = {bases: [] for bases in BASES}
    for shot in taken:
        rho = _outer_state(chain, forecasts, shot, target)
        readout = [_of(forecasts[side], chain.memories[3 * side]).readout for side in (0, 1)]
        read = misread(outcome_probabilities(rho, shot.bases), confusion(*readout[0]), confusion(*readout[1]))
        sums[shot.bases].append(float(read[0] - read[1] - read[2] + read[3]))
    return [float(np.mean(each)) if each else 0.0 for each in sums.values()]


def fidelity_of(correlators: Sequence[float], target: str) -> float:
    """Return the fidelity to a Bell state whose correlators in XX, YY and ZZ are these."""
    return (1 + sum(sign * value for sign, value in zip(SIGNS[target], correlators))) / 4


@dataclass(frozen=True)
class _End:
    place: int
    readout: tuple[float, float]
    gate_fidelity: float
    two_qubit_fidelity: float


def _of(forecast: PairForecast, memory: str) -> _End:
    place = forecast.link.memories.index(memory)
    model = forecast.memories[place]
    return _End(place, forecast.readout[place], model.gate_fidelity, model.two_qubit_fidelity)


def _outer_state(chain: Chain, forecasts: tuple[PairForecast, PairForecast], shot: Shot, target: str) -> Matrix:
    """Return complex128[4, 4] of the outer nodes, first one first."""
    states = []
    for side, (forecast, pair) in enumerate(zip(forecasts, shot.pairs)):
        mine = chain.memories[2 * side : 2 * side + 2]
        ages = dict(zip(mine, shot.ages_s[2 * side : 2 * side + 2]))
        one, two = forecast.link.memories
        rho = forecast.kept(pair.label, operations(pair, (one, two)), (ages[one], ages[two]))
        states.append(rho if (one, two) == mine else _exchanged(rho))
    left, right = _of(forecasts[0], chain.memories[1]), _of(forecasts[1], chain.memories[2])
    readout = bell_readout(left.two_qubit_fidelity, left.gate_fidelity, left.readout, right.readout)
    labels = shot.pairs[0].state, shot.pairs[1].state
    far = _of(forecasts[1], chain.memories[3])
    return swapped(states[0], states[1], labels, target, readout, far.gate_fidelity)


def _exchanged(rho: Matrix) -> Matrix:
    order = [0, 2, 1, 3]
    return rho[np.ix_(order, order)]
