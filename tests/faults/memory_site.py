"""``MemorySite``: two memory nodes, a station and a coordinator as processes that can be killed, on one simulated lab.

The lab is in the test's own process, in step with the wall, and outlasts every kill; whether a core is lit is read off
it. Keys and addresses stay the same over restarts.
"""

import contextlib
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bellringer.orchestrator.agent.service import CoordinatorAddress
from bellringer.orchestrator.agent.service import Setup as AgentSetup
from bellringer.orchestrator.client.entangle import Pairs
from bellringer.orchestrator.coordinator.process import Start
from bellringer.orchestrator.heralding.disk import FolderDisk
from bellringer.orchestrator.heralding.entries import body_hash
from bellringer.orchestrator.heralding.journal import NodeJournal
from bellringer.orchestrator.wire import Client, KeyPair
from bellringer.orchestrator.wire.errors import LinkError
from bellringer.orchestrator.wire.messages import Message, Set, Status
from bellringer.sim_backends.lab.build import build_lab, endpoints
from bellringer.testbed.errors import Aborted, InstrumentError
from bellringer.testbed.loader import load

from ..reserved_ports import reserve_ports
from .service_process import PATIENCE_S, Process

FILE = Path(__file__).parents[1] / "data" / "memory_link.yaml"
CORES = {"alice": "alice.memory", "bob": "bob.memory", "charlie": "charlie.core"}
PHASE = """
SELECT committed, start_ps, (SELECT count(*) FROM results WHERE results.batch = batches.batch)
FROM batches WHERE state = '' ORDER BY batch DESC LIMIT 1
"""
FAR = ("insertion_loss: 3 dB", "insertion_loss: 10 dB")
"""What is changed in ``FILE``: the lab has to keep step with the wall on a busy machine, at 200 heralds a second."""
HERALDS_PS = 50_000_000_000
"""After so long a batch has had its first heralds."""
COORDINATOR, AGENT = "bellringer.orchestrator.coordinator.process", "bellringer.orchestrator.agent.service"


def until(what: Callable[[], Any], message: str, why: Callable[[], object] = str) -> Any:
    """Look again and again until ``what()`` is true, and return it; ``why`` is asked if it does not come true."""
    end = time.monotonic() + PATIENCE_S
    while not (seen := what()):
        assert time.monotonic() < end, (message, why())
        time.sleep(0.02)
    return seen


class _OnlyRead(FolderDisk):
    """A journal's folder, which another process may be writing to: nothing here does."""

    def names(self) -> list[str]:
        return [name for name in super().names() if name.startswith("batches-")]

    def create(self, name: str, size: int) -> None:
        raise OSError("only read")

    def write(self, name: str, offset: int, data: bytes) -> None:
        """Leave it as it is."""

    def sync(self, name: str) -> None:
        """Leave it as it is."""

    def remove(self, name: str) -> None:
        """Leave it as it is."""


class MemorySite:
    """The processes and the lab; ``start`` starts all.

    ``change`` makes the text of the file that they are told; the lab knows nothing of it.
    """

    def __init__(
        self, folder: Path, change: Callable[[str], str] = str, environment: dict[str, str] | None = None
    ) -> None:
        self.folder, self.file = folder, folder / "memory_link.yaml"
        folder.mkdir(parents=True, exist_ok=True)
        text = FILE.read_text(encoding="utf-8").replace(*FAR)
        self.file.write_text(text, encoding="utf-8")
        self.testbed = load(self.file).testbed
        self.lab = build_lab(self.testbed, 1)
        self.file.write_text(change(text), encoding="utf-8")
        self._orders: list[Callable[[], object]] = []
        self._wake = os.eventfd(0, os.EFD_NONBLOCK)
        self.lab.watch(self._wake, self._carry_out)
        self._thread = threading.Thread(target=self.lab.run)
        self._thread.start()
        self.keys = {name: KeyPair.ephemeral(name) for name in ("coordinator", "anna", *CORES)}
        names = ("control", "estop", "events", *CORES)
        self.ports = dict(zip(names, reserve_ports(len(names), self), strict=True))
        self.environment = dict(environment or {})
        """Of processes that are started, beside the test's own."""
        self.processes: dict[str, Process] = {}
        self._clients: dict[str, Client] = {}

    def start(self) -> None:
        for name in ("coordinator", *CORES):
            self.start_one(name)
        self.settle()

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        for process in self.processes.values():
            process.end()
        self.lab.stop()
        self._thread.join()
        os.close(self._wake)

    # --- processes ------------------------------------------------------------------------------------------------

    def start_one(self, name: str) -> None:
        """Start a process and wait until it listens."""
        module, setup = (COORDINATOR, self._start()) if name == "coordinator" else (AGENT, self._setup(name))
        self.processes[name] = Process(module, setup, self.folder / f"{name}.err", self.environment)
        self.processes[name].ready()

    def kill(self, name: str) -> float:
        """kill -9; return the lab's time, s."""
        process = self.processes[name]
        process.send(signal.SIGKILL)
        process.popen.wait()
        killed_s = self.lab.now_ps / 1e12
        process.end()
        return killed_s

    def settle(self) -> None:
        """Switch the detectors on, and wait until all nodes are ready for a batch."""
        until(lambda: all(self._ready(name) for name in CORES), "the nodes did not become ready for batches")
        until(self._detecting, "the detectors cannot be switched on")

    def faults(self) -> dict[str, str]:
        """Return what latched each node, "" for nothing."""
        return {name: self.ask(name, Status(0))["fault"] for name in CORES}

    def _detecting(self) -> bool:
        try:
            for setting, value in (("detectors_enabled", True), ("bias_current", 20e-6)):
                self.ask("charlie", Set(0, "charlie.detectors", setting, value, 0))
        except (InstrumentError, Aborted):  # a new coordinator has not leased the node yet, or it is just going dark
            return False
        return True

    def state(self, name: str) -> str:
        """Return the state of a node's machine of batches."""
        return str(self.ask(name, Status(0))["batches"]["state"])

    def _ready(self, name: str) -> bool:
        status = self.ask(name, Status(0))
        return bool(status["leased"] and status["dark"] and status["batches"]["state"] == "IDLE")

    @contextlib.contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Stop a process, and let it go on."""
        self.processes[name].send(signal.SIGSTOP)
        try:
            yield
        finally:
            self.processes[name].send(signal.SIGCONT)

    # --- people ---------------------------------------------------------------------------------------------------

    def ask(self, name: str, message: Message) -> Any:
        """Ask a process as an operator, again and again while it cannot be reached."""
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._client(name).request(message)
            except LinkError:
                assert time.monotonic() < end, f"{name} cannot be reached: {self.processes[name].said()}"
                time.sleep(0.02)

    def entangle(self, **request: Any) -> Pairs:
        body = {"nodes": ("alice", "bob"), "deadline_s": 2 * PATIENCE_S, **request}
        return Pairs(lambda message: self.ask("coordinator", message), body)

    def _client(self, name: str) -> Client:
        if name not in self._clients:
            port = self.ports["control" if name == "coordinator" else name]
            self._clients[name] = Client(
                f"tcp://127.0.0.1:{port}", self.keys[name].public, self.keys["anna"], timeout_s=5.0
            )
        return self._clients[name]

    # --- what is true ---------------------------------------------------------------------------------------------

    def fault(self, name: str, kind: str) -> None:
        """Have a core misbehave, from the lab's next turn on."""
        self._orders.append(lambda: self.lab.twins[CORES[name]].own_fault(kind))
        os.eventfd_write(self._wake, 1)

    def _carry_out(self) -> bool:
        os.eventfd_read(self._wake)
        while self._orders:
            self._orders.pop(0)()
        return True

    def lit(self, name: str) -> bool:
        return bool(self.lab.twins[CORES[name]].inspect()["emitting"])

    def dark_since_s(self, name: str) -> float:
        """Wait until a core is dark; return the lab's time when it was seen to be, s."""
        until(lambda: not self.lit(name), f"the core of {name} stays lit")
        return self.lab.now_ps / 1e12

    def stored(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the coordinator's store, which may be in use."""
        path = self.folder / "coordinator" / "batches.sqlite"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return db.execute(query).fetchall()

    def phase(self) -> str:
        """Return how far the newest batch is, by the coordinator's store."""
        found = self.stored(PHASE)
        if not found:
            return "between batches"
        committed, start_ps, results = found[0]
        if not committed:
            return "PREPARE"
        if results:
            return "RESULT"
        if self.lab.now_ps < start_ps:
            return "COMMIT"
        return "HERALD" if self.lab.now_ps >= start_ps + HERALDS_PS else "RUN"

    def acknowledged(self, name: str) -> dict[tuple[str, int], str]:
        """Return the hashes of a node's last results that were acknowledged, from its journal, which may be in use."""
        with contextlib.closing(NodeJournal(_OnlyRead(self.folder / name / "batches"))) as journal:
            return {key: body_hash(body) for key, body in journal.recovered.acknowledged.items()}

    # --- set-ups --------------------------------------------------------------------------------------------------

    def _start(self) -> Start:
        people = (self.keys["anna"].public, "anna", "operator")
        return Start(
            self.keys["coordinator"].parts,
            str(self.folder / "coordinator"),
            (people, *((self.keys[name].public, name, "node") for name in CORES)),
            *(f"tcp://127.0.0.1:{self.ports[name]}" for name in ("control", "estop", "events")),
            testbed=str(self.file),
            leave_at_end=True,
        )

    def _setup(self, name: str) -> AgentSetup:
        at = {full: (body["resource"], body["options"]) for full, body in endpoints(self.lab).items()}
        control, events = (f"tcp://127.0.0.1:{self.ports[port]}" for port in ("control", "events"))
        return AgentSetup(
            node=name,
            testbed=str(self.file),
            keys=self.keys[name].parts,
            coordinator=CoordinatorAddress(control, events, self.keys["coordinator"].public),
            state=str(self.folder / name),
            enrolled=((self.keys["anna"].public, "anna", "operator"),),
            bind=f"tcp://127.0.0.1:{self.ports[name]}",
            endpoints={full: where for full, where in at.items() if full.partition(".")[0] == name},
            leave_at_end=True,
        )
