"""``bellringer get`` and ``set``: one instrument's values, with their units, on a running testbed.

Agents take plain values in the declared unit. The driver's declaration, read on this machine, turns "10 mW" into them.
"""

import json
from typing import Any

from rich.console import Console
from rich.table import Table

from ..drivers.interfaces import Reading, Setting
from ..drivers.registry import driver_class, names
from ..orchestrator.client import Network, NodeContact
from ..orchestrator.wire.messages import Do, Get, Set, Status
from ..testbed.errors import BellringerError, nearest
from ..testbed.units import text
from .main import emit_json

INSTRUMENT_S = 30.0
"""How long an instrument may take: reading everything of a slow one takes seconds."""


def get_command(network: Network, what: str, as_json: bool) -> None:
    """Print one value, or all values of an instrument."""
    instrument, name = split(what)
    node = network.node_of(instrument)
    if name:
        values = {name: network.ask_node(node, Get(0, instrument, name, 0), INSTRUMENT_S)}
    else:
        values = network.ask_node(node, Do(0, instrument, "snapshot", 0), INSTRUMENT_S)
    declared = _declared(network, node, instrument)
    if as_json:
        units = {key: declared[key].unit if key in declared else "" for key in values}
        emit_json({"instrument": instrument, "values": values, "units": units})
    elif name:
        print(_shown(values[name], declared.get(name)))
    else:
        table = Table(title=instrument)
        table.add_column("value")
        table.add_column("now", justify="right")
        for key, value in values.items():
            table.add_row(key, _shown(value, declared.get(key)))
        Console(highlight=False, markup=False).print(table)


def set_command(network: Network, assignment: str, as_json: bool) -> None:
    """Set one value and print what the instrument then says it is."""
    what, equals, wanted = assignment.partition("=")
    instrument, name = split(what.strip())
    if not equals or not name:
        raise BellringerError(
            f"{assignment!r} sets nothing", hint='write NODE.INSTRUMENT.SETTING=VALUE, e.g. charlie.pump.power="10 mW"'
        )
    node = network.node_of(instrument)
    declared = _declared(network, node, instrument)
    value = plain_value(wanted.strip().strip('"'), instrument, name, declared)
    network.ask_node(node, Set(0, instrument, name, value, 0), INSTRUMENT_S)
    now = network.ask_node(node, Get(0, instrument, name, 0), INSTRUMENT_S)
    if as_json:
        unit = declared[name].unit if name in declared else ""
        emit_json({"instrument": instrument, "values": {name: now}, "units": {name: unit}})
    else:
        print(f"{instrument}.{name} = {_shown(now, declared.get(name))}")


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


def _declared(network: Network, node: NodeContact, instrument: str) -> dict[str, Reading]:
    """Return what the instrument's driver declares; nothing if that driver is not installed on this machine."""
    driver = network.ask_node(node, Status(0))["drivers"][instrument]
    return dict(driver_class(driver).readings()) if driver in names() else {}


def plain_value(wanted: str, instrument: str, name: str, declared: dict[str, Reading]) -> Any:
    """Return the plain value to send for what a person wrote."""
    if declared:
        settings = {key: reading for key, reading in declared.items() if isinstance(reading, Setting)}
        if name not in settings:
            is_reading = f"'{name}' of {instrument} is a reading and cannot be set"
            raise BellringerError(
                is_reading if name in declared else f"{instrument} has no setting '{name}'",
                hint=nearest(name, settings),
            )
        return settings[name].from_text(wanted, f"{instrument}.{name}")
    try:
        plain = json.loads(wanted)
    except ValueError:
        plain = wanted
    if isinstance(plain, str) and plain[:1].isdigit():
        raise BellringerError(
            f"{wanted!r} has a unit, and this instrument's driver is not installed on this machine to convert it",
            where=instrument,
            hint="install the driver's package here, or give a plain number in the driver's own unit",
        )
    return plain


def _shown(value: Any, reading: Reading | None) -> str:
    if value is None:
        return "?"
    if isinstance(value, bool):
        return "true" if value else "false"
    return text(value, reading.unit if reading else "") if isinstance(value, (int, float)) else str(value)
