"""Pulses to the run-length code of a Pulse Streamer, against the sheet's bytes and a slow bitmap."""

import base64
import struct

import pytest
from bellringer.drivers.timing.pulse_patterns import encoded, steps
from bellringer.testbed.errors import LimitError
from hypothesis import given, settings
from hypothesis import strategies as st

OUTPUTS = {"excite": 0, "prepare": 1, "gate": 7}


def test_the_example_of_the_sheet():
    assert encoded(steps([("excite", 0, 100_000)], 1_000_000, OUTPUTS)) == "AAAAZAEAAAAAAAADhAAAAAAA"


pulse = st.tuples(st.sampled_from(sorted(OUTPUTS)), st.integers(0, 49), st.integers(1, 50))


@settings(deadline=None)
@given(st.lists(pulse, max_size=12), st.integers(100, 200))
def test_every_nanosecond_of_the_period_has_the_outputs_that_its_pulses_say(pulses, period_ns):
    pattern = steps([(c, b * 1000, n * 1000) for c, b, n in pulses], period_ns * 1000, OUTPUTS)
    played = [mask for ns, mask in pattern for _ in range(ns)]
    wanted = [sum(1 << OUTPUTS[c] for c in OUTPUTS if any(c == p and b <= t < b + n for p, b, n in pulses))
              for t in range(period_ns)]  # fmt: skip
    assert played == wanted
    raw = base64.b64decode(encoded(pattern))
    assert [(ns, mask) for ns, mask, _, _ in struct.iter_unpack(">IBhh", raw)] == pattern


def test_steps_longer_than_the_counter_are_split():
    assert steps([], 10**13, OUTPUTS) == [(2**32 - 1, 0), (2**32 - 1, 0), (10**10 - 2 * (2**32 - 1), 0)]


@pytest.mark.parametrize(
    ("pulses", "period_ps", "said"),
    [
        ([("exite", 0, 1000)], 10_000, r"no output is called 'exite'(.|\n)*did you mean 'excite'"),
        ([("excite", 500, 1000)], 10_000, "begin of a pulse on excite is 500 ps, off the clock of 1 ns"),
        ([("excite", 0, 1500)], 10_000, "length of a pulse on excite is 1500 ps, off the clock"),
        ([("excite", 0, 0)], 10_000, "length of a pulse on excite is 0"),
        ([("excite", -1000, 1000)], 10_000, "begin of a pulse on excite is -1000"),
        ([("excite", 0.0, 1000)], 10_000, "begin of a pulse on excite is 0.0"),
        ([("excite", True, 1000)], 10_000, "begin of a pulse on excite is True"),
        ([("excite", 9000, 2000)], 10_000, "a pulse on excite ends after the period"),
        ([], 10_500, "period_ps is 10500 ps, off the clock"),
        ([], 0, "period_ps is 0"),
        ([], float("nan"), "period_ps is nan"),
    ],
)
def test_row_07_and_08_what_the_unit_cannot_play_is_refused(pulses, period_ps, said):
    with pytest.raises(LimitError, match=said):
        steps(pulses, period_ps, OUTPUTS)


def test_more_steps_than_its_memory_has_are_refused(monkeypatch):
    monkeypatch.setattr("bellringer.drivers.timing.pulse_patterns.MOST_STEPS", 100)
    fifty = [("excite", 2000 * n, 1000) for n in range(50)]
    assert len(steps(fifty, 100_000, OUTPUTS)) == 100
    with pytest.raises(LimitError, match=r"101 steps a period(.|\n)*at most 100 fit its memory"):
        steps(fifty, 10**9 + 2**32 * 1000, OUTPUTS)
