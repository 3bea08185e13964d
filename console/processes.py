"""A dry run's testbed as it is in life: coordinator and one agent per node, each its own process, encrypted sockets.

Keys are made for the occasion and never touch a disk or a command line. All processes read their standard input and
leave when it ends; so nothing stays behind when this process dies, however it dies. What makes lab time deterministic
is done here, before anything moves: the agents' first way to the dark is registered with the simulated lab for all
groups at once.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ..orchestrator.agent.calls import Instruments
from ..orchestrator.agent.desk import groups
from ..orchestrator.agent.service import CoordinatorAddress
from ..orchestrator.agent.service import Setup as AgentSetup
from ..orchestrator.client import Ownership, RemoteInstruments
from ..orchestrator.coordinator.process import Start as CoordinatorStart
from ..orchestrator.wire.client import Client
from ..orchestrator.wire.keys import KeyPair
from ..orchestrator.wire.messages import Status
from ..sequences.control import RunControl
from ..testbed.errors import BellringerError
from ..testbed.loader import LoadedTestbed
from .dry_run import SimulatedLab
from .files import parse_overrides

LOOPBACK = "tcp://127.0.0.1:*"
READY_S = 30.0


@dataclass(frozen=True)
class Processes:
    """A running testbed and the runner's key to it."""

    loaded: LoadedTestbed
    lab: SimulatedLab
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
        ownership = Ownership(
            run,
            list(testbed.instruments()),
            lambda: self.connect("coordinator", coordinator, f"run {run}"),
            lambda command: commands[command](),
            lambda error: control.abort(),
        ).__enter__()
        clients = {node: self.connect(node, ports["control"]) for node, ports in self.agents.items()}
        _wait_until_leased(clients, run)
        return RemoteInstruments(testbed, self.lab.clock, clients, ownership)


@contextlib.contextmanager
def testbed_processes(loaded: LoadedTestbed, overrides: Sequence[str], lab: SimulatedLab) -> Iterator[Processes]:
    """Run coordinator and agents on this machine as long as the context lasts."""
    nodes = [node for node, body in loaded.testbed.nodes.items() if body.instruments]
    keys = {name: KeyPair.ephemeral(name) for name in ("coordinator", "runner", *nodes)}
    runner = (keys["runner"].public, "runner", "operator")
    with tempfile.TemporaryDirectory(prefix="bellringer-") as state, contextlib.ExitStack() as stack:
        members = tuple((keys[node].public, node, "node") for node in nodes)
        start = CoordinatorStart(
            _secret(keys["coordinator"]), f"{state}/coordinator", (*members, runner), LOOPBACK, LOOPBACK, LOOPBACK,
            leave_at_end=True,
        )  # fmt: skip
        coordinator = _start(stack, "bellringer.orchestrator.coordinator.process", start)()
        where = CoordinatorAddress(coordinator["control"], coordinator["events"], keys["coordinator"].public)
        tickets = {}
        for node in nodes:
            for group in groups({n: e for n, e in loaded.testbed.instruments().items() if n.startswith(f"{node}.")}):
                tickets[min(group)] = lab.clock.register(f"{node} dark", host=node)
        ready = {}
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
                    for name, endpoint in lab.endpoints.items()
                    if name.startswith(f"{node}.")
                },
                clock_endpoint=lab.clock.endpoint,
                boot_tickets={name: ticket.number for name, ticket in tickets.items() if name.startswith(f"{node}.")},
                leave_at_end=True,
            )
            ready[node] = _start(stack, "bellringer.orchestrator.agent.service", setup)
        agents = {node: port() for node, port in ready.items()}
        lab.clock.wait_for(list(tickets.values()))
        try:
            yield Processes(loaded, lab, keys, coordinator, agents)
        finally:
            stack.enter_context(lab.clock.idle())  # until all have left: their last way to the dark takes lab time


def _secret(keys: KeyPair) -> tuple[str, str, str]:
    return keys.name, keys.public, keys.secret


def _start(stack: contextlib.ExitStack, module: str, setup: Any) -> Any:
    """Start a service's process; return a function that waits for its addresses."""
    process = subprocess.Popen(
        [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    stack.callback(_end, process)
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(setup) + b"\n")
    process.stdin.flush()

    def ready() -> dict[str, str]:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise BellringerError(
                f"'{module}' did not start", where=f"process {process.pid}", hint="its error is printed above"
            )
        addresses: dict[str, str] = msgspec.json.decode(line)
        return addresses

    return ready


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a service: its input ends, it makes dark and leaves; killed if it does not."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


def _wait_until_leased(clients: dict[str, Client], run: str) -> None:
    """Wait until every node may light its instruments and knows that they are the run's."""
    end = time.monotonic() + READY_S
    for node, client in clients.items():
        while True:
            status = client.request(Status(0))
            if status["leased"] and run in status["owners"].values():
                break
            if time.monotonic() > end:
                why = status["refused"] or status["fault"] or status["coordinator"] or "its agent is not ready"
                raise BellringerError(f"node '{node}' has no light lease: {why}", hint="bellringer status shows more")
            client.receive(0.05)
