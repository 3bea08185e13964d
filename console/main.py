"""The ``bellringer`` command. Only light imports here: a command pulls in what it needs when it runs."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ..testbed.errors import BellringerError
from . import link_commands, live_commands, people_commands, service_commands, tags_commands, testbed_commands

app = typer.Typer(
    help="Run quantum-network testbeds: real instruments, or the same file on a simulated lab.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
lab_app = typer.Typer(help="The simulated lab alone.", no_args_is_help=True)
ls_app = typer.Typer(help="What there is: drivers, sequences.", no_args_is_help=True)
runs_app = typer.Typer(help="Records of runs.", no_args_is_help=True)
app.add_typer(lab_app, name="lab")
app.add_typer(ls_app, name="ls")
app.add_typer(runs_app, name="runs")
testbed_commands.add_to(app)
service_commands.add_to(app)
live_commands.add_to(app)
people_commands.add_to(app)
tags_commands.add_to(app)
link_commands.add_to(app)

TestbedFile = Annotated[Path, typer.Argument(metavar="FILE", help="Testbed file (YAML).", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line of stdout.")]
Overrides = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help='Override the file, e.g. --set charlie.pump.power="10 mW". Repeatable.',
        show_default=False,
    ),
]
RunsFolder = Annotated[Path, typer.Option("--runs", metavar="FOLDER", help="Where run folders are kept.")]


def main() -> None:
    """Entry point: errors a user can meet are printed without a traceback, exit code 1."""
    # Matrices here are four by four: a matrix library's threads would only be a tenth of a second of every start.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        app()
    except BellringerError as error:
        print_error(error)
        sys.exit(1)


def print_error(error: BaseException) -> None:
    """Print what happened, where, and what to do next, on stderr."""
    from .out import printer

    out = printer(stderr=True)
    if not isinstance(error, BellringerError):
        out.print(f"error: {type(error).__name__}: {error}", style="bold red")
        return
    out.print(f"error: {error.what}", style="bold red")
    if error.where:
        out.print(f"  where: {error.where}", soft_wrap=True)  # a path is for copying
    if error.hint:
        out.print(f"  next:  {error.hint}", style="green")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"bellringer {version('bellringer')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder to make.", show_default=False)],
    example: Annotated[str, typer.Option(help="Which example to copy.")] = "bell_three_node",
) -> None:
    """Copy an example testbed to start from.

    Example: [bold]bellringer init my_lab[/bold], then
    [bold]bellringer run my_lab/bell_three_node.yaml chsh --dry-run[/bold]
    """
    from .files import copy_example

    copy_example(folder, example)


@app.command()
def check(file: TestbedFile, overrides: Overrides = []) -> None:  # noqa: B006 - typer copies it
    """Check a testbed file completely, without touching any instrument.

    Example: [bold]bellringer check examples/bell_three_node.yaml[/bold]
    """
    from .files import load_checked, summary

    summary(load_checked(file, overrides))


@app.command()
def schema() -> None:
    """Print the JSON Schema of testbed files, for completion in an editor.

    Example: [bold]bellringer schema > testbed.schema.json[/bold]
    """
    from ..testbed.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(
    context: typer.Context,
    file: TestbedFile,
    sequence: Annotated[str, typer.Argument(help="Sequence name, or FILE.py:NAME for your own.", show_default=False)],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Run on a simulated lab: real drivers, simulated far ends.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the simulated lab; the same seed gives the same tags.")] = 0,
    as_json: AsJson = False,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    runs: RunsFolder = Path("runs"),
    detach: Annotated[
        bool, typer.Option("--detach", help="Let it go on by itself; closing the terminal does not end it.")
    ] = False,
    here: Annotated[
        bool, typer.Option("--here", help="On this computer's instruments, even if a testbed runs elsewhere.")
    ] = False,
    contact: testbed_commands.Contact = None,
    keys: testbed_commands.Keys = None,
    key: testbed_commands.Key = "",
) -> None:
    """Run a sequence on a testbed. Further options are the sequence's own parameters.

    It joins the testbed that runs (see [bold]up[/bold], [bold]coordinator[/bold]); if none does, it starts coordinator
    and agents on this computer for the run's length. Ctrl-C once pauses at the next checkpoint, twice aborts; an abort
    ends in the dark.

    Examples:

    [bold]bellringer run examples/bell_three_node.yaml chsh --dry-run --seed 1[/bold]

    [bold]bellringer run lab.yaml visibility --integration-s 5 --set charlie.pump.power="5 mW"[/bold]

    [bold]bellringer run lab.yaml my_scans.py:my_scan --points 20 --detach[/bold]
    """
    if detach:
        from .detach import detach_command

        detach_command([word for word in sys.argv[1:] if word != "--detach"], runs, as_json)
        return
    from .run import Where, run_command

    where = Where(dry_run, seed, here, contact, keys, key)
    parameters = sequence_options(context.args)
    sys.exit(run_command(file, sequence, parameters, where, overrides=overrides, runs=runs, as_json=as_json))


def sequence_options(words: list[str]) -> dict[str, str]:
    """Return ``--integration-s 2 --fast`` as ``{"integration_s": "2", "fast": "true"}``."""
    options: dict[str, str] = {}
    index = 0
    while index < len(words):
        word = words[index]
        if not word.startswith("--"):
            raise BellringerError(f"what is '{word}'?", hint="a sequence's parameters are given as --name value")
        name, equals, value = word[2:].partition("=")
        if not equals:
            following = words[index + 1] if index + 1 < len(words) else "--"
            value, index = ("true", index) if following.startswith("--") else (following, index + 1)
        options[name.replace("-", "_")] = value
        index += 1
    return options


@lab_app.command("up")
def lab_up(
    file: TestbedFile,
    seed: Annotated[int, typer.Option(help="Seed of the simulated lab.")] = 0,
    as_json: AsJson = False,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
) -> None:
    """Run the simulated lab alone, in step with the wall clock, for any client; Ctrl-C ends it.

    Prints the resource string and connection settings of every instrument.

    Example: [bold]bellringer lab up examples/bell_three_node.yaml --json[/bold]
    """
    from .lab import lab_up_command

    lab_up_command(file, overrides, seed, as_json)


@ls_app.command("drivers")
def ls_drivers(
    name: Annotated[str, typer.Argument(help="One driver, in full.", show_default=False)] = "",
    as_json: AsJson = False,
) -> None:
    """List drivers, or everything about one: options, settings with units and limits, readings.

    Example: [bold]bellringer ls drivers cobolt_06[/bold]
    """
    from .listing import list_drivers

    list_drivers(name, as_json)


@ls_app.command("sequences")
def ls_sequences(as_json: AsJson = False) -> None:
    """List the library's sequences with their parameters.

    Example: [bold]bellringer ls sequences[/bold]
    """
    from .listing import list_sequences

    list_sequences(as_json)


@runs_app.command("ls")
def runs_ls(runs: RunsFolder = Path("runs"), as_json: AsJson = False) -> None:
    """List runs, newest first.

    Example: [bold]bellringer runs ls[/bold]
    """
    from .runs import list_command

    list_command(runs, as_json)


@runs_app.command("show")
def runs_show(
    name: Annotated[str, typer.Argument(help="Run name or folder; 'latest' for the newest.")] = "latest",
    runs: RunsFolder = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Show one run: what was asked, how it ended, what came out.

    Example: [bold]bellringer runs show latest[/bold]
    """
    from .runs import show_command

    show_command(runs, name, as_json)


@runs_app.command("report")
def runs_report(
    name: Annotated[str, typer.Argument(help="Run name or folder; 'latest' for the newest.")] = "latest",
    runs: RunsFolder = Path("runs"),
) -> None:
    """Write a run's report.html again and print its path.

    Example: [bold]bellringer runs report latest[/bold]
    """
    from .runs import report_command

    report_command(runs, name)


def emit_json(body: Any) -> None:
    """Print one JSON object on one line."""
    print(json.dumps(body, allow_nan=False))


if __name__ == "__main__":
    main()
