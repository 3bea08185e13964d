"""A stream: blocks without an end, and every way it ends."""

from typing import Any

import pytest
from bellringer.drivers.time_taggers.id900 import Id900
from bellringer.testbed.clock import Line
from bellringer.testbed.errors import (
    Aborted,
    InstrumentError,
    LimitError,
    OverflowDetected,
    ProtocolError,
    TransportTimeout,
)

from .far_ends import LOST, Rack, packed, start_stream

STREAMED, STREAM_PERIOD = 200_000_000_000, 200_000_040_000


@pytest.fixture
def streaming(rack: Rack, unit: Id900) -> Id900:
    unit.start_stream([1, 3])
    rack.log.clear()
    return unit


def send(rack: Rack, channel: int, *messages: bytes) -> None:
    rack.messages.setdefault(channel, []).extend(messages)
    rack.streams[channel].output.extend([each] for each in messages)


def test_a_stream_is_sub_acquisitions_without_an_end(rack: Rack, unit: Id900) -> None:
    clock_map = unit.start_stream([1, 3])
    assert rack.log == [
        "list",
        "DEVI:SYNC?",
        "REC:TRIG:ARM:MODE MANU",
        "REC:ENAB ON",
        "REC:STOP",
        "REC:NUM INF",
        f"REC:PWID {STREAMED};PPER {STREAM_PERIOD}",
        "RAW1:ERRO:CLEA",
        start_stream(rack, 1),
        "RAW1:SEND ON",
        "RAW3:ERRO:CLEA",
        start_stream(rack, 3),
        "RAW3:SEND ON",
        "REC:PLAY",
    ]
    assert (clock_map.offset_ps, clock_map.source) == (unit.clock.now_ps(), "host clock")
    rack.log.clear()
    unit.stop_stream()
    stop = "stop --id 127.0.0.1:555"
    assert rack.log == ["REC:STOP", "RAW1:SEND OFF", f"{stop}6", "RAW3:SEND OFF", f"{stop}8"]
    unit.stop_stream()
    assert len(rack.log) == 5


def test_blocks_go_on_where_the_last_one_ended_and_hold_what_came_on_every_channel(
    rack: Rack, streaming: Id900
) -> None:
    send(rack, 1, packed(5, 9), packed(7))
    send(rack, 3, packed(8))
    first = streaming.read_stream(0.5)
    assert (first.begin_ps, first.end_ps) == (0, STREAM_PERIOD)
    assert (first.times_ps.tolist(), first.channels.tolist()) == ([5, 8, 9], [1, 3, 1])
    assert first.gaps_ps.tolist() == [[STREAMED, STREAM_PERIOD]]
    send(rack, 1, b"")
    send(rack, 3, packed(1), packed(2))
    parts = [streaming.read_stream(0.5)]  # ZeroMQ may hand over the last message a moment later
    while parts[-1].end_ps < 3 * STREAM_PERIOD:
        parts.append(streaming.read_stream(0.5))
    assert [part.begin_ps for part in parts] == [STREAM_PERIOD, *(part.end_ps for part in parts[:-1])]
    times = [time for part in parts for time in part.times_ps.tolist()]
    assert times == [STREAM_PERIOD + 1, STREAM_PERIOD + 7, 2 * STREAM_PERIOD + 2]
    assert sum(len(part.gaps_ps) for part in parts) == 2
    began_s = streaming.clock.monotonic_s()
    empty = streaming.read_stream(0.5)
    assert (empty.begin_ps, empty.end_ps, empty.times_ps.size) == (3 * STREAM_PERIOD, 3 * STREAM_PERIOD, 0)
    assert streaming.clock.monotonic_s() - began_s == pytest.approx(0.5)


def test_a_block_is_bounded_and_the_rest_comes_with_the_next(
    rack: Rack, streaming: Id900, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bellringer.drivers.time_taggers.id900_stream._MOST_BYTES", 40)
    for channel in (1, 3):
        send(rack, channel, packed(1, 2), packed(3), packed(*range(9)))
    sizes = []
    while (block := streaming.read_stream(0.1)).end_ps > block.begin_ps:
        sizes.append((round(block.begin_ps / STREAM_PERIOD), block.times_ps.size))
    assert sizes == [(0, 4), (1, 2), (2, 18)]


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ({"errors": {1: [{"description": "overflow"}]}}, OverflowDetected),
        ({"replies": {"RAW3:ERRO?": "2"}}, OverflowDetected),
        ({"message": packed(9, 3)}, ProtocolError),
        ({"message": packed(STREAM_PERIOD)}, ProtocolError),
        ({"replies": {"status --id 127.0.0.1:5556": LOST}}, TransportTimeout),
    ],
)
def test_whatever_is_wrong_ends_the_stream(
    rack: Rack, streaming: Id900, what: dict[str, Any], error: type[Exception]
) -> None:
    rack.errors |= what.get("errors", {})
    rack.replies |= what.get("replies", {})
    send(rack, 1, what.get("message", packed(1)))
    send(rack, 3, packed(2))
    with pytest.raises(error):
        streaming.read_stream(0.5)
    assert "REC:STOP" in rack.log
    assert {"RAW1:SEND OFF", "RAW3:SEND OFF"} <= set(rack.log)
    with pytest.raises(InstrumentError, match="no stream runs"):
        streaming.read_stream(0.5)
    rack.errors, rack.replies["RAW3:ERRO?"] = {}, "0"
    streaming.start_stream([2])


def test_a_stream_that_falls_silent_is_an_error_after_ten_seconds(rack: Rack, streaming: Id900) -> None:
    send(rack, 1, packed(1))
    for _ in range(20):
        assert streaming.read_stream(0.5).end_ps == 0
    streaming.clock.sleep(0.1)
    with pytest.raises(InstrumentError, match="no time stamps of input 3 for 10 s"):
        streaming.read_stream(0.5)


def test_while_it_streams_nothing_else_is_recorded(rack: Rack, streaming: Id900) -> None:
    for call in (lambda: streaming.record(1.0, [1]), lambda: streaming.start_stream([2])):
        with pytest.raises(InstrumentError, match="it streams its tags already"):
            call()
    assert rack.log == []
    with pytest.raises(LimitError, match="nothing was sent"):
        streaming.start_stream([5])


def test_safe_state_and_close_end_a_stream(rack: Rack, streaming: Id900) -> None:
    streaming.safe_state()
    assert rack.log[0] == "REC:STOP"
    assert {"stop --id 127.0.0.1:5556", "stop --id 127.0.0.1:5558"} <= set(rack.log)
    with pytest.raises(InstrumentError, match="no stream runs"):
        streaming.read_stream(0.1)


def test_an_abort_while_waiting_ends_the_stream(rack: Rack, streaming: Id900, monkeypatch: pytest.MonkeyPatch) -> None:
    def aborted(line: Line, timeout_s: float) -> bool:
        raise Aborted("made dark")

    waiting = streaming.clock.wait_readable
    monkeypatch.setattr(
        streaming.clock, "wait_readable", lambda line, s: aborted(line, s) if s == 0.3 else waiting(line, s)
    )
    with pytest.raises(Aborted):
        streaming.read_stream(0.3)
    assert "REC:STOP" in rack.log
