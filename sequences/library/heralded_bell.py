"""Heralded pairs measured in Pauli bases: their rate, their fidelity in two ways, how many heralds were left out."""

import math
from collections.abc import Mapping

import numpy as np

from ...analysis import Estimate, conditional_fidelity, linear_fidelity, tomography
from ...analysis.bell import correlation
from ...analysis.fidelity import BASES, SIGNS, Readout
from ...analysis.tomography import SETTINGS
from ...physics.states import Matrix, bell_vector, fidelity
from ...testbed.memory_forecast import PairForecast, forecast_pairs
from ...testbed.testbed import Testbed
from ..comparison import comparison
from ..figures import Figure, Series
from ..memories import memory_link, node_of
from ..needs import a_fidelity, above_zero, the_memory_link
from ..pairs import Entanglement
from ..run import Run
from ..sequence import sequence
from ..together import together

BESIDE = 0.2
"""How far the points of one setting stand apart; settings are 1 apart."""
PERFECT: tuple[Readout, Readout] = ((1.0, 1.0), (1.0, 1.0))


@sequence
def heralded_bell(
    run: Run,
    link: str = "",
    pairs: int = 900,
    min_fidelity: float = 0.0,
    deadline_s: float = 3600.0,
) -> None:
    """Fidelity of heralded pairs from XX, YY and ZZ, and from all nine settings; rate and selected fraction beside it.

    Every qubit is measured in its own attempt, in nine pairs of bases in turn. Raw fidelities have readout errors in
    them; the corrected ones undo the errors that the testbed file states.
    """
    name, chosen = memory_link(run, link)
    ends = node_of(chosen.memories[0]), node_of(chosen.memories[1])
    run.progress.say(f"{pairs} pairs on {name} in nine settings")
    found = run.entangle(*ends, pairs=pairs, min_fidelity=min_fidelity, deadline_s=deadline_s)
    if found.state != "OK":
        run.note(f"{len(found.pairs)} pairs only: the request ended {found.state} ({found.why})")
    forecast = forecast_pairs(run.testbed, name)
    _rates(run, found)
    _fidelities(run, found, forecast.readout if forecast else None)
    run.figure(together(run, "delivered pairs, each to the state its herald named", {}, {"": found}))
    run.figure(_correlators(found, forecast))
    if forecast is None:
        run.note("no prediction and no readout correction: the testbed file gives no model for a part of this link")
        return
    run.figure(
        comparison(
            run,
            predicted(forecast, found),
            "Heralded pairs against prediction",
            "Predicted by propagating density matrices through an attempt, by other code than the simulated lab's.",
        )
    )


@heralded_bell.needs
def _needs(testbed: Testbed, link: str, pairs: int, min_fidelity: float, deadline_s: float) -> None:
    the_memory_link(testbed, link)
    above_zero(pairs=pairs, deadline_s=deadline_s)
    a_fidelity(min_fidelity=min_fidelity)


def _rates(run: Run, found: Entanglement) -> None:
    attempts = found.attempts
    chance = Estimate(None, None, "", "no attempts")
    if attempts:
        chance = Estimate(found.heralds / attempts, math.sqrt(max(found.heralds, 1)) / attempts, "")
    run.result("herald_probability", chance)
    run.result("pair_rate", found.rate)
    run.result("selected_fraction", found.selected_fraction)


def _fidelities(run: Run, found: Entanglement, readout: tuple[Readout, Readout] | None) -> None:
    tables = {label: found.counts(BASES, label) for label in found.labels()}
    run.result("fidelity", conditional_fidelity(tables))
    if readout is not None:
        run.result("fidelity_readout_corrected", conditional_fidelity(tables, *readout))
    run.result("fidelity_tomography", tomographic_fidelity(found, readout or PERFECT))


def _correlators(found: Entanglement, forecast: PairForecast | None) -> Figure:
    """Return the correlators of all nine settings, for each Bell state that was announced."""
    labels, series = found.labels(), list[Series]()
    for number, label in enumerate(labels):
        x = np.arange(len(SETTINGS)) + BESIDE * (number - (len(labels) - 1) / 2)
        measured = [correlation(each) for each in found.counts(SETTINGS, label)]
        values = np.array([each.value for each in measured], float)
        series.append(Series(label, x, values, np.array([each.error for each in measured], float)))
        if forecast is not None:
            rho = forecast.measured(label)
            expected = np.array([_correlator(forecast, rho, bases) for bases in SETTINGS])
            series.append(Series("", x, expected, style="line"))
    return Figure(
        *("correlators", "Correlators by setting", "bases of the two nodes", "correlator, as read"),
        tuple(series),
        caption="Dashes: predicted from the testbed file, readout errors included." if forecast else "",
        ticks=SETTINGS,
    )


def tomographic_fidelity(found: Entanglement, readout: tuple[Readout, Readout]) -> Estimate:
    """Return the mean fidelity of the reconstructed states to their labels, weighed by their pairs.

    By linear inversion, so it is unbiased; readout errors are undone.
    """
    value = variance = 0.0
    for label in found.labels():
        counts = found.counts(SETTINGS, label)
        if not counts.sum(axis=(1, 2)).all():
            return Estimate(None, None, "", f"{label}: a setting has no pairs")
        share = int(counts.sum()) / len(found.pairs)
        each = linear_fidelity(tomography(counts, *readout), bell_vector(label))
        value += share * (each.value or 0.0)
        variance += (share * (each.error or 0.0)) ** 2
    return Estimate(value, math.sqrt(variance)) if found.pairs else Estimate(None, None, "", "no pairs")


def predicted(forecast: PairForecast, found: Entanglement) -> Mapping[str, float]:
    """Return by result what the testbed file predicts for pairs measured at once."""
    prediction = forecast.prediction
    total = prediction.herald_probability
    weights = {
        label: chance / total for label, chance in prediction.probability.items() if label in prediction.heralded
    }
    raw = sum(weight * _raw_fidelity(forecast, label) for label, weight in weights.items())
    true = sum(weight * float(fidelity(forecast.measured(label), label)) for label, weight in weights.items())
    values = {"herald_probability": total, "fidelity": raw}
    values |= {"fidelity_readout_corrected": true, "fidelity_tomography": true}
    if found.attempts and found.seconds:
        values["pair_rate"] = total * found.attempts / found.seconds
    return values


def _raw_fidelity(forecast: PairForecast, label: str) -> float:
    rho, value = forecast.measured(label), 1.0
    for bases, sign in zip(BASES, SIGNS[label]):
        value += sign * _correlator(forecast, rho, bases)
    return value / 4


def _correlator(forecast: PairForecast, rho: Matrix, bases: str) -> float:
    same, first, second, both = forecast.read(rho, bases)
    return float(same - first - second + both)
