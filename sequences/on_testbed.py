"""Instruments for a run from agents that are running already: found, compared with the run's file, owned.

The testbed must be the one in the file: every node of it registered, healthy, and started with the same text of its
part. Nothing is taken before that is known.
"""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..orchestrator.agent.calls import Instruments
from ..orchestrator.client import Network, Ownership, RemoteInstruments
from ..orchestrator.client.network import node_contact
from ..orchestrator.wire.client import Client
from ..orchestrator.wire.messages import Nodes, Status
from ..orchestrator.wire.nonces import elapsed_s
from ..orchestrator.wire.shown import fault_text, not_dark
from ..testbed.clock import Clock, WallClock
from ..testbed.errors import BellringerError, nearest
from ..testbed.loader import LoadedTestbed
from .control import RunControl

READY_S = 30.0
"""How long nodes may take to have a lease and to hear of the run."""
LOOK_S = 0.05
SHOWN = 6
"""How many differences between two texts of a testbed are told."""
TIMEOUT_S = 10.0

NodeStatus = Mapping[str, Any]


def on_testbed(
    loaded: LoadedTestbed, network: Network, clock: Clock, measure: Callable[[str], bool] | None = None
) -> Callable[[str, RunControl], Instruments]:
    """Return what ``run_sequence`` needs to run on the testbed behind ``network``, as the owner of its key.

    ``measure`` measures a memory link that never was; None on a testbed that is not this run's alone.
    """

    def take(run: str, control: RunControl) -> Instruments:
        testbed = loaded.testbed
        orders = {"pause": control.pause, "resume": control.resume, "abort": control.abort, "": control.resume}
        clients = _clients(loaded, network, run, control)
        try:
            statuses = _wait_for(
                clients,
                "has no light lease",
                lambda status: status["leased"] and status["dark"] and status["batches"].get("connected", True),
                control,
                loaded.path,
            )
            _compare(loaded, statuses)
            ownership = Ownership(
                run,
                list(testbed.instruments()),
                lambda: network.client(name=f"run {run}", timeout_s=TIMEOUT_S),
                lambda command: orders[command](),
                control.abort,
                clock.epoch_tai_s if isinstance(clock, WallClock) else 0,
                lambda: control.wanted,
            ).__enter__()
        except BaseException:
            for client in clients.values():
                client.close()
            raise
        about = {node: {**status["about"]} for node, status in statuses.items()}
        for each in about.values():
            each.pop("file", None)  # the record has the whole file anyway
        instruments = RemoteInstruments(testbed, clock, clients, ownership, about, network.ask, measure)
        try:
            heard = "did not hear of the run"
            _wait_for(clients, heard, lambda status: run in status["owners"].values(), control, loaded.path)
        except BaseException:
            instruments.close()
            raise
        return instruments

    return take


def _clients(loaded: LoadedTestbed, network: Network, run: str, control: RunControl) -> dict[str, Client]:
    wanted = [node for node, body in loaded.testbed.nodes.items() if body.instruments]
    known = {node["node"]: node for node in network.ask(Nodes(0))}
    will_register = network.contact.nodes.keys() >= set(wanted)  # their agents may have been started just now
    end, pause = elapsed_s() + READY_S, threading.Event()
    while will_register and not known.keys() >= set(wanted) and elapsed_s() < end:
        control.checkpoint()  # an agent that has died since will never register
        pause.wait(LOOK_S)
        known = {node["node"]: node for node in network.ask(Nodes(0))}
    for node in wanted:
        if node not in known:
            raise BellringerError(
                f"the running testbed has no node '{node}'",
                where=f"coordinator at {network.contact.control}",
                hint=f"{nearest(node, known)} Start its agent: bellringer agent {loaded.path} {node}",
            )
    found = {node: node_contact(known[node]) for node in wanted}
    return {node: network.node_client(found[node], name=f"run {run}", timeout_s=TIMEOUT_S) for node in wanted}


def _compare(loaded: LoadedTestbed, statuses: Mapping[str, NodeStatus]) -> None:
    """Refuse to run with a file that says something else than the one the agents were started with."""
    other = [node for node, s in statuses.items() if s["about"]["testbed"] != loaded.testbed.fingerprint(node)]
    if other:
        differing = [line for node in other for line in _differences(loaded, node, statuses[node]["about"])]
        more = [f"and {len(differing) - SHOWN} more"] if len(differing) > SHOWN else []
        raise BellringerError(
            f"the agent of {', '.join(other)} was started with another text of this testbed",
            where="\n         ".join([str(loaded.path), *differing[:SHOWN], *more]),
            hint="nothing was taken; run with the file and the --set it was started with, or start it again with these "
            "(bellringer down, then up)",
        )


def _differences(loaded: LoadedTestbed, node: str, about: Mapping[str, Any]) -> list[str]:
    """Return what the file says otherwise of a node than the text its agent was started with."""
    theirs, ours = about.get("file", {}), loaded.testbed.flat(node)
    keys = [key for key in {**ours, **theirs} if theirs.get(key) != ours.get(key)] if theirs else []
    return [f"{key}: {theirs.get(key, 'nothing')} there, {ours.get(key, 'nothing')} here" for key in keys]


def _wait_for(
    clients: Mapping[str, Client],
    else_what: str,
    ready: Callable[[NodeStatus], bool],
    control: RunControl,
    file: Path,
) -> dict[str, NodeStatus]:
    """Wait until the status of every node is ``ready``, and return them."""
    end = elapsed_s() + READY_S
    statuses: dict[str, NodeStatus] = {}
    for node, client in clients.items():
        while not ready(status := client.request(Status(0))):
            if status["fault"] or status["estop"] or elapsed_s() > end:
                raise _not_ready(node, status, else_what, file)
            control.checkpoint()
            client.receive(LOOK_S)
        statuses[node] = status
    return statuses


def _not_ready(node: str, status: NodeStatus, else_what: str, file: Path) -> BellringerError:
    """Return an error that says why a node cannot take part in a run."""
    failed, advice = not_dark(status["fault"])
    if failed:
        which = f"{len(failed)} instruments" if len(failed) > 1 else "an instrument"
        return BellringerError(
            f"{which} of {node} could not be opened and made dark",
            where="\n         ".join(failed),
            hint=f"{advice}\n         bellringer doctor {file} --node {node}; or did you forget --dry-run?".strip(),
        )
    why = fault_text(status["fault"]) or status["refused"] or status["coordinator"] or "its agent is not ready"
    hint = "bellringer status shows more; after you looked: bellringer ack"
    return BellringerError(f"node '{node}' {else_what}: {why}", hint=hint)
