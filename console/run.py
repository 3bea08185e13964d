"""``bellringer run``: a sequence on a testbed, with progress on stderr, a record, and a report."""

import contextlib
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.table import Table

from ..orchestrator.agent.calls import Instruments
from ..sequences import Outcome, find_sequence, run_sequence
from ..sequences.control import RunControl
from ..sequences.on_testbed import on_testbed
from ..testbed.errors import BellringerError
from ..testbed.loader import LoadedTestbed
from .files import load_checked
from .interrupts import interrupts
from .link import measured_if_never
from .main import emit_json, print_error
from .out import printer
from .places import Begun, Place, joined, own, rehearsal, running_testbed
from .progress import Bars
from .report import headlines_first, write_report
from .sessions import announce, run_session

LINGER_S = 1.0
"""So long a testbed of our own outlives a run that was ended: who pressed the e-stop is still being told it is dark."""


@dataclass(frozen=True)
class Where:
    """Where a person wants a run to take place.

    Attributes:
        dry_run: on a simulated lab of its own, with this ``seed``.
        here: on this computer's instruments, even if a testbed runs.
        contact, keys, key: which running testbed, and as whom.
    """

    dry_run: bool = False
    seed: int = 0
    here: bool = False
    contact: Path | None = None
    keys: Path | None = None
    key: str = ""


def run_command(
    file: Path,
    sequence_name: str,
    parameters: Mapping[str, str],
    where: Where,
    *,
    overrides: Sequence[str],
    runs: Path,
    as_json: bool,
) -> int:
    """Run, record, report; return the exit code (0 only if completed)."""
    sequence = find_sequence(sequence_name)
    loaded = load_checked(file, overrides)
    sequence.check(loaded.testbed, sequence.resolve(parameters))  # before a lab is started
    control, bars = RunControl(), Bars()
    with (
        _begun(loaded, overrides, where, bars) as begun,
        bars as progress,
        interrupts(control),
        run_session() as session,
    ):
        with contextlib.ExitStack() as stack:
            place = _place(stack, loaded, overrides, where, session, control, progress, begun)
            measure = partial(measured_if_never, place.network, progress) if place.ours else None
            take = on_testbed(loaded, place.network, place.clock, measure)

            def take_announced(run: str, control: RunControl) -> Instruments:
                announce(session, run, runs / run)
                return take(run, control)

            outcome = run_sequence(
                loaded,
                sequence,
                parameters,
                place.clock,
                instruments=take_announced,
                runs=runs,
                control=control,
                progress=progress,
                about=place.about,
            )
            if control.reason is not None:
                threading.Event().wait(LINGER_S)
        progress.say("writing the report")
        report = write_report(outcome.folder)
    _print_outcome(outcome, report, to_stderr=as_json)
    if as_json:
        emit_json(outcome.as_dict())
    return 0 if outcome.status == "completed" else 1


@contextlib.contextmanager
def _begun(loaded: LoadedTestbed, overrides: Sequence[str], where: Where, bars: Bars) -> Iterator[Begun | None]:
    """Begin a rehearsal before there are threads for progress; ended by itself if it does not come to that."""
    if not where.dry_run:
        yield None
        return
    with contextlib.closing(Begun(loaded, overrides, where.seed, correlating=bars.moving)) as begun:
        yield begun


def _place(
    stack: contextlib.ExitStack,
    loaded: LoadedTestbed,
    overrides: Sequence[str],
    where: Where,
    session: Path,
    control: RunControl,
    progress: Bars,
    begun: Begun | None,
) -> Place:
    if begun is not None:
        return stack.enter_context(rehearsal(loaded, overrides, session, control, progress, begun))
    network = None if where.here else running_testbed(where.contact, where.keys, where.key)
    if network is None:
        return stack.enter_context(own(loaded, overrides, session, control, progress))
    progress.say(f"joining the testbed of the coordinator at {network.contact.control}")
    return joined(network)


def _print_outcome(outcome: Outcome, report: Path, *, to_stderr: bool) -> None:
    out = printer(stderr=to_stderr)
    if outcome.results:
        table = Table()
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
