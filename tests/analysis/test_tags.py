"""Recordings: order is checked, cutting and merging lose nothing, gaps are kept."""

import numpy as np
import pytest
from bellringer.analysis import Tags
from hypothesis import given
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


@given(events, events, BASES)
def test_merge_is_stable_and_complete(first, second, base):
    whole = Tags.merge([tags_of(first, base), tags_of(second, base)])
    expected = sorted(first + second, key=lambda pair: pair[0])  # stable, too
    assert list(zip(whole.times_ps.tolist(), whole.channels.tolist())) == [(base + t, c) for t, c in expected]


def test_merging_nothing_gives_an_empty_recording():
    assert len(Tags.merge([])) == len(Tags.merge([Tags([], [])])) == 0


spans = st.lists(st.integers(0, 60), max_size=8, unique=True).map(lambda x: sorted(x)[: len(x) // 2 * 2])


@given(spans, spans, st.integers(-5, 65), st.integers(0, 30))
def test_live_time_counts_each_picosecond_outside_all_gaps(first, second, low, length):
    parts = [Tags([], [], np.reshape(edges, (-1, 2))) for edges in (first, second)]
    whole = Tags.merge(parts)
    dead = {t for part in parts for start, end in part.gaps.tolist() for t in range(start, end)}
    alive = [t for t in range(low, low + length) if t not in dead]
    assert whole.live_time_ps(low, low + length) == len(alive)
    assert whole.between(low, low + length).live_time_ps(low, low + length) == len(alive)
    assert (whole.gaps[1:, 0] > whole.gaps[:-1, 1]).all()


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
