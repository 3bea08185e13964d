"""Correlation histograms of a merged stream: every pair in its bin, by definition, whole and in blocks."""

import itertools

import numpy as np
import pytest
from bellringer.analysis import CorrelationHistogram, Tags, correlogram
from hypothesis import given, settings
from hypothesis import strategies as st

slow_first_call = settings(deadline=None)
"""Kernels may have to be compiled."""

BASES = st.sampled_from([0, 2**62, -(2**62)])
few = st.lists(st.tuples(st.integers(0, 80), st.integers(0, 3)), max_size=8)
many = st.lists(st.tuples(st.integers(0, 80), st.integers(0, 3)), min_size=12, max_size=25)
events = st.one_of(few, many, many).map(sorted)
bins = st.tuples(st.integers(1, 9), st.integers(1, 12)).map(lambda x: (x[0], x[0] * x[1]))  # (bin, span)
ends = st.one_of(st.integers(0, 4), st.lists(st.integers(0, 4), min_size=1, max_size=3, unique=True))
some_edges = st.lists(st.integers(-5, 85), min_size=2, max_size=7, unique=True)
edges = st.one_of(st.just([]), some_edges).map(lambda x: sorted(x)[: len(x) // 2 * 2])
delays = st.dictionaries(st.integers(0, 4), st.integers(-15, 15), max_size=3)


def tags_of(pairs, base=0, gaps=()):
    return Tags([base + t for t, _ in pairs], [c for _, c in pairs], base + np.reshape(gaps, (-1, 2)).astype(np.int64))


def by_hand(pairs, start, stop, bin_ps, span, gaps=()):
    starts, stops = (set(np.atleast_1d(x).tolist()) for x in (start, stop))
    cut = list(zip(gaps[::2], gaps[1::2]))
    live = [(t, c) for t, c in pairs if not any(a <= t < b for a, b in cut)]
    counts = [0] * (2 * span // bin_ps)
    for (i, (x, c)), (j, (y, d)) in itertools.product(enumerate(live), enumerate(live)):
        apart = any(min(x, y) < a <= max(x, y) for a, _ in cut)
        if i != j and c in starts and d in stops and -span <= y - x < span and not apart:
            counts[(y - x + span) // bin_ps] += 1
    return counts


@slow_first_call
@given(events, ends, ends, bins, BASES, edges)
def test_every_pair_is_in_its_bin(pairs, start, stop, bin_and_span, base, gaps):
    found = correlogram(tags_of(pairs, base, gaps), start, stop, *bin_and_span)
    assert found.counts.tolist() == by_hand(pairs, start, stop, *bin_and_span, gaps)
    assert found.counts.dtype == np.int64
    assert found.edges_ps.tolist() == list(range(-bin_and_span[1], bin_and_span[1] + 1, bin_and_span[0]))


@slow_first_call
@given(
    events, st.lists(st.tuples(ends, ends), max_size=4), bins, edges, delays, st.lists(st.integers(0, 84)).map(sorted)
)
def test_blocks_and_several_pairs_at_once_give_the_same_histograms(pairs, asked, bin_and_span, gaps, moved, cuts):
    tags = tags_of(pairs, 0, gaps)
    histogram = CorrelationHistogram(asked, *bin_and_span, moved)
    for low, high in itertools.pairwise([-100, *cuts, 200]):
        if low < high:
            histogram.feed(tags.between(low, high))
            histogram.read()
    if not any(moved.values()):
        whole = [correlogram(tags, *pair, *bin_and_span).counts.tolist() for pair in asked]
        assert histogram.live_time_ps == tags.live_time_ps()
    else:
        at_once = CorrelationHistogram(asked, *bin_and_span, moved)
        at_once.feed(tags)
        whole = [each.counts.tolist() for each in at_once.read()]
    assert [each.counts.tolist() for each in histogram.read()] == whole


@pytest.mark.parametrize(
    ("bin_ps", "span"), [(100, 100_000), (7, 7 * 3000), (1, 20_000), (2**20, 2**30), (1000, 10**6)]
)
def test_long_streams_agree_with_the_two_array_histogram(bin_ps, span):
    """Another algorithm: every difference of two arrays. Seed 3, 20 000 tags in 10 ms, and bins beyond 2**31 ps."""
    rng = np.random.default_rng(3)
    times = np.sort(rng.integers(0, 10**10, 20_000))
    tags = Tags(times, rng.integers(0, 3, 20_000))
    found = correlogram(tags, 0, 2, bin_ps, span, {2: 77})
    edges, expected = np.arange(-span, span + 1, bin_ps), np.zeros(2 * span // bin_ps, np.int64)
    other = tags.of(2) + 77
    for start in tags.of(0).tolist():
        near = other[np.searchsorted(other, start - span) : np.searchsorted(other, start + span)] - start
        np.add.at(expected, np.searchsorted(edges, near, "right") - 1, 1)
    assert found.counts.tolist() == expected.tolist()
    assert found.counts.sum() > 50
    both = correlogram(tags, 0, [1, 2], bin_ps, span).counts
    assert (both == sum(correlogram(tags, 0, c, bin_ps, span).counts for c in (1, 2))).all()


@pytest.mark.parametrize("bin_ps", [1, 2, 3, 5, 99, 100, 1023, 1024, 2**29 - 1])
def test_division_by_the_bin_is_exact_at_every_edge(bin_ps):
    span = bin_ps * max(1, (2**30 - 1) // bin_ps // 4096) * 2
    steps = np.unique(np.concatenate([np.arange(0, 40) * bin_ps, span - np.arange(0, 40) * bin_ps]))
    differences = np.unique(np.concatenate([steps - 1, steps, steps + 1]))
    differences = differences[(differences >= 0) & (differences < span)]
    found = correlogram(Tags([0, *differences], [0] + [1] * len(differences)), 0, 1, bin_ps, span).counts
    assert (found == np.bincount((differences + span) // bin_ps, minlength=2 * span // bin_ps)).all()


def test_the_autocorrelation_counts_every_two_tags_in_either_order():
    found = correlogram(Tags([0, 10, 30], [4, 4, 4]), 4, 4, 10, 40)
    assert dict(zip(found.edges_ps[:-1].tolist(), found.counts.tolist())) == {
        -40: 0, -30: 1, -20: 1, -10: 1, 0: 0, 10: 1, 20: 1, 30: 1,
    }  # fmt: skip


def test_the_default_is_a_hundred_nanoseconds_in_steps_of_100_ps():
    found = correlogram(Tags([0, 50_000, 100_000], [1, 0, 1]))
    assert (len(found.counts), found.edges_ps[0], found.edges_ps[-1]) == (2000, -100_000, 100_000)
    assert np.flatnonzero(found.counts).tolist() == [500, 1500]


@pytest.mark.parametrize(("bin_ps", "span"), [(0, 10), (3, 10), (10, 0), (30, 10), (0.5, 10), (1, 2**61)])
def test_bins_that_do_not_fit_the_span_are_refused(bin_ps, span):
    with pytest.raises(ValueError, match="whole number of bins"):
        correlogram(Tags([1], [1]), 0, 1, bin_ps, span)


@pytest.mark.parametrize("channel", [-1, 256, [], [1, 1], [0, 300]])
def test_channels_that_make_no_sense_are_refused(channel):
    with pytest.raises(ValueError, match="channel"):
        correlogram(Tags([1], [1]), 0, channel)


def test_blocks_in_disorder_are_refused():
    histogram = CorrelationHistogram([(0, 1)])
    histogram.feed(Tags([5], [0]))
    with pytest.raises(ValueError, match="before the last tag at 5 ps"):
        histogram.feed(Tags([4], [1]))
