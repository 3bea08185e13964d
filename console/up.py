"""``bellringer up`` and ``down``: a whole testbed on this machine, every service a process of its own.

Keys are made for the occasion. Services get theirs through standard input; the operator's is a file in a folder that
only this user can enter, and is gone when ``up`` ends. However ``up`` ends, also killed, the services notice the end of
their input, make dark and leave. An e-stop is remembered only as long as ``up`` runs.
"""

import contextlib
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..orchestrator.agent.service import CoordinatorAddress
from ..orchestrator.agent.service import Setup as AgentSetup
from ..orchestrator.client import Network, NodeContact, in_parallel
from ..orchestrator.client.contact import VARIABLE, Contact, default_state, find_contact, write_contact
from ..orchestrator.coordinator.lock import FolderLock
from ..orchestrator.coordinator.process import Start
from ..orchestrator.wire import KeyFolder, KeyPair
from ..orchestrator.wire.messages import Status
from ..testbed.errors import BellringerError
from .files import load_checked, parse_overrides
from .main import emit_json
from .serve import AGENT, COORDINATOR, parts
from .services import Service, asked_to_end, attend

LAB = "bellringer.sim_backends.lab.process"
LOOPBACK = "tcp://127.0.0.1:*"
START_S = 30.0
"""How long the nodes may take to be dark and leased; what is not by then is told, and can be looked at."""
DOWN_S = 60.0
"""How long ``down`` waits for ``up`` to end."""


def up_command(
    file: Path, overrides: Sequence[str], *, dry_run: bool, seed: int, state: Path | None, as_json: bool
) -> None:
    """Run everything until Ctrl-C, SIGTERM or ``down``; then everything ends in the dark."""
    nodes = list(load_checked(file, overrides).testbed.nodes)
    folder = (state or default_state()).absolute()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    contact = folder / "contact.json"
    with asked_to_end() as stop, FolderLock(folder), tempfile.TemporaryDirectory(prefix="up-", dir=folder) as session:
        contact.unlink(missing_ok=True)  # of an ``up`` that was killed
        try:
            with _services() as started:
                network = _start(started, file, overrides, nodes, seed if dry_run else None, folder, Path(session))
                write_contact(contact, network.contact)
                wrong = _settled(network, stop)
                _tell(network, contact, [service.pid for service in started], wrong, as_json)
                attend(started, stop)
        finally:
            contact.unlink(missing_ok=True)
    print("everything ended", file=sys.stderr)


def down_command(state: Path | None) -> None:
    """End a running ``up`` and wait until it has ended."""
    folder = (state or default_state()).absolute()
    if not folder.is_dir() or _is_free(folder):
        raise BellringerError("no testbed is up", where=str(folder), hint="nothing to do; is it another --state?")
    os.kill(int((folder / "lock").read_text()), signal.SIGTERM)
    tick = threading.Event()
    for _ in range(round(DOWN_S / 0.1)):
        if _is_free(folder):
            print("the testbed is down")
            return
        tick.wait(0.1)
    raise BellringerError(
        f"the testbed did not end within {DOWN_S:g} s", where=str(folder), hint="look at the messages of 'up'"
    )


@contextlib.contextmanager
def _services() -> Iterator[list[Service]]:
    """Give a list; what is in it is stopped in the reverse order of its start, so instruments outlive their agents."""
    started: list[Service] = []
    try:
        yield started
    finally:
        agents = [service for service in started if service.name.startswith("the agent")]
        in_parallel([service.name for service in agents], {service.name: service.stop for service in agents}.get)
        for service in reversed(started):
            service.stop()


def _start(
    started: list[Service],
    file: Path,
    overrides: Sequence[str],
    nodes: Sequence[str],
    seed: int | None,
    folder: Path,
    session: Path,
) -> Network:
    """Start the simulated lab (unless ``seed`` is None), the coordinator and all agents; return how to reach them."""

    def add(service: Service) -> Service:
        started.append(service)
        return service

    endpoints: dict[str, Any] = {}
    if seed is not None:
        words = [str(file), "--seed", str(seed), *(word for text in overrides for word in ("--set", text))]
        instruments = add(Service("the simulated lab", LAB, None, words)).ready()["instruments"]
        endpoints = {name: (body["resource"], body["options"]) for name, body in instruments.items()}
    keys = {name: KeyPair.ephemeral(name) for name in nodes}
    coordinator = KeyPair.ephemeral("coordinator")
    operator = KeyFolder(session).init("operator")
    known = (operator.public, operator.name, "operator")
    enrolled = (known, *((pair.public, pair.name, "node") for pair in keys.values()))
    ports = {"control": LOOPBACK, "estop": LOOPBACK, "events": LOOPBACK}
    start = Start(parts(coordinator), str(session / "coordinator"), enrolled, **ports, leave_at_end=True)  # type: ignore[arg-type]
    where = add(Service("the coordinator", COORDINATOR, start)).ready()
    agents = {}
    for node in nodes:
        setup = AgentSetup(
            node=node,
            testbed=str(file.absolute()),
            keys=parts(keys[node]),
            coordinator=CoordinatorAddress(where["control"], where["events"], coordinator.public),
            state=str(folder / node),
            overrides=parse_overrides(overrides),
            enrolled=(known,),
            endpoints={name: place for name, place in endpoints.items() if name.partition(".")[0] == node},
            leave_at_end=True,
        )
        agents[node] = add(Service(f"the agent of '{node}'", AGENT, setup))
    found = {node: NodeContact(agent.ready()["control"], keys[node].public) for node, agent in agents.items()}
    contact = Contact(
        where["control"], where["estop"], where["events"], coordinator.public, found, str(session), operator.name
    )
    return Network(contact, operator)


def _settled(network: Network, stop: threading.Event) -> dict[str, str]:
    """Wait until every node is dark and may have light; return what is wrong with the others."""
    wrong: dict[str, str] = {}
    for _ in range(round(START_S / 0.2)):
        answers = in_parallel(
            network.contact.nodes, lambda node: network.ask_node(network.contact.nodes[node], Status(0))
        )
        wrong = {node: text for node, answer in answers.items() if (text := _unsettled(answer))}
        latched = [answer for answer in answers.values() if isinstance(answer, dict) and answer["fault"]]
        if len(latched) == len(wrong) or stop.wait(0.2):
            break
    return wrong


def _unsettled(answer: Any) -> str:
    if isinstance(answer, BellringerError):
        return str(answer)
    if answer["fault"] or not answer["leased"]:
        return str(answer["fault"] or answer["refused"] or "no lease yet")
    return "" if answer["dark"] else "not dark yet"


def _tell(network: Network, contact: Path, pids: list[int], wrong: dict[str, str], as_json: bool) -> None:
    if as_json:
        nodes = {node: found.control for node, found in network.contact.nodes.items()}
        emit_json({"contact": str(contact), "nodes": nodes, "wrong": wrong, "processes": pids})
    else:
        print(f"up: {', '.join(network.contact.nodes)}; Ctrl-C or `bellringer down` ends everything in the dark")
        for node, text in wrong.items():
            print(f"  {node}: {text}")
        try:
            found = find_contact(None)
        except BellringerError:
            found = None
        if found != contact:
            print(f"for the other commands: export {VARIABLE}={contact}")
    sys.stdout.flush()


def _is_free(folder: Path) -> bool:
    try:
        with FolderLock(folder):
            return True
    except BellringerError:
        return False
