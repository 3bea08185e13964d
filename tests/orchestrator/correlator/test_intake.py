"""What a correlator takes in of what agents publish: recordings pair by pair, and only tags of its own."""

import dataclasses

import numpy as np
import pytest
from bellringer.orchestrator.correlator import Correlator
from bellringer.orchestrator.correlator.intake import Intake
from bellringer.orchestrator.wire.messages import Event

S = 10**12
TAGGERS = ("alice.tagger", "bob.tagger")


@pytest.fixture
def intake(ends):
    return Intake(Correlator(ends), TAGGERS)


def published(end, recording, later_s=0):
    clock_map = dataclasses.replace(recording.clock_map, offset_ps=recording.clock_map.offset_ps + later_s * S)
    body = {
        "instrument": TAGGERS[end], "duration_ps": recording.duration_ps, "clock_map": vars(clock_map), "gaps_ps": [],
        "number": 1,
    }  # fmt: skip
    return end, Event(0, "tags", TAGGERS[end], 0, body), [recording.times_ps, recording.channels]


def test_recordings_of_one_time_are_a_pair_whichever_comes_first(intake, make_source):
    source = make_source()
    for order in ((0, 1), (1, 0)):
        first, second = (published(end, source.recording(end), later_s=100 * order[0]) for end in order)
        assert intake.take(*first) is None
        assert intake.take(*second)["state"] == "aligned"
    assert intake.unpaired == 0
    assert not intake.streaming, "results come with recordings now, not with time"


def test_recordings_of_different_times_are_no_pair(intake, make_source):
    source = make_source()
    alice, bob = source.recording(0), source.recording(1)
    assert intake.take(*published(0, alice)) is None
    assert intake.take(*published(1, bob, later_s=30)) is None
    assert intake.unpaired == 1
    assert intake.take(*published(1, bob, later_s=60)) is None
    assert intake.unpaired == 2
    assert intake.take(*published(0, alice, later_s=60))["state"] == "aligned"


@pytest.mark.parametrize(
    "change",
    [
        {"clock_map": {}},
        {"clock_map": None},
        {"gaps_ps": [1, 2, 3]},
        {"gaps_ps": "none"},
        {"duration_ps": None, "stream": "s"},
    ],
)
def test_what_is_malformed_is_counted_and_changes_nothing(intake, make_source, change):
    end, event, arrays = published(0, make_source().recording(0))
    body = {key: value for key, value in {**event.body, **change}.items() if value is not None}
    assert intake.take(end, Event(0, "tags", TAGGERS[0], 0, body), arrays) is None
    unsorted = [np.array([2, 1], np.int64), np.array([1, 1], np.uint8)]
    for tags in ([], unsorted, [arrays[0], arrays[1][:-1]], [arrays[0].astype(float), arrays[1]]):
        assert intake.take(end, event, tags) is None
    assert intake.malformed == 5
    assert intake.streaming


def test_other_taggers_and_ends_of_older_streams_are_passed_over(intake, make_source):
    _, event, arrays = published(0, make_source().recording(0))
    assert intake.take(1, event, arrays) is None
    intake.take(0, Event(0, "stream_ended", TAGGERS[0], 0, {"instrument": TAGGERS[0], "stream": "x", "why": "y"}), [])
    assert (intake.malformed, intake.unpaired, intake.correlator.state) == (0, 0, "waiting")
