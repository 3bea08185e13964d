"""Teleportation and swapping: maps against circuits worked out gate by gate, and against closed forms."""

import itertools

import numpy as np
import pytest
from bellringer.physics import entanglement, protocols
from bellringer.physics.channels import (
    BASIS_CHANGE,
    confusion,
    depolarise,
    depolarising_probability,
    misread,
    outcome_probabilities,
    unitary,
)
from bellringer.physics.states import LABELS, bell_state, fidelity, kron, werner_state

CNOT = np.eye(4, dtype=np.complex128)[[0, 1, 3, 2]]
BITS = {"phi+": 0b00, "phi-": 0b10, "psi+": 0b01, "psi-": 0b11}
"""First qubit's bit (the sign), second one's (the parity)."""
PERFECT = protocols.bell_readout()


def test_noisy_readout_of_bell_states_is_that_of_the_circuit():
    table = protocols.bell_readout(0.97, 0.99, (0.95, 0.99), (0.93, 0.98))
    for row, label in zip(table, LABELS):
        rho = depolarise(unitary(bell_state(label), CNOT, 0), 0, depolarising_probability(0.97, 2), width=2)
        rho = depolarise(unitary(rho, BASIS_CHANGE["X"], 0), 0, depolarising_probability(0.99))
        read = misread(outcome_probabilities(rho, "ZZ"), confusion(0.95, 0.99), confusion(0.93, 0.98))
        assert row == pytest.approx([read[BITS[each]] for each in LABELS])


@pytest.mark.parametrize("state", LABELS)
@pytest.mark.parametrize("name", protocols.INPUTS)
def test_every_input_arrives_through_every_perfect_pair(state, name):
    vector = protocols.eigenstate(name)
    given = np.outer(vector, vector.conj())
    assert protocols.teleported(bell_state(state), state, given, PERFECT) == pytest.approx(given)


@pytest.mark.parametrize("name", protocols.INPUTS)
def test_eigenstates_are_read_as_they_are_called(name):
    vector = protocols.eigenstate(name)
    read = outcome_probabilities(np.outer(vector, vector.conj()), name[0])
    assert read[int(name[1] == "-")] == pytest.approx(1)


def test_mean_over_six_inputs_is_the_closed_form_of_any_pair():
    """(2 F + 1) / 3 holds for every pair of fidelity F if the mean is over all inputs; here a skewed one."""
    pair = 0.7 * bell_state("psi+") + 0.2 * np.diag([1.0, 0, 0, 0]) + 0.1 * bell_state("phi-")
    found = []
    for name in protocols.INPUTS:
        vector = protocols.eigenstate(name)
        out = protocols.teleported(pair, "psi+", np.outer(vector, vector.conj()), PERFECT)
        found.append((vector.conj() @ out @ vector).real)
    assert np.mean(found) == pytest.approx(entanglement.teleportation_fidelity(float(fidelity(pair, "psi+"))))


@pytest.mark.parametrize(("first", "second", "target"), list(itertools.product(LABELS, repeat=3)))
def test_swapping_perfect_pairs_gives_the_target(first, second, target):
    outer = protocols.swapped(bell_state(first), bell_state(second), (first, second), target, PERFECT)
    assert outer == pytest.approx(bell_state(target))


def test_swapping_werner_pairs_is_the_closed_form():
    outer = protocols.swapped(werner_state("psi+", 0.9), werner_state("phi-", 0.8), ("psi+", "phi-"), "psi+", PERFECT)
    assert fidelity(outer, "psi+") == pytest.approx(entanglement.swap_fidelity(0.9, 0.8))


def test_noisy_corrections_leave_white_noise_on_the_last_node():
    """Three of four results ask for a gate; one of fidelity 0.9 leaves 0.2 of white noise."""
    outer = protocols.swapped(bell_state("phi+"), bell_state("phi+"), ("phi+", "phi+"), "phi+", PERFECT, 0.9)
    white = kron(np.eye(2) / 2, np.eye(2) / 2)
    assert outer == pytest.approx(0.85 * bell_state("phi+") + 0.15 * white)


def test_names_that_are_no_eigenstate_are_refused():
    with pytest.raises(ValueError, match="valid: Z\\+"):
        protocols.eigenstate("H")
