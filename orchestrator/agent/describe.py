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
        "methods": _methods(instrument),
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


def _methods(instrument: Instrument) -> list[dict[str, str]]:
    """Return the public methods: the driver's own, and ``safe_state``."""
    kind = type(instrument)
    names = [name for name in dir(kind) if not name.startswith("_") and inspect.isroutine(getattr(kind, name))]
    return [
        {
            "name": name,
            "signature": _MODULE.sub("", str(inspect.signature(getattr(instrument, name)))),
            "doc": inspect.getdoc(getattr(kind, name)) or "",
        }
        for name in names
        if name == "safe_state" or not hasattr(Instrument, name)
    ]
