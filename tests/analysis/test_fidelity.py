"""Fidelity from correlations: exact on expected counts, and errors that cover the spread of simulated ones."""

import math

import numpy as np
import pytest
from bellringer.analysis.fidelity import (
    SIGNS,
    conditional_fidelity,
    conditional_visibility,
    corrected_correlation,
    fidelity_from_correlators,
    outcome_values,
    selected_fraction,
    visibility_from_correlators,
)
from hypothesis import given
from hypothesis import strategies as st

VECTORS = {
    "phi+": np.array([1, 0, 0, 1]) / math.sqrt(2),
    "phi-": np.array([1, 0, 0, -1]) / math.sqrt(2),
    "psi+": np.array([0, 1, 1, 0]) / math.sqrt(2),
    "psi-": np.array([0, 1, -1, 0]) / math.sqrt(2),
}
EIGENVECTORS = {
    "X": np.array([[1, 1], [1, -1]]) / math.sqrt(2),
    "Y": np.array([[1, 1j], [1, -1j]]) / math.sqrt(2),
    "Z": np.eye(2),
}


def shares(rho: np.ndarray, basis: str, readout_a=(1, 1), readout_b=(1, 1)) -> np.ndarray:
    """Return float64[2, 2], what is read of a state: projections, then readout errors."""
    ideal = np.zeros((2, 2))
    for i, a in enumerate(EIGENVECTORS[basis[0]]):
        for j, b in enumerate(EIGENVECTORS[basis[1]]):
            vector = np.kron(a, b)
            ideal[i, j] = (vector.conj() @ rho @ vector).real
    flips = [np.array([[r0, 1 - r0], [1 - r1, r1]]) for r0, r1 in (readout_a, readout_b)]
    return np.clip(flips[0].T @ ideal @ flips[1], 0, None)


def noisy(label: str, weight: float) -> np.ndarray:
    return weight * np.outer(VECTORS[label], VECTORS[label]) + (1 - weight) * np.diag([0.4, 0.3, 0.2, 0.1])


@pytest.mark.parametrize("label", SIGNS)
@pytest.mark.parametrize("readout", [((1, 1), (1, 1)), ((0.95, 0.9), (0.8, 0.99))])
def test_expected_counts_give_the_fidelity_of_the_state(label, readout):
    rho = noisy(label, 0.8)
    counts = np.rint([shares(rho, basis, *readout) * 10**9 for basis in ("XX", "YY", "ZZ")])
    truth = VECTORS[label] @ rho @ VECTORS[label]
    assert fidelity_from_correlators(counts, label, *readout).value == pytest.approx(truth, abs=1e-7)


@pytest.mark.parametrize("readout", [((1, 1), (1, 1)), ((0.95, 0.9), (0.8, 0.99))])
def test_fidelity_errors_cover_the_spread_of_simulated_counts(readout):
    """Seed 71, 2000 measurements of 400 pairs a setting: mean of the pulls to 4 sigma, their spread to 10 %."""
    rng, rho = np.random.default_rng(71), noisy("psi-", 0.85)
    truth = VECTORS["psi-"] @ rho @ VECTORS["psi-"]
    tables = [rng.multinomial(400, shares(rho, b, *readout).ravel(), 2000) for b in ("XX", "YY", "ZZ")]
    found = [fidelity_from_correlators(np.reshape(each, (3, 2, 2)), "psi-", *readout) for each in zip(*tables)]
    pulls = np.array([(each.value - truth) / each.error for each in found])
    assert abs(pulls.mean()) < 4 / math.sqrt(2000) + 0.05
    assert pulls.std() == pytest.approx(1.0, abs=0.1)


def test_labels_are_weighed_by_their_pairs():
    perfect = [[[50, 0], [0, 50]], [[0, 50], [50, 0]], [[50, 0], [0, 50]]]
    half = [[[25, 25], [25, 25]], [[25, 25], [25, 25]], [[25, 25], [25, 25]]]
    found = conditional_fidelity({"phi+": np.array(perfect) * 3, "psi-": half, "psi+": np.zeros((3, 2, 2))})
    assert found.value == pytest.approx((3 * 1.0 + 0.25) / 4)
    alone = [
        fidelity_from_correlators(np.array(perfect) * 3, "phi+").error,
        fidelity_from_correlators(half, "psi-").error,
    ]
    assert found.error == pytest.approx(math.hypot(3 * alone[0], alone[1]) / 4)


@given(st.integers(0, 500), st.integers(0, 500))
def test_a_selected_fraction_lies_between_0_and_1_with_an_error(selected, rest):
    found = selected_fraction(selected, selected + rest)
    if selected + rest == 0:
        assert (found.value, found.reason) == (None, "nothing to select from")
    else:
        assert found.value == pytest.approx(selected / (selected + rest))
        assert 0 < found.error <= 0.75


def test_a_selected_fraction_has_the_binomial_error_of_many():
    assert selected_fraction(300_000, 10**6).error == pytest.approx(math.sqrt(0.3 * 0.7 / 10**6), rel=1e-2)


def test_what_cannot_be_answered_is_said():
    nothing = np.zeros((3, 2, 2))
    assert fidelity_from_correlators(nothing, "psi+").reason == "no pairs measured in XX and YY and ZZ"
    assert conditional_fidelity({"psi+": nothing}).reason == "no pairs"
    some = np.array([[[5, 0], [0, 5]], [[0, 0], [0, 0]], [[5, 0], [0, 5]]])
    assert conditional_fidelity({"phi+": some}).reason == "phi+: no pairs measured in YY"
    assert corrected_correlation(np.zeros((2, 2)), (0.9, 0.9)).reason == "no pairs"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fidelity_from_correlators(np.ones((3, 2, 2)), "psi"), "no Bell state"),
        (lambda: fidelity_from_correlators(np.ones((2, 2)), "psi+"), "expected"),
        (lambda: outcome_values((0.5, 0.5)), "more than 1"),
        (lambda: selected_fraction(3, 2), "3 of 2 selected"),
        (lambda: fidelity_from_correlators(np.full((3, 2, 2), -1), "psi+"), "zero or more"),
    ],
)
def test_what_is_no_measurement_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("label", SIGNS)
@pytest.mark.parametrize("readout", [((1, 1), (1, 1)), ((0.95, 0.9), (0.8, 0.99))])
def test_expected_counts_give_the_coherence_of_the_state_as_its_visibility(label, readout):
    """A state whose coherence is 0.35 of the largest 0.5, beside what no Bell state has: V = 0.7."""
    vector = VECTORS[label]
    rho = 0.7 * np.outer(vector, vector) + 0.3 * np.diag(vector**2)
    rho = 0.9 * rho + 0.1 * np.diag([0.4, 0.3, 0.2, 0.1])
    counts = np.rint([shares(rho, basis, *readout) * 10**9 for basis in ("XX", "YY", "ZZ")])
    assert visibility_from_correlators(counts, label, *readout).value == pytest.approx(0.63, abs=1e-7)
    counts[2] = [[1, 2], [3, 4]]
    assert visibility_from_correlators(counts, label, *readout).value == pytest.approx(0.63, abs=1e-7), "ZZ is no part"


def test_visibilities_of_labels_are_weighed_by_their_pairs_and_their_errors_cover_the_spread():
    """Seed 72, 1000 measurements of 300 and 150 pairs a setting: mean of the pulls to 4 sigma, their spread to 10 %."""
    rng, readout, pulls = np.random.default_rng(72), ((0.95, 0.9), (0.8, 0.99)), []
    states = {"psi+": (noisy("psi+", 0.8), 300), "psi-": (noisy("psi-", 0.5), 150)}
    for _ in range(1000):
        counts = {
            label: [rng.multinomial(n, shares(rho, b, *readout).ravel()).reshape(2, 2) for b in ("XX", "YY", "ZZ")]
            for label, (rho, n) in states.items()
        }
        found = conditional_visibility(counts, *readout)
        pulls.append((found.value - (0.8 * 2 + 0.5) / 3) / found.error)
    assert abs(np.mean(pulls)) < 4 / math.sqrt(1000)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.1)


def test_a_visibility_that_was_not_measured_says_what_is_missing():
    counts = np.zeros((3, 2, 2), int)
    counts[0] = counts[2] = 5
    assert visibility_from_correlators(counts, "psi+").reason == "no pairs measured in YY"
    assert conditional_visibility({"psi+": counts}).reason == "psi+: no pairs measured in YY"
