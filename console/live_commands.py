"""The commands to work on a running testbed by hand, and to watch a link meanwhile. Only light imports here."""

import sys
from typing import Annotated

import typer

from .testbed_commands import AsJson, Contact, InRun, Key, Keys, _network
from .times import seconds as seconds_of


def add_to(app: typer.Typer) -> None:
    """Add all commands of this file."""
    for command in (live, call, apply):
        app.command(command.__name__)(command)


def live(
    link: Annotated[str, typer.Argument(help="Name of the link; default: the only one.", show_default=False)] = "",
    seconds: Annotated[
        float, typer.Option(metavar="TIME", parser=seconds_of, help="End after so long, e.g. 30; 0: at Ctrl-C.")
    ] = 0.0,
    window: Annotated[float, typer.Option(min=0.2, max=60.0, help="Seconds over which rates and E are taken.")] = 1.0,
    contact: Contact = None,
    keys: Keys = None,
    key: Key = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line for every update.")] = False,
) -> None:
    """Watch a link live: singles, coincidences, accidentals, correlation; Ctrl-C ends it.

    Owns the link's two taggers and has them stream. Plates and source stay yours: turn them from another terminal. If a
    run has the taggers, it only watches what the run records.

    Example: [bold]bellringer live alice-bob[/bold]
    """
    from .live import live_command

    live_command(_network(contact, keys, key), link, seconds=seconds, recent_s=window, as_json=as_json)


def call(
    instrument: Annotated[str, typer.Argument(metavar="NODE.INSTRUMENT", show_default=False)],
    method: Annotated[str, typer.Argument(help="What it shall do; see `bellringer ls drivers`.", show_default=False)],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[ARG]...", help="Plain numbers or text, in the method's units.")
    ] = None,
    in_run: InRun = False,
    contact: Contact = None,
    keys: Keys = None,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Have an instrument do something, wait until it has, and print what it returns.

    Example: [bold]bellringer call charlie.source prepare[/bold]
    """
    from .by_hand import call_command

    call_command(_network(contact, keys, key), instrument, method, arguments or [], in_run, as_json)


def apply(
    instruments: Annotated[
        list[str] | None, typer.Argument(metavar="[NODE.INSTRUMENT]...", help="Which ones; default: all.")
    ] = None,
    contact: Contact = None,
    keys: Keys = None,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Write the settings of the testbed file to the instruments, as a run does when it begins; lights nothing.

    Example: [bold]bellringer apply[/bold]
    """
    from .by_hand import apply_command

    sys.exit(apply_command(_network(contact, keys, key), instruments or [], as_json))
