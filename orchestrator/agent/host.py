"""The host of instruments in this process: calls by name and verb, run in one thread per group of instruments.

This is the seam between a running sequence and the drivers. Instruments that share a port or belong to a composed one
form a group; a group's calls run one after the other, groups run side by side.
"""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...testbed.clock import Clock, Ticket
from ...testbed.errors import BellringerError, InstrumentError
from ...testbed.testbed import Testbed
from .desk import Desk, Endpoint, groups


class Call:
    """One call in flight."""

    def __init__(self, name: str, work: Callable[[], Any], ticket: Ticket) -> None:
        self.name, self.work, self.ticket = name, work, ticket
        self.value: Any = None
        self.error: BaseException | None = None


class _Group:
    """One thread that runs the calls of instruments that must not overlap."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.clock = clock
        self.last: Ticket | None = None
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"instruments {name}", daemon=True)
        self._thread.start()

    def submit(self, call: Call) -> None:
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


class InstrumentHost:
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

    # --- calls ------------------------------------------------------------------------------------------------

    def submit(self, name: str, verb: str, *args: Any, **keywords: Any) -> Call:
        """Hand a call to the instrument's thread and return at once; ``gather`` waits for it."""
        self._desk.find(name)  # a wrong name is an error here, not in the thread
        group = self._groups[name]
        what = f"{name} {verb} {args[0] if args else ''}".strip()
        call = Call(
            what,
            lambda: self._desk.do(name, verb, args, keywords),
            self.clock.register(what, host=name.partition(".")[0], after=group.last),
        )
        group.submit(call)
        return call

    def gather(self, calls: Sequence[Call]) -> list[Any]:
        """Wait for calls and return their values.

        Raises:
            BellringerError: a call failed; if several did, one error that lists them all.
        """
        self.clock.wait_for([call.ticket for call in calls])
        errors = [(call, call.error) for call in calls if call.error is not None]
        if len(errors) == 1:
            raise errors[0][1]
        if errors:
            raise InstrumentError(
                f"{len(errors)} of {len(calls)} calls failed",
                where="\n         ".join(
                    f"{call.name}: {error}".replace("\n", "\n           ") for call, error in errors
                ),
                hint="see each one above; the first is usually the cause",
            ) from errors[0][1]
        return [call.value for call in calls]

    def do(self, name: str, verb: str, *args: Any, **keywords: Any) -> Any:
        """Submit one call and wait for it."""
        return self.gather([self.submit(name, verb, *args, **keywords)])[0]

    # --- life -------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open and identify every instrument side by side, composed ones last; ``close`` also after a failure."""
        simple = [name for name, entry in self.entries.items() if not entry.parts]
        composed = [name for name, entry in self.entries.items() if entry.parts]
        self.gather([self.submit(name, "open") for name in simple])
        self.gather([self.submit(name, "open") for name in composed])

    def apply_settings(self) -> None:
        """Write the testbed file's settings to every instrument."""
        self.gather([self.submit(name, "apply") for name in self.entries])

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Return every declared value of every instrument."""
        calls = [self.submit(name, "snapshot") for name in self.entries]
        return dict(zip(self.entries, self.gather(calls)))

    def dark(self) -> list[BaseException]:
        """Bring every instrument to its safe state; return what failed instead of raising, so that all are tried."""
        calls = [self.submit(name, "safe_state") for name in self._composed_last()]
        return self._failures(calls)

    def close(self) -> list[BaseException]:
        """Close every instrument: dark, at rest, port released; return what failed."""
        failures = self._failures([self.submit(name, "close") for name in reversed(self._composed_last())])
        for group in set(self._groups.values()):
            group.stop()
        return failures

    def _composed_last(self) -> list[str]:
        return sorted(self.entries, key=lambda name: bool(self.entries[name].parts))

    def _failures(self, calls: Sequence[Call]) -> list[BaseException]:
        self.clock.wait_for([call.ticket for call in calls])
        return [call.error for call in calls if call.error is not None]
