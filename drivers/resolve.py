"""Settings and limits of a testbed file, in the units their driver declares.

Names and units are checked here, limits are not: ``Setting.check`` does that, before any I/O.
"""

import math
from typing import Any

from ..testbed.errors import BellringerError, nearest
from ..testbed.testbed import InstrumentEntry, Limits
from ..testbed.units import parse
from .interfaces import Instrument, Setting


def resolve_settings(entry: InstrumentEntry, driver: type[Instrument], block: str = "settings") -> dict[str, Any]:
    """Return the values of ``settings:`` (or of the block ``rest:``) in their declared units, ready to be assigned.

    Raises:
        BellringerError: no such setting, or a value of another kind; limits are not looked at.
    """
    return {name: declared(driver, name).from_text(value, name) for name, value in getattr(entry, block).items()}


def resolve_limits(entry: InstrumentEntry, driver: type[Instrument]) -> dict[str, tuple[float, float]]:
    """Return the (low, high) of every setting that ``limits:`` names, in its unit; an open side is the hardware's.

    Raises:
        BellringerError: no such setting, or a bound of another kind.
    """
    return {name: limit(declared(driver, name), limits) for name, limits in entry.limits.items()}


def declared(driver: type[Instrument], name: str) -> Setting:
    """Return the declared setting called ``name``."""
    settings = driver.settings()
    if name in settings:
        return settings[name]
    what = f"'{name}' is no setting of {driver.model_name}"
    if name in driver.readings():
        what = f"'{name}' is a reading of {driver.model_name} and cannot be set"
    raise BellringerError(what, hint=nearest(name, settings))


def limit(setting: Setting, limits: Limits) -> tuple[float, float]:
    """Return one limit as (low, high) in the setting's unit."""
    if setting.kind not in (int, float):
        raise BellringerError(f"{setting.name} is no number and has no limits", hint="remove this limit")
    low, high = setting.limits or (-math.inf, math.inf)
    within = (low, high)
    low = low if limits.min is None else parse(limits.min, setting.unit, name="min", within=within)
    high = high if limits.max is None else parse(limits.max, setting.unit, name="max", within=within)
    return low, high
