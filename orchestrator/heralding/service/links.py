"""What the service knows of a link between two nodes: its programs, what it needs, and what it is expected to give."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from ....testbed.attempts.program import AttemptProgram
from ....testbed.errors import BellringerError
from .resources import Want

LONGEST_BATCH_S = 1.0
SHORTEST_BATCH_S = 0.05
ROUND_TRIPS_PER_BATCH = 10
NEAR_S = 5e-3
"""Control round trips up to this are those of a local network."""

_BITS = {"phi+": 0, "phi-": 1, "psi+": 2, "psi-": 3}
_FLIPS = {"I": 0, "Z": 1, "X": 2, "Y": 3}
_LABELS = tuple(_BITS)


def state_after(program: AttemptProgram, label: str) -> str:
    """Return the Bell state that a herald announced as ``label`` leaves once the owed corrections are made.

    A Pauli operation on either qubit of a Bell state: Z changes the sign, X turns phi into psi and back, Y does both,
    up to a global phase.
    """
    state = _BITS[label]
    for each in program.owed(label):
        state ^= _FLIPS[each.operation]
    return _LABELS[state]


@dataclass(frozen=True)
class Forecast:
    """What one program of a link is expected to give; from a prediction, a tomography or running counts.

    Attributes:
        probabilities: per attempt, by the label announced; at most 1 together.
        rate_error: relative standard deviation of their sum.
        fidelity: of delivered pairs to the state they are announced (and corrected) as; of kept ones at the cut-off.
        fidelity_error: its standard deviation.
        made_s: when, on the service's clock.
        bright: single-click: the bright-state parameter alpha it was made for; None if unknown.

    Raises:
        ValueError: numbers that are no probabilities.
    """

    probabilities: Mapping[str, float]
    rate_error: float
    fidelity: float
    fidelity_error: float
    made_s: float
    bright: float | None = None

    def __post_init__(self) -> None:
        chances = tuple(self.probabilities.values())
        if not (all(each >= 0 for each in chances) and sum(chances) < 1 and 0 <= self.fidelity <= 1):
            raise ValueError(f"probabilities {dict(self.probabilities)} or fidelity {self.fidelity} are none")
        if not (0 <= self.rate_error < math.inf and 0 <= self.fidelity_error < math.inf):
            raise ValueError(f"errors {self.rate_error} and {self.fidelity_error} must be 0 or more, and finite")

    def probability(self, program: AttemptProgram, target: str) -> float:
        """Return the probability per attempt of a pair in the Bell state ``target``, or of any pair."""
        return sum(
            chance
            for label, chance in self.probabilities.items()
            if target == "any" or state_after(program, label) == target
        )


@dataclass(frozen=True)
class Link:
    """Two nodes that can be entangled.

    Attributes:
        programs: one a kind and set of corrections, in order of preference; a batch runs one with its own cut-offs.
        needs: what the link occupies while it is used.
        longest_batch_s: longer ones would keep others waiting and make one lost message dear.
        memories: names under which the room in its nodes' memories is told; the nodes' own if empty.
        rtt_s: control round trip to its farthest node (a high quantile, not the mean).
        forecast_max_age_s: how old its forecast may be.

    Raises:
        BellringerError: no batch could be ten round trips long, or hold an attempt, or there is no program.
    """

    name: str
    nodes: tuple[str, str]
    programs: tuple[AttemptProgram, ...]
    needs: tuple[Want, ...] = ()
    rtt_s: float = 1e-3
    forecast_max_age_s: float = 3600.0
    memories: tuple[str, ...] = ()
    longest_batch_s: float = LONGEST_BATCH_S
    parties: tuple[str, ...] = field(init=False)
    """Nodes and stations that take part in a batch, sorted."""

    def __post_init__(self) -> None:
        if not self.programs:
            raise BellringerError(f"link '{self.name}' has no attempt program", hint="compile one for it")
        if not 0 <= self.rtt_s * ROUND_TRIPS_PER_BATCH <= self.longest_batch_s:
            raise BellringerError(
                f"link '{self.name}' has a control round trip of {self.rtt_s:g} s: a batch would be longer than "
                f"{self.longest_batch_s:g} s",
                hint="bring the coordinator nearer to the nodes",
            )
        longest_s = max(program.period_ps for program in self.programs) * 1e-12
        if longest_s > self.longest_batch_s:
            what = (
                f"an attempt of link '{self.name}' takes {longest_s:g} s, longer than a batch "
                f"({self.longest_batch_s:g} s)"
            )
            raise BellringerError(what, hint="make the attempt period shorter")
        found = {name for program in self.programs for name in (*program.nodes, program.station)}
        object.__setattr__(self, "parties", tuple(sorted(found)))

    @property
    def shortest_batch_s(self) -> float:
        """Return 50 ms, or ten control round trips if that is longer."""
        return max(SHORTEST_BATCH_S, ROUND_TRIPS_PER_BATCH * self.rtt_s)

    @property
    def lead_s(self) -> float:
        """Return how long before its start a batch must be ordered: 50 ms near, 200 ms or four round trips far."""
        return SHORTEST_BATCH_S if self.rtt_s <= NEAR_S else max(0.2, 4 * self.rtt_s)
