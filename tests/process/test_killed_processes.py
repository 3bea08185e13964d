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

import pytest
from bellringer.orchestrator.wire.audit import verify
from bellringer.sim_backends.lab.build import build_lab
from bellringer.testbed.loader import load

from .processes import drivers_of, lives, the_child_of

pytestmark = pytest.mark.process

PATIENCE_S = 90.0
MOMENTS = [
    pytest.param(moment, id=f"{moment} {number}", marks=[] if number == 1 else pytest.mark.soak)
    for number in range(1, 11)
    for moment in ("opening", "lit")
]
"""When to kill: while instruments are opened, or while the laser is lit; each once here and ten times in the soak."""
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
            [*command, "--runs", str(self.runs), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "HOME": str(self.folder)},  # no testbed of this account is joined
            text=True,
        )

    def reach(self, moment):
        """Start a run and wait until it is as far as that."""
        heard = self.heard()
        self.start()
        until((lambda: self.lit) if moment == "lit" else (lambda: self.heard() > heard))

    def heard(self):
        """Return how many bytes the laser was sent."""
        return sum(stream.consumed for stream in self.pump.main_port.streams.values())

    def end(self):
        """Wait for the runner and return (exit code, what it said)."""
        _, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said

    def pid(self, module):
        """Return the process id of the runner's child that runs ``module``."""
        return the_child_of(self.process.pid, module)

    def records(self):
        return [json.loads(path.read_text()) for path in sorted(self.runs.glob("*/run.json"))]

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
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
    last = max((laser.folder / ".local/state/bellringer/audit").iterdir())
    assert {path.parent.name for path in last.glob("*/audit.jsonl")} == {"coordinator", "charlie"}
    assert all(verify(path).lines for path in last.glob("*/audit.jsonl")), "who did what outlasts the run"
    assert not laser.lit


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_runner_leaves_darkness_and_a_readable_record(laser, moment):
    laser.reach(moment)
    agent = laser.pid("orchestrator.agent.service")
    laser.process.send_signal(signal.SIGKILL)
    until(lambda: not laser.lit)
    laser.end()
    assert [record["status"] for record in laser.records()] in ([], ["running"])
    assert laser.records() or moment == "opening"
    for line in "".join(path.read_text() for path in laser.runs.glob("*/events.jsonl")).splitlines():
        assert json.loads(line)["t_ps"] > 0
    until(lambda: not lives(agent))
    next_run_works(laser)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("victim", ["orchestrator.coordinator.process", "orchestrator.agent.service"])
def test_a_killed_service_ends_the_run_dark_with_a_clear_error(laser, victim, moment):
    laser.reach(moment)
    os.kill(laser.pid(victim), signal.SIGKILL)
    until(lambda: not laser.lit)
    code, said = laser.end()
    assert code == 1
    assert "error:" in said
    assert "Traceback" not in said
    assert {record["status"] for record in laser.records()} <= {"failed"}, "no person aborted it"
    assert laser.records() or moment == "opening"
    next_run_works(laser)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_driver_process_leaves_darkness_and_the_run_goes_on_or_fails_clearly(laser, moment):
    laser.reach(moment)
    agent = laser.pid("orchestrator.agent.service")
    drivers = drivers_of(agent)
    assert drivers
    os.kill(drivers[-1], signal.SIGKILL)
    if moment == "lit":
        until(lambda: not laser.lit)
        laser.process.send_signal(signal.SIGTERM)
        code, said = laser.end()
        assert code == 1
        assert "Traceback" not in said
    else:  # before the run had begun: the fresh process is opened like the first one, or the run says what happened
        until(lambda: laser.lit or laser.process.poll() is not None)
        if laser.process.poll() is None:
            laser.process.send_signal(signal.SIGTERM)
        code, said = laser.end()
        assert code == 1
        assert "error:" in said or "aborted" in said
        assert "Traceback" not in said
        until(lambda: not laser.lit)
    next_run_works(laser)
