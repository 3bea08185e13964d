"""How a running testbed is: the coordinator's word, each agent's own, and what is wrong with them."""

from typing import Any

from ...testbed.errors import BellringerError
from ..wire.messages import Status
from ..wire.shown import fault_text, moment
from .network import Network, in_parallel, node_contact

STALE_S = 1.5
"""A node renews its lease four times a second; what is known of one that was silent for longer is old."""


def overview(network: Network) -> dict[str, Any]:
    """Return the coordinator's status, nodes by name, each agent's own under ``agent``; ``problems`` in words."""
    body: dict[str, Any] = network.ask(Status(0))
    nodes = {node["node"]: node for node in body["nodes"]}
    answers = in_parallel(nodes, lambda name: network.ask_node(node_contact(nodes[name]), Status(0), 2.0))
    problems = [body["problem"]] if body["problem"] else []
    if body["estop"]["latched"]:
        problems.append(f"e-stop {pressed_by(body['estop'])}")
    problems += _failed(body["entanglement"])
    for name, answer in answers.items():
        node = nodes[name]
        node["stale"] = node["state"] != "here" or node["silent_s"] > STALE_S
        node["agent"] = None if isinstance(answer, BellringerError) else answer
        problems += [f"{name}: {text}" for text in _wrong(node, answer)]
    problems += suspended(body)
    return {**body, "nodes": nodes, "problems": problems}


def pressed_by(estop: dict[str, Any]) -> str:
    """Return who pressed a latched e-stop first, when and why, from a coordinator's status."""
    press = estop["presses"][0]
    return f"pressed by {press['who']} at {moment(press['utc'])} UTC: {press['reason'] or 'no reason given'}"


def running(status: dict[str, Any]) -> list[str]:
    """Return the names of the runs that are on, from a coordinator's status."""
    return [run["run"] for run in status["runs"] if run["state"] not in ("released", "expired")]


def suspended(status: dict[str, Any]) -> list[str]:
    """Return which memory links are suspended and why, from a coordinator's status."""
    links = status["entanglement"].get("service", {}).get("links", {})
    found = []
    for name, link in links.items():
        if link["suspended"]:
            left_s = link["suspended_s"]
            then = "" if left_s is None else f"; well again, and used in {left_s:.0f} s"
            found.append(f"link {name} is suspended by {link['suspended']}{then}")
    return found


def silent(node: dict[str, Any]) -> str:
    """Return for how long a node was not heard, in words."""
    return f"silent for {node['silent_s']:.0f} s"


def light(agent: dict[str, Any]) -> str:
    """Return what is known of the light of a node, from its agent's status. The lease is another thing."""
    lit = ", ".join(agent["lit"])
    if agent["not_dark"]:
        return "NOT CONFIRMED DARK" + (f": {lit}" if lit else "")
    if not lit:
        return "dark"
    return f"may be LIT: {lit}" if agent["dark"] else f"being made dark: {lit}"


def _failed(entanglement: dict[str, Any]) -> list[str]:
    """Return which calibrations of memory links failed, and why."""
    calibrations: dict[str, Any] = entanglement.get("service", {}).get("calibrations", {})
    return [f"calibration of {name}: {each['why']}" for name, each in calibrations.items() if each["failures"]]


def _wrong(node: dict[str, Any], answer: Any) -> list[str]:
    """Return what is wrong with a node."""
    found = [silent(node)] if node["stale"] else []
    if isinstance(answer, BellringerError):
        return [*found, answer.what]
    fault = answer["fault"] or node["fault"]
    found += [f"latched dark: {fault_text(fault)}"] if fault else []
    found += [f"no lease: {answer['refused']}"] if not answer["leased"] and answer["refused"] and not fault else []
    found += ["no lease"] if not answer["leased"] and not answer["refused"] and not fault else []
    found += ["its way to the coordinator: " + answer["coordinator"].splitlines()[0]] if answer["coordinator"] else []
    return found
