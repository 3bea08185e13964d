"""The command line in a process of its own, and rehearsals of a test's own sequence on a running simulated lab."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from bellringer.console.dry_run import SimulatedLab, simulated_lab
from bellringer.console.files import load_checked
from bellringer.console.main import main
from bellringer.orchestrator.agent.host import Endpoint
from bellringer.sequences import Outcome, run_sequence
from bellringer.sequences.sequence import Sequence

EXAMPLE = Path(__file__).parents[2] / "examples" / "bell_three_node.yaml"
DEADLINE_S = 120.0
"""How long a test waits for something that takes far less: no result depends on it, only how soon a hang is noticed."""


def events(folder: Path) -> list[dict[str, Any]]:
    """Return the events of a run, every line of which must be whole."""
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def wait_until(condition: Callable[[], Any]) -> None:
    """Look again and again until ``condition()`` is true."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "what the test waits for did not happen"
        time.sleep(0.005)


class CommandLine:
    """``bellringer`` as a person calls it, in a folder of the test's own."""

    events = staticmethod(events)
    wait_until = staticmethod(wait_until)
    example = EXAMPLE

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._errors = folder / "stderr.txt"

    def __call__(self, *words: str | Path) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return subprocess.run(
            self._command(words),
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )

    def here(self, *words: str | Path) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end in this process: the same, without the start of an interpreter."""
        out, errors = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(errors):
            patch.chdir(self.folder)
            patch.setenv("COLUMNS", "80")
            patch.setattr(sys, "argv", ["bellringer", *map(str, words)])
            with pytest.raises(SystemExit) as ended:
                main()
        return subprocess.CompletedProcess(sys.argv, ended.value.code or 0, out.getvalue(), errors.getvalue())

    @contextmanager
    def started(self, *words: str | Path) -> Iterator["subprocess.Popen[str]"]:
        """Start a command; it is gone when the context is left. What it writes to stderr is in ``stderr()``."""
        with open(self._errors, "w") as errors:
            process = subprocess.Popen(
                self._command(words),
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()  # not for the end of its output: what it started may hold that open
            process.stdin.close()
            process.stdout.close()

    def one_laser(self, sequence: str) -> tuple[str, str]:
        """Write a testbed of one laser, ``table.lamp``, and a sequence of it; return the names of both files."""
        (self.folder / "one.yaml").write_text(ONE_LASER)
        (self.folder / "mine.py").write_text(sequence)
        return "one.yaml", "mine.py"

    def stderr(self) -> str:
        """Return what the started command has written to stderr so far."""
        return self._errors.read_text()

    def run_folder(self) -> Path:
        """Return the only run's folder."""
        (folder,) = (self.folder / "runs").iterdir()
        return folder

    @staticmethod
    def _command(words: tuple[str | Path, ...]) -> list[str]:
        return [sys.executable, "-m", "bellringer.console.main", *map(str, words)]

    @staticmethod
    def _environment() -> dict[str, str]:
        return {**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}


ONE_LASER = """\
bellringer: 1
name: one-laser
nodes:
  table:
    instruments:
      lamp:
        driver: cobolt_06
        resource: serial:///dev/ttyUSB0
        settings: {power: "5 mW"}
        model: {kind: laser, wavelength: "785 nm", max_power: "100 mW"}
"""
"""The smallest testbed: its runs need few processes."""


class RunningLab:
    """A simulated lab of the example in lockstep, and runs of sequences on it."""

    events = staticmethod(events)

    def __init__(self, lab: SimulatedLab, folder: Path) -> None:
        self.clock, self.endpoints, self.service = lab.clock, lab.endpoints, lab.service
        self.loaded = load_checked(EXAMPLE, [])
        self._runs = folder

    def run(
        self,
        function: Callable[..., None],
        *,
        endpoints: Mapping[str, Endpoint] | None = None,
        overrides: tuple[str, ...] = (),
    ) -> Outcome:
        """Run a sequence function; ``endpoints`` replace the lab's own, ``overrides`` the file's values."""
        places = {**self.endpoints, **(endpoints or {})}
        loaded = load_checked(EXAMPLE, overrides) if overrides else self.loaded
        return run_sequence(loaded, Sequence(function), {}, self.clock, endpoints=places, runs=self._runs)

    def fault(self, instrument: str, kind: str, count: int = 1, delay_s: float = 5.0) -> None:
        """Make an instrument misbehave from now on."""
        self.clock.lab("fault", instrument, kind, count, delay_s)

    def inspect(self, instrument: str) -> dict[str, Any]:
        """Return an instrument's true physical state."""
        found: dict[str, Any] = self.clock.lab("inspect", instrument)
        return found

    def light_w(self) -> float:
        """Return the power that really leaves the pump now, W."""
        return float(self.inspect("charlie.pump")["power_w"])


@pytest.fixture(autouse=True)
def _home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test meets a testbed that runs on this computer, nor another test's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("BELLRINGER_CONTACT", "BELLRINGER_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bellringer(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


@pytest.fixture(scope="session")
def bellringer_in() -> Callable[[Path], CommandLine]:
    """The command line in a folder of one's choice."""
    return CommandLine


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """One lab for a module's tests, each of which leaves it without faults."""
    with simulated_lab(EXAMPLE, [], seed=1) as running:
        yield RunningLab(running, tmp_path_factory.mktemp("runs"))


@pytest.fixture
def fresh_lab(tmp_path: Path) -> Iterator[RunningLab]:
    """A lab for one test, which may leave it in any state."""
    with simulated_lab(EXAMPLE, [], seed=1) as running:
        yield RunningLab(running, tmp_path / "runs")
