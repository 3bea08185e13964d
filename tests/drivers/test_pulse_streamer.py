"""Pulse Streamer 8/2: its JSON-RPC to the byte, and what an HTTP server may do wrong."""

import json

import pytest
from bellringer.drivers import driver_class
from bellringer.drivers.timing.pulse_streamer import PulseStreamer
from bellringer.testbed.errors import (
    BellringerError,
    IdentityError,
    InstrumentError,
    LimitError,
    ProtocolError,
    TransportTimeout,
)

SERIAL, FIRMWARE = "00:26:32:f0:00:00", "1.7.2"


def reply(number, result, status="200 OK", extra=""):
    body = json.dumps({"jsonrpc": "2.0", "id": number, "result": result})
    return f"HTTP/1.1 {status}\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}".encode()


class Script:
    """Expects calls in order, numbered from 1."""

    def __init__(self, peer):
        self.peer, self.number = peer, 0

    def asked(self, method, *params):
        self.number += 1
        body = json.dumps({"jsonrpc": "2.0", "id": self.number, "method": method, "params": list(params)})
        head = (
            "POST /json-rpc HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return (head + body).encode()

    def call(self, method, *params, gives):
        asked = self.asked(method, *params)
        self.peer.expects((asked, gives if isinstance(gives, bytes | self.peer.late) else reply(self.number, gives)))

    def dark(self):
        self.call("constant", [0, 0, 0, 0], gives=0)
        self.call("setTrigger", 1, 1, gives=0)
        self.call("getTriggerStart", gives=1)
        self.call("isStreaming", gives=False)

    def opening(self):
        self.call("getSerial", 0, gives=SERIAL)
        self.call("getFirmwareVersion", gives=FIRMWARE)
        self.dark()


@pytest.fixture
def script(peer):
    script = Script(peer)
    script.opening()
    return script


@pytest.fixture
def unit(peer, script):
    unit = PulseStreamer(
        peer.resource.replace("socket://", "http://"),
        name="alice.streamer",
        clock=peer.clock,
        channels={"excite": 0, "gate": 7},
    ).open()
    yield unit
    unit.abandon()


def test_is_registered():
    assert driver_class("pulse_streamer") is PulseStreamer
    assert PulseStreamer.verified == "driver-source"


def test_open_identifies_and_makes_all_outputs_low(unit):
    assert (unit.identity.maker, unit.identity.serial) == ("Swabian Instruments", SERIAL)


def test_the_request_of_the_sheet_to_the_byte(peer):
    asked = b'{"jsonrpc": "2.0", "id": 1, "method": "getSerial", "params": [0]}'
    assert Script(peer).asked("getSerial", 0).endswith(b"\r\n\r\n" + asked)


def test_pulses_are_uploaded_and_started_by_software(unit, script):
    unit.set_pulses([("excite", 0, 100_000)], 1_000_000, 7)
    script.call("getTriggerStart", gives=1)
    script.call("stream", "AAAAZAEAAAAAAAADhAAAAAAA", 7, [0, 0, 0, 0], gives=0)
    script.call("startNow", gives=0)
    unit.start()


def test_with_an_edge_as_trigger_it_is_uploaded_only(unit, script):
    script.call("setTrigger", 2, 1, gives=0)
    script.call("getTriggerStart", gives=2)
    unit.trigger = "RISING"
    unit.set_pulses([("gate", 0, 100_000)], 1_000_000, 1)
    script.call("getTriggerStart", gives=2)
    script.call("stream", "AAAAZIAAAAAAAAADhAAAAAAA", 1, [0, 0, 0, 0], gives=0)
    unit.start()


@pytest.mark.parametrize(
    ("streaming", "sequence", "finished", "trigger", "playing"),
    [
        (True, None, None, None, True),
        (False, False, None, None, False),
        (False, True, True, None, False),
        (False, True, False, 2, True),
        (False, True, False, 1, False),
    ],
)
def test_whether_it_plays_or_waits(unit, script, streaming, sequence, finished, trigger, playing):
    asked = {"isStreaming": streaming, "hasSequence": sequence, "hasFinished": finished, "getTriggerStart": trigger}
    for method, answer in asked.items():
        if answer is not None:
            script.call(method, gives=answer)
    assert unit.is_playing() is playing


def test_clock_source_and_readings(unit, script):
    script.call("selectClock", 2, gives=0)
    script.call("getClock", gives=2)
    unit.clock_source = "MHZ10"
    script.call("getTemperature", gives=41.5)
    script.call("getUnderflow", gives=1)
    assert (unit.temperature, unit.underflow) == (41.5, True)


def test_row_16_a_setting_that_reads_back_differently_is_an_error(unit, script):
    script.call("setTrigger", 2, 1, gives=0)
    script.call("getTriggerStart", gives=0)
    with pytest.raises(InstrumentError, match="trigger was set to RISING and reads IMMEDIATE"):
        unit.trigger = "RISING"


def test_a_unit_that_still_streams_is_reset_and_if_that_fails_it_is_said(unit, script):
    for _ in range(2):
        script.call("constant", [0, 0, 0, 0], gives=0)
        script.call("setTrigger", 1, 1, gives=0)
        script.call("getTriggerStart", gives=1)
        script.call("isStreaming", gives=True)
        script.call("reset", gives=0)
        script.call("isStreaming", gives=True)
    with pytest.raises(InstrumentError, match=r"cannot confirm that all outputs are low(.|\n)*unplug its outputs"):
        unit.stop()


def test_an_error_of_the_unit_is_told(unit, script):
    asked = script.asked("getTemperature")
    body = b'{"jsonrpc": "2.0", "id": 7, "error": {"code": -32601, "message": "Method not found"}}'
    script.peer.expects((asked, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body))
    with pytest.raises(InstrumentError, match=r"getTemperature was refused: .*Method not found"):
        _ = unit.temperature


def again(script, method, bad, good):
    """A question whose first answer is ``bad``; the second one is good."""
    script.call(method, gives=bad)
    script.call(method, gives=good)


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\xff\xfe~#",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        reply(3, 41.5),
    ],
    ids=["silence", "half", "no result", "no json", "no length", "negative", "huge", "gateway", "ssh", "stale"],
)
def test_row_13_a_question_with_a_spoilt_answer_is_asked_again(unit, script, bad):
    again(script, "getTemperature", bad, 41.5)
    assert unit.temperature == 41.5


def test_row_13_a_command_with_a_spoilt_answer_is_not_given_again(unit, script):
    unit.set_pulses([], 1_000_000, 1)
    script.call("getTriggerStart", gives=1)
    script.call("stream", "AAAD6AAAAAAA", 1, [0, 0, 0, 0], gives=reply(1, 0))
    with pytest.raises(ProtocolError, match="expected the reply to this request"):
        unit.start()


def test_row_13_a_late_answer_dies_with_its_connection(unit, script, peer):
    again(script, "getTemperature", peer.late(reply(7, 99.0), 3.0), 41.5)
    assert unit.temperature == 41.5


def test_a_unit_that_never_answers_is_an_error(unit, script):
    for _ in range(3):
        script.call("getTemperature", gives=b"")
    with pytest.raises(TransportTimeout, match=r"no complete answer within 2 s(.|\n)*alice.streamer"):
        _ = unit.temperature


def test_row_11_something_else_at_this_address_is_no_pulse_streamer(peer):
    script = Script(peer)
    for _ in range(3):
        script.call("getSerial", 0, gives=b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(IdentityError, match=r"no Pulse Streamer answers here: .*404 Not Found"):
        PulseStreamer(peer.resource.replace("socket", "http"), clock=peer.clock).open()


@pytest.mark.parametrize("number", [8, -1, True, 1.0, "1"])
def test_row_10_an_output_that_does_not_exist_is_refused(number):
    with pytest.raises(LimitError, match="channels: excite is"):
        PulseStreamer("http://192.0.2.1", channels={"excite": number})


@pytest.mark.parametrize("resource", ["https://192.0.2.1", "192.0.2.1:8050", "http://", "http://a b"])
def test_a_resource_that_is_none_is_refused(resource):
    with pytest.raises(BellringerError, match="is no HTTP resource"):
        PulseStreamer(resource)


@pytest.mark.parametrize("repeats", [0, -1, 2**31, True, 1.5])
def test_row_07_a_number_of_repeats_that_is_none_is_refused(unit, repeats):
    with pytest.raises(LimitError, match="repeats is"):
        unit.set_pulses([], 1_000_000, repeats)


def test_starting_without_pulses_says_what_to_do(unit):
    with pytest.raises(InstrumentError, match=r"nothing to play(.|\n)*set_pulses"):
        unit.start()
