"""The commands for one service of a testbed and its keys: coordinator, agent, keys. Only light imports here."""

from pathlib import Path
from typing import Annotated

import typer

from .help_text import group
from .testbed_commands import AsJson, Contact, Key, Keys, Overrides, TestbedFile

WrittenContact = Annotated[
    Path | None,
    typer.Option("--contact", metavar="FILE", help="Contact file to write; default ~/.config/bellringer/contact.json."),
]
Bind = Annotated[str, typer.Option(metavar="ADDRESS", help="This machine's IPv4 address, as the others shall be told.")]
At = Annotated[
    Path | None,
    typer.Option(
        "--at",
        metavar="FOLDER",
        help="State folder of one service on this machine; default: every service of the running testbed, with your "
        "admin key.",
    ),
]

keys_app = group("Key pairs, and whose keys a service accepts.", "keys init alice")


def add_to(app: typer.Typer) -> None:
    """Add all commands of this file."""
    for command in (coordinator, agent):
        app.command(command.__name__)(command)
    app.add_typer(keys_app, name="keys")


def coordinator(
    state: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Epoch, journal, enrolled keys, audit log.", show_default=False)
    ],
    bind: Bind = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The first of three; 0: the system chooses.")] = 5570,
    keys: Keys = None,
    key: Annotated[str, typer.Option("--key", metavar="NAME", help="Its own key.")] = "coordinator",
    contact: WrittenContact = None,
    as_json: AsJson = False,
) -> None:
    """Run a testbed's coordinator in the foreground and write the contact file; Ctrl-C ends it.

    Example: [bold]bellringer coordinator --state ~/coordinator --bind 192.0.2.10[/bold]
    """
    from .serve import coordinator_command

    coordinator_command(state, bind, port, keys, key, contact, as_json)


def agent(
    file: TestbedFile,
    node: Annotated[str, typer.Argument(help="Which node of it this machine is.", show_default=False)],
    contact: Contact = None,
    state: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Enrolled keys, recordings, audit log; ~/.local/state/bellringer/NODE."),
    ] = None,
    bind: Bind = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Of its control socket; 0: the system chooses.")] = 0,
    stream_port: Annotated[
        int, typer.Option(help="Of its stream; 0: the one after --port, or else the system chooses.")
    ] = 0,
    keys: Keys = None,
    as_json: AsJson = False,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
) -> None:
    """Run one node's agent in the foreground, with your key of the node's name; Ctrl-C ends it in the dark.

    Example: [bold]bellringer agent lab.yaml alice --bind 192.0.2.11[/bold]
    """
    from .serve import agent_command

    agent_command(file, node, overrides, contact, state, bind, port, stream_port, keys, as_json)


# --- keys ---------------------------------------------------------------------------------------------------------


@keys_app.command("init")
def keys_init(name: Annotated[str, typer.Argument(show_default=False)], keys: Keys = None) -> None:
    """Make a key pair; its secret half never leaves this machine.

    Example: [bold]bellringer keys init alice[/bold]
    """
    from .keys import init_command

    init_command(name, keys)


@keys_app.command("enrol")
def keys_enrol(
    key: Annotated[str, typer.Argument(metavar="FILE.pub|KEY", help="A public key.", show_default=False)],
    at: At = None,
    name: Annotated[str, typer.Option(help="Whose it is; default the file's name.", show_default=False)] = "",
    role: Annotated[str, typer.Option(help="observer, node, operator or admin.")] = "observer",
    contact: Contact = None,
    keys: Keys = None,
    own: Key = "",
) -> None:
    """Let a service, or the whole testbed, accept somebody's public key; running services take notice.

    Example: [bold]bellringer keys enrol alice.pub --role node --at ~/coordinator[/bold]
    """
    from .keys import enrol_command

    enrol_command(key, name, role, at, contact, keys, own)


@keys_app.command("ls")
def keys_ls(
    keys: Keys = None,
    at: Annotated[
        Path | None, typer.Option("--at", metavar="FOLDER", help="Those enrolled at this service instead of your own.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List your own keys, or those a service accepts.

    Example: [bold]bellringer keys ls --at ~/coordinator[/bold]
    """
    from .keys import list_command

    list_command(keys, at, as_json)


@keys_app.command("revoke")
def keys_revoke(
    which: Annotated[str, typer.Argument(help="Name, fingerprint or the key itself.", show_default=False)],
    at: At = None,
    contact: Contact = None,
    keys: Keys = None,
    own: Key = "",
) -> None:
    """Refuse a key from now on, for good; running services take notice.

    Example: [bold]bellringer keys revoke anna[/bold]
    """
    from .keys import revoke_command

    revoke_command(which, at, contact, keys, own)
