"""The e-stop as a client presses it, and the word of a person who looked that light is allowed again."""

import contextlib
import re
import threading
from dataclasses import dataclass
from typing import Any

from ...testbed.errors import BellringerError
from ..wire import LinkError
from ..wire.messages import Ack, EStop, Nodes, Status
from ..wire.shown import fault_text, moment
from .contact import NodeContact
from .network import Network, in_parallel, node_contact
from .overview import pressed_by

LOOK_S = 0.05
DARK_S = 8.0
"""How long a node may take to confirm dark: longer than a driver process that has to be replaced for it."""
TOLD_S = 2.0
"""How long nodes may take to tell the coordinator what latched them; they do four times a second."""
COORDINATOR = "the coordinator"
BY_ESTOP = re.compile(r"\d+: e-stop by ")
"""The fault of a node whose agent was told of an e-stop directly."""


@dataclass(frozen=True)
class Pressed:
    """What an e-stop came to.

    Attributes:
        dark: nodes that confirmed dark.
        failed: nodes, or the coordinator, that did not, and why.
        simulated: whether a node says that its instruments are.
    """

    dark: tuple[str, ...]
    failed: dict[str, BellringerError]
    simulated: bool


@dataclass(frozen=True)
class Acknowledged:
    """What was acknowledged, in words, and what is still latched: faults by node, and who pressed the e-stop."""

    done: tuple[str, ...]
    left: dict[str, str]
    estop: str = ""


def press(network: Network, reason: str) -> Pressed:
    """Press the e-stop at the coordinator and at every known agent at once, and wait until they confirm dark."""
    known = dict(network.contact.nodes)
    confirmed: dict[str, Any] = in_parallel(
        [COORDINATOR, *known],
        lambda name: _press(network, reason) if name == COORDINATOR else _darken(network, known[name], reason),
    )
    pressed = confirmed.pop(COORDINATOR)
    if not isinstance(pressed, BellringerError):
        others = {name: node for name, node in pressed.items() if name not in known}
        confirmed |= in_parallel(others, lambda name: _darken(network, others[name], reason))
    answers = {name: answer for name, answer in confirmed.items() if not isinstance(answer, BellringerError)}
    failed = {name: answer for name, answer in confirmed.items() if isinstance(answer, BellringerError)}
    if isinstance(pressed, BellringerError):
        failed[COORDINATOR] = pressed
    else:
        _wait_until_told(network, set(answers))
    simulated = any(answer["about"]["simulated"] for answer in answers.values())
    return Pressed(tuple(sorted(answers)), failed, simulated)


def acknowledge(network: Network, node: str = "") -> Acknowledged:
    """Acknowledge a node's fault, or the e-stop with what it latched at the nodes.

    Raises:
        BellringerError: nothing is latched.
    """
    status = network.ask(Status(0))
    estop, done = status["estop"], []
    if node:
        if estop["latched"] and any(each["node"] == node and not each["fault"] for each in status["nodes"]):
            what = f"node '{node}' has no fault of its own; it is dark because of the e-stop, {pressed_by(estop)}"
            raise BellringerError(what, hint="after you looked: bellringer ack, without a node")
        network.ask(Ack(0, node))
        done.append(node)
    else:
        if estop["latched"]:
            network.ask(Ack(0, "", estop["number"]))
            done += map(press_text, estop["presses"])
        for each in status["nodes"]:
            if BY_ESTOP.match(each["fault"]):
                network.ask(Ack(0, each["node"]))
                done.append(each["node"])
    status = network.ask(Status(0))
    left = {each["node"]: fault_text(each["fault"]) for each in status["nodes"] if each["fault"]}
    if not done:
        hint = "acknowledge a node's fault: bellringer ack " + next(iter(left)) if left else "nothing to do"
        raise BellringerError("no e-stop is latched", hint=hint)
    return Acknowledged(tuple(done), left, pressed_by(status["estop"]) if status["estop"]["latched"] else "")


def press_text(press: dict[str, Any]) -> str:
    """Return who pressed an e-stop, when and why, in words."""
    return f"e-stop by {press['who']} at {moment(press['utc'])} UTC: {press['reason']}"


def _press(network: Network, reason: str) -> dict[str, NodeContact]:
    """Press the coordinator's e-stop and return the agents it knows of and that were heard lately."""
    network.ask(EStop(0, reason), port="estop")
    with contextlib.suppress(LinkError):  # pressed is pressed; a run that brought its own testbed may end just now
        return _agents(network)
    return {}


def _agents(network: Network) -> dict[str, NodeContact]:
    return {node["node"]: node_contact(node) for node in network.ask(Nodes(0)) if node["state"] != "lost"}


def _wait_until_told(network: Network, names: set[str]) -> None:
    """Wait until the coordinator has heard that these nodes are latched, so that an ``ack`` finds all of them."""
    tick = threading.Event()
    with contextlib.suppress(LinkError):  # as above
        for _ in range(round(TOLD_S / LOOK_S)):
            if names <= {node["node"] for node in network.ask(Nodes(0)) if node["fault"]}:
                return
            tick.wait(LOOK_S)


def _darken(network: Network, node: NodeContact, reason: str) -> Any:
    """Press one agent's e-stop and wait until it confirms dark.

    Raises:
        BellringerError: it did not.
    """
    tick = threading.Event()
    with network.node_client(node) as client:  # one connection: an agent that is to end waits for who pressed on it
        client.connect()
        client.request(EStop(0, reason))
        for _ in range(round(DARK_S / LOOK_S)):
            status = client.request(Status(0))
            if status["dark"]:
                return status
            tick.wait(LOOK_S)
    raise BellringerError(
        f"not confirmed dark within {DARK_S:g} s" + (f": {status['fault']}" if status["fault"] else ""),
        where=node.control,
        hint="shut the beam by hand or press the hardware interlock",
    )
