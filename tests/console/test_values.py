"""What a person writes after ``bellringer set NODE.INSTRUMENT.SETTING=`` as the plain value an agent takes."""

import pytest
from bellringer.console.values import plain_value, split
from bellringer.drivers.registry import driver_class
from bellringer.testbed.errors import BellringerError

DECLARED = dict(driver_class("cobolt_06").readings())


def test_a_quantity_becomes_a_number_in_the_declared_unit():
    assert plain_value("10 mW", "charlie.pump", "power", DECLARED) == 0.01


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("power", "10", "a number without a unit"),
        ("power", "10 mA", "not a quantity in W"),
        ("powr", "10 mW", "no setting 'powr'"),
        ("power_now", "10 mW", "is a reading and cannot be set"),
    ],
)
def test_what_cannot_be_set_is_refused_here(name, text, message):
    with pytest.raises(BellringerError, match=message):
        plain_value(text, "charlie.pump", name, DECLARED)


@pytest.mark.parametrize(("text", "value"), [("0.01", 0.01), ("3", 3), ("true", True), ("HIRES", "HIRES")])
def test_for_a_driver_that_is_not_installed_plain_values_are_sent(text, value):
    sent = plain_value(text, "dora.box", "gain", {})
    assert (sent, type(sent)) == (value, type(value))


def test_for_a_driver_that_is_not_installed_a_unit_cannot_be_converted():
    with pytest.raises(BellringerError, match="not installed on this machine"):
        plain_value("10 mW", "dora.box", "gain", {})


def test_an_instrument_is_named_with_or_without_a_setting():
    assert split("charlie.pump") == ("charlie.pump", "")
    assert split("charlie.pump.power") == ("charlie.pump", "power")


@pytest.mark.parametrize("text", ["", "charlie", "charlie..power", "a.b.c.d"])
def test_other_names_are_refused(text):
    with pytest.raises(BellringerError, match="what is"):
        split(text)
