"""Every way a recording can turn out not to be whole."""

import contextlib
import json
from collections import deque
from typing import Any

import pytest
from bellringer.drivers.time_taggers.id900 import Id900
from bellringer.drivers.time_taggers.id900_recording import StreamedRecording
from bellringer.drivers.time_taggers.sub_acquisitions import Plan
from bellringer.drivers.transports import ZmqStream
from bellringer.testbed.clock import Line
from bellringer.testbed.errors import Aborted, InstrumentError, OverflowDetected, ProtocolError, TransportTimeout

from .far_ends import LOST, PERIOD, Rack, RackClock, packed, start_stream

STOPPED = ["REC:STOP", "RAW1:SEND OFF", "stop --id 127.0.0.1:5556"]


def record_and_fail(unit: Id900, error: type[BaseException], match: str) -> str:
    """Record input 1 for 1 s, expect ``error``, and return its text."""
    with pytest.raises(error, match=match) as caught:
        unit.record(1.0, [1])
    return str(caught.value)


@pytest.mark.parametrize("errors", [[{"description": "Overflow: timestamps lost"}], ["Overflow: timestamps lost"]])
def test_losses_the_service_reports_void_the_recording_and_everything_is_stopped(
    rack: Rack, unit: Id900, errors: list[Any]
) -> None:
    rack.messages = {1: [packed(1), packed(2)]}
    rack.errors = {1: errors}
    text = record_and_fail(unit, OverflowDetected, "tags of input 1 were lost: Overflow: timestamps lost")
    assert "attenuate" in text
    assert rack.log[-3:] == STOPPED
    rack.errors = {}
    assert unit.record(1.0, [1]).times_ps.tolist() == [1, PERIOD + 2]


def test_losses_while_not_everything_has_come_are_reported_as_losses(rack: Rack, unit: Id900) -> None:
    rack.messages = {1: [packed(1)]}
    rack.errors = {1: ["buffer overflow"]}
    record_and_fail(unit, OverflowDetected, "buffer overflow")
    assert rack.log[-3:] == STOPPED


def test_losses_in_the_final_status_void_the_recording(rack: Rack, unit: Id900) -> None:
    rack.messages = {1: [packed(1), packed(2)]}
    final = {"acquisitions_count": 2, "timestamps_count": 2, "inactivity": 0, "error": {"description": "late overflow"}}
    rack.replies["stop --id 127.0.0.1:5556"] = json.dumps({"status": final})
    record_and_fail(unit, OverflowDetected, "late overflow")
    assert rack.log[-1] == "REC:STOP"


def test_errors_the_instrument_counts_void_the_recording(rack: Rack, unit: Id900) -> None:
    rack.messages = {1: [packed(1), packed(2)]}
    rack.replies["RAW1:ERRO?"] = "3"
    record_and_fail(unit, OverflowDetected, "the instrument counts 3 errors")


def test_a_transfer_that_never_ends_is_given_up(rack: Rack, unit: Id900) -> None:
    rack.messages = {1: [packed(1)]}
    before_s = unit.clock.monotonic_s()
    record_and_fail(unit, InstrumentError, "only 1 of 2 sub-acquisitions of input 1")
    assert unit.clock.monotonic_s() - before_s < 20
    assert rack.log[-3:] == STOPPED


def test_ten_seconds_of_silence_end_the_wait_for_a_long_recording(rack: Rack, unit: Id900) -> None:
    silent = {"acquisitions_count": 1, "timestamps_count": 1, "inactivity": 70.5, "errors": []}
    rack.replies["status --id 127.0.0.1:5556"] = json.dumps(silent)
    before_s = unit.clock.monotonic_s()
    with pytest.raises(InstrumentError, match="only 1 of 120 sub-acquisitions"):
        unit.record(60.0, [1])
    assert 70 <= unit.clock.monotonic_s() - before_s < 72


def test_silence_before_a_late_start_does_not_count_as_silence_of_the_transfer(rack: Rack, unit: Id900) -> None:
    rack.messages = {1: [packed(3)]}
    waiting = {"acquisitions_count": 0, "timestamps_count": 0, "inactivity": 60.5, "errors": []}
    rack.replies["status --id 127.0.0.1:5556"] = [json.dumps(waiting)] * 20 + [
        json.dumps(rack.status("127.0.0.1:5556"))
    ]
    start_ps = unit.clock.now_ps() + 60 * 10**12
    assert unit.record(0.3, [1], start_ps=start_ps).times_ps.tolist() == [3]


def test_a_message_that_never_comes_is_noticed(rack: Rack, unit: Id900) -> None:
    rack.messages = {1: [packed(1)]}
    arrived = {"acquisitions_count": 2, "timestamps_count": 1, "inactivity": 0.1, "errors": []}
    rack.replies["status --id 127.0.0.1:5556"] = json.dumps(arrived)
    record_and_fail(unit, InstrumentError, "only 1 of 2 sub-acquisitions of input 1")
    assert rack.log[-3:] == STOPPED


def test_a_message_too_many_is_never_guessed_away(rack: Rack, unit: Id900) -> None:
    rack.messages = {1: [packed(1), packed(2), packed(3)]}
    record_and_fail(unit, ProtocolError, "no whole recording")


def test_tags_must_add_up_to_what_the_service_counted(rack: Rack, unit: Id900) -> None:
    rack.messages = {1: [packed(1), packed(2)]}
    rack.counted_more = 1
    record_and_fail(unit, ProtocolError, "2 time stamps came, the service counted 3")


def test_tags_out_of_order_are_never_sorted_silently(rack: Rack, unit: Id900) -> None:
    rack.messages = {1: [packed(2, 1), b""]}
    record_and_fail(unit, ProtocolError, "do not ascend")


def test_messages_of_an_earlier_recording_are_thrown_away_before_the_start(rack: Rack, unit: Id900) -> None:
    class Stale(ZmqStream):
        """A stream on which something waits before the recording begins."""

        waiting = deque([packed(9, 10, 11)])

        def has_input(self, slice_s: float) -> bool:
            return bool(self.waiting) or super().has_input(slice_s)

        def receive(self, timeout_s: float) -> bytes:
            return self.waiting.popleft() if self.waiting else super().receive(timeout_s)

    rack.messages = {1: [packed(7), packed(8)]}
    streams: dict[int, ZmqStream] = {1: Stale(f"zmq://127.0.0.1:{rack.streams[1].port}", unit.clock)}
    plan = Plan.covering(10**12)
    recording = StreamedRecording(unit, unit._datalink, streams, "127.0.0.1", plan).run(None)
    assert recording.times_ps.tolist() == [7, PERIOD + 8]


def test_a_recorder_that_does_not_end_is_stopped(rack: Rack, unit: Id900) -> None:
    rack.messages = {1: [packed(1), packed(2)]}
    rack.replies["REC:STAG?"] = "PLAYING"
    record_and_fail(unit, InstrumentError, "still recording")
    assert rack.log[-3:] == STOPPED


def test_a_missing_service_is_named(rack: Rack, unit: Id900) -> None:
    rack.replies["list"] = LOST
    text = record_and_fail(unit, TransportTimeout, "no answer to 'list'")
    assert "start DataLinkTargetService" in text


@pytest.mark.parametrize(
    ("command", "reply", "error", "match"),
    [
        ("list", "hello", ProtocolError, "expected JSON"),
        ("list", '{"acquisitions": 0}', ProtocolError, "expected a list"),
        ("list", "[1]", ProtocolError, "expected a list"),
        ("list", '{"error": {"description": "bad day"}}', InstrumentError, "'list' failed: bad day"),
        ("start-stream", "{}", ProtocolError, "expected an id"),
        ("start-stream", '{"error": {"description": "no route"}}', InstrumentError, "no route"),
        ("status --id 127.0.0.1:5556", "{}", ProtocolError, "expected the status"),
        ("status --id 127.0.0.1:5556", '{"error": {"description": "unknown id"}}', InstrumentError, "unknown id"),
        ("stop --id 127.0.0.1:5556", '{"status": null}', ProtocolError, "expected the status"),
    ],
)
def test_what_the_service_cannot_mean_ends_the_recording(
    rack: Rack, unit: Id900, command: str, reply: str, error: type[Exception], match: str
) -> None:
    rack.messages = {1: [packed(1), packed(2)]}
    rack.replies[start_stream(rack, 1) if command == "start-stream" else command] = reply
    record_and_fail(unit, error, match)
    assert "REC:STOP" in rack.log[-3:]


def test_an_empty_list_of_acquisitions_may_be_an_empty_reply(rack: Rack, unit: Id900) -> None:
    rack.replies["list"] = ""
    rack.messages = {1: [packed(5)]}
    assert unit.record(0.1, [1]).times_ps.tolist() == [5]


def test_a_lost_reply_in_the_middle_stops_everything_and_the_next_recording_works(rack: Rack, unit: Id900) -> None:
    rack.messages = {1: [packed(1), packed(2)]}
    rack.replies["REC:STAG?"] = [LOST, "IDLE"]
    record_and_fail(unit, TransportTimeout, r"no answer to 'REC:STAG\?'")
    assert rack.log[-3:] == STOPPED
    assert unit.record(1.0, [1]).times_ps.tolist() == [1, PERIOD + 2]


def test_what_cannot_be_stopped_is_noted_on_the_error(rack: Rack, unit: Id900) -> None:
    rack.messages = {1: [packed(1), packed(2)]}
    rack.errors = {1: ["overflow"]}
    rack.replies["stop --id 127.0.0.1:5556"] = LOST
    with pytest.raises(OverflowDetected) as caught:
        unit.record(1.0, [1])
    assert "no answer to 'stop --id 127.0.0.1:5556'" in caught.value.__notes__[0]


@pytest.mark.parametrize("abort_cuts_replies_short", [False, True])
def test_an_aborted_recording_is_stopped_although_the_run_is_aborted(
    rack: Rack, unit: Id900, monkeypatch: pytest.MonkeyPatch, abort_cuts_replies_short: bool
) -> None:
    def checked(line: Line, timeout_s: float) -> bool:
        came = RackClock.wait_readable(unit.clock, line, timeout_s)  # type: ignore[arg-type]
        unit.clock.check_aborted()
        return came

    if abort_cuts_replies_short:
        monkeypatch.setattr(unit.clock, "wait_readable", checked)
    rack.messages = {1: [packed(1), packed(2)]}
    rack.on_play = unit.clock.abort
    record_and_fail(unit, Aborted, "aborted")
    assert rack.log[-3:] == STOPPED


@pytest.mark.parametrize("errors", [[], ["overflow"]])
def test_the_streams_are_closed_after_success_and_failure(rack: Rack, unit: Id900, errors: list[str]) -> None:
    streams: dict[int, ZmqStream] = {1: ZmqStream(f"zmq://127.0.0.1:{rack.streams[1].port}", unit.clock)}
    rack.messages, rack.errors = {1: [packed(7), packed(8)]}, {1: errors}
    recording = StreamedRecording(unit, unit._datalink, streams, "127.0.0.1", Plan.covering(10**12))
    with pytest.raises(OverflowDetected) if errors else contextlib.nullcontext():
        recording.run(None)
    assert not streams[1].is_open
