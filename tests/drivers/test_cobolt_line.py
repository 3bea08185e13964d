"""Cobolt 06-01 on a line that misbehaves, and with something else at the far end."""

import pytest
from bellringer.drivers.lasers.cobolt import Cobolt06
from bellringer.testbed.errors import IdentityError, InstrumentError, ProtocolError, TransportError, TransportTimeout

PING = (b"?\r", b"OK\r\n")


def greeting(model=b"0785-06-01-0120-100\r\n"):
    return [PING, (b"gsn?\r", b"12345\r\n"), (b"gfv?\r", b"80.123\r\n"), (b"glm?\r", model)]


@pytest.fixture
def laser(peer):
    peer.expects(*greeting())
    laser = Cobolt06(peer.resource, name="charlie.pump", clock=peer.clock).open()
    yield laser
    laser._disconnect()


# --- a line that misbehaves -----------------------------------------------------------------------------------


def test_nobody_listening_is_a_transport_error(peer):
    peer.close()
    with pytest.raises(TransportError, match="cannot open"):
        Cobolt06(peer.resource, clock=peer.clock).open()


def test_a_port_that_breaks_says_so_and_stays_an_error(peer, laser):
    peer.expects((b"p?\r", peer.HANG_UP))
    with pytest.raises(TransportError, match="connection broke"):
        _ = laser.power
    with pytest.raises(TransportError, match="is closed"):
        _ = laser.power


def test_a_silent_instrument_is_a_timeout_and_the_port_is_released(peer):
    laser = Cobolt06(peer.resource, clock=peer.clock)
    peer.expects(*[(b"?\r", peer.SILENCE)] * 3)
    with pytest.raises(TransportTimeout, match="no complete answer"):
        laser.open()
    assert not laser._line._port.is_open


@pytest.mark.parametrize("reply", [b"\x00\xfe~#0.0200\r\n", b"0.0", b"", b"0.\x152\r\n", b"#!?\r\n"])
def test_a_query_with_an_unreadable_reply_is_asked_again(peer, laser, reply):
    peer.expects((b"p?\r", reply), PING, (b"p?\r", b"0.0200\r\n"))
    assert laser.power == 0.02


def test_a_query_is_asked_three_times_at_most(peer, laser):
    peer.expects((b"p?\r", b"#\r\n"), PING, (b"p?\r", b"#\r\n"), PING, (b"p?\r", b"#\r\n"))
    with pytest.raises(ProtocolError, match=r"'p\?' was answered with '#'"):
        _ = laser.power


def test_a_set_without_reply_is_not_sent_again(peer, laser):
    peer.expects((b"p 0.010000\r", peer.SILENCE))
    with pytest.raises(TransportTimeout):
        laser.power = 0.01
    assert peer.heard.count(b"p 0.010000\r") == 1


def test_a_refused_set_tells_the_lasers_words(peer, laser):
    peer.expects((b"cf\r", b"Syntax error: illegal command\r\n"))
    with pytest.raises(InstrumentError, match="refused 'cf': Syntax error: illegal command"):
        laser.clear_fault()


def test_a_late_reply_is_never_taken_for_the_next_one(peer, laser):
    peer.expects(
        (b"p?\r", peer.late(b"0.1111\r\n", 2.2)),  # comes while the line is emptied
        PING,
        (b"p?\r", b"0.2222\r\n"),
    )
    assert laser.power == 0.2222


def test_a_very_late_reply_is_told_from_the_ping_that_follows_it(peer, laser):
    peer.expects(
        (b"p?\r", peer.late(b"0.1111\r\n", 5.0)),
        (b"?\r", peer.SILENCE),
        (b"?\r", peer.late(b"OK\r\n", 1.5)),  # well after the late reply
        (b"p?\r", b"0.2222\r\n"),
    )
    assert laser.power == 0.2222


def test_a_late_ok_of_a_set_does_not_answer_the_next_query(peer, laser):
    peer.expects((b"p 0.010000\r", peer.late(b"OK\r\n", 2.1)))
    with pytest.raises(TransportTimeout):
        laser.power = 0.01
    peer.expects(PING, (b"pa?\r", b"0.0099\r\n"))
    assert laser.power_now == 0.0099


def test_stale_bytes_on_the_line_are_dropped(peer, laser):
    peer.say(b"0.9999\r\nOK\r\n")
    peer.expects((b"pa?\r", b"0.0123\r\n"))
    assert laser.power_now == 0.0123


# --- the wrong instrument -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [b"Syntax error: illegal command\r\n", b"THORLABS,PM100D,P001,1.0\r\n", b"\xfe\xfe\x00\r\n", b"0GS03\n"],
)
def test_something_else_than_a_cobolt_is_named(peer, reply):
    peer.expects(*[(b"?\r", reply)] * 3)
    with pytest.raises(IdentityError, match="no Cobolt") as caught:
        Cobolt06(peer.resource, name="charlie.pump", clock=peer.clock).open()
    assert repr(reply)[2:8] in caught.value.what


def test_an_instrument_that_says_ok_to_everything_is_no_cobolt(peer):
    peer.expects(PING, (b"gsn?\r", b"OK\r\n"), PING, (b"gsn?\r", b"OK\r\n"), PING, (b"gsn?\r", b"OK\r\n"))
    with pytest.raises(IdentityError, match=r"'gsn\?' was answered with 'OK'"):
        Cobolt06(peer.resource, clock=peer.clock).open()


def test_a_multi_line_skyra_is_refused(peer):
    peer.expects(*greeting(b"0000-71-01-0000-100\r\n"))
    with pytest.raises(IdentityError, match="another series"):
        Cobolt06(peer.resource, clock=peer.clock).open()


def test_another_serial_number_is_refused(peer):
    peer.expects(*greeting())
    with pytest.raises(IdentityError, match="expected serial number 999"):
        Cobolt06(peer.resource, clock=peer.clock, serial_number="999").open()


def test_half_a_command_left_by_another_program_is_forgiven(peer):
    peer.expects((b"?\r", b"Syntax error: illegal command\r\n"), *greeting())
    laser = Cobolt06(peer.resource, clock=peer.clock).open()
    assert laser.identity.serial == "12345"
    laser._disconnect()
