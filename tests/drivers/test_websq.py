"""WebSQ: the bytes on both ports, broadcasts at any time, and everything that is not a WebSQ.

The far end is scripted and runs in no thread: the clock serves it whenever the driver waits, and time moves only when
both sides have nothing left to do. So silence costs no wall time and never depends on how fast the machine is.
"""

import contextlib
import json
import select
import socket
import types
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bellringer.drivers import open_instrument
from bellringer.drivers.detectors import websq
from bellringer.drivers.detectors.json_stream import JsonStream
from bellringer.drivers.detectors.websq import WebSq
from bellringer.drivers.transports import ByteTransport, byte_transport
from bellringer.testbed.clock import Line, WallClock
from bellringer.testbed.errors import (
    BellringerError,
    IdentityError,
    InstrumentError,
    LimitError,
    ProtocolError,
    TransportError,
    TransportTimeout,
)
from hypothesis import given
from hypothesis import strategies as st

ASK = b'{"request": "labelProps", "value": "None"}'
PIECE = 7


class Connection:
    def __init__(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or pieces are joined on the way
        self.socket = accepted
        self.got = self.sent = 0
        self.input = b""
        self.output: deque[bytes] = deque()

    def say(self, data: bytes) -> None:
        """Deliver in small pieces, so that no object or line comes whole."""
        self.output.extend(data[i : i + PIECE] for i in range(0, len(data), PIECE))


class Eos:
    """The far end, written from the protocol sheet: control port, counts port, and one connection each."""

    def __init__(self) -> None:
        self.control, self.counts = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
        self.connections: dict[str, Connection] = {}
        self.requests: list[bytes] = []
        self.labels: dict[str, dict[str, Any]] = {
            "iv_scan_history": {"value": [], "bounds": None, "unit": ""},
            "NumberOfDetectors": {"value": 4, "bounds": [1, 8], "unit": ""},
            "BiasCurrent": {"value": [0.0, 0.0, 0.0, 0.0], "bounds": [-90.9, 90.9], "unit": "µA"},
            "TriggerLevel": {"value": [50, 50, 50, 50], "bounds": [-500, 500], "unit": "mV"},
            "InptMeasurementPeriod": {"value": 200, "bounds": [10, 10000], "unit": "ms"},
            "DetectorEnable": {"value": False, "bounds": [], "unit": ""},
            "ErrorLog": {"value": "an error of last week", "bounds": [], "unit": ""},
        }
        self.counts_text = b""
        self.end = b"\x17"
        self.on_request: Callable[[dict[str, Any], Connection], None] = self.behave

    def resource(self, form: str = "socket://127.0.0.1:{}") -> str:
        return form.format(self.control.getsockname()[1])

    @property
    def counts_port(self) -> int:
        return int(self.counts.getsockname()[1])

    def behave(self, request: dict[str, Any], client: Connection) -> None:
        if request.get("request") == "labelProps":
            for label, properties in self.labels.items():
                self.broadcast(label, properties)
        elif "command" in request:
            self.labels[request["label"]]["value"] = request["value"]
            self.broadcast(request["label"], request["value"])

    def broadcast(self, label: str, value: Any) -> None:
        text = json.dumps({"label": label, "value": value}, ensure_ascii=False).encode() + self.end
        for client in self.connections.values():
            if client.socket.getsockname()[1] == self.control.getsockname()[1]:
                client.say(text)

    def connection(self, key: str) -> Connection:
        _, server, _ = key.split(":")
        while key not in self.connections:
            listener = self.control if int(server) == self.control.getsockname()[1] else self.counts
            accepted, address = listener.accept()
            self.connections[f"tcp:{server}:{address[1]}"] = Connection(accepted)
            if listener is self.counts:
                self.connections[f"tcp:{server}:{address[1]}"].say(self.counts_text)
        return self.connections[key]

    def take_in(self, client: Connection) -> None:
        if not select.select([client.socket], [], [], 0.01)[0]:
            return
        data = client.socket.recv(65536)
        client.got += len(data)
        client.input += data
        while client.input:
            request, end = json.JSONDecoder().raw_decode(client.input.decode())
            self.requests.append(client.input[:end])
            client.input = client.input[end:]
            self.on_request(request, client)

    def close(self) -> None:
        for each in [self.control, self.counts, *(client.socket for client in self.connections.values())]:
            each.close()


class EosClock(WallClock):
    """Time moves only when the driver waits and ``eos`` has nothing to say."""

    def __init__(self, eos: Eos) -> None:
        super().__init__()
        self.eos, self.elapsed_s = eos, 0.0

    def monotonic_s(self) -> float:
        return self.elapsed_s

    def sleep(self, seconds: float) -> None:
        self.elapsed_s += seconds

    def wait_readable(self, line: Line, timeout_s: float) -> bool:
        client = self.eos.connection(line.key)
        while not line.has_input(0.0):
            if client.got < line.sent:
                self.eos.take_in(client)
            elif client.output:
                piece = client.output.popleft()
                client.socket.sendall(piece)
                client.sent += len(piece)
            elif client.sent == line.received:
                self.elapsed_s += timeout_s
                return False
        return True


@pytest.fixture
def eos(monkeypatch: pytest.MonkeyPatch) -> Iterator[Eos]:
    # pyserial waits 0.3 s of wall time whenever a socket is closed
    monkeypatch.setattr("serial.urlhandler.protocol_socket.time", types.SimpleNamespace(sleep=lambda seconds: None))
    peer = Eos()
    yield peer
    peer.close()


@pytest.fixture
def unit(eos: Eos) -> Iterator[WebSq]:
    opened = opened_at(eos)
    eos.requests.clear()
    yield opened
    eos.on_request = eos.behave
    opened.close()


def opened_at(eos: Eos, form: str = "socket://127.0.0.1:{}", **options: Any) -> WebSq:
    return WebSq(
        eos.resource(form), name="alice.snspd", clock=EosClock(eos), counts_port=eos.counts_port, **options
    ).open()


# --- the decoder ----------------------------------------------------------------------------------------------

_TEXT = st.text(alphabet='{}"\\[]:, \x17\nµabc01', max_size=8)
_OBJECTS = st.lists(
    st.dictionaries(
        _TEXT,
        st.recursive(
            st.none() | st.booleans() | st.integers(-(10**6), 10**6) | _TEXT,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
            max_leaves=5,
        ),
        max_size=3,
    ),
    max_size=6,
)
_SEPARATORS = st.sampled_from([b"", b"\x17", b" \r\n", b"\x17\x17\t"])


@given(_OBJECTS, st.data())
def test_any_split_of_a_stream_decodes_to_the_same_objects(objects: list[dict[str, Any]], data: st.DataObject) -> None:
    stream = b"".join(
        json.dumps(each, ensure_ascii=data.draw(st.booleans())).encode() + data.draw(_SEPARATORS) for each in objects
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    decoder = JsonStream()
    decoded = [each for start, end in zip([0, *cuts], [*cuts, len(stream)]) for each in decoder.feed(stream[start:end])]
    assert decoded == objects
    assert decoder.garbage == b""


@given(st.lists(st.sampled_from(list(b'{}"\\\x17:1 \xff')), max_size=30).map(bytes), st.integers(0, 30))
def test_after_any_garbage_and_a_separator_the_next_object_is_found(garbage: bytes, cut: int) -> None:
    decoder = JsonStream()
    stream = garbage + b'\x17{"a": 1}\x17'
    assert (decoder.feed(stream[:cut]) + decoder.feed(stream[cut:]))[-1] == {"a": 1}


@pytest.mark.parametrize(
    ("stream", "objects", "garbage"),
    [
        (b'\x00~#{"a": 1}', [{"a": 1}], b"\x00~#"),
        (b'{"a": \x17{"b": 2}\x17', [{"b": 2}], b'{"a": \x17'),
        (b'{"a": "x\x17{"b": 2}\x17', [{"b": 2}], b'{"a": "x\x17'),
        (b'{"a": NaN}{"b": 2}', [{"b": 2}], b'{"a": NaN}'),
        (b'{"a": "\xff"}{"b": 2}', [{"b": 2}], b'{"a": "\xff"}'),
        (b'{"a" 1}{"b": 2}', [{"b": 2}], b'{"a" 1}'),
    ],
)
def test_garbage_is_kept_and_costs_no_other_object(stream: bytes, objects: list[Any], garbage: bytes) -> None:
    decoder = JsonStream()
    assert decoder.feed(stream) == objects
    assert decoder.take_garbage() == garbage
    assert decoder.garbage == b""


# --- opening --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["socket://127.0.0.1:{}", "TCPIP::127.0.0.1::{}::SOCKET"])
def test_opening_asks_for_the_labels_and_learns_detectors_and_limits(eos: Eos, form: str) -> None:
    with opened_at(eos, form) as unit:
        assert eos.requests == [ASK]
        assert str(unit.identity) == "Single Quantum WebSQ"
        assert unit.channel_count() == unit.detectors == 4
        assert unit.device_limits == {
            "bias_current": (-90.9e-6, 90.9e-6),
            "trigger_level": (-0.5, 0.5),
            "measurement_period": (0.01, 10.0),
        }
        eos.counts_text = b"1700000000.1,9,9,9,9\n1700000000.3,20,0,4,1000000\n"
        assert unit.count_rates() == [100.0, 0.0, 20.0, 5e6]


def test_the_registry_opens_it_by_name_with_its_counts_port(eos: Eos) -> None:
    unit = open_instrument("websq", eos.resource(), clock=EosClock(eos), counts_port=eos.counts_port, bias_current=1e-5)
    assert eos.labels["BiasCurrent"]["value"] == [10.0] * 4
    unit.close()


def test_objects_glued_together_without_separator_are_understood(eos: Eos) -> None:
    eos.end = b""
    with opened_at(eos) as unit:
        unit.set_bias_currents([1e-6, 2e-6, 3e-6, 4e-6])
        assert unit.bias_currents() == [1e-6, 2e-6, 3e-6, 4e-6]


@pytest.mark.parametrize("text", [b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n", b"Keithley,2400,1,C30\n"])
def test_something_else_on_the_port_is_no_websq(eos: Eos, text: bytes) -> None:
    eos.on_request = lambda request, client: client.say(text)
    with pytest.raises(IdentityError, match=r"expected a Single Quantum WebSQ") as error:
        opened_at(eos)
    assert text[:7].decode() in error.value.what


@pytest.mark.parametrize("text", [b"", b'{"jsonrpc": "2.0"}\x17'])
def test_a_peer_without_the_labels_is_named_with_what_is_missing(eos: Eos, text: bytes) -> None:
    eos.on_request = lambda request, client: client.say(text)
    with pytest.raises(TransportTimeout, match=r"BiasCurrent.*NumberOfDetectors.* did not come") as error:
        opened_at(eos)
    assert "alice.snspd" in error.value.where


def test_nobody_listening_is_a_transport_error(eos: Eos) -> None:
    eos.control.close()
    with pytest.raises(TransportError, match="cannot open"):
        WebSq("socket://127.0.0.1:1", clock=EosClock(eos)).open()


@pytest.mark.parametrize(
    ("label", "properties", "error"),
    [
        ("NumberOfDetectors", {"value": 0}, ProtocolError),
        ("NumberOfDetectors", {"value": "four"}, ProtocolError),
        ("BiasCurrent", {"value": 10.0}, ProtocolError),
        ("BiasCurrent", {"value": [0.0] * 5}, ProtocolError),
        ("TriggerLevel", {"value": [1, 2, None, 4]}, ProtocolError),
        ("InptMeasurementPeriod", {"value": 0}, ProtocolError),
        ("DetectorEnable", {"value": "on"}, ProtocolError),
        ("BiasCurrent", {"value": [0.0] * 4, "unit": "nA"}, InstrumentError),
    ],
)
def test_values_a_websq_cannot_have_are_refused_at_opening(
    eos: Eos, label: str, properties: dict[str, Any], error: type[Exception]
) -> None:
    eos.labels[label] = properties
    with pytest.raises(error, match=label):
        opened_at(eos)


@pytest.mark.parametrize("resource", ["serial:///dev/ttyUSB0", "socket://host", "TCPIP::host::INSTR", ""])
def test_a_resource_without_a_port_number_is_refused_before_any_connection(eos: Eos, resource: str) -> None:
    with pytest.raises(BellringerError, match="no control port"):
        WebSq(resource, clock=EosClock(eos)).open()
    assert eos.connections == {}


# --- settings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "sent"),
    [
        (
            lambda unit: unit.set_bias_currents([10.5e-6, 11e-6, 0.0, -9.8e-6]),
            b'{"command": "SetAllBiasCurrents", "label": "BiasCurrent", "value": [10.5, 11.0, 0.0, -9.8]}',
        ),
        (
            lambda unit: setattr(unit, "bias_current", 12.3e-6),
            b'{"command": "SetAllBiasCurrents", "label": "BiasCurrent", "value": [12.3, 12.3, 12.3, 12.3]}',
        ),
        (
            lambda unit: setattr(unit, "trigger_level", 0.1),
            b'{"command": "SetAllTriggerLevels", "label": "TriggerLevel", "value": [100.0, 100.0, 100.0, 100.0]}',
        ),
        (
            lambda unit: setattr(unit, "measurement_period", 0.29),
            b'{"command": "SetMeasurementPeriod", "label": "InptMeasurementPeriod", "value": 290}',
        ),
        (WebSq.enable, b'{"command": "DetectorEnable", "label": "DetectorEnable", "value": true}'),
        (WebSq.disable, b'{"command": "DetectorEnable", "label": "DetectorEnable", "value": false}'),
    ],
)
def test_a_set_is_one_message_and_its_broadcast_confirms_it(
    eos: Eos, unit: WebSq, act: Callable[[WebSq], None], sent: bytes
) -> None:
    act(unit)
    assert eos.requests == [sent]


def test_readings_are_in_si_units(eos: Eos, unit: WebSq) -> None:
    eos.labels["BiasCurrent"]["value"] = [12.3, 1, 2, 3]
    eos.labels["TriggerLevel"]["value"] = [120, 1, 2, 3]
    eos.labels["DetectorEnable"]["value"] = True
    assert unit.snapshot() == {
        "detectors": 4,
        "bias_current": 12.3e-6,
        "trigger_level": 0.12,
        "measurement_period": 0.2,
        "detectors_enabled": True,
    }
    assert eos.requests == [ASK] * 4


def test_broadcasts_about_other_things_or_other_values_confirm_nothing(eos: Eos, unit: WebSq) -> None:
    def chatty(request: dict[str, Any], client: Connection) -> None:
        eos.broadcast("BiasVoltage", [1, 2, 3, 4])
        eos.broadcast("BiasCurrent", [55, 55, 55, 55])
        eos.broadcast("TriggerLevel", [10.0] * 4)
        eos.behave(request, client)

    eos.on_request = chatty
    unit.bias_current = 10e-6
    assert eos.labels["BiasCurrent"]["value"] == [10.0] * 4
    assert len(eos.requests) == 1


def test_without_a_broadcast_the_value_is_read_back(eos: Eos, unit: WebSq) -> None:
    def mute(request: dict[str, Any], client: Connection) -> None:
        if "command" in request:
            eos.labels["BiasCurrent"]["value"] = [10.04] * 4  # rounded to the steps of the electronics
        else:
            eos.behave(request, client)

    eos.on_request = mute
    unit.bias_current = 10e-6
    assert [ASK in each for each in eos.requests] == [False, True]


def test_a_set_that_is_not_carried_out_raises_with_both_values(eos: Eos, unit: WebSq) -> None:
    eos.on_request = lambda request, client: None if "command" in request else eos.behave(request, client)
    with pytest.raises(InstrumentError, match=r"BiasCurrent was set to \[10.0.*reads \[0.0, 0.0, 0.0, 0.0\] uA"):
        unit.bias_current = 10e-6
    with pytest.raises(InstrumentError, match="DetectorEnable was set to True and reads False"):
        unit.enable()


def test_a_broadcast_of_another_value_does_not_confirm_a_set(eos: Eos, unit: WebSq) -> None:
    def obstinate(request: dict[str, Any], client: Connection) -> None:
        if "command" in request:
            eos.broadcast("BiasCurrent", [5.0] * 4)
        else:
            eos.behave(request, client)

    eos.on_request = obstinate
    with pytest.raises(InstrumentError, match="was not carried out"):
        unit.bias_current = 10e-6


def test_an_error_label_becomes_an_error_with_its_text(eos: Eos, unit: WebSq) -> None:
    eos.on_request = lambda request, client: eos.broadcast("BiasError", "channel 2 is open")
    with pytest.raises(InstrumentError, match="BiasError: channel 2 is open"):
        unit.bias_current = 10e-6
    eos.on_request = eos.behave
    unit.bias_current = 20e-6
    assert unit.bias_current == 20e-6


@pytest.mark.parametrize(
    "act",
    [
        lambda unit: setattr(unit, "bias_current", 91e-6),
        lambda unit: setattr(unit, "bias_current", float("nan")),
        lambda unit: setattr(unit, "trigger_level", 0.51),
        lambda unit: setattr(unit, "measurement_period", 0.009),
        lambda unit: setattr(unit, "measurement_period", 0.0105),
        lambda unit: setattr(unit, "measurement_period", float("inf")),
        lambda unit: setattr(unit, "detectors_enabled", 1),
        lambda unit: unit.set_bias_currents([1e-6] * 3),
        lambda unit: unit.set_bias_currents([1e-6, 1e-6, 1e-6, float("nan")]),
        lambda unit: unit.set_bias_currents([1e-6, 1e-6, 1e-6, -91e-6]),
        lambda unit: unit.set_trigger_levels([0.1] * 5),
    ],
)
def test_what_is_outside_the_limits_is_refused_before_anything_is_sent(
    eos: Eos, unit: WebSq, act: Callable[[WebSq], None]
) -> None:
    with pytest.raises(LimitError):
        act(unit)
    assert eos.requests == []


def test_the_testbed_files_narrower_limit_holds_for_every_detector(eos: Eos) -> None:
    with opened_at(eos, limits={"bias_current": (0.0, 20e-6)}) as unit:
        with pytest.raises(LimitError, match="testbed file"):
            unit.set_bias_currents([1e-6, 1e-6, 1e-6, 21e-6])
        assert eos.requests == [ASK]


# --- things that go wrong on the wire -------------------------------------------------------------------------


def test_the_late_half_of_a_broken_answer_is_never_taken_for_the_next_one(eos: Eos, unit: WebSq) -> None:
    def first_half(request: dict[str, Any], client: Connection) -> None:
        for label in ("NumberOfDetectors", "BiasCurrent"):
            eos.broadcast(label, eos.labels[label])

    eos.on_request = first_half
    with pytest.raises(TransportTimeout, match="TriggerLevel did not come"):
        _ = unit.trigger_level
    eos.broadcast("TriggerLevel", {"value": [1, 1, 1, 1]})  # to the connection that was left
    eos.on_request = eos.behave
    assert unit.trigger_level == 0.05
    assert len(eos.connections) == 2


def test_garbage_is_an_error_and_the_next_reading_is_right(eos: Eos, unit: WebSq) -> None:
    def garbled(request: dict[str, Any], client: Connection) -> None:
        client.say(b"\x00\xfe~#")
        eos.behave(request, client)

    eos.on_request = garbled
    with pytest.raises(ProtocolError, match="expected JSON objects"):
        _ = unit.bias_current
    eos.on_request = eos.behave
    eos.labels["BiasCurrent"]["value"] = [5.0] * 4  # the garbled answer, of which a part is still to come, said 0
    assert unit.bias_current == 5e-6


def test_changes_made_elsewhere_do_not_disturb_the_next_command(eos: Eos, unit: WebSq) -> None:
    for value in range(20):
        eos.broadcast("BiasCurrent", [value] * 4)
    eos.labels["BiasCurrent"]["value"] = [19] * 4
    assert unit.bias_current == 19e-6


def test_safe_state_keeps_the_bias_and_tells_a_dead_link(eos: Eos, unit: WebSq) -> None:
    unit.enable()
    unit.safe_state()
    assert eos.labels["DetectorEnable"]["value"] is True
    eos.on_request = lambda request, client: None
    with pytest.raises(TransportTimeout):
        unit.safe_state()


# --- counts ---------------------------------------------------------------------------------------------------


def test_the_first_line_of_counts_is_dropped_whatever_it_holds(eos: Eos, unit: WebSq) -> None:
    eos.counts_text = b"0.25,7,7\n1700000000.25,2,4,6,8\n1700000000.45,0,0,0,0\n"
    assert unit.count_rates() == [10.0, 20.0, 30.0, 40.0]


@pytest.mark.parametrize("line", [b"1700000000.25,2,4,6,8\n", b"nonsense\n", b""])
def test_the_counts_connection_is_closed_again(
    eos: Eos, unit: WebSq, monkeypatch: pytest.MonkeyPatch, line: bytes
) -> None:
    made: list[ByteTransport] = []

    def remembered(*args: Any) -> ByteTransport:
        made.append(byte_transport(*args))
        return made[-1]

    monkeypatch.setattr(websq, "byte_transport", remembered)
    eos.counts_text = b"0,0\n" + line
    with pytest.raises(InstrumentError) if not line.startswith(b"17") else contextlib.nullcontext():
        unit.count_rates()
    assert [each.is_open for each in made] == [False]


@pytest.mark.parametrize("line", [b"1700000000.25,2,4,6\n", b"1700000000.25,2,4,6,8,9\n", b"1,2,x,6,8\n",
                                  b"1,2,-4,6,8\n", b"1,2,nan,6,8\n", b"\xff\xfe\n", b"\n"])  # fmt: skip
def test_a_line_of_counts_that_does_not_fit_is_refused(eos: Eos, unit: WebSq, line: bytes) -> None:
    eos.counts_text = b"0,0\n" + line
    with pytest.raises(ProtocolError, match="counts port"):
        unit.count_rates()


def test_counts_that_do_not_come_are_a_timeout(eos: Eos, unit: WebSq) -> None:
    eos.counts_text = b"1700000000.25,2,4,6,8\n1700000000.45,2,4"
    with pytest.raises(TransportTimeout, match=r"1700000000\.45,2,4"):
        unit.count_rates()
