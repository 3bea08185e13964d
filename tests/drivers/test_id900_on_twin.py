"""The ID900's continuous stream against the simulated instrument, both in step with the wall."""

import itertools
import threading
from pathlib import Path

import numpy as np
import pytest
from bellringer.drivers import open_instrument
from bellringer.sim_backends.lab.build import build_lab, endpoints
from bellringer.testbed.loader import load

EXAMPLE = Path(__file__).parents[2] / "examples" / "bell_three_node.yaml"
DARK = {"alice.detectors.model.dark_rate": "20 kHz", "alice.tagger.model.start_latency": "1 ms"}


@pytest.fixture
def tagger():
    lab = build_lab(load(EXAMPLE, DARK).testbed, 1)
    detectors = lab.twins["alice.detectors"]
    detectors.enabled.set(0, 1.0)
    for bias in detectors.bias:
        bias.set(0, 20e-6)
    thread = threading.Thread(target=lab.run)
    thread.start()
    at = endpoints(lab)["alice.tagger"]
    try:
        with open_instrument("id900", at["resource"], name="alice.tagger", **at["options"]) as instrument:
            instrument.resolution = "HIRES"
            yield instrument
    finally:
        lab.stop()
        thread.join()


def test_tags_come_while_it_records_without_a_break_and_recordings_go_on_after(tagger):
    clock_map = tagger.start_stream([1, 2])
    assert abs(clock_map.offset_ps - tagger.clock.now_ps()) < 5 * 10**11
    began_s = tagger.clock.monotonic_s()
    blocks = []
    while not blocks or blocks[-1].end_ps < 10**12:
        blocks.append(tagger.read_stream(1.0))
    assert tagger.clock.monotonic_s() - began_s < 5.0
    assert blocks[0].begin_ps == 0
    assert blocks[0].end_ps < 10**12, "the first tags come before the last ones are made"
    for before, block in itertools.pairwise(blocks):
        assert block.begin_ps == before.end_ps
        assert np.all((block.times_ps >= block.begin_ps) & (block.times_ps < block.end_ps))
        assert np.all(np.diff(block.times_ps) >= 0)
    clicks = [sum(int(np.sum(block.channels == channel)) for block in blocks) for channel in (1, 2)]
    expected = 20e3 * blocks[-1].end_ps * 1e-12
    assert all(abs(count - expected) < 6 * expected**0.5 for count in clicks), "dark counts; 6 sigma, seed 1"
    tagger.stop_stream()
    assert not tagger.is_recording()
    assert abs(tagger.record(0.3, [1]).times_ps.size - 6000) < 6 * 6000**0.5
