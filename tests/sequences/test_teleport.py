"""``teleport`` on cores: what arrives, what is given up, and that nothing is said where nothing is known."""

import pytest
from bellringer.sequences.library.teleport import teleport

PERFECT = {
    "spin_photon_fidelity": 1.0,
    "gate_fidelity": 1.0,
    "two_qubit_fidelity": 1.0,
    "t2": 1e6,
    "t1": 1e9,
    "readout_fidelity_0": 1.0,
    "readout_fidelity_1": 1.0,
}


@pytest.mark.parametrize("target", ["phi+", "phi-", "psi+", "psi-"])
def test_every_state_arrives_through_perfect_pairs(core_run, target):
    """Seed 5, two shots of each state; two clicks herald, and photons are alike."""
    memory = {**PERFECT, "emission": 0.5, "resolution": 1e-12}
    run = core_run(seed=5, memory=memory, link={"scheme": "two_click", "target": target}, visibility=1.0, dark_rate=0.0)
    teleport(run, shots=2)
    assert [row[1:3] for row in run.figures["teleported_states"].table[1:]] == [("2", "2")] * 6
    assert run.results["fidelity"].value == 1.0


def test_pairs_older_than_the_cut_off_are_given_up_and_their_slots_are_free(core_run):
    run = core_run()
    run.late_s = 0.02
    teleport(run, shots=1, max_age_s=0.01)
    assert run.results["fidelity"].value is None
    assert "not every setting was measured" in run.results["fidelity"].reason
    assert "older than max_age_s" in run.notes[0]
    assert run.call("alice.memory", "held") == run.call("bob.memory", "held") == []


def test_requests_that_bring_no_pair_are_counted_and_said(core_run):
    run = core_run(seed=2)
    run.fails = 6
    teleport(run, shots=2)
    assert "no pair for Z+: the request ended TIMEOUT (the deadline has come)" in run.notes
    assert run.results["selected_fraction"].value == pytest.approx(6 / 24)
    assert [row[1] for row in run.figures["teleported_states"].table[1:]] == ["1"] * 6


def test_qubits_left_behind_by_another_run_are_given_up_first(core_run):
    run = core_run()
    run.call("alice.memory", "prepare", 0, "Z+")
    run.call("alice.memory", "prepare", 1, "Z+")
    teleport(run, shots=1)
    assert run.call("alice.memory", "held") == []
    assert run.results["fidelity"].value is not None
