"""Recordings: order is checked, cutting and merging lose nothing, gaps are kept."""

import numpy as np
import pytest
from bellringer.analysis import Tags
from hypothesis import given, settings
from hypothesis import strategies as st

BASES = st.sampled_from([0, 2**62, -(2**62)])
events = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), max_size=40).map(sorted)


def tags_of(pairs: list[tuple[int, int]], base: int = 0) -> Tags:
    return Tags([base + t for t, _ in pairs], [c for _, c in pairs])


@given(events, BASES)
def test_channels_take_the_recording_apart_without_loss(pairs, base):
    tags = tags_of(pairs, base)
    for channel in range(4):
        assert tags.of(channel).tolist() == [base + t for t, c in pairs if c == channel]
    assert tags.times_ps.dtype == np.int64
    assert tags.channels.dtype == np.uint8


@given(events, BASES, st.integers(-5, 65), st.integers(-5, 65))
def test_between_is_half_open_and_two_cuts_make_the_whole(pairs, base, low, high):
    tags = tags_of(pairs, base)
    cut = tags.between(base + low, base + high)
    assert list(zip(cut.times_ps.tolist(), cut.channels.tolist())) == [
        (base + t, c) for t, c in pairs if low <= t < high
    ]
    cut_ps = base + min(max(low, 0), 61)
    assert len(tags.between(base, cut_ps)) + len(tags.between(cut_ps, base + 61)) == len(tags)


@settings(deadline=None)  # kernels may have to be compiled
@given(events, events, BASES)
def test_merge_is_stable_and_complete(first, second, base):
    whole = Tags.merge([tags_of(first, base), tags_of(second, base)])
    expected = sorted(first + second, key=lambda pair: pair[0])  # stable, too
    assert list(zip(whole.times_ps.tolist(), whole.channels.tolist())) == [(base + t, c) for t, c in expected]


@pytest.mark.parametrize(
    ("parts", "span", "most"),
    [(8, 10**9, 20_000), (3, 2**61, 5_000), (5, 10, 30_000), (300, 10**6, 200), (1, 10**6, 1000), (9, 10**15, 40_000)],
)
def test_long_streams_merge_as_a_stable_sort_does(parts, span, most):
    """Seed 2. Dense and slow streams, thousands of equal times, more streams than a word can number."""
    rng = np.random.default_rng(2)
    streams = []
    for _ in range(parts):
        times = np.sort(rng.integers(-span, span, rng.integers(0, most + 1)))
        streams.append(Tags(times, rng.integers(0, 256, len(times))))
    whole = Tags.merge(streams)
    times = np.concatenate([part.times_ps for part in streams])
    order = np.argsort(times, kind="stable")
    assert (whole.times_ps == times[order]).all()
    assert (whole.channels == np.concatenate([part.channels for part in streams])[order]).all()


def test_a_channel_map_gives_each_part_numbers_of_its_own():
    first, second = Tags([1, 5], [0, 1]), Tags([3, 5], [1, 0])
    whole = Tags.merge([first, second], [{0: 0, 1: 1}, {0: 10, 1: 11, 7: 12}])
    assert (whole.times_ps.tolist(), whole.channels.tolist()) == ([1, 3, 5, 5], [0, 11, 1, 10])
    with pytest.raises(ValueError, match=r"recording 1 has tags on channels \[1\], which its channel map"):
        Tags.merge([first, second], [{0: 0, 1: 1}, {0: 10}])
    with pytest.raises(ValueError, match="channel map 0 has 1: 256"):
        Tags.merge([first], [{0: 0, 1: 256}])
    with pytest.raises(ValueError, match="1 channel maps for 2 recordings"):
        Tags.merge([first, second], [{0: 0, 1: 1}])


def test_merging_nothing_gives_an_empty_recording():
    assert len(Tags.merge([])) == len(Tags.merge([Tags([], [])])) == 0


spans = st.lists(st.integers(0, 60), max_size=8, unique=True).map(lambda x: sorted(x)[: len(x) // 2 * 2])


@settings(deadline=None)
@given(spans, spans, st.integers(-5, 65), st.integers(0, 30))
def test_live_time_counts_each_picosecond_outside_all_gaps(first, second, low, length):
    parts = [Tags([], [], np.reshape(edges, (-1, 2))) for edges in (first, second)]
    whole = Tags.merge(parts)
    dead = {t for part in parts for start, end in part.gaps.tolist() for t in range(start, end)}
    alive = [t for t in range(low, low + length) if t not in dead]
    assert whole.live_time_ps(low, low + length) == len(alive)
    assert whole.between(low, low + length).live_time_ps(low, low + length) == len(alive)
    assert (whole.gaps[1:, 0] > whole.gaps[:-1, 1]).all()


@given(events, spans)
def test_live_stretches_are_what_gaps_leave_and_live_tags_lie_in_them(pairs, edges):
    tags = Tags([t for t, _ in pairs], [c for _, c in pairs], np.reshape(edges, (-1, 2)))
    low, high = tags.span_ps
    known = [t for t, _ in pairs] + [t for a, b in tags.gaps.tolist() for t in range(a, b)]
    assert (low, high) == ((min(known), max(known) + 1) if known else (0, 0))
    stretches = tags.live_stretches()
    assert int((stretches[:, 1] - stretches[:, 0]).sum()) == tags.live_time_ps() == tags.live_time_ps(low, high)
    inside = [any(a <= t < b for a, b in stretches.tolist()) for t, _ in pairs]
    assert tags.live().tolist() == inside


def test_gaps_are_cut_with_the_recording():
    tags = Tags([5, 50], [1, 2], [[10, 20], [30, 40]])
    assert tags.between(15, 35).gaps.tolist() == [[15, 20], [30, 35]]
    assert tags.live_time_ps(0, 100) == 80
    assert tags.live_time_ps(100, 0) == 0


def test_a_recording_cannot_be_changed():
    source = np.array([1, 2])
    tags = Tags(source, [0, 0])
    with pytest.raises(ValueError, match="read-only"):
        tags.times_ps[0] = 7
    source[0] = 0  # the caller's own array stays writeable


@pytest.mark.parametrize(
    ("times", "channels", "gaps", "message"),
    [
        ([1, 3, 2], [0, 0, 0], None, "index 2: 3 ps, then 2 ps"),
        ([1.5], [0], None, "whole picoseconds"),
        ([[1]], [0], None, "one-dimensional"),
        (np.array([2**63], np.uint64), [0], None, "64-bit"),
        ([1, 2], [0], None, "one a tag"),
        ([1], [256], None, "there is 256"),
        ([1], [-1], None, "there is -1"),
        ([1], [0], [1, 2, 3], "shape"),
        ([1], [0], [[5, 4]], "gaps"),
        ([1], [0], [[5, 5]], "empty"),
        ([1], [0], [[1, 5], [4, 6]], "gaps"),
    ],
)
def test_wrong_recordings_are_refused_with_the_place(times, channels, gaps, message):
    with pytest.raises(ValueError, match=message):
        Tags(times, channels, gaps)
