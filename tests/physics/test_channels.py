"""Channels on density matrices: against Kraus operators written out here, against each other, and against limits."""

import math

import numpy as np
import pytest
from bellringer.physics import channels, states

X, Y, Z = (states.PAULI[name] for name in "XYZ")
I2 = np.eye(2)


def kraus(rho: np.ndarray, operators: list[np.ndarray], qubit: int) -> np.ndarray:
    """Apply Kraus operators of one qubit of two."""
    full = [np.kron(k, I2) if qubit == 0 else np.kron(I2, k) for k in operators]
    return sum(k @ rho @ k.conj().T for k in full)


@pytest.mark.parametrize("qubit", [0, 1])
def test_channels_are_their_kraus_operators(qubit, random_states):
    rho = random_states(20)
    keep = 0.3
    damping = [np.diag([1, math.sqrt(keep)]), np.array([[0, math.sqrt(1 - keep)], [0, 0]])]
    phase = [math.sqrt((1 + keep) / 2) * I2, math.sqrt((1 - keep) / 2) * Z]
    white = [math.sqrt(1 - 0.75 * keep) * I2, *(math.sqrt(keep) / 2 * p for p in (X, Y, Z))]
    assert channels.relax(rho, qubit, keep) == pytest.approx(kraus(rho, damping, qubit))
    assert channels.dephase(rho, qubit, keep) == pytest.approx(kraus(rho, phase, qubit))
    assert channels.depolarise(rho, qubit, keep) == pytest.approx(kraus(rho, white, qubit))


def test_white_noise_on_both_qubits_forgets_everything(random_states):
    rho = random_states(3)
    assert channels.depolarise(rho, 0, 1.0, width=2) == pytest.approx(np.broadcast_to(np.eye(4) / 4, rho.shape))
    assert channels.depolarise(rho, 0, 0.25, width=2) == pytest.approx(0.75 * rho + 0.25 * np.eye(4) / 4)


def test_strengths_may_differ_from_state_to_state_or_act_on_one_state(random_states):
    rho = random_states(4)
    strengths = np.array([0.0, 0.2, 0.7, 1.0])
    for channel in (channels.relax, channels.dephase, channels.depolarise):
        together = channel(rho, 1, strengths)
        one_by_one = [channel(each, 1, float(strength)) for each, strength in zip(rho, strengths)]
        assert together == pytest.approx(np.array(one_by_one))
        assert channel(rho[0], 1, strengths)[2] == pytest.approx(channel(rho[0], 1, 0.7))


def test_a_gate_on_the_middle_of_three_qubits_leaves_the_others():
    rho = np.kron(np.kron(random_qubit(1), random_qubit(2)), random_qubit(3))
    turned = channels.unitary(rho, X, 1)
    assert turned == pytest.approx(np.kron(np.kron(random_qubit(1), X @ random_qubit(2) @ X), random_qubit(3)))


def random_qubit(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    vector = rng.standard_normal(2) + 1j * rng.standard_normal(2)
    vector /= np.linalg.norm(vector)
    return np.outer(vector, vector.conj())


def test_looking_at_a_stored_qubit_half_way_changes_nothing_also_with_a_stretched_exponent(random_states):
    rho = random_states(5)
    at_once = channels.stored(rho, 0, 0.0, 3.0, 5.0, 2.0, 1.7)
    halfway = channels.stored(rho, 0, 0.0, 1.2, 5.0, 2.0, 1.7)
    assert channels.stored(halfway, 0, 1.2, 3.0, 5.0, 2.0, 1.7) == pytest.approx(at_once)


def test_storage_takes_what_t1_t2_and_n_say():
    bright = np.diag([0, 1]).astype(complex)
    plus = np.full((2, 2), 0.5, complex)
    t, t1, t2, n = 0.5e-3, 3e-3, 7e-3, 2.0
    assert channels.stored(bright, 0, 0, t, t1, t2, n)[1, 1] == pytest.approx(math.exp(-t / t1))
    assert channels.stored(plus, 0, 0, t, math.inf, t2, n)[0, 1] == pytest.approx(0.99491 / 2, abs=5e-6)
    left = channels.stored(plus, 0, 0, t, t1, t2, n)[0, 1]
    assert left == pytest.approx(math.exp(-t / (2 * t1)) * math.exp(-((t / t2) ** n)) / 2)


def test_dephasing_is_the_average_over_random_frequencies():
    """n = 2: quasi-static Gaussian detuning of standard deviation sqrt(2) / T2. Seed 3, 200 000 draws, 5 sigma."""
    rng = np.random.default_rng(3)
    t, t2 = 0.8, 1.0
    phases = t * math.sqrt(2) / t2 * rng.standard_normal(200_000)
    drawn = np.cos(phases)
    plus = np.full((2, 2), 0.5, complex)
    left = 2 * channels.stored(plus, 0, 0, t, math.inf, t2, 2.0)[0, 1].real
    assert drawn.mean() == pytest.approx(left, abs=5 * drawn.std() / math.sqrt(drawn.size))


@pytest.mark.parametrize(("width", "average"), [(1, 0.99), (2, 0.95)])
def test_the_noise_behind_a_gate_gives_its_average_fidelity(width, average):
    """Averaged over random pure inputs: seed 8, 4000 inputs; exact for each, so rounding only."""
    rng = np.random.default_rng(8)
    size = 1 << width
    vectors = rng.standard_normal((4000, size)) + 1j * rng.standard_normal((4000, size))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rho = np.einsum("ni,nj->nij", vectors, vectors.conj())
    noisy = channels.depolarise(rho, 0, channels.depolarising_probability(average, width), width)
    found = np.einsum("ni,nij,nj->n", vectors.conj(), noisy, vectors).real
    assert found.mean() == pytest.approx(average, abs=1e-12)


def test_spin_photon_noise_gives_the_fidelity_of_the_pair():
    noisy = channels.depolarise(states.bell_state("phi+"), 1, channels.spin_photon_probability(0.941))
    assert states.fidelity(noisy, "phi+") == pytest.approx(0.941)


def test_measured_probabilities_are_those_of_projectors_and_misreading_mixes_them(random_states):
    rho = random_states(6)
    plus = {"X": (I2 + X) / 2, "Y": (I2 + Y) / 2, "Z": (I2 + Z) / 2}
    for bases in ("XX", "XY", "YZ", "ZZ"):
        projectors = [(plus[basis], I2 - plus[basis]) for basis in bases]
        expected = [np.einsum("nij,ji->n", rho, np.kron(a, b)).real for a in projectors[0] for b in projectors[1]]
        assert channels.outcome_probabilities(rho, bases) == pytest.approx(np.array(expected).T)
    read = channels.misread(np.array([1.0, 0, 0, 0]), channels.confusion(0.9, 0.8), channels.confusion(0.7, 0.6))
    assert read == pytest.approx([0.63, 0.27, 0.07, 0.03])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: channels.dephase(np.eye(4) / 4, 0, 1.1), "does not lie between -1 and 1"),
        (lambda: channels.relax(np.eye(4) / 4, 0, -0.1), "does not lie between 0 and 1"),
        (lambda: channels.dephase(np.eye(4) / 4, 2, 1.0), "no qubit 2"),
        (lambda: channels.dephase(np.eye(3) / 3, 0, 1.0), "shape"),
        (lambda: channels.unitary(np.eye(2) / 2, np.eye(4), 0), "no qubit 0 to 1 among 1"),
        (lambda: channels.stored(np.eye(2) / 2, 0, 2.0, 1.0, 1.0, 1.0), "go forward"),
        (lambda: channels.depolarising_probability(0.4), "white noise alone has 0.5"),
        (lambda: channels.spin_photon_probability(0.2), "white noise alone has 0.25"),
        (lambda: channels.outcome_probabilities(np.eye(4) / 4, "XQ"), "one of X, Y, Z"),
        (lambda: channels.confusion(1.2, 0.9), "fidelity_0"),
    ],
)
def test_what_is_no_channel_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
