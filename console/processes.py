"""A testbed on this machine: coordinator and one agent per node, each its own process, encrypted sockets.

Keys are made for the occasion and never touch a disk or a command line. All processes read their standard input and
leave when it ends; so nothing stays behind, and nothing stays lit, when this process dies, however it dies. What makes
the lab time of a dry run deterministic is done here, before anything moves: the agents' first way to the dark is
registered with the simulated lab for all groups at once.
"""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..orchestrator.agent.calls import Instruments
from ..orchestrator.agent.desk import Endpoint, groups
from ..orchestrator.agent.service import CoordinatorAddress
from ..orchestrator.agent.service import Setup as AgentSetup
from ..orchestrator.client import Ownership, RemoteInstruments
from ..orchestrator.coordinator.process import Start as CoordinatorStart
from ..orchestrator.wire.client import Client
from ..orchestrator.wire.keys import KeyPair
from ..orchestrator.wire.messages import Status
from ..sequences.control import RunControl
from ..testbed.clock import Clock
from ..testbed.errors import BellringerError
from ..testbed.loader import LoadedTestbed
from ..testbed.lockstep import LockstepClock
from .files import parse_overrides
from .services import Service

LOOPBACK = "tcp://127.0.0.1:*"
READY_S = 30.0


@dataclass(frozen=True)
class Processes:
    """A running testbed and the runner's key to it."""

    loaded: LoadedTestbed
    clock: Clock
    keys: dict[str, KeyPair]
    coordinator: dict[str, str]
    agents: dict[str, dict[str, str]]

    def connect(self, service: str, endpoint: str, name: str = "runner") -> Client:
        """Return a client of one service."""
        return Client(endpoint, self.keys[service].public, self.keys["runner"], name=name, timeout_s=10.0)

    def instruments(self, run: str, control: RunControl) -> Instruments:
        """Own all instruments for ``run`` and return them, once every node has its light lease."""
        testbed, coordinator = self.loaded.testbed, self.coordinator["control"]
        commands = {"pause": control.pause, "resume": control.resume, "abort": control.abort}
        clients = {node: self.connect(node, ports["control"]) for node, ports in self.agents.items()}
        _wait_for_nodes(clients, "has no light lease", lambda status: status["leased"] and status["dark"])
        ownership = Ownership(
            run,
            list(testbed.instruments()),
            lambda: self.connect("coordinator", coordinator, f"run {run}"),
            lambda command: commands[command](),
            lambda error: control.abort(),
        ).__enter__()
        _wait_for_nodes(clients, "did not hear of the run", lambda status: run in status["owners"].values())
        return RemoteInstruments(testbed, self.clock, clients, ownership)


@contextlib.contextmanager
def local_testbed(
    loaded: LoadedTestbed, overrides: Sequence[str], clock: Clock, simulated: Mapping[str, Endpoint] | None = None
) -> Iterator[Processes]:
    """Run coordinator and agents on this machine as long as the context lasts.

    Args:
        clock: the run's clock; a lockstep one is that of the simulated lab which ``simulated`` endpoints lead to.
    """
    lockstep = clock.endpoint if isinstance(clock, LockstepClock) else ""
    nodes = [node for node, body in loaded.testbed.nodes.items() if body.instruments]
    keys = {name: KeyPair.ephemeral(name) for name in ("coordinator", "runner", *nodes)}
    runner = (keys["runner"].public, "runner", "operator")
    with tempfile.TemporaryDirectory(prefix="bellringer-") as state, contextlib.ExitStack() as stack:
        members = tuple((keys[node].public, node, "node") for node in nodes)
        start = CoordinatorStart(
            _secret(keys["coordinator"]), f"{state}/coordinator", (*members, runner), LOOPBACK, LOOPBACK, LOOPBACK,
            leave_at_end=True,
        )  # fmt: skip
        service = Service("the coordinator", "bellringer.orchestrator.coordinator.process", start)
        stack.callback(service.stop)
        coordinator = service.ready()
        where = CoordinatorAddress(coordinator["control"], coordinator["events"], keys["coordinator"].public)
        tickets: dict[str, Any] = {}
        for node in nodes if lockstep else ():
            for group in groups({n: e for n, e in loaded.testbed.instruments().items() if n.startswith(f"{node}.")}):
                tickets[min(group)] = clock.register(f"{node} dark", host=node)
        services: dict[str, Service] = {}
        for node in nodes:
            setup = AgentSetup(
                node=node,
                testbed=str(loaded.path),
                overrides=parse_overrides(overrides),
                keys=_secret(keys[node]),
                coordinator=where,
                state=f"{state}/{node}",
                enrolled=(runner,),
                endpoints={
                    name: (endpoint.resource, endpoint.options)
                    for name, endpoint in (simulated or {}).items()
                    if name.startswith(f"{node}.")
                },
                clock_endpoint=lockstep,
                boot_tickets={name: ticket.number for name, ticket in tickets.items() if name.startswith(f"{node}.")},
                leave_at_end=True,
            )
            services[node] = Service(f"the agent of '{node}'", "bellringer.orchestrator.agent.service", setup)
            stack.callback(services[node].stop)
        agents = {node: service.ready() for node, service in services.items()}
        clock.wait_for(list(tickets.values()))
        try:
            yield Processes(loaded, clock, keys, coordinator, agents)
        finally:
            with _idle(clock):  # until all have left: their last way to the dark takes lab time
                stack.close()


@contextlib.contextmanager
def _idle(clock: Clock) -> Iterator[None]:
    """Let lab time go on without us; if the lab has gone, that is no reason to hide how the run ended."""
    waiting = contextlib.ExitStack()
    with contextlib.suppress(BellringerError):
        waiting.enter_context(clock.idle())
    try:
        yield
    finally:
        with contextlib.suppress(BellringerError):
            waiting.close()


def _secret(keys: KeyPair) -> tuple[str, str, str]:
    return keys.name, keys.public, keys.secret


def _wait_for_nodes(clients: Mapping[str, Client], else_what: str, ready: Callable[[dict[str, Any]], bool]) -> None:
    """Wait until the status of every node is ``ready``."""
    end = time.monotonic() + READY_S
    for node, client in clients.items():
        while not ready(status := client.request(Status(0))):
            if status["fault"] or time.monotonic() > end:
                why = status["fault"] or status["refused"] or status["coordinator"] or "its agent is not ready"
                raise BellringerError(
                    f"node '{node}' {else_what}: {why}", hint="look at its instruments, then try again"
                )
            client.receive(0.05)
