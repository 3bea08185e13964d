"""The desk: driver objects by name, and the verbs others may use on them.

The only place where a driver object is held. Calls are synchronous and made by whoever owns the desk, one at a time for
instruments that share a port (``groups``): a thread of ``InstrumentHost``, or a driver process of a node's agent.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...drivers.check import resolve_limits, resolve_settings
from ...drivers.interfaces import Instrument, Setting
from ...drivers.registry import driver_class
from ...testbed.clock import Clock
from ...testbed.errors import BellringerError, InstrumentError, TransportError, TransportTimeout, nearest
from ...testbed.testbed import InstrumentEntry
from .describe import described, methods

VERBS = (
    "get",
    "set",
    "call",
    "open",
    "apply",
    "snapshot",
    "identity",
    "describe",
    "guard",
    "safe_state",
    "rest",
    "close",
)
ON_OPEN = frozenset({"get", "set", "call", "apply", "snapshot", "guard"})
"""Verbs for an instrument that is open."""


@dataclass(frozen=True)
class Endpoint:
    """Where an instrument really is: resource string and connection options that replace the testbed file's."""

    resource: str
    options: dict[str, Any] = field(default_factory=dict)


class Desk:
    """Drivers of some instruments of a testbed.

    Args:
        entries: the testbed's instruments by full name; settings, limits and rest state come from them.
        clock: given to every driver.
        endpoints: replacements for resource strings (a dry run's simulated instruments), by full name.
    """

    def __init__(self, entries: Mapping[str, InstrumentEntry], clock: Clock, endpoints: Mapping[str, Endpoint]) -> None:
        self.entries, self.clock = entries, clock
        self.instruments = _build(entries, clock, endpoints)
        self._lost: dict[str, TransportError] = {}
        """Instruments whose connection broke, and how; ``open`` makes a new one and identifies them again."""

    def do(self, name: str, verb: str, args: Sequence[Any] = (), keywords: Mapping[str, Any] | None = None) -> Any:
        """Carry out one verb on one instrument and return its value.

        Raises:
            BellringerError: no such instrument, verb, setting or method; or what the driver raises.
        """
        instrument = self.instruments.get(name) or self.find(name)
        if verb not in VERBS:
            raise BellringerError(f"there is no verb '{verb}'", where=name, hint=nearest(verb, VERBS))
        try:
            return self._do(name, instrument, verb, args, keywords or {})
        except TransportError as error:
            if (cause := self._cause(name, verb, error)) is error:
                raise
            raise cause from error

    def get(self, name: str, value: str) -> Any:
        """Return a setting or reading of an instrument, as ``do`` would: most calls are this, and it is short."""
        instrument = self.instruments.get(name)
        if instrument is None or not instrument.is_open or value not in _readings(type(instrument)):
            return self.do(name, "get", (value,))
        try:
            return getattr(instrument, value)
        except TransportError as error:
            if (cause := self._cause(name, "get", error)) is error:
                raise
            raise cause from error

    def _cause(self, name: str, verb: str, error: TransportError) -> TransportError:
        """Note that a connection broke; return what broke it, which tells more than that it is closed now."""
        # Silence on the way to the dark counts too: it may have been switched off and on.
        broke = verb == "safe_state" or not isinstance(error, TransportTimeout)
        return self._lost.setdefault(name, error) if broke and not self.entries[name].parts else error

    def _do(
        self, name: str, instrument: Instrument, verb: str, args: Sequence[Any], keywords: Mapping[str, Any]
    ) -> Any:
        if verb in ON_OPEN and not instrument.is_open:
            raise InstrumentError("it is not open", where=instrument.label, hint="open it first; a run does that")
        if verb == "get":
            return getattr(instrument, _declared(instrument, args[0]))
        if verb == "set":
            return self._set(name, instrument, *args, **keywords)
        if verb == "call":
            return _method(instrument, args[0], args[1:], keywords)()
        return getattr(self, f"_{verb}")(name, instrument)

    def find(self, name: str) -> Instrument:
        """Return the driver object of one instrument."""
        if name not in self.instruments:
            raise BellringerError(f"there is no instrument '{name}'", hint=nearest(name, self.instruments))
        return self.instruments[name]

    def _open(self, name: str, instrument: Instrument) -> str:
        if self._lost.pop(name, None) is not None:
            instrument.abandon()
        if not instrument.is_open:
            instrument.open()
        return str(instrument.identity)

    def _apply(self, name: str, instrument: Instrument) -> None:
        for setting, value in resolve_settings(self.entries[name], type(instrument)).items():
            setattr(instrument, setting, value)

    def _snapshot(self, name: str, instrument: Instrument) -> dict[str, Any]:
        return instrument.snapshot()

    def _identity(self, name: str, instrument: Instrument) -> str:
        return str(instrument.identity)

    def _describe(self, name: str, instrument: Instrument) -> dict[str, Any]:
        return described(name, instrument, self.entries[name])

    def _set(self, name: str, instrument: Instrument, setting: str, value: Any, *, confirm: bool = False) -> None:
        declared = _settings(type(instrument))[_declared(instrument, setting, settable=True)]
        if declared.emits and not confirm:
            usual = resolve_settings(self.entries[name], type(instrument)).get(setting, 0.0)
            declared.check_raise(instrument, value, usual)
        setattr(instrument, setting, value)

    def _guard(self, name: str, instrument: Instrument) -> None:
        instrument.check_guards()

    def _safe_state(self, name: str, instrument: Instrument) -> None:
        with self.clock.shielded():
            if instrument.is_open:
                instrument.safe_state()

    def _rest(self, name: str, instrument: Instrument) -> None:
        """Dark, then the settings under ``rest:``; the instrument stays open."""
        with self.clock.shielded():
            if instrument.is_open:
                instrument.safe_state()
                for setting, value in resolve_settings(self.entries[name], type(instrument), "rest").items():
                    setattr(instrument, setting, value)

    def _close(self, name: str, instrument: Instrument) -> None:
        with self.clock.shielded():
            try:
                self._rest(name, instrument)
            finally:
                if instrument.is_open:
                    instrument.close()


def _declared(instrument: Instrument, name: str, *, settable: bool = False) -> str:
    valid = _settings(type(instrument)) if settable else _readings(type(instrument))
    if name not in valid:
        what = f"{instrument.label} has no {'setting' if settable else 'setting or reading'} '{name}'"
        if name in _readings(type(instrument)):
            what = f"'{name}' of {instrument.label} is a reading and cannot be set"
        raise BellringerError(what, hint=nearest(name, valid))
    return name


@functools.cache  # a driver's declarations do not change, and to collect them takes longer than a short call
def _readings(driver: type[Instrument]) -> Mapping[str, object]:
    return driver.readings()


@functools.cache
def _settings(driver: type[Instrument]) -> Mapping[str, Setting]:
    return driver.settings()


def _method(instrument: Instrument, name: str, args: Sequence[Any], keywords: Mapping[str, Any]) -> Callable[[], Any]:
    """Return a method with its arguments; by-name calls reach what others are told of, and nothing else."""
    known = methods(type(instrument))
    if name not in known:
        hint = nearest(name, known)
        if name in _readings(type(instrument)):
            hint = "it is a setting or reading, no method: bellringer get, or set"
        raise BellringerError(f"{instrument.label} has no method '{name}'", hint=hint)
    method: Callable[..., Any] = getattr(instrument, name)
    signature = inspect.signature(method)
    try:
        signature.bind(*args, **keywords)
    except TypeError as error:
        raise BellringerError(
            f"'{name}' of {instrument.label} cannot be called like this: {error}", hint=f"it is {name}{signature}"
        ) from error
    return functools.partial(method, *args, **keywords)


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


def groups(entries: Mapping[str, InstrumentEntry]) -> list[set[str]]:
    """Return sets of instruments that must not be spoken to at the same time."""
    found: list[set[str]] = []
    for name, entry in entries.items():
        node = name.partition(".")[0]
        together = {name, *(f"{node}.{part}" for part in entry.parts.values())}
        together |= {other for other, body in entries.items() if entry.resource and body.resource == entry.resource}
        touching = [group for group in found if group & together]
        found = [group for group in found if not group & together] + [together.union(*touching)]
    return found
