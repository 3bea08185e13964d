"""``bellringer status``: how a running testbed is, and what is wrong with it."""

from collections import Counter
from typing import Any

from rich.table import Table

from ..analysis import Estimate
from ..orchestrator.client import Network
from ..orchestrator.client.overview import light, overview, silent
from ..orchestrator.wire.shown import moment
from .main import emit_json
from .out import printer


def status_command(network: Network, as_json: bool) -> int:
    """Print the state of coordinator and nodes; return 1 if something is wrong, else 0."""
    body = overview(network)
    if as_json:
        emit_json(body)
    else:
        _print(body, network.contact.control)
    return 1 if body["problems"] else 0


def _print(body: dict[str, Any], where: str) -> None:
    out = printer()
    out.print(f"coordinator at {where}: epoch {body['epoch']}, up for {body['up_s']:.0f} s", soft_wrap=True)
    table = Table()
    for column in ("node", "heard", "lease", "light", "owned by", "driver processes"):
        table.add_column(column, overflow="fold")
    for name, node in body["nodes"].items():
        agent = node["agent"]
        heard = silent(node) if node["stale"] else f"{node['silent_s']:.1f} s ago"
        if agent is None:
            table.add_row(name, heard, "?", "?", "?", "?", style="dim")
            continue
        owned, total = Counter(agent["owners"].values()), len(agent["drivers"])
        owners = ", ".join(run if count == total else f"{run} ({count} of {total})" for run, count in owned.items())
        processes = f"{_some(len(agent['driver_processes']), 'process', 'es')} for {_some(total, 'instrument')}"
        if agent["restarts"]:
            processes += f", {_some(agent['restarts'], 'restart')}"
        table.add_row(
            name,
            heard,
            f"{agent['lease_left_s']:.1f} s" if agent["leased"] else "none",
            light(agent),
            owners,
            processes,
            style="dim" if node["stale"] else None,
        )
    out.print(table)
    for line in calibration_lines(body.get("entanglement") or {}):
        out.print(line, soft_wrap=True)
    for run in body["runs"]:
        if run["seconds_left"] > 0:
            since = f"{moment(run['since_utc'])} UTC"
            out.print(f"run {run['run']} of {run['who']}: {run['state']}, since {since}", soft_wrap=True)
    if not body["nodes"]:
        out.print("no node has registered yet")
    for problem in body["problems"]:
        out.print(f"wrong: {problem}", style="bold red", soft_wrap=True)


def _some(count: int, what: str, plural: str = "s") -> str:
    return f"{count} {what}{'' if count == 1 else plural}"


def calibration_lines(entanglement: dict[str, Any]) -> list[str]:
    """Return a line for each calibration of a memory link: whether it is in spec, how old, what was found last."""
    lines = []
    for name, each in entanglement.get("service", {}).get("calibrations", {}).items():
        good = each["in_spec"]
        spec = f"in spec, made {each['age_s'] / 60:.1f} min ago" if good else f"needed: {each['why']}"
        found = entanglement["calibrated"].get(name)
        if found is not None:
            visibility, fidelity = (Estimate(**found[figure]) for figure in ("visibility", "fidelity"))
            spec += f"; last found: visibility {visibility}, fidelity {fidelity} ({found['pairs']} pairs)"
        lines.append(f"calibration of {name}: {spec}" + (" (being made)" if each["running"] else ""))
    return lines
