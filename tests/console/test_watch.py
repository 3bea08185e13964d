"""What ``bellringer watch`` shows: a value with its age, and never an old one as if it were new."""

import pytest
from bellringer.console.watch import Board, Shown
from bellringer.drivers.registry import driver_class
from bellringer.orchestrator.agent.describe import described
from bellringer.orchestrator.client.described import Described
from bellringer.orchestrator.client.watching import Update
from bellringer.testbed.testbed import InstrumentEntry

LASER = driver_class("cobolt_06")("serial:///dev/null", name="charlie.pump")
PUMP = Described.of(described("charlie.pump", LASER, InstrumentEntry(driver="cobolt_06")))


@pytest.fixture
def power():
    return Shown(PUMP, "power_now")


def test_before_the_first_reading_there_is_nothing(power):
    assert power.row(5.0, 1.0) == (("charlie.pump.power_now", "?", "", "bad: not read yet"), "dim")


def test_a_fresh_value_is_good_and_an_old_one_is_greyed(power):
    power.take(Update("charlie.pump", "", {"power_now": 0.01}, {}), 10.0)
    assert power.row(11.0, 1.0) == (("charlie.pump.power_now", "0.01 W", "1.0 s", "good"), "")
    assert power.row(12.6, 1.0) == (("charlie.pump.power_now", "0.01 W", "2.6 s", "stale"), "dim")
    assert power.row(12.6, 5.0)[1] == "", "it is read every five seconds only"


def test_an_instrument_that_does_not_answer_is_bad_and_the_value_gets_older(power):
    power.take(Update("charlie.pump", "", {"power_now": 0.01}, {}), 10.0)
    power.take(Update("charlie.pump", "", {}, {"power_now": "no answer for 4 s"}), 14.0)
    cells, style = power.row(14.0, 1.0)
    assert (cells[2:], style) == (("4.0 s", "bad: no answer for 4 s"), "dim")
    power.take(Update("charlie.pump", "", {"power_now": 0.02}, {}), 15.0)
    assert power.row(15.0, 1.0)[0][1:] == ("0.02 W", "0.0 s", "good")


def test_an_agent_out_of_reach_is_told_at_its_values(power):
    power.take(Update("charlie.pump", "", {"power_now": 0.01}, {}), 10.0)
    assert power.row(10.0, 1.0, "nobody listens there")[0][3] == "bad: nobody listens there"


def test_a_board_gives_each_value_what_was_read_of_it(power):
    board = Board(1.0, [power, Shown(PUMP, "current")])
    board.take(Update("charlie.oven", "", {"power_now": 9.0}, {}), 1.0)
    board.take(Update("charlie.pump", "", {"current": 0.1}, {}), 1.0)
    assert [each.value for each in board.shown] == [None, 0.1]
    assert board.table(1.0, {}).row_count == 2
