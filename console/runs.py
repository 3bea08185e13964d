"""``bellringer runs``: look at the records of runs."""

import json
from pathlib import Path

from rich import box
from rich.table import Table

from ..analysis import Estimate
from ..orchestrator.records import find_run, list_runs, read_run
from .main import emit_json
from .out import printer
from .report import write_report

NOT_BELOW = ("run", "status", "error", "nodes")
"""What is not shown below the results of a run: it stands above, or is long."""


def list_command(runs: Path, as_json: bool) -> None:
    """List runs, newest first."""
    found = list(list_runs(runs))
    if as_json:
        emit_json(found)
        return
    if not found:
        printer().print(f"no runs in {runs}; make one: bellringer run FILE SEQUENCE --dry-run", soft_wrap=True)
        return
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("run", "kind", "status"):
        table.add_column(column, no_wrap=True)  # the name holds the sequence's; whole, to be copied into `runs show`
    table.add_column("testbed", overflow="fold")
    for run in found:
        kind = "" if run["status"] == "damaged" else "dry run" if run.get("dry_run") else "hardware"
        table.add_row(run["run"], kind, run["status"], run["testbed"])
    printer().print(table)


def show_command(runs: Path, name: str, as_json: bool) -> None:
    """Show what was asked and what came out."""
    folder = find_run(runs, name)
    asked = read_run(folder)
    results_file = folder / "results.json"
    results = json.loads(results_file.read_text())["results"] if results_file.exists() else {}
    if as_json:
        emit_json({**asked, "folder": str(folder), "results": results})
        return
    out = printer()
    out.print(f"{asked['run']}: {asked['status']}", style="bold", soft_wrap=True)
    if asked.get("error"):
        out.print(f"error: {asked['error']}", style="red", soft_wrap=True)
    if results:
        table = Table()
        table.add_column("result")
        table.add_column("value", justify="right")
        for key, body in results.items():
            table.add_row(key, str(Estimate(**body)))
        out.print(table)
    for key, value in asked.items():
        if key not in NOT_BELOW:
            out.print(f"{key}: {value}", soft_wrap=True)
    out.print(f"folder: {folder}; all of it: bellringer runs show {asked['run']} --json", soft_wrap=True)


def report_command(runs: Path, name: str) -> None:
    """Write the report again."""
    printer().print(str(write_report(find_run(runs, name))), soft_wrap=True)
