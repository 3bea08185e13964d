"""The Cobolt twin against the protocol sheet's bytes, in lab time."""

import pytest
from bellringer.sim_backends.twins.lasers.cobolt import CoboltTwin
from bellringer.testbed.models import LaserModel


@pytest.fixture
def twin(lab):
    return CoboltTwin(lab, "charlie.pump", LaserModel(kind="laser", wavelength="785 nm", max_power="100 mW"))


@pytest.fixture
def head(twin, wire):
    return wire("serial", twin.main_port)


@pytest.fixture
def lit(lab, head):
    head.ask(b"p 0.025000\r")
    head.ask(b"l1\r")
    lab.run_for(1.0)
    return head


def test_examples_of_the_sheet(head, lab):
    assert head.ask(b"p 0.025000\r") == b"OK\r\n"
    assert head.ask(b"slc 45.500000\r") == b"OK\r\n"
    assert head.ask(b"xyz\r") == b"Syntax error: illegal command\r\n"
    assert head.ask(b"?\r") == b"OK\r\n"
    assert head.ask(b"p?\r") == b"0.025000\r\n"
    assert head.ask(b"glc?\r") == b"45.500\r\n"


def test_every_query_of_the_sheet_is_answered_and_case_does_not_matter(head):
    queries = "gsn? sn? gfv? glm? @cobas? l? p? pa? glc? i? gdmes? games? glmp? galis? f? ilk? gom? gam? hrs?"
    for query in queries.split():
        lower, upper = head.ask(query.encode() + b"\r"), head.ask(query.upper().encode() + b"\r")
        assert lower.endswith(b"\r\n")
        assert not lower.startswith(b"Syntax error")
        assert len(upper) == len(lower)
    assert head.ask(b"SN?\r") == head.ask(b"gsn?\r")


def test_dark_after_power_up_with_auto_start_off(head, twin, lab):
    assert [head.ask(q) for q in (b"l?\r", b"@cobas?\r", b"gom?\r", b"f?\r")] == [
        b"0\r\n",
        b"0\r\n",
        b"0\r\n",
        b"0\r\n",
    ]
    assert twin.power.at(lab.now_ps) == 0.0


def test_light_ramps_to_the_setpoint_within_half_a_second(head, twin, lab):
    head.ask(b"p 0.025000\r")
    head.send(b"l1\r")
    started = lab.now_ps
    lab.run_for(0.25)
    assert 0.010 < twin.power.at(lab.now_ps) < 0.015
    lab.run_for(0.35)
    assert twin.power.at(lab.now_ps) == pytest.approx(0.025)
    assert twin.power.at(started) == 0.0
    assert head.receive() == b"OK\r\n"
    assert head.ask(b"l?\r") == b"1\r\n"
    assert head.ask(b"gom?\r") == b"2\r\n"


def test_switching_off_is_dark_at_once(lit, twin, lab):
    assert lit.ask(b"l0\r", 0.05) == b"OK\r\n"
    assert twin.power.at(lab.now_ps) == 0.0
    assert lit.ask(b"pa?\r") == b"0.00000\r\n"


def test_power_readings_scatter_by_a_thousandth(lit):
    readings = [float(lit.ask(b"pa?\r")) for _ in range(40)]
    assert len(set(readings)) > 5
    assert readings == pytest.approx([0.025] * 40, rel=0.005)  # five sigma of 0.1 %


def test_power_out_of_range_is_a_syntax_error_and_changes_nothing(head):
    head.ask(b"p 0.025000\r")
    for text in (b"p 0.100001\r", b"p -0.001\r", b"p nan\r", b"p much\r"):
        assert head.ask(text).startswith(b"Syntax error: ")
    assert head.ask(b"p?\r") == b"0.025000\r\n"


def test_a_reply_takes_20_ms_and_hasty_commands_wait_their_turn(head, lab):
    head.send(b"?\r")
    lab.run_for(0.019)
    assert head.receive() == b""
    lab.run_for(0.002)
    assert head.receive() == b"OK\r\n"
    head.send(b"?\r")
    lab.run_for(0.078)
    assert head.receive() == b""
    lab.run_for(0.022)
    assert head.receive() == b"OK\r\n"


def test_commands_in_pieces_and_in_one_go(head, lab):
    for piece in (b"g", b"o", b"m?"):
        head.send(piece)
    assert head.ask(b"\r\nl?\r") == b"0\r\n0\r\n"


def test_l1_is_refused_with_auto_start_on(head, twin, lab):
    head.ask(b"p 0.025\r")
    assert head.ask(b"@cobas 1\r") == b"OK\r\n"
    assert head.ask(b"l1\r").startswith(b"Syntax error: ")
    lab.run_for(1.0)
    assert twin.power.at(lab.now_ps) == 0.0
    assert head.ask(b"@cob1\r") == b"OK\r\n"
    lab.run_for(1.0)
    assert twin.power.at(lab.now_ps) == pytest.approx(0.025)


def test_abort_and_restart(lit, twin, lab):
    assert lit.ask(b"@cob0\r") == b"OK\r\n"
    assert lit.ask(b"gom?\r") == b"6\r\n"
    assert twin.power.at(lab.now_ps) == 0.0
    lit.ask(b"restart\r")
    lab.run_for(1.0)
    assert twin.power.at(lab.now_ps) == pytest.approx(0.025)


def test_open_interlock_is_dark_at_once_and_latched(lit, twin, lab):
    twin.own_fault("interlock")
    assert twin.power.at(lab.now_ps) == 0.0
    assert [lit.ask(q) for q in (b"ilk?\r", b"f?\r", b"gom?\r", b"l?\r")] == [b"1\r\n", b"3\r\n", b"5\r\n", b"0\r\n"]
    lit.ask(b"cf\r")
    assert lit.ask(b"f?\r") == b"3\r\n"
    twin.own_fault("interlock_closed")
    assert lit.ask(b"l1\r") == b"OK\r\n"
    assert lit.ask(b"l?\r") == b"0\r\n"
    lit.ask(b"cf\r")
    lit.ask(b"l1\r")
    lab.run_for(1.0)
    assert lit.ask(b"l?\r") == b"1\r\n"
    assert twin.power.at(lab.now_ps) == pytest.approx(0.025)


def test_overtemperature_stays_until_cleared(lit, twin, lab):
    twin.own_fault("overtemperature")
    lit.ask(b"l1\r")
    assert [lit.ask(q) for q in (b"f?\r", b"l?\r")] == [b"1\r\n", b"0\r\n"]
    lit.ask(b"cf\r")
    lit.ask(b"l1\r")
    assert lit.ask(b"l?\r") == b"1\r\n"


def test_no_light_says_ok_and_stays_dark_waiting_for_the_key(head, twin, lab):
    twin.own_fault("no_light")
    head.ask(b"p 0.025\r")
    assert head.ask(b"l1\r") == b"OK\r\n"
    lab.run_for(2.0)
    assert head.ask(b"gom?\r") == b"1\r\n"
    assert head.ask(b"pa?\r") == b"0.00000\r\n"
    assert twin.power.at(lab.now_ps) == 0.0


def test_constant_current_and_modulation(lit, twin, lab):
    lit.ask(b"slc 82.5\r")
    assert lit.ask(b"ci\r") == b"OK\r\n"
    assert lit.ask(b"gam?\r") == b"0\r\n"
    lab.run_for(1.0)
    assert twin.power.at(lab.now_ps) == pytest.approx(0.05)
    assert float(lit.ask(b"i?\r")) == pytest.approx(82.5, rel=0.005)
    lit.ask(b"sdmes 1\r")
    lit.ask(b"em\r")
    lab.run_for(1.0)
    assert [lit.ask(q) for q in (b"gam?\r", b"gom?\r", b"gdmes?\r")] == [b"2\r\n", b"4\r\n", b"1\r\n"]
    assert twin.power.at(lab.now_ps) == 0.0


def test_light_waits_for_the_head_to_warm_up(lab, wire):
    model = LaserModel(kind="laser", wavelength="785 nm", warm_up="60 s")
    twin = CoboltTwin(lab, "charlie.cold", model)
    head = wire("serial", twin.main_port)
    head.ask(b"p 0.01\r")
    head.ask(b"l1\r")
    lab.run_for(50)
    assert head.ask(b"gom?\r") == b"1\r\n"
    assert twin.power.at(lab.now_ps) == 0.0
    lab.run_for(11)
    assert twin.power.at(lab.now_ps) == pytest.approx(0.01)


def test_unknown_fault_is_refused(twin):
    with pytest.raises(ValueError, match="no fault 'earthquake'"):
        twin.own_fault("earthquake")
