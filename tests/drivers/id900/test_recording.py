"""The order of a recording, as the instrument wants it, and its start."""

import json
from typing import Any

import numpy as np
import pytest
from bellringer.drivers.time_taggers.id900 import Id900
from bellringer.testbed.errors import InstrumentError, LimitError

from .far_ends import MS, PERIOD, WIDTH, Rack, packed, start_stream, unopened


def test_a_recording_in_the_order_the_instrument_wants(rack: Rack, unit: Id900) -> None:
    rack.messages = {1: [packed(10, 2000), b""], 3: [packed(1999, 2000), packed(5)]}
    rack.replies["REC:STAG?"] = ["PLAYING", "PLAYing", "Idle"]
    recording = unit.record(1.0, [1, 3])
    assert rack.log == [
        "list",
        "DEVI:SYNC?",
        "REC:TRIG:ARM:MODE MANU",
        "REC:ENAB ON",
        "REC:STOP",
        "REC:NUM 2",
        "REC:PWID 500000000000;PPER 500000040000",
        "RAW1:ERRO:CLEA",
        start_stream(rack, 1),
        "RAW1:SEND ON",
        "RAW3:ERRO:CLEA",
        start_stream(rack, 3),
        "RAW3:SEND ON",
        "REC:PLAY",
        "REC:STAG?",
        "REC:STAG?",
        "REC:STAG?",
        "status --id 127.0.0.1:5556",
        "status --id 127.0.0.1:5558",
        "RAW1:SEND OFF",
        "stop --id 127.0.0.1:5556",
        "RAW1:ERRO?",
        "RAW3:SEND OFF",
        "stop --id 127.0.0.1:5558",
        "RAW3:ERRO?",
    ]
    assert recording.times_ps.tolist() == [10, 1999, 2000, 2000, PERIOD + 5]
    assert recording.channels.tolist() == [1, 3, 1, 3, 3]
    assert (recording.times_ps.dtype, recording.channels.dtype) == (np.int64, np.uint8)
    assert recording.duration_ps == 10**12
    assert recording.gaps_ps.tolist() == [[WIDTH, PERIOD]]


def test_a_short_recording_is_one_sub_acquisition_without_gaps(rack: Rack, unit: Id900) -> None:
    rack.messages = {2: [packed(19_999_999, 20_000_000)]}
    recording = unit.record(20e-6, [2])
    assert "REC:NUM 1" in rack.log
    assert "REC:PWID 20000000;PPER 20040000" in rack.log
    assert recording.times_ps.tolist() == [19_999_999]
    assert recording.gaps_ps.shape == (0, 2)


def test_recordings_follow_each_other_on_the_same_ports(rack: Rack, unit: Id900) -> None:
    for number in range(3):
        rack.messages = {1: [packed(number)], 2: [b""]}
        assert unit.record(0.3, [1, 2]).times_ps.tolist() == [number]


def test_no_tags_at_all_are_an_empty_recording(rack: Rack, unit: Id900) -> None:
    rack.messages = {4: [b"", b"", b""]}
    recording = unit.record(1.5, [4])
    assert recording.times_ps.shape == recording.channels.shape == (0,)
    assert recording.duration_ps == 1_500_000_000_000


@pytest.mark.parametrize(("reference", "rate_uncertainty"), [("INTERNAL", 5e-6), ("EXTERNAL", 1e-9)])
def test_the_clock_map_covers_round_trip_start_latency_and_the_hosts_clock(
    rack: Rack, unit: Id900, reference: str, rate_uncertainty: float
) -> None:
    rack.replies["DEVI:SYNC?"] = reference
    rack.messages = {1: [b""]}
    unit.clock.reply_s = 0.004
    played_ps: list[int] = []
    rack.on_play = lambda: played_ps.append(unit.clock.now_ps())
    clock_map = unit.record(0.1, [1]).clock_map
    assert clock_map.offset_ps == played_ps[0] + 2 * MS
    assert clock_map.uncertainty_ps == (3 + 2 + 5) * MS
    assert (clock_map.rate, clock_map.rate_uncertainty) == (0.0, rate_uncertainty)
    assert (clock_map.source, clock_map.locked) == ("host clock", True)


def test_a_recording_starts_at_the_hardware_time_asked_for(rack: Rack, unit: Id900) -> None:
    rack.messages = {1: [b""]}
    start_ps = unit.clock.now_ps() + 7_123_456_789_012
    assert unit.record(0.1, [1], start_ps=start_ps).clock_map.offset_ps == start_ps


def test_a_start_that_is_past_is_refused_before_anything_is_sent(rack: Rack, unit: Id900) -> None:
    with pytest.raises(InstrumentError, match=r"should have started 0\.004 s ago"):
        unit.record(0.1, [1], start_ps=unit.clock.now_ps() - 4 * MS)
    assert rack.log == []


def test_a_start_that_passes_while_arming_is_refused_and_nothing_is_played(rack: Rack, unit: Id900) -> None:
    unit.clock.reply_s = 0.01
    with pytest.raises(InstrumentError, match="should have started"):
        unit.record(0.1, [1], start_ps=unit.clock.now_ps() + 20 * MS)
    assert "REC:PLAY" not in rack.log
    assert rack.log[-3:] == ["REC:STOP", "RAW1:SEND OFF", "stop --id 127.0.0.1:5556"]


@pytest.mark.parametrize(
    ("duration_s", "channels"),
    [
        (0.0, [1]), (-1.0, [1]), (float("nan"), [1]), (float("inf"), [1]), (3601.0, [1]), (True, [1]), ("1 s", [1]),
        (1.0, []), (1.0, [0]), (1.0, [5]), (1.0, [1, 1]), (1.0, [1.0]), (1.0, [True]),
    ],
)  # fmt: skip
def test_a_recording_the_instrument_cannot_make_is_refused_before_anything_is_sent(
    rack: Rack, unit: Id900, duration_s: Any, channels: Any
) -> None:
    with pytest.raises(LimitError):
        unit.record(duration_s, channels)
    assert rack.log == []


def test_leftovers_of_this_instrument_are_stopped_and_others_left_alone(rack: Rack, unit: Id900) -> None:
    rack.left_over = ["127.0.0.1:5557", "127.0.0.12:5556", "169.254.99.104:5556", "acquisition7"]
    rack.replies["stop --id acquisition7"] = json.dumps(
        {"status": {"acquisitions_count": 0, "timestamps_count": 0, "inactivity": 99.5, "errors": []}}
    )
    rack.messages = {1: [b""]}
    unit.record(0.1, [1])
    assert rack.log[:4] == ["list", "stop --id 127.0.0.1:5557", "stop --id acquisition7", "DEVI:SYNC?"]


def test_the_service_is_told_the_address_it_knows_the_instrument_by(rack: Rack) -> None:
    rack.messages = {1: [b""]}
    with unopened(rack, dlt_address="169.254.99.104") as unit:
        unit.record(0.1, [1])
    assert any(each.startswith("start-stream --address 169.254.99.104 --channel 1 ") for each in rack.log)
