"""``bellringer lab up``: the simulated lab alone, in step with the wall clock."""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.table import Table

from ..sim_backends.lab.build import build_lab, endpoints
from .files import load_checked
from .main import emit_json
from .out import printer


def lab_up_command(file: Path, overrides: Sequence[str], seed: int, as_json: bool) -> None:
    """Run until Ctrl-C or SIGTERM."""
    loaded = load_checked(file, overrides)
    lab = build_lab(loaded.testbed, seed, at_rest=True)
    for number in (signal.SIGINT, signal.SIGTERM):  # before anybody can know that the lab is there
        signal.signal(number, lambda number, frame: lab.stop())
    where = endpoints(lab)
    if as_json:
        emit_json({"testbed": loaded.testbed.name, "seed": seed, "instruments": where})
        sys.stdout.flush()
    else:
        title = f"{loaded.testbed.name}, simulated; Ctrl-C ends it"
        table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
        for column in ("instrument", "driver", "resource"):
            table.add_column(column, no_wrap=True)  # whole, to be copied
        table.add_column("options", overflow="fold")
        for name, body in where.items():
            table.add_row(
                name, body["driver"], body["resource"], ", ".join(f"{k}={v}" for k, v in body["options"].items())
            )
        printer().print(table)
    lab.run()
