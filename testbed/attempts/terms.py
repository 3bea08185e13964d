"""What a lab says before a scheme is chosen: the ways of the photons, and how long and to what end to try."""

from dataclasses import dataclass, field
from typing import Literal

from ...physics.formulas import fibre_delay
from .program import Calibration, Label, Stop


@dataclass(frozen=True)
class Arm:
    """The way from a node to the station and back.

    Attributes:
        node: name of the node.
        photon_s: from the beginning of an emission pulse to the detector's click, s; fibre, converters, cables.
        herald_s: from the station's decision to the node's core, s.
    """

    node: str
    photon_s: float
    herald_s: float

    @classmethod
    def fibre(cls, node: str, length_m: float, *, group_index: float = 1.468, extra_s: float = 0.0) -> "Arm":
        """Return an arm of two equal fibres of ``length_m`` (m); ``extra_s`` (s) is added on the photon's way."""
        light_s = fibre_delay(length_m, group_index)
        return cls(node, light_s + extra_s, light_s)


@dataclass(frozen=True)
class Terms:
    """What does not depend on the scheme.

    Attributes:
        most_attempts: cut-off of a batch in attempts.
        most_s: cut-off of a batch in time, s.
        keep: whether qubits are kept or measured in every attempt.
        target: the Bell state that corrections make of every label; None for a table without any (``measure`` only).
        corrects: the node that corrects; empty for the first arm's.
        deadline_s: latest correction after the herald at the station, s; None: when the memory cut-off is reached.
        max_age_s: memory cut-off, s; needed for ``keep``.
        period_s: attempt period, s; None for the shortest lawful one.
        decision_s: from the last window's end to the herald on its way, s.
        memory_modes: attempts that may be under way at once.
        grid_s: all times are rounded up to multiples of this, s: the clock of the coarsest core.
    """

    most_attempts: int
    most_s: float
    keep: Literal["keep", "measure"] = "keep"
    target: Label | None = "phi+"
    corrects: str = ""
    deadline_s: float | None = None
    max_age_s: float = 0.0
    period_s: float | None = None
    decision_s: float = 1e-6
    memory_modes: int = 1
    stop: Stop = field(default_factory=lambda: Stop(kind="full"))
    calibration: Calibration | None = None
    grid_s: float = 1e-12
