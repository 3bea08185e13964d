"""``swap`` on cores: the outer pair, the cut-off of the first pair, and links that do not meet."""

import pytest
from bellringer.sequences.library.swap import swap
from bellringer.testbed.errors import BellringerError

THREE = "memory_three_node.yaml"
PERFECT = {
    "spin_photon_fidelity": 1.0,
    "gate_fidelity": 1.0,
    "two_qubit_fidelity": 1.0,
    "t2": 1e6,
    "t1": 1e9,
    "readout_fidelity_0": 1.0,
    "readout_fidelity_1": 1.0,
    "emission": 0.5,
    "lifetime": 1e-9,
}


@pytest.mark.parametrize("target", ["phi+", "phi-", "psi+", "psi-"])
def test_two_perfect_pairs_become_the_target(core_run, target):
    """Seed 7, two swaps in each basis; two clicks herald, and photons are alike."""
    run = core_run(THREE, 7, memory=PERFECT, link={"scheme": "two_click"}, visibility=1.0, dark_rate=0.0)
    swap(run, shots=2, target=target)
    assert run.results["fidelity"].value == 1.0
    assert run.results["young_enough"].value == 1.0


def test_a_first_pair_that_waited_too_long_is_given_up_with_the_second(core_run):
    run = core_run(THREE)
    run.late_s = 0.05
    swap(run, shots=1, max_age_s=0.01)
    assert run.results["young_enough"].value == 0.0
    assert run.results["fidelity"].value is None
    assert all(run.call(f"bob.{side}", "held") == [] for side in ("left", "right"))


def test_a_pair_whose_partner_does_not_come_is_given_up(core_run):
    run = core_run(THREE)
    run.fails = 1
    swap(run, shots=1)
    assert run.notes == ["no pair on alice-bob: the request ended TIMEOUT (the deadline has come)"]
    assert sum(int(each) for row in run.figures["swapped_pairs"].table[1:] for each in row[1:]) == 2
    assert run.results["selected_fraction_alice-bob"].value == pytest.approx(2 / 5)


def test_links_that_do_not_meet_are_refused(core_run):
    with pytest.raises(BellringerError, match="do not meet at one node"):
        swap(core_run(THREE), first="alice-bob", second="alice-bob")
    with pytest.raises(BellringerError, match="there is no memory link 'bob'"):
        swap(core_run(THREE), first="bob", second="alice-bob")
    with pytest.raises(BellringerError, match="no Bell state"):
        swap(core_run(THREE), target="phi")
