"""A testbed on this machine: coordinator, an agent per node, a correlator per link; own processes, encrypted sockets.

Keys are made for the occasion. Services get theirs through standard input; the operator's is a file in the session's
folder, which only this user can enter, beside the contact file through which the other commands find the testbed. All
services leave when their standard input ends; so nothing stays behind, and nothing stays lit, when this process dies,
however it dies. What makes the lab time of a dry run deterministic is done here, before anything moves: the agents'
first way to the dark is registered with the simulated lab for all groups at once.
"""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from ..orchestrator.agent.desk import Endpoint, groups
from ..orchestrator.agent.service import CoordinatorAddress
from ..orchestrator.agent.service import Setup as AgentSetup
from ..orchestrator.client import Network, NodeContact, in_parallel
from ..orchestrator.client.contact import Contact, kept_estops, port_locks, write_contact
from ..orchestrator.coordinator.process import AUDIT, Start
from ..orchestrator.wire import KeyFolder, KeyPair
from ..testbed.clock import Clock
from ..testbed.errors import BellringerError
from ..testbed.loader import LoadedTestbed
from ..testbed.lockstep import LockstepClock
from ..testbed.testbed import Testbed
from .correlators import CorrelatorHere, correlator_setup
from .files import parse_overrides
from .services import Service

COORDINATOR = "bellringer.orchestrator.coordinator.process"
AGENT = "bellringer.orchestrator.agent.service"
CORRELATOR = "bellringer.orchestrator.correlator.process"
LOOPBACK = "tcp://127.0.0.1:*"


@dataclass(frozen=True)
class Here:
    """A running testbed on this machine.

    Attributes:
        network: how people reach it, with the operator's key.
        runner: the same with a key of its own, so that a run's instruments are not the operator's to set.
        services: its processes.
        correlators: by link.
        contact: where the contact file is.
    """

    network: Network
    runner: Network
    services: Sequence[Service]
    correlators: Mapping[str, CorrelatorHere]
    contact: Path


@dataclass(frozen=True)
class Processes:
    """Those of a testbed, before they were told what to do: they import what they need, all at the same time."""

    coordinator: Service
    agents: Mapping[str, Service]
    correlators: Mapping[str, Service]

    @classmethod
    def of(cls, testbed: Testbed, links: Iterable[str]) -> Self:
        """Start them, correlators for these ``links``."""
        return cls(
            Service("the coordinator", COORDINATOR),
            {node: Service(f"the agent of '{node}'", AGENT) for node in _nodes(testbed)},
            {link: Service(f"the correlator of '{link}'", CORRELATOR, forked=False) for link in links},
        )

    def stop(self) -> None:
        """End them, those before others that they need; may be called twice."""
        in_parallel(self.correlators, lambda link: self.correlators[link].stop())
        in_parallel(self.agents, lambda node: self.agents[node].stop())
        self.coordinator.stop()


@contextlib.contextmanager
def local_testbed(
    loaded: LoadedTestbed,
    overrides: Sequence[str],
    folder: Path,
    *,
    audits: Path | None = None,
    correlating: bool = True,
    clock: Clock | None = None,
    simulated: Mapping[str, Endpoint] | None = None,
    services: Sequence[Service] = (),
    processes: Processes | None = None,
) -> Iterator[Here]:
    """Run coordinator and agents as long as the context lasts.

    Args:
        folder: of the session; the agents keep their recordings in it, by node, and the coordinator measured latencies:
            those of a simulated lab are forgotten with it. The coordinator's journal always is; a latched e-stop of
            a lab that is real is kept for all testbeds of this computer.
        audits: where the services keep their audit logs, each in a folder of its name; None for a lab that is not real,
            whose coordinator's is forgotten with it.
        correlating: whether there are correlators, one a link: for a run to show its rates, where somebody can see
            them; ``live`` starts its own.
        clock: a lockstep one is that of the simulated lab which the ``simulated`` endpoints lead to.
        services: what else belongs to this testbed; stopped by whoever started it.
        processes: its own, if they were started already.
    """
    endpoint = clock.endpoint if isinstance(clock, LockstepClock) else ""
    nodes = _nodes(loaded.testbed)
    links = {link: f"correlator {link}" for link in loaded.testbed.links if correlating}
    processes = processes or Processes.of(loaded.testbed, links)  # before there is a key
    with contextlib.ExitStack() as stack:
        stack.callback(processes.stop)
        keys = {name: KeyPair.ephemeral(name) for name in ("coordinator", "runner", *nodes, *links.values())}
        session = stack.enter_context(tempfile.TemporaryDirectory(prefix="keys-", dir=folder))
        coordinator, agents, correlators = processes.coordinator, processes.agents, processes.correlators
        operator = KeyFolder(Path(session)).init("operator")
        people = tuple((pair.public, pair.name, "operator") for pair in (operator, keys["runner"]))
        readers = (*people, *((keys[name].public, name, "observer") for name in links.values()))
        members = tuple((keys[node].public, node, "node") for node in nodes)
        start = Start(
            keys["coordinator"].parts, f"{session}/coordinator", (*people, *members), LOOPBACK, LOOPBACK, LOOPBACK,
            testbed=str(loaded.path.absolute()) if loaded.testbed.memory_links else "",
            overrides=parse_overrides(overrides), clock_endpoint=endpoint, leave_at_end=True,
            latency="" if simulated else str(folder / "latency.json"), audit=_audit(audits, "coordinator"),
            latch=str(kept_estops()) if simulated is None else "",
        )  # fmt: skip
        coordinator.tell(start)
        ports = coordinator.ready()
        where = CoordinatorAddress(ports["control"], ports["events"], keys["coordinator"].public)
        tickets = _boot_tickets(loaded, nodes, clock) if isinstance(clock, LockstepClock) else {}
        for node in nodes:
            setup = AgentSetup(
                node=node,
                testbed=str(loaded.path.absolute()),
                overrides=parse_overrides(overrides),
                keys=keys[node].parts,
                coordinator=where,
                state=str(folder / node),
                enrolled=readers,
                endpoints=_of(node, {name: (at.resource, at.options) for name, at in (simulated or {}).items()}),
                clock_endpoint=endpoint,
                boot_tickets=_of(node, {name: ticket.number for name, ticket in tickets.items()}),
                audit=_audit(audits, node),
                journal=f"{session}/batches of {node}",
                locks=str(port_locks()),
                leave_at_end=True,
            )
            agents[node].tell(setup)
        told = {node: service.ready() for node, service in agents.items()}
        found = {node: NodeContact(ports["control"], keys[node].public) for node, ports in told.items()}
        streams = {node: (ports["stream"], keys[node].public) for node, ports in told.items()}
        for link, name in links.items():
            correlators[link].tell(correlator_setup(loaded.testbed, link, streams, keys[name], people))
        counted = {
            link: CorrelatorHere(link, service.ready()["results"], keys[links[link]].public)
            for link, service in correlators.items()
        }
        if clock is not None:
            clock.wait_for(list(tickets.values()))
        contact = Contact(**ports, public_key=keys["coordinator"].public, nodes=found, keys=session, key=operator.name)
        write_contact(folder / "contact.json", contact)
        network = Network(contact, operator)
        try:
            yield Here(
                network,
                replace(network, keys=keys["runner"]),
                (*services, coordinator, *agents.values(), *correlators.values()),
                counted,
                folder / "contact.json",
            )
        finally:
            with _idle(clock):  # until all have left: their last way to the dark takes lab time
                stack.close()


def _nodes(testbed: Testbed) -> list[str]:
    """Return the nodes that have instruments, and so an agent."""
    return [node for node, body in testbed.nodes.items() if body.instruments]


def _audit(audits: Path | None, service: str) -> str:
    return "" if audits is None else str(audits / service / AUDIT)


def _of(node: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name.partition(".")[0] == node}


def _boot_tickets(loaded: LoadedTestbed, nodes: Sequence[str], clock: LockstepClock) -> dict[str, Any]:
    """Register the first way to the dark of every group, under the instrument that comes first in the alphabet."""
    instruments = loaded.testbed.instruments()
    return {
        min(group): clock.register(f"{node} dark", host=node)
        for node in nodes
        for group in groups(_of(node, instruments))
    }


@contextlib.contextmanager
def _idle(clock: Clock | None) -> Iterator[None]:
    """Let lab time go on without us; if the lab has gone, that is no reason to hide how the run ended."""
    waiting = contextlib.ExitStack()
    with contextlib.suppress(BellringerError):
        waiting.enter_context(clock.idle() if clock is not None else contextlib.nullcontext())
    try:
        yield
    finally:
        with contextlib.suppress(BellringerError):
            waiting.close()
