"""A node's agent: owns the node's instruments, answers by name, and goes dark by itself.

One synchronous loop. It never waits for an instrument (those are in driver processes) nor for the coordinator (that
link has a thread); so an order to go dark is carried out within one turn. Whatever arrives has passed the port's checks
(keys, roles, freshness); whether it may be done now is the ``Authority``'s word.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import zmq

from ...testbed.errors import BellringerError, nearest
from ...testbed.testbed import InstrumentEntry
from ..wire.errors import from_refusal
from ..wire.gate import Incoming
from ..wire.messages import Do, EStop, Event, Refusal, Reply, Status
from ..wire.server import Server
from ..wire.stream import Publisher, Subscriber
from .authority import Authority
from .children import Answer, Child
from .desk import Endpoint, groups
from .link import CoordinatorLink
from .recorder import TagRecorder

TURN_MS = 50
"""The longest a turn of the loop waits for something to happen."""


class Agent:
    """The loop.

    Args:
        node: name of the node.
        entries: the node's instruments by full name.
        server: the control port.
        publisher: where events and tags are published.
        recorder: writes recordings to this node's disk.
        events: the coordinator's events.
        link: the link to the coordinator.
        endpoints: replacements for resource strings, in a dry run.
        clock_endpoint: the simulated lab's clock socket, "" for real time.
        boot_tickets: in a dry run, the participants under which the groups are first made dark, by the instrument of
            each group that comes first in the alphabet.
        locks: folder of the files that keep two driver processes from one port.
    """

    def __init__(
        self,
        node: str,
        entries: Mapping[str, InstrumentEntry],
        server: Server,
        publisher: Publisher,
        recorder: TagRecorder,
        events: Subscriber,
        link: CoordinatorLink,
        authority: Authority,
        endpoints: Mapping[str, Endpoint],
        clock_endpoint: str = "",
        boot_tickets: Mapping[str, str] | None = None,
        locks: Path | None = None,
    ) -> None:
        self.node, self.authority = node, authority
        self._server, self._publisher, self._recorder = server, publisher, recorder
        self._events, self._link = events, link
        self._drivers = {name: entry.driver for name, entry in entries.items()}
        self._children: dict[str, Child] = {}
        self._lit = False
        self._stopped = False
        self._watched: dict[int, Callable[[], object]] = {}
        for group in groups(entries):
            members = {name: entry for name, entry in entries.items() if name in group}
            child = Child(members, endpoints, clock_endpoint, self._child_reports, locks)
            child.dark("start", reopen=True, ticket=(boot_tickets or {}).get(min(members), ""))
            self._children.update(dict.fromkeys(members, child))

    # --- the loop ---------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run until ``stop``; then every driver process makes dark, closes and leaves."""
        self._link.start()
        try:
            while not self._stopped:
                self.turn()
        finally:
            self._link.close()
            for child in self.children:
                child.stop()

    def watch(self, descriptor: int, action: Callable[[], object]) -> None:
        """Call ``action`` whenever ``descriptor`` can be read."""
        self._watched[descriptor] = action

    def stop(self) -> None:
        """Make ``run`` return after the present turn."""
        self._stopped = True

    @property
    def children(self) -> set[Child]:
        return set(self._children.values())

    def turn(self) -> None:
        """Wait a little for something to happen and see to everything that did."""
        ready = self._wait()
        self._link.turned()
        self._hear_events()
        now_s = time.monotonic()
        for answered in self._link.taken():
            given_up = self.authority.take_answer(answered.value, answered.asked_at)
            for child in {self._children[name] for name in given_up}:
                if not child.clean:  # a run that was killed; others leave darkness behind
                    child.dark("the run that owned it has ended")
        self._keep_dark(now_s)
        for child in self.children:
            if child.connection.fileno() in ready:
                child.take_in()
            child.watch()
        for incoming in self._server.receive():
            self._serve(incoming)
        for descriptor, action in self._watched.items():
            if descriptor in ready:
                action()

    def _wait(self) -> set[Any]:
        poller = zmq.Poller()
        for source in (self._server.socket, self._events.socket, self._link.wake, *self._watched):
            poller.register(source, zmq.POLLIN)
        for child in self.children:
            poller.register(child.connection.fileno(), zmq.POLLIN)
        return {source for source, _ in poller.poll(TURN_MS)}

    # --- light ------------------------------------------------------------------------------------------------

    def _hear_events(self) -> None:
        while (published := self._events.receive()) is not None:
            event = published.message
            pressed = event.name == "estop" and event.body.get("latched", True)
            if pressed and self.authority.press_estop(event.body, event.epoch):
                self._dark("an e-stop was pressed")

    def _keep_dark(self, now_s: float) -> None:
        """Make everything dark when the lease has run out."""
        leased = self.authority.leased(now_s)
        if self._lit and not leased:
            self._dark("the light lease ran out")
        self._lit = leased

    def _dark(self, why: str) -> None:
        self._lit = False
        for child in self.children:
            child.dark(why)
        self._publish("dark", {"why": why})

    def _child_reports(self, kind: str, text: str) -> None:
        if kind == "dark" and text:
            self.authority.latch(f"not confirmed dark: {text}")
        self._publish(f"child_{kind}", {"text": text})

    # --- requests ---------------------------------------------------------------------------------------------

    def _serve(self, incoming: Incoming) -> None:
        message = incoming.message
        try:
            if isinstance(message, Status):
                self._server.reply(incoming, self.status())
            elif isinstance(message, EStop):
                self.authority.latch(f"e-stop by {incoming.name}: {message.reason}")
                self._dark(f"e-stop by {incoming.name}")
                self._server.reply(incoming, {"latched": True})
            else:
                self.authority.check(message, incoming.key, time.monotonic())
                self._forward(incoming)
        except BellringerError as error:
            self._server.refuse(incoming, error)

    def _forward(self, incoming: Incoming) -> None:
        """Hand a request to the driver process that has the instrument; its answer goes back as it comes."""
        message = incoming.message
        child = self._children.get(message.instrument)
        if child is None:
            raise BellringerError(
                f"node '{self.node}' has no instrument '{message.instrument}'",
                hint=nearest(message.instrument, self._children),
            )
        if isinstance(message, Do) and message.verb == "safe_state":
            why = f"asked for by {incoming.name}"
            child.dark(why, message.instrument, ticket=message.ticket, answer=self._answer_to(incoming))
            return
        child.submit(lambda number: msgspec.structs.replace(message, id=number), self._answer_to(incoming))

    def _answer_to(self, incoming: Incoming) -> Answer:
        def answer(message: Reply | Refusal) -> None:
            if isinstance(message, Refusal):
                self._server.refuse(incoming, from_refusal(message))
                return
            self._recorder.keep(incoming.message.instrument, message.value)
            self._server.reply(incoming, message.value)

        return answer

    def status(self) -> dict[str, Any]:
        """Return how the node is, in plain values; nothing is asked of an instrument."""
        now_s, authority = time.monotonic(), self.authority
        return {
            "node": self.node,
            "drivers": dict(self._drivers),
            "epoch": authority.epoch,
            "leased": authority.leased(now_s),
            "lease_left_s": max(0.0, authority.lease_until_s - now_s),
            "refused": authority.refused,
            "estop": authority.estop is not None,
            "fault": authority.fault,
            "coordinator": self._link.problem,
            "dark": not any(child.darkening or child.failures for child in self.children),
            "owners": {name: owner.run for name, owner in authority.owners.items()},
            "driver_processes": {child.pid: list(child.names) for child in self.children},
            "restarts": sum(child.restarts for child in self.children),
            "counters": dict(self._server.counters),
        }

    def _publish(self, name: str, body: dict[str, Any]) -> None:
        self._publisher.publish("events", Event(0, name, self.node, self.authority.epoch, body))
