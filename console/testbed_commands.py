"""The commands for a running testbed: up, down, status, values, e-stop. Only light imports here."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line of stdout.")]
Keys = Annotated[
    Path | None,
    typer.Option("--keys", metavar="FOLDER", help="Your key folder; default ~/.config/bellringer/keys."),
]
Key = Annotated[
    str,
    typer.Option("--key", envvar="BELLRINGER_KEY", metavar="NAME", help="Which of your keys; default: the only one."),
]
Contact = Annotated[
    Path | None,
    typer.Option(
        "--contact",
        metavar="FILE",
        help="Contact file; default $BELLRINGER_CONTACT, ~/.config/bellringer/contact.json, or a running 'up'.",
    ),
]
InRun = Annotated[
    bool, typer.Option("--in-run", help="Yes, though your run owns it; the record of the run tells of it.")
]
UpState = Annotated[
    Path | None, typer.Option("--state", metavar="FOLDER", help="Default ~/.local/state/bellringer/up.")
]
Overrides = Annotated[
    list[str],
    typer.Option("--set", metavar="PATH=VALUE", help="Override the file. Repeatable.", show_default=False),
]
TestbedFile = Annotated[Path, typer.Argument(metavar="FILE", help="Testbed file (YAML).", show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Add all commands of this file."""
    for command in (up, down, status, get, set_value, estop, ack, pause, resume, abort):
        app.command(command.__name__.partition("_")[0])(command)


def _network(contact: Path | None, keys: Path | None, key: str) -> Any:
    from ..orchestrator.client import Network

    return Network.found(contact, keys, key)


# --- a testbed on this machine ------------------------------------------------------------------------------------


def up(
    file: TestbedFile,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="On a simulated lab, in step with the wall clock.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the simulated lab.")] = 0,
    state: UpState = None,
    as_json: AsJson = False,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
) -> None:
    """Run a whole testbed on this machine: coordinator and one agent per node; Ctrl-C ends it in the dark.

    Keys are made for the occasion; the other commands find it by themselves.

    Example: [bold]bellringer up examples/bell_three_node.yaml --dry-run[/bold]
    """
    from .up import up_command

    up_command(file, overrides, dry_run=dry_run, seed=seed, state=state, as_json=as_json)


def down(state: UpState = None) -> None:
    """End a running [bold]up[/bold], in the dark.

    Example: [bold]bellringer down[/bold]
    """
    from .up import down_command

    down_command(state)


# --- a running testbed, wherever it is ----------------------------------------------------------------------------


def status(contact: Contact = None, keys: Keys = None, key: Key = "", as_json: AsJson = False) -> None:
    """Show coordinator, e-stop and nodes; exit code 1 if something is wrong.

    Example: [bold]bellringer status[/bold]
    """
    from .kept_estop import nothing_runs, refuse_if_latched
    from .status import status_command

    if nothing_runs(contact):
        refuse_if_latched()
    sys.exit(status_command(_network(contact, keys, key), as_json))


def get(
    what: Annotated[str, typer.Argument(metavar="NODE.INSTRUMENT[.VALUE]", show_default=False)],
    contact: Contact = None,
    keys: Keys = None,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Read one setting or reading of an instrument, or all of them.

    Example: [bold]bellringer get charlie.pump.power[/bold]
    """
    from .values import get_command

    get_command(_network(contact, keys, key), what, as_json)


def set_value(
    assignment: Annotated[str, typer.Argument(metavar="NODE.INSTRUMENT.SETTING=VALUE", show_default=False)],
    confirm: Annotated[bool, typer.Option("--confirm", help="Yes, raise this emitter more than tenfold.")] = False,
    in_run: InRun = False,
    contact: Contact = None,
    keys: Keys = None,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Set one setting, with its unit; limits are checked at the node before anything is sent to the instrument.

    Example: [bold]bellringer set charlie.pump.power="10 mW"[/bold]
    """
    from .values import set_command

    set_command(_network(contact, keys, key), assignment, confirm, in_run, as_json)


def estop(
    reason: Annotated[str, typer.Argument(help="Why, for the others.", show_default=False)] = "",
    contact: Contact = None,
    keys: Keys = None,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Everything dark, now, and until [bold]ack[/bold]; says which nodes confirmed. Any enrolled key may.

    Example: [bold]bellringer estop "smoke in the lab"[/bold]
    """
    from .estop import estop_command

    sys.exit(estop_command(_network(contact, keys, key), reason, as_json))


def ack(
    node: Annotated[str, typer.Argument(help="Whose fault; without it, the e-stop.", show_default=False)] = "",
    here: Annotated[
        bool, typer.Option("--here", help="An e-stop of this computer's instruments that outlived its testbed.")
    ] = False,
    contact: Contact = None,
    keys: Keys = None,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Acknowledge the e-stop, or a node's fault, after you looked; nothing goes on by itself.

    An e-stop of this computer's own instruments stays latched when its run or [bold]up[/bold] has ended. If no testbed
    runs, it is the one that is acknowledged.

    Example: [bold]bellringer ack[/bold]
    """
    from .estop import ack_command
    from .kept_estop import ack_here_command, latched_here, nothing_runs

    if here or (not node and nothing_runs(contact) and latched_here()):
        ack_here_command(node, as_json)
        return
    ack_command(_network(contact, keys, key), node, as_json)


# --- a run, wherever it was started -------------------------------------------------------------------------------

RunName = Annotated[str, typer.Argument(metavar="[RUN]", help="Its name; default: the only one.", show_default=False)]


def pause(
    run: RunName = "", contact: Contact = None, keys: Keys = None, key: Key = "", as_json: AsJson = False
) -> None:
    """Let a run wait at its next checkpoint; light stays as it is.

    Example: [bold]bellringer pause[/bold]
    """
    from .run_control import run_control_command

    run_control_command("pause", run, contact, keys, key, as_json)


def resume(
    run: RunName = "", contact: Contact = None, keys: Keys = None, key: Key = "", as_json: AsJson = False
) -> None:
    """Let a paused run go on.

    Example: [bold]bellringer resume[/bold]
    """
    from .run_control import run_control_command

    run_control_command("resume", run, contact, keys, key, as_json)


def abort(
    run: RunName = "", contact: Contact = None, keys: Keys = None, key: Key = "", as_json: AsJson = False
) -> None:
    """End a run now, in the dark; its record is kept.

    Example: [bold]bellringer abort 20260131-120500-chsh-7f3a[/bold]
    """
    from .run_control import run_control_command

    run_control_command("abort", run, contact, keys, key, as_json)
