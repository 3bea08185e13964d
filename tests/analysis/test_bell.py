"""Correlations, S and fringes from counts: exact cases, and errors that cover the spread of simulated counts."""

import math

import numpy as np
import pytest
from bellringer.analysis.bell import chsh, correlation, fit_fringe, visibility
from hypothesis import given
from hypothesis import strategies as st

tables = st.lists(st.integers(0, 1000), min_size=4, max_size=4)


def table(e: float, total: int) -> np.ndarray:
    return np.rint(np.array([[1 + e, 1 - e], [1 - e, 1 + e]]) * total / 4).astype(int)


@given(tables)
def test_correlation_is_the_mean_of_the_products_and_its_error_is_positive(cells):
    counts = np.reshape(cells, (2, 2))
    found = correlation(counts)
    if counts.sum() == 0:
        assert (found.value, found.error, found.reason) == (None, None, "no coincidences")
        return
    signs = np.outer([1, -1], [1, -1])
    assert found.value == pytest.approx((signs * counts).sum() / counts.sum())
    assert found.error > 0


@given(tables)
def test_swapping_one_ends_detectors_turns_the_sign_and_keeps_the_error(cells):
    counts = np.reshape(cells, (2, 2))
    found, turned = correlation(counts), correlation(counts[::-1])
    assert turned.error == found.error
    assert found.value is None or turned.value == pytest.approx(-found.value)


def test_with_many_counts_the_error_is_the_binomial_one():
    found = correlation(table(0.7, 10**6))
    assert found.error == pytest.approx(math.sqrt((1 - 0.7**2) / 10**6), rel=1e-3)


@pytest.mark.parametrize("total", [1, 5, 1000])
def test_after_equal_results_only_the_error_is_not_zero(total):
    found = correlation([[total, 0], [0, 0]])
    assert found.value == 1.0
    assert found.error == pytest.approx(2 / (total + 1))


@pytest.mark.parametrize("e", [0.0, 0.7, -0.95])
def test_correlation_errors_cover_the_spread_of_simulated_counts(e):
    """Seed 11, 3000 tables of 2000 pairs: mean and spread of the pulls, 4 sigma and 5 % of skew at 50 unlike counts."""
    rng = np.random.default_rng(11)
    cells = rng.multinomial(2000, table(e, 10**6).ravel() / table(e, 10**6).sum(), 3000)
    found = [correlation(c.reshape(2, 2)) for c in cells]
    pulls = np.array([(x.value - e) / x.error for x in found])
    assert abs(pulls.mean()) < 4 / math.sqrt(3000) + 0.05
    assert abs(pulls.std() - 1) < 4 / math.sqrt(6000) + 0.1


def test_near_full_correlation_the_error_reaches_the_truth_as_often_as_it_should():
    """Seed 12, 4000 tables of 200 pairs, E from 0.96 to 1 (about 0 to 4 unlike counts): 68.3 % covered, less 4 sigma.

    The binomial error, zero without unlike counts, would cover 57 %.
    """
    rng = np.random.default_rng(12)
    truth = rng.uniform(0.96, 1.0, 4000)
    unlike = rng.binomial(200, (1 - truth) / 2)
    found = [correlation([[200 - k, k], [0, 0]]) for k in unlike]
    covered = np.mean([abs(x.value - e) <= x.error for x, e in zip(found, truth)])
    assert covered > 0.683 - 4 * math.sqrt(0.683 * 0.317 / 4000)


def test_visibility_is_the_size_of_the_correlation():
    assert visibility(table(-0.9, 1000)).value == pytest.approx(0.9)
    assert visibility(table(-0.9, 1000)).error == correlation(table(-0.9, 1000)).error
    assert visibility(np.zeros((2, 2), int)).value is None


def test_chsh_adds_the_four_settings_with_their_signs_and_errors():
    e = 1 / math.sqrt(2)
    counts = [table(sign * e, 400_000) for sign in (1, -1, 1, 1)]
    found = chsh(counts)
    assert found.value == pytest.approx(2 * math.sqrt(2), abs=1e-4)
    assert found.error == pytest.approx(2 * math.sqrt(0.5 / 400_000), rel=5e-3)
    assert chsh([table(e, 400_000)] * 4).value == pytest.approx(2 * e, abs=1e-4)


def test_chsh_errors_cover_the_spread_of_simulated_counts():
    """Seed 13, 1000 Bell tests of 4 x 1000 pairs at V 0.95; 4 sigma."""
    rng = np.random.default_rng(13)
    e = 0.95 / math.sqrt(2)
    shares = [table(sign * e, 10**6).ravel() / table(sign * e, 10**6).sum() for sign in (1, -1, 1, 1)]
    found = [chsh([rng.multinomial(1000, p).reshape(2, 2) for p in shares]) for _ in range(1000)]
    pulls = np.array([(x.value - 4 * e) / x.error for x in found])
    assert abs(pulls.mean()) < 4 / math.sqrt(1000)
    assert abs(pulls.std() - 1) < 4 / math.sqrt(2000) + 0.02


def test_chsh_names_the_settings_without_counts():
    counts = np.array([table(0.7, 100)] * 4)
    counts[1] = counts[3] = 0
    found = chsh(counts)
    assert found.value is None
    assert found.reason == "no coincidences at the settings (a, b') and (a', b')"


@pytest.mark.parametrize("counts", [[1, 2, 3, 4], [[-1, 0], [0, 0]], [[0.5, 0], [0, 0]], [[math.nan, 0], [0, 0]]])
def test_what_are_no_counts_is_refused(counts):
    with pytest.raises(ValueError, match="counts"):
        correlation(counts)


ANGLES = np.arange(12) * 15.0


def fringe(v: float, phase: float, mean: float, angles=ANGLES) -> np.ndarray:
    return mean * (1 + v * np.cos(2 * np.deg2rad(angles - phase)))


@given(st.floats(0.05, 0.99), st.floats(1.0, 179.0), st.floats(10.0, 1e5))
def test_a_fringe_without_noise_is_found_exactly(v, phase, mean):
    fit = fit_fringe(ANGLES, fringe(v, phase, mean), np.ones(12))
    assert fit.visibility == pytest.approx(v, rel=1e-6)
    assert fit.phase_deg == pytest.approx(phase, abs=1e-5)
    assert fit.offset == pytest.approx(mean)
    assert fit.amplitude == pytest.approx(v * mean, rel=1e-6)
    assert (fit.chi2, fit.dof) == (pytest.approx(0, abs=1e-6), 9)


@pytest.mark.parametrize(("v", "mean"), [(0.98, 400.0), (0.5, 50.0), (0.9, 1e5)])
def test_fringe_errors_cover_the_spread_of_simulated_counts(v, mean):
    """Seed 14, 1500 fringes of 12 points: pulls and chi2 within 4 sigma, plus 0.1 for the skew of small counts."""
    rng = np.random.default_rng(14)
    fits = [fit_fringe(ANGLES, rng.poisson(fringe(v, 33.0, mean))) for _ in range(1500)]
    pulls = np.array([(fit.visibility - v) / fit.visibility_error for fit in fits])
    assert abs(pulls.mean()) < 4 / math.sqrt(1500) + 0.1
    assert abs(pulls.std() - 1) < 4 / math.sqrt(3000) + 0.1
    assert np.mean([fit.chi2 for fit in fits]) == pytest.approx(9, abs=4 * math.sqrt(18 / 1500) + 0.3)


def test_a_flat_fringe_has_a_visibility_error():
    fit = fit_fringe(ANGLES, np.full(12, 100))
    assert fit.visibility == pytest.approx(0, abs=1e-12)
    assert fit.visibility_error == pytest.approx(math.sqrt(2 / 1200), rel=0.01)


def test_a_dark_fringe_has_no_visibility_and_says_why():
    fit = fit_fringe(ANGLES, np.zeros(12, int))
    assert (fit.visibility, fit.visibility_error, fit.reason) == (None, None, "no counts")
    below = fit_fringe(ANGLES, np.full(12, -3.0), np.ones(12))
    assert below.visibility is None
    assert "not positive" in below.reason


@pytest.mark.parametrize(
    ("angles", "counts", "errors", "message"),
    [
        ([0, 45], [1, 2], None, "3 angles"),
        ([0, 180, 360, 45], [1, 2, 3, 4], None, "3 angles"),
        ([0, 45, 90], [1, 2], None, "equal length"),
        ([0, 45, 90], [1, -2, 3], None, "counts"),
        ([0, 45, 90], [1, 2, 3], [1, 0, 1], "errors"),
        ([0, 45, math.nan], [1, 2, 3], None, "equal length"),
    ],
)
def test_what_is_no_fringe_is_refused(angles, counts, errors, message):
    with pytest.raises(ValueError, match=message):
        fit_fringe(angles, counts, errors)
