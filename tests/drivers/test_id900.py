"""ID900: the text on the wire, the order of a recording, and every way a recording can turn out not to be whole.

The far ends (Time Controller, DataLinkTargetService and its four streams) are scripted ZeroMQ sockets in no thread:
the clock serves them whenever the driver waits, and time moves only when nobody has anything left to do.
"""

import contextlib
import json
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import zmq
from bellringer.drivers import open_instrument
from bellringer.drivers.interfaces import TagStreamer, TimeTagger
from bellringer.drivers.time_taggers import sub_acquisitions
from bellringer.drivers.time_taggers.id900 import Id900
from bellringer.drivers.time_taggers.id900_recording import StreamedRecording
from bellringer.drivers.time_taggers.sub_acquisitions import Plan, merge, unroll
from bellringer.drivers.transports import ZmqStream
from bellringer.testbed.clock import Line, WallClock
from bellringer.testbed.errors import (
    Aborted,
    BellringerError,
    IdentityError,
    InstrumentError,
    LimitError,
    OverflowDetected,
    ProtocolError,
    TransportTimeout,
)
from hypothesis import given
from hypothesis import strategies as st

MS = 1_000_000_000
WIDTH, PERIOD = 500_000_000_000, 500_000_040_000
LOST = None


def packed(*times_ps: int) -> bytes:
    return b"".join(each.to_bytes(8, "little") for each in times_ps)


class Far:
    """One scripted socket. A ROUTER answers REQ clients by ``answer(text)``; a PAIR only sends."""

    def __init__(self, context: zmq.Context[Any], kind: int, answer: Callable[[str], str | None] = str) -> None:
        self.context, self.kind, self.answer = context, kind, answer
        self.socket = self.new_socket()
        # Below the ports that connections use, so that a port given up can be bound again.
        self.port = self.socket.bind_to_random_port("tcp://127.0.0.1", min_port=20000, max_port=32000)
        self.got: dict[str, int] = {}
        self.sent: dict[str, int] = {}
        self.output: deque[list[bytes]] = deque()
        self.unanswered: deque[list[bytes]] = deque()

    def new_socket(self) -> Any:
        socket = self.context.socket(self.kind)
        socket.linger = 0
        return socket

    def bind_again(self) -> None:
        """Start afresh on the same port: a PAIR socket serves one client in its life."""
        self.socket.close()
        self.socket = self.new_socket()
        for _ in range(500):
            try:
                self.socket.bind(f"tcp://127.0.0.1:{self.port}")
                return
            except zmq.ZMQError:  # the socket before it is still being closed in the background
                self.socket.poll(10)
        raise AssertionError(f"port {self.port} is taken")

    def opened(self, key: str) -> None:
        self.got[key] = self.sent[key] = 0

    def take_in(self) -> None:
        if not self.socket.poll(10):
            return
        *envelope, text = self.socket.recv_multipart()
        reply = self.answer(text.decode())
        self.got[f"zmq:{self.port}:{envelope[0].decode()}"] += 1
        if reply is None:
            self.unanswered.append(envelope)
        else:
            self.output.append([*envelope, reply.encode()])

    def answer_late(self, text: str) -> None:
        self.socket.send_multipart([*self.unanswered.popleft(), text.encode()])

    def put_out(self, key: str) -> None:
        try:
            self.socket.send_multipart(self.output[0], zmq.NOBLOCK)
        except zmq.Again:  # a stream whose client is still connecting
            self.socket.poll(10, zmq.POLLOUT)
            return
        self.output.popleft()
        self.sent[key] += 1


class Rack:
    """A Time Controller and the host's DataLinkTargetService, written from the protocol sheet.

    ``log`` is every message in order. ``replies`` overrides single answers: text, a list of texts used up one by one,
    or ``LOST``. ``messages`` is what each input's stream sends when REC:PLAY comes.
    """

    def __init__(self) -> None:
        self.context: zmq.Context[Any] = zmq.Context()
        self.log: list[str] = []
        self.replies: dict[str, Any] = {
            "*IDN?": "IDQ,ID900,2104012,1.30.2",
            "REC:STAG?": "IDLE",
            "DEVI:SYNC?": "INTERNAL",
        }
        self.tagger = Far(self.context, zmq.ROUTER, self.text)
        self.datalink = Far(self.context, zmq.ROUTER, self.command)
        self.streams = {n: Far(self.context, zmq.PAIR) for n in (1, 2, 3, 4)}
        self.messages: dict[int, list[bytes]] = {}
        self.left_over: list[str] = []
        self.errors: dict[int, list[Any]] = {}
        self.counted_more = 0
        self.on_play: Callable[[], None] = lambda: None

    def text(self, message: str) -> str | None:
        self.log.append(message)
        if message == "REC:PLAY":
            for n, messages in self.messages.items():
                self.streams[n].output.extend([each] for each in messages)
            self.on_play()
        reply = self.replies.get(message, "0" if message.endswith("?") else "")
        return reply.pop(0) if isinstance(reply, list) else reply

    def command(self, message: str) -> str | None:
        self.log.append(message)
        if message in self.replies:
            reply = self.replies[message]
            return reply.pop(0) if isinstance(reply, list) else reply
        verb, *words = message.split()
        if verb == "list":
            return json.dumps(self.left_over)
        if verb == "start-stream":
            channel = int(words[words.index("--channel") + 1])
            self.streams[channel].bind_again()
            return json.dumps({"id": f"127.0.0.1:{5555 + channel}"})
        return json.dumps({"status": self.status(words[1])} if verb == "stop" else self.status(words[1]))

    def status(self, acquisition: str) -> dict[str, Any]:
        channel = int(acquisition.rpartition(":")[2]) - 5555
        messages = self.messages.get(channel, [])
        return {
            "acquisitions_count": len(messages),
            "timestamps_count": sum(map(len, messages)) // 8 + self.counted_more,
            "inactivity": 0.5,
            "errors": self.errors.get(channel, []),
        }

    def far(self, key: str) -> Far:
        port = int(key.split(":")[1])
        return next(each for each in (self.tagger, self.datalink, *self.streams.values()) if each.port == port)

    def close(self) -> None:
        for each in (self.tagger, self.datalink, *self.streams.values()):
            each.socket.close()
        self.context.term()


class RackClock(WallClock):
    """Time moves by sleeping, by waiting for what does not come, and by ``reply_s`` with every reply."""

    def __init__(self, rack: Rack) -> None:
        super().__init__(uncertainty_ps=3 * MS)
        self.rack, self.elapsed_ps, self.reply_s = rack, 0, 0.0

    def now_ps(self) -> int:
        return 10**15 + self.elapsed_ps

    def monotonic_s(self) -> float:
        return self.elapsed_ps / 1e12

    def sleep(self, seconds: float) -> None:
        self.check_aborted()
        self.elapsed_ps += round(seconds * 1e12)

    def opened(self, line: Line) -> None:
        self.rack.far(line.key).opened(line.key)

    def wait_readable(self, line: Line, timeout_s: float) -> bool:
        far = self.rack.far(line.key)
        while not line.has_input(0.01 if far.sent[line.key] > line.received else 0.0):
            if far.got[line.key] < line.sent:
                far.take_in()
            elif far.output:
                far.put_out(line.key)
                self.elapsed_ps += round(self.reply_s * 1e12)
            elif far.sent[line.key] == line.received:
                self.elapsed_ps += round(timeout_s * 1e12)
                return False
        return True


@pytest.fixture
def rack() -> Iterator[Rack]:
    far_ends = Rack()
    yield far_ends
    far_ends.close()


def unopened(rack: Rack, **options: Any) -> Id900:
    return Id900(
        f"zmq://127.0.0.1:{rack.tagger.port}",
        name="alice.tagger",
        clock=RackClock(rack),
        dlt_port=rack.datalink.port,
        dlt_host="127.0.0.1",
        stream_ports=[far.port for far in rack.streams.values()],
        **options,
    )


@pytest.fixture
def unit(rack: Rack) -> Iterator[Id900]:
    tagger = unopened(rack).open()
    rack.log.clear()
    yield tagger
    tagger._disconnect()


def start_stream(rack: Rack, channel: int) -> str:
    port = rack.streams[channel].port
    return f"start-stream --address 127.0.0.1 --channel {channel} --stream-port {port}"


# --- plans and tags, without an instrument --------------------------------------------------------------------


@given(st.integers(1_000_000, 3600 * 10**12))
def test_a_plan_covers_its_duration_with_sub_acquisitions_of_the_advised_length(duration_ps: int) -> None:
    plan = Plan.covering(duration_ps)
    assert plan.total_ps >= duration_ps
    assert plan.total_ps < duration_ps + plan.count * 1_040_000
    assert plan.period_ps == plan.width_ps + 40_000
    assert plan.width_ps <= 500_000_000_000
    assert plan.count == 1 or plan.width_ps >= 200_000_000_000


def test_gaps_are_the_40_ns_between_sub_acquisitions() -> None:
    plan = Plan.covering(1_500_000_000_000)
    assert (plan.count, plan.width_ps, plan.period_ps) == (3, WIDTH, PERIOD)
    assert plan.gaps_ps().tolist() == [[WIDTH, PERIOD], [PERIOD + WIDTH, 2 * PERIOD]]
    assert plan.gaps_ps().dtype == np.int64
    assert Plan.covering(3 * MS).gaps_ps().shape == (0, 2)


def test_gaps_end_with_the_duration() -> None:
    plan = Plan(duration_ps=WIDTH + 10_000, count=2, width_ps=WIDTH, period_ps=PERIOD)
    assert plan.gaps_ps().tolist() == [[WIDTH, WIDTH + 10_000]]


def test_unrolled_tags_count_on_through_empty_sub_acquisitions_and_end_with_the_duration() -> None:
    plan = Plan(2 * PERIOD + 100, count=3, width_ps=WIDTH, period_ps=PERIOD)
    tags = unroll([packed(0, 1, 1, WIDTH - 1), b"", packed(7, 99, 100, 101)], plan)
    assert tags.tolist() == [0, 1, 1, WIDTH - 1, 2 * PERIOD + 7, 2 * PERIOD + 99]
    assert tags.dtype == np.int64


def test_an_hour_of_tags_keeps_every_picosecond() -> None:
    plan = Plan.covering(3600 * 10**12)
    tags = unroll([packed(123_456_789_013)] * plan.count, plan)
    assert np.array_equal(tags, 123_456_789_013 + plan.period_ps * np.arange(plan.count))


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([packed(1)], "1 messages for 2"),
        ([packed(1), packed(2), b""], "3 messages for 2"),
        ([packed(1)[:-1], b""], "no whole number"),
        ([packed(2, 1), b""], "do not ascend"),
        ([packed(1), packed(PERIOD)], "later than its end"),
        ([packed(1), packed(2**63 + 5)], "later than its end"),
    ],
)
def test_messages_that_cannot_be_a_recording_are_refused(messages: list[bytes], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        unroll(messages, Plan.covering(10**12))


def test_a_message_so_long_that_it_may_be_a_part_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sub_acquisitions, "SPLIT_TAGS", 3)
    plan = Plan.covering(10**9)
    assert unroll([packed(1, 2)], plan).tolist() == [1, 2]
    with pytest.raises(ValueError, match="only a part"):
        unroll([packed(1, 2, 3)], plan)


def test_merging_orders_all_tags_and_keeps_equal_times_in_channel_order() -> None:
    times, channels = merge({3: np.array([5, 9]), 1: np.array([2, 5, 5]), 2: np.array([], np.int64)})
    assert times.tolist() == [2, 5, 5, 5, 9]
    assert channels.tolist() == [1, 3, 1, 1, 3]
    assert (times.dtype, channels.dtype) == (np.int64, np.uint8)


# --- opening and settings -------------------------------------------------------------------------------------


def test_opening_identifies_and_wires_each_input_to_its_own_raw_data(rack: Rack) -> None:
    with unopened(rack) as unit:
        assert isinstance(unit, TimeTagger)
        assert isinstance(unit, TagStreamer)
        assert str(unit.identity) == "ID Quantique ID900 serial 2104012"
        assert unit.identity is not None
        assert unit.identity.firmware == "1.30.2"
        assert rack.log[:4] == [
            "*IDN?",
            "INPU1:ENAB ON;SELE UNSHAPED",
            "INPU1:COUN:MODE CYCL",
            "RAW1:STOP:LINK INPU1;:RAW1:REF:LINK NONE",
        ]
        assert len(rack.log) == 1 + 3 * 4
        rack.log.clear()
    assert rack.log == ["REC:STOP", "RAW1:SEND OFF;:RAW2:SEND OFF;:RAW3:SEND OFF;:RAW4:SEND OFF", "REC:STAG?"]


@pytest.mark.parametrize("reply", ["IDQ,ID1000,2208001,2.1.0", "IDQ ID1000 Time Controller"])
def test_an_id1000_is_one_too_also_with_a_short_identity(rack: Rack, reply: str) -> None:
    rack.replies["*IDN?"] = reply
    with unopened(rack) as unit:
        assert unit.identity is not None
        assert unit.identity.model == "ID1000"


@pytest.mark.parametrize("reply", ["KEYSIGHT,53230A,MY1,02.05", "IDQ,ID281,1,1", "", '{"error": "unknown"}'])
def test_anything_else_is_refused_by_its_identity(rack: Rack, reply: str) -> None:
    rack.replies["*IDN?"] = reply
    with pytest.raises(IdentityError, match="expected an ID900 or ID1000"):
        unopened(rack).open()
    assert rack.log == ["*IDN?"]


def test_another_unit_than_the_testbed_files_is_refused(rack: Rack) -> None:
    with pytest.raises(IdentityError, match="2104012"):
        unopened(rack, serial_number="2104013").open()
    assert rack.log == ["*IDN?"]


def test_silence_is_a_timeout_that_names_instrument_and_command(rack: Rack) -> None:
    rack.replies["*IDN?"] = LOST
    with pytest.raises(TransportTimeout, match=r"no answer to '\*IDN\?'") as error:
        unopened(rack).open()
    assert "alice.tagger" in error.value.where


def test_firmware_with_another_command_tree_is_refused_at_opening(rack: Rack) -> None:
    rack.replies["RAW1:STOP:LINK INPU1;:RAW1:REF:LINK NONE"] = "SCPI_ERR_UNKNOWN_COMMAND"
    with pytest.raises(InstrumentError, match="SCPI_ERR_UNKNOWN_COMMAND") as error:
        unopened(rack).open()
    assert "too old" in error.value.hint


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"resource": "tcp://host:5555"}, "no resource of an ID900"),
        ({"resource": "zmq://host"}, "no resource of an ID900"),
        ({"stream_ports": [4242, 4243]}, "stream_ports"),
        ({"stream_ports": 70000}, "stream_ports"),
    ],
)
def test_connection_options_that_make_no_sense_are_refused(change: dict[str, Any], why: str) -> None:
    options = {"resource": "zmq://host:5555", **change}
    with pytest.raises(BellringerError, match=why):
        Id900(options.pop("resource"), **options).open()


def test_the_registry_opens_it_by_name_with_its_ports(rack: Rack) -> None:
    rack.replies["INPU1:THRE?;:INPU2:THRE?;:INPU3:THRE?;:INPU4:THRE?"] = "0.1V\n0.1V\n0.1V\n0.1V"
    unit = open_instrument(
        "id900", f"zmq://127.0.0.1:{rack.tagger.port}", clock=RackClock(rack), dlt_port=rack.datalink.port,
        dlt_host="127.0.0.1", stream_ports=4241, threshold=0.1,
    )  # fmt: skip
    assert rack.log[-2].startswith("INPU1:THRE 0.1000V;:INPU2")
    unit.close()


@pytest.mark.parametrize(
    ("name", "value", "sent", "asked", "reply"),
    [
        (
            "threshold",
            -0.25,
            "INPU1:THRE -0.2500V;:INPU2:THRE -0.2500V;:INPU3:THRE -0.2500V;:INPU4:THRE -0.2500V",
            "INPU1:THRE?;:INPU2:THRE?;:INPU3:THRE?;:INPU4:THRE?",
            "-0.25V\n-250mV\n-0.2495\n-0.251V",
        ),
        (
            "edge",
            "FALL",
            "INPU1:EDGE FALL;:INPU2:EDGE FALL;:INPU3:EDGE FALL;:INPU4:EDGE FALL",
            "INPU1:EDGE?;:INPU2:EDGE?;:INPU3:EDGE?;:INPU4:EDGE?",
            "FALL\nFALLing\nfall\nFALLING",
        ),
        (
            "count_period",
            0.25,
            "INPU1:COUN:INTE 250;:INPU2:COUN:INTE 250;:INPU3:COUN:INTE 250;:INPU4:COUN:INTE 250",
            "INPU1:COUN:INTE?;:INPU2:COUN:INTE?;:INPU3:COUN:INTE?;:INPU4:COUN:INTE?",
            "250\n250\n250ms\n250",
        ),
        ("resolution", "HIRES", "DEVI:RES HIRES", "DEVI:RES?", "HIRes"),
        ("clock_reference", "EXTERNAL", "DEVI:SYNC EXTERNAL", "DEVI:SYNC?", "EXTernal"),
    ],
)
def test_a_setting_is_one_message_and_is_read_back(
    rack: Rack, unit: Id900, name: str, value: Any, sent: str, asked: str, reply: str
) -> None:
    rack.replies |= {sent: "Value set to something\n\n", asked: reply}
    setattr(unit, name, value)
    assert rack.log == [sent, asked]


def test_readings_strip_units_and_long_forms(rack: Rack, unit: Id900) -> None:
    rack.replies |= {
        "INPU1:THRE?": "250mV", "INPU1:EDGE?": "RISIng", "INPU1:COUN:INTE?": "1000", "DEVI:RES?": "LOWRES",
        "DEVI:SYNC?": "INT", "DEVI:RES:BWID?": "100TB", "STAT?": "DEVI:RES LOWRES;SYNC INTERNAL",
    }  # fmt: skip
    assert unit.snapshot() == {
        "threshold": 0.25, "edge": "RISI", "count_period": 1.0, "resolution": "LOWRES",
        "clock_reference": "INTERNAL", "resolution_bin": 100.0, "state": "DEVI:RES LOWRES;SYNC INTERNAL",
    }  # fmt: skip


def test_one_input_that_did_not_take_a_setting_is_named(rack: Rack, unit: Id900) -> None:
    rack.replies["INPU1:THRE?;:INPU2:THRE?;:INPU3:THRE?;:INPU4:THRE?"] = "0.5V\n0.5V\n0V\n0.5V"
    with pytest.raises(InstrumentError, match=r"INPU3:THRE was set to 0.5000V and reads 0\.0"):
        unit.threshold = 0.5


@pytest.mark.parametrize(
    "text", ["SCPI_ERR_VALUE", "Error: no such mode", '-222,"Data out of range"', "Unknown command"]
)
def test_a_refusal_in_the_reply_of_a_set_is_an_error(rack: Rack, unit: Id900, text: str) -> None:
    rack.replies["DEVI:RES HIRES"] = text
    with pytest.raises(InstrumentError, match="'DEVI:RES HIRES' was refused"):
        unit.resolution = "HIRES"


@pytest.mark.parametrize(
    ("name", "value"),
    [("threshold", 2.1), ("threshold", float("nan")), ("edge", "BOTH"), ("resolution", 1), ("count_period", 0.0)],
)
def test_a_setting_outside_its_limits_is_refused_before_anything_is_sent(
    rack: Rack, unit: Id900, name: str, value: Any
) -> None:
    with pytest.raises(LimitError):
        setattr(unit, name, value)
    assert rack.log == []


def test_count_rates_wait_for_a_whole_fresh_period(rack: Rack, unit: Id900) -> None:
    rack.replies |= {
        "INPU1:COUN:INTE?;:INPU2:COUN:INTE?;:INPU3:COUN:INTE?;:INPU4:COUN:INTE?": "100\n100\n100\n500",
        "INPU1:COUN?;:INPU2:COUN?;:INPU3:COUN?;:INPU4:COUN?": "48213\n0\n7\n1000",
    }
    before_s = unit.clock.monotonic_s()
    assert unit.count_rates() == {1: 482130.0, 2: 0.0, 3: 70.0, 4: 2000.0}
    assert unit.clock.monotonic_s() - before_s == pytest.approx(1.0)


@pytest.mark.parametrize("reply", ["1\n2\n3", "1\n2\n3\nx", "", "\x00\ufffd~#"])
def test_counts_that_cannot_be_read_are_refused(rack: Rack, unit: Id900, reply: str) -> None:
    rack.replies["INPU1:COUN:INTE?;:INPU2:COUN:INTE?;:INPU3:COUN:INTE?;:INPU4:COUN:INTE?"] = "100\n100\n100\n100"
    rack.replies["INPU1:COUN?;:INPU2:COUN?;:INPU3:COUN?;:INPU4:COUN?"] = reply
    with pytest.raises(ProtocolError):
        unit.count_rates()


@pytest.mark.parametrize("reply", ["IDLE\ufffd", "\x00IDLE", "ID\x1bLE"])
def test_a_reply_that_is_no_text_is_refused(rack: Rack, unit: Id900, reply: str) -> None:
    rack.replies["STAT?"] = reply
    with pytest.raises(ProtocolError, match="expected text"):
        _ = unit.state


def test_a_lost_reply_is_named_and_a_late_one_never_answers_the_next_question(rack: Rack, unit: Id900) -> None:
    rack.replies |= {"INPU1:THRE?": LOST, "DEVI:RES:BWID?": "100"}
    with pytest.raises(TransportTimeout, match=r"no answer to 'INPU1:THRE\?'"):
        _ = unit.threshold
    rack.tagger.answer_late("0.5V")
    assert unit.resolution_bin == 100.0


def test_an_interrupt_while_waiting_leaves_the_way_to_the_dark_open(
    rack: Rack, unit: Id900, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(line: Line, timeout_s: float) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(unit.clock, "wait_readable", interrupted)
        with pytest.raises(KeyboardInterrupt):
            _ = unit.resolution_bin
    unit.safe_state()


def test_safe_state_stops_everything_and_insists_that_it_stopped(rack: Rack, unit: Id900) -> None:
    unit.safe_state()
    assert rack.log == ["REC:STOP", "RAW1:SEND OFF;:RAW2:SEND OFF;:RAW3:SEND OFF;:RAW4:SEND OFF", "REC:STAG?"]
    rack.replies["REC:STAG?"] = "PLAYing"
    with pytest.raises(InstrumentError, match="still records"):
        unit.safe_state()
    rack.replies["REC:STAG?"] = "42"
    with pytest.raises(ProtocolError):
        unit.safe_state()


# --- recordings -----------------------------------------------------------------------------------------------


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


# --- recordings that are not whole ----------------------------------------------------------------------------

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


# --- streaming ------------------------------------------------------------------------------------------------

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
