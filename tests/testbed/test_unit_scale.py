"""Units known without pint's table mean what that table says; everything else is left to it."""

import pytest
from bellringer.testbed import units
from bellringer.testbed.unit_scale import SYMBOLS, ratio, scaled
from hypothesis import given, settings
from hypothesis import strategies as st

COMPOSED = [
    ("dB/km", "dB/m"),
    ("pairs/s/mW", "pair/s/W"),
    ("ps/(nm km)", "s/m**2"),
    ("ps/(nm^2 km)", "s/m**3"),
    ("/s", "kHz"),
    ("1/ms", "Hz"),
    ("counts/s", "cps"),
    ("°/s", "deg/s"),
    ("pairs/(s mW)", "pair/s/W"),
    ("m^2/s**2", "km**2/s^2"),
    ("µA", "A"),
    ("°C", "degC"),
    ("ppm", "%"),
    ("h", "min"),
    ("counts/min", "Hz"),
    ("K/h", "mK/s"),
]


def _by_pint(number: float, given_unit: str, unit: str) -> float:
    return units._convert_by_pint(number, given_unit, unit, "", "value", "")


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_every_symbol_is_what_pint_says_it_is(symbol: str) -> None:
    _, base, power = SYMBOLS[symbol]
    unit = f"{base}**{power}" if power > 0 else "1/s" if power else "1"
    found = ratio(symbol, unit)
    assert found is not None
    assert scaled(3.7, found) == pytest.approx(_by_pint(3.7, symbol, unit), rel=1e-15)


@pytest.mark.parametrize(("given_unit", "unit"), COMPOSED)
def test_products_and_quotients_are_what_pint_says_they_are(given_unit: str, unit: str) -> None:
    found = ratio(given_unit, unit)
    assert found is not None
    assert scaled(3.7, found) == pytest.approx(_by_pint(3.7, given_unit, unit), rel=1e-14)


def _alike(symbol: str) -> st.SearchStrategy[tuple[str, str]]:
    """Return the symbol with another one, or itself, of its kind."""
    return st.tuples(st.just(symbol), st.sampled_from([s for s in SYMBOLS if SYMBOLS[s][1:] == SYMBOLS[symbol][1:]]))


KINDRED = st.sampled_from(sorted(SYMBOLS)).flatmap(_alike)


@settings(deadline=None)
@given(KINDRED, KINDRED, st.sampled_from(["{}/{}", "{}/({} s)", "{}^2/{}", "{}/{}/nm"]))
def test_any_quotient_is_what_pint_says_it_is(above: tuple[str, str], below: tuple[str, str], form: str) -> None:
    given_unit, unit = (form.format(one, other) for one, other in zip(above, below))
    found = ratio(given_unit, unit)
    assert found is not None
    assert scaled(1.0, found) == pytest.approx(_by_pint(1.0, given_unit, unit), rel=1e-13)


@pytest.mark.parametrize(
    "text",
    [
        "inch",
        "watt",
        "mdB",
        "mdeg",
        "W/",
        "W//s",
        "W/(s",
        "W/s)",
        "W^",
        "W^-1",
        "degC/s",
        "W m",
        "W ^2",
        "2 W",
        "",
        " W",
    ],
)
def test_what_is_left_to_pint(text: str) -> None:
    assert ratio(text, "W") is None


@pytest.mark.parametrize(("given_unit", "unit"), [("degC", "K"), ("K", "degC"), ("deg", "1"), ("W s", "J"), ("m", "s")])
def test_units_of_two_kinds_are_left_to_pint(given_unit: str, unit: str) -> None:
    assert ratio(given_unit, unit) is None


@pytest.mark.parametrize(("text", "value"), [("3 pW", 3e-12), ("0.3 nW", 3e-10), ("1.1 mW", 1.1e-3), ("7 GW", 7e9)])
def test_the_float_is_the_one_nearest_to_what_was_written(text: str, value: float) -> None:
    assert units.parse(text, "W") == value
