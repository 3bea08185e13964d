"""Runs a sequence: opens, applies settings, runs, and ends in the dark whatever happens.

States: opening -> running (<-> paused) -> finishing -> completed | failed | aborted. Every way out, also an error while
opening or a second Ctrl-C, passes through dark and closed, shielded from further interruption.
"""

import contextlib
import platform
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..analysis import Estimate
from ..orchestrator.agent.calls import Instruments
from ..orchestrator.agent.desk import Endpoint
from ..orchestrator.agent.host import InstrumentHost
from ..orchestrator.records import RunFolder
from ..testbed.clock import Clock
from ..testbed.errors import Aborted, BellringerError, InstrumentError
from ..testbed.loader import LoadedTestbed
from ..testbed.lockstep import LabStopped
from .control import RunControl
from .progress import Progress, Silent
from .run import Run
from .sequence import Sequence


@dataclass(frozen=True)
class Outcome:
    """How a run ended and what came out."""

    run: str
    folder: Path
    status: str
    results: dict[str, Estimate]
    error: BaseException | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the object ``bellringer run --json`` prints."""
        return {
            "run": self.run,
            "folder": str(self.folder),
            "status": self.status,
            "results": {name: estimate.as_dict() for name, estimate in self.results.items()},
        }


def run_sequence(
    loaded: LoadedTestbed,
    sequence: Sequence,
    parameters: Mapping[str, object],
    clock: Clock,
    *,
    runs: Path = Path("runs"),
    endpoints: Mapping[str, Endpoint] | None = None,
    instruments: Callable[[str, RunControl], Instruments] | None = None,
    control: RunControl | None = None,
    progress: Progress | None = None,
    about: Mapping[str, Any] | None = None,
) -> Outcome:
    """Run ``sequence`` on a testbed and return how it ended; errors of the run are in the outcome, not raised.

    Args:
        parameters: the sequence's parameters, as values or text.
        endpoints: replacements for resource strings, by instrument (a dry run's simulated ones).
        instruments: makes the instruments of this run, by its name, from agents; else this process drives them.
        about: more to write into the record of what was asked (seed, dry run).

    Raises:
        BellringerError: a wrong parameter, a testbed that lacks what it needs, or no run folder can be made; nothing
            was opened then.
    """
    values = sequence.resolve(parameters)
    sequence.check(loaded.testbed, values)
    control, progress = control or RunControl(), progress or Silent()
    control.attach(clock)
    asked = {
        "sequence": sequence.name,
        "parameters": values,
        "testbed": loaded.testbed.name,
        "overrides": dict(loaded.overrides),
        "bellringer": version("bellringer"),
        "python": platform.python_version(),
        **(about or {}),
    }
    folder = RunFolder.create(runs, sequence.name, loaded.text, asked)
    host = _instruments(folder, instruments, control) or InstrumentHost(loaded.testbed, clock, endpoints)
    if host.about:
        folder.add(nodes=host.about)
    run = Run(loaded.testbed, host, folder, control, progress)
    status = "failed"
    error: BaseException | None = None
    try:
        _perform(run, host, sequence, values)
        status = "completed"
    except (Aborted, KeyboardInterrupt) as abort:
        error = control.reason or abort
        # A call that a lost lease or a tripped interlock ended is an abort, too, but no person wanted it.
        if control.reason is None and (control.aborted or isinstance(abort, KeyboardInterrupt)):
            status = "aborted"
        # Calls still in flight (an oven settling, say) must not hold up the dark.
        control.abort(abort if status == "failed" and isinstance(abort, BellringerError) else None)
    except BaseException as failure:  # sys.exit() in a sequence, too: nothing passes by the dark
        error = failure
    with _uninterrupted(), clock.shielded():
        failures = _finish(run, host)
    if error is not None and not isinstance(error, (BellringerError, KeyboardInterrupt)):
        folder.write_text("traceback.txt", "".join(traceback.format_exception(error)))
    if failures and not isinstance(error, LabStopped):  # there is no light without the lab
        status = "failed"
        unconfirmed = list(dict.fromkeys(map(_in_short, failures)))
        if error is not None and _in_short(error) not in unconfirmed:
            unconfirmed.append(f"before that: {_in_short(error)}")
        error = InstrumentError(
            "not every instrument could be confirmed dark: " + "; ".join(unconfirmed),
            where=str(folder.path),
            hint="check the lab by eye; block the light by hand before you go near it",
        )
    if status == "aborted":
        hint = "all outputs are confirmed dark; start the run again when ready"
        error = Aborted("the run was aborted by a person", hint=hint)
    _write_outcome(run, status, error)
    return Outcome(folder.name, folder.path, status, run.results, error)


def _instruments(
    folder: RunFolder, make: Callable[[str, RunControl], Instruments] | None, control: RunControl
) -> Instruments | None:
    """Return what ``make`` gives; if it fails, the record says so before the error goes on."""
    if make is None:
        return None
    try:
        return make(folder.name, control)
    except BellringerError as error:
        folder.finish("failed", error=str(error))
        raise


def _perform(run: Run, host: Instruments, sequence: Sequence, values: Mapping[str, Any]) -> None:
    run.progress.say("opening " + ", ".join(host.entries))
    run._event("opening")
    host.open()
    identities = host.gather([host.submit(name, "identity") for name in host.entries])
    run._event("opened", instruments={name: str(identity) for name, identity in zip(host.entries, identities)})
    failures = host.dark()  # a laser that somebody left on goes dark before anything is set
    if failures:
        raise failures[0]
    host.apply_settings()
    run.folder.write_json("snapshots.json", {"start": host.snapshot()})
    run._event("running", sequence=sequence.name)
    sequence(run, **values)


def _finish(run: Run, host: Instruments) -> list[BaseException]:
    """Dark first, then closed; returns what could not be confirmed."""
    failures = host.dark()
    run.folder.give_room()
    try:
        run._tell_by_hand()
        run._event("dark", confirmed=not failures)
    finally:  # a full disk must not keep the instruments from being closed
        failures += [failure for failure in host.close() if str(failure) not in map(str, failures)]
    run._event("closed")
    return failures


def _in_short(error: BaseException) -> str:
    """Return what happened and where, in one line."""
    if isinstance(error, BellringerError) and error.where:
        return f"{error.where.partition(chr(10))[0]}: {error.what}"
    return str(error).partition("\n")[0]


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ignore Ctrl-C as long as the context lasts; signals are the main thread's business, elsewhere there are none."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)


def _write_outcome(run: Run, status: str, error: BaseException | None) -> None:
    results = {name: estimate.as_dict() for name, estimate in run.results.items()}
    run.folder.write_json("results.json", {"status": status, "results": results, "notes": run.notes})
    run._event(status, error=str(error) if error else None)
    run.folder.finish(status, error=str(error) if error else None)
