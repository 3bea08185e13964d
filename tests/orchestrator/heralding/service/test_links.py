"""Links: what corrections make of a label, how long batches may be, and what is no link or forecast."""

import math

import numpy as np
import pytest
from bellringer.orchestrator.heralding.service.links import state_after
from bellringer.testbed.errors import BellringerError

BELL = {
    "phi+": np.array([1, 0, 0, 1]),
    "phi-": np.array([1, 0, 0, -1]),
    "psi+": np.array([0, 1, 1, 0]),
    "psi-": np.array([0, 1, -1, 0]),
}
PAULI = {"I": np.eye(2), "X": np.array([[0, 1], [1, 0]]), "Y": np.array([[0, -1j], [1j, 0]]), "Z": np.diag([1, -1])}


@pytest.mark.parametrize("label", BELL)
@pytest.mark.parametrize("operation", PAULI)
@pytest.mark.parametrize("node", ["alice", "bob"])
def test_a_correction_makes_the_state_that_the_matrices_make(make, label, operation, node):
    owed = ({"label": label, "node": node, "operation": operation, "deadline_ps": 10**9},)
    program = make.program(heralds=({"clicks": (("d0", "w"),), "label": label},), feedforward=owed)
    both = (PAULI[operation], np.eye(2)) if node == "alice" else (np.eye(2), PAULI[operation])
    after = np.kron(*both) @ BELL[label]
    overlaps = {name: abs(vector @ after) / 2 for name, vector in BELL.items()}
    assert overlaps[state_after(program, label)] == pytest.approx(1)


def test_corrections_at_both_nodes_add_up(make):
    owed = tuple(
        {"label": "psi-", "node": node, "operation": each, "deadline_ps": 10**9}
        for node, each in (("alice", "X"), ("bob", "Z"))
    )
    program = make.program(heralds=({"clicks": (("d0", "w"),), "label": "psi-"},), feedforward=owed)
    assert state_after(program, "psi-") == "phi+"


def test_a_forecast_counts_the_heralds_that_become_the_target(make):
    forecast = make.forecast(probabilities={"psi+": 1e-3, "psi-": 3e-3})
    assert forecast.probability(make.program(), "phi+") == pytest.approx(4e-3)  # both are corrected to it
    assert forecast.probability(make.measuring(), "psi-") == pytest.approx(3e-3)
    assert forecast.probability(make.measuring(), "phi+") == 0.0
    assert forecast.probability(make.measuring(), "any") == pytest.approx(4e-3)


@pytest.mark.parametrize(
    ("rtt_s", "shortest_s", "lead_s"),
    [(0.0, 0.05, 0.05), (1e-3, 0.05, 0.05), (6e-3, 0.06, 0.2), (0.04, 0.4, 0.2), (0.1, 1.0, 0.4)],
)
def test_batches_and_leads_grow_with_the_control_round_trip(make, rtt_s, shortest_s, lead_s):
    link = make.link(rtt_s=rtt_s)
    assert (link.shortest_batch_s, link.lead_s) == (pytest.approx(shortest_s), pytest.approx(lead_s))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"rtt_s": 0.101}, "round trip of 0.101 s"),
        ({"rtt_s": math.nan}, "round trip of nan s"),
        ({"programs": ()}, "no attempt program"),
    ],
)
def test_what_is_no_link_is_refused(make, changes, what):
    with pytest.raises(BellringerError, match=what):
        make.link(**changes)


def test_a_link_whose_attempts_are_longer_than_a_batch_is_refused(make):
    slow = make.measuring(period_ps=2 * 10**12, most_ps=4 * 10**12)
    with pytest.raises(BellringerError, match="takes 2 s, longer than a batch"):
        make.link(programs=(slow,))


@pytest.mark.parametrize(
    "changes",
    [
        {"probabilities": {"psi+": -0.1}},
        {"probabilities": {"psi+": 0.6, "psi-": 0.4}},
        {"probabilities": {"psi+": math.nan}},
        {"fidelity": 1.1},
        {"fidelity": math.nan},
        {"rate_error": -1.0},
        {"fidelity_error": math.inf},
    ],
)
def test_what_is_no_forecast_is_refused(make, changes):
    with pytest.raises(ValueError, match=r"none|must be"):
        make.forecast(**changes)
