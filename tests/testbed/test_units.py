"""Quantities: text with a unit to floats and back, and the texts that are refused."""

import math
from typing import Annotated

import pytest
from bellringer.testbed.errors import QuantityError
from bellringer.testbed.units import parse, quantity, text
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

UNITS = [
    "W",
    "Hz",
    "s",
    "A",
    "V",
    "m",
    "deg",
    "deg/s",
    "degC",
    "K",
    "dB",
    "dB/m",
    "s/m**2",
    "s/m**3",
    "pair/s/W",
    "%",
    "",
]
NUMBERS = st.floats(min_value=-1e15, max_value=1e15).filter(lambda x: x == 0 or abs(x) > 1e-15)


@settings(deadline=None)
@given(NUMBERS, st.sampled_from(UNITS))
def test_text_and_back_keeps_twelve_digits(value: float, unit: str) -> None:
    assert parse(text(value, unit), unit) == pytest.approx(value, rel=1e-11, abs=0)


@settings(deadline=None)
@given(
    NUMBERS, st.sampled_from([("m", 1e-3), ("u", 1e-6), ("n", 1e-9), ("p", 1e-12), ("k", 1e3), ("M", 1e6), ("G", 1e9)])
)
def test_prefixes_scale(value: float, prefix: tuple[str, float]) -> None:
    assert parse(f"{value!r} {prefix[0]}W", "W") == pytest.approx(value * prefix[1], rel=1e-14, abs=0)


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_plain_number_is_itself(value: float) -> None:
    assert parse(value, "") == value
    assert parse(repr(value), "") == value


def _outcome(words: str, unit: str) -> float | str:
    """Return the number, or the hint of the refusal."""
    try:
        return parse(words, unit)
    except QuantityError as error:
        return error.hint


@settings(deadline=None)
@given(st.text(max_size=20), st.sampled_from(UNITS))
def test_any_text_is_a_finite_number_or_refused_with_a_hint(words: str, unit: str) -> None:
    found = _outcome(words, unit)
    assert found if isinstance(found, str) else math.isfinite(found)


@settings(deadline=None)
@given(NUMBERS, st.text(max_size=6), st.sampled_from(UNITS))
def test_any_number_with_any_unit_is_finite_or_refused_with_a_hint(number: float, given_unit: str, unit: str) -> None:
    found = _outcome(f"{number!r} {given_unit}", unit)
    assert found if isinstance(found, str) else math.isfinite(found)


@pytest.mark.parametrize(
    ("words", "unit", "value"),
    [
        ("12.5 mW", "W", 0.0125),
        ("12.5mW", "W", 0.0125),
        (" 12.5  mW ", "W", 0.0125),
        ("1_000 mW", "W", 1.0),
        ("+.5 W", "W", 0.5),
        ("1e-3 W", "W", 1e-3),
        ("20 µA", "A", 20e-6),
        ("20 μA", "A", 20e-6),
        ("45 °C", "degC", 45.0),
        ("318.15 K", "degC", 45.0),
        ("22.5°", "deg", 22.5),
        ("430 deg/s", "deg/s", 430.0),
        ("1.5e5 pairs/s/mW", "pair/s/W", 1.5e8),
        ("0.2 dB/km", "dB/m", 2e-4),
        ("17 ps/(nm km)", "s/m**2", 17e-6),
        ("0.058 ps/(nm^2 km)", "s/m**3", 58.0),
        ("100 cps", "Hz", 100.0),
        ("100 counts/s", "Hz", 100.0),
        ("100 /s", "Hz", 100.0),
        ("0.4 ppm", "", 4e-7),
        ("80 %", "", 0.8),
        ("60 %", "%", 60.0),
    ],
)
def test_what_people_write_is_understood(words: str, unit: str, value: float) -> None:
    assert parse(words, unit) == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(
    ("value", "unit", "what", "hint"),
    [
        ("12.5", "W", "a number without a unit", 'write "12.5 W"'),
        (12.5, "W", "a number without a unit", 'write "12.5 W"'),
        (True, "W", "not a quantity", 'for example "1 W"'),
        (True, "", "not a quantity", "plain number"),
        (None, "W", "not a quantity", 'for example "1 W"'),
        ([1], "W", "not a quantity", 'for example "1 W"'),
        ("5 km", "W", "not a quantity in W", 'for example "1 W"'),
        ("5 W", "", "not a quantity in plain numbers", "plain number"),
        ("5 W m", "W", "not a quantity in W", 'for example "1 W"'),
        ("5 mw", "W", "unknown unit 'mw'", 'for example "1 W"'),
        ("5 W or so", "W", "unknown unit 'W or so'", 'for example "1 W"'),
        ("10 20 mW", "W", "unknown unit '20 mW'", 'for example "1 W"'),
        ("1,5 mW", "W", "unknown unit ',5 mW'", 'for example "1 W"'),
        ("1__0 W", "W", "unknown unit", 'for example "1 W"'),
        ("0x10 W", "W", "unknown unit", 'for example "1 W"'),
        ("ten mW", "W", "not a number with a unit", 'for example "1 W"'),
        ("mW", "W", "not a number with a unit", 'for example "1 W"'),
        ("", "W", "not a number with a unit", 'for example "1 W"'),
        ("nan W", "W", "not a number with a unit", 'for example "1 W"'),
        ("inf W", "W", "not a number with a unit", 'for example "1 W"'),
        ("1e999 W", "W", "not a finite number", 'for example "1 W"'),
        ("1e308 km", "m", "too large a number in m", 'for example "1 m"'),
        (math.inf, "", "not a finite number", "plain number"),
        (math.nan, "", "not a finite number", "plain number"),
        (10**400, "", "not a finite number", "plain number"),
        ("4 degC", "K", "a temperature difference in K", 'write "4 K"'),
        ("4 °C", "K", "a temperature difference in K", 'write "4 K"'),
    ],
)
def test_refused_with_a_reason_and_a_hint(value: object, unit: str, what: str, hint: str) -> None:
    with pytest.raises(QuantityError) as caught:
        parse(value, unit, name="power")
    assert caught.value.what.startswith("power is ")
    assert what in caught.value.what
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("value", "unit", "within", "hint"),
    [
        (10, "W", (0.0, 0.05), 'write "10 mW", or the unit you mean'),
        ("0.01", "W", (0.0, 0.05), 'write "0.01 W", or the unit you mean'),
        ("1550", "m", (4e-7, 2e-6), 'write "1550 nm"'),
        ("80", "Hz", (1e6, 1e8), 'write "80 MHz"'),
        (200, "degC", (20.0, 80.0), "write its unit too; allowed: 20 to 80 degC"),
        (-1, "W", (0.0, 0.05), "write its unit too; allowed: 0 to 0.05 W"),
        ("", "W", (0.0, 0.05), 'for example "1 mW"'),
        ("5 km", "degC", (20.0, 80.0), 'for example "20 degC"'),
    ],
)
def test_no_hint_proposes_a_value_beyond_the_limits(
    value: object, unit: str, within: tuple[float, float], hint: str
) -> None:
    with pytest.raises(QuantityError) as caught:
        parse(value, unit, within=within)
    assert hint in caught.value.hint


class _Laser(BaseModel):
    power: Annotated[float, quantity("W", minimum=0, maximum=0.1, example="10 mW")]


def test_a_field_holds_a_float_in_its_unit() -> None:
    assert _Laser.model_validate({"power": "25 mW"}).power == 0.025


@pytest.mark.parametrize(
    ("value", "what", "hint"),
    [
        ("5 km", "power is '5 km': not a quantity in W", 'for example "10 mW"'),
        ("0.2 W", "power is '0.2 W', outside 0 to 0.1 W", "inside that range"),
        ("-1 mW", "power is '-1 mW', outside 0 to 0.1 W", "inside that range"),
    ],
)
def test_a_field_names_itself_and_its_own_example(value: str, what: str, hint: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _Laser.model_validate({"power": value})
    error = caught.value.errors()[0]["ctx"]["error"]
    assert isinstance(error, QuantityError)
    assert error.what == what
    assert hint in error.hint


@pytest.mark.parametrize("value", ["0 W", "100 mW"])
def test_limits_of_a_field_are_inclusive(value: str) -> None:
    assert _Laser.model_validate({"power": value}).power in (0.0, 0.1)
