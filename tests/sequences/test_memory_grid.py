"""``heralded_bell``, ``teleport`` and ``swap`` on cores against density matrices worked out by other code.

Twelve sets of parameters. Seed 67; 1500 pairs in nine settings; 20 of each of six states; 40 swaps
in each of three settings, every pull within 3 sigma: 84 of them, of which chance alone would push 0.23 beyond. Two
sets in ``make test``, the others in the soak.
"""

import pytest
from bellringer.sequences.library.heralded_bell import heralded_bell
from bellringer.sequences.library.swap import swap
from bellringer.sequences.library.teleport import teleport

SEED = 67
BRIGHT = {"emission": 0.3}
SETS = [
    ({"bright_state": 0.05}, {"t2": 5e-3}),
    ({"bright_state": 0.2}, {"stretch": 1.0}),
    ({"bright_state": 0.1, "window": 100e-9}, {"emission": 0.002, "t2": 3e-3}),
    ({"bright_state": 0.02}, {"readout_fidelity_0": 0.8, "readout_fidelity_1": 0.99}),
    ({"scheme": "two_click"}, {**BRIGHT, "two_qubit_fidelity": 0.9}),
    ({"scheme": "two_click"}, {**BRIGHT, "gate_fidelity": 0.95}),
    ({"scheme": "two_click", "target": "phi+"}, {**BRIGHT, "t2": 2e-3, "stretch": 3.0}),
    ({"scheme": "two_click", "target": "psi-"}, {**BRIGHT, "spin_photon_fidelity": 0.9}),
    ({"scheme": "spdc_bsm", "mean_photons": 0.05}, {"emission": 0.8}),
    ({"scheme": "spdc_bsm", "mean_photons": 0.02}, {"emission": 0.8, "t2": 5e-3}),
    ({"bright_state": 0.05, "target": "phi-"}, {"gate_fidelity": 0.97}),
    ({"bright_state": 0.3}, {"emission": 0.05, "readout_fidelity_0": 1.0, "readout_fidelity_1": 1.0}),
]
QUICK = (0, 7)
GRID = [each if i in QUICK else pytest.param(*each, marks=pytest.mark.soak) for i, each in enumerate(SETS)]


def check(run):
    pulls = {row[0]: float(row[3]) for row in run.figures["prediction"].table[1:]}
    assert pulls
    assert all(abs(pull) < 3 for pull in pulls.values()), pulls


@pytest.mark.parametrize(("link", "memory"), GRID)
def test_heralded_bell_is_as_predicted(core_run, link, memory):
    run = core_run(seed=SEED, link=link, memory=memory)
    heralded_bell(run, pairs=1500)
    check(run)


@pytest.mark.parametrize(("link", "memory"), GRID)
def test_teleport_is_as_predicted(core_run, link, memory):
    """Kept 1 ms before use, so that storage matters."""
    run = core_run(seed=SEED, link=link, memory=memory)
    run.late_s = 1e-3
    teleport(run, shots=20)
    check(run)


@pytest.mark.parametrize(("link", "memory"), GRID)
def test_swap_is_as_predicted(core_run, link, memory):
    """Memories that live long enough for the second pair, but not without loss."""
    run = core_run("memory_three_node.yaml", SEED, link=link, memory={**memory, "t2": 0.2})
    swap(run, shots=40)
    check(run)
