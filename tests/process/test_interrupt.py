"""Ctrl-C, SIGTERM, exceptions and kill -9: paused, aborted or failed, and in every case dark, with a record."""

import json
import os
import re
import signal

import pytest
from bellringer.testbed.lockstep import LockstepClock

from .processes import all_below, lives, the_child_of

pytestmark = pytest.mark.process

STEPS = """\
from pathlib import Path

from bellringer.sequences import Run, sequence


@sequence
def steps(run: Run, then: str = "") -> None:
    "Light, and then one checkpoint after the other without end; tells where it is in a file."
    run.call("table.lamp", "emission_on")
    run.sleep(1.0)
    Path("lit").write_text(getattr(run._host.clock, "endpoint", ""))
    for number in run.scan(range(10**7), "steps"):
        run.sleep(0.01)
        Path("step").write_text(str(number))
        if then == "raise":
            raise ValueError("it went wrong [in here]")
"""


class Started:
    """A run of ``steps`` in a process of its own, with the light on."""

    def __init__(self, bellringer, process):
        self.bellringer, self.process = bellringer, process
        bellringer.wait_until(lambda: self._has_begun() or process.poll() is not None)
        assert process.poll() is None, bellringer.stderr()

    def _has_begun(self):
        return (self.bellringer.folder / "step").exists()

    def step(self):
        text = (self.bellringer.folder / "step").read_text()
        return int(text) if text else -1  # empty while it is being written

    def events(self):
        """Return the events so far; the last line may still be on its way."""
        text = (self.bellringer.run_folder() / "events.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def kinds(self):
        return [event["event"] for event in self.events()]

    def light_w(self):
        """Look at the simulated laser itself."""
        clock = LockstepClock((self.bellringer.folder / "lit").read_text())
        power = clock.lab("inspect", "table.lamp")["power_w"]
        clock.close()
        return power

    def end(self):
        """Wait for the end; return the exit code and the record."""
        code = self.process.wait(40)
        return code, json.loads((self.bellringer.run_folder() / "run.json").read_text())

    def dark(self):
        return [event["confirmed"] for event in self.events() if event["event"] == "dark"]


@pytest.fixture
def started(bellringer):
    file, sequence = bellringer.one_laser(STEPS)
    with bellringer.started("run", file, sequence, "--dry-run", "--json") as process:
        yield Started(bellringer, process)


def test_ctrl_c_pauses_at_the_next_checkpoint_with_the_light_on_and_a_second_one_aborts(bellringer, started):
    started.process.send_signal(signal.SIGINT)
    bellringer.wait_until(lambda: "paused" in started.kinds())
    assert "Ctrl-C: the run pauses at its next checkpoint; once more aborts it" in bellringer.stderr()
    assert started.process.poll() is None
    assert started.light_w() == pytest.approx(0.005)
    assert "dark" not in started.kinds()
    where = started.step()
    started.process.send_signal(signal.SIGINT)
    code, record = started.end()
    assert (code, record["status"]) == (1, "aborted")
    assert started.step() == where  # not one more step
    assert started.kinds()[-4:] == ["paused", "dark", "closed", "aborted"]
    assert started.dark() == [True]
    answer = json.loads(started.process.stdout.read().splitlines()[-1])
    assert answer["status"] == "aborted"
    assert "aborted by a person" in bellringer.stderr()
    assert "Traceback" not in bellringer.stderr()


def test_sigterm_aborts_at_once(bellringer, started):
    started.process.send_signal(signal.SIGTERM)
    code, record = started.end()
    assert (code, record["status"]) == (1, "aborted")
    assert "paused" not in started.kinds()
    assert started.dark() == [True]
    assert "Traceback" not in bellringer.stderr()


def test_a_killed_lab_is_a_clear_error_and_not_a_hang(bellringer, started):
    os.kill(the_child_of(started.process.pid, "simulated lab"), signal.SIGKILL)
    code, record = started.end()
    assert (code, record["status"]) == (1, "failed")
    assert started.dark() == [False]  # nobody is left who could confirm it
    said = " ".join(bellringer.stderr().split())
    assert "error: the simulated lab has stopped" in said
    assert "not every instrument could be confirmed dark" not in said  # there is no light without it
    assert "Traceback" not in said


def test_a_killed_run_leaves_no_process_behind_and_a_readable_record(bellringer, started):
    below = all_below(started.process.pid)
    assert below
    started.process.kill()
    started.process.wait()
    bellringer.wait_until(lambda: not any(map(lives, below)))
    assert started.kinds()[:4] == ["opening", "opened", "running", "call"]
    shown = bellringer.here("runs", "show")
    assert shown.returncode == 0
    assert "interrupted" in shown.stdout
    assert [run["status"] for run in json.loads(bellringer.here("runs", "ls", "--json").stdout)] == ["interrupted"]
    assert "emission_on" in (bellringer.run_folder() / "events.jsonl").read_text()


def test_an_exception_in_a_sequence_ends_dark_with_one_line_and_a_traceback_in_the_record(bellringer):
    file, sequence = bellringer.one_laser(STEPS)
    done = bellringer("run", file, sequence, "--dry-run", "--then", "raise")
    assert done.returncode == 1
    folder = bellringer.run_folder()
    assert json.loads((folder / "run.json").read_text())["status"] == "failed"
    assert [event["confirmed"] for event in bellringer.events(folder) if event["event"] == "dark"] == [True]
    said = " ".join(done.stderr.split())
    line = STEPS.splitlines().index('            raise ValueError("it went wrong [in here]")') + 1
    assert "error: ValueError: it went wrong [in here]" in said
    assert re.search(rf"where:.*mine\.py:{line}, in steps", said)
    assert f"runs/{folder.name}/traceback.txt" in said
    assert "Traceback" not in said
    assert (folder / "traceback.txt").read_text().endswith("ValueError: it went wrong [in here]\n")


@pytest.fixture
def slow_oven(bellringer):
    """A laser and an oven that takes minutes, in step with the wall clock; return the file that leads to them."""
    text = (
        "bellringer: 1\nname: slow\nnodes:\n  table:\n    instruments:\n"
        "      lamp: {{driver: cobolt_06, resource: '{lamp}', model: {{kind: laser, wavelength: 785 nm}}}}\n"
        "      plate: {{driver: elliptec_ell14, resource: '{plate}', model: {{kind: rotator}}}}\n"
        "      oven: {{driver: tc200, resource: '{oven}', settings: {{temperature_setpoint: 45 degC}},\n"
        "             model: {{kind: oven, time_constant: 600 s, ambient: 22 degC}}}}\n"
        "      source: {{driver: pair_source, parts: {{pump: lamp, pump_plate: plate, oven: oven}}}}\n"
    )
    file = bellringer.folder / "slow.yaml"
    file.write_text(text.format(**{name: f"serial:///dev/{name}" for name in ("lamp", "plate", "oven")}))
    (bellringer.folder / "lab").mkdir()
    with type(bellringer)(bellringer.folder / "lab").started("lab", "up", file, "--json") as process:
        there = json.loads(process.stdout.readline())["instruments"]
        places = {name.partition(".")[2]: body["resource"] for name, body in there.items()}
        file.write_text(text.format(**places))
        yield file


def test_a_long_wait_for_an_oven_is_aborted_promptly_by_ctrl_c_twice(bellringer, slow_oven):
    """The oven would take many minutes of real time; the run ends in seconds, and the laser was never lit."""
    (bellringer.folder / "heat.py").write_text(
        "from bellringer.sequences import Run, sequence\n\n\n"
        "@sequence\n"
        "def heat(run: Run) -> None:\n"
        "    'Waits for the oven.'\n"
        "    run.call('table.source', 'prepare')\n"
    )

    def waits():
        events = list((bellringer.folder / "runs").glob("*/events.jsonl"))
        return events and '"prepare"' in events[0].read_text()

    with bellringer.started("run", slow_oven, "heat.py") as process:
        bellringer.wait_until(lambda: waits() or process.poll() is not None)
        assert process.poll() is None, bellringer.stderr()
        process.send_signal(signal.SIGINT)
        bellringer.wait_until(lambda: "once more aborts it" in bellringer.stderr())
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 1
    folder = bellringer.run_folder()
    assert json.loads((folder / "run.json").read_text())["status"] == "aborted"
    events = bellringer.events(folder)
    assert [event["event"] for event in events[-3:]] == ["dark", "closed", "aborted"]
    assert events[-3]["confirmed"] is True
    assert "Traceback" not in bellringer.stderr()
