"""``bellringer ls``: drivers with their settings, sequences with their parameters."""

import inspect
from typing import Any

from rich.table import Table

from ..drivers.interfaces import Setting
from ..drivers.registry import driver_class, names, options_of
from ..orchestrator.agent.describe import capabilities, described_methods
from ..sequences.sequence import LIBRARY, find_sequence
from ..testbed.units import text
from .main import emit_json
from .out import printer


def describe_driver(name: str) -> dict[str, Any]:
    """Return all a user of the driver needs, from its declarations."""
    driver = driver_class(name)
    values = []
    for key, reading in driver.readings().items():
        limits = reading.limits if isinstance(reading, Setting) else None
        values.append(
            {
                "name": key,
                "settable": reading.writable,
                "unit": reading.unit,
                "type": reading.kind.__name__,
                "doc": reading.doc,
                "limits": None if limits is None else list(limits),
                "choices": list(reading.choices) if isinstance(reading, Setting) else [],
            }
        )
    return {
        "driver": name,
        "model": driver.model_name,
        "verified": driver.verified,
        "doc": inspect.cleandoc(driver.__doc__ or ""),
        "capabilities": capabilities(driver),
        "options": {key: None if p.default is p.empty else p.default for key, p in options_of(driver).items()},
        "values": values,
        "methods": described_methods(driver),
    }


def list_drivers(name: str, as_json: bool) -> None:
    """Print all drivers, or one in full."""
    described = [describe_driver(each) for each in ([name] if name else names())]
    if as_json:
        emit_json(described)
        return
    out = printer()
    if not name:
        table = Table()
        for column in ("driver", "instrument", "can", "verified by"):
            table.add_column(column)
        for body in described:
            table.add_row(body["driver"], body["model"], ", ".join(body["capabilities"]), body["verified"])
        out.print(table)
        return
    body = described[0]
    out.print(f"{body['model']} ({body['driver']}), verified by {body['verified']}", markup=False)
    out.print(body["doc"], markup=False)
    table = Table()
    for column in ("value", "settable", "unit", "limits or choices", "what it is"):
        table.add_column(column, overflow="fold")
    for value in body["values"]:
        limits = (
            f"{value['limits'][0]:g} to {text(value['limits'][1], value['unit'])}"
            if value["limits"]
            else ", ".join(value["choices"])
        )
        table.add_row(
            value["name"], "yes" if value["settable"] else "", value["unit"] or value["type"], limits, value["doc"]
        )
    out.print(table)
    out.print("methods (bellringer call NODE.INSTRUMENT METHOD):")
    for method in body["methods"]:
        out.print(f"  {method['name']}{method['signature']}", markup=False, style="bold", soft_wrap=True)
        out.print(f"    {method['doc'].partition(chr(10))[0]}", markup=False, soft_wrap=True)
    if body["options"]:
        out.print(
            "options: " + ", ".join(f"{key} (default {value})" for key, value in body["options"].items()), markup=False
        )


def list_sequences(as_json: bool) -> None:
    """Print the library's sequences."""
    found = [find_sequence(name) for name in LIBRARY]
    if as_json:
        emit_json(
            [
                {
                    "name": s.name,
                    "doc": s.doc,
                    "parameters": {p.name: [p.kind.__name__, p.default] for p in s.parameters.values()},
                }
                for s in found
            ]
        )
        return
    out = printer()
    for each in found:
        out.print(each.name, style="bold", markup=False)
        out.print("  " + each.doc.replace("\n", "\n  "), markup=False)
        for parameter in each.parameters.values():
            out.print(
                f"    --{parameter.name.replace('_', '-')} {parameter.kind.__name__}  (default {parameter.default})",
                markup=False,
            )
