"""kill -9 of any process of a run: dark, a readable record, and the next run starts without a hand.

A laser on a simulated lab in step with the wall, which lives in the test's own process and so outlasts every kill.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from bellringer.sim_backends.lab.build import build_lab
from bellringer.testbed.loader import load

pytestmark = pytest.mark.process

PATIENCE_S = 40.0
ATTEMPTS = [1, *(pytest.param(number, marks=pytest.mark.soak) for number in range(2, 21))]
LAB = """
bellringer: 1
name: one-laser
nodes:
  charlie:
    instruments:
      pump:
        driver: cobolt_06
        resource: {resource}
        settings: {{power: "10 mW"}}
        model: {{kind: laser, wavelength: "785 nm"}}
"""
SEQUENCE = """
from bellringer.sequences import Run, sequence

@sequence
def shine(run: Run, steps: int = 100000) -> None:
    "Light, and wait."
    run.call("charlie.pump", "emission_on")
    for step in run.scan(range(steps), "shining"):
        run.sleep(0.02)
"""


def until(what, message="it never happened"):
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end, message
        time.sleep(0.02)


class Laser:
    """A simulated laser, a testbed file that leads to it, and runs on it."""

    def __init__(self, folder):
        self.folder, self.runs = folder, folder / "runs"
        self.file, self.sequence = folder / "lab.yaml", folder / "shining.py"
        self.file.write_text(LAB.format(resource="serial:///dev/null"))
        self.sequence.write_text(SEQUENCE)
        self.lab = build_lab(load(self.file).testbed, 1)
        self.pump = self.lab.twins["charlie.pump"]
        self.file.write_text(LAB.format(resource=self.pump.resource))
        self._thread = threading.Thread(target=self.lab.run)
        self._thread.start()
        self.process = None

    @property
    def lit(self):
        return self.pump.inspect()["power_w"] > 0

    def start(self, *options):
        command = [sys.executable, "-m", "bellringer.console.main", "run", str(self.file), f"{self.sequence}:shine"]
        self.process = subprocess.Popen(
            [*command, "--runs", str(self.runs), *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def shine(self):
        self.start()
        until(lambda: self.lit)

    def end(self):
        """Wait for the runner and return (exit code, what it said)."""
        _, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said

    def pids(self, module):
        """Return the runner's children that run ``module``."""
        return [pid for pid in child_of(self.process.pid) if module in Path(f"/proc/{pid}/cmdline").read_text()]

    def records(self):
        return [json.loads(path.read_text()) for path in sorted(self.runs.glob("*/run.json"))]

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        until(lambda: not self.lit)
        self.lab.stop()
        self._thread.join()


@pytest.fixture
def laser(tmp_path):
    laser = Laser(tmp_path)
    yield laser
    laser.close()


def next_run_works(laser):
    laser.start("--steps", "2")
    code, said = laser.end()
    assert code == 0, said
    assert laser.records()[-1]["status"] == "completed"
    assert not laser.lit


def child_of(pid):
    """Return the children of a process."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_killed_runner_leaves_darkness_and_a_readable_record(laser, attempt):
    laser.shine()
    (agent,) = laser.pids("orchestrator.agent.service")
    laser.process.send_signal(signal.SIGKILL)
    until(lambda: not laser.lit)
    laser.end()
    assert laser.records()[-1]["status"] == "running"
    events = next(laser.runs.glob("*/events.jsonl")).read_text().splitlines()
    assert json.loads(events[-1])["t_ps"] > 0
    until(lambda: not Path(f"/proc/{agent}").exists())
    next_run_works(laser)


@pytest.mark.parametrize("attempt", ATTEMPTS)
@pytest.mark.parametrize("victim", ["orchestrator.coordinator.process", "orchestrator.agent.service"])
def test_a_killed_service_ends_the_run_dark_with_a_clear_error(laser, victim, attempt):
    laser.shine()
    (pid,) = laser.pids(victim)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not laser.lit)
    code, said = laser.end()
    assert code == 1
    assert "error:" in said
    assert "Traceback" not in said
    assert laser.records()[-1]["status"] in ("failed", "aborted")
    next_run_works(laser)


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_killed_driver_process_leaves_darkness_and_the_run_goes_on_or_fails_clearly(laser, attempt):
    laser.shine()
    (agent,) = laser.pids("orchestrator.agent.service")
    drivers = [pid for pid in child_of(agent) if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]
    assert drivers
    os.kill(drivers[-1], signal.SIGKILL)
    until(lambda: not laser.lit)
    laser.process.send_signal(signal.SIGTERM)
    code, said = laser.end()
    assert code == 1
    assert "Traceback" not in said
    next_run_works(laser)
