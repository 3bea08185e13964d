"""Teleportation of the six Pauli eigenstates over kept pairs, the Bell measurement really fed forward."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...analysis import Estimate, selected_fraction
from ...physics.channels import confusion, outcome_probabilities
from ...physics.protocols import INPUTS, bell_readout, eigenstate, teleported
from ...physics.states import correction
from ...testbed.memory_forecast import PairForecast, forecast_pairs
from ...testbed.testbed import Testbed
from ..comparison import comparison
from ..figures import Figure, Series
from ..memories import empty, memory_link, node_of, operations, qubit_of
from ..needs import a_fidelity, above_zero, slots, the_memory_link
from ..pairs import Entanglement, Pair
from ..run import Run
from ..sequence import sequence
from ..together import together

CLASSICAL = 2 / 3
"""The mean fidelity that measuring and preparing again can reach. Massar, Popescu, Phys. Rev. Lett. 74, 1259 (1995)."""


@dataclass(frozen=True)
class Shot:
    """One state that was teleported.

    Attributes:
        given: which of the six.
        pair: the pair that carried it.
        ages_s: of its qubits when they were measured, since the beginning of their attempt.
        right: whether the receiver read what was sent.
    """

    given: str
    pair: Pair
    ages_s: tuple[float, float]
    right: bool


@sequence
def teleport(
    run: Run,
    link: str = "",
    shots: int = 20,
    max_age_s: float = 0.5,
    min_fidelity: float = 0.0,
    deadline_s: float = 600.0,
) -> None:
    """Teleport each of six states ``shots`` times from the link's first memory to its second.

    The sender prepares the state beside its half of a kept pair and measures both in the Bell basis; what it reads
    decides what the receiver does to its half, which is then measured in the basis of the state. The sender needs two
    memory slots. ``max_age_s`` is the memory cut-off: an older pair is given up. ``deadline_s`` is for each pair.
    """
    name, chosen = memory_link(run, link)
    memories = chosen.memories[0], chosen.memories[1]
    sender, receiver = node_of(memories[0]), node_of(memories[1])
    wanted: dict[str, Any] = {"max_age_s": max_age_s, "min_fidelity": min_fidelity, "deadline_s": deadline_s}
    empty(run, *memories)
    taken: list[Shot] = []
    asked: Entanglement | None = None
    for given in run.scan([each for _ in range(shots) for each in INPUTS], "teleported states"):
        found = run.entangle(sender, receiver, pairs=1, keep=True, **wanted)
        asked = found if asked is None else asked.joined(found)
        if not found.pairs:
            run.note(f"no pair for {given}: the request ended {found.state} ({found.why})")
            continue
        shot = _teleport(run, memories, found.pairs[0], given, max_age_s)
        if shot is None:
            run.note(f"a pair for {given} was older than max_age_s when it was to be used, and was given up")
        else:
            taken.append(shot)
    if asked is not None:
        run.result("pair_rate", asked.rate)
        run.result("selected_fraction", asked.selected_fraction)
    fidelities = {given: _share_right(taken, given) for given in INPUTS}
    run.result("fidelity", mean(list(fidelities.values())))
    if asked is not None:
        run.figure(together(run, f"{len(taken)} states that were teleported", {}, {"": asked}))
    forecast = forecast_pairs(run.testbed, name)
    expected = predicted(forecast, taken) if forecast is not None else {}
    run.figure(_plot(fidelities, expected))
    run.figure(_table(taken, fidelities))
    if not expected:
        run.note("no prediction: nothing was teleported, or the testbed file gives no model for a part of this link")
        return
    caption = (
        f"Predicted from the age of each pair, gates and readout. Without entanglement at most {CLASSICAL:.3f} is "
        f"reached. Pairs were {_mean_age_ms(taken):.3g} ms old when the receiver measured."
    )
    value = float(np.mean([*expected.values()]))
    run.figure(comparison(run, {"fidelity": value}, "Teleportation against prediction", caption))


@teleport.needs
def _needs(testbed: Testbed, link: str, shots: int, max_age_s: float, min_fidelity: float, deadline_s: float) -> None:
    name, chosen = the_memory_link(testbed, link)
    slots(testbed, chosen.memories[0], 2, f"teleport on {name}, at the sender,")
    above_zero(shots=shots, max_age_s=max_age_s, deadline_s=deadline_s)
    a_fidelity(min_fidelity=min_fidelity)


def _teleport(run: Run, memories: tuple[str, str], pair: Pair, given: str, max_age_s: float) -> Shot | None:
    sender, receiver = memories
    mine = qubit_of(run, sender, pair)
    if mine.age_ps * 1e-12 > max_age_s:
        empty(run, *memories)
        return None
    fresh = 1 if mine.slot == 0 else 0
    run.call(sender, "prepare", fresh, given)
    read = run.call(sender, "measure_bell", fresh, mine.slot)
    theirs = qubit_of(run, receiver, pair)
    operation = correction(read, pair.state)
    if operation != "I":
        run.call(receiver, "operate", theirs.slot, operation)
    bit = run.call(receiver, "measure", theirs.slot, given[0])
    return Shot(given, pair, (mine.age_ps * 1e-12, theirs.age_ps * 1e-12), bit == "+-".index(given[1]))


def _share_right(taken: list[Shot], given: str) -> Estimate:
    mine = [shot for shot in taken if shot.given == given]
    return selected_fraction(sum(shot.right for shot in mine), len(mine))


def mean(estimates: list[Estimate]) -> Estimate:
    """Return the mean of estimates, errors in quadrature; none if one of them has no value."""
    empty_ones = [each.reason for each in estimates if each.value is None or each.error is None]
    if empty_ones:
        return Estimate(None, None, "", f"not every setting was measured: {empty_ones[0]}")
    value = sum(each.value or 0.0 for each in estimates) / len(estimates)
    return Estimate(value, math.hypot(*(each.error or 0.0 for each in estimates)) / len(estimates))


def predicted(forecast: PairForecast, taken: list[Shot]) -> dict[str, float]:
    """Return by state, of those that were teleported, the fidelity that the receiver should read, errors included."""
    sender, receiver = forecast.memories
    readout = bell_readout(sender.two_qubit_fidelity, sender.gate_fidelity, forecast.readout[0], forecast.readout[0])
    of_state: dict[str, list[float]] = {given: [] for given in INPUTS}
    for shot in taken:
        pair = forecast.kept(shot.pair.label, operations(shot.pair, _names(forecast)), shot.ages_s)
        vector = eigenstate(shot.given)
        out = teleported(pair, shot.pair.state, np.outer(vector, vector.conj()), readout, receiver.gate_fidelity)
        read = outcome_probabilities(out, shot.given[0]) @ confusion(*forecast.readout[1])
        of_state[shot.given].append(float(read["+-".index(shot.given[1])]))
    return {given: float(np.mean(each)) for given, each in of_state.items() if each}


def _names(forecast: PairForecast) -> tuple[str, str]:
    return forecast.link.memories[0], forecast.link.memories[1]


def _mean_age_ms(taken: list[Shot]) -> float:
    return float(np.mean([shot.ages_s[1] for shot in taken])) * 1e3


def _plot(fidelities: Mapping[str, Estimate], expected: Mapping[str, float]) -> Figure:
    x = np.arange(len(INPUTS))
    values, errors = (
        np.array([getattr(fidelities[each], what) for each in INPUTS], float) for what in ("value", "error")
    )
    series = [Series("as read", x, values, errors)]
    if expected:
        series.append(Series("", x, np.array([expected.get(each, math.nan) for each in INPUTS]), style="line"))
    caption = f"Dotted: {CLASSICAL:.3f}, the best mean without entanglement."
    return Figure(
        *("teleported_fidelity", "Fidelity by state", "state that was teleported", "fidelity, as read"),
        tuple(series),
        caption=caption + (" Dashes: predicted from the testbed file, readout errors included." if expected else ""),
        levels=(CLASSICAL,),
        ticks=tuple(INPUTS),
    )


def _table(taken: list[Shot], fidelities: dict[str, Estimate]) -> Figure:
    rows: list[tuple[str, ...]] = [("state", "teleported", "read as sent", "fidelity")]
    for given, estimate in fidelities.items():
        mine = [shot for shot in taken if shot.given == given]
        rows.append((given, str(len(mine)), str(sum(shot.right for shot in mine)), str(estimate)))
    return Figure(
        "teleported_states",
        "Teleported states",
        table=tuple(rows),
        caption="Raw: readout errors of the receiver are not undone.",
    )
