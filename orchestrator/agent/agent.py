"""A node's agent: owns the node's instruments, answers by name, and goes dark by itself.

One synchronous loop. It never waits for an instrument (those are in driver processes) nor for the coordinator (that
link has a thread); so an order to go dark is carried out within one turn. What comes in at the control port is seen to
in requests.py.
"""

import functools
import os
import select
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...drivers.registry import driver_class, source_digest
from ...testbed.eager_poll import EagerPoll
from ...testbed.testbed import InstrumentEntry, Interlock
from ..heralding.watched import WatchedDetector, interlocks_of
from ..wire.gate import Incoming
from ..wire.history import History, utc_now
from ..wire.messages import EStop, Event, Keys, Log, Message, Status, Subscribe, Watched
from ..wire.nonces import elapsed_s
from ..wire.server import Server
from ..wire.stream import Publisher, Subscriber
from .authority import Authority
from .batches import ACCEPTS, Batches
from .children import Child
from .desk import Endpoint, groups
from .detectors import Detectors
from .forking import ForkServer
from .guards import Guards
from .interlocks import Interlocks
from .link import CoordinatorLink
from .pressers import Pressers
from .readings import Readings
from .recorder import TagRecorder
from .requests import Requests
from .streams import Streams
from .watchdog import Watchdog

TURN_MS = 50
"""The longest a turn of the loop waits for something to happen."""
BEHIND_MS = 1
"""The same while a driver process has something to take in yet."""

MakeBatches = Callable[[Mapping[str, Child], Callable[[], bool | None], Callable[[str, dict[str, Any]], None]], Batches]
"""Called with the driver processes by instrument, whether the interlocks are closed, and how to tell people."""


class Agent:
    """The loop.

    Args:
        node: name of the node.
        entries: the node's instruments by full name.
        interlocks: what must be closed while light is on here, by name.
        server: the control port.
        publisher: where events and tags are published.
        recorder: writes recordings to this node's disk.
        events: the coordinator's events.
        link: the link to the coordinator.
        fork_server: starts the driver processes and the watchdog.
        endpoints: replacements for resource strings, in a dry run.
        clock_endpoint: the simulated lab's clock socket, "" for real time.
        boot_tickets: in a dry run, the participants under which the groups are first made dark, by the instrument of
            each group that comes first in the alphabet.
        locks: folder of the files that keep two driver processes from one port.
        watchdog_log: where its watchdog notes what it does, None for no watchdog.
        about: what this agent runs, for whoever asks: versions, fingerprint of its part of the testbed file.
        make_batches: makes the node's part in batches of attempts, None for a node without a real-time core.
        lanes_at: address where corrections for real-time cores come in.
        detectors: channels of the node that feed heralding stations.
    """

    def __init__(
        self,
        node: str,
        entries: Mapping[str, InstrumentEntry],
        interlocks: Mapping[str, Interlock],
        server: Server,
        publisher: Publisher,
        recorder: TagRecorder,
        events: Subscriber,
        link: CoordinatorLink,
        authority: Authority,
        fork_server: ForkServer,
        endpoints: Mapping[str, Endpoint],
        clock_endpoint: str = "",
        boot_tickets: Mapping[str, str] | None = None,
        locks: Path | None = None,
        watchdog_log: Path | None = None,
        about: Mapping[str, Any] = MappingProxyType({}),
        make_batches: MakeBatches | None = None,
        lanes_at: str = "tcp://127.0.0.1:*",
        detectors: Sequence[WatchedDetector] = (),
    ) -> None:
        self.node, self.authority = node, authority
        self._server, self._publisher, self._recorder = server, publisher, recorder
        self._events, self._link = events, link
        self._streams = Streams(publisher, recorder)
        self._history = History(node, lambda event: publisher.publish("events", event))
        self._drivers = {name: entry.driver for name, entry in entries.items()}
        self._digests = {driver: source_digest(driver) for driver in self._drivers.values()}
        self._about = about
        self._lockstep = bool(clock_endpoint)
        self._children: dict[str, Child] = {}
        self._behind: set[Child] = set()
        self._pressers = Pressers()
        self._lit = False
        self._stopped = False
        self._look_s = 0.0
        self._until_end: list[int] = []
        self._poll = EagerPoll()
        self._actions: dict[int, Callable[[], object]] = {}
        """What to do when a descriptor can be read; what may have to make dark comes first."""
        for group in groups(entries):
            members = {name: entry for name, entry in entries.items() if name in group}
            reports = functools.partial(self._child_reports, tuple(members))
            child = Child(fork_server, members, endpoints, clock_endpoint, reports, locks, lanes_at, self._behind)
            child.dark("start", reopen=True, ticket=(boot_tickets or {}).get(min(members), ""))
            self._children.update(dict.fromkeys(members, child))
        self.children = tuple(dict.fromkeys(self._children.values()))
        self._guards = Guards(entries, self._children, self._trip, self._lockstep, self._publish)
        self._interlocks = Interlocks(node, interlocks, self._children, self._trip, self._lockstep)
        self.batches: Batches | None = None
        if make_batches is not None:
            self.batches = make_batches(self._children, self._closed, self._publish)
        self._detectors = Detectors(detectors, self._children, self._attempting, self._lockstep)
        self._trips = 0
        """Of everything that is watched for memory links; the coordinator hears of each at once."""
        self._watchdog: Watchdog | None = None
        if self._guards.emitters and watchdog_log is not None and not self._lockstep:
            report = functools.partial(self._publish, "watchdog")
            self._watchdog = Watchdog(self._guards.emitters, endpoints, locks, watchdog_log, report, fork_server)
            for body in self._watchdog.told_before():
                self._history.restore(Event(0, "watchdog", node, 0, body, body["utc"]))
        self._readings = Readings(
            self._children,
            lambda name: list(driver_class(self._drivers[name]).readings()),
            lambda event: publisher.publish("readings", event),
            lockstep=self._lockstep,
        )
        answers: dict[type[Message], Callable[[Incoming], object]] = {
            Status: self._tell_status,
            Log: lambda incoming: self._history.answer(incoming.message),
            Subscribe: lambda incoming: self._readings.subscribe(incoming.message, incoming.key, elapsed_s()),
            Keys: lambda incoming: self._server.change_keys(incoming.message),
            EStop: self._pressed,
        }
        if self.batches is not None:
            answers |= dict.fromkeys(ACCEPTS, self.batches.hear)
        self._requests = Requests(
            *(node, server, authority, answers, self._children, self._guards, self._interlocks),
            *(self._streams, recorder, self._readings, self._lockstep, self._publish),
            show=None if self.batches is None else self.batches.show,
        )

    # --- the loop ---------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run until ``stop``, and until who pressed an e-stop knows."""
        self._link.start()
        self._watch()
        while not self._stopped or self._pressers.waiting(elapsed_s()):
            self.turn()

    def close(self) -> None:
        """End the link and every driver process: dark first. An agent that was made must be closed, run or not."""
        self._link.close()
        confirmed = self._watchdog is None or self._guards.end_dark()
        for child in self.children:
            child.stop()
        if self.batches is not None:
            self.batches.close()
        if self._watchdog is not None:
            self._watchdog.close(dark=confirmed)

    def leave_at_end_of(self, descriptor: int) -> None:
        """Stop when nothing more can come through ``descriptor``."""
        self._until_end.append(descriptor)

    def stop(self) -> None:
        """Make ``run`` return as soon as nobody waits to hear that an e-stop made dark."""
        self._stopped = True

    def turn(self) -> None:
        """Wait a little for something to happen and see to everything that did."""
        waiting = self._server.waiting
        ready = self._poll.poll(0 if waiting else BEHIND_MS if self._behind else TURN_MS)
        if len(ready) == 1:
            self._actions[ready[0][0]]()
        elif ready:
            descriptors = dict(ready)
            for descriptor, action in self._actions.items():
                if descriptor in descriptors:
                    action()
        if waiting:
            self._serve()
        for child in tuple(self._behind):
            child.flush()
        now_s = elapsed_s()
        if self._lit is not (leased := self.authority.leased(now_s)):
            if not leased:
                self._dark("the light lease ran out")
            self._lit = leased
        if now_s >= self._look_s:  # to look everywhere costs more than a request, so not for each of them
            self._look_s = now_s + TURN_MS / 1e3
            self._look(now_s)
        if self.batches is not None:
            self.batches.turn()

    def _serve(self) -> None:
        self._requests.serve()
        self._poll.asked()  # its instrument may answer at once, or who sent it have more to ask

    def _watch(self) -> None:
        """Poll what there is now; call it when a driver process or the coordinator's connection was replaced."""
        actions: dict[int, Callable[[], object]] = {self._events.socket.FD: self._hear_events}
        actions[self._link.wake] = self._hear_coordinator
        actions[self._recorder.wake] = self._recorder.turn
        actions |= {child.connection.fileno(): child.take_in for child in self.children}
        actions |= {descriptor: functools.partial(self._hear_end, descriptor) for descriptor in self._until_end}
        actions[self._server.socket.FD] = self._serve
        for gone in self._actions.keys() - actions.keys():
            self._poll.unregister(gone)
        for descriptor in actions:
            self._poll.register(descriptor, select.POLLIN)
        self._actions = actions

    def _look(self, now_s: float) -> None:
        """See to everything that nothing wakes us for."""
        self._link.turned()
        self._hear_events()
        for child in self.children:
            if not self.authority.fault:
                child.revive()
            child.watch()
        self._guards.turn(now_s)
        self._interlocks.turn(now_s, self._maybe_lit(), bool(self.authority.fault))
        self._detectors.turn(now_s)
        if (trips := sum(each.trips for each in self.watched())) > self._trips:
            self._trips = trips
            self._link.hurry()
        if self._watchdog is not None:
            self._watchdog.turn(
                now_s, [child.pid for child in self.children if child.pid is not None and not child.given_up]
            )
        self._readings.turn(now_s)
        self._history.turned_away(self._server.counters, self.authority.epoch)
        self._server.look_at_the_door()
        self._watch()

    def watched(self) -> tuple[Watched, ...]:
        """Return how well is what memory links depend on here."""
        interlocks = Watched(interlocks_of(self.node), self._interlocks.why_open(), self._interlocks.openings)
        return (interlocks, *self._detectors.watched())

    def _closed(self) -> bool | None:
        """Return whether the interlocks are; what is open makes dark before a batch hears of it."""
        self._interlocks.look(self._maybe_lit(), bool(self.authority.fault))
        return self._interlocks.closed()

    def _maybe_lit(self) -> bool:
        """Return whether something may emit and is not being made dark already."""
        return bool(self._guards.unattended() or self._attempting())

    def _attempting(self) -> bool | None:
        return None if self.batches is None else self.batches.attempting

    def _hear_end(self, descriptor: int) -> None:
        if not os.read(descriptor, 4096):
            self._until_end.remove(descriptor)
            self._watch()
            self.stop()

    def _hear_coordinator(self) -> None:
        for answered in self._link.taken():
            latched = self.authority.fault
            given_up = self.authority.take_answer(answered.value, answered.asked_at)
            if self.batches is not None:
                self.batches.hear_of_lanes(answered.value["lanes"])
            if latched and not self.authority.fault:
                self._interlocks.acknowledged()
            for child in {self._children[name] for name in given_up}:
                if not child.clean:  # a run that was killed; others leave darkness behind
                    child.dark("the run that owned it has ended")
            for name, owner in self.authority.owners.items():
                self._children[name].count_from(owner.epoch_tai_s)

    # --- light ------------------------------------------------------------------------------------------------

    def _hear_events(self) -> None:
        while (published := self._events.receive()) is not None:
            event = published.message
            pressed = event.name == "estop" and event.body.get("latched", True)
            if pressed and self.authority.press_estop(event.body, event.epoch):
                for press in event.body["presses"]:
                    self._pressers.heard_of(press["key"], elapsed_s())
                self._dark("an e-stop was pressed")

    def _dark(self, why: str) -> None:
        self._lit = False
        for child in self.children:
            child.dark(why)
        self._publish("dark", {"why": why})

    def _trip(self, why: str) -> None:
        """Make dark because what guards the light says so, and latch."""
        self.authority.latch(why)
        self._dark(why)

    def _child_reports(self, instruments: tuple[str, ...], kind: str, text: str) -> None:
        if kind == "given_up":
            self.authority.latch(text)
        if kind == "dark" and text:
            self.authority.latch(f"not confirmed dark: {text}")
        if kind == "died":
            self._check_drivers()
        if kind in ("died", "given_up"):
            self._watch()
        self._publish(f"child_{kind}", {"text": text, "instruments": instruments})

    def _check_drivers(self) -> None:
        """Latch a fault if a fresh driver process has loaded another text of a driver than the one before it."""
        changed = [driver for driver, digest in self._digests.items() if source_digest(driver) != digest]
        if changed:
            self.authority.latch(f"the file of driver {', '.join(changed)} was changed under a running agent")
            self._digests |= {driver: source_digest(driver) for driver in changed}

    # --- what it answers itself -------------------------------------------------------------------------------

    def _pressed(self, incoming: Incoming) -> dict[str, bool]:
        self.authority.latch(f"e-stop by {incoming.name}: {incoming.message.reason}")
        self._dark(f"e-stop by {incoming.name}")
        self._pressers.pressed(incoming.key, incoming.peer, elapsed_s())
        return {"latched": True}

    def _tell_status(self, incoming: Incoming) -> dict[str, Any]:
        status = self.status()
        self._pressers.told(incoming.peer, status["dark"], elapsed_s())
        return status

    def status(self) -> dict[str, Any]:
        """Return how the node is, in plain values; nothing is asked of an instrument."""
        now_s, authority = elapsed_s(), self.authority
        return {
            "node": self.node,
            "utc": utc_now(),
            "drivers": dict(self._drivers),
            "about": {**self._about, "drivers": dict(self._digests)},
            "epoch": authority.epoch,
            "leased": authority.leased(now_s),
            "lease_left_s": max(0.0, authority.lease_until_s - now_s),
            "refused": authority.refused,
            "estop": authority.estop is not None,
            "fault": authority.fault,
            "coordinator": self._link.problem,
            "lit": self._guards.lit(),
            "dark": not any(child.darkening or child.failures for child in self.children),
            "not_dark": [failure for child in self.children for failure in child.failures],
            "owners": {name: owner.run for name, owner in authority.owners.items()},
            "driver_processes": {child.pid: list(child.names) for child in self.children if child.pid is not None},
            "streams": self._streams.described(),
            "restarts": sum(child.restarts for child in self.children),
            "batches": self.batches.described() if self.batches else {},
            "watchdog": self._watchdog.described() if self._watchdog else {},
            "counters": dict(self._server.counters),
        }

    def _publish(self, name: str, body: dict[str, Any]) -> None:
        self._history.happened(name, body, self.authority.epoch)
