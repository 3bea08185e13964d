"""The WebSQ twin against the protocol sheet's messages, in lab time."""

import json

import numpy as np
import pytest
from bellringer.sim_backends.twins.detectors.websq import WebSqTwin
from bellringer.testbed.models import DetectorModel

S = 10**12


@pytest.fixture
def twin(lab):
    return WebSqTwin(lab, "alice.detectors", DetectorModel(kind="snspd"))


@pytest.fixture
def control(twin, wire):
    return wire("tcp", twin.main_port)


@pytest.fixture
def counts(twin, wire):
    return lambda: wire("tcp", twin.counts.port)


def objects(data):
    """Decode what came, separator or not."""
    found, text = [], data.decode().replace("\x17", "")
    while text:
        message, end = json.JSONDecoder().raw_decode(text)
        found.append(message)
        text = text[end:]
    return found


def labels(data):
    return {message["label"]: message["value"] for message in objects(data)}


def test_label_properties_come_one_object_a_label(control):
    properties = labels(control.ask(b'{"request": "labelProps", "value": "None"}'))
    assert properties["NumberOfDetectors"]["value"] == 4
    assert properties["BiasCurrent"] == {"value": [0.0] * 4, "bounds": [-90.9, 90.9], "unit": "uA"}
    assert properties["InptMeasurementPeriod"]["bounds"][0] == 10
    assert {"TriggerLevel", "DetectorEnable", "BiasCurrentAutoIV", "StartAutoIV", "iv_scan_history"} <= set(properties)


def test_most_messages_end_in_etb_and_some_are_glued_to_the_next(control):
    data = b"".join(control.ask(b'{"request": "labelProps", "value": "None"}') for _ in range(5))
    assert data.count(b"}\x17{") > 10
    assert data.count(b"}{") > 2


def test_commands_of_the_sheet_are_broadcast_to_every_client(control, twin, wire, lab):
    other = wire("tcp", twin.main_port)
    control.ask(b'{"command": "SetAllBiasCurrents", "label": "BiasCurrent", "value": [10.5, 11.0, 0.0, 9.8]}')
    control.ask(b'{"command":"SetMeasurementPeriod","label":"InptMeasurementPeriod","value":200}')
    control.ask(b'{"command": "SetAllTriggerLevels", "label": "TriggerLevel", "value": [100, 100, 100, 90]}')
    control.ask(b'{ "command" : "DetectorEnable" , "label" : "DetectorEnable" , "value" : true }')
    assert labels(other.receive()) == {
        "BiasCurrent": [10.5, 11.0, 0.0, 9.8],
        "InptMeasurementPeriod": 200,
        "TriggerLevel": [100, 100, 100, 90],
        "DetectorEnable": True,
    }
    assert [trace.at(lab.now_ps) for trace in twin.bias] == pytest.approx([10.5e-6, 11e-6, 0, 9.8e-6])
    assert twin.enabled.at(lab.now_ps) == 1.0


def test_objects_in_pieces_and_glued_are_understood(control):
    for piece in (b'{"request": "Bias', b'Voltage"}{"request":', b' "BiasVoltage"}'):
        control.send(piece)
    assert [m["label"] for m in objects(control.ask(b" \n"))] == ["BiasVoltage", "BiasVoltage"]


@pytest.mark.parametrize(("command", "label", "value"), [
    ("SetAllBiasCurrents", "BiasCurrent", [91, 0, 0, 0]),
    ("SetAllBiasCurrents", "BiasCurrent", [1, 1, 1]),
    ("SetAllBiasCurrents", "BiasCurrent", 5),
    ("SetMeasurementPeriod", "InptMeasurementPeriod", 9),
    ("DetectorEnable", "DetectorEnable", 1),
])  # fmt: skip
def test_what_is_refused_changes_nothing_and_comes_back_as_an_error_label(control, twin, lab, command, label, value):
    before = twin.inspect()
    reply = labels(control.ask(json.dumps({"command": command, "label": label, "value": value}).encode()))
    assert list(reply) == [f"Error{label}"]
    assert twin.inspect() == before


def test_garbage_and_unknown_commands_are_errors_and_do_not_wedge(control):
    assert list(labels(control.ask(b"hello"))) == ["ErrorMessage"]
    assert list(labels(control.ask(b'{"command": "Explode"}'))) == ["ErrorMessage"]
    assert list(labels(control.ask(b'{"request": "BiasVoltage"}'))) == ["BiasVoltage"]


def test_own_error_label_is_unsolicited(control, twin, lab):
    twin.own_fault("error_label")
    lab.run_for(0.1)
    assert all("Error" in label for label in labels(control.receive()))


def test_automatic_bias_takes_minutes_and_lands_between_plateau_and_switching(control, twin, lab):
    control.ask(b'{"command": "SetDarkCounts", "label": "DarkCountsAutoIV", "value": [100, 100, 100, 100]}')
    assert labels(control.ask(b'{"command": "AutoCaliBiasCurrents", "value": true}')) == {"StartAutoIV": True}
    lab.run_for(60)
    assert control.receive() == b""
    lab.run_for(61)
    reply = labels(control.receive())
    assert reply["StartAutoIV"] is False
    assert all(15 < current < 30 for current in reply["BiasCurrentAutoIV"])
    assert twin.bias[3].at(lab.now_ps) == pytest.approx(reply["BiasCurrentAutoIV"][3] * 1e-6)


def clicks(rates_hz, seconds):
    """Evenly spaced clicks on each detector."""
    return {
        f"alice.detectors.{n}": np.arange(round(rate * seconds), dtype=np.int64) * (S // rate)
        for n, rate in enumerate(rates_hz, start=1)
    }


def test_counts_are_per_period_and_one_line_each(twin, counts, lab, fake_bench):
    lab.bench = fake_bench(clicks([1000, 2000, 50, 10], 10))
    line = counts()
    lab.run_for(1.05)
    text = line.receive().decode()
    assert text.endswith("\n")
    lines = text.splitlines()[1:]  # the first is a leftover
    assert [each.split(",")[1:] for each in lines] == [["100", "200", "5", "1"]] * 10
    times = [float(each.split(",")[0]) for each in lines]
    assert np.diff(times) == pytest.approx([0.1] * 9, abs=2e-3)


def test_first_line_is_old_or_the_tail_of_an_old_one(twin, counts, lab):
    firsts = set()
    for _ in range(12):
        line = counts()
        lab.run_for(0.01)
        first = line.receive()
        firsts.add(first)
        assert b"1800000000.000,0,0,0,0\n".endswith(first)
        line.close()
        lab.take_in(lambda: not twin.counts.port.streams)
    assert len(firsts) > 2


def test_a_new_period_begins_after_the_running_one(twin, control, counts, lab, fake_bench):
    lab.bench = fake_bench(clicks([1000, 1000, 1000, 1000], 10))
    control.ask(b'{"command": "SetMeasurementPeriod", "label": "InptMeasurementPeriod", "value": 400}')
    line = counts()
    lab.run_for(0.1)
    control.ask(b'{"command": "SetMeasurementPeriod", "label": "InptMeasurementPeriod", "value": 50}', 0.1)
    lab.run_for(0.32)
    lines = line.receive().decode().splitlines()[1:]
    assert [each.split(",")[1] for each in lines] == ["400", "50", "50"]


def test_nothing_is_counted_while_nobody_listens(twin, counts, lab, fake_bench):
    lab.bench = fake_bench({})
    line = counts()
    lab.run_for(0.5)
    assert lab.bench.open == 1
    line.close()
    lab.take_in(lambda: not twin.counts.port.streams)
    assert lab.bench.open == 0
    lab.run_for(1.0)


def test_connection_names_the_counts_port(twin):
    assert twin.connection() == {"counts_port": twin.counts.port.number}
    assert twin.resource == f"socket://127.0.0.1:{twin.main_port.number}"
