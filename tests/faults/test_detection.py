"""Rows 17, 18 and 24: a tagger that loses tags or mixes them up, and detectors that are blind.

Drivers on a simulated lab in step with the wall. Dark counts are the signal: 20 000 a second at each detector.
"""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from bellringer.drivers import open_instrument
from bellringer.sim_backends.lab.build import build_lab, endpoints
from bellringer.testbed.errors import OverflowDetected, ProtocolError
from bellringer.testbed.loader import load

EXAMPLE = Path(__file__).parents[2] / "examples" / "bell_three_node.yaml"
DARK = {
    "alice.detectors.model.dark_rate": "20 kHz",
    "alice.detectors.model.dead_time": "30 us",
    "alice.tagger.model.start_latency": "1 ms",
}
RATE = 20e3 / (1 + 20e3 * 30e-6)
"""Clicks per second of a detector that is dead for 30 us after each: Poisson, non-paralysable."""
SECONDS = 0.3
SIGMAS = 6


class Lab:
    """The lab, its thread, and drivers opened in it."""

    def __init__(self):
        self.lab = build_lab(load(EXAMPLE, DARK).testbed, 1)
        self.bias(20e-6)
        self.detectors.enabled.set(0, 1.0)
        self._thread = threading.Thread(target=self.lab.run)
        self._thread.start()

    @property
    def detectors(self):
        return self.lab.twins["alice.detectors"]

    @property
    def tagger(self):
        return self.lab.twins["alice.tagger"]

    def bias(self, current):
        for trace in self.detectors.bias:
            trace.set(self.lab.now_ps, current)

    def opened(self, driver, name):
        at = endpoints(self.lab)[name]
        return open_instrument(driver, at["resource"], name=name, **at["options"])

    def close(self):
        self.lab.stop()
        self._thread.join()


@pytest.fixture(scope="module")
def lab():
    lab = Lab()
    try:
        yield lab
    finally:
        lab.close()


@pytest.fixture
def tagger(lab):
    with lab.opened("id900", "alice.tagger") as instrument:
        instrument.resolution = "HIRES"
        yield instrument


def is_whole(recording, channels=(1, 2)):
    """Assert that a recording has as many tags as the detectors make, in order; seed 1, 6 sigma of Poisson at most."""
    for channel in channels:
        clicks = int(np.sum(recording.channels == channel))
        assert abs(clicks - RATE * SECONDS) < SIGMAS * (RATE * SECONDS) ** 0.5, clicks
    assert np.all(np.diff(recording.times_ps) >= 0)


def test_row_17_lost_tags_void_the_recording_and_the_next_one_is_whole(lab, tagger):
    is_whole(tagger.record(SECONDS, [1, 2]))
    lab.tagger.own_fault("overflow")
    with pytest.raises(OverflowDetected) as caught:
        tagger.record(SECONDS, [1, 2])
    assert "alice.tagger" in caught.value.where
    assert caught.value.hint
    assert not tagger.is_recording()
    is_whole(tagger.record(SECONDS, [1, 2]))


def read_on(tagger):
    """Read a stream until it ends in an error."""
    while True:
        tagger.read_stream(1.0)


def test_row_17_lost_tags_end_a_stream_and_the_next_one_is_whole(lab, tagger):
    lab.tagger.own_fault("overflow")
    tagger.start_stream([1])
    with pytest.raises(OverflowDetected):
        read_on(tagger)
    tagger.start_stream([1])
    block = tagger.read_stream(1.0)
    tagger.stop_stream()
    assert block.begin_ps == 0, "nothing of the old one"
    assert np.all(np.diff(block.times_ps) >= 0)


SPOILT = {
    "out of order": (lambda times: times[::-1], "do not ascend"),
    "a rollover": (
        lambda times: np.concatenate([times[: times.size // 2], times[times.size // 2 :] - 10**9]),
        "ascend",
    ),
    "before the beginning": (lambda times: np.concatenate([[-1], times]), "later than its end"),
    "after the end": (lambda times: np.concatenate([times, [10**15]]), "later than its end"),
}
"""What a tagger sends instead of its tags, and why that cannot be: 1 ps before zero is 2**64 - 1 on the wire."""


@pytest.mark.parametrize("how", SPOILT)
def test_row_18_tags_that_cannot_be_are_refused_and_never_sorted_silently(lab, tagger, monkeypatch, how):
    spoil, why = SPOILT[how]
    service = lab.tagger.datalink
    deliver = service.deliver
    monkeypatch.setattr(
        service, "deliver", lambda channel, times, index: deliver(channel, *longer(spoil(times), index))
    )
    with pytest.raises(ProtocolError, match=why) as caught:
        tagger.record(SECONDS, [1])
    assert "alice.tagger" in caught.value.where
    monkeypatch.undo()
    is_whole(tagger.record(SECONDS, [1]), [1])


def longer(times, index):
    """Return times with as many indices."""
    return times, np.resize(index, times.size)


def test_row_18_tags_of_the_same_instant_are_all_kept(lab, tagger, monkeypatch):
    service = lab.tagger.datalink
    deliver = service.deliver

    def twice(channel, times, index):
        deliver(channel, np.repeat(times, 2), np.repeat(index, 2))

    monkeypatch.setattr(service, "deliver", twice)
    recording = tagger.record(SECONDS, [1])
    assert recording.times_ps.size % 2 == 0
    assert np.array_equal(recording.times_ps[::2], recording.times_ps[1::2])
    assert abs(recording.times_ps.size - 2 * RATE * SECONDS) < 2 * SIGMAS * (RATE * SECONDS) ** 0.5


def test_row_24_latched_detectors_and_saturation_show_in_the_count_rates(lab):
    """Rates over 0.1 s; seed 1, 6 sigma of Poisson at most."""
    with lab.opened("websq", "alice.detectors") as detectors:
        detectors.measurement_period = 0.1
        well = detectors.count_rates()
        assert all(abs(rate - RATE) < SIGMAS * (RATE / 0.1) ** 0.5 for rate in well), well
        assert all(rate < 1 / 30e-6 for rate in well), "no detector clicks faster than its dead time allows"
        lab.bias(35e-6)
        assert detectors.count_rates() == [0.0, 0.0], "latched wires count nothing, not even dark counts"
        lab.bias(20e-6)
        assert all(rate > RATE / 2 for rate in detectors.count_rates())


def test_row_24_counts_add_up_without_waiting_and_stand_still_when_detectors_latch(lab):
    """Of what was counted in half a second and more; seed 1, 6 sigma of Poisson at most."""
    with lab.opened("websq", "alice.detectors") as detectors:
        detectors.measurement_period = 0.1
        detectors.enable()

        def counted(seconds):
            """Look often, until so much more was counted, and return how much it was."""
            before = detectors.counted()
            while (now := detectors.counted()).live_s < before.live_s + seconds:
                time.sleep(0.01)
            assert now.enabled
            return now.live_s - before.live_s, [b - a for a, b in zip(before.clicks, now.clicks)]

        live_s, clicks = counted(0.5)
        assert all(abs(each - RATE * live_s) < SIGMAS * (RATE * live_s) ** 0.5 for each in clicks), (live_s, clicks)
        lab.bias(35e-6)
        counted(0.3)
        assert counted(0.5)[1] == [0, 0]
        lab.bias(20e-6)
