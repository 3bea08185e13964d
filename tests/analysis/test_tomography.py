"""Tomography: exact on expected counts, physical after projection, and honest about its errors."""

import math

import numpy as np
import pytest
from bellringer.analysis.tomography import SETTINGS, linear_fidelity, project, projected_fidelity, tomography

EIGENVECTORS = {
    "X": np.array([[1, 1], [1, -1]]) / math.sqrt(2),
    "Y": np.array([[1, 1j], [1, -1j]]) / math.sqrt(2),
    "Z": np.eye(2),
}
PSI_MINUS = np.array([0, 1, -1, 0]) / math.sqrt(2)
UNEVEN = ((0.95, 0.9), (0.8, 0.99))


def random_state(seed: int, rank: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    raw = rng.standard_normal((4, rank)) + 1j * rng.standard_normal((4, rank))
    rho = raw @ raw.conj().T
    return rho / np.trace(rho).real


def shares(rho: np.ndarray, setting: str, readout=((1, 1), (1, 1))) -> np.ndarray:
    vectors = [np.kron(a, b) for a in EIGENVECTORS[setting[0]] for b in EIGENVECTORS[setting[1]]]
    ideal = np.reshape([(v.conj() @ rho @ v).real for v in vectors], (2, 2))
    flips = [np.array([[r0, 1 - r0], [1 - r1, r1]]) for r0, r1 in readout]
    return np.clip(flips[0].T @ ideal @ flips[1], 0, None)


def counted(rho: np.ndarray, total: int, rng: np.random.Generator, readout=((1, 1), (1, 1))) -> np.ndarray:
    drawn = []
    for setting in SETTINGS:
        share = shares(rho, setting, readout).ravel()
        drawn.append(rng.multinomial(total, share / share.sum()).reshape(2, 2))
    return np.array(drawn)


@pytest.mark.parametrize("readout", [((1, 1), (1, 1)), UNEVEN])
@pytest.mark.parametrize("rank", [1, 4])
def test_expected_counts_give_the_state_back(rank, readout):
    rho = random_state(5, rank)
    counts = np.rint([shares(rho, setting, readout) * 10**9 for setting in SETTINGS])
    found = tomography(counts, *readout)
    assert found.linear == pytest.approx(rho, abs=1e-7)
    assert found.state == pytest.approx(rho, abs=1e-6)


def test_the_projection_is_physical_and_nearest():
    """Against 3000 random states (seed 81) none of which may be nearer, and a worked example on the diagonal."""
    assert np.diag(project(np.diag([0.9, 0.4, -0.1, -0.2]).astype(complex))).real == pytest.approx([0.75, 0.25, 0, 0])
    rng = np.random.default_rng(81)
    noise = rng.standard_normal((4, 4)) + 1j * rng.standard_normal((4, 4))
    off = random_state(6, 1) + 0.1 * (noise + noise.conj().T)
    off -= (np.trace(off) - 1) * np.eye(4) / 4
    found = project(off)
    assert np.linalg.eigvalsh(off).min() < -0.05
    assert np.trace(found) == pytest.approx(1.0)
    assert np.linalg.eigvalsh(found).min() > -1e-12
    for seed in range(3000):
        other = 0.9 * found + 0.1 * random_state(seed, 1 + seed % 4)
        assert np.linalg.norm(other - off) >= np.linalg.norm(found - off)


def test_a_physical_state_is_left_alone():
    rho = random_state(7, 4)
    assert project(rho) == pytest.approx(rho)


@pytest.mark.parametrize("readout", [((1, 1), (1, 1)), UNEVEN])
def test_linear_fidelity_is_unbiased_and_its_error_covers_the_spread(readout):
    """Seed 82, 1000 tomographies of 200 pairs a setting: mean of the pulls to 4 sigma, their spread to 10 %."""
    rng = np.random.default_rng(82)
    rho = 0.9 * np.outer(PSI_MINUS, PSI_MINUS) + 0.1 * np.eye(4) / 4
    found = [linear_fidelity(tomography(counted(rho, 200, rng, readout), *readout), PSI_MINUS) for _ in range(1000)]
    pulls = np.array([(each.value - 0.925) / each.error for each in found])
    assert abs(pulls.mean()) < 4 / math.sqrt(1000)
    assert pulls.std() == pytest.approx(1.0, abs=0.1)


def test_the_bootstraps_error_is_the_spread_of_projected_fidelities():
    """Seed 83, 300 tomographies of 200 pairs a setting, bootstrap of one with 300 resamples; 20 %."""
    rng = np.random.default_rng(83)
    rho = 0.8 * np.outer(PSI_MINUS, PSI_MINUS) + 0.2 * np.eye(4) / 4
    values = []
    for _ in range(300):
        state = tomography(counted(rho, 200, rng)).state
        values.append((PSI_MINUS @ state @ PSI_MINUS).real)
    one = projected_fidelity(tomography(counted(rho, 200, rng)), PSI_MINUS, rng, 300)
    assert one.error == pytest.approx(np.std(values), rel=0.2)
    assert one.value == pytest.approx(0.85, abs=4 * one.error)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: tomography(np.ones((3, 2, 2))), "expected"),
        (lambda: tomography(np.array([np.ones((2, 2))] * 8 + [np.zeros((2, 2))])), "no pairs measured in ZZ"),
        (lambda: linear_fidelity(tomography(np.ones((9, 2, 2))), [1, 1, 0, 0]), "no normalised state"),
        (lambda: projected_fidelity(tomography(np.ones((9, 2, 2))), PSI_MINUS, np.random.default_rng(1), 1), "2"),
    ],
)
def test_what_is_no_tomography_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
