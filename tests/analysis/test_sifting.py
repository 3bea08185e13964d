"""Tags that pass a filter, against picking them one by one."""

import itertools

import numpy as np
import pytest
from bellringer.analysis import Tags, coincidences
from bellringer.analysis.sifting import coincident, heralded, in_slots
from hypothesis import given, settings
from hypothesis import strategies as st

slow_first_call = settings(deadline=None)
"""Kernels may have to be compiled."""

events = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), min_size=8, max_size=20).map(sorted)
edges = st.lists(st.integers(-5, 65), min_size=4, max_size=7, unique=True).map(lambda x: sorted(x)[: len(x) // 2 * 2])
group = st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True)
delays = st.dictionaries(st.integers(0, 3), st.integers(-15, 15), max_size=3)


def tags_of(pairs, gaps=()):
    return Tags([t for t, _ in pairs], [c for _, c in pairs], np.reshape(gaps, (-1, 2)).astype(np.int64))


def cut_of(gaps):
    return list(zip(gaps[::2], gaps[1::2]))


@settings(max_examples=300)
@given(events, st.one_of(st.just([]), edges), st.integers(-20, 20), st.integers(1, 30))
def test_each_tag_goes_with_the_last_herald_whose_gate_it_is_in(pairs, gaps, low, length):
    cut = cut_of(gaps)
    found = heralded(tags_of(pairs, gaps), 0, low, low + length, [1, 2])
    heralds = [t for t, c in pairs if c == 0]
    dead = lambda t: any(a <= t < b for a, b in cut)  # noqa: E731
    expected = []
    for t, c in pairs:
        if c not in (1, 2) or dead(t):
            continue
        last = max((k for k, h in enumerate(heralds) if h + low <= t), default=None)
        if last is None or t >= heralds[last] + low + length or dead(heralds[last]):
            continue
        early, late = sorted((t, heralds[last]))
        if not any(early < a <= late for a, _ in cut):
            expected.append((t, c, last, t - heralds[last]))
    rows = zip(found.tags.times_ps, found.tags.channels, found.number, found.after_ps)
    assert [tuple(map(int, row)) for row in rows] == expected
    assert found.tags.gaps.tolist() == [list(x) for x in cut]


@given(events, st.one_of(st.just([]), edges), st.integers(1, 20), st.integers(-30, 30), st.data())
def test_slots_are_counted_from_their_origin(pairs, gaps, period, origin, data):
    low = data.draw(st.integers(0, period - 1))
    high = data.draw(st.integers(low + 1, period))
    found = in_slots(tags_of(pairs, gaps), period, origin, low, high, [0, 3])
    expected = [
        (t, (t - origin) // period, (t - origin) % period)
        for t, c in pairs
        if c in (0, 3) and low <= (t - origin) % period < high and not any(a <= t < b for a, b in cut_of(gaps))
    ]
    assert list(zip(found.tags.times_ps.tolist(), found.number.tolist(), found.after_ps.tolist())) == expected


@slow_first_call
@given(events, group, st.integers(0, 20), st.one_of(st.just([]), edges), delays)
def test_listed_tuples_are_those_that_are_counted(pairs, channels, window, gaps, moved):
    tags = tags_of(pairs, gaps)
    for how in ("all", "one_to_one"):
        found = coincident(tags, channels, window, moved, how)
        assert len(found) == coincidences(tags, [channels], window, moved, how)[0]
        assert len(np.unique(found.index, axis=0)) == len(found)
        assert (tags.channels[found.index] == channels).all()
        assert (tags.times_ps[found.index] == found.times_ps).all()
        if len(found):
            assert np.ptp(found.times_ps + [moved.get(c, 0) for c in channels], axis=1).max() <= window
        if how == "one_to_one":
            assert len(np.unique(found.index)) == found.index.size
    if not gaps:
        by_channel = [[k for k, (_, c) in enumerate(pairs) if c == channel] for channel in channels]
        close = lambda x: np.ptp([pairs[k][0] + moved.get(pairs[k][1], 0) for k in x]) <= window  # noqa: E731
        every = {x for x in itertools.product(*by_channel) if close(x)}
        assert {tuple(row) for row in coincident(tags, channels, window, moved).index.tolist()} == every


def test_attempts_with_a_click_are_found_by_number():
    """Heralds on 9 every 100 ps, clicks 30 ps after the second and fourth, and one too late."""
    tags = Tags([0, 100, 130, 200, 290, 300, 330], [9, 9, 1, 9, 1, 9, 2])
    found = heralded(tags, 9, 20, 40)
    assert (found.number.tolist(), found.after_ps.tolist(), len(found)) == ([1, 3], [30, 30], 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: heralded(t, 0, 5, 5), "empty"),
        (lambda t: heralded(t, 300, 0, 5), "0 to 255"),
        (lambda t: heralded(Tags([2**63 - 5], [0]), 0, -9, 9), "64 bits"),
        (lambda t: in_slots(t, 0), "no part of a slot"),
        (lambda t: in_slots(t, 10, 0, 5, 11), "no part of a slot"),
        (lambda t: in_slots(t, 10.5), "no part of a slot"),
        (lambda t: in_slots(Tags([2**62], [0]), 10, -(2**62)), "64 bits"),
        (lambda t: coincident(t, (0, 1), how="first"), "listed"),
        (lambda t: coincident(t, (0, 0)), "twice"),
    ],
)
def test_requests_that_make_no_sense_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(Tags([1, 2], [0, 1]))
