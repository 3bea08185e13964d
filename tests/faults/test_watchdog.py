"""Rows 2 and 3 once more, where nobody of the agent's own is left to make dark: its watchdog does.

Limits are generous, so that a busy machine passes; ``-s`` prints the figures.
"""

import contextlib
import json
import os
import signal
import time

import pytest
from bellringer.orchestrator.agent.watchdog_process import PATIENCE_S, SILENT_S
from bellringer.orchestrator.wire.messages import Call, Get, Log

pytestmark = pytest.mark.process

GRACE_S = 5.0
"""For a busy machine, on top of what is promised."""
AT_ONCE_S = 1.0
"""What opening, identifying and switching off take at most, with nobody to wait for."""

LOOPING = """
    from bellringer.drivers.lasers.cobolt import Cobolt06

    class Looping(Cobolt06):
        def ponder(self) -> None:
            "Compute without end."
            while True:
                pass
"""


def is_there(pid):
    with contextlib.suppress(ProcessLookupError, FileNotFoundError), open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"
    return False


def watchdog_of(site):
    """Return the process id of the site's watchdog once it has its drivers ready: it has answered a beat."""
    return site.until(lambda: site.status()["watchdog"].get("ready") and site.status()["watchdog"]["pid"])


def noted(site):
    """Return what its watchdogs have noted in this test."""
    log = site.folder / "charlie" / "watchdog.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    return [json.loads(line) for line in lines[site.noted_before :]]


@pytest.fixture(scope="module")
def running(sites, tmp_path_factory):
    """One site for all tests; its laser's driver can be caught in a loop."""
    site = sites(tmp_path_factory.mktemp("site"))
    try:
        site.install("looping", LOOPING, "Looping")
        site.laser.driven_by("looping")
        site.start()
        yield site
    finally:
        site.close()


@pytest.fixture
def site(running):
    """The site, lit, with a watchdog that is ready; a test may leave it without an agent."""
    running.noted_before = 0
    running.noted_before = len(noted(running))
    if running.agent.popen.poll() is not None:
        running.start_agent()
    running.until(running.well)
    running.anna = running.light()
    watchdog_of(running)
    return running


def dark_after(site, since_s, promised_s, what):
    off_s = site.laser.when("l0", since_s)
    site.until(lambda: not site.laser.lit)
    print(f"{what}: commanded off {1000 * (off_s - since_s):.0f} ms later (promised {1000 * promised_s:.0f})")
    assert off_s - since_s < promised_s + GRACE_S
    site.until(lambda: "l?" in site.laser.commands(off_s), "darkness was not read back")


def kill_at_once(*pids):
    """Kill processes in one instant: none of them runs in between."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            os.kill(pid, number)
    return time.monotonic()


def test_row_02_agent_and_driver_process_killed_at_once_leave_darkness_and_the_next_agent_tells_of_it(site):
    watchdog, drivers = watchdog_of(site), site.drivers()
    killed_s = kill_at_once(*drivers, site.agent.popen.pid)
    dark_after(site, killed_s, AT_ONCE_S, "agent and driver process killed")
    site.until(lambda: not is_there(watchdog), "it did not leave")
    assert [line.get("dark") for line in noted(site)] == [None, True]

    site.start_agent()
    site.until(site.well)
    told = [event["body"] for event in site.client().request(Log(0))["events"] if event["name"] == "watchdog"]
    assert told[-2:] == noted(site)
    assert "l1" not in site.laser.commands(killed_s)
    site.light()
    lit_s = time.monotonic()
    last = watchdog_of(site)
    assert site.agent.end() == 0
    assert "l0" in site.laser.commands(lit_s)
    assert not is_there(last), "an agent's good end leaves no watchdog"
    assert len(noted(site)) == 2, "nor anything to note"


def test_row_02_a_frozen_agent_cannot_end_its_lease_and_is_dark_all_the_same(site):
    anna = site.anna
    (driver,) = site.drivers()
    frozen_s = site.agent.send(signal.SIGSTOP)
    dark_after(site, frozen_s, SILENT_S + AT_ONCE_S, "agent frozen")
    site.until(lambda: len(noted(site)) == 2)
    woken_s = site.agent.send(signal.SIGCONT)
    site.until(site.well)
    assert site.drivers() != [driver], "it was replaced: its port was taken from it"
    assert "no sign of life" in noted(site)[0]["text"]
    site.until(lambda: "made dark" in site.status()["watchdog"]["acted"])
    assert "l1" not in site.laser.commands(woken_s)
    assert anna.request(Get(0, site.pump, "emitting", 0)) is False
    site.light()


def test_row_02_a_killed_watchdog_is_replaced_and_its_successor_watches(site):
    first = watchdog_of(site)
    events = site.events()
    os.kill(first, signal.SIGKILL)
    assert "another one is started" in site.heard(events, "watchdog")["text"]
    site.until(lambda: site.status()["watchdog"]["pid"] not in (0, first))
    second = watchdog_of(site)
    assert site.status()["watchdog"]["restarts"] == 1
    assert site.laser.lit, "nothing else happens"
    os.kill(second, signal.SIGSTOP)
    os.kill(second, signal.SIGTERM)
    os.kill(second, signal.SIGCONT)
    assert is_there(second), "what ends whole groups of processes leaves it alone"
    killed_s = kill_at_once(*site.drivers(), site.agent.popen.pid)
    dark_after(site, killed_s, AT_ONCE_S, "agent and driver process killed")
    site.until(lambda: not is_there(second))


def test_row_03_a_driver_in_a_loop_whose_agent_is_killed_is_killed_and_its_laser_made_dark(site):
    anna = site.anna
    watchdog, (driver,) = watchdog_of(site), site.drivers()
    anna.send(Call(0, site.pump, "ponder", 0))
    site.until(lambda: site.laser.lit and not anna.receive(0.2))
    killed_s = site.agent.send(signal.SIGKILL)
    dark_after(site, killed_s, PATIENCE_S + AT_ONCE_S, "driver in a loop, agent killed")
    site.until(lambda: not is_there(driver))
    site.until(lambda: not is_there(watchdog))


def test_row_02_what_does_not_confirm_dark_is_tried_again_until_it_does(site):
    drivers = site.drivers()
    site.laser.unplug()
    kill_at_once(*drivers, site.agent.popen.pid)
    site.until(lambda: noted(site))
    time.sleep(1.0)
    assert site.laser.lit, "nobody can switch off what is unplugged"
    back_s = time.monotonic()
    site.laser.plug_in()
    site.until(lambda: not site.laser.lit)
    commands = site.laser.commands(back_s)
    assert commands.index("gsn?") < commands.index("l0"), "identified first"
    assert site.until(lambda: len(noted(site)) == 2 and noted(site)[1])["dark"] is True
