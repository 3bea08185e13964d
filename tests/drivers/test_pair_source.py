"""The composed pair source: the order of its steps, light last, dark verified; its parts are recorded stand-ins."""

import math

import pytest
from bellringer.drivers import driver_class
from bellringer.drivers.composites.pair_source import ComposedPairSource
from bellringer.drivers.interfaces import Identity, Instrument, Reading, Setting
from bellringer.drivers.lasers.cobolt import Cobolt06
from bellringer.drivers.optics.elliptec import ElliptecEll14
from bellringer.drivers.optics.tc200 import Tc200
from bellringer.testbed.errors import BellringerError, IdentityError, InstrumentError, LimitError


class Part(Instrument):
    """A part that writes down what is asked of it."""

    verified = "manual"
    model_name = "part"

    def __init__(self, name, log):
        super().__init__("", name=name)
        self.log = log

    def note(self, what):
        self.log.append(f"{self.name}: {what}")

    def _connect(self):
        self.note("open")

    def _disconnect(self):
        pass

    def identify(self):
        return Identity("maker", self.name, "7")

    def safe_state(self):
        self.note("safe")


class Pump(Part):
    power = Setting(lambda pump: pump.watts, lambda pump, value: setattr(pump, "watts", value), unit="W", doc="")
    power_now = Reading(lambda pump: pump.watts * 0.99 if pump.lit else 0.0, unit="W", doc="")
    watts, lit, stuck = 0.0, False, False

    def emission_on(self):
        self.note("on")
        self.lit = True

    def emission_off(self):
        self.note("off")
        self.lit = self.stuck

    def is_emitting(self):
        return self.lit


class Plate(Part):
    angle = Setting(lambda plate: plate.position, lambda plate, value: plate.turn(value), unit="deg", doc="")
    position, homed = 0.0, False

    def turn(self, angle):
        self.note(f"turn {angle:g}")
        self.position = angle

    def home(self):
        self.note("home")
        self.homed = True

    def stop(self):
        self.note("stop")


class Oven(Part):
    temperature_setpoint = Setting(lambda oven: 62.0, lambda oven, value: None, unit="degC", doc="")
    temperature = Reading(lambda oven: 61.9, unit="degC", doc="")
    cold = False

    def enable(self):
        self.note("enable")

    def disable(self):
        self.note("disable")

    def wait_settled(self, tolerance=0.1, hold_s=5.0, timeout_s=1800.0):
        self.note(f"settle {tolerance:g} K {hold_s:g} s")
        if self.cold:
            raise self.error("not settled")


@pytest.fixture
def log():
    return []


@pytest.fixture
def parts(log):
    made = {"pump": Pump("pump", log), "pump_plate": Plate("plate", log), "oven": Oven("oven", log)}
    for part in made.values():
        part.open()
    log.clear()
    return made


@pytest.fixture
def source(parts):
    return ComposedPairSource(parts=parts, name="charlie.source").open()


def test_is_registered_and_offers_a_pair_source():
    assert driver_class("pair_source") is ComposedPairSource
    members = ("prepare", "pump_power", "crystal_temperature", "set_state_angle", "dark")
    assert all(hasattr(ComposedPairSource, member) for member in members)


def test_its_identity_is_made_of_its_parts(source):
    assert (source.identity.maker, source.identity.model) == ("bellringer", "pair source")
    assert source.identity.serial == (
        "pump: maker pump serial 7; pump_plate: maker plate serial 7; oven: maker oven serial 7"
    )


def test_prepare_settles_the_oven_then_turns_the_plate_then_lights_the_pump(source, parts, log):
    parts["pump"].watts = 0.01
    source.oven_tolerance, source.settle_time = 0.2, 30.0
    source.set_state_angle(22.5)
    log.clear()
    source.prepare()
    assert log == [
        "oven: enable",
        "oven: settle 0.2 K 30 s",
        "plate: home",
        "plate: turn 22.5",
        "pump: on",
    ]
    assert (source.pump_power(), source.crystal_temperature()) == (0.0099, 61.9)


def test_a_homed_plate_is_not_homed_again_and_stays_where_its_own_setting_put_it(source, parts, log):
    parts["pump"].watts = 0.01
    parts["pump_plate"].homed, parts["pump_plate"].position = True, 11.0
    source.prepare()
    assert log == ["oven: enable", "oven: settle 0.1 K 5 s", "pump: on"]
    assert source.state_angle == 11.0


def test_a_plate_that_does_not_tell_is_homed_once(log, parts):
    class Quiet(Part):
        angle = Setting(lambda plate: 0.0, lambda plate, value: None, unit="deg", doc="")
        stop = Plate.stop

        def home(self):
            self.note("home")

    parts["pump_plate"] = Quiet("quiet", log)
    parts["pump_plate"].open()
    source = ComposedPairSource(parts=parts).open()
    source.prepare()
    source.prepare()
    assert log.count("quiet: home") == 1


def test_with_a_power_of_zero_the_source_stays_dark_without_an_error(source, log):
    source.prepare()
    assert "pump: on" not in log
    assert log[-1] == "pump: off"


def test_an_oven_that_does_not_settle_keeps_the_pump_dark(source, parts, log):
    parts["pump"].watts, parts["oven"].cold = 0.01, True
    with pytest.raises(InstrumentError, match="not settled"):
        source.prepare()
    assert "pump: on" not in log


@pytest.mark.parametrize("make_dark", ["dark", "safe_state", "close"])
def test_dark_switches_the_pump_off_and_nothing_else(source, parts, log, make_dark):
    parts["pump"].lit = True
    getattr(source, make_dark)()
    assert log == ["pump: off"]
    assert not parts["pump"].lit
    assert all(part.is_open for part in parts.values())


def test_a_pump_that_stays_on_is_an_error(source, parts):
    parts["pump"].lit = parts["pump"].stuck = True
    with pytest.raises(InstrumentError, match="still emits") as caught:
        source.dark()
    assert "charlie.source" in caught.value.where


def test_open_requires_open_parts_and_opens_none(parts, log):
    parts["oven"].close()
    log.clear()
    source = ComposedPairSource(parts=parts, name="charlie.source")
    with pytest.raises(InstrumentError, match="its oven, oven \\(part\\), is not open"):
        source.open()
    assert log == []
    assert not source.is_open


def test_missing_unknown_and_unfit_parts_are_refused_by_name(parts):
    with pytest.raises(BellringerError, match="lacks its part 'oven'"):
        ComposedPairSource(parts={role: part for role, part in parts.items() if role != "oven"})
    with pytest.raises(BellringerError, match="no part 'pumps'") as caught:
        ComposedPairSource(parts={**parts, "pumps": parts["pump"]})
    assert "pump" in caught.value.hint
    with pytest.raises(BellringerError, match="cannot be the oven: it has no disable, enable, temperature"):
        ComposedPairSource(parts={**parts, "oven": parts["pump"]})


def test_the_built_in_drivers_fit_their_roles_and_are_not_asked_anything():
    nobody = "socket://127.0.0.1:9"
    parts = {"pump": Cobolt06(nobody), "pump_plate": ElliptecEll14(nobody), "oven": Tc200(nobody)}
    assert ComposedPairSource(parts=parts).parts == parts


def test_an_expected_serial_number_is_compared_with_the_parts(parts):
    with pytest.raises(IdentityError):
        ComposedPairSource(parts=parts, serial_number="7").open()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("oven_tolerance", 0.0), ("oven_tolerance", math.nan), ("settle_time", -1.0), ("state_angle", 1000.0)],
)
def test_settings_out_of_limits_are_refused_and_no_part_is_asked(source, log, setting, value):
    with pytest.raises(LimitError):
        setattr(source, setting, value)
    assert log == []


def test_a_state_angle_the_plate_refuses_is_not_remembered(source, parts, log):
    parts["pump_plate"].file_limits["angle"] = (0.0, 90.0)
    with pytest.raises(LimitError):
        source.set_state_angle(91.0)
    source.prepare()
    assert not any("turn" in line for line in log)


def test_snapshot_asks_for_every_reading(source):
    assert source.snapshot() == {"oven_tolerance": 0.1, "settle_time": 5.0, "state_angle": 0.0, "emitting": False}
