"""Rows 1 to 3: whoever dies or freezes while the laser is lit, light ends by itself, and soon.

Limits here are generous, so that a busy machine passes; ``-s`` prints the figures, and the benchmarks hold them.
"""

import os
import signal
import textwrap
import time

import numpy as np
import pytest
from bellringer.orchestrator.agent.children import SILENT_S
from bellringer.orchestrator.agent.heartbeat import STUCK_S
from bellringer.orchestrator.coordinator.nodes import LEASE_S
from bellringer.orchestrator.wire.messages import Call, EStop, Get, Set
from bellringer.testbed.errors import InstrumentError

pytestmark = pytest.mark.process

GRACE_S = 5.0
"""For a busy machine, on top of what is promised."""
START_S = 15.0
"""The same where a fresh process has to start first."""


def dark_after(site, since_s, promised_s, what, grace_s=GRACE_S):
    """Wait until the laser is commanded off and asked whether it is; that must be soon after ``since_s``."""
    off_s = site.laser.when("l0", since_s)
    site.until(lambda: not site.laser.lit)
    print(f"{what}: commanded off {1000 * (off_s - since_s):.0f} ms later (promised {1000 * promised_s:.0f})")
    assert off_s - since_s < promised_s + grace_s
    site.until(lambda: "l?" in site.laser.commands(off_s), "darkness was not read back")


def test_row_01_a_lease_that_is_not_renewed_ends_in_the_dark_confirmed_and_published(site):
    anna, events = site.light(), site.events()
    frozen_s = site.coordinator.send(signal.SIGSTOP)
    dark_after(site, frozen_s, LEASE_S, "coordinator frozen")
    assert site.heard(events, "dark")["why"] == "the light lease ran out"
    assert site.heard(events, "child_dark")["text"] == "", "every instrument confirmed"
    status = site.status()
    assert status["dark"]
    assert not status["leased"]
    assert "no lease" in site.refused(anna, Set(0, site.pump, "power", 0.01, 0), InstrumentError).what
    assert anna.request(Get(0, site.pump, "emitting", 0)) is False, "reading goes on"

    woken_s = site.coordinator.send(signal.SIGCONT)
    site.until(site.well)
    assert "l1" not in site.laser.commands(woken_s), "light does not come back by itself"
    site.light()


def test_row_02_a_killed_agent_leaves_darkness_and_its_successor_starts_dark(site):
    site.light()
    killed_s = site.agent.send(signal.SIGKILL)
    dark_after(site, killed_s, 0.1, "agent killed")
    drivers_left_s = time.monotonic()
    site.start_agent()
    site.until(site.well)
    assert "l1" not in site.laser.commands(killed_s)
    assert "l0" in site.laser.commands(drivers_left_s), "dark is made sure of, not taken for granted"
    site.light()


def test_row_03_a_frozen_driver_process_is_replaced_by_one_that_makes_dark(site):
    anna, events = site.light(), site.events()
    (frozen,) = site.drivers()
    frozen_s = time.monotonic()
    os.kill(frozen, signal.SIGSTOP)
    dark_after(site, frozen_s, SILENT_S + 1.0, "driver process frozen", START_S)
    assert "did not answer" in site.heard(events, "child_died")["text"]
    site.until(site.well)
    assert site.drivers() != [frozen]
    assert site.status()["restarts"] == 1
    assert anna.request(Get(0, site.pump, "emitting", 0)) is False


def test_row_03_a_frozen_driver_process_that_is_flooded_does_not_hold_its_agent_up(site):
    anna, otto = site.light(), site.client("otto")
    (frozen,) = site.drivers()
    frozen_s = time.monotonic()
    os.kill(frozen, signal.SIGSTOP)
    for _ in range(3):
        anna.send(Call(0, site.pump, "ponder", 0, (np.zeros(100_000),)))  # more than its pipe takes
    otto.request(EStop(0, "smoke"), timeout_s=2.0)  # a watchdog would come after 3 s
    assert site.status()["fault"], "the e-stop waited for nobody"
    dark_after(site, frozen_s, SILENT_S + 1.0, "driver process frozen and flooded", START_S)
    site.until(lambda: site.drivers() not in ([], [frozen]))


LOOPING = """
    from bellringer.drivers.lasers.cobolt import Cobolt06

    class Looping(Cobolt06):
        def ponder(self) -> None:
            "Compute without end."
            while True:
                pass
"""


@pytest.fixture
def site_of_a_loop(cold_site, installed):
    cold_site.environment = installed("looping", textwrap.dedent(LOOPING), "Looping")
    cold_site.laser.driven_by("looping")
    cold_site.start()
    return cold_site


def test_row_03_a_driver_in_a_loop_without_end_is_replaced_by_one_that_makes_dark(site_of_a_loop):
    site = site_of_a_loop
    anna = site.light()
    looping = site.drivers()
    started_s = time.monotonic()
    error = site.refused(anna, Call(0, site.pump, "ponder", 0), InstrumentError, timeout_s=60.0)
    assert "did not answer" in error.what
    dark_after(site, started_s, STUCK_S + SILENT_S + 1.0, "driver in a loop", START_S)
    site.until(site.well)
    assert site.drivers() != looping
    assert anna.request(Get(0, site.pump, "emitting", 0)) is False


def test_row_03_an_order_to_go_dark_does_not_wait_for_a_loop(site_of_a_loop):
    site = site_of_a_loop
    anna = site.light()
    anna.send(Call(0, site.pump, "ponder", 0))
    site.until(lambda: site.laser.lit and not anna.receive(0.2))
    frozen_s = site.coordinator.send(signal.SIGSTOP)
    dark_after(site, frozen_s, LEASE_S + 3.0 + 1.0, "driver in a loop, lease out", START_S)
    site.coordinator.send(signal.SIGCONT)
