"""Rows 7 to 10: setpoints out of limits, no numbers, in the wrong unit, of the wrong type: refused before any I/O.

Requests are made as a client of one's own would make them, with nothing of ours that could check before the agent does.
"""

import math
import time

import pytest
from bellringer.console.files import load_checked
from bellringer.console.values import set_command
from bellringer.orchestrator.client.contact import Contact
from bellringer.orchestrator.client.described import Described
from bellringer.orchestrator.client.lab import Lab
from bellringer.orchestrator.client.network import Network
from bellringer.orchestrator.wire.messages import Ack, Call, Do, Get, Set
from bellringer.testbed.errors import BellringerError, LimitError, TestbedFileError

pytestmark = pytest.mark.process

LIMIT_W = 0.05
"""What the testbed file allows; the laser itself could twice as much."""


@pytest.fixture(scope="module")
def lit(sites, tmp_path_factory):
    """One site for all tests, lit; 1 mW is its file's setting."""
    site = sites(tmp_path_factory.mktemp("site"))
    try:
        site.laser.file.write_text(site.laser.file.read_text().replace('power: "10 mW"', 'power: "1 mW"'))
        site.start()
        site.anna = site.light()
        yield site
    finally:
        site.close()


@pytest.fixture
def site(lit):
    """The site, lit with 10 mW, without a fault."""
    if lit.status()["fault"]:
        lit.until(lambda: lit.node()["fault"])
        lit.to_coordinator().request(Ack(0, "charlie"))
        lit.until(lit.well)
    lit.anna.request(Set(0, lit.pump, "power", 0.01, 0))
    if not lit.laser.lit:
        lit.light()
    return lit


@pytest.fixture
def network(lit):
    """What the command line and scripts speak through."""
    where = {name: f"tcp://127.0.0.1:{port}" for name, port in lit.ports.items()}
    return Network(Contact(**where, public_key=lit.keys["coordinator"].public), lit.keys["anna"])


def setpoint(site):
    return site.laser.twin.inspect()["setpoint_w"]


def sets(site, since_s):
    """Return the power commands that reached the laser."""
    return [command for command in site.laser.commands(since_s) if command.startswith(("p ", "slc", "slmp"))]


# --- row 7: limits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.0500001, 0.06, 50, 1e300, -1e-9, -0.01])
def test_row_07_a_setpoint_beyond_a_limit_is_refused_by_the_agent_before_any_io(site, value):
    now_s = time.monotonic()
    error = site.refused(site.anna, Set(0, site.pump, "power", value, 0, confirm=True), LimitError)
    assert "limit of the testbed file" in error.what
    assert "nothing was sent" in error.hint
    assert sets(site, now_s) == []
    assert setpoint(site) == 0.01
    assert site.laser.lit, "a refused setpoint changes nothing"


def test_row_07_a_ramp_of_small_steps_ends_at_the_limit(site):
    for step in range(2, 6):
        site.anna.request(Set(0, site.pump, "power", round(0.01 * step, 6), 0))
    for step in range(1, 4):
        site.refused(site.anna, Set(0, site.pump, "power", 0.05 + 1e-6 * step, 0), LimitError)
    assert setpoint(site) == LIMIT_W
    assert site.laser.twin.inspect()["power_w"] <= LIMIT_W * 1.001


def test_row_07_limits_hold_after_a_conversion_of_units_too(site):
    described = Described.of(site.anna.request(Do(0, site.pump, "describe", 0)))
    for text, watts in (("49 mW", 0.049), ("50000 uW", 0.05), ("51 mW", None), ("0.06 W", None), ("20 dBm", None)):
        request = Set(0, site.pump, "power", described.plain("power", text, needs_unit=True), 0)
        if watts is None:
            assert "outside 0 to 0.05 W" in site.refused(site.anna, request, LimitError).what
        else:
            site.anna.request(request)
            assert setpoint(site) == watts


def test_row_07_an_output_that_reads_beyond_its_limit_makes_dark_and_latches(site):
    """Somebody turns the power up at the laser itself: 80 mW where 50 are allowed, and 10 per cent for its meter."""
    raised_s = time.monotonic()
    site.laser.twin._set_power(0.08)
    off_s = site.laser.when("l0", raised_s)
    print(f"readback beyond its limit: commanded off {1000 * (off_s - raised_s):.0f} ms later (promised 2000)")
    assert off_s - raised_s < 2.0 + 5.0
    site.until(lambda: not site.laser.lit)
    fault = site.until(lambda: site.status()["fault"])
    assert "power_now = 0.0" in fault
    assert "is beyond 0.05 W (limit of the testbed file on power)" in fault
    assert "latched dark" in site.refused(site.anna, Call(0, site.pump, "emission_on", 0)).what


# --- row 8: no numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, float("1e999")])
def test_row_08_what_is_no_finite_number_is_refused_before_any_io(site, value):
    now_s = time.monotonic()
    error = site.refused(site.anna, Set(0, site.pump, "power", value, 0), LimitError)
    assert "must be a finite number in W" in error.what
    assert sets(site, now_s) == []
    assert setpoint(site) == 0.01


def test_row_08_minus_zero_is_zero(site):
    now_s = time.monotonic()
    site.anna.request(Set(0, site.pump, "power", -0.0, 0))
    assert sets(site, now_s) == ["p 0.000000"], "no sign that an instrument could stumble over"
    assert setpoint(site) == 0.0


# --- row 9: units -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("0.02", "a number without a unit"),
        ("20", "a number without a unit"),
        ("20 ms", "not a quantity in W"),
        ("20 GHz", "not a quantity in W"),
        ("20 deg", "not a quantity in W"),
        ("20 mw", "unknown unit"),
        ("", "not a number with a unit"),
    ],
)
def test_row_09_a_missing_or_wrong_unit_is_refused(site, text, what):
    described = Described.of(site.anna.request(Do(0, site.pump, "describe", 0)))
    with pytest.raises(BellringerError, match=what):
        described.plain("power", text, needs_unit=True)


def test_row_09_a_raise_of_more_than_tenfold_needs_a_confirmation(site):
    """1 mW is what the file says is usual; 10 mW are ten times that, and 20 are not beyond ten times 10."""
    for value in (0.0004, 0.01, 0.02, 0.0, 0.0004):
        site.anna.request(Set(0, site.pump, "power", value, 0))
    now_s = time.monotonic()
    error = site.refused(site.anna, Set(0, site.pump, "power", 0.04, 0), LimitError)
    assert error.what == ("power = 0.04 W is 40 times the usual: now it is 0.0004 W, in the testbed file 0.001 W")
    assert "--confirm" in error.hint
    assert sets(site, now_s) == []
    site.anna.request(Set(0, site.pump, "power", 0.04, 0, confirm=True))
    assert setpoint(site) == 0.04


def test_row_09_a_person_and_a_script_confirm_what_they_mean(site, network, capsys):
    site.anna.request(Set(0, site.pump, "power", 0.001, 0))
    with pytest.raises(LimitError, match="20 times the usual"):
        set_command(network, 'charlie.pump.power="20 mW"', confirm=False, in_run=False, as_json=False)
    set_command(network, 'charlie.pump.power="20 mW"', confirm=True, in_run=False, as_json=False)
    assert capsys.readouterr().out == "charlie.pump.power = 0.02 W\n"

    site.anna.request(Set(0, site.pump, "power", 0.001, 0))
    lab = Lab(network)
    try:
        with pytest.raises(LimitError, match="20 times the usual"):
            lab.charlie.pump.power = "20 mW"
        lab.charlie.pump.set("power", "20 mW", confirm=True)
    finally:
        lab.close()
    assert setpoint(site) == 0.02


# --- row 10: types and names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["0.5", "10 mW", True, False, 2**63 - 1])
def test_row_10_a_value_of_the_wrong_type_is_refused_with_the_settings_name(site, value):
    now_s = time.monotonic()
    error = site.refused(site.anna, Set(0, site.pump, "power", value, 0), LimitError)
    assert "power" in error.what
    assert "charlie.pump" in error.where
    assert sets(site, now_s) == []


@pytest.mark.parametrize("value", [2**70, None, [0.01], {"power": 0.01}])
def test_row_10_what_is_no_value_at_all_does_not_reach_the_laser(site, value):
    now_s = time.monotonic()
    site.refused(site.anna, Set(0, site.pump, "power", value, 0))
    assert sets(site, now_s) == []
    assert setpoint(site) == 0.01


@pytest.mark.parametrize(
    ("request_", "what", "hint"),
    [
        (Set(0, "charlie.pump", "pwoer", 0.01, 0), "has no setting 'pwoer'", "did you mean 'power'?"),
        (Set(0, "charlie.pump", "power_now", 0.01, 0), "is a reading", "power"),
        (Set(0, "charlie.pmup", "power", 0.01, 0), "no instrument 'charlie.pmup'", "did you mean 'charlie.pump'?"),
        (Call(0, "charlie.pump", "emision_on", 0), "no method 'emision_on'", "did you mean 'emission_on'?"),
        (Call(0, "charlie.pump", "_set_power", 0, (0.09,)), "no method '_set_power'", "valid names"),
        (Call(0, "charlie.pump", "emission_on", 0, (1,)), "cannot be called like this", "emission_on()"),
        (Get(0, "charlie.pump", "", 0), "has no setting or reading ''", "valid names"),
    ],
)
def test_row_10_an_unknown_name_is_refused_with_the_nearest_one(site, request_, what, hint):
    now_s = time.monotonic()
    error = site.refused(site.anna, request_)
    assert what in error.what
    assert hint in error.hint
    assert {"l1", "p"}.isdisjoint(command.split()[0] for command in site.laser.commands(now_s))


@pytest.mark.parametrize(
    ("there", "instead", "what"),
    [
        ('max_power: "100 mW"', 'max_power: "100 mW", max_power: "90 mW"', "'max_power' appears twice"),
        ('max_power: "100 mW"', 'max_pwoer: "100 mW"', "did you mean 'max_power'?"),
        ("bellringer: 1", "bellringer: 1.0", "bellringer is 1.0"),
        ("bellringer: 1", "bellringer: true", "bellringer is True"),
        ("bellringer: 1", 'bellringer: "1"', "bellringer is '1'"),
        ('power: "1 mW"', "power: true", "power is True"),
        ('power: "1 mW"', 'power: "1e999 W"', "not a finite number"),
    ],
)
def test_row_10_a_testbed_file_with_a_wrong_type_or_key_is_refused_with_its_line(site, tmp_path, there, instead, what):
    text = site.laser.file.read_text()
    assert text.count(there) == 1
    file = tmp_path / "lab.yaml"
    file.write_text(text.replace(there, instead))
    with pytest.raises(TestbedFileError) as caught:
        load_checked(file, [])
    assert what in str(caught.value)
    line = next(number for number, each in enumerate(text.splitlines(), 1) if there in each)
    assert f"lab.yaml:{line}:" in str(caught.value)
