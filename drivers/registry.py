"""Drivers by name. A driver module is imported only when one of its instruments is opened.

Drivers of other packages register under the entry-point group ``bellringer.drivers`` (``name = package.module:Class``);
a built-in name cannot be taken over.
"""

import hashlib
import importlib
import inspect
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from ..testbed.clock import Clock
from ..testbed.errors import BellringerError, nearest
from .interfaces import Instrument

BUILT_IN = {
    "attempt_core": "timing.attempt_core:AttemptCore",
    "cobolt_06": "lasers.cobolt:Cobolt06",
    "elliptec_ell14": "optics.elliptec:ElliptecEll14",
    "id900": "time_taggers.id900:Id900",
    "pair_source": "composites.pair_source:ComposedPairSource",
    "pulse_streamer": "timing.pulse_streamer:PulseStreamer",
    "tc200": "optics.tc200:Tc200",
    "websq": "detectors.websq:WebSq",
}


def names() -> list[str]:
    """Return every driver name that can be used in a testbed file."""
    return sorted({*BUILT_IN, *(point.name for point in entry_points(group="bellringer.drivers"))})


def driver_class(name: str) -> type[Instrument]:
    """Return the driver called ``name``.

    Raises:
        BellringerError: no such driver.
    """
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        found: type[Instrument] = getattr(importlib.import_module(f"{__package__}.{module}"), attribute)
        return found
    for point in entry_points(group="bellringer.drivers"):
        if point.name == name:
            return point.load()  # type: ignore[no-any-return]
    raise BellringerError(f"there is no driver '{name}'", hint=nearest(name, names()))


def source_digest(name: str) -> str:
    """Return 16 hex digits of the file a driver is in, as it is now: another text gives others."""
    file = inspect.getsourcefile(driver_class(name))
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16] if file else ""


def options_of(driver: type[Instrument]) -> dict[str, inspect.Parameter]:
    """Return the connection options of a driver (bus address, further ports) by name."""
    common = inspect.signature(Instrument.__init__).parameters
    own = inspect.signature(driver.__init__).parameters
    return {
        name: parameter
        for name, parameter in own.items()
        if name not in common and parameter.kind == parameter.KEYWORD_ONLY
    }


def open_instrument(
    driver_name: str, resource: str, *, clock: Clock | None = None, name: str = "", **settings: Any
) -> Instrument:
    """Return the instrument at ``resource``, opened and identified.

    ``settings`` are the driver's connection options (``address``, ``counts_port``, ``serial_number``, ...) and
    declared settings in their declared unit; the latter are applied after opening.

    Raises:
        BellringerError: unknown driver or setting, nobody there, wrong instrument, or a setting out of limits.

    Example:
        >>> laser = open_instrument("cobolt_06", "socket://127.0.0.1:5000", power=0.010)  # doctest: +SKIP
    """
    driver = driver_class(driver_name)
    options = {*options_of(driver), "serial_number", "limits"}
    declared = driver.settings()
    for key in settings:
        if key not in options and key not in declared:
            raise BellringerError(f"{driver_name} has no setting '{key}'", hint=nearest(key, {*options, *declared}))
    instrument = driver(
        resource, name=name, clock=clock, **{key: value for key, value in settings.items() if key in options}
    )
    for key, value in settings.items():
        if key in declared:
            declared[key].check(instrument, value)
    instrument.open()
    try:
        for key, value in settings.items():
            if key in declared:
                setattr(instrument, key, value)
    except BaseException:
        instrument.close()
        raise
    return instrument
