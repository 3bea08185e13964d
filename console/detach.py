"""``bellringer run --detach``: the run goes on by itself, whatever becomes of the terminal it was started in."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from ..testbed.errors import BellringerError
from .main import emit_json
from .out import printer
from .sessions import announced

NAMED_S = 120.0
"""How long it may take until the run has a name: a lab may have to be started before."""
LOOK_S = 0.1
OUTPUT = "output.txt"


def detach_command(words: Sequence[str], runs: Path, as_json: bool) -> None:
    """Start ``bellringer`` with ``words`` in a session of its own; return when the run has begun.

    Raises:
        BellringerError: it ended before it had begun, or it does not begin.
    """
    runs.mkdir(parents=True, exist_ok=True)
    output = runs / f"starting-{os.getpid()}.txt"
    with open(output, "wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "bellringer.console.main", *words],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # no signal of this terminal reaches it, nor the end of it
        )
    end, tick = time.monotonic() + NAMED_S, threading.Event()
    while (run := announced(process.pid)) is None:
        if process.poll() is not None:
            sys.stderr.write(output.read_text(errors="replace"))
            output.unlink()
            raise BellringerError(
                f"the run ended before it began (exit code {process.returncode})", hint="see its messages above"
            )
        if time.monotonic() > end:
            raise BellringerError(
                f"the run did not begin within {NAMED_S:g} s; process {process.pid} still tries",
                where=str(output),
                hint=f"look there, and end it with: kill {process.pid}",
            )
        tick.wait(LOOK_S)
    place = output.rename(Path(run.folder) / OUTPUT)
    if as_json:
        emit_json({"run": run.run, "folder": run.folder, "pid": process.pid, "output": str(place)})
        return
    out = printer()
    out.print(f"{run.run} goes on by itself (process {process.pid}); what it prints: {place}", soft_wrap=True)
    out.print(f"bellringer pause|resume|abort {run.run}", soft_wrap=True)
