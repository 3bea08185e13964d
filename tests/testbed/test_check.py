"""What only drivers know is checked without any I/O: drivers, settings, limits, rest states, options, parts."""

import math
from collections.abc import Mapping
from typing import Any

import pytest
from bellringer.drivers import registry
from bellringer.drivers.check import check, resolve_limits, resolve_settings
from bellringer.drivers.interfaces import Identity, Instrument, Laser, Reading, Setting, TemperatureController
from bellringer.drivers.resources import check_resource
from bellringer.testbed.errors import BellringerError, LimitError
from bellringer.testbed.loader import load


class Fake(Instrument):
    """An instrument that fails the test as soon as anything would go over its port."""

    verified = "manual"
    model_name = "fake"

    def _connect(self) -> None:
        pytest.fail("the check opened an instrument")

    def _disconnect(self) -> None: ...
    def identify(self) -> Identity:
        pytest.fail("the check asked an instrument who it is")

    def safe_state(self) -> None: ...


def _never(*_: object) -> Any:
    pytest.fail("the check spoke to an instrument")


class FakeLaser(Fake):
    model_name = "fake laser"
    power = Setting(_never, _never, unit="W", limits=(0.0, 0.1), emits=True, doc="Power.")
    power_now = Reading(_never, unit="W", doc="Measured power.")
    mode = Setting(_never, _never, kind=str, choices=("constant", "modulated"), doc="Mode.")
    autostart = Setting(_never, _never, kind=bool, doc="Autostart.")
    pulses = Setting(_never, _never, kind=int, limits=(1, 100), doc="Pulses.")

    def __init__(self, resource: str, *, rated_power: float = 0.08, **common: Any) -> None:
        super().__init__(resource, **common)
        if rated_power > 0.1:
            raise LimitError(f"rated_power = {rated_power:g} W is too much", hint="at most 0.1 W")
        self.device_limits["power"] = (0.0, rated_power)

    def emission_on(self) -> None: ...
    def emission_off(self) -> None: ...
    def is_emitting(self) -> bool:
        return False


class FakeMount(Fake):
    angle = Setting(_never, _never, unit="deg", doc="Angle.")

    def __init__(self, resource: str, *, address: str = "0", **common: Any) -> None:
        super().__init__(resource, **common)

    def home(self) -> None: ...
    def stop(self) -> None: ...


class FakeOven(Fake):
    temperature_setpoint = Setting(_never, _never, unit="degC", limits=(20.0, 200.0), doc="Setpoint.")
    temperature = Reading(_never, unit="degC", doc="Temperature.")

    def enable(self) -> None: ...
    def disable(self) -> None: ...
    def wait_settled(self) -> None: ...


class FakeSource(Fake):
    composed = True
    roles = {"pump": Laser, "oven": TemperatureController}
    settle_time = Setting(_never, _never, unit="s", limits=(0.0, 100.0), doc="Settle time.")

    def __init__(self, resource: str = "", *, parts: Mapping[str, Instrument], **common: Any) -> None:
        super().__init__(resource, **common)
        assert isinstance(parts["pump"], FakeLaser)

    def prepare(self) -> None: ...
    def pump_power(self) -> None: ...
    def crystal_temperature(self) -> None: ...
    def set_state_angle(self) -> None: ...
    def dark(self) -> None: ...


class FakeTagger(Fake):
    def record(self) -> None: ...
    def count_rates(self) -> None: ...


FAKES = {
    "fake_laser": FakeLaser,
    "fake_mount": FakeMount,
    "fake_oven": FakeOven,
    "fake_source": FakeSource,
    "fake_detectors": Fake,
    "fake_tagger": FakeTagger,
}


@pytest.fixture(autouse=True)
def _fake_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    real = registry.driver_class
    monkeypatch.setattr(registry, "driver_class", lambda name: FAKES.get(name) or real(name))


def test_a_right_file_passes_without_any_io(lab: Any) -> None:
    check(load(lab.path))


PUMP = 'settings: {power: "10 mW"}'
PARTS = "parts: {pump: pump, oven: oven}"
OVEN_AT = "resource: ASRL/dev/ttyUSB2::INSTR"

# Each row: what stands in the good file, what takes its place, the text at which the error is placed, message, hint.
FAULTS = {
    "unknown driver": (
        "driver: fake_oven",
        "driver: tc20",
        "driver: tc20",
        "no driver 'tc20'",
        "did you mean 'tc200'?",
    ),
    "unknown setting": (PUMP, PUMP.replace("power", "powr"), "powr", "'powr' is no setting of fake laser", "'power'?"),
    "a reading": (PUMP, PUMP.replace("power", "power_now"), "power_now", "a reading of fake laser", "'power'?"),
    "no unit": (PUMP, "settings: {power: 10}", "power: 10", "power is 10: a number without a unit", '"10 mW"'),
    "wrong unit": (PUMP, 'settings: {power: "10 mV"}', "power:", "not a quantity in W", '"1 mW"'),
    "true for a quantity": (PUMP, "settings: {power: true}", "power:", "power is True", '"1 mW"'),
    "nothing": (PUMP, "settings: {power: }", "power:", "power is None", '"1 mW"'),
    "above the file's limit": (
        PUMP,
        PUMP.replace("10", "60"),
        "power:",
        "outside 0 to 0.05 W (limit of the testbed",
        "lim",
    ),
    "unknown choice": (PUMP, "settings: {mode: pulsed}", "mode:", "mode is 'pulsed'", "constant, modulated"),
    "text for a switch": (PUMP, "settings: {autostart: maybe}", "autostart:", "not true or false", ""),
    "half a pulse": (PUMP, "settings: {pulses: 2.5}", "pulses:", "pulses is 2.5, not a whole number", "round"),
    "too many pulses": (PUMP, "settings: {pulses: 101}", "pulses:", "outside 1 to 100", "limits"),
    "limit of the unknown": ("power: {max", "powr: {max", "powr: {max", "'powr' is no setting", "'power'?"),
    "limit without unit": ('"50 mW"', "50", "power: {max", "max is 50.0: a number without a unit", '"50 mW"'),
    "limit in other units": ('"50 mW"', '"50 mV"', "power: {max", "max is '50 mV': not a quantity in W", '"1 mW"'),
    "wider than hardware": ('"50 mW"', '"200 mW"', "power: {max", "wider than the hardware's, 0 to 0.1 W", "narrow"),
    "wider than the unit": ('"50 mW"', '"90 mW"', "power: {max", "wider than the unit's, 0 to 0.08 W", "narrow"),
    "below hardware": ('max: "50 mW"', 'min: "-1 mW"', "power: {min", "wider than the hardware's", "narrow"),
    "limit of a choice": ("power: {max", "mode: {max", "mode: {max", "mode is no number and has no limits", "remove"),
    "unknown rest": (
        OVEN_AT,
        OVEN_AT + "\n        rest: {temp: 1}",
        "temp: 1",
        "'temp' is no setting",
        "temperature_setpoint",
    ),
    "rest out of limits": (
        OVEN_AT,
        OVEN_AT + '\n        rest: {temperature_setpoint: "5 degC"}',
        "temperature_setpoint: ",
        "outside 20 to 200 degC",
        "limits",
    ),
    "rest that emits": (
        'settings: {power: "10 mW"}',
        'settings: {power: "10 mW"}\n        rest: {power: "1 mW"}',
        'power: "1 mW"',
        "power emits, and rest is dark",
        "remove it here",
    ),
    "unknown option": (
        '{address: "0"}',
        '{adress: "0"}',
        "adress",
        "'adress' is no option of fake_mount",
        "'address'?",
    ),
    "refused option": (
        PUMP,
        "options: {rated_power: 0.2}",
        "options: {rated",
        "rated_power = 0.2 W is too much",
        "0.1 W",
    ),
    "option of wrong type": (
        PUMP,
        "options: {rated_power: [1]}",
        "options: {rated",
        "does not take these options",
        "correct",
    ),
    "options for parts": (
        PARTS,
        PARTS + "\n        options: {parts: 1}",
        "parts: 1",
        "'parts' is no option",
        "valid names: none",
    ),
    "no resource": (f"        {OVEN_AT}\n", "", "oven:", "charlie.oven has no 'resource:'", "ASRL"),
    "no such resource": (
        OVEN_AT,
        "resource: /dev/ttyUSB2",
        "resource: /dev",
        "'/dev/ttyUSB2' is no resource string",
        "serial:///dev/ttyUSB0",
    ),
    "composed with a port": (
        PARTS,
        PARTS + "\n        resource: socket://h:1",
        "resource: socket://h:1",
        "has no port",
        "remove",
    ),
    "missing part": (
        PARTS,
        "parts: {pump: pump}",
        "parts: {pump",
        "charlie.source lacks its part 'oven'",
        "pump, oven",
    ),
    "unknown role": (
        PARTS,
        PARTS.replace("oven}", "oven, oven2: oven}"),
        "oven2",
        "no part 'oven2'",
        "did you mean 'oven'?",
    ),
    "unknown part": (
        PARTS,
        "parts: {pump: pmp, oven: oven}",
        "pump: pmp",
        "no instrument 'pmp' at charlie",
        "did you mean 'pump'?",
    ),
    "part of another node": (
        PARTS,
        "parts: {pump: pump, oven: alice.plate}",
        "oven: alice",
        "no instrument 'alice.plate' at charlie",
        "",
    ),
    "part that cannot": (
        PARTS,
        "parts: {pump: oven, oven: oven}",
        "pump: oven",
        "charlie.oven (fake) is no Laser: it has no emission_off",
        "Laser",
    ),
    "itself as a part": (
        PARTS,
        "parts: {pump: source, oven: oven}",
        "pump: source",
        "charlie.source is composed itself",
        "port",
    ),
    "parts of a simple one": (
        OVEN_AT,
        OVEN_AT + "\n        parts: {pump: pump}",
        "pump: pump}",
        "fake_oven has no part 'pump'",
        "remove",
    ),
    "source that is none": (
        "source: charlie.source",
        "source: charlie.pump",
        "source: charlie.pump",
        "charlie.pump (fake laser) is no PairSource",
        "PairSource",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_named_placed_and_hinted(lab: Any, name: str) -> None:
    old, new, needle, what, hint = FAULTS[name]
    lab.change(old, new)
    error = lab.refusal(check=check)
    assert what in error.what
    assert hint in error.hint
    assert error.where == lab.place(needle)


def test_an_override_is_checked_like_the_file(lab: Any) -> None:
    error = lab.refusal({"charlie.pump.powr": "1 mW"}, check)
    assert error.where == "--set charlie.pump.powr=1 mW"
    assert error.hint == "did you mean 'power'?"
    assert "0.06 W is outside" in lab.refusal({"charlie.pump.power": "60 mW"}, check).what


def test_a_limit_that_is_no_range_is_reported_once(lab: Any) -> None:
    lab.change('{max: "50 mW"}', '{min: "50 mW", max: "1 mW"}')
    error = lab.refusal(check=check)
    assert error.what == "charlie.pump: no value of power lies between 0.05 W and 0.001 W"
    assert error.where == lab.place("power: {min")


def test_faults_of_several_instruments_are_reported_together(lab: Any) -> None:
    lab.change(PUMP, PUMP.replace("power", "powr"))
    lab.change("driver: fake_oven", "driver: tc20")
    assert lab.refusal(check=check).what.startswith("2 errors in the testbed file:")


def test_the_default_bus_address_counts(lab: Any) -> None:
    lab.change("serial:///dev/ttyUSB3", "serial:///dev/ttyUSB1")
    error = lab.refusal(check=check)
    assert "alice.plate has the same address 0 on serial:///dev/ttyUSB1 as charlie.pump_plate" in error.what
    assert error.where == lab.place("resource: serial:///dev/ttyUSB1", after="  alice:")


def test_a_driver_that_cannot_be_imported_is_an_error_of_the_file(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.BUILT_IN, "broken", "no_such_module:Driver")
    lab.change("driver: fake_oven", "driver: broken")
    error = lab.refusal(check=check)
    assert "driver 'broken' cannot be imported" in error.what
    assert error.where == lab.place("driver: broken")


def test_settings_resolve_to_the_declared_units(lab: Any) -> None:
    lab.change(PUMP, 'settings: {power: "10 mW", mode: constant, autostart: on, pulses: 3}')
    entry = load(lab.path).testbed.instruments()["charlie.pump"]
    assert resolve_settings(entry, FakeLaser) == {"power": 0.01, "mode": "constant", "autostart": True, "pulses": 3}
    assert resolve_settings(entry, FakeLaser, "rest") == {}


def test_settings_from_the_command_line_resolve_alike(lab: Any) -> None:
    overrides = {f"charlie.pump.{name}": value for name, value in (("autostart", "on"), ("pulses", "7"))}
    entry = load(lab.path, overrides).testbed.instruments()["charlie.pump"]
    assert resolve_settings(entry, FakeLaser) == {"power": 0.01, "autostart": True, "pulses": 7}


def test_limits_resolve_with_the_hardware_on_the_open_side(lab: Any) -> None:
    entries = load(lab.path, {"charlie.pump_plate.limits.angle.max": "90 deg"}).testbed.instruments()
    assert resolve_limits(entries["charlie.pump"], FakeLaser) == {"power": (0.0, 0.05)}
    assert resolve_limits(entries["charlie.pump_plate"], FakeMount) == {"angle": (-math.inf, 90.0)}
    assert resolve_limits(entries["charlie.oven"], FakeOven) == {}


@pytest.mark.parametrize(
    "resource",
    [
        "serial:///dev/serial/by-id/usb-FTDI_x-if00-port0",
        "serial://COM3",
        "socket://192.0.2.21:12000",
        "zmq://tagger.lab:5555",
        "socket://[2001:db8::1]:5000",
        "ASRL/dev/ttyUSB0::INSTR",
        "asrl3::instr",
        "TCPIP::192.0.2.31::12000::SOCKET",
        "TCPIP0::192.0.2.10::INSTR",
        "TCPIP::192.0.2.10::hislip0::INSTR",
        "USB0::0x1313::0x8078::P0000000::INSTR",
        "GPIB0::15::INSTR",
        "http://192.0.2.9:8080/api",
        "sdk://vendor.module",
    ],
)
def test_every_form_of_resource_is_known(resource: str) -> None:
    check_resource(resource)


@pytest.mark.parametrize(
    ("resource", "hint"),
    [
        ("socket://192.0.2.21", "socket://192.0.2.10:5000"),
        ("socket://192.0.2.21:port", "socket://192.0.2.10:5000"),
        ("serial://dev/ttyUSB0", "serial:///dev/ttyUSB0"),
        ("TCPIP::192.0.2.31::12000", "TCPIP::192.0.2.10::5025::SOCKET or TCPIP::192.0.2.10::INSTR"),
        ("ASRL/dev/ttyUSB0", "ASRL/dev/ttyUSB0::INSTR"),
        ("/dev/ttyUSB0", "serial:///dev/ttyUSB0 or socket://"),
        ("192.0.2.21:12000", "serial:///dev/ttyUSB0 or socket://"),
        ("zmq://192.0.2.22:70000", "between 1 and 65535"),
        ("TCPIP::192.0.2.31::0::SOCKET", "between 1 and 65535"),
    ],
)
def test_other_forms_are_refused_with_one_that_begins_alike(resource: str, hint: str) -> None:
    with pytest.raises(BellringerError) as caught:
        check_resource(resource)
    assert hint in caught.value.hint
