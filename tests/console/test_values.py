"""What a person writes after ``bellringer set NODE.INSTRUMENT.SETTING=`` as the plain value an agent takes."""

import pytest
from bellringer.console.values import split, whole
from bellringer.drivers.registry import driver_class
from bellringer.orchestrator.agent.describe import described
from bellringer.orchestrator.client.connections import Connections
from bellringer.orchestrator.client.described import Described
from bellringer.testbed.errors import BellringerError
from bellringer.testbed.testbed import InstrumentEntry

LASER = driver_class("cobolt_06")("serial:///dev/null", name="charlie.pump")
PUMP = Described.of(described("charlie.pump", LASER, InstrumentEntry(driver="cobolt_06")))


def test_a_quantity_becomes_a_number_in_the_declared_unit():
    assert PUMP.plain("power", "10 mW", needs_unit=True) == 0.01


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
        PUMP.plain(name, text, needs_unit=True)


def test_a_number_without_a_unit_is_not_proposed_beyond_the_limits():
    with pytest.raises(BellringerError, match='write "10 mW"'):
        PUMP.plain("power", "10", needs_unit=True)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("power", 0.01, "0.01 W"),
        ("power_now", 0.0123456789, "0.0123457 W"),
        ("emitting", True, "true"),
        ("fault", "none", "none"),
        ("power", None, "?"),
    ],
)
def test_values_are_shown_with_their_unit(name, value, text):
    assert PUMP.shown(name, value) == text


def test_a_value_that_does_not_exist_is_refused_with_the_nearest_one():
    with pytest.raises(BellringerError, match="did you mean 'power_now'"):
        PUMP.check_value("power_nou")


def test_an_instrument_is_named_with_or_without_a_setting():
    assert split("charlie.pump") == ("charlie.pump", "")
    assert split("charlie.pump.power") == ("charlie.pump", "power")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("charlie", "charlie is a node\n  next:  name an instrument of it: charlie.pump, charlie.oven"),
        ("pump", "the testbed has no node 'pump'\n  next:  did you mean charlie.pump?"),
        ("charly", "the testbed has no node 'charly'\n  next:  did you mean 'charlie'?"),
    ],
)
def test_one_word_is_answered_with_the_instruments_it_may_mean(monkeypatch, what, message):
    connections = Connections(None)
    nodes = [{"node": "charlie", "instruments": ["charlie.pump", "charlie.oven"], "control": ""}]
    monkeypatch.setattr(connections, "ask_coordinator", lambda message: nodes)
    with pytest.raises(BellringerError) as caught:
        whole(connections, what)
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["", "charlie", "charlie..power", "a.b.c.d"])
def test_other_names_are_refused(text):
    with pytest.raises(BellringerError, match="what is"):
        split(text)
