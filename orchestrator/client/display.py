"""Tables of a testbed, a node and an instrument, for terminals (rich) and notebooks (HTML)."""

import html
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...testbed.errors import BellringerError
from ..wire.shown import fault_text
from .described import Described
from .overview import light, silent

if TYPE_CHECKING:
    from rich.table import Table

DIM, WRONG = "dim", "bold red"
_CSS = {DIM: "color: grey", WRONG: "color: #b00020; font-weight: bold"}


@dataclass
class Grid:
    """A table of texts; every row has a style (``DIM``, ``WRONG`` or none). ``notes`` come below it."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def rich(self) -> "Table":
        """Return it for a terminal."""
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(self.title), caption=Text("\n".join(self.notes), WRONG) if self.notes else None)
        for column in self.columns:
            table.add_column(column, overflow="fold")
        for cells, style in self.rows:
            table.add_row(*map(Text, cells), style=style or None)
        return table

    def html(self) -> str:
        """Return it for a notebook."""
        head = "".join(f"<th>{html.escape(column)}</th>" for column in self.columns)
        body = "".join(
            f'<tr style="{_CSS.get(style, "")}">' + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
            for cells, style in self.rows
        )
        notes = "".join(f'<p style="{_CSS[WRONG]}">{html.escape(note)}</p>' for note in self.notes)
        title = f"<caption>{html.escape(self.title)}</caption>"
        return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}"


def attempted(title: str, make: Callable[[], Grid]) -> Grid:
    """Return a table, or one that says why there is none: what shows something must not raise."""
    try:
        return make()
    except BellringerError as error:
        return Grid(title, ("not to be had",), [((str(error),), WRONG)])


def lab_grid(body: dict[str, Any], where: str) -> Grid:
    """Return a table of all nodes from an ``overview``."""
    grid = Grid(f"testbed at {where}", ("node", "heard", "light", "owned by", "instruments"), notes=body["problems"])
    for name, node in body["nodes"].items():
        heard, shown, owners = _state(node)
        names = ", ".join(each.partition(".")[2] for each in node["instruments"])
        grid.rows.append(((name, heard, shown, ", ".join(sorted(set(owners.values()))), names), _style(node)))
    return grid


def node_grid(name: str, node: dict[str, Any]) -> Grid:
    """Return a table of a node's instruments from its entry in an ``overview``."""
    heard, shown, owners = _state(node)
    grid = Grid(f"{name}: heard {heard}, {shown}", ("instrument", "driver", "owned by"))
    drivers = node["agent"]["drivers"] if node["agent"] else {}
    for each in node["instruments"]:
        grid.rows.append(((each.partition(".")[2], drivers.get(each, "?"), owners.get(each, "")), _style(node)))
    fault = (node["agent"] or node)["fault"]
    grid.notes += [f"latched dark: {fault_text(fault)}"] if fault else []
    return grid


def instrument_grid(described: Described, values: dict[str, Any]) -> Grid:
    """Return a table of an instrument's values."""
    grid = Grid(
        f"{described.name}: {described.body['model']}, driver {described.body['driver']} "
        f"(verified by {described.body['verified']})",
        ("value", "now", "may be set to", "what it is"),
    )
    for name, declared in described.values.items():
        row = (name, described.shown(name, values.get(name)), may_be(declared), declared["doc"])
        grid.rows.append((row, DIM if values.get(name) is None else ""))
    return grid


def may_be(declared: Any) -> str:
    """Return what a setting may be set to, in words; "" for a reading."""
    if declared.get("limits"):
        low, high = declared["limits"]
        return f"{low:g} to {high:g} {declared['unit']} ({declared['limited_by']})"
    if declared.get("choices"):
        return ", ".join(declared["choices"])
    return f"any {declared['kind']}" if "limits" in declared else ""


def _state(node: dict[str, Any]) -> tuple[str, str, dict[str, str]]:
    agent = node["agent"]
    heard = silent(node) if node["stale"] else f"{node['silent_s']:.1f} s ago"
    if agent is None:
        return heard, "unknown", {}
    lease = "" if agent["leased"] else " (no lease)"
    return heard, light(agent) + lease, agent["owners"]


def _style(node: dict[str, Any]) -> str:
    if node["stale"] or node["agent"] is None:
        return DIM
    return WRONG if node["agent"]["fault"] else ""
