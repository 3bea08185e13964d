"""Cobolt 06-01: the bytes of the protocol sheet, limits, and what keeps a laser dark."""

import math
import termios

import pytest
import serial
from bellringer.drivers import driver_class, open_instrument
from bellringer.drivers.lasers.cobolt import Cobolt06
from bellringer.testbed.errors import Aborted, InstrumentError, LimitError, TransportError, TransportTimeout

PING = (b"?\r", b"OK\r\n")
MLD = b"0785-06-01-0120-100\r\n"
DPL = b"0561-06-91-0100-100\r\n"
LIT = [(b"l?\r", b"1\r\n"), (b"gom?\r", b"2\r\n")]
OFF = [(b"l0\r", b"OK\r\n"), (b"l?\r", b"0\r\n")]
READY = [
    (b"ilk?\r", b"0\r\n"),
    (b"f?\r", b"0\r\n"),
    (b"p?\r", b"0.010000\r\n"),
    (b"gam?\r", b"1\r\n"),
    (b"@cobas?\r", b"0\r\n"),
]


def greeting(model=MLD):
    return [PING, (b"gsn?\r", b"12345\r\n"), (b"gfv?\r", b"80.123\r\n"), (b"glm?\r", model)]


@pytest.fixture
def make(peer):
    """Open a laser whose greeting has been scripted; released at the end without a word."""
    lasers = []

    def make(model=MLD, **options):
        peer.expects(*greeting(model))
        lasers.append(Cobolt06(peer.resource, name="charlie.pump", clock=peer.clock, **options).open())
        return lasers[-1]

    yield make
    for laser in lasers:
        laser._disconnect()


@pytest.fixture
def laser(make):
    return make()


# --- bytes ----------------------------------------------------------------------------------------------------


def test_is_registered_and_offers_a_laser():
    assert driver_class("cobolt_06") is Cobolt06
    assert all(hasattr(Cobolt06, member) for member in ("power", "emission_on", "emission_off", "is_emitting"))
    assert Cobolt06.verified == "driver-source"


def test_open_identifies_and_lights_nothing(peer, laser):
    assert (laser.identity.maker, laser.identity.model) == ("Cobolt", "0785-06-01-0120-100")
    assert (laser.identity.serial, laser.identity.firmware) == ("12345", "80.123")
    assert b"l1" not in peer.heard


def test_power_is_set_in_watts_with_six_decimals_and_read_back(peer, laser):
    asked = (b"p?\r", b"0.0250\r\n")
    peer.expects((b"p 0.025000\r", b"OK\r\n"), asked, asked, (b"pa?\r", b"0.02497\r\n"))
    laser.power = 0.025
    assert laser.power == 0.025
    assert laser.power_now == 0.02497


def test_a_setpoint_that_was_accepted_but_not_taken_is_an_error(peer, laser):
    peer.expects((b"p 0.025000\r", b"OK\r\n"), (b"p?\r", b"0.0100\r\n"))
    with pytest.raises(InstrumentError, match=r"0\.025 W was accepted, but the laser's setpoint is 0\.01 W"):
        laser.power = 0.025


def test_snapshot_asks_for_every_reading_and_leaves_out_what_this_head_does_not_know(peer, laser):
    unknown = b"Syntax error: illegal command\r\n"
    peer.expects(
        (b"p?\r", b"0.010000\r\n"),
        (b"pa?\r", b"0.009981\r\n"),
        (b"i?\r", b"45.5\r\n"),
        (b"l?\r", b"1\r\n"),
        (b"ilk?\r", b"0\r\n"),
        (b"f?\r", b"4\r\n"),
        (b"gom?\r", b"2\r\n"),
        *[(b"hrs?\r", unknown)] * 3,
    )
    assert laser.snapshot() == {
        "power": 0.01,
        "power_now": 0.009981,
        "current": pytest.approx(0.0455),
        "emitting": True,
        "interlock_open": False,
        "fault": "constant-power time-out",
        "operating_mode": "continuous",
        "hours": None,
    }


@pytest.mark.parametrize(
    ("model", "code", "mode"),
    [
        (MLD, b"1", "waiting for key"),
        (MLD, b"4", "modulation"),
        (DPL, b"1", "waiting for temperature"),
        (DPL, b"4", "completed"),
        (b"0785-08-01-0120-100\r\n", b"7", "modulation"),
        (MLD, b"7", "unknown mode 7"),
    ],
)
def test_operating_mode_is_read_by_the_table_of_the_head(peer, make, model, code, mode):
    laser = make(model)
    peer.expects((b"gom?\r", code + b"\r\n"))
    assert laser.operating_mode == mode


def test_commands_are_at_least_100_ms_apart_by_the_clock(peer, laser):
    peer.clock.sleep(1.0)
    peer.expects(*[(b"l?\r", b"0\r\n")] * 5)
    start = peer.clock.monotonic_s()
    for _ in range(5):
        laser.is_emitting()
    assert peer.clock.monotonic_s() - start == pytest.approx(0.4)


def test_serial_parameters_are_115200_8n1_without_handshake(mocker):
    constructor = mocker.patch("serial.serial_for_url", side_effect=serial.SerialException("stop here"))
    with pytest.raises(TransportError, match="stop here"):
        Cobolt06("serial:///dev/ttyUSB7").open()
    constructor.assert_called_once_with(
        "/dev/ttyUSB7",
        timeout=0,
        write_timeout=2.0,
        exclusive=True,
        baudrate=115200,
        bytesize=8,
        parity="N",
        stopbits=1,
    )


@pytest.mark.parametrize("form", ["resource", "visa_resource"])
def test_the_baud_rate_reaches_the_terminal(pty_peer, form):
    pty_peer.expects(*greeting(), *OFF)
    with Cobolt06(getattr(pty_peer, form), clock=pty_peer.clock):
        assert pty_peer.baud_rate() == termios.B115200


@pytest.mark.parametrize("kind", ["peer", "pty_peer"])
@pytest.mark.parametrize("form", ["resource", "visa_resource"])
def test_opens_and_closes_through_every_resource_form(request, kind, form):
    peer = request.getfixturevalue(kind)
    peer.expects(*greeting(), *OFF)
    with Cobolt06(getattr(peer, form), clock=peer.clock) as laser:
        assert laser.identity.serial == "12345"


# --- limits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [-0.001, 0.101, math.nan, math.inf, "0.01", True])
def test_a_power_out_of_limits_is_refused_before_any_byte(peer, make, power):
    laser = make(max_power="100 mW")
    before = peer.heard
    with pytest.raises(LimitError):
        laser.power = power
    assert peer.heard == before


def test_the_testbed_file_narrows_the_rated_power(peer, make):
    laser = make(max_power=0.1, limits={"power": (0.0, 0.02)})
    with pytest.raises(LimitError, match="testbed file"):
        laser.power = 0.05
    peer.expects((b"p 0.020000\r", b"OK\r\n"), (b"p?\r", b"0.0200\r\n"))
    laser.power = 0.02


@pytest.mark.parametrize("max_power", [0.0, -1.0, math.nan, 5.0])
def test_an_impossible_rated_power_is_refused(max_power):
    with pytest.raises(LimitError, match="max_power"):
        Cobolt06("socket://127.0.0.1:1", max_power=max_power)


def test_open_instrument_checks_settings_before_it_connects(peer):
    with pytest.raises(LimitError):
        open_instrument("cobolt_06", peer.resource, clock=peer.clock, power=0.6)
    assert peer.heard == b""


# --- light on -------------------------------------------------------------------------------------------------


def test_emission_on_waits_until_the_laser_says_so(peer, laser):
    peer.expects(*READY, (b"l1\r", b"OK\r\n"), (b"l?\r", b"0\r\n"), (b"l?\r", b"0\r\n"), *LIT)
    laser.emission_on()


def test_a_laser_that_says_on_while_it_waits_for_its_key_is_not_lit(peer, laser):
    waiting = [(b"l?\r", b"1\r\n"), (b"gom?\r", b"1\r\n")]
    peer.expects(*READY, (b"l1\r", b"OK\r\n"), *waiting, *LIT)
    laser.emission_on()
    peer.expects(*READY, (b"l1\r", b"OK\r\n"), *waiting * 51, (b"gom?\r", b"1\r\n"), *OFF)  # 10 s, 0.2 s each
    with pytest.raises(InstrumentError, match=r"refuses to light.*waiting for key"):
        laser.emission_on()


def test_emission_on_leaves_other_modes_and_auto_start_first(peer, laser):
    peer.expects(
        (b"ilk?\r", b"0\r\n"),
        (b"f?\r", b"0\r\n"),
        (b"p?\r", b"0.010000\r\n"),
        (b"gam?\r", b"2\r\n"),
        (b"cp\r", b"OK\r\n"),
        (b"@cobas?\r", b"1\r\n"),
        (b"@cobas 0\r", b"OK\r\n"),
        (b"l1\r", b"OK\r\n"),
        *LIT,
    )
    laser.emission_on()


def test_emission_on_works_on_a_head_that_knows_no_auto_start(peer, laser):
    unknown = (b"@cobas?\r", b"Syntax error: illegal command\r\n")
    peer.expects(*READY[:4], unknown, (b"l1\r", b"OK\r\n"), *LIT)
    laser.emission_on()


def test_a_setpoint_left_by_another_program_beyond_the_limit_is_told_and_l1_is_never_sent(peer, laser):
    laser.file_limits["power"] = (0.0, 0.05)
    peer.expects(*READY[:2], (b"p?\r", b"0.0502\r\n"))
    with pytest.raises(LimitError, match=r"setpoint is 0\.0502 W, beyond 0\.05 W \(limit of the testbed file\)"):
        laser.emission_on()


def test_an_open_interlock_is_told_and_l1_is_never_sent(peer, laser):
    peer.expects((b"ilk?\r", b"1\r\n"))
    with pytest.raises(InstrumentError, match="interlock is open") as caught:
        laser.emission_on()
    assert "close the interlock loop" in caught.value.hint
    assert "charlie.pump" in caught.value.where


@pytest.mark.parametrize(
    ("code", "meaning", "remedy"),
    [
        (b"1", "temperature error", "heat sink"),
        (b"3", "interlock error", "close the interlock loop"),
        (b"4", "constant-power time-out", "lower it"),
        (b"9", "unknown fault 9", "manual"),
    ],
)
def test_a_latched_fault_is_explained_and_l1_is_never_sent(peer, laser, code, meaning, remedy):
    peer.expects((b"ilk?\r", b"0\r\n"), (b"f?\r", code + b"\r\n"))
    with pytest.raises(InstrumentError, match=meaning) as caught:
        laser.emission_on()
    assert remedy in caught.value.hint
    assert "clear_fault()" in caught.value.hint


def test_clear_fault_sends_cf(peer, laser):
    peer.expects((b"cf\r", b"OK\r\n"))
    laser.clear_fault()


def test_a_laser_that_does_not_light_is_commanded_off_and_says_why(peer, laser):
    polls = 101  # 10 s, one poll each 100 ms
    peer.expects(*READY, (b"l1\r", b"OK\r\n"), *[(b"l?\r", b"0\r\n")] * polls, (b"gom?\r", b"1\r\n"), *OFF)
    with pytest.raises(InstrumentError, match=r"refuses to light.*waiting for key") as caught:
        laser.emission_on()
    assert "key switch" in caught.value.hint
    assert "warms up" in caught.value.hint, "the head gives the same answer for both"


def test_a_refused_l1_is_told_and_the_laser_commanded_off(peer, laser):
    peer.expects(*READY, (b"l1\r", b"Syntax error: not allowed\r\n"), (b"gom?\r", b"6\r\n"), *OFF)
    with pytest.raises(InstrumentError, match=r"refuses to light.*aborted"):
        laser.emission_on()


def test_an_abort_while_waiting_for_light_leaves_the_laser_off(peer, laser, monkeypatch):
    sleep = peer.clock.sleep

    def abort_once_l1_was_sent(seconds):
        if peer.heard.endswith(b"l1\r"):
            peer.clock.abort()
        sleep(seconds)

    monkeypatch.setattr(peer.clock, "sleep", abort_once_l1_was_sent)
    peer.expects(*READY, (b"l1\r", b"OK\r\n"), *OFF)
    with pytest.raises(Aborted):
        laser.emission_on()
    assert peer.heard.endswith(b"l0\rl?\r")


# --- dark -----------------------------------------------------------------------------------------------------


def test_close_makes_dark_and_verifies_it(peer, laser):
    peer.expects(*OFF)
    laser.close()
    assert not laser.is_open


def test_safe_state_tries_once_more_after_a_lost_reply(peer, laser):
    peer.expects((b"l0\r", peer.SILENCE), (b"l0\r", b"OK\r\n"), PING, *OFF)
    laser.safe_state()


def test_l0_is_sent_first_even_to_a_laser_that_no_longer_answers(peer, laser):
    peer.expects(*[(b"p?\r", peer.SILENCE), *[(b"?\r", peer.SILENCE)] * 2])
    with pytest.raises(TransportTimeout):
        _ = laser.power
    heard = len(peer.heard)
    silent = [(b"l0\r", peer.SILENCE), (b"?\r", peer.SILENCE)]
    peer.expects(*silent * 2)
    with pytest.raises(InstrumentError, match="cannot confirm that the laser is dark"):
        laser.safe_state()
    assert peer.heard[heard:].startswith(b"l0\r")


def test_safe_state_takes_the_light_from_the_auto_start_sequence(peer, laser):
    refused = (b"l0\r", b"Syntax error: not allowed\r\n")
    peer.expects(refused, (b"@cobas 0\r", b"OK\r\n"), *OFF)
    laser.safe_state()


def test_a_laser_that_stays_on_is_an_error_after_two_tries(peer, laser):
    still_on = [(b"l0\r", b"OK\r\n"), (b"l?\r", b"1\r\n")]
    peer.expects(*still_on, (b"l0\r", b"OK\r\n"), PING, *still_on)
    with pytest.raises(InstrumentError, match="still emits after l0") as caught:
        laser.emission_off()
    assert "treat the beam as on" in caught.value.hint


def test_safe_state_works_in_an_aborted_run(peer, laser):
    peer.clock.abort()
    peer.expects(*OFF)
    laser.safe_state()


def test_a_broken_connection_does_not_pass_for_dark(peer, laser):
    peer.expects((b"l0\r", peer.HANG_UP))
    with pytest.raises(InstrumentError, match="cannot confirm that the laser is dark"):
        laser.close()
    assert not laser.is_open
