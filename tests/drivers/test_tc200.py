"""Thorlabs TC200: echo and prompt to the byte, the toggling enable, settling in clock time, a line that misbehaves."""

import math
import termios

import pytest
import serial
from bellringer.drivers import driver_class
from bellringer.drivers.optics.tc200 import Tc200
from bellringer.testbed.errors import (
    IdentityError,
    InstrumentError,
    LimitError,
    ProtocolError,
    TransportError,
    TransportTimeout,
)


def said(command, *lines):
    """One exchange: the command and its reply with echo, lines and prompt."""
    return command.encode() + b"\r", b"".join(part.encode() + b"\r" for part in (command, *lines)) + b"> "


def stat(value, prompt=b" > "):
    """The status exchange, whose value stands on the prompt's line."""
    return b"stat?\r", b"stat?\r" + value.encode() + prompt


OPEN = [said("id?", "THORLABS TC200 VERSION 2.1"), stat("10"), said("tmax?", "180.0")]


@pytest.fixture
def oven(peer):
    peer.expects(*OPEN)
    oven = Tc200(peer.resource, name="charlie.oven", clock=peer.clock).open()
    yield oven
    oven._disconnect()


# --- bytes ----------------------------------------------------------------------------------------------------


def test_is_registered_and_offers_a_temperature_controller():
    assert driver_class("tc200") is Tc200
    members = ("temperature_setpoint", "temperature", "enable", "disable", "wait_settled")
    assert all(hasattr(Tc200, member) for member in members)
    assert Tc200.verified == "driver-source"


def test_open_identifies_and_learns_the_units_own_limit(peer, oven):
    assert (oven.identity.maker, oven.identity.model, oven.identity.firmware) == ("Thorlabs", "TC200", "2.1")
    before = peer.heard
    with pytest.raises(LimitError, match="20 to 180 degC \\(limit of this unit\\)"):
        oven.temperature_setpoint = 180.1
    assert peer.heard == before


def test_open_switches_the_display_to_celsius(peer):
    peer.expects(OPEN[0], stat("20"), said("unit=c"), OPEN[2])
    oven = Tc200(peer.resource, clock=peer.clock).open()
    oven._disconnect()


def test_the_setpoint_is_sent_with_one_decimal_and_read_back(peer, oven):
    peer.expects((b"tset=62.5\r", b"tset=62.5\r> "), (b"tset?\r", b"tset?\r62.5 Celsius\r> "))
    oven.temperature_setpoint = 62.5


def test_a_setpoint_between_the_units_steps_is_rounded(peer, oven):
    peer.expects(said("tset=62.4"), said("tset?", "62.4 C"))
    oven.temperature_setpoint = 62.449


def test_a_setpoint_the_unit_did_not_take_is_an_error(peer, oven):
    peer.expects(said("tset=62.5"), said("tset?", "25.0 C"))
    with pytest.raises(InstrumentError, match=r"tset was set to 62.5, but reads 25"):
        oven.temperature_setpoint = 62.5


@pytest.mark.parametrize("reply", [b"tact?\r61.9 C\r> ", b"tact?\r61.9 Celsius\r> ", b"tact?\r61.9 C\r >  "])
def test_the_temperature_is_read_in_every_spelling(peer, oven, reply):
    peer.expects((b"tact?\r", reply))
    assert oven.temperature == 61.9


@pytest.mark.parametrize(
    ("value", "enabled", "alarm"), [("11", True, False), ("0", False, False), ("54", False, True), ("5", True, False)]
)
@pytest.mark.parametrize("prompt", [b" > ", b" >  ", b"> ", b"\r> "])
def test_the_status_byte_has_one_or_two_digits_before_any_prompt(peer, oven, value, enabled, alarm, prompt):
    peer.expects(*[stat(value, prompt)] * 2, said("tact?", "61.9 C"))
    assert (oven.enabled, oven.alarm) == (enabled, alarm)
    assert oven.temperature == 61.9


def test_limits_of_temperature_and_power_are_settings(peer, oven):
    peer.expects(said("tmax=120.0"), said("tmax?", "120.0"), said("pmax=12.0"), said("pmax?", "12.0"))
    oven.max_temperature = 120.0
    oven.max_power = 12.0
    with pytest.raises(LimitError, match="20 to 120 degC"):
        oven.temperature_setpoint = 150.0


def test_snapshot_asks_for_every_reading(peer, oven):
    peer.expects(
        said("tset?", "62.5 C"),
        said("tmax?", "180.0"),
        said("pmax?", "18.0"),
        said("tact?", "61.9 C"),
        stat("11"),
        stat("11"),
        said("sns?", "Sensor = NTC10K, Beta = 3950"),
    )
    assert oven.snapshot() == {
        "temperature_setpoint": 62.5,
        "max_temperature": 180.0,
        "max_power": 18.0,
        "temperature": 61.9,
        "enabled": True,
        "alarm": False,
        "sensor": "NTC10K",
    }


def test_a_query_the_unit_does_not_know_tells_its_words(peer, oven):
    peer.expects(*[said("sns?", "Command error CMD_NOT_DEFINED")] * 3)
    with pytest.raises(ProtocolError, match="CMD_NOT_DEFINED"):
        _ = oven.sensor


def test_serial_parameters_are_115200_8n1_without_handshake(mocker):
    constructor = mocker.patch("serial.serial_for_url", side_effect=serial.SerialException("stop here"))
    with pytest.raises(TransportError, match="stop here"):
        Tc200("serial:///dev/ttyUSB7").open()
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
@pytest.mark.parametrize("kind", ["peer", "pty_peer"])
def test_opens_and_closes_through_every_resource_form(request, kind, form):
    peer = request.getfixturevalue(kind)
    peer.expects(*OPEN, stat("11"))
    with Tc200(getattr(peer, form), clock=peer.clock) as oven:
        assert oven.identity.model == "TC200"
        assert kind == "peer" or peer.baud_rate() == termios.B115200


@pytest.mark.parametrize("value", [19.9, 200.1, math.nan, -math.inf, "60", None])
def test_a_setpoint_out_of_limits_is_refused_before_any_byte(peer, oven, value):
    before = peer.heard
    with pytest.raises(LimitError):
        oven.temperature_setpoint = value
    assert peer.heard == before


# --- enable ---------------------------------------------------------------------------------------------------


def test_enable_toggles_only_what_is_off_and_reads_back(peer, oven):
    peer.expects(stat("10"), stat("10"), said("ens"), stat("11"))
    oven.enable()
    peer.expects(stat("11"), stat("11"))
    oven.enable()


def test_disable_toggles_only_what_is_on(peer, oven):
    peer.expects(stat("11"), said("ens"), stat("10"), stat("10"))
    oven.disable()
    oven.disable()


def test_a_toggle_whose_reply_was_lost_is_looked_up_not_repeated(peer, oven):
    peer.expects(stat("10"), stat("10"), (b"ens\r", peer.SILENCE), stat("11"))
    oven.enable()
    assert peer.heard.count(b"ens\r") == 1


def test_a_toggle_that_did_nothing_is_an_error(peer, oven):
    peer.expects(stat("10"), stat("10"), said("ens"), stat("10"))
    with pytest.raises(InstrumentError, match="did not go on"):
        oven.enable()


def test_enable_leaves_cycle_mode_and_ignores_the_spurious_error(peer, oven):
    peer.expects(
        stat("12"),
        (b"mode=normal\r", b"mode=normal\rCommand error CMD_ARG_RANGE_ERR\n\r> "),
        stat("10"),
        stat("10"),
        said("ens"),
        stat("11"),
    )
    oven.enable()


def test_enable_is_refused_on_a_sensor_alarm(peer, oven):
    peer.expects(stat("50"))
    with pytest.raises(InstrumentError, match="sensor alarm") as caught:
        oven.enable()
    assert "charlie.oven" in caught.value.where


def test_a_refused_setting_tells_the_units_words(peer, oven):
    peer.expects(said("pmax=12.0", "Command error CMD_ARG_RANGE_ERR"))
    with pytest.raises(InstrumentError, match=r"refused 'pmax=12\.0': Command error CMD_ARG_RANGE_ERR"):
        oven.max_power = 12.0


# --- settling -------------------------------------------------------------------------------------------------


def test_wait_settled_returns_after_the_temperature_stayed_inside(peer, oven):
    peer.expects(said("tset?", "62.0 C"))
    for actual in ("60.0", "61.9", "61.8", "61.9", "62.0", "62.1", "62.0"):  # inside from the fourth on
        peer.expects(stat("11"), said("tact?", f"{actual} C"))
    start = peer.clock.monotonic_s()
    oven.wait_settled(tolerance=0.1, hold_s=5.0)
    assert peer.clock.monotonic_s() - start == pytest.approx(12.0)  # six waits of 2 s


def test_wait_settled_gives_up_and_names_the_temperature(peer, oven):
    peer.expects(said("tset?", "62.0 C"), *[stat("11"), said("tact?", "40.3 C")] * 31)
    with pytest.raises(InstrumentError, match=r"not settled after 60 s: 40.3 °C now, wanted 62 °C"):
        oven.wait_settled(timeout_s=60.0)
    assert peer.clock.monotonic_s() >= 60.0


@pytest.mark.parametrize(("status", "words"), [("10", "heater is off"), ("51", "sensor alarm")])
def test_wait_settled_does_not_wait_for_what_will_never_come(peer, oven, status, words):
    peer.expects(said("tset?", "62.0 C"), stat(status))
    with pytest.raises(InstrumentError, match=words):
        oven.wait_settled()


@pytest.mark.parametrize("arguments", [{"tolerance": 0.0}, {"tolerance": math.nan}, {"hold_s": 10.0, "timeout_s": 5.0}])
def test_wait_settled_refuses_conditions_that_cannot_come_true(peer, oven, arguments):
    before = peer.heard
    with pytest.raises(LimitError):
        oven.wait_settled(**arguments)
    assert peer.heard == before


# --- rest -----------------------------------------------------------------------------------------------------


def test_closing_confirms_the_unit_and_leaves_the_oven_regulating(peer, oven):
    peer.expects(stat("11"))
    oven.close()
    assert b"ens" not in peer.heard


def test_safe_state_raises_on_a_sensor_alarm(peer, oven):
    peer.expects(stat("51"))
    with pytest.raises(InstrumentError, match="sensor alarm"):
        oven.safe_state()


def test_safe_state_raises_if_nobody_answers(peer, oven):
    peer.expects(*[(b"stat?\r", peer.SILENCE)] * 3)
    with pytest.raises(TransportTimeout):
        oven.safe_state()


# --- a line that misbehaves -----------------------------------------------------------------------------------


def test_nobody_listening_is_a_transport_error(peer):
    peer.close()
    with pytest.raises(TransportError, match="cannot open"):
        Tc200(peer.resource, clock=peer.clock).open()


def test_a_port_that_breaks_says_so(peer, oven):
    peer.expects((b"tact?\r", peer.HANG_UP))
    with pytest.raises(TransportError, match="connection broke"):
        _ = oven.temperature
    with pytest.raises(TransportError, match="is closed"):
        oven.temperature_setpoint = 50.0


@pytest.mark.parametrize(
    "reply", [b"", b"tac", b"tact?\r61.", b"tact?\r61\x159 C\r> ", b"ta\xfet?\r61.9 C\r> ", b"tact?\r> "]
)
def test_a_query_with_an_unreadable_reply_is_asked_again(peer, oven, reply):
    peer.expects((b"tact?\r", reply), said("tact?", "62.0 C"))
    assert oven.temperature == 62.0


def test_garbage_before_the_echo_does_no_harm(peer, oven):
    peer.expects((b"tact?\r", b"\x00\xfe~#tact?\r61.9 C\r> "))
    assert oven.temperature == 61.9


def test_a_query_is_asked_three_times_at_most(peer, oven):
    peer.expects(*[said("tact?", "hot")] * 3)
    with pytest.raises(ProtocolError, match=r"'tact\?' was answered with 'hot'"):
        _ = oven.temperature


def test_a_late_reply_is_told_by_its_echo(peer, oven):
    tact, reply = said("tact?", "61.9 C")
    peer.expects((tact, peer.late(reply, 60.0)), (tact, peer.SILENCE), (tact, peer.SILENCE))
    start = peer.clock.monotonic_s()
    with pytest.raises(TransportTimeout):
        _ = oven.temperature
    peer.clock.sleep(start + 59.6 - peer.clock.monotonic_s())  # it comes just after the next command was sent
    peer.expects(said("tset?", "50.0 C"))
    assert oven.temperature_setpoint == 50.0


def test_a_late_reply_that_comes_soon_is_emptied_out(peer, oven):
    peer.expects((b"tset=62.5\r", peer.late(b"tset=62.5\r> ", 2.1)), said("tset?", "62.5 C"))
    oven.temperature_setpoint = 62.5
    assert peer.heard.count(b"tset=62.5\r") == 1


def test_stale_bytes_on_the_line_are_dropped(peer, oven):
    peer.say(b"tact?\r99.9 C\r> ")
    peer.expects(said("tact?", "61.9 C"))
    assert oven.temperature == 61.9


# --- the wrong instrument -------------------------------------------------------------------------------------


def test_a_silent_instrument_is_a_timeout_and_the_port_is_released(peer):
    oven = Tc200(peer.resource, clock=peer.clock)
    peer.expects(*[(b"id?\r", peer.SILENCE)] * 3)
    with pytest.raises(TransportTimeout):
        oven.open()
    assert not oven._line._port.is_open


@pytest.mark.parametrize(
    "reply",
    [
        b"id?\rTHORLABS TC300 VERSION 1.0\r> ",
        b"Syntax error: illegal command\r\n",
        b"\xfe\x00\x12",
        b"id?\rCommand error CMD_NOT_DEFINED\r> ",
    ],
)
def test_something_else_than_a_tc200_is_named(peer, reply):
    once = b"TC300" in reply
    peer.expects(*[(b"id?\r", reply)] * (1 if once else 3))
    with pytest.raises(IdentityError, match="no TC200 answers here") as caught:
        Tc200(peer.resource, clock=peer.clock).open()
    assert any(word in caught.value.what for word in ("TC300", "Syntax error", "xfe", "CMD_NOT_DEFINED"))


def test_a_serial_number_cannot_be_confirmed_and_is_refused(peer):
    peer.expects(OPEN[0])
    with pytest.raises(IdentityError, match="expected serial number M00123"):
        Tc200(peer.resource, clock=peer.clock, serial_number="M00123").open()
