"""Dead time in bulk equals the rule applied click by click, also across block edges."""

import numpy as np
from bellringer.sim_backends.bench.detector import apply_dead_time
from hypothesis import given
from hypothesis import strategies as st


def one_by_one(times, dead_time, last):
    accepted = []
    for time in times:
        if time - last >= dead_time:
            accepted.append(time)
            last = time
    return accepted


gaps = st.lists(st.integers(0, 12), max_size=60)


@given(gaps, st.integers(0, 10), st.one_of(st.just(-np.inf), st.integers(-12, 0)))
def test_bulk_equals_click_by_click(steps, dead_time, last):
    times = np.cumsum(np.array(steps, float))
    assert list(apply_dead_time(times, dead_time, last)) == one_by_one(times, dead_time, last)


@given(gaps, st.integers(1, 10), st.integers(0, 60))
def test_two_blocks_equal_one(steps, dead_time, cut):
    times = np.cumsum(np.array(steps, float))
    first = apply_dead_time(times[:cut], dead_time, -np.inf)
    second = apply_dead_time(times[cut:], dead_time, first[-1] if first.size else -np.inf)
    assert [*first, *second] == list(apply_dead_time(times, dead_time, -np.inf))
