"""Finding the clocks of two ends in a wide search, and following them from there."""

import numpy as np
import pytest
from bellringer.analysis import (
    ClockOffset,
    NoPeak,
    find_clock,
    follow_clock,
    to_second_clock,
)
from hypothesis import given
from hypothesis import strategies as st

S = 10**12


def link(seconds, offset_ps, drift, rng, rate=3000):
    """Pairs at ``rate`` (1/s) of which Bob's clock shows t + offset + drift t, and as many clicks of nothing."""
    times = np.sort(rng.integers(0, seconds * S, rate * seconds))
    alice = np.sort(np.concatenate([times, rng.integers(0, seconds * S, rate * seconds)]))
    jitter = np.rint(rng.normal(0, 80, times.size)).astype(np.int64)
    seen = times + jitter + offset_ps + np.rint(drift * times).astype(np.int64)
    return alice, np.sort(np.concatenate([seen, rng.integers(0, seconds * S, rate * seconds)]))


def test_the_clocks_are_found_within_the_hosts_uncertainty_and_followed_while_they_wander():
    rng = np.random.default_rng(3)
    alice, bob = link(3, 7_000_000_000, 2e-6, rng)
    clock = find_clock(alice, bob, 0, 10_000_000_000)
    assert abs(clock.drift - 2e-6) < 5 * clock.drift_error
    wandered = bob[bob > 2 * S + 7_000_000_000] + 40_000
    later = follow_clock(clock, alice[alice > 2 * S], wandered)
    expected = 7_040_000_000 - 40_000_000 + 40_000 + 2e-6 * later.t_ref_ps
    assert abs(later.offset_ps - expected) < 5 * later.offset_error_ps + 1
    assert abs(later.drift - 2e-6) < 5 * later.drift_error
    assert abs(to_second_clock(later, 2 * S) - (2 * S + 7_000_040_000 + 4_000_000)) < 5 * later.offset_error_ps + 50


def test_clocks_that_are_somewhere_else_are_not_followed():
    alice, bob = link(2, 0, 0.0, np.random.default_rng(4))
    with pytest.raises(NoPeak):
        follow_clock(ClockOffset(1e6, 0.0, 1.0, 0.0, 50.0, S), alice, bob)
    with pytest.raises(NoPeak):
        find_clock(alice, bob, 15_000_000_000, 10_000_000_000)
    assert abs(find_clock(alice, bob, 11_000_000_000, 10_000_000_000).offset_ps) < 20, "light's ways are added"


@given(
    st.integers(-(10**13), 10**13), st.floats(-1e-5, 1e-5), st.floats(-1e5, 1e5), st.floats(-1e-7, 1e-7),
    st.integers(0, 10**13),
)  # fmt: skip
def test_two_lines_one_after_the_other_are_one(offset, drift, more, rest, time):
    """What ``follow_clock`` makes of the clocks before and the rest it finds, against mapping twice."""
    from bellringer.analysis import alignment

    before = ClockOffset(float(offset), drift, 1.0, 0.0, 9.0, 5 * S)
    found = ClockOffset(more, rest, 1.0, 0.0, 9.0, 6 * S)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alignment, "clock_offset", lambda *words: found)
        both = follow_clock(before, [], [])
    bob = np.array([time])
    twice = found.to_alice(before.to_alice(bob))
    assert abs(int(both.to_alice(bob)[0]) - int(twice[0])) <= 2
