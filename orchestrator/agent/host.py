"""The host of instruments in this process: calls by name and verb, run in one thread per group of instruments.

This is the seam between a running sequence and the drivers. Instruments that share a port or belong to a composed one
form a group; a group's calls run one after the other, groups run side by side.
"""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...testbed.clock import Clock, Ticket
from ...testbed.errors import BellringerError
from ...testbed.testbed import Testbed
from .calls import Call, Instruments
from .desk import Desk, Endpoint, groups


class _LocalCall(Call):
    """A call with the work that carries it out."""

    def __init__(self, name: str, ticket: Ticket, work: Callable[[], Any]) -> None:
        super().__init__(name, ticket)
        self.work = work


class _Group:
    """One thread that runs the calls of instruments that must not overlap."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.clock = clock
        self.last: Ticket | None = None
        self._calls: queue.SimpleQueue[_LocalCall | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"instruments {name}", daemon=True)
        self._thread.start()

    def submit(self, call: _LocalCall) -> None:
        self.last = call.ticket
        self._calls.put(call)

    def stop(self) -> None:
        self._calls.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                with self.clock.running(call.ticket):
                    try:
                        call.value = call.work()
                    except Exception as error:  # handed to whoever gathers the call
                        call.error = error
            except BellringerError as error:  # the simulated lab itself has gone
                call.error = call.error or error


class InstrumentHost(Instruments):
    """All instruments of a testbed that this process drives.

    Args:
        testbed: the lab; every instrument's driver, settings, limits and rest state come from it.
        clock: given to every driver.
        endpoints: replacements for resource strings (a dry run's simulated instruments), by full name.
    """

    def __init__(self, testbed: Testbed, clock: Clock, endpoints: Mapping[str, Endpoint] | None = None) -> None:
        self.clock = clock
        self.entries = testbed.instruments()
        self._desk = Desk(self.entries, clock, endpoints or {})
        self._groups: dict[str, _Group] = {}
        for number, members in enumerate(groups(self.entries)):
            group = _Group(str(number), clock)
            self._groups.update(dict.fromkeys(members, group))
        self._released = False

    # --- calls ------------------------------------------------------------------------------------------------

    def submit(self, name: str, verb: str, *args: Any, **keywords: Any) -> Call:
        """Hand a call to the instrument's thread and return at once; ``gather`` waits for it."""
        self._desk.find(name)  # a wrong name is an error here, not in the thread
        if self._released:
            raise BellringerError("the instruments are closed", where=name, hint="make a new host to open them again")
        group = self._groups[name]
        what = f"{name} {verb} {args[0] if args else ''}".strip()
        ticket = self.clock.register(what, host=name.partition(".")[0], after=group.last)
        call = _LocalCall(what, ticket, lambda: self._desk.do(name, verb, args, keywords))
        group.submit(call)
        return call

    def _wait(self, calls: Sequence[Call]) -> None:
        self.clock.wait_for([call.ticket for call in calls])

    def _release(self) -> None:
        self._released = True
        for group in set(self._groups.values()):
            group.stop()
