"""Every way out of a run passes through the dark: sys.exit(), Ctrl-C in a script or notebook, a full disk."""

import errno
import itertools
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from bellringer.drivers.interfaces import Identity, Instrument
from bellringer.orchestrator.agent import desk as desk_module
from bellringer.orchestrator.records import RunFolder
from bellringer.sequences import Outcome, Run, run_sequence
from bellringer.sequences.sequence import Sequence
from bellringer.testbed.clock import WallClock
from bellringer.testbed.errors import Aborted
from bellringer.testbed.loader import load

LAB = """\
bellringer: 1
name: one-lamp
nodes:
  table:
    instruments:
      lamp: {driver: lamp, resource: serial:///dev/null}
"""


class Lamp(Instrument):
    """A lamp that remembers whether it shines; ``life`` lists what happened to it."""

    verified = "manual"
    model_name = "lamp"
    life: list[str] = []

    def _connect(self) -> None:
        self.life.append("opened")

    def _disconnect(self) -> None:
        self.life.append("closed")

    def identify(self) -> Identity:
        return Identity("test", "lamp")

    def safe_state(self) -> None:
        self.life.append("dark")

    def light(self) -> None:
        self.life.append("lit")

    def warm_up(self) -> None:
        """Take so long that a test that waits for it runs into its time limit, then shine."""
        self.clock.sleep(10_000.0)
        self.light()


class ImpatientLamp(Lamp):
    """Somebody presses Ctrl-C while it goes dark."""

    def safe_state(self) -> None:
        if "lit" in self.life:
            os.kill(os.getpid(), signal.SIGINT)
        super().safe_state()


def outcome_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: Any, lamp: type[Lamp] = Lamp) -> Outcome:
    monkeypatch.setattr(desk_module, "driver_class", lambda name: lamp)
    monkeypatch.setattr(Lamp, "life", [])
    file = tmp_path / "lab.yaml"
    file.write_text(LAB)
    return run_sequence(load(file), Sequence(function), {}, WallClock(), runs=tmp_path / "runs")


def life() -> list[str]:
    """Return what happened to the lamp, repetitions left out: being made dark twice is no fault."""
    return [what for what, _ in itertools.groupby(Lamp.life)]


def test_a_sequence_that_exits_the_program_still_ends_in_the_dark(tmp_path, monkeypatch):
    def leaves(run: Run) -> None:
        run.call("table.lamp", "light")
        sys.exit(0)

    outcome = outcome_of(tmp_path, monkeypatch, leaves)
    assert outcome.status == "failed"
    assert isinstance(outcome.error, SystemExit)
    assert life() == ["opened", "dark", "lit", "dark", "closed"]
    assert "SystemExit" in (outcome.folder / "traceback.txt").read_text()


def test_ctrl_c_does_not_wait_for_a_call_in_flight_and_what_it_would_have_lit_stays_dark(tmp_path, monkeypatch):
    def interrupted(run: Run) -> None:
        run._host.submit("table.lamp", "call", "warm_up")
        raise KeyboardInterrupt

    outcome = outcome_of(tmp_path, monkeypatch, interrupted)
    assert outcome.status == "aborted"
    assert "next:  all outputs are confirmed dark" in str(outcome.error)
    assert life() == ["opened", "dark", "closed"]


def test_a_call_that_came_back_aborted_though_no_person_wanted_it_is_a_failure_with_its_cause(tmp_path, monkeypatch):
    def ended(run: Run) -> None:
        raise Aborted("the light lease ran out", where="table.lamp")

    outcome = outcome_of(tmp_path, monkeypatch, ended)
    assert outcome.status == "failed"
    assert "the light lease ran out" in str(outcome.error)
    assert life() == ["opened", "dark", "closed"]


def test_another_ctrl_c_does_not_interrupt_the_way_to_the_dark(tmp_path, monkeypatch):
    def interrupted(run: Run) -> None:
        run.call("table.lamp", "light")
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    outcome = outcome_of(tmp_path, monkeypatch, interrupted, ImpatientLamp)
    assert outcome.status == "aborted"
    assert life() == ["opened", "dark", "lit", "dark", "closed"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_full_disk_ends_in_the_dark_and_closed(tmp_path, monkeypatch):
    opened: list[Any] = []

    def fills_the_disk(run: Run) -> None:
        opened.append(run.folder._events)
        run.call("table.lamp", "light")
        monkeypatch.setattr(RunFolder, "event", no_space)
        monkeypatch.setattr(RunFolder, "write_text", no_space)
        run.checkpoint()
        run.call("table.lamp", "light")

    def no_space(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        outcome_of(tmp_path, monkeypatch, fills_the_disk)
    opened[0].close()  # left open by the error
    assert life() == ["opened", "dark", "lit", "dark", "closed"]
