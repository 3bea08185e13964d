"""Entanglement swapping: two kept pairs that meet at a middle node become one pair of the outer nodes."""

from typing import Any

import numpy as np

from ...analysis import fidelity_from_correlators, rate, selected_fraction
from ...analysis.bell import correlation
from ...analysis.fidelity import BASES, SIGNS
from ...physics.protocols import swapped_label
from ...physics.states import correction
from ...testbed.errors import BellringerError
from ...testbed.memory_forecast import forecast_pairs
from ...testbed.memory_models import MemoryLink
from ...testbed.testbed import Testbed
from ..comparison import comparison
from ..figures import Figure, Series
from ..memories import empty, node_of, qubit_of
from ..needs import a_fidelity, above_zero, slots, the_memory_link
from ..pairs import Entanglement, Pair
from ..run import Run
from ..sequence import sequence
from ..swaps import Chain, Shot, fidelity_of, predicted_correlators
from ..together import together


@sequence
def swap(
    run: Run,
    first: str = "",
    second: str = "",
    shots: int = 40,
    target: str = "phi+",
    max_age_s: float = 0.5,
    min_fidelity: float = 0.0,
    deadline_s: float = 600.0,
) -> None:
    """Swap ``shots`` times in each of XX, YY and ZZ over two links; fidelity of the outer pair to ``target``.

    The middle node measures its two qubits in the Bell basis; what it reads, and what the pairs were, decides what the
    last node does. ``max_age_s`` is the memory cut-off: when the second pair comes and the first one is older, both are
    given up, and ``young_enough`` says how often they were not. ``deadline_s`` is for each pair.
    """
    chain = chain_of(run.testbed, first, second)
    _check_target(target)
    empty(run, *chain.memories)
    wanted: dict[str, Any] = {"max_age_s": max_age_s, "min_fidelity": min_fidelity, "deadline_s": deadline_s}
    taken: list[Shot] = []
    tried = 0
    asked: dict[str, Entanglement] = {}
    for bases in run.scan([each for _ in range(shots) for each in BASES], "swaps"):
        pairs = [_pair(run, chain, number, wanted, asked) for number in (0, 1)]
        if pairs[0] is None or pairs[1] is None:
            empty(run, *chain.memories)
            continue
        tried += 1
        shot = _swap(run, chain, (pairs[0], pairs[1]), target, bases, max_age_s)
        if shot is not None:
            taken.append(shot)
    for name, found in asked.items():
        run.result(f"pair_rate_{name}", found.rate)
        run.result(f"selected_fraction_{name}", found.selected_fraction)
    run.result("fidelity", fidelity_from_correlators(_counts(taken), target))
    run.result("young_enough", selected_fraction(len(taken), tried))
    seconds = sum(found.seconds for found in asked.values())
    lost = frozenset().union(*(found.uncounted for found in asked.values()))  # attempts in ``seconds`` made the others
    counted = sum(all(pair.batch not in lost for pair in shot.pairs) for shot in taken)
    run.result("swap_rate", rate(counted, seconds, unit="1/s"))
    both = {
        "swap_rate": f"unconditional: {counted} swaps in {seconds:.4g} s of attempts on both links",
        "young_enough": f"{len(taken)} of {tried} times that both pairs were there",
    }
    ends = {f"_{name}": found for name, found in asked.items()}
    run.figure(together(run, f"{len(taken)} outer pairs, to {target}", both, ends))
    first_forecast, second_forecast = (forecast_pairs(run.testbed, name) for name in chain.links)
    expected = None
    if first_forecast is not None and second_forecast is not None and taken:
        expected = predicted_correlators(chain, (first_forecast, second_forecast), taken, target)
    run.figure(_plot(taken, target, expected))
    run.figure(_table(taken, target))
    if expected is None:
        run.note("no prediction: nothing was swapped, or the testbed file gives no model for a part of these links")
        return
    caption = "Predicted from the ages of all qubits, gates and readout, readout errors of the outer nodes included."
    run.figure(comparison(run, {"fidelity": fidelity_of(expected, target)}, "Swapping against prediction", caption))


@swap.needs
def _needs(testbed: Testbed, first: str, second: str, target: str, min_fidelity: float, **positive: float) -> None:
    _, left, right, _ = chain_of(testbed, first, second).memories
    if left == right:
        slots(testbed, left, 2, "swap, in the middle,")
    _check_target(target)
    above_zero(**positive)
    a_fidelity(min_fidelity=min_fidelity)


def _check_target(target: str) -> None:
    if target not in SIGNS:
        raise BellringerError(f"'{target}' is no Bell state", hint="choose one with --target: " + ", ".join(SIGNS))


def chain_of(testbed: Testbed, first: str, second: str) -> Chain:
    """Return the chain of two links, by name or the only two there are.

    Raises:
        BellringerError: they do not meet at one node.
    """
    names = list(testbed.memory_links)
    if not first and not second and len(names) == 2:
        first, second = names
    name_a, link_a = the_memory_link(testbed, first, "first")
    name_b, link_b = the_memory_link(testbed, second, "second")
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


def _pair(run: Run, chain: Chain, number: int, wanted: dict[str, Any], asked: dict[str, Entanglement]) -> Pair | None:
    one, two = (node_of(memory) for memory in chain.memories[2 * number : 2 * number + 2])
    found = run.entangle(one, two, pairs=1, keep=True, **wanted)
    name = chain.links[number]
    asked[name] = asked[name].joined(found) if name in asked else found
    if not found.pairs:
        run.note(f"no pair on {name}: the request ended {found.state} ({found.why})")
        return None
    return found.pairs[0]


def _swap(run: Run, chain: Chain, pairs: tuple[Pair, Pair], target: str, bases: str, max_age_s: float) -> Shot | None:
    of_memory = (pairs[0], pairs[0], pairs[1], pairs[1])
    near, left, right, far = chain.memories
    held = [qubit_of(run, memory, pair) for memory, pair in zip(chain.memories, of_memory)]
    if max(each.age_ps for each in held) * 1e-12 > max_age_s:
        empty(run, *chain.memories)
        return None
    partner = "" if left == right else right.partition(".")[2]
    read = run.call(left, "measure_bell", held[1].slot, held[2].slot, *([partner] if partner else []))
    operation = correction(swapped_label(pairs[0].state, pairs[1].state, read), target)
    if operation != "I":
        run.call(far, "operate", held[3].slot, operation)
    last = [qubit_of(run, memory, pair) for memory, pair in ((near, pairs[0]), (far, pairs[1]))]
    bits = run.call(near, "measure", last[0].slot, bases[0]), run.call(far, "measure", last[1].slot, bases[1])
    ages = [each.age_ps * 1e-12 for each in (last[0], held[1], held[2], last[1])]
    return Shot(pairs, (ages[0], ages[1], ages[2], ages[3]), bases, bits)


def _counts(taken: list[Shot]) -> np.ndarray:
    counts = np.zeros((3, 2, 2), np.int64)
    for shot in taken:
        counts[BASES.index(shot.bases), *shot.bits] += 1
    return counts


def _plot(taken: list[Shot], target: str, expected: list[float] | None) -> Figure:
    x, measured = np.arange(len(BASES)), [correlation(each) for each in _counts(taken)]
    values, errors = (np.array([getattr(each, what) for each in measured], float) for what in ("value", "error"))
    series = [Series("as read", x, values, errors)]
    if expected is not None:
        series.append(Series("", x, np.array(expected), style="line"))
    return Figure(
        *("swapped_correlators", f"Correlators of the outer pairs, turned into {target}"),
        *("bases of the outer nodes", "correlator, as read"),
        tuple(series),
        caption="" if expected is None else "Dashes: predicted from the testbed file, readout errors included.",
        ticks=tuple(BASES),
    )


def _table(taken: list[Shot], target: str) -> Figure:
    rows: list[tuple[str, ...]] = [("setting", "00", "01", "10", "11")]
    rows += [(bases, *map(str, table.ravel())) for bases, table in zip(BASES, _counts(taken))]
    return Figure(
        "swapped_pairs",
        "Outer pairs as read",
        table=tuple(rows),
        caption="Raw counts of the bits that the first and the last node read.",
    )
