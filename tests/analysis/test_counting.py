"""Coincidences against counting every pair by hand, and accidentals against Poisson statistics."""

import numpy as np
import pytest
from bellringer.analysis import accidental_matrix, coincidence_matrix, count_coincidences
from hypothesis import given
from hypothesis import strategies as st

BASES = st.sampled_from([0, 2**62, -(2**62)])
streams = st.lists(st.integers(0, 80), max_size=25).map(sorted)  # short range: many duplicates


def by_hand(a, b, window, delay):
    return sum(abs(y - x - delay) <= window for x in a for y in b)


@given(streams, streams, st.integers(0, 30), st.integers(-100, 100), BASES)
def test_counts_equal_counting_every_pair_by_hand(a, b, window, delay, base):
    shifted = [np.array([base + t for t in stream], np.int64) for stream in (a, b)]
    assert count_coincidences(*shifted, window, delay) == by_hand(a, b, window, delay)


@given(streams, streams, st.integers(0, 30), st.integers(-50, 50))
def test_swapping_the_ends_turns_the_delay_round(a, b, window, delay):
    assert count_coincidences(a, b, window, delay) == count_coincidences(b, a, window, -delay)


@given(streams, streams, st.integers(0, 30), st.integers(0, 25))
def test_counts_of_two_blocks_add_up_to_the_whole(a, b, window, cut):
    parts = count_coincidences(a[:cut], b, window) + count_coincidences(a[cut:], b, window)
    assert parts == count_coincidences(a, b, window)


def test_the_window_is_a_half_width_and_its_edges_count():
    assert [count_coincidences([100], [t], 5, 10) for t in (104, 105, 110, 115, 116)] == [0, 1, 1, 1, 0]


@given(streams, streams, streams, st.integers(0, 30), st.integers(-50, 50))
def test_matrix_holds_each_detector_pairs_count(a, b, c, window, delay):
    matrix = coincidence_matrix([a, b], [c, a, b], window, delay)
    assert matrix.dtype == np.int64
    assert matrix.tolist() == [[by_hand(x, y, window, delay) for y in (c, a, b)] for x in (a, b)]


def test_no_streams_give_an_empty_matrix():
    assert coincidence_matrix([], [[1]], 5).shape == (0, 1)


@given(streams, streams, st.integers(0, 4), st.sampled_from([[9, 20, 31], [-500, 9, 18, 700], [-40], [60, 9, -9, -60]]))
def test_accidentals_are_the_mean_of_the_shifted_counts(a, b, window, shifts):
    mean, error = accidental_matrix([a], [b], window, 3, shifts)
    total = sum(by_hand(a, b, window, 3 + shift) for shift in shifts)
    assert mean[0, 0] == pytest.approx(total / len(shifts))
    assert error[0, 0] == pytest.approx((np.sqrt(total) if total else 1.841) / len(shifts), rel=1e-3)


def poisson_streams(rng: np.random.Generator, rate: float) -> list[np.ndarray]:
    return [np.sort(rng.integers(0, 10**12, rng.poisson(rate))) for _ in range(2)]


def test_accidentals_leave_the_peak_out_and_their_errors_are_honest():
    """Seeds 0 to 39, 1 s, two detectors an end at 200 kHz, window 500 ps, pairs on the diagonal: 160 pulls, 4 sigma.

    Expected mean: R_A R_B times the 1001 ps in which whole-ps differences count.
    """
    pulls = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        a = poisson_streams(rng, 2e5)
        b = [np.sort(np.concatenate([x[::10] + 777, y])) for x, y in zip(a, poisson_streams(rng, 1.8e5))]
        mean, error = accidental_matrix(a, b, 500, 777)
        expected = np.outer([len(x) for x in a], [len(y) for y in b]) * 1001e-12
        pulls.append((mean - expected) / error)
    flat = np.concatenate(pulls, axis=None)
    assert abs(flat.mean()) < 4 / np.sqrt(160)
    assert abs(flat.std() - 1) < 4 / np.sqrt(2 * 160)


@pytest.mark.parametrize("shifts", [[], [10], [0, 100], [100, 110], [-100, 100, 100]])
def test_shifted_windows_may_not_overlap_each_other_or_the_peak(shifts):
    with pytest.raises(ValueError, match="shift"):
        accidental_matrix([[1]], [[1]], 5, 0, shifts)


def test_wrong_windows_and_streams_are_refused():
    with pytest.raises(ValueError, match="window_ps"):
        count_coincidences([1], [1], -1)
    with pytest.raises(ValueError, match="window_ps"):
        count_coincidences([1], [1], 0.5)
    with pytest.raises(ValueError, match=r"b\[1\] is not ascending at index 1"):
        coincidence_matrix([[1]], [[1], [2, 1]], 5)
    with pytest.raises(ValueError, match="64 bits"):
        count_coincidences([2**62], [2**62], 5, 2**62)
