"""Seconds become whole picoseconds on a grid: never shorter than asked, and without the noise of binary fractions."""

import pytest
from bellringer.testbed.attempts.seconds import Grid
from bellringer.testbed.errors import ProgramError
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("seconds", "step_s", "ps"),
    [
        (0, 1e-12, 0),
        (1, 1e-12, 10**12),
        (2e-6, 1e-12, 2_000_000),
        (0.1 + 0.2, 1e-12, 300_000_000_000),
        (1.0002e-12, 1e-12, 1),
        (1e-20, 1e-12, 0),
        (1.01e-12, 1e-12, 2),
        (1e-9, 8e-9, 8000),
        (8e-9, 8e-9, 8000),
        (8.0011e-9, 8e-9, 16_000),
    ],
)
def test_times_are_rounded_up_to_the_grid(seconds, step_s, ps):
    assert Grid(step_s).span("x", seconds) == ps


@settings(deadline=None)
@given(st.integers(0, 10**15), st.integers(1, 10**6))
def test_whole_picoseconds_stay_what_they_are_up_to_a_quarter_of_an_hour(ps, step):
    grid = Grid(1e-12)
    assert grid.span("x", ps * 1e-12) == ps
    assert grid.up(ps) == ps
    assert Grid(step * 1e-12).up(ps) == -(-ps // step) * step


def test_a_negative_time_is_none():
    with pytest.raises(ProgramError, match="x is -1 s"):
        Grid(1e-12).span("x", -1)
