"""``bellringer get`` and ``set``: one instrument's values, with their units, on a running testbed.

Agents take plain values in the declared unit, and say themselves which unit that is; no driver is needed here.
"""

import contextlib
from collections.abc import Mapping
from typing import Any

from rich.table import Table

from ..orchestrator.client import Network
from ..orchestrator.client.connections import Connections
from ..orchestrator.client.described import Described
from ..orchestrator.client.network import TIMEOUT_S
from ..orchestrator.wire.messages import Do, Get, Set, Status
from ..testbed.errors import BellringerError
from .main import emit_json
from .out import printer

INSTRUMENT_S = 30.0
"""How long an instrument may take: reading everything of a slow one takes seconds."""


def get_command(network: Network, what: str, as_json: bool) -> None:
    """Print one value, or all values of an instrument."""
    with contextlib.closing(Connections(network)) as connections:
        instrument, name = whole(connections, what)
        described = connections.described(instrument)
        node = instrument.partition(".")[0]
        if name:
            described.check_value(name)
            values = {name: connections.ask_node(node, Get(0, instrument, name, 0), INSTRUMENT_S)}
        else:
            values = connections.ask_node(node, Do(0, instrument, "snapshot", 0), INSTRUMENT_S)
    if as_json:
        _emit(described, values)
    elif name:
        print(described.shown(name, values[name], 12))
    else:
        table = Table(title=instrument)
        table.add_column("value")
        table.add_column("now", justify="right")
        for key, value in values.items():
            table.add_row(key, described.shown(key, value))
        printer().print(table)


def set_command(network: Network, assignment: str, confirm: bool, in_run: bool, as_json: bool) -> None:
    """Set one value and print what the instrument then says it is; ``in_run``: of a run that owns it."""
    what, equals, wanted = assignment.partition("=")
    with contextlib.closing(Connections(network)) as connections:
        instrument, name = whole(connections, what.strip())
        if not equals or not name:
            hint = 'write NODE.INSTRUMENT.SETTING=VALUE, e.g. charlie.pump.power="10 mW"'
            raise BellringerError(f"{assignment!r} sets nothing", hint=hint)
        described = connections.described(instrument)
        value = described.plain(name, wanted.strip().strip('"'), needs_unit=True)
        node = instrument.partition(".")[0]
        run = run_of(instrument, connections.ask_node(node, Status(0), TIMEOUT_S)) if in_run else ""
        message = Set(0, instrument, name, value, 0, confirm=confirm, run=run, by_hand=in_run)
        connections.ask_node(node, message, INSTRUMENT_S)
        now = connections.ask_node(node, Get(0, instrument, name, 0), INSTRUMENT_S)
    if as_json:
        _emit(described, {name: now})
    else:
        print(f"{instrument}.{name} = {described.shown(name, now, 12)}")


def run_of(instrument: str, status: Mapping[str, Any]) -> str:
    """Return the run that owns an instrument, by its agent's status.

    Raises:
        BellringerError: none does.
    """
    if run := status["owners"].get(instrument, ""):
        return str(run)
    raise BellringerError(f"no run owns {instrument} now", hint="leave --in-run out; nothing was done")


def split(what: str) -> tuple[str, str]:
    """Return ``node.instrument.setting`` as instrument and setting ("" if not given).

    Raises:
        BellringerError: it is neither of the two forms.
    """
    words = what.split(".")
    if len(words) not in (2, 3) or not all(words):
        raise BellringerError(
            f"what is {what!r}?", hint="write NODE.INSTRUMENT or NODE.INSTRUMENT.SETTING, e.g. charlie.pump.power"
        )
    return ".".join(words[:2]), words[2] if len(words) == 3 else ""


def whole(connections: Connections, what: str) -> tuple[str, str]:
    """Return ``split``; for one word, an error that says which instruments it may be part of."""
    if what and "." not in what:
        instruments = connections.node(what)["instruments"]
        raise BellringerError(f"{what} is a node", hint="name an instrument of it: " + ", ".join(instruments))
    return split(what)


def _emit(described: Described, values: dict[str, object]) -> None:
    emit_json(
        {"instrument": described.name, "values": values, "units": {name: described.unit(name) for name in values}}
    )
