"""The host of a node's instruments: every driver in one thread of its own group, reached by name and plain values.

This is the seam between a running sequence and the drivers. Callers know instruments by name and verbs (``get``,
``set``, ``call``, ``snapshot``, ``safe_state``); no driver object leaves this module. Instruments that share a port
or belong to a composed one form a group; a group's calls run one after the other, groups run side by side.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...drivers.check import resolve_limits, resolve_settings
from ...drivers.interfaces import Instrument
from ...drivers.registry import driver_class
from ...testbed.clock import Clock, Ticket
from ...testbed.errors import BellringerError, InstrumentError, nearest
from ...testbed.testbed import InstrumentEntry, Testbed


@dataclass(frozen=True)
class Endpoint:
    """Where an instrument really is: resource string and connection options that replace the testbed file's."""

    resource: str
    options: dict[str, Any] = field(default_factory=dict)


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
        self.instruments = _build(self.entries, clock, endpoints or {})
        self._groups: dict[str, _Group] = {}
        for number, members in enumerate(_groups(self.entries)):
            group = _Group(str(number), clock)
            self._groups.update(dict.fromkeys(members, group))

    # --- calls ------------------------------------------------------------------------------------------------

    def submit(self, name: str, verb: str, *args: Any, **keywords: Any) -> Call:
        """Hand a call to the instrument's thread and return at once; ``gather`` waits for it."""
        instrument = self._find(name)
        work = {
            "get": lambda: getattr(instrument, self._declared(instrument, args[0])),
            "set": lambda: setattr(instrument, self._declared(instrument, args[0]), args[1]),
            "call": lambda: self._method(instrument, args[0])(*args[1:], **keywords),
            "open": lambda: self._open(name, instrument),
            "apply": lambda: self._apply(name, instrument),
            "snapshot": instrument.snapshot,
            "identity": lambda: instrument.identity,
            "safe_state": lambda: self._shielded(instrument.safe_state if instrument.is_open else lambda: None),
            "close": lambda: self._shielded(lambda: self._close(name, instrument)),
        }[verb]
        group = self._groups[name]
        what = f"{name} {verb} {args[0] if args else ''}".strip()
        call = Call(what, work, self.clock.register(what, host=name.partition(".")[0], after=group.last))
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

    # --- what runs in an instrument's thread ------------------------------------------------------------------

    def _open(self, name: str, instrument: Instrument) -> str:
        instrument.open()
        return str(instrument.identity)

    def _apply(self, name: str, instrument: Instrument) -> None:
        for setting, value in resolve_settings(self.entries[name], type(instrument)).items():
            setattr(instrument, setting, value)

    def _close(self, name: str, instrument: Instrument) -> None:
        if not instrument.is_open:
            return
        try:
            instrument.safe_state()
            for setting, value in resolve_settings(self.entries[name], type(instrument), "rest").items():
                setattr(instrument, setting, value)
        finally:
            instrument.close()

    def _shielded(self, work: Callable[[], Any]) -> Any:
        with self.clock.shielded():
            return work()

    def _find(self, name: str) -> Instrument:
        if name not in self.instruments:
            raise BellringerError(f"there is no instrument '{name}'", hint=nearest(name, self.instruments))
        return self.instruments[name]

    @staticmethod
    def _declared(instrument: Instrument, name: str) -> str:
        if name not in instrument.readings():
            raise BellringerError(
                f"{instrument.label} has no setting or reading '{name}'", hint=nearest(name, instrument.readings())
            )
        return name

    @staticmethod
    def _method(instrument: Instrument, name: str) -> Callable[..., Any]:
        """Return a public method; by-name calls reach nothing private."""
        method = None if name.startswith("_") else getattr(type(instrument), name, None)
        if not callable(method):
            public = [
                key
                for key in dir(type(instrument))
                if not key.startswith("_") and callable(getattr(type(instrument), key))
            ]
            raise BellringerError(f"{instrument.label} has no method '{name}'", hint=nearest(name, public))
        return getattr(instrument, name)  # type: ignore[no-any-return]


def _build(
    entries: Mapping[str, InstrumentEntry], clock: Clock, endpoints: Mapping[str, Endpoint]
) -> dict[str, Instrument]:
    """Make every driver object; touches no hardware."""
    instruments: dict[str, Instrument] = {}
    for name, entry in sorted(entries.items(), key=lambda item: bool(item[1].parts)):
        driver = driver_class(entry.driver)
        endpoint = endpoints.get(name, Endpoint(entry.resource))
        options = {**entry.options, **endpoint.options}
        if entry.parts:
            node = name.partition(".")[0]
            options["parts"] = {role: instruments[f"{node}.{part}"] for role, part in entry.parts.items()}
        instruments[name] = driver(
            endpoint.resource,
            name=name,
            clock=clock,
            limits=resolve_limits(entry, driver),
            serial_number=entry.serial_number,
            **options,
        )
    return {name: instruments[name] for name in entries}


def _groups(entries: Mapping[str, InstrumentEntry]) -> Iterable[set[str]]:
    """Return sets of instruments that must not be spoken to at the same time."""
    groups: list[set[str]] = []
    for name, entry in entries.items():
        node = name.partition(".")[0]
        together = {name, *(f"{node}.{part}" for part in entry.parts.values())}
        together |= {other for other, body in entries.items() if entry.resource and body.resource == entry.resource}
        touching = [group for group in groups if group & together]
        groups = [group for group in groups if not group & together] + [together.union(*touching)]
    return groups
