"""Accidentals from off the peak: counts and exposure by hand, errors by Poisson statistics, gaps and blocks alike."""

import itertools

import numpy as np
import pytest
from bellringer.analysis import DelayedCounter, Tags, accidental
from bellringer.analysis.accidentals import NEAR_PS, OffPeak, exposure_ps2, off_peak
from hypothesis import given, settings
from hypothesis import strategies as st

S = 10**12
slow_first_call = settings(deadline=None)
"""Kernels may have to be compiled."""

events = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 3)), max_size=25).map(sorted)
edges = st.lists(st.integers(-5, 95), min_size=2, max_size=7, unique=True).map(lambda x: sorted(x)[: len(x) // 2 * 2])
some_edges = st.one_of(st.just([]), edges)


def test_windows_off_the_peak_begin_beyond_its_foot_and_are_fewer_where_tags_are_dense():
    assert off_peak(600) == OffPeak(NEAR_PS, 5 * NEAR_PS)
    assert off_peak(0) == OffPeak(NEAR_PS, 3 * NEAR_PS)
    wide = off_peak(50_000)
    assert wide.near_ps == 20 * 100_001
    assert 2 * (wide.far_ps - wide.near_ps) == 800 * 100_001
    assert off_peak(50_000, 1e7) == OffPeak(wide.near_ps, 3 * wide.near_ps)


@slow_first_call
@given(events, some_edges)
def test_counts_off_the_peak_are_those_by_hand(pairs, gaps):
    """Times in steps of 10 ns; near 100 ns, far 500 ns: differences of 10 to 49 steps, and 50 on the early side."""
    step = NEAR_PS // 10
    cut = list(zip(gaps[::2], gaps[1::2]))
    live = [(t, c) for t, c in pairs if not any(a <= t < b for a, b in cut)]
    expected = np.zeros((2, 2), np.int64)
    for (t, c), (u, d) in itertools.product(live, live):
        apart = any(min(t, u) < a <= max(t, u) for a, _ in cut)
        if c < 2 <= d and not apart and (-50 <= u - t < -10 or 10 <= u - t < 50):
            expected[c, d - 2] += 1
    counter = DelayedCounter([(0, 2), (0, 3), (1, 2), (1, 3)], 600)
    times, channels = [step * t for t, _ in pairs], [c for _, c in pairs]
    counter.feed(Tags(times, channels, step * np.reshape(gaps, (-1, 2)).astype(np.int64)))
    assert counter.counts().reshape(2, 2).tolist() == expected.tolist()


@given(edges, st.integers(1, 30), st.integers(1, 60), st.one_of(st.none(), st.tuples(st.integers(0, 60), st.just(70))))
def test_exposure_is_the_number_of_places_and_delays_that_could_have_counted(cuts, near, more, starts):
    """By hand for every ps and delay. With unlike margins half a ps a stretch, side and edge is left to rounding."""
    stretches = np.reshape(cuts, (-1, 2)).astype(np.int64)
    low, high = starts or (-100, 200)
    sizes = [*range(near, near + more), *range(-near - more, -near)]
    places = sum(
        low <= t < high and begin <= t + s < end
        for begin, end in stretches.tolist() for t in range(begin, end) for s in sizes
    )  # fmt: skip
    found = exposure_ps2(stretches, OffPeak(near, near + more), starts)
    if starts is None:
        assert found == places
    else:
        assert abs(found - places) <= sum(np.minimum(near + more, np.diff(stretches).ravel())) / 2


def test_exposure_of_days_keeps_its_digits():
    day = 86400 * S
    found = exposure_ps2(np.array([[-day, day]]), OffPeak(NEAR_PS, 5 * NEAR_PS))
    lost = 2 * (25 - 1) * NEAR_PS**2 // 2
    assert found == pytest.approx(2 * 4 * NEAR_PS * 2 * day - lost, rel=1e-15)


def poisson_streams(rng: np.random.Generator, rate: float) -> list[np.ndarray]:
    return [np.sort(rng.integers(0, S, rng.poisson(rate))) for _ in range(2)]


def test_accidentals_leave_the_peak_out_and_their_errors_are_honest():
    """Seeds 0 to 39, 1 s, two detectors an end at 200 kHz, window 500 ps, pairs on the diagonal: 160 pulls, 4 sigma.

    Every fifth 100 us is a gap. The first end is cut to the middle 0.5 s, as a link's is. Expected rate: R_A R_B times
    the 1001 ps in which whole-ps differences count.
    """
    gaps, starts = [[k * S // 10_000, (k + 1) * S // 10_000] for k in range(0, 10_000, 5)], (S // 4, 3 * S // 4)
    pulls = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        a = poisson_streams(rng, 2e5)
        b = [np.sort(np.concatenate([x[::10] + 7, y])) for x, y in zip(a, poisson_streams(rng, 1.8e5))]
        a = [x[slice(*np.searchsorted(x, starts))] for x in a]
        tags = Tags.merge([Tags(x, np.full(len(x), c), gaps) for c, x in enumerate([*a, *b])])
        counter = DelayedCounter([(0, 2), (0, 3), (1, 2), (1, 3)], 500)
        counter.feed(tags)
        inside = tags.between(*starts)
        singles = np.bincount(inside.channels[inside.live()], minlength=4).tolist()
        exposure_s = counter.exposure_s(tags.live_stretches(0, S), starts)
        assert exposure_s == pytest.approx(800e3 / 1001 * 0.4, rel=0.01)
        for count, pair in zip(counter.counts().tolist(), itertools.product(singles[:2], singles[2:])):
            found = accidental(count, exposure_s, *pair)
            pulls.append((found.value - 2e5 * 2e5 * 1001e-12) / found.error)
    assert abs(np.mean(pulls)) < 4 / np.sqrt(160)
    assert abs(np.std(pulls) - 1) < 4 / np.sqrt(2 * 160)


def test_blocks_with_delays_count_what_the_whole_does():
    """Seed 5, 30 000 tags in 30 ms; delays grow the gaps, and the exposure follows."""
    rng = np.random.default_rng(5)
    gaps = np.arange(1, 30)[:, None] * 10**9 + [0, 10**8]
    tags = Tags(np.sort(rng.integers(0, 3 * 10**10, 30_000)), rng.integers(0, 2, 30_000), gaps)
    whole, blocks = (DelayedCounter([(0, 1)], 500, {1: 40_000}) for _ in range(2))
    whole.feed(tags)
    for low in range(0, 3 * 10**10, 7 * 10**8):
        blocks.feed(tags.between(low, low + 7 * 10**8))
    assert blocks.counts().tolist() == whole.counts().tolist()
    assert whole.counts()[0] > 1000
    assert blocks.exposure_s() == pytest.approx(whole.exposure_s(), rel=1e-12)
    assert whole.live_time_ps == tags.live_time_ps() + 40_000 - 29 * 40_000


def test_without_live_time_there_is_no_rate():
    assert accidental(0, 0.0, 0, 0).reason == "no live stretch is long enough for delayed windows"
