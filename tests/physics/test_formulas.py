"""Every formula at its published test point, and worked out a second way (Monte Carlo, integration, states)."""

import math

import numpy as np
import pytest
from bellringer.physics import formulas, polarisation

RNG_SEED = 20
DRAWS = 400_000


def test_fibre_transmission_at_the_test_points():
    assert formulas.fibre_transmission(15_050, 0.2e-3) == pytest.approx(0.500, abs=5e-4)
    assert formulas.fibre_transmission(100_000, 0.2e-3) == pytest.approx(1e-2)
    assert formulas.fibre_transmission(100_000, 0.091e-3) == pytest.approx(0.123, abs=5e-4)
    assert 10 * math.log10(formulas.fibre_transmission(1.2e6, 0.2e-3)) == pytest.approx(-240)


def test_fibre_transmission_is_the_product_of_its_pieces():
    pieces = math.prod(formulas.fibre_transmission(length, 0.2e-3) for length in (1_000, 5_000, 9_050))
    assert formulas.fibre_transmission(15_050, 0.2e-3) == pytest.approx(pieces)


def test_fibre_delay_at_the_test_points():
    assert formulas.fibre_delay(1_000) == pytest.approx(4.897e-6, rel=1e-4)
    assert formulas.fibre_delay(1.0) / 2 == pytest.approx(2.45e-9, rel=1e-3)  # two-way error of 1 m of asymmetry
    assert formulas.fibre_delay(formulas.SPEED_OF_LIGHT, group_index=1.0) == pytest.approx(1.0)


def test_dead_time_at_the_test_points():
    assert formulas.rate_non_paralysable(1e6, 50e-9) == pytest.approx(952_381, abs=0.5)
    assert formulas.rate_paralysable(1e6, 50e-9) == pytest.approx(951_229, abs=0.5)


def test_dead_time_agrees_with_simulated_clicks():
    """Seed 20, 400 000 clicks at 4 MHz, 100 ns; 5 sigma, taking the lost clicks' share as binomial."""
    rng = np.random.default_rng(RNG_SEED)
    rate, dead = 4e6, 100e-9
    clicks = np.cumsum(rng.exponential(1 / rate, DRAWS))
    paralysable = 1 + int((np.diff(clicks) > dead).sum())
    counted, free = 0, -1.0
    for click in clicks.tolist():
        if click >= free:
            counted, free = counted + 1, click + dead
    for found, formula in ((counted, formulas.rate_non_paralysable), (paralysable, formulas.rate_paralysable)):
        share = formula(rate, dead) / rate
        assert found / DRAWS == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / DRAWS))


def test_accidental_rate_at_the_test_point():
    assert formulas.accidental_rate(1e5, 1e5, 0.5e-9) == pytest.approx(10.0)


def test_accidental_rate_agrees_with_independent_clicks():
    """Seed 20, 1 s at 300 kHz a side, window 20 ns (3600 expected); 5 sigma of Poisson."""
    rng = np.random.default_rng(RNG_SEED)
    a, b = (np.sort(rng.uniform(0, 1, rng.poisson(3e5))) for _ in range(2))
    found = int((np.searchsorted(b, a + 20e-9, "right") - np.searchsorted(b, a - 20e-9)).sum())
    expected = formulas.accidental_rate(3e5, 3e5, 20e-9)
    assert found == pytest.approx(expected, abs=5 * math.sqrt(expected))


def test_visibility_from_accidentals_and_from_car_are_one_formula():
    assert formulas.visibility_from_car(101.72) == pytest.approx(0.9805, abs=5e-5)
    assert formulas.visibility_from_accidentals(100.72, 1.0) == pytest.approx(formulas.visibility_from_car(101.72))


def test_visibility_from_accidentals_is_the_contrast_of_a_fringe():
    true, accidental = 370.0, 12.0
    fringe = [true * math.cos(math.radians(x)) ** 2 + accidental for x in range(180)]
    contrast = (max(fringe) - min(fringe)) / (max(fringe) + min(fringe))
    assert formulas.visibility_from_accidentals(true, accidental) == pytest.approx(contrast)


def test_werner_relations_at_the_test_points():
    assert formulas.werner_visibility(0.9689) == pytest.approx(0.9585, abs=5e-5)
    assert formulas.werner_chsh(formulas.werner_visibility(0.9689)) == pytest.approx(2.711, abs=5e-4)
    visibility = formulas.visibility_from_qber(0.021)
    assert visibility == pytest.approx(0.958)
    assert formulas.werner_chsh(visibility) == pytest.approx(2.710, abs=5e-4)
    assert formulas.werner_fidelity(visibility) == pytest.approx(0.9685, abs=5e-5)
    assert formulas.werner_chsh(formulas.visibility_from_qber(0.0451)) == pytest.approx(2.573, abs=5e-4)


def test_the_classical_bound_lies_where_the_sheet_has_it():
    visibility = 1 / math.sqrt(2)
    assert formulas.werner_chsh(visibility) == pytest.approx(2.0)
    assert formulas.werner_fidelity(visibility) == pytest.approx(0.7803, abs=5e-5)
    assert formulas.qber(visibility) == pytest.approx(0.1464, abs=5e-5)


@pytest.mark.parametrize("visibility", [0.0, 0.3, 0.958, 1.0])
def test_werner_relations_agree_with_the_density_matrix(visibility):
    bell = polarisation.pair_state(22.5)
    rho = polarisation.with_white_noise(bell, visibility)
    assert formulas.werner_fidelity(visibility) == pytest.approx((bell.conj() @ rho @ bell).real)
    assert formulas.qber(visibility) == pytest.approx((1 - polarisation.correlation(rho, 0, 0)) / 2)
    # The best S of any settings, from the correlation matrix (Horodecki 1995).
    pauli = [np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])]
    singular = np.linalg.svd(polarisation.joint_probabilities(rho, pauli, pauli), compute_uv=False)
    assert formulas.werner_chsh(visibility) == pytest.approx(2 * math.hypot(singular[0], singular[1]))


def test_werner_inverses_undo_their_formulas():
    for visibility in (0.0, 0.5, 1.0):
        assert formulas.werner_visibility(formulas.werner_fidelity(visibility)) == pytest.approx(visibility)
        assert formulas.visibility_from_qber(formulas.qber(visibility)) == pytest.approx(visibility)


def test_pump_plate_test_points():
    assert formulas.visibility_diagonal(1.0, 11.25) == pytest.approx(math.sqrt(0.5))
    assert formulas.chsh_at_pump_plate(1.0, 22.5) == pytest.approx(2 * math.sqrt(2))
    assert formulas.chsh_at_pump_plate(1.0, 0.0) == pytest.approx(math.sqrt(2))


@pytest.mark.parametrize("theta", [0.0, 7.0, 22.5, 31.0, 60.0, 80.0])
def test_pump_plate_formulas_agree_with_the_state(theta):
    rho = polarisation.with_white_noise(polarisation.pair_state(theta), 0.93)
    # Both diagonal marginals are even, so the fringe contrast in +-45 is |E(45, 45)|.
    assert formulas.visibility_diagonal(0.93, theta) == pytest.approx(abs(polarisation.correlation(rho, 45, 45)))
    e = polarisation.correlation
    s = e(rho, 0, 22.5) - e(rho, 0, 67.5) + e(rho, 45, 22.5) + e(rho, 45, 67.5)
    assert formulas.chsh_at_pump_plate(0.93, theta) == pytest.approx(s)


def test_clock_offset_error_at_the_test_points():
    assert formulas.clock_offset_error(50e-12, 1e4) == pytest.approx(0.50e-12)
    assert formulas.clock_offset_error(50e-12, 2e4) == pytest.approx(0.354e-12, rel=2e-3)  # two-way: both directions
    assert formulas.clock_offset_error(50e-12, 1e4, background_per_s=1e4 / 1e-9) == pytest.approx(0.629e-12, rel=1e-3)


def test_clock_offset_error_agrees_with_means_of_simulated_pairs():
    """Seed 20, 2000 means of 200 pairs; 4 sigma of a standard deviation from 2000 values."""
    means = np.random.default_rng(RNG_SEED).normal(0, 50e-12, (2000, 200)).mean(axis=1)
    assert means.std() == pytest.approx(formulas.clock_offset_error(50e-12, 200), rel=4 / math.sqrt(4000))


def test_clock_offset_error_with_background_agrees_with_simulated_scores():
    """Seed 20, 3000 draws of 1000 pairs on 1000 counts/ns: the score's variance is the information; 4 sigma.

    The score of one count is the slope of the log of the counts' density there.
    """
    rng = np.random.default_rng(RNG_SEED)
    sigma, pairs, background, half = 50.0, 1000, 1.0, 400.0  # ps, counts, counts/ps, ps
    scores = np.empty(3000)
    for k in range(3000):
        t = np.concatenate([
            rng.normal(0, sigma, rng.poisson(pairs)), rng.uniform(-half, half, rng.poisson(2 * half * background))
        ])  # fmt: skip
        peak = pairs * np.exp(-((t / sigma) ** 2) / 2) / (sigma * math.sqrt(2 * math.pi))
        scores[k] = (t / sigma**2 * peak / (peak + background)).sum()
    error_ps = formulas.clock_offset_error(sigma * 1e-12, pairs, background * 1e12) * 1e12
    assert scores.std() == pytest.approx(1 / error_ps, rel=4 / math.sqrt(6000))


def test_dispersion_spread_at_the_test_points():
    d = 17e-6  # s/m^2, 17 ps/nm/km
    assert formulas.dispersion_spread(d, 20_000, 0, 1e-9) == pytest.approx(340e-12)
    assert formulas.dispersion_spread(d, 5_000, 10_000, 1e-9) == pytest.approx(255e-12)
    assert formulas.dispersion_spread(-d, 5_000, 10_000, 1e-9) == pytest.approx(255e-12)


def test_dispersion_of_anticorrelated_photons_adds_linearly():
    """Seed 20, 400 000 pairs whose wavelengths move in opposite directions; 4 sigma."""
    shift = np.random.default_rng(RNG_SEED).normal(0, 1e-9, DRAWS)
    difference = 17e-6 * 5_000 * shift - 17e-6 * 10_000 * -shift
    expected = formulas.dispersion_spread(17e-6, 5_000, 10_000, 1e-9)
    assert difference.std() == pytest.approx(expected, rel=4 / math.sqrt(2 * DRAWS))


@pytest.mark.parametrize(("window", "offset"), [(1.0, 0.0), (2.0, 0.5), (0.4, 3.0), (0.0, 0.0)])
def test_window_fraction_agrees_with_the_integral(window, offset):
    x = np.linspace(-window, window, 20_001)
    density = np.exp(-((x - offset) ** 2) / 2) / math.sqrt(2 * math.pi)
    integral = float(((density[1:] + density[:-1]) / 2 * np.diff(x)).sum())
    assert formulas.window_fraction(window, 1.0, offset) == pytest.approx(integral, abs=1e-8)


def test_window_fraction_at_the_test_points():
    assert formulas.window_fraction(1.0, 1.0) == pytest.approx(0.6827, abs=5e-5)
    assert formulas.window_fraction(1.0, 0.0, offset_s=0.9) == 1.0
    assert formulas.window_fraction(1.0, 0.0, offset_s=1.1) == 0.0


def test_phase_matching_at_the_test_points():
    assert formulas.phase_matching(45.0, 45.0, 4.0) == 1.0
    assert formulas.phase_matching(47.0, 45.0, 4.0) == pytest.approx(0.5)
    assert formulas.phase_matching(43.0, 45.0, 4.0) == pytest.approx(0.5)
    assert formulas.phase_matching(49.0, 45.0, 4.0) == pytest.approx(0.0159, abs=5e-5)


@pytest.mark.parametrize("detuning", [0.3, 1.7, 5.0])
def test_phase_matching_is_the_power_of_waves_summed_along_the_crystal(detuning):
    half_power = 1.391557378251510  # sin(x)/x = sqrt(1/2)
    phases = np.linspace(-1, 1, 20_001) * half_power * detuning / 2.0
    field = np.exp(1j * phases)
    power = abs(((field[1:] + field[:-1]) / 2).mean()) ** 2
    assert formulas.phase_matching(45.0 + detuning, 45.0, 4.0) == pytest.approx(power, abs=1e-7)


def test_bandwidth_in_metres_is_the_difference_of_the_edge_wavelengths():
    assert formulas.bandwidth_in_metres(100e9, 1550e-9) == pytest.approx(0.8014e-9, rel=1e-4)
    c, centre = formulas.SPEED_OF_LIGHT, formulas.SPEED_OF_LIGHT / 1550e-9
    edges = c / (centre - 50e9) - c / (centre + 50e9)
    assert formulas.bandwidth_in_metres(100e9, 1550e-9) == pytest.approx(edges, rel=1e-6)


def test_fwhm_and_sigma_of_a_gaussian():
    assert formulas.fwhm_from_sigma(1.0) == pytest.approx(2.3548, abs=5e-5)
    assert formulas.sigma_from_fwhm(formulas.fwhm_from_sigma(3.3)) == pytest.approx(3.3)
    half = formulas.fwhm_from_sigma(2.0) / 2
    assert math.exp(-(half**2) / (2 * 2.0**2)) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (formulas.fibre_transmission, (-1.0, 0.2e-3)),
        (formulas.fibre_delay, (math.nan,)),
        (formulas.rate_non_paralysable, (1e6, -1e-9)),
        (formulas.rate_paralysable, (math.inf, 1e-9)),
        (formulas.accidental_rate, (1e5, 1e5, -1e-9)),
        (formulas.visibility_from_car, (0.5,)),
        (formulas.visibility_from_accidentals, (0.0, 0.0)),
        (formulas.werner_fidelity, (1.1,)),
        (formulas.werner_visibility, (0.2,)),
        (formulas.visibility_from_qber, (0.6,)),
        (formulas.chsh_at_pump_plate, (-0.1, 22.5)),
        (formulas.clock_offset_error, (50e-12, 0)),
        (formulas.window_fraction, (-1.0, 1.0)),
        (formulas.phase_matching, (45.0, 45.0, 0.0)),
    ],
)
def test_what_is_no_physical_quantity_is_refused(function, arguments):
    with pytest.raises(ValueError, match=r"\d|nan|inf"):
        function(*arguments)
