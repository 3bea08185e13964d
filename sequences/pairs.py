"""Heralded pairs as a sequence gets them from ``run.entangle``, and how its request ended.

Only delivered pairs are here: both nodes and the station hold the same record of each. What was heralded and not
delivered is counted, so that rates and fidelities never hide what was left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from ..analysis import Estimate, rate, selected_fraction

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Correction:
    """What a node did to its qubit because of a herald.

    Attributes:
        node: the node.
        operation: I, X, Y or Z.
        t_ps: hardware time, ps.
    """

    node: str
    operation: str
    t_ps: int


@dataclass(frozen=True)
class Pair:
    """One delivered pair.

    Attributes:
        batch, hseq, k: its name: batch, the station's number of the herald, the nodes' attempt.
        label: the Bell state that the clicks announced.
        state: the Bell state it is in now: ``label``, or what the corrections made of it.
        begin_ps: hardware time at which its attempt began; ages count from there.
        t_ps: hardware time of the herald at the station.
        corrections: made at the nodes; none for measured qubits.
        bases: of measured qubits, "XZ": first node X, second node Z; empty for kept ones.
        bits: what was read at the first and second node; None for kept qubits.
    """

    batch: int
    hseq: int
    k: int
    label: str
    state: str
    begin_ps: int
    t_ps: int
    corrections: tuple[Correction, ...] = ()
    bases: str = ""
    bits: tuple[int, int] | None = None


@dataclass(frozen=True)
class Entanglement:
    """What became of one request.

    Attributes:
        link: the memory link that did it.
        nodes: the two ends, in the order in which they were asked for.
        state: its end: OK, PARTIAL, TIMEOUT, EXPIRED or CANCELLED.
        why: the same in words.
        pairs: delivered, in the order of their delivery.
        attempts: made for it, in batches whose parties all said how many.
        seconds: of these attempts, from the first to the last of each batch, s.
        heralds: announced by the station in them, whatever became of them.
        not_delivered: heralds that became no pair, by reason: late, too old, sequence gap, unconfirmed, ...
        batches: how many ended how: RECORDED, or VOID and why.
        no_heralds: clicks that announce nothing, by reason: unknown pattern, outside window, overflow of the input, ...
        uncounted: batches that made some of ``pairs`` in nobody knows how many attempts: a node was lost. Those pairs
            are in no rate.
    """

    link: str
    nodes: tuple[str, str]
    state: str
    why: str
    pairs: tuple[Pair, ...]
    attempts: int
    seconds: float
    heralds: int
    not_delivered: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    batches: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    no_heralds: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    uncounted: frozenset[int] = frozenset()

    def counts(self, settings: Sequence[str], label: str = "") -> Counts:
        """Return int64[settings, 2, 2], measured pairs by the first and second node's bit; of one label only if named.

        Args:
            settings: pairs of bases, such as ("XX", "YY", "ZZ").
        """
        table = np.zeros((len(settings), 2, 2), np.int64)
        for pair in self.pairs:
            if pair.bits is not None and pair.bases in settings and label in ("", pair.label):
                table[settings.index(pair.bases), *pair.bits] += 1
        return table

    def labels(self) -> list[str]:
        """Return the labels that occur among the pairs, sorted."""
        return sorted({pair.label for pair in self.pairs})

    @property
    def counted(self) -> int:
        """Return how many pairs were made in ``attempts``."""
        return sum(pair.batch not in self.uncounted for pair in self.pairs)

    @property
    def rate(self) -> Estimate:
        """Return delivered pairs per second of attempts, every one counted, whatever it turns out to be."""
        return rate(self.counted, self.seconds, unit="1/s")

    @property
    def selected_fraction(self) -> Estimate:
        """Return which share of the heralds was delivered."""
        return selected_fraction(self.counted, self.heralds)

    def joined(self, other: "Entanglement") -> "Entanglement":
        """Return both as one, of the same link; the end is the other's."""
        return Entanglement(
            *(other.link, other.nodes, other.state, other.why, self.pairs + other.pairs),
            *(self.attempts + other.attempts, self.seconds + other.seconds, self.heralds + other.heralds),
            *(_sum(self.not_delivered, other.not_delivered), _sum(self.batches, other.batches)),
            _sum(self.no_heralds, other.no_heralds),
            self.uncounted | other.uncounted,
        )


def _sum(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    return {each: first.get(each, 0) + second.get(each, 0) for each in sorted({*first, *second})}
