"""``bellringer status``: how a running testbed is, and what is wrong with it."""

from typing import Any

from rich.console import Console
from rich.table import Table

from ..orchestrator.client import Network, in_parallel, node_contact
from ..orchestrator.wire.messages import Status
from ..testbed.errors import BellringerError
from .main import emit_json

STALE_S = 1.5
"""A node renews its lease four times a second; what is known of one that was silent for longer is old."""


def status_command(network: Network, as_json: bool) -> int:
    """Print the state of coordinator and nodes; return 1 if something is wrong, else 0."""
    body = collect(network)
    if as_json:
        emit_json(body)
    else:
        _print(body, network.contact.control)
    return 1 if body["problems"] else 0


def collect(network: Network) -> dict[str, Any]:
    """Return the coordinator's state, with each agent's own under ``agent`` and all that is wrong in ``problems``."""
    body: dict[str, Any] = network.ask(Status(0))
    nodes = {node["node"]: node for node in body["nodes"]}
    answers = in_parallel(nodes, lambda name: network.ask_node(node_contact(nodes[name]), Status(0), 2.0))
    problems = [body["problem"]] if body["problem"] else []
    if body["estop"]["latched"]:
        press = body["estop"]["presses"][0]
        problems.append(f"e-stop pressed by {press['who']} at {press['utc']}: {press['reason'] or 'no reason given'}")
    for name, answer in answers.items():
        node = nodes[name]
        node["stale"] = node["state"] != "here" or node["silent_s"] > STALE_S
        node["agent"] = None if isinstance(answer, BellringerError) else answer
        problems += [f"{name}: {text}" for text in _wrong(node, answer)]
    return {**body, "nodes": nodes, "problems": problems}


def _wrong(node: dict[str, Any], answer: Any) -> list[str]:
    """Return what is wrong with a node."""
    found = [_silent(node)] if node["stale"] else []
    if isinstance(answer, BellringerError):
        return [*found, answer.what]
    fault = answer["fault"] or node["fault"]
    found += [f"latched dark: {fault}"] if fault else []
    found += [f"no lease: {answer['refused']}"] if not answer["leased"] and answer["refused"] and not fault else []
    found += ["no lease"] if not answer["leased"] and not answer["refused"] and not fault else []
    found += ["its way to the coordinator: " + answer["coordinator"].splitlines()[0]] if answer["coordinator"] else []
    return found


def _silent(node: dict[str, Any]) -> str:
    return f"silent for {node['silent_s']:.0f} s"


def _print(body: dict[str, Any], where: str) -> None:
    out = Console(highlight=False, markup=False)
    out.print(f"coordinator at {where}: epoch {body['epoch']}, up for {body['up_s']:.0f} s", soft_wrap=True)
    table = Table()
    for column in ("node", "heard", "lease", "light", "owned by", "driver processes"):
        table.add_column(column, overflow="fold")
    for name, node in body["nodes"].items():
        agent = node["agent"]
        heard = _silent(node) if node["stale"] else f"{node['silent_s']:.1f} s ago"
        if agent is None:
            table.add_row(name, heard, "?", "?", "?", "?", style="dim")
            continue
        owners = ", ".join(f"{instrument}: {run}" for instrument, run in agent["owners"].items())
        processes = f"{len(agent['driver_processes'])} of {len(agent['drivers'])} instruments"
        if agent["restarts"]:
            processes += f", {agent['restarts']} restarts"
        table.add_row(
            name,
            heard,
            f"{agent['lease_left_s']:.1f} s" if agent["leased"] else "none",
            "allowed" if agent["leased"] else "kept dark" if agent["dark"] else "not confirmed dark",
            owners,
            processes,
            style="dim" if node["stale"] else None,
        )
    out.print(table)
    for run in body["runs"]:
        if run["seconds_left"] > 0:
            out.print(f"run {run['run']} of {run['who']}: {run['state']}, since {run['since_utc']}", soft_wrap=True)
    if not body["nodes"]:
        out.print("no node has registered yet")
    for problem in body["problems"]:
        out.print(f"wrong: {problem}", style="bold red", soft_wrap=True)
