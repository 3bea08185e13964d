"""Detectors at the agent: judged by what they counted, no time left out, never latched for being switched off."""

from pathlib import Path

import numpy as np
import pytest
from bellringer.drivers.interfaces import Counted
from bellringer.orchestrator.agent.detectors import LATE_S, LOOK_S, PATIENCE_S, Channel, Detectors
from bellringer.orchestrator.heralding.conditions import DetectorLimits
from bellringer.orchestrator.heralding.watched import detectors_of
from bellringer.orchestrator.wire.messages import Refusal, Reply
from bellringer.testbed.loader import load

from .answering import Child

FILE = Path(__file__).parents[2] / "data" / "memory_link.yaml"
LIMITS = DetectorLimits(dark_hz=10.0, dead_time_s=50e-9, most_lost=0.1, most_dark=2.0)
NAMES = ("detector charlie.detectors.1", "detector charlie.detectors.2")


class Counting:
    """A channel that counts at a rate that the test sets, looked at once a second."""

    def __init__(self):
        self.channel, self.live_s, self.clicks = Channel(LIMITS), 0.0, 0
        self.look(0, 0.0)

    def look(self, clicks, seconds=1.0, *, enabled=True, lit=False):
        self.live_s, self.clicks = self.live_s + seconds, self.clicks + clicks
        self.channel.take(self.live_s, self.clicks, enabled=enabled, lit=lambda within_s: lit)
        return self.channel.why


def test_row_24_a_detector_is_latched_only_when_it_was_silent_for_21_dark_counts_altogether():
    one = Counting()
    assert [one.look(0) for _ in range(2)] == ["", ""], "20 dark counts: 2e-9 by chance"
    assert one.look(0) == "the detector is latched or blind: no click in 3 s, 30 dark counts were expected"
    assert one.channel.trips == 1
    assert one.look(9) == ""
    assert one.look(0) == ""
    assert one.channel.trips == 1


def test_row_24_a_jump_counts_in_the_dark_only_and_beyond_what_dark_counts_may_drift():
    one = Counting()
    assert one.look(45) == "", "twice the baseline may be: 1e-6 by chance"
    assert "jumped: 60 in 1 s, 10 were expected" in one.look(60)
    assert one.look(60, lit=True) == ""
    assert (one.look(10), one.channel.trips) == ("", 1)


def test_row_24_saturation_shows_with_light_on():
    one = Counting()
    assert one.look(1_900_000, lit=True) == ""
    assert "saturated" in one.look(2_100_000, lit=True)


def test_a_detector_that_is_switched_off_is_not_latched_and_gets_its_time_anew():
    one = Counting()
    for _ in range(100):
        assert one.look(0, enabled=False) == ""
    assert [one.look(0) for _ in range(2)] == ["", ""]
    one.look(0, enabled=False)
    assert [one.look(0) for _ in range(2)] == ["", ""]
    assert one.channel.trips == 0


def test_a_latched_detector_is_not_well_because_it_was_switched_off_and_on():
    one = Counting()
    one.look(0, 5.0)
    for enabled in (False, False, True, True):
        assert "latched" in one.look(0, enabled=enabled)
    assert one.look(5) == ""
    assert one.channel.trips == 1


def test_a_driver_process_that_began_anew_says_nothing_at_first():
    one = Counting()
    one.look(100, 10.0)
    one.live_s = one.clicks = 0
    assert one.look(0, 8.0) == ""
    assert one.look(3) == ""
    one.look(200, 10.0)
    one.live_s = one.clicks = 0
    assert one.look(180, 25.0) == "", "nor if it has counted for longer already, but less"
    assert one.channel.trips == 0


def test_no_new_counts_change_nothing():
    one = Counting()
    one.look(0, 2.0)
    assert one.look(0, 0.0) == ""
    assert "latched" in one.look(0, 0.2)
    assert "latched" in one.look(0, 0.0)


def test_what_cannot_be_read_is_unfit_until_it_is_read_and_a_trip_every_time():
    one = Counting()
    for trips in (1, 2):
        one.channel.unreadable("no answer")
        one.channel.unreadable("no answer")
        assert (one.channel.why, one.channel.trips) == ("the detector's clicks cannot be read: no answer", trips)
        assert one.look(10) == ""


# --- asking ---------------------------------------------------------------------------------------------------------


class Node:
    def __init__(self, lockstep=False):
        self.child, self.attempting, self.now_s = Child(), False, 0.0
        watched = detectors_of(load(FILE).testbed)
        children = {"charlie.detectors": self.child}
        self.detectors = Detectors(watched, children, lambda: self.attempting, lockstep)
        self.live_s, self.clicks = 0.0, [0, 0]

    def turn(self, seconds=0.0625):
        self.now_s += seconds
        self.detectors.turn(self.now_s)

    def answer(self, *new, enabled=True):
        self.live_s += LOOK_S
        self.clicks = [total + count for total, count in zip(self.clicks, new)]
        self.child.asked.pop(0)(Reply(0, Counted(self.live_s, np.array(self.clicks), enabled)))

    def look(self, *new, enabled=True):
        """Let half a second pass, and answer."""
        for _ in range(8):
            self.turn()
        self.answer(*new, enabled=enabled)

    @property
    def why(self):
        return [each.why for each in self.detectors.watched()]


@pytest.fixture
def node():
    node = Node()
    node.turn()
    node.answer(0, 0)
    return node


def test_both_channels_of_the_station_are_told_by_name(node):
    assert [each.name for each in node.detectors.watched()] == list(NAMES)
    assert node.why == ["", ""]


def test_row_24_the_channel_that_latches_is_named_and_its_trip_counted(node):
    for _ in range(6):
        node.look(5, 0)
    assert "latched or blind: no click in 3 s" in node.why[1]
    assert [(bool(each.why), each.trips) for each in node.detectors.watched()] == [(False, 0), (True, 1)]


def test_light_counts_as_on_until_counts_of_it_can_have_come(node):
    node.attempting = True
    node.look(500, 500)
    assert node.why == ["", ""]
    node.attempting = False
    lit_looks = round((LATE_S + LOOK_S) / LOOK_S)
    for _ in range(lit_looks - 1):
        node.look(500, 500)
        assert node.why == ["", ""]
    node.look(500, 500)
    node.look(500, 500)
    assert all("jumped" in why for why in node.why)


def test_attempts_that_began_between_question_and_answer_are_light_too(node):
    for _ in range(8):
        node.turn()
    node.attempting = True
    node.answer(500, 500)
    assert node.why == ["", ""]


def test_where_nobody_knows_whether_attempts_are_made_many_clicks_are_no_jump(node):
    node.attempting = None
    node.look(500, 500)
    assert node.why == ["", ""]


def test_who_does_not_answer_in_time_is_unfit_and_one_refusal_alone_is_not(node):
    for _ in range(8):
        node.turn()
    node.child.asked.pop(0)(Refusal(0, "ProtocolError", "nonsense came"))
    assert node.why == ["", ""]
    while node.now_s < PATIENCE_S + 1.0:
        node.turn()
        for answer in node.child.asked:
            answer(Refusal(0, "ProtocolError", "nonsense came"))
        node.child.asked.clear()
    assert node.why == ["the detector's clicks cannot be read: nonsense came"] * 2
    for _ in range(8):
        node.turn()
    node.answer(5, 5)
    assert node.why == ["", ""]


def test_silence_is_unfit_but_not_while_all_is_made_dark(node):
    node.child.darkening = True
    node.turn(10.0)
    node.child.darkening = False
    node.turn(0.1)
    assert node.why == ["", ""]
    node.turn(PATIENCE_S + 0.1)
    assert node.why == [f"the detector's clicks cannot be read: no answer for {PATIENCE_S:g} s"] * 2
    assert len(node.child.asked) == 1, "it is not asked again before it has answered"


def test_an_instrument_with_fewer_detectors_than_the_file_says_is_unfit(node):
    for _ in range(8):
        node.turn()
    node.child.asked.pop(0)(Reply(0, Counted(1.0, np.array([5]), True)))
    assert node.why == ["", "the detector's clicks cannot be read: the instrument has 1 detectors"]


def test_in_lockstep_nothing_is_asked():
    node = Node(lockstep=True)
    node.turn(10.0)
    assert (node.child.asked, node.why) == ([], ["", ""])
