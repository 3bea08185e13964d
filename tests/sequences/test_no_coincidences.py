"""A measurement whose recordings show no pairs says at once what to look at; its counts are honest, so it goes on."""

from types import SimpleNamespace

import numpy as np
from bellringer.sequences.acquisition import Acquisition
from bellringer.sequences.polarisation import note_missing_coincidences

NO_GAPS = np.zeros((0, 2), np.int64)


def acquisition(clock, alice=(1, 2, 3), bob=(4,)):
    clicks = [(np.array(each, np.int64), np.array([], np.int64)) for each in (alice, bob)]
    link = SimpleNamespace(coincidence_window=1e-9)
    reason = "" if clock else "no peak within 23 ms"
    return Acquisition(link, ("alice", "bob"), tuple(clicks), (0, 500_000_000_000), (NO_GAPS, NO_GAPS), clock, reason)


def notes(*acquisitions):
    found = []
    note_missing_coincidences(SimpleNamespace(note=found.append), {n: a for n, a in enumerate(acquisitions)}.values())
    return found


def test_one_recording_with_a_peak_is_enough():
    assert notes(acquisition(None), acquisition(SimpleNamespace(offset_ps=0))) == []


def test_without_any_it_says_what_each_end_saw_and_how_far_was_searched():
    (said,) = notes(acquisition(None), acquisition(None))
    assert said.startswith("NO COINCIDENCES between alice and bob in 2 recordings")
    assert "(alice 6 clicks/s, bob 2 clicks/s; no peak within 23 ms)" in said
    assert "bellringer doctor" in said
