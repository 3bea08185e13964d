"""Wave plates, pair states and joint probabilities: what must hold for any angle and any state."""

import math

import numpy as np
import pytest
from bellringer.physics import polarisation as pol
from hypothesis import given
from hypothesis import strategies as st

angles = st.floats(-360.0, 360.0)
seeds = st.integers(0, 2**32 - 1)
ALL = np.eye(2)


def random_state(seed: int) -> np.ndarray:
    """A random mixed pair state."""
    rng = np.random.default_rng(seed)
    g = rng.standard_normal((4, 4)) + 1j * rng.standard_normal((4, 4))
    rho = g @ g.conj().T
    return rho / np.trace(rho)


def is_unitary(matrix: np.ndarray) -> bool:
    return np.allclose(matrix @ matrix.conj().T, np.eye(2), atol=1e-12)


@given(angles, angles, seeds)
def test_plates_rotators_and_random_fibres_are_unitary(a, retardance, seed):
    fibre = pol.random_unitary(np.random.default_rng(seed))
    plates = [pol.half_wave_plate(a), pol.quarter_wave_plate(a), pol.retarder(retardance, a), pol.rotator(a), fibre]
    assert all(is_unitary(matrix) for matrix in plates)


@given(angles, angles)
def test_half_wave_plate_turns_x_to_twice_its_angle_less_x(plate, x):
    out = pol.half_wave_plate(plate) @ pol.rotator(x)[:, 0]
    assert np.vdot(pol.rotator(2 * plate - x)[:, 0], out) == pytest.approx(1.0)


@given(angles)
def test_analyser_measures_at_twice_the_plates_angle(plate):
    transmitted, reflected = pol.analyser(plate)
    assert np.allclose(transmitted, pol.polariser(2 * plate))
    assert np.allclose(transmitted + reflected, np.eye(2))


def test_quarter_wave_plate_at_45_makes_h_circular():
    out = pol.quarter_wave_plate(45.0) @ np.array([1.0, 0.0])
    assert np.allclose(np.abs(out) ** 2, 0.5)
    assert abs((out[1] / out[0]).real) < 1e-12


def test_two_quarter_wave_plates_are_a_half_wave_plate():
    assert np.allclose(pol.quarter_wave_plate(17.0) @ pol.quarter_wave_plate(17.0), pol.half_wave_plate(17.0))


@given(seeds, angles, angles)
def test_probabilities_of_all_outcomes_sum_to_one_and_none_is_negative(seed, a, b):
    table = pol.joint_probabilities(random_state(seed), pol.analyser(a), pol.analyser(b))
    assert table.sum() == pytest.approx(1.0)
    assert (table > -1e-12).all()


@given(seeds, angles, angles)
def test_marginals_do_not_depend_on_the_other_end(seed, a, b):
    rho, first, second = random_state(seed), pol.analyser(a), pol.analyser(b)
    table = pol.joint_probabilities(rho, first, second)
    assert np.allclose(table.sum(axis=1), pol.marginal(rho, first, 0))
    assert np.allclose(table.sum(axis=0), pol.marginal(rho, second, 1))


@given(seeds, seeds)
def test_joint_probabilities_are_the_trace_with_the_kronecker_product(seed, other):
    rho, rng = random_state(seed), np.random.default_rng(other)
    first = [pol.before(pol.random_unitary(rng), pol.polariser(0.0)) for _ in range(3)]
    second = [0.3 * pol.before(pol.random_unitary(rng), pol.polariser(0.0)) for _ in range(2)]
    expected = [[np.trace(rho @ np.kron(x, y)).real for y in second] for x in first]
    assert np.allclose(pol.joint_probabilities(rho, first, second), expected)


@given(seeds)
def test_partial_trace_of_a_product_gives_back_its_factors(seed):
    first, second = (pol.partial_trace(random_state(s), 0) for s in (seed, seed + 1))
    product = np.kron(first, second)
    assert np.allclose(pol.partial_trace(product, 0), first)
    assert np.allclose(pol.partial_trace(product, 1), second)


@given(angles, angles)
def test_bell_state_correlates_as_cos_of_twice_the_difference(a, b):
    assert pol.correlation(pol.pair_state(22.5), a, b) == pytest.approx(math.cos(math.radians(2 * (a - b))), abs=1e-12)


@given(angles, angles, angles)
def test_correlation_at_any_pump_plate_angle(theta, a, b):
    two_a, two_b, four_theta = (math.radians(x) for x in (2 * a, 2 * b, 4 * theta))
    expected = math.cos(two_a) * math.cos(two_b) + math.sin(four_theta) * math.sin(two_a) * math.sin(two_b)
    assert pol.correlation(pol.pair_state(theta), a, b) == pytest.approx(expected, abs=1e-12)


@given(st.floats(0.0, 90.0))
def test_chsh_at_any_pump_plate_angle_and_its_maximum(theta):
    def s(state):
        e = pol.correlation
        return e(state, 0, 22.5) - e(state, 0, 67.5) + e(state, 45, 22.5) + e(state, 45, 67.5)

    expected = math.sqrt(2) * (1 + math.sin(math.radians(4 * theta)))
    assert s(pol.pair_state(theta)) == pytest.approx(expected, abs=1e-12)
    assert s(pol.pair_state(22.5)) == pytest.approx(2 * math.sqrt(2))


@given(seeds)
def test_a_rotation_and_its_conjugate_on_the_arms_keep_the_bell_state(seed):
    unitary = pol.random_unitary(np.random.default_rng(seed))
    elements = [pol.polariser(0.0), pol.polariser(90.0)]
    turned_a = [pol.before(unitary, e) for e in elements]
    turned_b = [pol.before(unitary.conj(), e) for e in elements]
    table = pol.joint_probabilities(pol.pair_state(22.5), turned_a, turned_b)
    assert np.allclose(table, np.eye(2) / 2)


def test_random_unitaries_spread_evenly_over_the_sphere():
    """Seed 3, 4000 draws: of a uniform Stokes vector each component has mean 0 and mean square 1/3; 4 sigma."""
    rng = np.random.default_rng(3)
    out = np.array([pol.random_unitary(rng)[:, 0] for _ in range(4000)])
    cross = 2 * out[:, 0].conj() * out[:, 1]
    stokes = np.column_stack([np.abs(out[:, 0]) ** 2 - np.abs(out[:, 1]) ** 2, cross.real, cross.imag])
    assert (np.abs(stokes.mean(axis=0)) < 4 * math.sqrt(1 / 3 / 4000)).all()
    assert (np.abs((stokes**2).mean(axis=0) - 1 / 3) < 4 * math.sqrt(4 / 45 / 4000)).all()


def test_loss_and_no_detectors_are_allowed():
    state = pol.pair_state(22.5)
    assert pol.joint_probabilities(state, [0.1 * ALL], [0.2 * ALL])[0, 0] == pytest.approx(0.02)
    assert pol.joint_probabilities(state, [], [ALL]).shape == (0, 1)


@pytest.mark.parametrize("state", [np.ones(4), np.eye(4), np.array([1.0, 0, 0]), np.diag([1 - 1j, 1j, 0, 0])])
def test_what_is_no_pair_state_is_refused(state):
    with pytest.raises(ValueError, match="pair state"):
        pol.joint_probabilities(state, [ALL], [ALL])


def test_wrong_shapes_and_arms_are_refused():
    state = pol.pair_state(22.5)
    with pytest.raises(ValueError, match="2x2"):
        pol.joint_probabilities(state, [np.eye(3)], [ALL])
    with pytest.raises(ValueError, match="0 and 1"):
        pol.partial_trace(state, 2)
    with pytest.raises(ValueError, match="visibility"):
        pol.with_white_noise(state, 1.2)
