"""Coincidences of each rule on a stream one can count by hand, and against slow counting by definition."""

import itertools
import math

import numpy as np
import pytest
from bellringer.analysis import CoincidenceCounter, Tags, coincidences
from bellringer.analysis.coincidences import RULES
from hypothesis import given, settings
from hypothesis import strategies as st

slow_first_call = settings(deadline=None, max_examples=200)
"""Kernels may have to be compiled."""

BASES = st.sampled_from([0, 2**62, -(2**62)])
few = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 4)), max_size=8)
many = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), min_size=12, max_size=24)
events = st.one_of(few, many, many).map(sorted)
group = st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True)
some_edges = st.lists(st.integers(-5, 65), min_size=2, max_size=7, unique=True)
edges = st.one_of(st.just([]), some_edges, some_edges).map(lambda x: sorted(x)[: len(x) // 2 * 2])
delays = st.one_of(st.just({}), st.dictionaries(st.integers(0, 4), st.integers(-15, 15), min_size=1, max_size=4))


def tags_of(pairs, base=0, gaps=()):
    return Tags([base + t for t, _ in pairs], [c for _, c in pairs], base + np.reshape(gaps, (-1, 2)).astype(np.int64))


def stretches_of(pairs, gaps, group, moved):
    """Return the live tags of the group's channels after delays, cut at the gaps: by definition, one tag at a time."""
    every = moved["every"]
    shifts = [moved.get(c, 0) for c in every]
    ordered = sorted(
        ((t + moved.get(c, 0), moved.get(c, 0), k, c) for k, (t, c) in enumerate(pairs) if c in every)
    )  # fmt: skip
    dead = [(a + min(shifts), b + max(shifts)) for a, b in gaps]
    found, before = [[]], None
    for t, _, _, c in ordered:
        if any(a <= t < b for a, b in dead):
            continue
        if before is not None and any(before < a <= t for a, b in dead):
            found.append([])
        before = t
        if c in group:
            found[-1].append((t, c))
    return found


def tuples_of(stretch, group, window):
    by_channel = [[k for k, (_, c) in enumerate(stretch) if c == channel] for channel in group]
    for tuple_ in itertools.product(*by_channel):
        times = [stretch[k][0] for k in tuple_]
        if max(times) - min(times) <= window:
            yield tuple_


def most_disjoint(tuples):
    """Return the largest number of tuples without a common tag, by trying all."""
    if not tuples:
        return 0
    first, rest = tuples[0], tuples[1:]
    return max(most_disjoint(rest), 1 + most_disjoint([t for t in rest if not set(t) & set(first)]))


def by_hand(pairs, gaps, group, window, moved, how):
    total = 0
    for stretch in stretches_of(pairs, gaps, group, moved):
        tuples = list(tuples_of(stretch, group, window))
        if how == "all":
            total += len(tuples)
        elif how == "one_to_one":
            total += most_disjoint(tuples)
        else:
            end = min if how == "first" else max
            total += len({end(t) for t in tuples})
    return total


def test_each_rule_on_a_stream_counted_by_hand():
    """Channels  0 1 1   0 1
    times        0 1 5  10 20, window 5: pairs (0, 1), (0, 5), (10, 5); 20 is alone."""
    tags = Tags([0, 1, 5, 10, 20], [0, 1, 1, 0, 1])
    found = {how: coincidences(tags, [(0, 1)], 5, how=how).tolist() for how in RULES}
    # first: 0 (before 1 and 5) and 5 (before 10); last: 1, 5 and 10
    assert found == {"all": [3], "one_to_one": [2], "first": [2], "last": [3]}


def test_each_rule_on_three_folds_counted_by_hand():
    """Channels 0 1 1 2 2 at 0 1 2 3 5, window 5: every one of 1 x 2 x 2 tuples has a span of at most 5."""
    tags = Tags([0, 1, 2, 3, 5], [0, 1, 1, 2, 2])
    found = {how: coincidences(tags, [(0, 1, 2), (2, 0)], 5, how=how).tolist() for how in RULES}
    assert found == {"all": [4, 2], "one_to_one": [1, 1], "first": [1, 1], "last": [2, 2]}
    assert coincidences(tags, [(0, 1, 2)], 4).tolist() == [2]


@slow_first_call
@given(events, st.lists(group, max_size=4), st.integers(0, 30), st.sampled_from(RULES), BASES, edges, delays)
def test_counts_are_those_of_the_definition(pairs, groups, window, how, base, gaps, moved):
    tags = tags_of(pairs, base, gaps)
    cut = list(zip(gaps[::2], gaps[1::2]))
    every = sorted({c for g in groups for c in g})
    if how == "one_to_one":
        window = min(window, 8)  # trying all is slow
    found = coincidences(tags, groups, window, moved, how)
    assert found.dtype == np.int64
    assert found.tolist() == [by_hand(pairs, cut, g, window, {**moved, "every": every}, how) for g in groups]


@slow_first_call
@given(
    events, st.lists(group, min_size=1, max_size=3), st.integers(0, 30), st.sampled_from(RULES), edges, delays,
    st.lists(st.integers(-3, 64), max_size=5).map(sorted), st.booleans(),
)  # fmt: skip
def test_blocks_of_any_size_count_what_the_whole_does(pairs, groups, window, how, gaps, moved, cuts, read):
    tags = tags_of(pairs, 0, gaps)
    counter = CoincidenceCounter(groups, window, moved, how)
    bounds = [-100, *cuts, 200]
    for low, high in itertools.pairwise(bounds):
        if low < high:
            counter.feed(tags.between(low, high))
            if read:
                counter.read()
    assert counter.read().tolist() == coincidences(tags, groups, window, moved, how).tolist()
    if not moved:
        live = [(t, c) for t, c in pairs if not any(a <= t < b for a, b in zip(gaps[::2], gaps[1::2]))]
        assert counter.tags_in_gaps == len(pairs) - len(live)
        assert counter.live_time_ps == tags.live_time_ps()


@slow_first_call
@given(events, st.lists(group, min_size=1, max_size=3), st.integers(0, 30), st.sampled_from(RULES), delays,
       st.lists(st.integers(0, 24), max_size=5).map(sorted))  # fmt: skip
def test_a_block_may_end_between_tags_of_the_same_time(pairs, groups, window, how, moved, cuts):
    counter = CoincidenceCounter(groups, window, moved, how)
    for low, high in itertools.pairwise([0, *cuts, len(pairs)]):
        counter.feed(tags_of(pairs[low:high]))
    assert counter.read().tolist() == coincidences(tags_of(pairs), groups, window, moved, how).tolist()


def random_tags(seed, tags=20_000, channels=6, span=10**7):
    rng = np.random.default_rng(seed)
    return Tags(np.sort(rng.integers(0, span, tags)), rng.integers(0, channels, tags).astype(np.uint8))


@pytest.mark.parametrize("window", [0, 100, 1000, 60_000])
@pytest.mark.parametrize("groups", [list(itertools.combinations(range(6), 2)), [(0, 1, 2), (5,)], [(0, 1, 2, 3)]])
def test_long_streams_in_odd_blocks_count_what_the_whole_does(window, groups):
    """Seed 7, 20 000 tags, a tag each 500 ps; 60 ns windows hold 120 tags and are counted by the sliding kernel."""
    tags = random_tags(7)
    counter, rng = CoincidenceCounter(groups, window), np.random.default_rng(8)
    at = 0
    while at < len(tags):
        size = int(rng.choice([1, 3, 70, 4097]))
        counter.feed(Tags(tags.times_ps[at : at + size], tags.channels[at : at + size]))
        at += size
    assert counter.read().tolist() == coincidences(tags, groups, window).tolist()


@pytest.mark.parametrize("window", [100, 60_000])
def test_pairs_agree_with_the_two_array_count(window):
    """Another algorithm altogether: binary search in two arrays."""

    def count(a, b, low, high):
        return int((np.searchsorted(b, a + high, "right") - np.searchsorted(b, a + low, "left")).sum())

    tags = random_tags(9)
    pairs = list(itertools.combinations(range(6), 2))
    expected = [count(tags.of(a), tags.of(b), -window, window) for a, b in pairs]
    assert coincidences(tags, pairs, window).tolist() == expected
    delayed = coincidences(tags, [(0, 3)], window, {3: -7000})
    assert delayed.tolist() == [count(tags.of(0), tags.of(3), 7000 - window, 7000 + window)]


def test_groups_may_have_windows_of_their_own():
    tags = random_tags(10)
    groups, windows = [(0, 1), (0, 1), (1, 2, 3), (4,)], [100, 5000, 700, 0]
    alone = [int(coincidences(tags, [g], w)[0]) for g, w in zip(groups, windows)]
    assert coincidences(tags, groups, windows).tolist() == alone


def test_tags_on_channels_nobody_asks_for_change_nothing():
    tags = random_tags(11)
    only = tags.channels < 2
    alone = Tags(tags.times_ps[only], tags.channels[only])
    assert coincidences(tags, [(0, 1)], 900).tolist() == coincidences(alone, [(0, 1)], 900).tolist()
    assert coincidences(tags, [(0, 200)], 900).tolist() == [0]
    assert coincidences(Tags([], []), [(0, 1), (2, 3, 4)], 900).tolist() == [0, 0]
    assert coincidences(tags, [], 900).shape == (0,)


def test_no_tuple_reaches_across_a_gap_and_tags_in_it_do_not_count():
    times, channels = [0, 10, 20, 30], [0, 1, 0, 1]
    assert coincidences(Tags(times, channels), [(0, 1)], 10).tolist() == [3]
    assert coincidences(Tags(times, channels, [[12, 13]]), [(0, 1)], 10).tolist() == [2]
    assert coincidences(Tags(times, channels, [[20, 21]]), [(0, 1)], 10).tolist() == [1]
    counter = CoincidenceCounter([(0, 1)], 10)
    counter.feed(Tags(times[:2], channels[:2], [[12, 25]]))
    counter.feed(Tags(times[2:], channels[2:]))
    assert counter.read().tolist() == [1]
    assert (counter.tags_in_gaps, counter.live_time_ps) == (1, 31 - 13)


def test_blocks_in_disorder_are_refused():
    counter = CoincidenceCounter([(0, 1)], 10)
    counter.feed(Tags([50, 60], [0, 1], [[70, 80]]))
    with pytest.raises(ValueError, match="begins at 55 ps, before the last tag at 60 ps"):
        counter.feed(Tags([55], [0]))
    delayed = CoincidenceCounter([(0, 1)], 10, {0: 100})
    delayed.feed(Tags([50, 60], [0, 1]))
    with pytest.raises(ValueError, match="begins at 55 ps, before the last tag at 60 ps"):
        delayed.feed(Tags([55], [0]))
    with pytest.raises(ValueError, match="gap from 58 ps comes after the tag at 60 ps"):
        counter.feed(Tags([], [], [[58, 65]]))
    counter.feed(Tags([60, 75, 85], [0, 0, 1], [[75, 83]]))
    assert counter.tags_in_gaps == 1


def test_counts_beyond_64_bits_are_refused():
    crowd = Tags(np.zeros(40_000, np.int64), np.arange(40_000) % 8)
    with pytest.raises(ValueError, match="too many tuples"):
        coincidences(crowd, [tuple(range(8)), (0, 1)], 10)
    assert coincidences(crowd, [(0, 1, 2, 3)], 10).tolist() == [5000**4]


def test_times_at_both_ends_of_64_bits():
    edge = 2**63 - 1
    tags = Tags([edge - 5, edge], [0, 1])
    assert coincidences(tags, [(0, 1)], 5).tolist() == [1]
    assert coincidences(Tags([-edge, -edge + 5], [0, 1]), [(0, 1)], 5).tolist() == [1]
    with pytest.raises(ValueError, match="more than 64 bits"):
        coincidences(Tags([-edge, edge], [0, 1]), [(0, 1)], 5)
    with pytest.raises(ValueError, match="64 bits"):
        coincidences(tags, [(0, 1)], 5, {0: 10})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (dict(groups=[(0, 1)], window_ps=-1), "window_ps is -1"),
        (dict(groups=[(0, 1)], window_ps=0.5), "window_ps is 0.5"),
        (dict(groups=[(0, 1)], window_ps=2**62), "window_ps"),
        (dict(groups=[(0, 1)], window_ps=[1, 2]), "2 windows for 1 groups"),
        (dict(groups=[(0, 0)]), "twice"),
        (dict(groups=[()]), "0 channels"),
        (dict(groups=[(0, 256)]), "0 to 255"),
        (dict(groups=[(0, -1)]), "0 to 255"),
        (dict(groups=[(0, 0.5)]), "whole"),
        (dict(groups=[(0, 1)], how="some"), "how is 'some'"),
        (dict(groups=[(0, 1)], delays_ps={0: 0.5}), "delay of channel 0"),
        (dict(groups=[(0, 1)], delays_ps={300: 1}), "channel 300"),
    ],
)
def test_requests_that_make_no_sense_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        coincidences(Tags([1], [0]), **words)


def test_a_window_of_zero_takes_equal_times_only():
    tags = Tags([5, 5, 5, 6], [0, 0, 1, 1])
    assert [coincidences(tags, [(0, 1)], 0, how=how).tolist() for how in RULES] == [[2], [1], [2], [1]]


def test_four_folds_of_independent_channels_match_their_expectation():
    """Accidental n-folds are n w^(n-1) times the rates (Eckart & Shonka 1938 for n = 2); seed 12, 4 sigma.

    4 channels at 20 Mcps for 10 ms, window 2 ns: 4 x (2 ns + ...)^3 x 2e7^4 / s. Times are whole ps: spans from 0 to w.
    """
    rng = np.random.default_rng(12)
    window, rate, span = 2000, 2e7, 10**10
    parts = [Tags(np.sort(rng.integers(0, span, int(rate * span * 1e-12))), np.full(200_000, c)) for c in range(4)]
    tuples = (window + 1) ** 4 - window**4  # whole-ps spans of at most w: times of the last three relative to the first
    expected = (rate * 1e-12) ** 4 * tuples * span
    found = int(coincidences(Tags.merge(parts), [(0, 1, 2, 3)], window)[0])
    # a tag in several tuples makes them more than Poissonian: each shared tag adds pairs of tuples, here 0.6 a tuple
    assert abs(found - expected) < 4 * math.sqrt(expected * 2)
