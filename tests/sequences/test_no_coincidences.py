"""A measurement whose recordings show no pairs ends there, and says what to look at."""

from types import SimpleNamespace

import numpy as np
import pytest
from bellringer.sequences.acquisition import Acquisition
from bellringer.sequences.polarisation import need_coincidences
from bellringer.testbed.errors import InstrumentError

NO_GAPS = np.zeros((0, 2), np.int64)


def acquisition(clock, alice=(1, 2, 3), bob=(4,)):
    clicks = [(np.array(each, np.int64), np.array([], np.int64)) for each in (alice, bob)]
    link = SimpleNamespace(coincidence_window=1e-9)
    reason = "" if clock else "no peak within 23 ms"
    return Acquisition(link, ("alice", "bob"), tuple(clicks), (0, 500_000_000_000), (NO_GAPS, NO_GAPS), clock, reason)


def test_one_recording_with_a_peak_is_enough():
    need_coincidences([acquisition(None), acquisition(SimpleNamespace(offset_ps=0))])


def test_without_any_the_error_says_what_each_end_saw_and_how_far_was_searched():
    with pytest.raises(InstrumentError, match="between alice and bob in any of 2 recordings") as caught:
        need_coincidences({"HV": acquisition(None), "DA": acquisition(None)}.values())
    assert caught.value.where == "alice 6 clicks/s, bob 2 clicks/s; no peak within 23 ms"
    assert "bellringer doctor" in caught.value.hint
