"""Entanglement swapping: two kept pairs that meet at a middle node become one pair of the outer nodes."""

from dataclasses import dataclass

import numpy as np

from ...analysis import Estimate, fidelity_from_correlators
from ...analysis.fidelity import BASES, SIGNS
from ...physics.channels import confusion, misread, outcome_probabilities
from ...physics.protocols import bell_readout, swapped, swapped_label
from ...physics.states import Matrix, correction
from ...testbed.errors import BellringerError
from ...testbed.memory_forecast import PairForecast, forecast_pairs
from ...testbed.memory_models import MemoryLink
from ..comparison import comparison
from ..figures import Figure
from ..memories import empty, memory_link, node_of, operations, qubit_of
from ..pairs import Entanglement, Pair
from ..run import Run
from ..sequence import sequence


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


@sequence
def swap(
    run: Run,
    first: str = "",
    second: str = "",
    shots: int = 40,
    target: str = "phi+",
    max_age_s: float = 0.01,
    min_fidelity: float = 0.0,
    deadline_s: float = 600.0,
) -> None:
    """Swap ``shots`` times in each of XX, YY and ZZ over two links; fidelity of the outer pair to ``target``.

    The middle node measures its two qubits in the Bell basis; what it reads, and what the pairs were, decides what the
    last node does. ``max_age_s`` is the memory cut-off of both pairs, ``deadline_s`` is for each.
    """
    chain = chain_of(run, first, second)
    empty(run, *chain.memories)
    if target not in SIGNS:
        raise BellringerError(f"'{target}' is no Bell state", hint="choose one of " + ", ".join(SIGNS))
    wanted = {"max_age_s": max_age_s, "min_fidelity": min_fidelity, "deadline_s": deadline_s}
    taken: list[Shot] = []
    asked: dict[str, Entanglement] = {}
    for bases in run.scan([each for _ in range(shots) for each in BASES], "swaps"):
        pairs = [_pair(run, chain, number, wanted, asked) for number in (0, 1)]
        if pairs[0] is None or pairs[1] is None:
            empty(run, *chain.memories)
            continue
        taken.append(_swap(run, chain, (pairs[0], pairs[1]), target, bases))
    for name, found in asked.items():
        run.result(f"pair_rate_{name}", found.rate)
        run.result(f"selected_fraction_{name}", found.selected_fraction)
    run.result("fidelity", measured_fidelity(taken, target))
    run.figure(_table(taken, target))
    forecasts = [forecast_pairs(run.testbed, name) for name in chain.links]
    if forecasts[0] is None or forecasts[1] is None or not taken:
        run.note("no prediction: nothing was swapped, or the testbed file gives no model for a part of these links")
        return
    value = predicted(chain, (forecasts[0], forecasts[1]), taken, target)
    caption = "Predicted from the ages of all qubits, gates and readout, readout errors of the outer nodes included."
    run.figure(comparison(run, {"fidelity": value}, "Swapping against prediction", caption))


def chain_of(run: Run, first: str, second: str) -> Chain:
    """Return the chain of two links, by name or the only two there are.

    Raises:
        BellringerError: they do not meet at one node.
    """
    names = list(run.testbed.memory_links)
    if not first and not second and len(names) == 2:
        first, second = names
    (name_a, link_a), (name_b, link_b) = memory_link(run, first), memory_link(run, second)
    middle = {*map(node_of, link_a.memories)} & {*map(node_of, link_b.memories)}
    if name_a == name_b or len(middle) != 1:
        raise BellringerError(
            f"the links {name_a} and {name_b} do not meet at one node", hint="name two links with --first and --second"
        )
    (node,) = middle
    (outer_a, inner_a), (outer_b, inner_b) = _sides(link_a, node), _sides(link_b, node)
    return Chain((name_a, name_b), (outer_a, inner_a, inner_b, outer_b))


def _sides(link: MemoryLink, middle: str) -> tuple[str, str]:
    """Return outer and inner memory of a link."""
    one, two = link.memories
    return (two, one) if node_of(one) == middle else (one, two)


def _pair(run: Run, chain: Chain, number: int, wanted: dict[str, float], asked: dict[str, Entanglement]) -> Pair | None:
    ends = [node_of(memory) for memory in chain.memories[2 * number : 2 * number + 2]]
    found = run.entangle(*ends, pairs=1, keep=True, **wanted)
    name = chain.links[number]
    asked[name] = asked[name].joined(found) if name in asked else found
    if not found.pairs:
        run.note(f"no pair on {name}: the request ended {found.state} ({found.why})")
        return None
    return found.pairs[0]


def _swap(run: Run, chain: Chain, pairs: tuple[Pair, Pair], target: str, bases: str) -> Shot:
    of_memory = (pairs[0], pairs[0], pairs[1], pairs[1])
    near, left, right, far = chain.memories
    held = [qubit_of(run, memory, pair) for memory, pair in zip(chain.memories, of_memory)]
    partner = "" if left == right else right.partition(".")[2]
    read = run.call(left, "measure_bell", held[1].slot, held[2].slot, *([partner] if partner else []))
    operation = correction(swapped_label(pairs[0].state, pairs[1].state, read), target)
    if operation != "I":
        run.call(far, "operate", held[3].slot, operation)
    last = [qubit_of(run, memory, pair) for memory, pair in ((near, pairs[0]), (far, pairs[1]))]
    bits = run.call(near, "measure", last[0].slot, bases[0]), run.call(far, "measure", last[1].slot, bases[1])
    ages = [each.age_ps * 1e-12 for each in (last[0], held[1], held[2], last[1])]
    return Shot(pairs, (ages[0], ages[1], ages[2], ages[3]), bases, bits)


def measured_fidelity(taken: list[Shot], target: str) -> Estimate:
    """Return the fidelity of the outer pairs to ``target`` from what was read, nothing undone."""
    return fidelity_from_correlators(_counts(taken), target)


def _counts(taken: list[Shot]) -> np.ndarray:
    counts = np.zeros((3, 2, 2), np.int64)
    for shot in taken:
        counts[BASES.index(shot.bases), *shot.bits] += 1
    return counts


def predicted(chain: Chain, forecasts: tuple[PairForecast, PairForecast], taken: list[Shot], target: str) -> float:
    """Return the fidelity that should be read, readout errors of the outer nodes included."""
    sums: dict[str, list[float]] = {bases: [] for bases in BASES}
    for shot in taken:
        rho = _outer_state(chain, forecasts, shot, target)
        readout = [_of(forecasts[side], chain.memories[3 * side]).readout for side in (0, 1)]
        read = misread(outcome_probabilities(rho, shot.bases), confusion(*readout[0]), confusion(*readout[1]))
        sums[shot.bases].append(float(read[0] - read[1] - read[2] + read[3]))
    means = [float(np.mean(each)) if each else 0.0 for each in sums.values()]
    return (1 + sum(sign * value for sign, value in zip(SIGNS[target], means))) / 4


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


def _table(taken: list[Shot], target: str) -> Figure:
    rows: list[tuple[str, ...]] = [("setting", "00", "01", "10", "11")]
    rows += [(bases, *map(str, table.ravel())) for bases, table in zip(BASES, _counts(taken))]
    return Figure(
        "swapped_pairs",
        f"Outer pairs, turned into {target}",
        table=tuple(rows),
        caption="Raw counts of the bits that the first and the last node read.",
    )
