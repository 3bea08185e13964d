"""Outcomes of many pairs measured at once: sampled from the conditional states, without a loop over pairs."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ....physics.channels import confusion, misread, outcome_probabilities, stored
from ....physics.states import Matrix
from ....testbed.memory_models import SpinQubitModel
from .sampler import Ints

BASES = "XYZ"
Bits = npt.NDArray[np.int8]


def aged(states: Matrix, models: Sequence[SpinQubitModel], ages_s: Sequence[npt.ArrayLike]) -> Matrix:
    """Return pair states complex128[n, 4, 4] after storage; ``ages_s`` per node, one number or float64[n], seconds."""
    for qubit, (model, age) in enumerate(zip(models, ages_s, strict=True)):
        states = stored(states, qubit, np.zeros_like(age, np.float64), age, model.t1, model.t2, model.stretch)
    return states


def readout_table(states: Matrix, models: Sequence[SpinQubitModel]) -> npt.NDArray[np.float64]:
    """Return float64[3, 3, n, 4], probabilities of the bits read (00, 01, 10, 11) by bases of node A and B."""
    first, second = (confusion(model.readout_fidelity_0, model.readout_fidelity_1) for model in models)
    rows = [[misread(outcome_probabilities(states, a + b), first, second) for b in BASES] for a in BASES]
    return np.asarray(rows, dtype=np.float64)


def measure_pairs(
    table: npt.NDArray[np.float64], rng: np.random.Generator, state: Ints, basis_a: Ints, basis_b: Ints
) -> tuple[Bits, Bits]:
    """Return the bits read at both nodes, int8[n] each.

    Args:
        table: of ``readout_table``.
        state: int64[n], which state each pair is in.
        basis_a, basis_b: int64[n], index into ``BASES``.
    """
    edges = np.cumsum(table, axis=3)
    of_pair = edges[basis_a, basis_b, state]
    drawn = rng.random(state.size) * of_pair[:, 3]
    bits = (drawn[:, None] >= of_pair[:, :3]).sum(axis=1)
    return (bits >> 1).astype(np.int8), (bits & 1).astype(np.int8)
