"""Formulas of what is done with pairs: published test points, and the same worked out on density matrices."""

import math

import numpy as np
import pytest
from bellringer.physics import channels, entanglement, states

CNOT = np.eye(4, dtype=complex)[[0, 1, 3, 2]]
HADAMARD = channels.BASIS_CHANGE["X"]


def bell_measured(rho: np.ndarray, qubit: int) -> list[np.ndarray]:
    """Return the unnormalised states after a Bell measurement of ``qubit`` and the next, with both bits traced out."""
    turned = channels.unitary(channels.unitary(rho, CNOT, qubit), HADAMARD, qubit)
    count = channels.qubits_of(rho)
    shape = (1 << qubit, 4, 1 << (count - qubit - 2))
    split = turned.reshape(*shape, *shape)
    size = shape[0] * shape[2]
    return [split[:, bits, :, :, bits, :].reshape(size, size) for bits in range(4)]


def measured_label(bits: int) -> str:
    return ("phi+", "psi+", "phi-", "psi-")[bits]


def test_teleportation_at_the_test_point_and_on_density_matrices():
    assert entanglement.teleportation_fidelity(0.8) == pytest.approx(0.8667, abs=5e-5)
    assert entanglement.teleportation_fidelity(0.5) == pytest.approx(2 / 3)
    pair = states.werner_state("phi+", 0.8)
    found = []
    for basis in "XYZ":
        for vector in channels.BASIS_CHANGE[basis].conj():  # rows are the eigenstates
            outcome = bell_measured(np.kron(np.outer(vector, vector.conj()), pair), 0)
            fixed = [
                channels.unitary(each, states.PAULI[states.correction(measured_label(bits), "phi+")], 0)
                for bits, each in enumerate(outcome)
            ]
            found.append((vector.conj() @ sum(fixed) @ vector).real)
    assert np.mean(found) == pytest.approx(entanglement.teleportation_fidelity(0.8))


def test_gate_fidelities_at_the_test_points_and_back():
    assert entanglement.average_gate_fidelity(0.9689) == pytest.approx(0.9751, abs=5e-5)
    assert entanglement.process_fidelity(0.862) == pytest.approx(0.8275)
    assert entanglement.process_fidelity(entanglement.average_gate_fidelity(0.9, 2), 2) == pytest.approx(0.9)


def test_process_fidelity_is_that_of_the_channels_own_state():
    """White noise on half of a maximally entangled pair of two four-level systems (Choi state)."""
    share = channels.depolarising_probability(0.862, 2)
    vector = np.eye(4).ravel() / 2
    noisy = channels.depolarise(np.outer(vector, vector).astype(complex), 2, share, width=2)
    assert (vector @ noisy @ vector).real == pytest.approx(entanglement.process_fidelity(0.862))


@pytest.mark.parametrize(("first", "second", "value"), [(0.9, 0.9, 0.8133), (0.8, 0.8, 0.6533), (0.95, 0.7, None)])
def test_swapping_at_the_test_points_and_on_density_matrices(first, second, value):
    formula = entanglement.swap_fidelity(first, second)
    if value is not None:
        assert formula == pytest.approx(value, abs=5e-5)
    both = np.kron(states.werner_state("psi-", first), states.werner_state("phi+", second))
    swapped = bell_measured(both, 1)
    total = 0.0
    for bits, each in enumerate(swapped):
        total += max(float(states.fidelity(each, label)) for label in states.LABELS)
        assert np.trace(each).real == pytest.approx(0.25), bits
    assert total == pytest.approx(formula)


def bilateral(
    first: np.ndarray, second: np.ndarray, rotations: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, float]:
    """Return (first pair, probability) after rotations, CNOTs at both ends and equal Z results of the second pair."""
    order = np.kron(first, second)  # a1 b1 a2 b2
    for qubit, rotation in zip(range(4), (*rotations, *rotations)):
        order = channels.unitary(order, rotation, qubit)
    both = np.zeros((16, 16))
    for index in range(16):
        a1, b1, a2, b2 = (index >> 3) & 1, (index >> 2) & 1, (index >> 1) & 1, index & 1
        both[(a1 << 3) | (b1 << 2) | ((a2 ^ a1) << 1) | (b2 ^ b1), index] = 1
    after = (both @ order @ both.T).reshape(4, 4, 4, 4)
    kept = after[:, 0, :, 0] + after[:, 3, :, 3]
    return kept, float(np.trace(kept).real)


def test_bbpssw_at_the_test_points_and_on_density_matrices():
    assert entanglement.distil_bbpssw(0.75) == pytest.approx((0.788462, 0.722222), abs=1e-6)
    fidelity, pairs, rounds = 0.80, 1.0, 0
    while fidelity < 0.99:
        fidelity, success = entanglement.distil_bbpssw(fidelity)
        pairs, rounds = 2 * pairs / success, rounds + 1
    assert (rounds, round(pairs)) == (10, 2917)
    werner = states.werner_state("phi+", 0.75)
    kept, success = bilateral(werner, werner, (np.eye(2), np.eye(2)))
    assert (float(states.fidelity(kept, "phi+")) / success, success) == pytest.approx(entanglement.distil_bbpssw(0.75))


def test_dejmps_at_the_test_points_and_on_density_matrices():
    weights = (0.75, *[0.25 / 3] * 3)
    seen = []
    for _ in range(4):
        weights, _ = entanglement.distil_dejmps(weights)
        seen.append(weights[0])
    assert seen == pytest.approx([0.788462, 0.902361, 0.970020, 0.989913], abs=1e-6)
    weights, pairs = (0.8, *[0.2 / 3] * 3), 1.0
    for _ in range(4):
        weights, success = entanglement.distil_dejmps(weights)
        pairs *= 2 / success
    assert (weights[0], pairs) == pytest.approx((0.996854, 31.67), abs=5e-3)
    assert entanglement.distil_dejmps((0.8, 0, 0, 0.2))[0][0] == pytest.approx(0.941176, abs=1e-6)
    start = (0.6, 0.1, 0.2, 0.1)
    order = ("phi+", "psi-", "psi+", "phi-")
    rho = sum(share * states.bell_state(label) for share, label in zip(start, order))
    turn = (np.eye(2) - 1j * states.PAULI["X"]) / math.sqrt(2)
    kept, success = bilateral(rho, rho, (turn, turn.conj()))
    expected, chance = entanglement.distil_dejmps(start)
    assert success == pytest.approx(chance)
    assert [float(states.fidelity(kept, label)) / success for label in order] == pytest.approx(list(expected))


def test_storage_at_the_test_points():
    assert entanglement.coherence(0.5e-3, 7e-3, 2) == pytest.approx(0.99491, abs=5e-6)
    kept = entanglement.coherence(10e-3, 100e-3)
    assert entanglement.dephased_fidelity(0.9, kept, kept) == pytest.approx(0.8275, abs=5e-5)
    assert entanglement.coherence_after_attempts(450, 1800) == pytest.approx(0.7788, abs=5e-5)
    assert entanglement.depolarised_fidelity(0.9, 2.0, 2.0) == pytest.approx(0.4891, abs=5e-5)


def test_dephased_fidelity_is_that_of_density_matrices_in_two_levels():
    rho = 0.9 * states.bell_state("psi+") + 0.1 * states.bell_state("psi-")
    kept = [channels.stored(rho, 0, 0, 10e-3, math.inf, 100e-3), channels.stored(rho, 1, 0, 30e-3, math.inf, 70e-3, 2)]
    both = channels.stored(kept[0], 1, 0, 30e-3, math.inf, 70e-3, 2)
    factors = entanglement.coherence(10e-3, 100e-3), entanglement.coherence(30e-3, 70e-3, 2)
    assert states.fidelity(both, "psi+") == pytest.approx(entanglement.dephased_fidelity(0.9, *factors))


def test_a_single_click_state_dephases_to_less_than_one_half():
    """The condition under which the formula does not hold: (1 - alpha) / 2 is left."""
    rho = 0.95 * states.bell_state("psi+") + 0.05 * np.diag([0, 0, 0, 1])
    assert states.fidelity(channels.dephase(rho, 0, 0.0), "psi+") == pytest.approx(0.475)
    assert entanglement.dephased_fidelity(0.95, 0.0) == 0.5


def test_a_depolarised_werner_state_has_the_formulas_fidelity():
    rho = channels.depolarise(states.werner_state("phi-", 0.9), 0, 1 - math.exp(-0.3))
    rho = channels.depolarise(rho, 1, 1 - math.exp(-0.2))
    assert states.fidelity(rho, "phi-") == pytest.approx(entanglement.depolarised_fidelity(0.9, 0.5, 1.0))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: entanglement.teleportation_fidelity(1.1), "between 0 and 1"),
        (lambda: entanglement.process_fidelity(0.1), "0.2 to 1"),
        (lambda: entanglement.average_gate_fidelity(0.5, 1), "two states at least"),
        (lambda: entanglement.distil_dejmps((0.5, 0.5, 0.5, 0.5)), "add up to 1"),
        (lambda: entanglement.coherence(-1.0, 1.0), "time_s is -1.0"),
        (lambda: entanglement.coherence(1.0, 0.0), "t2_s is 0.0"),
        (lambda: entanglement.coherence(1.0, math.nan), "t2_s is nan"),
    ],
)
def test_what_is_no_physical_quantity_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
