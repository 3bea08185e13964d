"""Formulas of heralds: published test points, and each worked out on density matrices, by sums or by drawing."""

import math

import numpy as np
import pytest
from bellringer.physics import herald_propagation as propagation
from bellringer.physics import heralding, states

QUIET_1 = np.zeros((1, 2))
QUIET_2 = np.zeros((2, 2))
SAME_DETECTOR, OTHER_DETECTOR = [0b0011, 0b1100], [0b0110, 0b1001]


def test_linear_bell_measurements():
    assert heralding.bell_measurement_efficiency(2) == 0.5
    assert heralding.bell_measurement_efficiency(1) == 0.25
    clicks = propagation.two_click((1.0, 1.0), 1.0, 0.0, QUIET_2)
    assert propagation.probability(clicks, SAME_DETECTOR + OTHER_DETECTOR) == pytest.approx(0.5)
    assert propagation.probability(clicks, OTHER_DETECTOR) == pytest.approx(0.25)


def test_two_click_at_the_test_points():
    assert heralding.two_click_probability(4e-4, 4e-4) == pytest.approx(8e-8)
    assert heralding.herald_rate(8e-8, 5.5e-6) == pytest.approx(0.0145, abs=5e-5)
    assert heralding.two_click_fidelity(0.94) == pytest.approx(0.97)
    assert heralding.two_click_probability(0.0209, 0.0209) == pytest.approx(2.18e-4, rel=2e-3)


@pytest.mark.parametrize("visibility", [0.0, 0.6, 1.0])
def test_two_click_is_what_density_matrices_give_at_any_phase_noise(visibility):
    clicks = propagation.two_click((0.3, 0.02), visibility, 0.8, QUIET_2)
    heralds = SAME_DETECTOR + OTHER_DETECTOR
    assert propagation.probability(clicks, heralds) == pytest.approx(heralding.two_click_probability(0.3, 0.02))
    for patterns, label in ((SAME_DETECTOR, "psi+"), (OTHER_DETECTOR, "psi-")):
        for pattern in patterns:
            found = states.fidelity(propagation.conditional(clicks, pattern), label)
            assert found == pytest.approx(heralding.two_click_fidelity(visibility))


def test_single_click_at_the_test_points():
    probability = heralding.single_click_probability(0.05, 3.6e-4)
    assert probability == pytest.approx(3.600e-5, rel=1e-5)
    assert heralding.herald_rate(probability, 3.8e-6) == pytest.approx(9.47, abs=5e-3)
    assert heralding.single_click_fidelity(0.05, 0.9, math.radians(15)) == pytest.approx(0.9104, abs=5e-5)
    assert heralding.herald_rate(heralding.single_click_probability(0.3, 4e-4), 5.5e-6) == pytest.approx(43.6, abs=0.05)
    assert heralding.single_click_fidelity(0.3, 0.9, math.radians(15)) == pytest.approx(0.671, abs=5e-4)


@pytest.mark.parametrize(("bright", "visibility", "noise"), [(0.05, 0.9, 0.26), (0.3, 1.0, 0.0), (0.5, 0.4, 0.9)])
def test_single_click_is_what_density_matrices_give_at_small_efficiency(bright, visibility, noise):
    """The probability exactly, the fidelity to order alpha eta = 1e-6."""
    eta = 1e-6 / bright
    clicks = propagation.single_click((eta, eta), (bright, bright), visibility, noise, QUIET_1)
    heralds = propagation.probability(clicks, [1, 2, 3])
    assert heralds == pytest.approx(heralding.single_click_probability(bright, eta), rel=1e-9)
    for pattern, label in ((1, "psi+"), (2, "psi-")):
        found = states.fidelity(propagation.conditional(clicks, pattern), label)
        assert found == pytest.approx(heralding.single_click_fidelity(bright, visibility, noise), abs=2e-6)


def test_dark_counts_at_the_test_points():
    assert heralding.single_click_noise_fidelity(0.05) == pytest.approx(0.0475)
    assert heralding.mixed_fidelity(1.0, 6.7e-4, 6 * 1.9e-6 * 2, 0.0) == pytest.approx(1 / 1.034, abs=5e-4)
    assert heralding.mixed_fidelity(0.9, 9.0, 1.0) == pytest.approx(0.835)


def test_a_dark_herald_leaves_what_density_matrices_say():
    alone = propagation.single_click((0.0, 0.0), (0.05, 0.05), 1.0, 0.0, [[1e-6, 0]])
    dark = propagation.conditional(alone, 1)
    assert dark == pytest.approx(np.diag([0.95**2, 0.05 * 0.95, 0.05 * 0.95, 0.05**2]))
    assert states.fidelity(dark, "psi+") == pytest.approx(heralding.single_click_noise_fidelity(0.05))
    both = propagation.two_click((0.0, 0.0), 1.0, 0.0, [[1e-3, 0], [0, 1e-3]])
    assert propagation.conditional(both, 0b1001) == pytest.approx(np.eye(4) / 4)


def test_mixing_with_dark_counts_is_what_density_matrices_give_to_first_order():
    """Dark clicks 1e-7 a detector beside 2e-6 of signal each; left out are squares of both."""
    eta, bright, dark = 2e-5, 0.1, 1e-7
    clicks = propagation.single_click((eta, eta), (bright, bright), 0.9, 0.3, [[dark, dark]])
    signal, noise = bright * eta, dark
    formula = heralding.mixed_fidelity(
        heralding.single_click_fidelity(bright, 0.9, 0.3), signal, noise, heralding.single_click_noise_fidelity(bright)
    )
    assert propagation.probability(clicks, [1]) == pytest.approx(signal + noise, rel=1e-5)
    assert states.fidelity(propagation.conditional(clicks, 1), "psi+") == pytest.approx(formula, abs=1e-5)


def test_rates_at_the_test_points():
    assert heralding.herald_rate(6.7e-4, 453e-6) == pytest.approx(1.479, abs=5e-4)
    assert heralding.herald_rate_with_readout(6.7e-4, 453e-6, 49e-3) == pytest.approx(1.379, abs=5e-4)
    assert heralding.herald_rate(1e-3, 10e-6, 90e-6, modes=62) == pytest.approx(620.0)
    assert heralding.herald_rate_with_readout(0.0, 453e-6, 49e-3) == 0.0


def test_rate_with_readout_agrees_with_drawn_waits():
    """Seed 21, 20 000 successes at p = 0.01; 5 sigma of their geometric waits."""
    waits = np.random.default_rng(21).geometric(0.01, 20_000) * 1e-3 + 0.05
    mean = 1 / heralding.herald_rate_with_readout(0.01, 1e-3, 0.05)
    assert waits.mean() == pytest.approx(mean, abs=5 * 0.0995 / math.sqrt(20_000))


@pytest.mark.parametrize("probability", [0.01, 0.3, 1.0])
def test_waiting_for_both_links_is_the_sum_over_all_waiting_times(probability):
    """E[max] = sum over n of P(max > n) = 1 - (1 - q^n)^2, until q^n is below rounding."""
    q = 1 - probability
    summed = math.fsum(1 - (1 - q**n) ** 2 for n in range(6000))
    assert heralding.attempts_until_both(probability) == pytest.approx(summed)


def test_waiting_at_the_test_points():
    assert heralding.attempts_until_both(0.01) == pytest.approx(149.75, abs=5e-3)
    assert heralding.attempts_until_both(0.0) == math.inf
    assert heralding.delivery_probability(6, 0.1) == pytest.approx(0.451, abs=5e-4)
    assert heralding.delivery_probability(39, 0.1) == pytest.approx(0.980, abs=5e-4)
    assert heralding.delivery_probability(39, 0.1) == pytest.approx(1 - (1 - 39e-7) ** 1_000_000, abs=1e-6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: heralding.two_click_probability(1.2, 0.1), "efficiency_a is 1.2"),
        (lambda: heralding.single_click_fidelity(0.1, -0.1), "visibility is -0.1"),
        (lambda: heralding.single_click_fidelity(0.1, 0.9, math.nan), "phase_noise_rad is nan"),
        (lambda: heralding.mixed_fidelity(0.9, 0.0, 0.0), "no heralds"),
        (lambda: heralding.herald_rate(0.1, 0.0), "cycle_s is 0.0"),
        (lambda: heralding.herald_rate(0.1, 1.0, modes=0), "at least one"),
        (lambda: heralding.bell_measurement_efficiency(3), "linear optics tells"),
        (lambda: heralding.attempts_until_both(1.5), "probability is 1.5"),
    ],
)
def test_what_is_no_physical_quantity_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
