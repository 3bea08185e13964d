"""``site``: coordinator and agent as processes, a simulated laser in the test's own process, and a key of every role.

What is asserted about light is read off the simulated instrument: its commands as they came over the wire, with the
time on this machine's monotonic clock, and the power it emits. The lab outlasts whatever a test kills.
"""

import contextlib
import functools
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bellringer.orchestrator.agent.service import CoordinatorAddress
from bellringer.orchestrator.agent.service import Setup as AgentSetup
from bellringer.orchestrator.coordinator.process import Start
from bellringer.orchestrator.wire import Client, KeyPair, Subscriber
from bellringer.orchestrator.wire.messages import Call, Set, Status
from bellringer.sim_backends.lab.build import build_lab
from bellringer.testbed.errors import BellringerError
from bellringer.testbed.loader import load

from ..reserved_ports import reserve_ports
from .door import DOOR, behind_a_door
from .memory_site import MemorySite
from .network import Net
from .service_process import PATIENCE_S, Process, install

PUMP = "charlie.pump"
ROLES = {"anna": "operator", "otto": "observer", "root": "admin"}
ONE_LASER = """
bellringer: 1
name: one-laser
nodes:
  charlie:
    instruments:
      pump:
        driver: {driver}
        resource: {resource}
        settings: {{power: "10 mW"}}
        limits: {{power: {{max: "50 mW"}}}}
        model: {{kind: laser, wavelength: "785 nm", max_power: "100 mW"}}
"""
COORDINATOR, AGENT = "bellringer.orchestrator.coordinator.process", "bellringer.orchestrator.agent.service"


def until(what: Callable[[], Any], message: str = "what the test waits for did not happen") -> Any:
    """Look again and again until ``what()`` is true, and return it."""
    end = time.monotonic() + PATIENCE_S
    while not (seen := what()):
        assert time.monotonic() < end, message
        time.sleep(0.02)
    return seen


class Laser:
    """A simulated Cobolt on a lab of its own in step with the wall; its port is a link that can be unplugged."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = folder / "ttyUSB0"
        self.file = folder / "lab.yaml"
        self.file.write_text(ONE_LASER.format(driver="cobolt_06", resource=f"serial://{self.port}"))
        self.lab = build_lab(load(self.file).testbed, 1)
        self.twin = self.lab.twins[PUMP]
        self.wire: list[tuple[float, str]] = []
        """(s on the monotonic clock, command) as they reached the laser."""
        execute = self.twin._execute

        def noted(command: str) -> str:
            self.wire.append((time.monotonic(), command))
            return execute(command)

        self.twin._execute = noted
        self.port.symlink_to(self.twin.main_port.path)
        self._orders: list[Callable[[], object]] = []
        self._wake = os.eventfd(0, os.EFD_NONBLOCK)
        self.lab.watch(self._wake, self._carry_out)
        self._thread = threading.Thread(target=self.lab.run)
        self._thread.start()

    def driven_by(self, driver: str) -> None:
        """Have the agent use another driver for it."""
        self.file.write_text(ONE_LASER.format(driver=driver, resource=f"serial://{self.port}"))

    @property
    def lit(self) -> bool:
        return self.twin.inspect()["power_w"] > 0

    def commands(self, after_s: float = 0.0) -> list[str]:
        """Return the commands that came after a time."""
        return [command for when_s, command in self.wire if when_s > after_s]

    def when(self, command: str, after_s: float) -> float:
        """Wait for a command after ``after_s`` and return when it came."""
        return until(lambda: next((when for when, got in self.wire if got == command and when > after_s), 0.0))

    def unplug(self) -> None:
        """Pull the cable: the port's name goes, and who has it open gets errors. The light stays as it is."""
        self._on_lab(lambda: (self.port.unlink(), self.lab.close_port(self.twin.main_port)))

    def plug_in(self) -> None:
        """Put the cable back; the system gives the port another number, the link its old name."""
        self.plug_in_as(self.port)

    def plug_in_as(self, link: Path) -> None:
        """The same, with another name."""

        def plugged() -> None:
            old, new = self.twin.main_port, self.lab.serial_port(PUMP, self.twin._on_bytes)
            if new.path == old.path:  # a number that is free again is given out again
                new, same = self.lab.serial_port(PUMP, self.twin._on_bytes), new
                self.lab.close_port(same)
            self.twin.main_port = new
            link.symlink_to(self.twin.main_port.path)

        self._on_lab(plugged)

    def close(self) -> None:
        self.lab.stop()
        self._thread.join()
        os.close(self._wake)

    def _on_lab(self, order: Callable[[], object]) -> None:
        """Do something in the lab's own thread and wait until it is done."""
        done = threading.Event()
        self._orders.append(lambda: (order(), done.set()))
        os.eventfd_write(self._wake, 1)
        assert done.wait(PATIENCE_S)

    def _carry_out(self) -> bool:
        os.eventfd_read(self._wake)
        while self._orders:
            self._orders.pop(0)()
        return True


def heard(subscriber: Subscriber, name: str) -> dict[str, Any]:
    """Return the body of the next event of this name."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        published = subscriber.receive(0.2)
        if published is not None and published.message.name == name:
            return published.message.body
    raise AssertionError(f"no event '{name}' came")


def refused(
    client: Client, message: Any, kind: type[BellringerError] = BellringerError, timeout_s: float | None = None
) -> BellringerError:
    """Send what must be refused; return the error."""
    with pytest.raises(kind) as caught:
        client.request(message, timeout_s=timeout_s)
    return caught.value


class Site:
    """The processes; both can be killed and started again, at their old addresses."""

    pump = PUMP
    until, heard, refused = staticmethod(until), staticmethod(heard), staticmethod(refused)

    def __init__(self, folder: Path) -> None:
        self.folder, self.laser = folder, Laser(folder / "lab")
        self.keys = {name: KeyPair.ephemeral(name) for name in ("coordinator", "charlie", *ROLES)}
        self.people = tuple((self.keys[name].public, name, role) for name, role in ROLES.items())
        control, estop, events, agent = reserve_ports(4, self)
        self.ports = {"control": control, "estop": estop, "events": events}
        self.agent_port = agent
        self.environment: dict[str, str] = {}
        self.coordinator: Process | None = None
        self.agent: Process | None = None
        self._open = contextlib.ExitStack()

    def install(self, name: str, text: str, class_name: str) -> None:
        """Install a driver for the processes that are started from now on."""
        self.environment = install(self.folder / "packages", name, text, class_name)

    def start_coordinator(self, state: str = "coordinator", **more: Any) -> Process:
        endpoints = {name: f"tcp://127.0.0.1:{port}" for name, port in self.ports.items()}
        start = Start(
            **{
                "keys": self.keys["coordinator"].parts,
                "state": str(self.folder / state),
                "enrolled": ((self.keys["charlie"].public, "charlie", "node"), *self.people),
                "leave_at_end": True,
                **endpoints,
                **more,
            }
        )
        self.coordinator = self.started(COORDINATOR, start)
        return self.coordinator

    def start_agent(self, **more: Any) -> Process:
        setup = AgentSetup(
            **{
                "node": "charlie",
                "testbed": str(self.laser.file),
                "keys": self.keys["charlie"].parts,
                "coordinator": CoordinatorAddress(
                    f"tcp://127.0.0.1:{self.ports['control']}",
                    f"tcp://127.0.0.1:{self.ports['events']}",
                    self.keys["coordinator"].public,
                ),
                "state": str(self.folder / "charlie"),
                "enrolled": self.people,
                "bind": f"tcp://127.0.0.1:{self.agent_port}",
                "leave_at_end": True,
                **more,
            }
        )
        self.agent = self.started(AGENT, setup)
        return self.agent

    def started(self, module: str, setup: msgspec.Struct) -> Process:
        """Start a service and wait until it listens; it ends with the test."""
        process = Process(module, setup, self.folder / f"{module.split('.')[2]}.err", self.environment)
        self._open.callback(process.end)
        process.where = process.ready()
        return process

    def start(self) -> None:
        """Start both and wait until the node may emit light and is dark."""
        self.start_coordinator()
        self.start_agent()
        until(lambda: self.well(), "the node did not become ready")

    def well(self) -> bool:
        status = self.status()
        return bool(status["leased"] and status["dark"])

    # --- clients ----------------------------------------------------------------------------------------------

    def client(self, who: str = "anna", **more: Any) -> Client:
        """Return somebody's connection to the agent."""
        return self._client(self.agent_port, "charlie", who, **more)

    def to_coordinator(self, who: str = "anna", port: str = "control", **more: Any) -> Client:
        return self._client(self.ports[port], "coordinator", who, **more)

    def _client(
        self, port: int, service: str, who: str, keys: KeyPair | None = None, timeout_s: float = 10.0
    ) -> Client:
        ours = keys or self.keys[who]
        return self._open.enter_context(
            Client(f"tcp://127.0.0.1:{port}", self.keys[service].public, ours, timeout_s=timeout_s)
        )

    def events(self, of_agent: bool = True) -> Subscriber:
        """Return a subscriber of the agent's events, or the coordinator's, that is connected already."""
        endpoint = self.agent.where["stream"] if of_agent else f"tcp://127.0.0.1:{self.ports['events']}"
        key = self.keys["charlie" if of_agent else "coordinator"].public
        subscriber = self._open.enter_context(Subscriber(endpoint, key, self.keys["otto"], ("events",)))
        until(lambda: subscriber.receive(0.05) or subscriber.problem is None)
        return subscriber

    def status(self) -> dict[str, Any]:
        """Return the agent's status, asked over a connection of its own."""
        with Client(
            f"tcp://127.0.0.1:{self.agent_port}", self.keys["charlie"].public, self.keys["otto"], timeout_s=10.0
        ) as client:
            return client.request(Status(0))

    def node(self) -> dict[str, Any]:
        """Return the node as the coordinator has it, as soon as it has."""
        return until(lambda: self.to_coordinator("otto").request(Status(0))["nodes"], "it never registered")[0]

    def light(self) -> Client:
        """Light the laser as an operator does, and wait until light comes out."""
        anna = self.client()
        anna.request(Set(0, PUMP, "power", 0.01, 0))
        anna.request(Call(0, PUMP, "emission_on", 0))
        until(lambda: self.laser.lit, "the laser did not light")
        return anna

    def drivers(self) -> list[int]:
        """Return the process ids of the agent's driver processes."""
        return [int(pid) for pid in self.status()["driver_processes"]]

    def close(self) -> None:
        try:
            self._open.close()
        finally:
            self.laser.close()


@pytest.fixture(scope="module")
def memories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemorySite]:
    """Two memory nodes, a station and a coordinator, running, for the tests of a module, which leave them well."""
    site = MemorySite(tmp_path_factory.mktemp("memories"))
    try:
        site.start()
        yield site
    finally:
        site.close()


@pytest.fixture(scope="module")
def guarded_memories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemorySite]:
    """The same, where Alice's room has a door, ``door``: her interlock. Links wait for 2 s once all is well again."""
    folder = tmp_path_factory.mktemp("guarded")
    environment = install(folder / "packages", "door", DOOR, "Door")
    door = folder / "door"
    site = MemorySite(folder / "site", lambda text: behind_a_door(text, door), environment)
    site.door = door
    try:
        site.start()
        yield site
    finally:
        site.close()


@pytest.fixture
def cold_site(tmp_path: Path):
    """The site with nothing started."""
    site = Site(tmp_path)
    try:
        yield site
    finally:
        site.close()


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory):
    """One running site for those tests of a module that leave it as they found it."""
    site = Site(tmp_path_factory.mktemp("site"))
    try:
        site.start()
        yield site
    finally:
        site.close()


@pytest.fixture
def site(cold_site: Site) -> Site:
    """The site, running, dark, allowed to emit light."""
    cold_site.start()
    return cold_site


@pytest.fixture
def installed(tmp_path: Path) -> Callable[[str, str, str], dict[str, str]]:
    """Install a driver as another package would; return the environment of a process that finds it."""
    return functools.partial(install, tmp_path / "packages")


@pytest.fixture(scope="session")
def sites() -> type[Site]:
    """The site's class, for a module that needs another testbed file."""
    return Site


@pytest.fixture
def other_laser(tmp_path: Path):
    """A second simulated laser, of the same name, on another bench."""
    laser = Laser(tmp_path / "other lab")
    try:
        yield laser
    finally:
        laser.close()


@pytest.fixture(scope="module")
def net() -> Iterator[Net]:
    """The computers of docs/running-a-testbed.md."""
    addresses = {"charlie": "192.0.2.10", "alice": "192.0.2.11", "bob": "192.0.2.12", "anna": "192.0.2.13"}
    try:
        net = Net(addresses)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or error
        pytest.skip(f"network namespaces cannot be made here (they need iproute2 and CAP_NET_ADMIN): {said}")
    try:
        yield net
    finally:
        net.close()


@pytest.fixture(scope="session")
def processes() -> type[Process]:
    return Process
