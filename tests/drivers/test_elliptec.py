"""Thorlabs ELL14: packets to the byte, homing before moving, a shared port, a line that misbehaves."""

import math
import termios

import pytest
import serial
from bellringer.drivers import driver_class
from bellringer.drivers.optics.elliptec import ElliptecEll14
from bellringer.testbed.errors import (
    IdentityError,
    InstrumentError,
    LimitError,
    ProtocolError,
    TransportError,
    TransportTimeout,
)

OPEN = (b"0in", b"0IN0E1140051720210101016800023000\r\n")
HOME = (b"0ho0", b"0PO00000000\r\n")
REST = [(b"0st", b"0GS00\r\n"), (b"0gs", b"0GS00\r\n")]


@pytest.fixture
def mount(peer):
    peer.expects(OPEN)
    mount = ElliptecEll14(peer.resource, name="alice.plate", clock=peer.clock).open()
    yield mount
    mount._disconnect()


@pytest.fixture
def homed(peer, mount):
    peer.expects(HOME)
    mount.home()
    return mount


# --- bytes ----------------------------------------------------------------------------------------------------


def test_is_registered_and_offers_a_rotator():
    assert driver_class("elliptec_ell14") is ElliptecEll14
    assert all(hasattr(ElliptecEll14, member) for member in ("angle", "home", "stop"))
    assert ElliptecEll14.verified == "driver-source"


def test_open_identifies_and_does_not_move(peer, mount):
    assert (mount.identity.maker, mount.identity.model) == ("Thorlabs", "ELL14")
    assert (mount.identity.serial, mount.identity.firmware) == ("11400517", "01")
    assert not mount.homed
    assert peer.heard == b"0in"


@pytest.mark.parametrize(
    ("angle", "packet", "reply"),
    [
        (45.0, b"0ma00004600", b"0PO00004600\r\n"),
        (90.0, b"0ma00008C00", b"0PO00008C00\r\n"),
        (-315.0, b"0ma00004600", b"0PO00004600\r\n"),
        (405.0, b"0ma00004600", b"0PO00004600\r\n"),
        (360.0, b"0ma00000000", b"0PO00000000\r\n"),
        (359.9999, b"0ma00000000", b"0POFFFFFFFE\r\n"),  # two pulses short of the mark
        (0.0, b"0ma00000000", b"0PO00022FFE\r\n"),
        (22.5, b"0ma00002300", b"0PO00002326\r\n"),  # 38 pulses off: 0.095 degrees
    ],
)
def test_angles_are_moved_to_modulo_one_turn(peer, homed, angle, packet, reply):
    peer.expects((packet, reply))
    homed.angle = angle


@pytest.mark.parametrize(
    ("reply", "angle"), [(b"0PO00004600\r\n", 45.0), (b"0POFFFFF072\r\n", -10.0), (b"0PO00023000\r\n", 360.0)]
)
def test_positions_are_read_as_two_s_complement(peer, mount, reply, angle):
    peer.expects((b"0gp", reply))
    assert mount.angle == pytest.approx(angle, abs=0.002)


def test_pulses_per_turn_are_the_units_own(peer):
    peer.expects((b"0in", b"0IN0E1140051720210101016800020000\r\n"), HOME, (b"0ma00008000", b"0PO00008000\r\n"))
    mount = ElliptecEll14(peer.resource, clock=peer.clock).open()
    mount.angle = 90.0
    mount._disconnect()


def test_the_first_angle_homes_and_later_ones_do_not(peer, mount):
    peer.expects(HOME, (b"0ma00004600", b"0PO00004600\r\n"), (b"0ma00008C00", b"0PO00008C00\r\n"))
    mount.angle = 45.0
    assert mount.homed
    mount.angle = 90.0


def test_homing_may_take_ten_seconds(peer, mount):
    peer.expects((b"0ho0", peer.late(b"0PO00000000\r\n", 10.0)))
    start = peer.clock.monotonic_s()
    mount.home()
    assert peer.clock.monotonic_s() - start == pytest.approx(10.0)
    assert mount.homed


def test_velocity_is_in_per_cent_and_hex_on_the_wire(peer, mount):
    peer.expects((b"0sv50", b"0GS00\r\n"), (b"0gv", b"0GV50\r\n"), (b"0sv64", b"0GS00\r\n"))
    mount.velocity = 80
    assert mount.velocity == 80
    mount.velocity = 100


def test_stop_accepts_a_status_or_a_position(peer, mount):
    peer.expects((b"0st", b"0GS00\r\n"), (b"0st", b"0PO00001234\r\n"))
    mount.stop()
    mount.stop()


def test_snapshot_asks_for_every_reading(peer, homed):
    peer.expects((b"0gp", b"0PO00004600\r\n"), (b"0gv", b"0GV3C\r\n"), (b"0gs", b"0GS02\r\n"))
    assert homed.snapshot() == {"angle": 45.0, "velocity": 60, "homed": True, "status": "mechanical time-out"}


def test_serial_parameters_are_9600_8n1_without_handshake(mocker):
    constructor = mocker.patch("serial.serial_for_url", side_effect=serial.SerialException("stop here"))
    with pytest.raises(TransportError, match="stop here"):
        ElliptecEll14("serial:///dev/ttyUSB7").open()
    constructor.assert_called_once_with(
        "/dev/ttyUSB7", timeout=0, write_timeout=2.0, exclusive=True, baudrate=9600, bytesize=8, parity="N", stopbits=1
    )


@pytest.mark.parametrize("form", ["resource", "visa_resource"])
@pytest.mark.parametrize("kind", ["peer", "pty_peer"])
def test_opens_and_closes_through_every_resource_form(request, kind, form):
    peer = request.getfixturevalue(kind)
    peer.expects(OPEN, *REST)
    with ElliptecEll14(getattr(peer, form), clock=peer.clock) as mount:
        assert mount.identity.serial == "11400517"
        assert kind == "peer" or peer.baud_rate() == termios.B9600


# --- limits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("angle", [-360.1, 720.1, math.nan, math.inf, "45"])
def test_an_angle_out_of_limits_is_refused_before_any_byte(peer, mount, angle):
    before = peer.heard
    with pytest.raises(LimitError):
        mount.angle = angle
    assert peer.heard == before


@pytest.mark.parametrize("velocity", [44, 101, 62.5, math.nan])
def test_a_velocity_that_stalls_or_overspeeds_is_refused_before_any_byte(peer, mount, velocity):
    before = peer.heard
    with pytest.raises(LimitError):
        mount.velocity = velocity
    assert peer.heard == before


@pytest.mark.parametrize("address", ["G", "10", "", 16, None])
def test_an_impossible_bus_address_is_refused(address):
    with pytest.raises(LimitError, match="no bus address"):
        ElliptecEll14("socket://127.0.0.1:1", address=address)


# --- refusals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "text"), [(b"02", "mechanical time-out"), (b"0C", "out of range"), (b"0D", "over-current"), (b"7F", "7F")]
)
def test_a_failed_move_says_what_the_status_means_and_wants_homing(peer, homed, code, text):
    peer.expects((b"0ma00004600", b"0GS" + code + b"\r\n"))
    with pytest.raises(InstrumentError, match=text) as caught:
        homed.angle = 45.0
    assert "alice.plate" in caught.value.where
    assert not homed.homed


def test_a_failed_homing_leaves_the_mount_not_homed(peer, mount):
    peer.expects((b"0ho0", b"0GS0A\r\n"))
    with pytest.raises(InstrumentError, match="sensor error"):
        mount.home()
    assert not mount.homed


def test_a_busy_unit_is_asked_again_until_it_is_free(peer, homed):
    busy = (b"0ma00004600", b"0GS09\r\n")
    peer.expects(busy, busy, busy, (b"0ma00004600", b"0PO00004600\r\n"))
    homed.angle = 45.0


def test_a_unit_that_stays_busy_is_an_error_in_bounded_time(peer, mount):
    peer.expects(*[(b"0gp", b"0GS09\r\n")] * 152)  # every 0.2 s until 30 s are over
    with pytest.raises(InstrumentError, match="busy"):
        _ = mount.angle
    assert 30.0 <= peer.clock.monotonic_s() < 30.5


def test_a_position_off_the_wanted_one_is_an_error(peer, homed):
    peer.expects(
        (b"0ma00004600", b"0PO00004650\r\n"),  # 80 pulses: 0.2 degrees
        (b"0gs", b"0GS00\r\n"),
        (b"0gp", b"0PO00004650\r\n"),
    )
    with pytest.raises(InstrumentError, match=r"\+0.201 deg off the wanted 45 deg"):
        homed.angle = 45.0


def test_the_late_reply_of_an_older_move_is_not_the_end_of_this_one(peer, homed):
    peer.expects(
        (b"0ma00004600", b"0PO00012345\r\n"),
        (b"0gs", b"0GS09\r\n"),
        (b"0gs", b"0GS00\r\n"),
        (b"0gp", b"0PO00004600\r\n"),
    )
    homed.angle = 45.0


# --- dark and rest --------------------------------------------------------------------------------------------


def test_close_stops_and_waits_for_rest(peer, mount):
    peer.expects((b"0st", b"0PO00001234\r\n"), (b"0gs", b"0GS09\r\n"), (b"0gs", b"0GS00\r\n"))
    mount.close()
    assert not mount.is_open


def test_safe_state_raises_if_the_status_does_not_confirm_it(peer, mount):
    peer.expects((b"0st", b"0GS00\r\n"), (b"0gs", b"0GS0B\r\n"))
    with pytest.raises(InstrumentError, match="motor error"):
        mount.safe_state()


def test_safe_state_works_in_an_aborted_run(peer, mount):
    peer.clock.abort()
    peer.expects((b"0st", b"0GS00\r\n"), (b"0gs", b"0GS09\r\n"), (b"0gs", b"0GS00\r\n"))
    mount.safe_state()


# --- a shared port --------------------------------------------------------------------------------------------


def test_two_units_share_one_port_until_the_last_one_closes(peer):
    peer.expects(
        OPEN,
        (b"Ain", b"AIN0E1140051820210101016800023000\r\n"),
        (b"0gp", b"0PO00004600\r\n"),
        (b"Agp", b"APO00008C00\r\n"),
        *REST,
        (b"Agp", b"APO00008C00\r\n"),
        (b"Ast", b"AGS00\r\n"),
        (b"Ags", b"AGS00\r\n"),
    )
    first = ElliptecEll14(peer.resource, clock=peer.clock).open()
    second = ElliptecEll14(peer.resource, address="a", clock=peer.clock).open()
    assert (first.identity.serial, second.identity.serial) == ("11400517", "11400518")
    assert (first.angle, second.angle) == (45.0, 90.0)
    first.close()
    assert second.angle == 90.0
    second.close()


def test_what_others_say_is_recorded_and_never_taken_for_a_reply(peer, mount):
    peer.say(b"0BS01\r\n")
    peer.expects((b"0gp", b"3PO00001111\r\n0BO00002222\r\n0BS00\r\n0GV50\r\n0PO00004600\r\n"))
    assert mount.angle == 45.0
    assert list(mount.unsolicited) == ["0BS01", "3PO00001111", "0BO00002222", "0BS00", "0GV50"]


def test_nobody_at_this_address_is_told(peer):
    peer.expects(*[(b"5in", peer.SILENCE)] * 3)
    mount = ElliptecEll14(peer.resource, address=5, clock=peer.clock)
    with pytest.raises(TransportTimeout, match="nobody answers at bus address 5") as caught:
        mount.open()
    assert "address" in caught.value.hint


# --- a line that misbehaves -----------------------------------------------------------------------------------


def test_nobody_listening_is_a_transport_error(peer):
    peer.close()
    with pytest.raises(TransportError, match="cannot open"):
        ElliptecEll14(peer.resource, clock=peer.clock).open()


def test_a_port_that_breaks_says_so(peer, homed):
    peer.expects((b"0gp", peer.HANG_UP))
    with pytest.raises(TransportError, match="connection broke"):
        _ = homed.angle
    with pytest.raises(TransportError, match="is closed"):
        homed.angle = 45.0


def test_a_closed_instrument_says_so(peer, mount):
    peer.expects(*REST)
    mount.close()
    with pytest.raises(InstrumentError, match="not open"):
        mount.stop()


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"0PO000",
        b"0PO0000460\r\n",
        b"0PO000046000\r\n",
        b"\x00\xfe~#0PO00004600\r\n",
        b"0PO0000\x154600\r\n",
        b"0po00004600\r\n",
        b"0GS00\r\n",
    ],
)
def test_a_query_with_an_unreadable_reply_is_asked_again(peer, mount, reply):
    peer.expects((b"0gp", reply), (b"0gp", b"0PO00004600\r\n"))
    assert mount.angle == 45.0


def test_a_query_is_asked_three_times_at_most(peer, mount):
    peer.expects(*[(b"0gp", b"hello\r\n")] * 3)
    with pytest.raises(ProtocolError, match="hello"):
        _ = mount.angle


def test_a_late_reply_is_emptied_out_before_the_next_request(peer, mount):
    peer.expects((b"0gv", peer.late(b"0GV50\r\n", 2.1)), (b"0gv", b"0GV64\r\n"))
    assert mount.velocity == 100
    assert "0GV50" in mount.unsolicited


def test_a_move_whose_reply_was_lost_is_looked_up_not_repeated(peer, homed):
    peer.expects((b"0ma00004600", peer.SILENCE), (b"0gs", b"0GS00\r\n"), (b"0gp", b"0PO00004600\r\n"))
    homed.angle = 45.0
    assert peer.heard.count(b"0ma") == 1


def test_a_move_that_never_ended_is_an_error(peer, homed):
    peer.expects((b"0ma00004600", peer.SILENCE), (b"0gs", b"0GS02\r\n"))
    with pytest.raises(InstrumentError, match="mechanical time-out"):
        homed.angle = 45.0


def test_a_homing_whose_reply_was_lost_does_not_count(peer, mount):
    peer.expects((b"0ho0", b"0PO0000"))
    with pytest.raises(TransportTimeout):
        mount.home()
    assert not mount.homed


# --- the wrong instrument -------------------------------------------------------------------------------------


def test_another_elliptec_is_named(peer):
    peer.expects((b"0in", b"0IN091140051720210101001F00000001\r\n"))
    with pytest.raises(IdentityError, match="ELL9, serial 11400517"):
        ElliptecEll14(peer.resource, clock=peer.clock).open()


def test_something_else_than_an_elliptec_is_named(peer):
    peer.expects(*[(b"0in", b"Syntax error: illegal command\r\n")] * 3)
    with pytest.raises(IdentityError, match="Syntax error"):
        ElliptecEll14(peer.resource, clock=peer.clock).open()


def test_a_rotator_with_impossible_numbers_is_refused(peer):
    peer.expects((b"0in", b"0IN0E1140051720210101016800000000\r\n"))
    with pytest.raises(IdentityError, match="0 pulses per turn"):
        ElliptecEll14(peer.resource, clock=peer.clock).open()


def test_another_serial_number_is_refused_and_the_port_released(peer):
    peer.expects(OPEN, OPEN)
    with pytest.raises(IdentityError, match="expected serial number 11400999"):
        ElliptecEll14(peer.resource, clock=peer.clock, serial_number="11400999").open()
    mount = ElliptecEll14(peer.resource, clock=peer.clock, serial_number="11400517").open()
    mount._disconnect()
