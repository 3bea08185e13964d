"""A coordinator and one agent as ``bellringer up`` runs them: processes of their own, encrypted, with their leases."""

import contextlib
import multiprocessing
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bellringer.console.services import Service
from bellringer.orchestrator.agent.service import CoordinatorAddress
from bellringer.orchestrator.agent.service import Setup as AgentSetup
from bellringer.orchestrator.coordinator.process import Start
from bellringer.orchestrator.wire import Client, KeyPair
from bellringer.orchestrator.wire.messages import Status

AGENT = "bellringer.orchestrator.agent.service"
COORDINATOR = "bellringer.orchestrator.coordinator.process"
NODE = "alice"
PATIENCE_S = 60.0
LOOPBACK = "tcp://127.0.0.1:*"


class Site:
    """A running testbed of one node; make it with ``running``.

    Attributes:
        where: the coordinator's addresses.
        agent: the agent's addresses.
    """

    def __init__(self, folder: Path, instruments: dict[str, tuple[str, str]], stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._clients: dict[tuple[str, str], Client] = {}
        self.keys = {name: KeyPair.ephemeral(name) for name in ("coordinator", NODE, "anna", "otto")}
        file = folder / "testbed.yaml"
        lines = [f"      {name}: {{driver: {driver}, resource: '{resource}'}}\n"
                 for name, (driver, resource) in instruments.items()]  # fmt: skip
        file.write_text(f"bellringer: 1\nname: bench\nnodes:\n  {NODE}:\n    instruments:\n{''.join(lines)}")
        people = tuple((self.keys[name].public, name, "operator") for name in ("anna", "otto"))
        nodes = ((self.keys[NODE].public, NODE, "node"),)
        start = Start(
            self.keys["coordinator"].parts, str(folder / "coordinator"), people + nodes,
            control=LOOPBACK, estop=LOOPBACK, events=LOOPBACK, leave_at_end=True,
        )  # fmt: skip
        self.where = self._start(Service("the coordinator", COORDINATOR, start))
        address = CoordinatorAddress(self.where["control"], self.where["events"], self.keys["coordinator"].public)
        setup = AgentSetup(
            NODE, str(file), self.keys[NODE].parts, address, str(folder / NODE), enrolled=people, leave_at_end=True
        )
        self.agent = self._start(Service("the agent", AGENT, setup))
        self.wait_until(lambda status: status["leased"] and status["dark"])

    @classmethod
    @contextlib.contextmanager
    def running(cls, folder: Path, instruments: dict[str, tuple[str, str]]) -> "Iterator[Site]":
        """Run a site with these instruments, name -> (driver, resource), as long as the context lasts."""
        with contextlib.ExitStack() as stack:
            yield cls(folder, instruments, stack)

    def client(self, who: str = "anna", port: str = "agent") -> Client:
        """Return a person's connection to the agent, or to the coordinator's ``control`` or ``estop``; one each."""
        if (who, port) not in self._clients:
            endpoint = self.agent["control"] if port == "agent" else self.where[port]
            server = self.keys[NODE if port == "agent" else "coordinator"].public
            client = Client(endpoint, server, self.keys[who], timeout_s=PATIENCE_S)
            self._clients[who, port] = self._stack.enter_context(client)
        return self._clients[who, port]

    def wait_until(self, settled: Callable[[dict[str, Any]], bool]) -> None:
        """Ask the agent for its status until it is ``settled``."""
        end = time.monotonic() + PATIENCE_S
        with Client(self.agent["control"], self.keys[NODE].public, self.keys["otto"], timeout_s=PATIENCE_S) as client:
            while not settled(status := client.request(Status(0))):
                if time.monotonic() > end:
                    raise SystemExit(f"the agent did not become ready: {status}")
                client.receive(0.02)

    def _start(self, service: Service) -> dict[str, Any]:
        self._stack.callback(service.stop)
        return service.ready()


@contextlib.contextmanager
def process(target: Callable[..., None], *arguments: object) -> Iterator[Connection]:
    """Run ``target(pipe, *arguments)`` in a spawned process as long as the context lasts; gives our end of the pipe."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    running = context.Process(target=target, args=(theirs, *arguments), daemon=True)
    running.start()
    theirs.close()
    try:
        yield ours
    finally:
        running.kill()
        running.join()
        ours.close()
