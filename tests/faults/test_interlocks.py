"""Rows 4 to 6: an interlock that opens or cannot be read makes dark and latches; a laser never lights by itself.

The site has a door contact besides its laser: a driver of the test's own, which reports what the test writes.
"""

import os
import signal
import time

import pytest
from bellringer.orchestrator.wire.messages import Ack, Call, Do, Get, Set
from bellringer.testbed.errors import InstrumentError

from .door import DOOR

pytestmark = pytest.mark.process

DARK_S = 1.0
"""From an interlock that opens to the command that switches off, at most: one reading and one command, and patience."""
GRACE_S = 5.0

FILE = """
bellringer: 1
name: laser-behind-a-door
nodes:
  charlie:
    interlocks:
      door: {{reading: contact.door, closed: "closed", patience: "0.5 s"}}
    instruments:
      contact: {{driver: door, resource: "serial://{door}"}}
      pump:
        driver: cobolt_06
        resource: serial://{laser}
        settings: {{power: "10 mW"}}
        limits: {{power: {{max: "50 mW"}}}}
        model: {{kind: laser, wavelength: "785 nm", max_power: "100 mW"}}
"""


@pytest.fixture(scope="module")
def guarded(sites, tmp_path_factory):
    site = sites(tmp_path_factory.mktemp("site"))
    try:
        site.door = site.folder / "door"
        site.door.write_text("closed")
        site.install("door", DOOR, "Door")
        site.laser.file.write_text(FILE.format(door=site.door, laser=site.laser.port))
        site.start()
        yield site
    finally:
        site.close()


def acknowledged(site):
    """Acknowledge the node's fault, and again as long as what was seen of its cause is old, until the node is well."""

    def well():
        if site.node()["fault"]:
            site.to_coordinator().request(Ack(0, "charlie"))
        return site.well()

    site.until(lambda: site.node()["fault"])
    site.until(well)


@pytest.fixture
def site(guarded):
    """The site, lit, with all interlocks closed; afterwards as well as before."""
    guarded.anna = guarded.light()
    yield guarded
    report(guarded, "closed")
    guarded.laser.twin.own_fault("interlock_closed")
    if guarded.status()["fault"]:
        acknowledged(guarded)
    guarded.anna.request(Call(0, guarded.pump, "clear_fault", 0))
    guarded.anna.request(Do(0, guarded.pump, "safe_state", 0))


def report(site, text):
    """Have the contact report something, from one moment to the next; return when."""
    file = site.folder / "door.new"
    file.write_text(text)
    now_s = time.monotonic()
    file.replace(site.door)
    return now_s


def is_latched(site, since_s, why, promised_s=DARK_S):
    """Assert that it was dark soon after, that the node is latched, and that nothing lights."""
    off_s = site.laser.when("l0", since_s)
    print(f"{why}: commanded off {1000 * (off_s - since_s):.0f} ms later (promised {1000 * promised_s:.0f})")
    assert off_s - since_s < promised_s + GRACE_S
    site.until(lambda: not site.laser.lit)
    site.until(lambda: site.status()["dark"])
    assert why in site.status()["fault"]
    refused = site.refused(site.anna, Call(0, site.pump, "emission_on", 0), InstrumentError)
    assert "latched dark" in refused.what
    assert why in site.until(lambda: site.node()["fault"]), "everybody is told"


def test_row_04_an_interlock_that_opens_makes_dark_and_counts_as_closed_only_after_an_acknowledgement(site):
    opened_s = report(site, "open")
    is_latched(site, opened_s, "interlock 'door' is open: contact.door is 'open'")
    site.to_coordinator().request(Ack(0, "charlie"))
    site.until(
        lambda: "still open" in site.status()["fault"], "an acknowledgement before the cause was cleared counted"
    )
    report(site, "closed")
    site.until(lambda: "still open" in site.node()["fault"])
    time.sleep(1.0)
    assert site.status()["fault"], "closing it is not enough"
    assert not site.laser.lit
    acknowledged(site)
    assert "l1" not in site.laser.commands(opened_s), "nor does light come back by itself"
    site.light()


def test_row_04_nothing_lights_while_an_interlock_is_open_and_that_is_no_fault(site):
    site.anna.request(Do(0, site.pump, "safe_state", 0))
    opened_s = report(site, "open")
    refused = site.refused(site.anna, Call(0, site.pump, "emission_on", 0), InstrumentError)
    assert refused.what == "interlock 'door' is open: contact.door is 'open'"
    assert "contact.door" in refused.hint
    for request in (Set(0, site.pump, "power", 0.01, 0), Do(0, site.pump, "apply", 0)):
        assert "interlock 'door' is open" in site.refused(site.anna, request, InstrumentError).what
    assert site.anna.request(Get(0, site.pump, "emitting", 0)) is False, "reading goes on"
    assert not site.status()["fault"]
    assert "l1" not in site.laser.commands(opened_s)
    report(site, "closed")
    site.until(lambda: not refusal(site, Set(0, site.pump, "power", 0.01, 0)))
    site.light()


def refusal(site, request):
    """Return the error that a request is refused with, None if it is not."""
    try:
        site.anna.request(request)
    except InstrumentError as error:
        return error
    return None


def test_row_04_a_lasers_own_interlock_latches_the_node_too(site):
    opened_s = time.monotonic()
    site.laser.twin.own_fault("interlock")
    assert not site.laser.lit, "the laser's own hardware is quicker than anybody"
    is_latched(site, opened_s, "charlie.pump: its interlock is open: interlock_open is True, not False", 2.0)
    site.laser.twin.own_fault("interlock_closed")
    acknowledged(site)
    refused = site.refused(site.anna, Call(0, site.pump, "emission_on", 0), InstrumentError)
    assert "fault 3 is latched" in refused.what, "the laser wants its own fault cleared, by a person"
    site.anna.request(Call(0, site.pump, "clear_fault", 0))
    assert "l1" not in site.laser.commands(opened_s)
    site.light()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("None", "contact.door is None"),
        ("object", "contact.door is ['closed']"),
        ("wrapper", "cannot be sent"),
        ("True", "contact.door is True"),
        ("closed ", "contact.door is 'closed '"),
        ("silent", "contact.door was not answered within 0.5 s"),
    ],
)
def test_row_05_whatever_is_not_exactly_closed_is_open(site, text, why):
    is_latched(site, report(site, text), why)


def test_row_05_an_interlock_that_cannot_be_read_is_open(site):
    gone_s = time.monotonic()
    site.door.rename(site.folder / "nowhere")
    is_latched(site, gone_s, "No such file")


def test_row_05_a_lasers_own_interlock_that_answers_nonsense_is_open(site):
    asked = type(site.laser.twin)._queries
    answer, asked["ilk?"] = asked["ilk?"], lambda twin: "closed"
    try:
        is_latched(site, time.monotonic(), "unexpected reply", 3.0)
    finally:
        asked["ilk?"] = answer


def test_row_05_an_interlock_whose_driver_process_is_frozen_is_open(site):
    (pid,) = [pid for pid, names in site.status()["driver_processes"].items() if names == ["charlie.contact"]]
    now_s = time.monotonic()
    os.kill(int(pid), signal.SIGSTOP)
    is_latched(site, now_s, "contact.door was not answered within 0.5 s")


def test_row_06_a_laser_that_is_switched_off_and_on_stays_dark_even_if_it_would_light_by_itself(site):
    """Auto-start, which a head keeps over a power cycle, lights it; the guard of what is lit notices the stranger."""
    twin = site.laser.twin
    site.laser.unplug()
    site.until(lambda: "cannot confirm" in site.status()["fault"] or "not confirmed dark" in site.status()["fault"])
    twin._autostart = True
    twin._start()
    assert site.laser.lit
    back_s = time.monotonic()
    site.laser.plug_in()
    site.until(lambda: not site.laser.lit)
    site.until(lambda: site.status()["dark"])
    assert "l1" not in site.laser.commands(back_s)
    acknowledged(site)
    assert not site.laser.lit
    site.light()
    assert twin._autostart is False, "it was switched off before light was switched on"


def test_row_06_a_laser_with_a_setpoint_beyond_its_limit_from_before_is_not_lit_with_it(site):
    site.anna.request(Do(0, site.pump, "safe_state", 0))
    site.laser.twin._set_power(0.08)
    since_s = time.monotonic()
    refused = site.refused(site.anna, Call(0, site.pump, "emission_on", 0))
    assert refused.what == "its setpoint is 0.08 W, beyond 0.05 W (limit of the testbed file)"
    assert "l1" not in site.laser.commands(since_s)
    site.anna.request(Set(0, site.pump, "power", 0.01, 0))
    site.light()


def test_row_06_an_agent_starts_dark_and_sets_nothing(site):
    stopped_s = time.monotonic()
    assert site.agent.end() == 0
    assert not site.laser.lit
    site.laser.twin._switch_on()
    site.start_agent()
    site.until(site.well)
    site.anna = site.client()
    commands = site.laser.commands(stopped_s)
    assert not site.laser.lit
    assert {"l1", "p", "restart", "@cob1"}.isdisjoint(word.split()[0] for word in commands)
