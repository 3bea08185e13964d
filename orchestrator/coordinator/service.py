"""The coordinator as a service: one loop over its three ports, a state folder, and the state in between.

What must survive is on disk before anybody is told, except that an e-stop is published first. When the journal cannot
be written, or a node has obeyed a later coordinator, the service ends: leases run out and the nodes go dark.
"""

import math
import secrets
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import zmq

from ...testbed.errors import BellringerError
from ..wire.audit import Audit
from ..wire.codec import HEADERS, RESULTS
from ..wire.enrolled import Enrolled
from ..wire.gate import Incoming
from ..wire.history import History, utc_now
from ..wire.keys import KeyPair
from ..wire.messages import (
    Ack,
    EStop,
    Event,
    Keys,
    Log,
    Message,
    Nodes,
    Own,
    Register,
    Release,
    Renew,
    RunCommand,
    Status,
)
from ..wire.nonces import elapsed_s
from ..wire.publisher import Publisher
from ..wire.server import Server
from ..wire.zap import Zap
from .epoch import claim_epoch
from .journal import Journal
from .kept_estop import KeptEStop
from .lock import FolderLock
from .state import State
from .terms import Caller, Change, Ending

if TYPE_CHECKING:
    from ...testbed.testbed import Testbed
    from .batches import Batches

CONTROL = (Register, Renew, Nodes, Own, Release, RunCommand, Ack, Status, Log, Keys, EStop)
TURN_S = 0.1
"""How long a turn of the loop waits for messages at most: how late an expiry or a stop is noticed."""
ANNOUNCE_S = 1.0
"""How often the epoch and the e-stop are published, for whoever missed the news."""
AT_ONCE = 20
"""How many control requests are taken in before the next look at the clock."""
COMPACT_ABOVE = 1000
"""A journal with more records than that is written anew at the start."""
FLUSH_S = 0.2
"""How long the last words have to leave the machine before the sockets are closed."""


@dataclass(frozen=True)
class Ports:
    """Where the coordinator listens; port ``*`` lets the system choose."""

    control: str = "tcp://*:5570"
    estop: str = "tcp://*:5571"
    events: str = "tcp://*:5572"


@dataclass(frozen=True)
class Setup:
    """What a coordinator needs.

    Attributes:
        folder: where its epoch and journal are; one coordinator per folder.
        keys: its own pair.
        enrolled: whose keys may connect, and their roles.
        ports: where it listens.
        audit: file of the log of who did what, None for none.
        testbed: whose memory links may be asked for pairs; None for none.
        above: its epoch shall be greater than this, after a coordinator whose folder is lost.
        latency: file of how long corrections take on its memory links, None for one in ``folder``.
    """

    folder: Path
    keys: KeyPair
    enrolled: Enrolled
    ports: Ports = Ports()
    audit: Path | None = None
    testbed: "Testbed | None" = None
    above: int = 0
    latency: Path | None = None
    latch: Path | None = None
    """Folder in which a latched e-stop is kept beyond ``folder``, None if ``folder`` itself stays."""
    clock_endpoint: str = ""
    """The simulated lab's clock socket in a dry run in lockstep, "" for real time."""


class Coordinator:
    """A coordinator, listening; ``turn`` makes it work. To be used from one thread.

    Raises:
        BellringerError: another one uses the folder, what is in there is damaged, or an address is taken.
    """

    def __init__(self, setup: Setup, clock: Callable[[], float] = elapsed_s) -> None:
        self._clock, self._enrolled = clock, setup.enrolled
        with ExitStack() as stack:
            stack.enter_context(FolderLock(setup.folder))
            self._journal = stack.enter_context(Journal(setup.folder, _utc))
            last = max((record.epoch for record in self._journal.records), default=0)
            epoch = claim_epoch(setup.folder, max(last, setup.above))
            self.state = State(epoch, _utc, self._is_enrolled, setup.enrolled.revoked)
            self._started_s = self._announced_s = clock()
            self._history = History("coordinator", lambda event: self._events.publish("events", event), clock)
            self._restore()
            self._kept = None if setup.latch is None else KeptEStop(setup.latch, self.state.estop)
            for press in () if self._kept is None else self._kept.found:
                self._history.restore(Event(0, "estop", "coordinator", epoch, press, press["utc"]))

            self._batches = _batches(setup, self.state, self._started_s, self._happened)
            accepts: tuple[type[Message], ...] = CONTROL
            if self._batches is not None:
                stack.callback(self._batches.close)
                accepts = (*CONTROL, *self._batches.accepts)
            context = stack.enter_context(zmq.Context())
            zap = Zap(context)
            stack.callback(zap.close)
            audit = None if setup.audit is None else stack.enter_context(closing(Audit(setup.audit)))
            common: dict[str, Any] = {"audit": audit, "clock": clock, "limits": HEADERS}
            who = (setup.keys, zap, setup.enrolled)
            self._control = stack.enter_context(
                Server(setup.ports.control, *who, name="coordinator", accepts=accepts, of_nodes=RESULTS, **common)
            )
            self._estop = stack.enter_context(
                Server(setup.ports.estop, *who, name="coordinator estop", accepts=(EStop,), **common)
            )
            self._events = stack.enter_context(Publisher(setup.ports.events, *who, name="coordinator events"))
            self._poller = zmq.Poller()
            for server in (self._control, self._estop):
                self._poller.register(server.socket, zmq.POLLIN)
            if self._batches is not None and self._batches.lab_time is not None:
                self._poller.register(self._batches.lab_time.wake, zmq.POLLIN)
            self._parties: set[zmq.Socket[bytes]] = set()
            self.ports = Ports(self._control.endpoint, self._estop.endpoint, self._events.endpoint)
            self._happened("started", {"restored": len(self.state.nodes.table)})
            self._open = stack.pop_all()

    def close(self) -> None:
        """Close the ports and give the state folder back."""
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def turn(self, wait_s: float = TURN_S) -> None:
        """Wait for messages, at most ``wait_s``, and do what is due; the e-stop comes before everything else.

        Raises:
            Ending: this coordinator must not go on.
        """
        if self._batches is not None:
            wait_s = self._batches.wait_s(wait_s, self._clock())
            self._watch(self._batches.sockets())
        self._poller.poll(math.ceil(wait_s * 1000))
        self._serve_estop()
        heard_s = self._clock()  # a disk that holds us up from here on makes nobody silent
        for incoming in self._control.receive(AT_ONCE):
            self._serve(self._control, incoming)
            self._serve_estop()
        now = self._clock()
        self.state.tick(heard_s)
        self._settle()
        if self._batches is not None:
            self._batches.turn(now)
        if self._events.subscribed() or now - self._announced_s >= ANNOUNCE_S:
            self._announced_s = now
            self._announce()
            self._history.turned_away(self._control.counters + self._estop.counters, self.state.epoch)

    def _watch(self, parties: set[zmq.Socket[bytes]]) -> None:
        """Poll the connections to parties that there are now."""
        for socket in self._parties - parties:
            self._poller.unregister(socket)
        for socket in parties - self._parties:
            self._poller.register(socket, zmq.POLLIN)
        self._parties = parties

    def _restore(self) -> None:
        for record in self._journal.records:
            self._history.restore(Event(0, record.what, "coordinator", record.epoch, record.body, record.utc))
            try:
                self.state.restore(record.what, record.body, self._started_s)
            except (LookupError, TypeError) as error:
                raise self._journal.damaged(record.n, f"'{record.what}' makes no sense here ({error!r})") from error
        if len(self._journal.records) > COMPACT_ABOVE:
            self._journal.compact(self.state.epoch, self.state.kept(self._started_s))
        self._journal.records.clear()

    def _serve_estop(self) -> None:
        for incoming in self._estop.receive():
            self._serve(self._estop, incoming)

    def _serve(self, server: Server, incoming: Incoming) -> None:
        message = incoming.message
        try:
            value = server.change_keys(message) if isinstance(message, Keys) else self._answer(incoming)
        except BellringerError as error:
            server.refuse(incoming, error)
            if isinstance(error, Ending):
                raise
        else:
            server.reply(incoming, value)

    def _answer(self, incoming: Incoming) -> Any:
        if isinstance(incoming.message, Log):
            return self._history.answer(incoming.message)
        caller, message = Caller(incoming.key, incoming.name), incoming.message
        if self._batches is not None and isinstance(message, self._batches.accepts):
            return self._batches.answer(caller, message, self._clock())
        try:
            value = self.state.answer(caller, message, self._clock())
        finally:
            self._settle()
        if self._batches is not None and isinstance(message, (Register, Renew)):
            self._batches.heard(message, self._clock())
        return {**value, **self._health()} if isinstance(incoming.message, Status) else value

    def _health(self) -> dict[str, Any]:
        batches = {} if self._batches is None else self._batches.described(self._clock())
        ports = {"control": self._control, "estop": self._estop}
        problem = self._enrolled.problem
        return {
            "utc": utc_now(),
            "up_s": self._clock() - self._started_s,
            "counters": {name: dict(port.counters) for name, port in ports.items()},
            "problem": "" if problem is None else str(problem),
            "entanglement": batches,
        }

    def _settle(self) -> None:
        """Journal and publish what changed."""
        changes = self.state.taken_changes()
        if any(change.name == "estop" for change in changes):
            self._happened("estop", self.state.estop.described())
        for change in changes:
            if change.durable:
                self._journal.append(self.state.epoch, change.name, change.body)
            if change.name != "estop":
                self._happened(change.name, change.body)
        if self._kept is not None and any(_of_estop(change) for change in changes):
            self._kept.note()

    def _announce(self) -> None:
        body = {"estop": self.state.estop.described()}
        self._events.publish("events", Event(0, "epoch", "coordinator", self.state.epoch, body))

    def _happened(self, name: str, body: dict[str, Any]) -> None:
        self._history.happened(name, body, self.state.epoch)

    def _is_enrolled(self, key: str) -> bool:
        return self._enrolled.find(key) is not None


def run_coordinator(
    setup: Setup,
    stop: threading.Event,
    ready: Callable[[Ports], object] = lambda ports: None,
    clock: Callable[[], float] = elapsed_s,
) -> None:
    """Run a coordinator until ``stop`` is set; ``ready`` is told where it listens.

    Raises:
        BellringerError: it could not start, or it must not go on; everything is closed then.
    """
    with Coordinator(setup, clock) as coordinator:
        ready(coordinator.ports)
        try:
            while not stop.is_set():
                coordinator.turn()
        except Ending:
            stop.wait(FLUSH_S)  # what was just published and answered is still on its way out
            raise


def _batches(
    setup: Setup, state: State, now_s: float, happened: Callable[[str, dict[str, Any]], object]
) -> "Batches | None":
    if setup.testbed is None or not setup.testbed.memory_links:
        return None
    from .batches import Batches  # so that a coordinator without memory links need not load what they need

    lab_time = None
    if setup.clock_endpoint:
        from .lab_time import LabTime

        lab_time = LabTime(setup.clock_endpoint)
    who = (secrets.token_hex(8), setup.folder, setup.keys, state.nodes)
    return Batches(setup.testbed, state.epoch, *who, now_s, setup.latency, lab_time, state.estop, happened)


def _of_estop(change: Change) -> bool:
    return change.name == "estop" or (change.name == "ack" and not change.body["node"])


def _utc() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
