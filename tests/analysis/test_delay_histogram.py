"""Histograms of two streams: every pair of tags in its bin, whatever the sizes of the pieces they are worked out in."""

from itertools import pairwise

import numpy as np
import pytest
from bellringer.analysis import _arrays, count_coincidences, delay_histogram
from hypothesis import given
from hypothesis import strategies as st

BASES = st.sampled_from([0, 2**62, -(2**62)])
streams = st.lists(st.integers(0, 80), max_size=25).map(sorted)
bins = st.tuples(st.integers(1, 9), st.integers(1, 12)).map(lambda x: (x[0], x[0] * x[1]))  # (bin, span)


@given(streams, streams, bins, st.integers(-60, 60), BASES)
def test_every_pair_is_in_its_bin(a, b, bin_and_span, delay, base):
    bin_ps, span = bin_and_span
    shifted = [np.array([base + t for t in stream], np.int64) for stream in (a, b)]
    found = delay_histogram(*shifted, bin_ps, span, delay)
    differences = [y - x for x in a for y in b]
    edges = np.arange(delay - span, delay + span + 1, bin_ps)
    assert found.edges_ps.tolist() == edges.tolist()
    expected = [sum(low <= d < high for d in differences) for low, high in pairwise(edges)]
    assert found.counts.tolist() == expected
    assert found.counts.dtype == np.int64


@given(streams, streams, st.integers(0, 25))
def test_histograms_of_two_blocks_add_up_to_the_whole(a, b, cut):
    whole = delay_histogram(a, b, 3, 30).counts
    assert (delay_histogram(a[:cut], b, 3, 30).counts + delay_histogram(a[cut:], b, 3, 30).counts == whole).all()
    assert (delay_histogram(a, b[:cut], 3, 30).counts + delay_histogram(a, b[cut:], 3, 30).counts == whole).all()


@pytest.mark.parametrize(("rows", "pairs"), [(1, 1), (3, 7), (10, 1), (10**6, 50)])
def test_the_size_of_the_pieces_changes_nothing(monkeypatch, rows, pairs):
    rng = np.random.default_rng(5)
    a, b = (np.sort(rng.integers(0, 3000, 500)) for _ in range(2))
    whole = delay_histogram(a, b, 10, 400, 20).counts
    monkeypatch.setattr(_arrays, "_ROWS", rows)
    monkeypatch.setattr(_arrays, "_PAIRS", pairs)
    assert (delay_histogram(a, b, 10, 400, 20).counts == whole).all()


def test_pieces_stay_small(monkeypatch):
    monkeypatch.setattr(_arrays, "_PAIRS", 1000)
    a = np.arange(2000, dtype=np.int64)
    sizes = [len(i) for i, _ in _arrays.partners(a, a, -50, 50)]
    assert max(sizes) <= 1000
    assert sum(sizes) == 2000 * 101 - 50 * 51


def test_counts_agree_with_coincidences_in_the_same_window():
    rng = np.random.default_rng(6)
    a, b = (np.sort(rng.integers(0, 10**9, 20_000)) for _ in range(2))
    histogram = delay_histogram(a, b, 1, 501, 77)
    inside = (histogram.edges_ps[:-1] >= 77 - 500) & (histogram.edges_ps[:-1] <= 77 + 500)
    assert histogram.counts[inside].sum() == count_coincidences(a, b, 500, 77) > 0


def test_centres_are_the_mean_of_the_differences_a_bin_takes():
    histogram = delay_histogram([0], [0], 4, 8, 100)
    assert histogram.centres_ps.tolist() == [93.5, 97.5, 101.5, 105.5]
    assert delay_histogram([0], [0], 1, 1).centres_ps.tolist() == [-1.0, 0.0]


@pytest.mark.parametrize(("bin_ps", "span"), [(0, 10), (3, 10), (10, 0), (30, 10)])
def test_bins_that_do_not_fit_the_span_are_refused(bin_ps, span):
    with pytest.raises(ValueError, match="whole number of bins"):
        delay_histogram([1], [1], bin_ps, span)
