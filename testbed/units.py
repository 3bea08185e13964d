"""Quantities in text ("12.5 mW") to plain floats in a named unit, and back.

Units live at the edge: inside, values are floats in the unit their name or declaration states. ``dB`` is kept as a
plain loss unit here (not a logarithm that multiplies), because fibre data sheets say ``dB/km``.
Temperatures are in degrees Celsius and angles in degrees, as the instruments' own front panels have them.
"""

import functools
import math
import re
from typing import Annotated, Any

import pint
from pydantic import BeforeValidator, WithJsonSchema

from .errors import QuantityError

_TEXT = re.compile(r"^\s*([-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*$")


@functools.cache
def _registry() -> pint.UnitRegistry[Any]:
    registry: pint.UnitRegistry[Any] = pint.UnitRegistry(cache_folder=None)
    registry.define("loss_dB = [optical_loss]")
    registry.define("pair = [pair_count]")
    registry.define("photon_count = [] = photons")
    return registry


@functools.cache
def _unit(text: str) -> Any:
    """Return the pint unit of ``text``; ``/s`` alone and ``photons/s`` and ``cps`` are rates in hertz."""
    cleaned = re.sub(r"\bdB\b", "loss_dB", text.replace("µ", "u").replace("°C", "degC").replace("°", "deg").replace("%", "percent"))
    cleaned = re.sub(r"\bpairs\b", "pair", re.sub(r"\b(counts|photons|tags)\b", "1", re.sub(r"\bcps\b", "Hz", cleaned)))
    cleaned = re.sub(r"^\s*/", "1/", cleaned)
    cleaned = re.sub(r"(\w+)/\(([^()]+)\)", lambda m: f"{m[1]}/({m[2].replace(' ', '*')})", cleaned)
    return _registry().Unit(cleaned) if cleaned not in ("", "1") else _registry().Unit("dimensionless")


def parse(value: object, unit: str, *, name: str = "value") -> float:
    """Return ``value`` as a float in ``unit``; text must carry a unit unless ``unit`` is empty.

    Raises:
        QuantityError: no unit, a unit of another kind, or no finite number.
    """
    example = f"write it with its unit, for example \"1 {unit}\"" if unit else "write a plain number"
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise QuantityError(f"{name} is {value!r}, not a quantity", hint=example)
    if isinstance(value, (int, float)):
        if unit:
            raise QuantityError(f"{name} is {value!r}: a number without a unit", hint=f"write \"{value} {unit}\", or the unit you mean")
        number, given = float(value), ""
    else:
        match = _TEXT.match(value)
        if match is None:
            raise QuantityError(f"{name} is {value!r}, not a number with a unit", hint=example)
        number, given = float(match[1]), match[2]
    if not math.isfinite(number):
        raise QuantityError(f"{name} is {value!r}, not a finite number", hint=example)
    if unit and not given:
        raise QuantityError(f"{name} is {value!r}: a number without a unit", hint=f"write \"{value} {unit}\", or the unit you mean")
    if given == unit:
        return number
    return _convert(number, given, unit, value, name, example)


def _convert(number: float, given: str, unit: str, value: object, name: str, example: str) -> float:
    try:
        result = float(_registry().Quantity(number, _unit(given)).to(_unit(unit)).magnitude)
    except pint.errors.DimensionalityError:
        raise QuantityError(f"{name} is {value!r}: not a quantity in {unit or 'plain numbers'}", hint=example) from None
    except Exception as error:  # pint raises many kinds for text it cannot read
        raise QuantityError(f"{name} is {value!r}: unknown unit '{given}'", hint=example) from error
    # A round trip through base units leaves 1e-16 relative noise; drop it so that files and bytes stay tidy.
    return float(f"{result:.15g}")


def text(value: float, unit: str) -> str:
    """Return ``value`` with its unit, readable by ``parse`` (``text(0.0125, "W")`` is ``"0.0125 W"``)."""
    return f"{value:.12g} {unit}".strip()


def quantity(unit: str, *, minimum: float | None = None, maximum: float | None = None, example: str = "") -> Any:
    """Return the type of a pydantic field that holds a float in ``unit`` and is written as text with a unit."""

    def check(value: object) -> float:
        number = parse(value, unit)
        low = -math.inf if minimum is None else minimum
        high = math.inf if maximum is None else maximum
        if not low <= number <= high:
            raise QuantityError(f"{value!r} is outside {low:g} to {high:g} {unit}", hint="put it inside that range")
        return number

    schema = {"type": "string", "description": f"a quantity in {unit} or any unit of that kind", "examples": [example or f"1 {unit}"]}
    if not unit:
        schema = {"type": "number"}
    return Annotated[float, BeforeValidator(check), WithJsonSchema(schema)]
