"""What pairs are when they are used: against closed forms where these hold, and what storage, gates and readout do.

To 5e-4 of a fidelity: the station's clock of 100 ps lets photons of 12 ns arrive that far apart.
"""

import math
from pathlib import Path

import pytest
from bellringer.physics import entanglement, heralding, states
from bellringer.testbed.loader import load
from bellringer.testbed.memory_forecast import forecast_pairs

EXAMPLE = Path(__file__).parents[2] / "examples" / "memory_two_node.yaml"
PERFECT = {
    "spin_photon_fidelity": 1.0,
    "gate_fidelity": 1.0,
    "t2": 1e6,
    "t1": 1e9,
    "emission": 0.3,
    "resolution": 1e-12,
    "readout_fidelity_0": 1.0,
    "readout_fidelity_1": 1.0,
}


def forecast(link=None, **memory):
    testbed = load(EXAMPLE).testbed.model_copy(deep=True)
    testbed.memory_links["alice-bob"] = testbed.memory_links["alice-bob"].model_copy(update=link or {})
    for node in ("alice", "bob"):
        entry = testbed.nodes[node].instruments["memory"]
        model = entry.model.model_copy(update={**PERFECT, **memory})
        testbed.nodes[node].instruments["memory"] = entry.model_copy(update={"model": model})
    detectors = testbed.nodes["charlie"].instruments["detectors"]
    dark = detectors.model.model_copy(update={"dark_rate": 0.0})
    testbed.nodes["charlie"].instruments["detectors"] = detectors.model_copy(update={"model": dark})
    return forecast_pairs(testbed, "alice-bob")


def test_pairs_measured_at_once_have_the_two_click_formulas_fidelity():
    found = forecast({"scheme": "two_click"})
    for label in ("psi+", "psi-"):
        assert states.fidelity(found.measured(label), label) == pytest.approx(
            heralding.two_click_fidelity(0.9), abs=5e-4
        )


def test_qubits_are_read_at_the_end_of_the_last_pulse_and_age_until_then():
    """Two-click: 500 ns and the second pulse of 2 ns after the first emission; dephasing of both qubits."""
    found = forecast({"scheme": "two_click"}, t2=1e-6, stretch=1.0)
    start = heralding.two_click_fidelity(0.9)
    kept = math.exp(-0.502)
    expected = entanglement.dephased_fidelity(start, kept, kept)
    assert states.fidelity(found.measured("psi+"), "psi+") == pytest.approx(expected, abs=5e-4)


def test_kept_pairs_lose_coherence_from_their_emission_on_at_each_node_for_itself():
    found = forecast({"scheme": "two_click"}, t2=10e-3, stretch=2.0)
    ages = 2e-3 + found.begins_s[0], 4e-3 + found.begins_s[1]
    rho = found.kept("psi-", ("I", "Z"), ages)
    kept = [entanglement.coherence(age, 10e-3, 2.0) for age in (2e-3, 4e-3)]
    expected = entanglement.dephased_fidelity(heralding.two_click_fidelity(0.9), *kept)
    assert found.begins_s == pytest.approx((3e-6, 3e-6), abs=60e-6)
    assert states.fidelity(rho, "psi+") == pytest.approx(expected, abs=5e-4)


def test_a_correction_with_a_noisy_gate_leaves_white_noise():
    found = forecast({"scheme": "two_click"}, gate_fidelity=0.9)
    untouched, corrected = (found.kept("psi+", (operation, "I"), (1e-4, 1e-4)) for operation in "IZ")
    before = float(states.fidelity(untouched, "psi+"))
    assert states.fidelity(corrected, "psi-") == pytest.approx(0.8 * before + 0.2 / 4)


def test_reading_has_the_errors_of_both_memories():
    found = forecast(readout_fidelity_0=0.9, readout_fidelity_1=0.8)
    read = found.read(states.bell_state("psi+"), "ZZ")
    assert read == pytest.approx([0.18, 0.5 * (0.72 + 0.02), 0.5 * (0.72 + 0.02), 0.08])


def test_without_a_model_there_is_no_forecast():
    testbed = load(EXAMPLE).testbed.model_copy(deep=True)
    entry = testbed.nodes["charlie"].instruments["detectors"]
    testbed.nodes["charlie"].instruments["detectors"] = entry.model_copy(update={"model": None})
    assert forecast_pairs(testbed, "alice-bob") is None
