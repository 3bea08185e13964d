"""The commands that tell people what is going on and went on: watch, log, audit, doctor. Only light imports here."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from .testbed_commands import AsJson, Contact, Key, Keys, _network
from .times import seconds as seconds_of

Seconds = Annotated[
    float | None,
    typer.Option(
        "--seconds",
        metavar="TIME",
        parser=seconds_of,
        help="End by itself after so long: 30, or with a unit.",
        show_default=False,
    ),
]
JsonLines = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]


def add_to(app: typer.Typer) -> None:
    """Add all commands of this file."""
    for command in (watch, log, audit, doctor):
        app.command(command.__name__)(command)


def watch(
    what: Annotated[list[str], typer.Argument(metavar="NODE.INSTRUMENT[.VALUE]...", show_default=False)],
    every: Annotated[
        float, typer.Option(metavar="TIME", parser=seconds_of, help="How often, at least 50 ms: 0.5, or with a unit.")
    ] = 1.0,
    seconds: Seconds = None,
    contact: Contact = None,
    keys: Keys = None,
    key: Key = "",
    as_json: JsonLines = False,
) -> None:
    """Show values as they are now, until Ctrl-C. However many people watch, an instrument is read once for all.

    Example: [bold]bellringer watch charlie.pump.power_now alice.detectors --every 0.5[/bold]
    """
    from .watch import watch_command

    watch_command(_network(contact, keys, key), what, every, seconds, as_json)


def log(
    node: Annotated[str, typer.Option("--node", metavar="NODE", help="Only what this node's agent tells.")] = "",
    most: Annotated[int, typer.Option("-n", help="How many events of before to show.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens from now on.")] = False,
    seconds: Seconds = None,
    contact: Contact = None,
    keys: Keys = None,
    key: Key = "",
    as_json: JsonLines = False,
) -> None:
    """Tell what happened: e-stops, faults, nodes lost and found, runs, restarts, refused keys. Times are UTC.

    Example: [bold]bellringer log --follow[/bold]
    """
    from .log import log_command

    log_command(_network(contact, keys, key), node, most, follow, seconds, as_json)


def audit(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Of services.", show_default=False)],
    as_json: JsonLines = False,
) -> None:
    """Check that nobody changed a log of who did what; says where one is broken, and has exit code 1 then.

    Lines that were cut off at the end leave a chain that is whole: keep the printed number and hash elsewhere.

    Example: [bold]bellringer audit ~/coordinator/audit.jsonl[/bold]
    """
    from .audit import audit_command

    sys.exit(audit_command(files, as_json))


def doctor(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A testbed file, to check its ports.", show_default=False)
    ] = None,
    node: Annotated[
        str, typer.Option("--node", metavar="NODE", help="Which node of it this computer is; default: all.")
    ] = "",
    runs: Annotated[Path, typer.Option("--runs", metavar="FOLDER", help="Where run folders are kept.")] = Path("runs"),
    contact: Contact = None,
    keys: Keys = None,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Check this computer, its way to the testbed, and clocks; exit code 1 if anything is bad.

    Instruments are asked nothing; those of FILE with a TCP port are connected to for a moment.

    Example: [bold]bellringer doctor my_lab/bell_three_node.yaml[/bold]
    """
    from .doctor import doctor_command

    sys.exit(doctor_command(file, node, runs, contact, keys, key, as_json))
