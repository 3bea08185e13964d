"""The TC200 twin against the protocol sheet's bytes, in lab time."""

import re

import pytest
from bellringer.sim_backends.twins.optics.tc200 import Tc200Twin
from bellringer.testbed.models import OvenModel


@pytest.fixture
def twin(lab):
    return Tc200Twin(lab, "charlie.oven", OvenModel(kind="oven", time_constant="60 s", ambient="22 degC"))


@pytest.fixture
def box(twin, wire):
    return wire("serial", twin.main_port)


def test_examples_of_the_sheet(box, lab):
    assert box.ask(b"tset=62.5\r") == b"tset=62.5\r> "
    assert box.ask(b"tset?\r") == b"tset?\r62.5 C\r> "
    assert box.ask(b"foo\r") == b"foo\rCommand error CMD_NOT_DEFINED\r> "
    assert box.ask(b"stat?\r") == b"stat?\r10 > "
    assert box.ask(b"ens\r") == b"ens\r> "
    assert box.ask(b"stat?\r") == b"stat?\r11 > "
    assert re.fullmatch(rb"tact\?\r2\d\.\d C\r> ", box.ask(b"tact?\r"))


def test_queries_of_the_sheet(box):
    assert box.ask(b"id?\r") == b"id?\rTHORLABS TC200 VERSION 2.1\r> "
    assert box.ask(b"*idn?\r") == b"*idn?\rTHORLABS TC200 VERSION 2.1\r> "
    assert box.ask(b"pid?\r") == b"pid?\r125 60 0\r> "
    assert box.ask(b"sns?\r") == b"sns?\rSensor = NTC10K, Beta = 3950\r> "
    assert box.ask(b"config?\r").count(b"\r") > 2


REFUSED = (
    "tset=19.9 tset=206 tset=nan tmax=19 tmax=206 pmax=0 pmax=18.1 pgain=0 igain=251 dgain=x beta=1999 sns=pt100 unit=r"
)


@pytest.mark.parametrize("command", REFUSED.split())
def test_out_of_range_is_refused(box, command):
    assert box.ask(command.encode() + b"\r") == command.encode() + b"\rCommand error CMD_ARG_RANGE_ERR\r> "


def test_setpoint_may_not_exceed_tmax(box):
    assert box.ask(b"tmax=80\r") == b"tmax=80\r> "
    assert b"CMD_ARG_RANGE_ERR" in box.ask(b"tset=80.1\r")
    assert box.ask(b"tset=80\r") == b"tset=80\r> "


def test_upper_case_is_not_understood(box):
    assert b"CMD_NOT_DEFINED" in box.ask(b"TMAX=100\r")
    assert b"CMD_NOT_DEFINED" in box.ask(b"PMAX?\r")


def test_mode_normal_works_and_complains_all_the_same(box):
    assert box.ask(b"mode=cycle\r") == b"mode=cycle\r> "
    assert box.ask(b"stat?\r") == b"stat?\r12 > "
    assert box.ask(b"mode=normal\r") == b"mode=normal\rCommand error CMD_ARG_RANGE_ERR\r> "
    assert box.ask(b"stat?\r") == b"stat?\r10 > "


def test_status_tells_sensor_and_unit(box):
    box.ask(b"sns=ptc1000\r")
    box.ask(b"unit=f\r")
    assert box.ask(b"stat?\r") == b"stat?\r28 > "
    assert box.ask(b"tact?\r").endswith(b" F\r> ")
    box.ask(b"unit=k\r")
    assert box.ask(b"stat?\r") == b"stat?\r8 > "
    assert re.fullmatch(rb"tact\?\r295\.\d K\r> ", box.ask(b"tact?\r"))


def test_enable_is_a_toggle(box, twin, lab):
    box.ask(b"tset=45\r")
    box.ask(b"ens\r")
    box.ask(b"ens\r")
    assert box.ask(b"stat?\r") == b"stat?\r10 > "
    lab.run_for(300)
    assert twin.temperature.at(lab.now_ps) == pytest.approx(22, abs=0.01)


def test_oven_follows_with_its_time_constant_and_settles_within_20_mk(box, twin, lab):
    box.ask(b"tset=45\r")
    box.send(b"ens\r")
    lab.run_for(60)
    assert twin.temperature.at(lab.now_ps) == pytest.approx(22 + 23 * 0.632, abs=0.1)
    lab.run_for(840)
    assert abs(twin.temperature.at(lab.now_ps) - 45) < 0.02
    box.receive()
    assert box.ask(b"tact?\r") == b"tact?\r45.0 C\r> "
    box.ask(b"ens\r")
    lab.run_for(60)
    assert twin.temperature.at(lab.now_ps) == pytest.approx(22 + 23 * 0.368, abs=0.1)


def test_it_cannot_cool_below_ambient(box, twin, lab):
    box.ask(b"tset=20\r")
    box.ask(b"ens\r")
    lab.run_for(600)
    assert twin.temperature.at(lab.now_ps) == pytest.approx(22)


def test_echo_comes_back_even_when_the_command_came_in_pieces(box, lab):
    box.send(b"ts")
    box.send(b"et")
    assert box.ask(b"?\rtmax?\r") == b"tset?\r25.0 C\r> tmax?\r205.0 C\r> "


def test_alarm_switches_off_and_keeps_off(box, twin, lab):
    box.ask(b"tset=45\r")
    box.ask(b"ens\r")
    lab.run_for(900)
    twin.own_fault("alarm")
    assert box.ask(b"stat?\r") == b"stat?\r50 > "
    box.ask(b"ens\r")
    lab.run_for(900)
    assert twin.temperature.at(lab.now_ps) == pytest.approx(22, abs=0.01)
    twin.own_fault("alarm_cleared")
    box.ask(b"ens\r")
    assert box.ask(b"stat?\r") == b"stat?\r11 > "
