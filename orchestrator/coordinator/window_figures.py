"""What the pairs of one calibration window say of their link: visibility, fidelity, heralds per attempt, and forecasts.

Readout errors that the testbed file states are undone, as for the fidelities that requests ask for. A pair counts if
both nodes and the station confirmed it; its two qubits were read in XX, YY or ZZ.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...analysis import Estimate, conditional_fidelity, conditional_visibility, selected_fraction
from ...analysis.fidelity import BASES, Readout
from ...physics.states import fidelity
from ...testbed.memory_forecast import PairForecast
from ..heralding.delivery import Pair
from ..heralding.service import Forecast

PERFECT: tuple[Readout, Readout] = ((1.0, 1.0), (1.0, 1.0))
STORAGE_ERROR = 0.01
"""How far what storage takes from the fidelity may be wrong (one sigma), for it stands on nominal numbers."""


@dataclass(frozen=True)
class Figures:
    """Figures of one window.

    Attributes:
        pairs: measured.
        attempts: that could herald.
        visibility: of the pairs, ``analysis.conditional_visibility``.
        fidelity: of pairs measured in their attempt to the state each was announced as.
        heralds: delivered pairs per attempt, by label.
    """

    pairs: int
    attempts: int
    visibility: Estimate
    fidelity: Estimate
    heralds: Mapping[str, Estimate]

    def forecast(self, made_s: float, storage: float = 1.0) -> Forecast:
        """Return the forecast made of a window that has a fidelity.

        What is kept has lost a share of its distance from white noise, F = 1/4 + ``storage`` (F_measured - 1/4): exact
        where storage depolarises, else as good as the file's numbers of it.

        Args:
            made_s: now, on the service's clock.
            storage: 1 for pairs measured in their attempt, else ``storage_factor``.
        """
        value, error = self.fidelity.value, self.fidelity.error
        if value is None or error is None:
            raise ValueError(f"there is no fidelity: {self.fidelity.reason}")
        kept = 0.25 + storage * (value - 0.25)
        return Forecast(
            {label: each.value or 0.0 for label, each in self.heralds.items()},
            rate_error=1 / math.sqrt(self.pairs),
            fidelity=min(max(kept, 0.0), 1.0),
            fidelity_error=error if storage == 1.0 else math.hypot(storage * error, STORAGE_ERROR),
            made_s=made_s,
        )

    def described(self) -> dict[str, Any]:
        """Return them in plain values."""
        return {
            "pairs": self.pairs,
            "attempts": self.attempts,
            "visibility": self.visibility.as_dict(),
            "fidelity": self.fidelity.as_dict(),
            "heralds": {label: each.as_dict() for label, each in self.heralds.items()},
        }


def figures(
    pairs: Iterable[Pair],
    nodes: tuple[str, str],
    labels: Iterable[str],
    attempts: int,
    readout: tuple[Readout, Readout] = PERFECT,
) -> Figures:
    """Return the figures of delivered pairs.

    Args:
        pairs: of recorded batches.
        nodes: first and second.
        labels: all that can be announced.
        attempts: of these batches, without those that calibrate.
        readout: of both nodes, probabilities to read 0 where it is 0, and 1 where it is 1.
    """
    tables = {label: np.zeros((len(BASES), 2, 2), np.int64) for label in sorted(set(labels))}
    for pair in pairs:
        first, second = (pair.corrected[node] for node in nodes)
        tables[pair.label][BASES.index(first.basis + second.basis), first.bit, second.bit] += 1
    return Figures(
        int(sum(table.sum() for table in tables.values())),
        attempts,
        conditional_visibility(tables, *readout),
        conditional_fidelity(tables, *readout),
        {label: selected_fraction(int(table.sum()), attempts) for label, table in tables.items()},
    )


def storage_factor(pairs: PairForecast) -> float:
    """Return how much of their distance from white noise pairs keep until they are corrected, by the testbed file."""
    chances = pairs.prediction.probability
    total = sum(chances[label] for label in pairs.prediction.heralded)
    states = {label: pairs.measured(label) for label in pairs.prediction.heralded}
    measured = sum(chances[label] * float(fidelity(rho, label)) for label, rho in states.items()) / total
    return (pairs.prediction.mean_fidelity - 0.25) / (measured - 0.25) if measured > 0.25 else 1.0
