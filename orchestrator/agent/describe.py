"""What an instrument is, in plain values: its driver, what it can do, settings, readings, methods.

A client needs nothing else to offer an instrument to a person: no driver, no testbed file. Nothing is asked of the
instrument, so it may be asked while a call is running.
"""

import inspect
import re
from typing import Any

from ...drivers.interfaces import CAPABILITIES, Instrument, Reading, Setting
from ...testbed.testbed import InstrumentEntry

_MODULE = re.compile(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])")
"""What stands before a type's name in a signature."""


def described(name: str, instrument: Instrument, entry: InstrumentEntry) -> dict[str, Any]:
    """Return what a client is told of one instrument.

    ``limits`` are [low, high] in the setting's unit, the narrowest of hardware, testbed file and this unit's own (known
    once it was opened), and ``limited_by`` says whose they are. ``parts``: full names by role, for a composed one.
    """
    kind, node = type(instrument), name.partition(".")[0]
    declared = instrument.readings()
    return {
        "instrument": name,
        "driver": entry.driver,
        "model": kind.model_name,
        "verified": kind.verified,
        "doc": inspect.cleandoc(kind.__doc__ or ""),
        "capabilities": capabilities(kind),
        "parts": {role: f"{node}.{part}" for role, part in entry.parts.items()},
        "settings": [_setting(instrument, each) for each in declared.values() if isinstance(each, Setting)],
        "readings": [_value(each) for each in declared.values() if not isinstance(each, Setting)],
        "methods": described_methods(kind),
    }


def capabilities(driver: type[Instrument]) -> list[str]:
    """Return what a driver can do, by name; asked of the class, since asking an object would ask the instrument."""
    return [each.__name__ for each in CAPABILITIES if all(hasattr(driver, member) for member in _members(each))]


def _members(capability: type) -> list[str]:
    return [key for key in {*vars(capability), *inspect.get_annotations(capability)} if not key.startswith("_")]


def _value(reading: Reading) -> dict[str, Any]:
    return {"name": reading.name, "kind": reading.kind.__name__, "unit": reading.unit, "doc": reading.doc}


def _setting(instrument: Instrument, setting: Setting) -> dict[str, Any]:
    low, high, whose = instrument.limits_of(setting)
    limited = setting.kind in (int, float) and (low, high) != (float("-inf"), float("inf"))
    return {
        **_value(setting),
        "limits": [low, high] if limited else None,
        "limited_by": whose if limited else "",
        "choices": list(setting.choices),
        "emits": setting.emits,
    }


def methods(driver: type[Instrument]) -> list[str]:
    """Return the names that may be called from afar: the driver's own public methods, and ``safe_state``.

    What every driver has, ``close`` say, is for the agent that holds the object, and must know of it.
    """
    public = [name for name in dir(driver) if not name.startswith("_") and inspect.isroutine(getattr(driver, name))]
    return [name for name in public if name == "safe_state" or not hasattr(Instrument, name)]


def described_methods(driver: type[Instrument]) -> list[dict[str, str]]:
    """Return name, signature and docs of each of a driver's ``methods``."""
    docs = {name: inspect.getdoc(getattr(driver, name)) or "" for name in methods(driver)}
    return [{"name": name, "signature": _signature(driver, name), "doc": doc} for name, doc in docs.items()]


def _signature(driver: type[Instrument], name: str) -> str:
    whole = inspect.signature(getattr(driver, name))
    bound = isinstance(inspect.getattr_static(driver, name), (staticmethod, classmethod))
    parameters = list(whole.parameters.values())
    return _MODULE.sub("", str(whole.replace(parameters=parameters if bound else parameters[1:])))
