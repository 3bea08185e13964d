"""What the bench draws agrees with the prediction from the same testbed file, worked out by other code.

Twelve sets, each of seed 62, so many attempts that 6000 heralds are expected, measured right at the end of their
attempt in XX, YY and ZZ in turn. Herald probabilities by label and fidelities by label to 3 sigma: 48 comparisons,
of which chance alone would fail 0.13.
"""

import math

import numpy as np
import pytest
from bellringer.physics import entanglement, heralding, states
from bellringer.sim_backends.bench.memories.link import BatchClicks
from bellringer.testbed.attempts import AttemptProgram, Readout, Stop
from bellringer.testbed.memory_prediction import HERALDS, MemoryPrediction, predict_memory_link

SIGNS = {"phi+": (1, -1, 1), "phi-": (-1, 1, 1), "psi+": (1, 1, -1), "psi-": (-1, -1, -1)}
HERALDS_WANTED = 6_000
SETS = [
    ("single_click", {"bright_state": 0.05}, {}),
    ("single_click", {"bright_state": 0.3}, {"resolution": 7e-9}),
    ("single_click", {"bright_state": 0.1}, {"emission": 2e-4, "t2": 40e-6, "stretch": 2.0}),
    ("single_click", {"bright_state": 0.02, "window": 200e-9, "dark_rate": 300.0}, {"emission": 5e-3}),
    ("two_click", {}, {"resolution": 4e-9}),
    ("two_click", {"window": 20e-9}, {"spin_photon_fidelity": 0.94}),
    ("two_click", {}, {"t2": 5e-6, "t1": 30e-6}),
    ("two_click", {"window": 300e-9, "dark_rate": 3e4}, {"emission": 0.1}),
    ("spdc_bsm", {"mean_photons": 0.05}, {"emission": 0.9}),
    ("spdc_bsm", {"mean_photons": 0.02}, {"emission": 0.9, "t2": 5e-6}),
    ("serial", {"mean_photons": 0.2}, {}),
    ("serial", {"mean_photons": 0.02}, {"t2": 5e-6}),
]


def drawn(lab, prediction: MemoryPrediction) -> tuple[BatchClicks, tuple[np.ndarray, np.ndarray], AttemptProgram]:
    attempts = round(HERALDS_WANTED / prediction.herald_probability)
    readout = tuple(Readout(node=node, bases=("X", "Y", "Z")) for node in ("alice", "bob"))
    program = lab.program(keep="measure", stop=Stop(kind="full"), readout=readout, most_attempts=attempts)
    program = program.model_copy(update={"most_ps": attempts * program.period_ps})
    link = lab.link(seed=62)
    found = link.clicks(program, 1, 0, program.attempts, program.nodes)
    return found, link.measured(1), program


@pytest.mark.parametrize(("scheme", "link", "memory"), SETS)
def test_heralds_and_fidelities_are_as_predicted(setup, serial_file, scheme, link, memory):
    perfect = {"readout_fidelity_0": 1.0, "readout_fidelity_1": 1.0}
    lab = setup(memory={**perfect, **memory}, scheme=scheme, file=serial_file if scheme == "serial" else None, **link)
    prediction = predict_memory_link(lab.testbed, lab.wiring, "alice-bob")
    found, bits, program = drawn(lab, prediction)
    # In a measure program qubits wait only for the end of their node's pulses, not for the herald.
    at_once = predict_memory_link(lab.testbed, lab.wiring, "alice-bob", wait_s=waiting_s(program) - prediction.age_s)
    for label, patterns in HERALDS[scheme].items():
        chosen = np.isin(found.pattern, patterns)
        expected = prediction.probability[label] * program.attempts
        assert chosen.sum() == pytest.approx(expected, abs=3 * math.sqrt(expected)), label
        value, error = fidelity_of(found, bits, chosen, label)
        target = float(states.fidelity(at_once.state[label], lab.testbed.memory_links["alice-bob"].target))
        assert value == pytest.approx(target, abs=3 * error), label


def waiting_s(program: AttemptProgram) -> float:
    emits = [p.begin_ps for p in program.pulses if p.node == "alice" and p.channel in ("excite", "pump", "photon")]
    ends = [p.begin_ps + p.length_ps for p in program.pulses if p.node == "alice"]
    return (max(ends) - min(emits)) * 1e-12


def fidelity_of(
    found: BatchClicks, bits: tuple[np.ndarray, np.ndarray], chosen: np.ndarray, label: str
) -> tuple[float, float]:
    """Return the fidelity from the mean products in XX, YY and ZZ, and its standard deviation."""
    products = (1 - 2.0 * bits[0]) * (1 - 2.0 * bits[1])
    value, variance = 0.25, 0.0
    for turn, sign in enumerate(SIGNS[label]):
        part = products[chosen & (found.k % 3 == turn)]
        value += sign * part.mean() / 4
        variance += (1 - part.mean() ** 2 + 1 / part.size) / part.size / 16
    return value, math.sqrt(variance)


def test_predictions_are_the_closed_forms_where_these_hold(setup):
    """Two-click without dark counts and perfect memories, equal nodes; single-click at small efficiency.

    To 1e-4 of the fidelity: times on a clock of 1 ps let photons arrive that far apart.
    """
    ideal = {"t2": 1e6, "t1": 1e6}
    two = setup(memory=ideal, scheme="two_click", target="psi+", dark_rate=0.0)
    found = predict_memory_link(two.testbed, two.wiring, "alice-bob")
    assert found.herald_probability == pytest.approx(heralding.two_click_probability(*found.efficiency))
    assert found.mean_fidelity == pytest.approx(heralding.two_click_fidelity(0.9), abs=1e-4)
    single = setup(memory={**ideal, "emission": 1e-4}, even=True, bright_state=0.05, dark_rate=0.0)
    found = predict_memory_link(single.testbed, single.wiring, "alice-bob")
    assert found.herald_probability == pytest.approx(
        heralding.single_click_probability(0.05, found.efficiency[0]), rel=1e-6
    )
    assert found.mean_fidelity == pytest.approx(heralding.single_click_fidelity(0.05, 0.9, math.radians(15)), abs=1e-4)


def test_waiting_pairs_lose_what_the_formula_says(setup):
    """Two-click pairs have all their weight in two levels, as the formula wants; to 1e-4 as above."""
    lab = setup(memory={"t2": 1e-3, "t1": 1e6}, scheme="two_click", dark_rate=0.0)
    fresh, old = (predict_memory_link(lab.testbed, lab.wiring, "alice-bob", wait_s=wait) for wait in (0.0, 0.5e-3))
    start = heralding.two_click_fidelity(0.9)
    for found, wait in ((fresh, 0.0), (old, 0.5e-3)):
        kept = [entanglement.coherence(found.age_s + wait, 1e-3, stretch) for stretch in (2.0, 1.0)]
        assert found.mean_fidelity == pytest.approx(entanglement.dephased_fidelity(start, *kept), abs=1e-4)
