"""The Elliptec twin against the protocol sheet's bytes, in lab time."""

import re

import pytest
from bellringer.sim_backends.twins.optics.elliptec import ElliptecTwin
from bellringer.testbed.models import RotatorModel

MODEL = RotatorModel(kind="rotator", speed="90 deg/s")


@pytest.fixture
def twin(lab):
    return ElliptecTwin(lab, "alice.plate", MODEL)


@pytest.fixture
def bus(twin, wire):
    return wire("serial", twin.main_port)


@pytest.fixture
def homed(bus):
    assert bus.ask(b"0ho0", 10) == b"0PO00000000\r\n"
    return bus


def test_examples_of_the_sheet(homed, twin, lab):
    assert homed.ask(b"0ma00004600", 2) == b"0PO00004600\r\n"
    assert twin.angle.at(lab.now_ps) == pytest.approx(45)
    assert homed.ask(b"0ma00008C00", 2) == b"0PO00008C00\r\n"
    assert twin.angle.at(lab.now_ps) == pytest.approx(90)
    assert homed.ask(b"0mrFFFFF072", 2) == b"0PO00007C72\r\n"
    assert twin.angle.at(lab.now_ps) == pytest.approx(80, abs=0.01)
    assert homed.ask(b"0sv50") == b"0GS00\r\n"
    assert homed.ask(b"0gv") == b"0GV50\r\n"


def test_identity_has_the_sheet_s_33_characters(bus):
    reply = bus.ask(b"0in")
    assert len(reply) == 35
    assert re.fullmatch(rb"0IN0E\d{8}20210101016800023000\r\n", reply)


def test_other_queries_have_their_lengths(bus):
    assert bus.ask(b"0gs") == b"0GS00\r\n"
    assert re.fullmatch(rb"0PO[0-9A-F]{8}\r\n", bus.ask(b"0gp"))
    assert re.fullmatch(rb"0GJ[0-9A-F]{8}\r\n", bus.ask(b"0gj"))
    assert re.fullmatch(rb"0HO[0-9A-F]{8}\r\n", bus.ask(b"0go"))
    assert re.fullmatch(rb"0I1[0-9A-F]{22}\r\n", bus.ask(b"0i1"))
    assert re.fullmatch(rb"0I2[0-9A-F]{22}\r\n", bus.ask(b"0i2"))


def test_packets_need_no_terminator_and_tolerate_one(bus):
    assert bus.ask(b"0gs0gv\r\n0gs\r\n") == b"0GS00\r\n0GV64\r\n0GS00\r\n"
    for piece in (b"0", b"s", b"v4", b"6"):
        bus.send(piece)
    assert bus.ask(b"0gv") == b"0GS00\r\n0GV46\r\n"


def test_position_counter_says_nothing_about_the_angle_until_homed(bus, twin, lab):
    before = twin.inspect()
    assert abs(before["counter_deg"] - before["angle_deg"]) > 1
    bus.ask(b"0ho1", 10)
    after = twin.inspect()
    assert after["counter_deg"] == pytest.approx(0)
    assert after["angle_deg"] == pytest.approx(0)


def test_homing_takes_seconds_and_answers_at_the_end(bus, twin, lab):
    bus.send(b"0ho0")
    lab.run_for(1.0)
    assert bus.receive() == b""
    assert twin.inspect()["moving"]
    lab.run_for(9.0)
    assert bus.receive() == b"0PO00000000\r\n"


def test_home_offset_moves_the_zero(homed, twin):
    assert homed.ask(b"0so00001000") == b"0GS00\r\n"
    assert homed.ask(b"0go") == b"0HO00001000\r\n"
    homed.ask(b"0ho0", 10)
    assert twin.inspect() | {"moving": None} == pytest.approx(
        {"angle_deg": 4096 / 143360 * 360, "counter_deg": 0.0, "moving": None, "velocity_percent": 100}
    )


def test_a_move_is_answered_on_arrival_and_busy_until_then(homed, twin, lab):
    homed.send(b"0ma00008C00")  # 90 deg at 90 deg/s
    lab.run_for(0.5)
    assert twin.angle.at(lab.now_ps) == pytest.approx(45)
    assert homed.ask(b"0gs", 0.1) == b"0GS09\r\n"
    assert homed.ask(b"0gp", 0.1) == b"0GS09\r\n"
    assert homed.ask(b"0ma00000000", 0.1) == b"0GS09\r\n"
    lab.run_for(0.5)
    assert homed.receive() == b"0PO00008C00\r\n"


def test_half_the_velocity_takes_twice_as_long(homed, lab):
    homed.ask(b"0sv32")
    homed.send(b"0ma00008C00")
    lab.run_for(1.9)
    assert homed.receive() == b""
    lab.run_for(0.3)
    assert homed.receive() == b"0PO00008C00\r\n"


def test_stop_ends_a_move_where_it_is(homed, twin, lab):
    homed.send(b"0ma00008C00")
    lab.run_for(0.5)
    assert homed.ask(b"0st", 0.1) == b"0PO00004600\r\n"
    lab.run_for(2.0)
    assert homed.receive() == b""
    assert twin.angle.at(lab.now_ps) == pytest.approx(45)
    assert homed.ask(b"0st") == b"0GS00\r\n"


def test_jog_forward_and_back(homed, twin, lab):
    homed.ask(b"0sj00000400")
    assert homed.ask(b"0fw", 2) == b"0PO00000400\r\n"
    assert homed.ask(b"0bw", 2) == b"0PO00000000\r\n"


@pytest.mark.parametrize("packet", [b"0ma00023001", b"0maFFFFFFFF"])
def test_target_outside_the_travel_is_refused_without_moving(homed, twin, packet):
    assert homed.ask(packet, 2) == b"0GS0C\r\n"
    assert twin.inspect()["counter_deg"] == pytest.approx(0)


def test_relative_moves_go_beyond_one_turn(homed, twin):
    assert homed.ask(b"0mr00024000", 10) == b"0PO00024000\r\n"


@pytest.mark.parametrize(("packet", "reply"), [
    (b"0zz", b"0GS03\r\n"), (b"0sv00", b"0GS04\r\n"), (b"0sv65", b"0GS04\r\n"), (b"0sv4g", b"0GS03\r\n"),
])  # fmt: skip
def test_refusals(bus, packet, reply):
    assert bus.ask(packet) == reply


def test_garbage_before_a_packet_is_skipped(bus):
    assert bus.ask(b"\x00\xfe~#7-0gs") == b"0GS00\r\n"


def test_an_unfinished_packet_times_out(bus, lab):
    assert bus.ask(b"0ma0000", 1.9) == b""
    lab.run_for(0.2)
    assert bus.receive() == b"0GS01\r\n"
    assert bus.ask(b"0gs") == b"0GS00\r\n"


def test_several_mounts_share_one_port(lab, twin, bus):
    other = ElliptecTwin(lab, "alice.second", MODEL, {"address": "A"}, shares=twin)
    assert other.resource == twin.resource
    bus.send(b"0ho0")
    assert bus.ask(b"Agv", 0.1) == b"AGV64\r\n"
    lab.run_for(10)
    assert bus.receive() == b"0PO00000000\r\n"
    assert bus.ask(b"Aho0Ags", 10) == b"AGS09\r\nAPO00000000\r\n"
    assert bus.ask(b"3gs") == b""
    with pytest.raises(ValueError, match="free bus address"):
        ElliptecTwin(lab, "alice.third", MODEL, {"address": "A"}, shares=twin)


def test_change_of_address_is_answered_from_the_new_one(bus):
    assert bus.ask(b"0ca5") == b"5GS00\r\n"
    assert bus.ask(b"0gs") == b""
    assert bus.ask(b"5gs") == b"5GS00\r\n"


def test_frequency_search_keeps_it_busy_for_seconds(bus, lab):
    assert bus.ask(b"0s1", 1) == b""
    assert bus.ask(b"0gs") == b"0GS09\r\n"
    lab.run_for(3)
    assert bus.receive() == b"0GS00\r\n"


def test_isolation_ends_by_itself(bus, lab):
    assert bus.ask(b"0is01") == b"0GS00\r\n"
    assert bus.ask(b"0gp") == b"0GS05\r\n"
    lab.run_for(60)
    assert bus.ask(b"0gs") == b"0GS00\r\n"


def test_stall_is_a_mechanical_time_out_short_of_the_target(homed, twin, lab):
    twin.own_fault("stall")
    assert homed.ask(b"0ma00008C00", 5) == b"0GS02\r\n"
    assert twin.inspect()["angle_deg"] == pytest.approx(45)
    assert homed.ask(b"0gs") == b"0GS02\r\n"
    assert homed.ask(b"0gs") == b"0GS00\r\n"
    assert homed.ask(b"0ma00008C00", 5) == b"0PO00008C00\r\n"


def test_handset_sends_unsolicited_lines_and_turns_the_mount(homed, twin, lab):
    twin.own_fault("handset")
    lab.run_for(3)
    assert homed.receive() == b"0BS10\r\n0BO00004600\r\n"
    assert twin.inspect()["angle_deg"] == pytest.approx(45)
