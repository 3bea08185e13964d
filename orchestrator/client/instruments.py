"""Instruments of several nodes, through their agents: what a run holds when the drivers live elsewhere.

The same calls as ``InstrumentHost``. In a dry run every call is registered with the simulated lab here, where it is
made, and carried out under its number by the driver process that has the instrument; so lab time waits for it.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import zmq

from ...testbed.clock import Clock, Ticket
from ...testbed.errors import BellringerError, nearest
from ...testbed.testbed import Testbed
from ..agent.calls import Call, Instruments
from ..agent.desk import groups
from ..wire.client import Answered, Client
from ..wire.messages import Call as CallMessage
from ..wire.messages import Do, Get, Log, Message, Set
from .ownership import Ownership

LOOK_UP_MS = 50
"""How often a wait looks whether the run was aborted."""
LOG_S = 2.0
"""How long an agent may take to tell what happened at it."""
AT_ONCE = 100
"""In a dry run, so many looks after a call has ended its answer must be there, or lab time goes on without it."""


class RemoteInstruments(Instruments):
    """Instruments behind agents.

    Args:
        clients: one connection per node, by node name.
        ownership: the run's hold on them; given up when they are closed.
        about: what drives them, by node.
        ask: asks the coordinator.
        measure: measures how long corrections take on a memory link, if it never was; None on others' testbeds.
    """

    closing = "rest"

    def __init__(
        self,
        testbed: Testbed,
        clock: Clock,
        clients: Mapping[str, Client],
        ownership: Ownership,
        about: Mapping[str, Any],
        ask: Callable[[Message], Any],
        measure: Callable[[str], bool] | None = None,
    ) -> None:
        self.about, self._ask, self._measure = about, ask, measure
        self.clock, self.entries, self._clients = clock, testbed.instruments(), clients
        self._ownership = ownership
        self._pending: dict[tuple[str, int], Call] = {}
        self._last: dict[int, Ticket] = {}
        self._told: dict[str, int] = {}
        self._group = {name: number for number, group in enumerate(groups(self.entries)) for name in group}

    def ask_coordinator(self, message: Message) -> Any:
        """Ask the coordinator and return the value of its answer."""
        return self._ask(message)

    def measure_link(self, link: str) -> bool:
        return self._measure is not None and self._measure(link)

    def by_hand(self) -> list[dict[str, Any]]:
        """Ask the agents' logs. They keep their newest thousand events; older ones are in their audit logs only."""
        found = []
        for node, client in self._clients.items():
            with contextlib.suppress(BellringerError):  # a node that is gone ends the run, and is told then
                answer = client.request(Log(0, self._told.get(node, 0)), timeout_s=LOG_S)
                self._told[node] = answer["newest"]
                events = [each for each in answer["events"] if each["name"] == "by_hand"]
                found += [{"utc": each["utc"], **each["body"]} for each in events]
        ours = [each for each in found if each["run"] == self._ownership.run]
        return sorted(ours, key=lambda each: str(each["utc"]))

    def submit(self, name: str, verb: str, *args: Any, **keywords: Any) -> Call:
        """Send a call to the instrument's agent and return at once; a link that is down is the call's error."""
        if name not in self.entries:
            raise BellringerError(f"there is no instrument '{name}'", hint=nearest(name, self.entries))
        node, group = name.partition(".")[0], self._group[name]
        what = f"{name} {verb} {args[0] if args else ''}".strip()
        ticket = self.clock.register(what, host=node, after=self._last.get(group))
        call = Call(what, ticket)
        try:
            message = _message(name, verb, args, keywords, getattr(ticket, "number", ""), self._ownership.run)
            number = self._clients[node].send(message)
        except BellringerError as error:
            call.error = error
            self.clock.forget(ticket)
            return call
        self._last[group] = ticket
        self._pending[node, number] = call
        return call

    def _wait(self, calls: Sequence[Call]) -> None:
        """Wait for the answers; lab time, if there is one, goes on meanwhile."""
        waiting = {key for key, call in self._pending.items() if call in calls}
        if waiting:
            self.clock.wait_for([self._pending[key].ticket for key in waiting], meanwhile=self._take_in)
        for _ in range(AT_ONCE):
            if not waiting & self._pending.keys():
                return
            self._look_up()
        with self.clock.idle():  # its process waits for something else, which may need lab time: an e-stop's darkness
            while waiting & self._pending.keys():
                self._look_up()

    def _look_up(self) -> None:
        poller = zmq.Poller()
        for client in self._clients.values():
            poller.register(client.socket, zmq.POLLIN)
        poller.poll(LOOK_UP_MS)
        self._take_in()
        self.clock.check_aborted()

    def _take_in(self) -> None:
        for node, client in self._clients.items():
            while (answered := client.receive()) is not None:
                self._take(node, answered)

    def _take(self, node: str, answered: Answered) -> None:
        call = self._pending.pop((node, answered.id), None)
        if call is None:
            return  # of a wait that was aborted
        try:
            call.value = answered.value()
        except BellringerError as error:
            call.error = error
            self.clock.forget(call.ticket)  # refused before any driver process heard of it, or its process is gone

    def _release(self) -> None:
        self._ownership.close()
        for client in self._clients.values():
            client.close()


def _message(name: str, verb: str, args: Sequence[Any], keywords: Mapping[str, Any], ticket: str, run: str) -> Message:
    if verb == "get":
        return Get(0, name, args[0], 0, ticket=ticket)
    if verb == "set":
        return Set(0, name, args[0], args[1], 0, ticket=ticket, confirm=bool(keywords.get("confirm")), run=run)
    if verb == "call":
        return CallMessage(0, name, args[0], 0, tuple(args[1:]), dict(keywords), ticket=ticket, run=run)
    return Do(0, name, verb, 0, ticket=ticket, run=run)
