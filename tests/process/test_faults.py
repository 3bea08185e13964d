"""Instruments that misbehave in mid-run: what is given out is right, or an error says so; dark at the end."""

import numpy as np
import pytest
from bellringer.testbed.errors import InstrumentError, OverflowDetected, TransportError
from bellringer.testbed.prediction import predict

pytestmark = pytest.mark.process

WIRE_FAULTS = ("garbage", "truncate", "corrupt", "late", "drop", "stale")


def setting(name, key, value, truth_key, tolerance):
    """Return a step that sets a value, and the same value as it physically is."""

    def step(run):
        run.set(name, key, value)
        return value

    return step, lambda lab: lab.inspect(name)[truth_key], tolerance


def reading(name, key, truth_key, tolerance):
    """Return a step that asks for a value, and the same value as it physically is."""
    return lambda run: run.get(name, key), lambda lab: lab.inspect(name)[truth_key], tolerance


def switching(method, lit):
    """Return a step that switches the pump, and whether light really comes out."""

    def step(run):
        run.call("charlie.pump", method)
        run.sleep(1.0)
        return lit

    return step, lambda lab: lab.light_w() > 0.0, 0


def first(step, truth, tolerance):
    """Return the step with the first of several values that should be the same."""
    return step, lambda lab: truth(lab)[0], tolerance


PUMP, OVEN, PLATE, DETECTORS = "charlie.pump", "charlie.oven", "alice.plate", "alice.detectors"
STEPS = {
    PUMP: [
        setting(PUMP, "power", 0.008, "setpoint_w", 1e-7),
        switching("emission_off", False),
        switching("emission_on", True),
        reading(PUMP, "power_now", "power_w", 1e-4),
        reading(PUMP, "emitting", "on", 0),
        reading(PUMP, "power", "setpoint_w", 1e-7),
    ],
    OVEN: [
        setting(OVEN, "temperature_setpoint", 45.4, "setpoint_degc", 1e-6),
        reading(OVEN, "temperature_setpoint", "setpoint_degc", 1e-6),
        setting(OVEN, "temperature_setpoint", 45.0, "setpoint_degc", 1e-6),
        reading(OVEN, "temperature", "temperature_degc", 0.15),
    ],
    PLATE: [
        setting(PLATE, "angle", 30.0, "angle_deg", 0.1),
        reading(PLATE, "angle", "counter_deg", 0.01),
        setting(PLATE, "angle", 100.0, "angle_deg", 0.1),
        reading(PLATE, "angle", "counter_deg", 0.01),
    ],
    DETECTORS: [
        first(*setting(DETECTORS, "bias_current", 18e-6, "bias_a", 1e-7)),
        first(*reading(DETECTORS, "bias_current", "bias_a", 1e-7)),
        first(*setting(DETECTORS, "bias_current", 20e-6, "bias_a", 1e-7)),
        reading(DETECTORS, "detectors_enabled", "enabled", 0),
    ],
}
"""Instrument: (what is asked of it, the truth, how far both may differ)."""


def attempt(step, run):
    """Return (value, None) or (None, the instrument's error)."""
    try:
        return step(run), None
    except InstrumentError as error:
        return None, error


def is_clear(error: InstrumentError, name: str) -> bool:
    return name in error.where and bool(error.what) and bool(error.hint)


CASES = [(name, kind) for name in STEPS for kind in WIRE_FAULTS]
CASES.remove((PUMP, "stale"))  # its replies name no command: one that comes twice at once, unasked, looks like the next


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_spoilt_reply_never_becomes_a_wrong_value(lab, name, kind):
    """Each step once with a spoilt reply, then once more without: what came late must not be taken for an answer."""
    given = []

    def troubled(run):
        run.start_source(run.link())
        run.sleep(5.0)
        for step, truth, tolerance in STEPS[name]:
            lab.fault(name, kind)
            value, error = attempt(step, run)
            given.append(error is None)
            assert is_clear(error, name) if error else value == pytest.approx(truth(lab), abs=tolerance)
            run.sleep(6.0)  # a late reply holds up what comes after it, so let it come
            assert step(run) == pytest.approx(truth(lab), abs=tolerance)

    outcome = lab.run(troubled)
    assert outcome.status == "completed", outcome.error
    assert lab.light_w() == 0.0
    assert len(given) == len(STEPS[name])
    if name == OVEN:
        assert all(given)  # its echo tells replies apart, and what was set is read back: nothing is left to give up on


@pytest.mark.parametrize("kind", WIRE_FAULTS)
def test_a_spoilt_reply_of_a_tagger_never_becomes_a_wrong_recording(lab, kind):
    """Both recordings within 6 sigma of the predicted singles (2 000 clicks each) and coincidences (300)."""
    link = lab.loaded.testbed.links["alice-bob"]
    whole, pairs = [], []

    def recorded(run):
        run.start_source(run.link())
        run.move({"alice.plate": 0.0, "bob.plate": 0.0})
        for spoilt in (True, False):
            if spoilt:
                lab.fault("alice.tagger", kind)
            acquisition, error = attempt(lambda run: run.acquire(link, 0.02), run)
            if error is None:
                whole.append(acquisition.singles())
                pairs.append(acquisition.coincidences().sum())
            else:
                assert spoilt
                assert is_clear(error, "alice.tagger"), error

    outcome = lab.run(recorded)
    assert outcome.status == "completed", outcome.error
    assert lab.light_w() == 0.0
    assert whole
    rate = predict(lab.loaded.testbed, link).results()["coincidence_rate"]
    for singles, coincidences in zip(whole, pairs):
        assert np.all(np.abs(singles - singles.mean(axis=1, keepdims=True)) < 6 * np.sqrt(singles))
        assert abs(coincidences - rate * 0.02) < 6 * np.sqrt(rate * 0.02)


@pytest.mark.parametrize("kind", WIRE_FAULTS)
def test_a_spoilt_reply_on_the_way_to_the_dark_does_not_keep_the_light_on(lab, kind):
    def lit(run):
        run.start_source(run.link())
        assert lab.light_w() > 0.0
        lab.fault(PUMP, kind)

    outcome = lab.run(lit)
    assert lab.light_w() == 0.0
    confirmed = lab.events(outcome.folder)[-3]["confirmed"]
    assert confirmed is (kind != "late")  # 5 s late is later than anybody waits for it: dark, but nobody could tell
    assert outcome.status == ("completed" if confirmed else "failed"), outcome.error


@pytest.mark.parametrize("name", [*STEPS, "bob.tagger"])
def test_an_instrument_that_falls_silent_fails_the_run_and_the_light_is_off(fresh_lab, name):
    """The way to the dark goes on to all the others; the silent one is named, and nobody claims that all is well."""

    def cut_off(run):
        run.start_source(run.link())
        assert fresh_lab.light_w() > 0.0
        fresh_lab.fault(name, "drop", 10_000)
        for each in fresh_lab.loaded.testbed.instruments():
            run.together([(each, "snapshot")])

    outcome = fresh_lab.run(cut_off)
    assert outcome.status == "failed"
    assert fresh_lab.light_w() == 0.0
    assert "not every instrument could be confirmed dark" in outcome.error.what
    assert f"{name} (" in outcome.error.what
    assert "block the light by hand" in outcome.error.hint
    kinds = {event["event"]: event for event in fresh_lab.events(outcome.folder)}
    assert kinds["dark"]["confirmed"] is False
    assert "closed" in kinds


def test_lost_tags_fail_the_run_and_none_of_them_are_kept(lab):
    def overflowing(run):
        link = run.link()
        run.start_source(link)
        run.acquire(link, 0.01)
        lab.fault("bob.tagger", "overflow")
        run.acquire(link, 0.01)

    outcome = lab.run(overflowing)
    assert outcome.status == "failed"
    assert isinstance(outcome.error, OverflowDetected)
    assert is_clear(outcome.error, "bob.tagger")
    assert lab.light_w() == 0.0
    assert sorted(path.name for path in (outcome.folder / "tags").iterdir()) == ["0001-alice.tags", "0001-bob.tags"]
    assert [event["event"] for event in lab.events(outcome.folder)].count("acquisition") == 1


def test_a_broken_connection_fails_the_run_and_the_next_one_has_a_new_one(lab):
    def broken(run):
        run.start_source(run.link())
        lab.fault(DETECTORS, "disconnect")
        with pytest.raises(TransportError, match="the connection broke"):
            run.get(DETECTORS, "bias_current")

    def whole(run):
        assert run.get(DETECTORS, "bias_current") == pytest.approx(20e-6)

    outcome = lab.run(broken)
    assert outcome.status == "failed"
    assert "could be confirmed dark: alice.detectors" in str(outcome.error)
    assert lab.light_w() == 0.0
    assert lab.run(whole).status == "completed"


def test_a_laser_without_its_key_says_so_and_is_commanded_off(fresh_lab):
    fresh_lab.fault(PUMP, "no_light")
    outcome = fresh_lab.run(lambda run: run.start_source(run.link()))
    assert outcome.status == "failed"
    assert "the laser refuses to light" in outcome.error.what
    assert "waiting for key" in outcome.error.what
    assert "turn the key switch to ON" in outcome.error.hint
    assert is_clear(outcome.error, PUMP)
    assert fresh_lab.inspect(PUMP)["on"] is False
    assert fresh_lab.light_w() == 0.0


def test_an_open_interlock_keeps_the_laser_dark_until_it_is_closed_and_cleared(fresh_lab):
    def interrupted(run):
        run.start_source(run.link())
        assert fresh_lab.light_w() > 0.0
        fresh_lab.fault(PUMP, "interlock")
        assert fresh_lab.light_w() == 0.0
        run.call(PUMP, "emission_on")

    def too_early(run):
        fresh_lab.fault(PUMP, "interlock_closed")
        run.start_source(run.link())

    def cleared(run):
        run.call(PUMP, "clear_fault")
        assert fresh_lab.light_w() == 0.0
        run.start_source(run.link())
        assert fresh_lab.light_w() > 0.0

    outcome = fresh_lab.run(interrupted)
    assert outcome.status == "failed"
    assert "the interlock is open" in outcome.error.what
    outcome = fresh_lab.run(too_early)
    assert outcome.status == "failed"
    assert "fault 3 is latched: interlock error" in outcome.error.what
    assert "clear_fault()" in outcome.error.hint
    assert fresh_lab.light_w() == 0.0
    assert fresh_lab.run(cleared).status == "completed"
    assert fresh_lab.light_w() == 0.0
