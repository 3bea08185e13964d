"""The commands about memory links of a running testbed. Only light imports here."""

from typing import Annotated

import typer

from .help_text import group
from .testbed_commands import AsJson, Contact, Key, Keys, _network

link_app = group("Memory links of a running testbed.", "link measure alice-bob")


def add_to(app: typer.Typer) -> None:
    """Add all commands of this file."""
    app.add_typer(link_app, name="link")


@link_app.command()
def measure(
    link: Annotated[str, typer.Argument(help="Name of the link; default: the only one.", show_default=False)] = "",
    samples: Annotated[
        int, typer.Option(min=1000, max=1_000_000, help="Messages to each node; p99.9 counts from 10000 on.")
    ] = 10_000,
    contact: Contact = None,
    keys: Keys = None,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Measure how long corrections take from the station to each node: p50, p99, p99.9. No light is needed.

    Real messages go the whole way, from the station's core to the node's, and correct nothing. The coordinator keeps
    the figures and judges by them whether corrections of kept pairs come in time; without them it refuses such pairs.
    Measure again after every change of computers, network or cores. Ten thousand messages to a node take some ten
    seconds; batches wait meanwhile.

    Examples: [bold]bellringer link measure alice-bob[/bold],
    [bold]bellringer link measure --samples 100000 --json[/bold]
    """
    from .link import measure_command

    measure_command(_network(contact, keys, key), link, samples, as_json)


@link_app.command()
def show(contact: Contact = None, keys: Keys = None, key: Key = "", as_json: AsJson = False) -> None:
    """Show what was measured last.

    Example: [bold]bellringer link show[/bold]
    """
    from .link import show_command

    show_command(_network(contact, keys, key), as_json)
