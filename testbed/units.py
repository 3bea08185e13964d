"""Quantities in text ("12.5 mW") to plain floats in a named unit, and back.

Units live at the edge: inside, values are floats in the unit their name or declaration states. ``dB`` is kept as a
plain loss unit here (not a logarithm that multiplies), because fibre data sheets say ``dB/km``.
Temperatures are in degrees Celsius and angles in degrees, as the instruments' own front panels have them.
"""

import functools
import math
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from annotated_types import GroupedMetadata
from pydantic import BeforeValidator, ValidationInfo, WithJsonSchema

from .errors import QuantityError
from .unit_scale import ratio, scaled

if TYPE_CHECKING:
    import pint

_TEXT = re.compile(r"^\s*([-+]?(?:\d+(?:_\d+)*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*$")
_THERMOMETERS = ("degree_Celsius", "degree_Fahrenheit")


@functools.cache
def _registry() -> "pint.UnitRegistry[Any]":
    import pint  # a fifth of a second with its table, and rarely needed

    registry: pint.UnitRegistry[Any] = pint.UnitRegistry(cache_folder=None)
    registry.define("loss_dB = [optical_loss]")
    registry.define("pair = [pair_count]")
    registry.define("photon_count = [] = photons")
    return registry


@functools.cache
def _unit(text: str) -> Any:
    """Return the pint unit of ``text``; ``/s`` alone and ``photons/s`` and ``cps`` are rates in hertz."""
    cleaned = text.replace("µ", "u").replace("°C", "degC").replace("°", "deg").replace("%", "percent")
    cleaned = re.sub(r"\bdB\b", "loss_dB", cleaned)
    cleaned = re.sub(r"\bpairs\b", "pair", re.sub(r"\b(counts|photons|tags)\b", "1", re.sub(r"\bcps\b", "Hz", cleaned)))
    cleaned = re.sub(r"^\s*/", "1/", cleaned)
    cleaned = re.sub(r"(\w+)/\(([^()]+)\)", lambda m: f"{m[1]}/({m[2].replace(' ', '*')})", cleaned)
    return _registry().Unit(cleaned) if cleaned not in ("", "1") else _registry().Unit("dimensionless")


ANY = (-math.inf, math.inf)


def parse(
    value: object, unit: str, *, name: str = "value", example: str = "", within: tuple[float, float] = ANY
) -> float:
    """Return ``value`` as a float in ``unit``; text must carry a unit unless ``unit`` is empty.

    ``name``, ``example`` (text with a unit) and ``within`` (low, high in ``unit``) are for messages: none proposes a
    value outside. Whether the value itself is inside, the caller checks.

    Raises:
        QuantityError: no unit, a unit of another kind, or no finite number.
    """
    if unit:
        example = f'write it with its unit, for example "{example or _example(unit, within)}"'
    else:
        example = "write a plain number"
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise QuantityError(f"{name} is {value!r}, not a quantity", hint=example)
    if isinstance(value, (int, float)):
        number, given = _float(value), ""
    else:
        match = _TEXT.match(value)
        if match is None:
            raise QuantityError(f"{name} is {value!r}, not a number with a unit", hint=example)
        number, given = float(match[1]), match[2]
    if not math.isfinite(number):
        raise QuantityError(f"{name} is {value!r}, not a finite number", hint=example)
    if unit and not given:
        fitting = _fitting(number, unit, within)
        wanted = f'"{fitting}", or the unit you mean' if fitting else f"its unit too; allowed: {_range(*within, unit)}"
        raise QuantityError(f"{name} is {value!r}: a number without a unit", hint=f"write {wanted}")
    result = number if given == unit else _convert(number, given, unit, value, name, example)
    if not math.isfinite(result):
        raise QuantityError(f"{name} is {value!r}, too large a number in {unit}", hint=example)
    return result


def _fitting(number: float, unit: str, within: tuple[float, float]) -> str:
    """Return ``number`` in ``unit``, or in the multiple of it nearest to it, as lies ``within``; "" if none does."""
    for prefix in ("", "m", "k", "u", "M", "n", "G", "p", "T", "f"):
        factor = ratio(prefix + unit, unit) if prefix else Fraction(1)
        if factor is not None and within[0] <= scaled(number, factor) <= within[1]:
            return text(number, prefix + unit)
    return ""


def _example(unit: str, within: tuple[float, float]) -> str:
    """Return some quantity in ``unit`` that lies ``within``."""
    return _fitting(1.0, unit, within) or text(within[0] if within[0] > -math.inf else within[1], unit)


def _float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return math.inf


def _convert(number: float, given: str, unit: str, value: object, name: str, example: str) -> float:
    factor = ratio(given, unit)
    if factor is not None:
        result = scaled(number, factor)
    else:
        result = _convert_by_pint(number, given, unit, value, name, example)
    # A round trip through base units leaves 1e-16 relative noise; drop it so that files and bytes stay tidy.
    return float(f"{result:.15g}")


def _convert_by_pint(number: float, given: str, unit: str, value: object, name: str, example: str) -> float:
    from pint.errors import DimensionalityError

    try:
        if (
            unit == "K" and str(_unit(given)) in _THERMOMETERS
        ):  # every quantity in K here is a difference: 4 degC is not 277 K
            raise QuantityError(
                f"{name} is {value!r}: a temperature difference in K is wanted", hint=f'write "{number:g} K"'
            )
        return float(_registry().Quantity(number, _unit(given)).to(_unit(unit)).magnitude)
    except QuantityError:
        raise
    except DimensionalityError:
        raise QuantityError(f"{name} is {value!r}: not a quantity in {unit or 'plain numbers'}", hint=example) from None
    except Exception as error:  # pint raises many kinds for text it cannot read
        raise QuantityError(f"{name} is {value!r}: unknown unit '{given}'", hint=example) from error


def from_text(
    value: object,
    kind: type,
    unit: str,
    choices: Sequence[str] = (),
    *,
    name: str = "value",
    within: tuple[float, float] = ANY,
) -> Any:
    """Return what a person wrote for a value of ``kind`` (float, int, bool, str) as that kind, in ``unit``.

    ``name`` and ``within`` are for messages, as in ``parse``.

    Raises:
        QuantityError: it is no such value; for text: none of ``choices``, if there are any.
    """
    if kind is bool:
        spelled = {"true": True, "on": True, "false": False, "off": False}
        if isinstance(value, bool):
            return value
        if str(value).lower() in spelled:
            return spelled[str(value).lower()]
        raise QuantityError(f"{name} is {value!r}, not true or false", hint="write true or false")
    if kind is str:
        if not isinstance(value, str) or (choices and value not in choices):
            valid = ", ".join(choices) or "any text"
            raise QuantityError(f"{name} is {value!r}, which it cannot be", hint=f"valid: {valid}")
        return value
    number = parse(value, unit, name=name, within=within)
    if kind is int and not number.is_integer():
        raise QuantityError(f"{name} is {value!r}, not a whole number", hint="round it")
    return kind(number)


def text(value: float, unit: str) -> str:
    """Return ``value`` with its unit, readable by ``parse`` (``text(0.0125, "W")`` is ``"0.0125 W"``)."""
    return f"{value:.12g} {unit}".strip()


def _range(low: float, high: float, unit: str) -> str:
    if (low, high) == ANY:
        return "any"
    if high == math.inf:
        return f"its range from {text(low, unit)} up"
    if low == -math.inf:
        return f"its range up to {text(high, unit)}"
    return f"{low:.12g} to {text(high, unit)}"


class _Quantity(GroupedMetadata):
    """What pydantic does with a quantity: text with a unit in, a float in that unit out."""

    def __init__(self, unit: str, low: float, high: float, example: str) -> None:
        self.unit, self.low, self.high, self.example = unit, low, high, example

    def __iter__(self) -> Iterator[object]:
        yield BeforeValidator(self._check)
        yield WithJsonSchema(self._schema())

    def _check(self, value: object, info: ValidationInfo) -> float:
        name = info.field_name or "value"
        number = parse(value, self.unit, name=name, example=self.example, within=(self.low, self.high))
        if not self.low <= number <= self.high:
            allowed = _range(self.low, self.high, self.unit)
            raise QuantityError(f"{name} is {value!r}, outside {allowed}", hint="put it inside that range")
        return number

    def _schema(self) -> dict[str, Any]:
        if not self.unit:
            return {"type": ["number", "string"], "examples": [self.example or "1"]}
        return {
            "type": "string",
            "description": f"a quantity in {self.unit} or any unit of that kind",
            "examples": [self.example or f"1 {self.unit}"],
            "x-unit": self.unit,
        }


def quantity(unit: str, *, minimum: float = -math.inf, maximum: float = math.inf, example: str = "") -> object:
    """Return the mark of a pydantic field that is a float in ``unit`` and is written as text with a unit.

    ``power: Annotated[float, quantity("W", minimum=0, example="10 mW")]``; limits are inclusive and in ``unit``.
    """
    return _Quantity(unit, minimum, maximum, example)
