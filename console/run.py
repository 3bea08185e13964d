"""``bellringer run``: a sequence on real instruments or on a simulated lab, with progress on stderr."""

import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ..orchestrator.agent.desk import Endpoint
from ..sequences import Outcome, find_sequence, run_sequence
from ..sequences.control import RunControl
from ..testbed.clock import Clock, WallClock
from ..testbed.errors import BellringerError
from .dry_run import simulated_lab
from .files import load_checked
from .main import emit_json, print_error
from .processes import local_testbed
from .progress import Bars
from .report import headlines_first, write_report

_PAUSING = b"\nCtrl-C: the run pauses at its next checkpoint; once more aborts it\n"


def run_command(
    file: Path,
    sequence_name: str,
    parameters: Mapping[str, str],
    *,
    dry_run: bool,
    seed: int,
    as_json: bool,
    overrides: Sequence[str],
    runs: Path,
) -> int:
    """Run, record, report; return the exit code (0 only if completed)."""
    sequence = find_sequence(sequence_name)
    loaded = load_checked(file, overrides)
    sequence.resolve(parameters)  # a wrong parameter is found before a lab is started
    control = RunControl()
    clock: Clock
    simulated: Mapping[str, Endpoint] | None
    about: dict[str, Any]
    with Bars() as progress, _signals(control):
        with contextlib.ExitStack() as stack:
            if dry_run:
                progress.say(f"starting the simulated lab (seed {seed})")
                lab = stack.enter_context(simulated_lab(file, overrides, seed))
                clock, simulated, about = lab.clock, lab.endpoints, {"dry_run": True, "seed": seed}
            else:
                wall = WallClock()
                clock, simulated, about = wall, None, {"dry_run": False, "epoch_tai_s": wall.epoch_tai_s}
            progress.say("starting coordinator and agents of " + ", ".join(loaded.testbed.nodes))
            processes = stack.enter_context(local_testbed(loaded, overrides, clock, simulated))
            outcome = run_sequence(
                loaded,
                sequence,
                parameters,
                clock,
                instruments=processes.instruments,
                runs=runs,
                control=control,
                progress=progress,
                about=about,
            )
        progress.say("writing the report")
        report = write_report(outcome.folder)
    _print_outcome(outcome, report, to_stderr=as_json)
    if as_json:
        emit_json(outcome.as_dict())
    return 0 if outcome.status == "completed" else 1


def _print_outcome(outcome: Outcome, report: Path, *, to_stderr: bool) -> None:
    out = Console(stderr=to_stderr, highlight=False)
    if outcome.results:
        table = Table(title=f"{outcome.run}: {outcome.status}")
        table.add_column("result")
        table.add_column("value", justify="right")
        for name, estimate in headlines_first(outcome.results):
            table.add_row(name, str(estimate))
        out.print(table)
    if outcome.error is not None:
        print_error(_explained(outcome.error, outcome.folder))
    out.print(f"{outcome.status}; report: {report}", soft_wrap=True)


def _explained(error: BaseException, folder: Path) -> BaseException:
    """Return an error that no person was meant to see, with where it happened and where to read more."""
    traceback_file = folder / "traceback.txt"
    if isinstance(error, BellringerError) or not traceback_file.exists():
        return error
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return BellringerError(
        f"{type(error).__name__}: {error}",
        where=f"{frame.filename}:{frame.lineno}, in {frame.name}",
        hint=f"a mistake in the sequence or in bellringer; what led there is in {traceback_file}",
    )


@contextlib.contextmanager
def _signals(control: RunControl) -> Iterator[None]:
    """First Ctrl-C pauses, the second aborts; SIGTERM and a lost terminal abort at once. Enter resumes a paused run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        if control.paused or number != signal.SIGINT:
            control.abort()
        else:
            control.pause()
            os.write(2, _PAUSING)  # not through rich, which this may have interrupted
            if sys.stdin.isatty():
                threading.Thread(target=_resume_on_enter, args=(control,), daemon=True).start()

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _resume_on_enter(control: RunControl) -> None:
    if os.read(sys.stdin.fileno(), 1):
        control.resume()
