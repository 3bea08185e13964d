"""Opening a WebSQ and its settings: the bytes on the control port, and everything that is not a WebSQ."""

from collections.abc import Callable
from typing import Any

import pytest
from bellringer.drivers import open_instrument
from bellringer.drivers.detectors.websq import WebSq
from bellringer.testbed.errors import (
    BellringerError,
    IdentityError,
    InstrumentError,
    LimitError,
    ProtocolError,
    TransportError,
    TransportTimeout,
)

from .far_end import ASK, Connection, Eos, EosClock, opened_at


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
