"""Row 19: the time of day may step; hardware time that a host counts does not."""

import time

import pytest
from bellringer.testbed.clock import TAI_MINUS_UTC_S, WallClock

EPOCH = 1_700_000_000
BOUND_PS = 20_000_000_000
"""Between two readings of the clocks, on a busy machine; the steps are fifty times as large."""


@pytest.mark.parametrize("step_s", [-1, 1, 3600])
def test_row_19_a_step_of_utc_does_not_move_hardware_time(monkeypatch, step_s):
    clock = WallClock()
    clock.count_from(EPOCH)
    true_ns = time.time_ns
    before_ps = clock.now_ps()
    assert abs(before_ps - (true_ns() - (EPOCH - TAI_MINUS_UTC_S) * 10**9) * 1000) < BOUND_PS
    monkeypatch.setattr(time, "time_ns", lambda: true_ns() + step_s * 10**9)
    assert 0 <= clock.now_ps() - before_ps < BOUND_PS
    clock.count_from(EPOCH + 1)  # another process that begins now takes the time of day as it is
    assert abs(clock.now_ps() - before_ps - (step_s - 1) * 10**12) < BOUND_PS
