"""Rows 11 to 13: something else on the port, ports numbered anew, and replies that cannot be trusted."""

import time

import pytest
from bellringer.console.doctor_file import file_ports
from bellringer.drivers import serial_ports
from bellringer.orchestrator.wire.messages import Ack, Get, Set
from bellringer.sim_backends.lab.byte_ports import Fault
from bellringer.testbed.errors import InstrumentError, LimitError

pytestmark = pytest.mark.process

PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def named(sites, tmp_path_factory):
    """A site whose file names its laser's serial number; the port is a link with a lasting name, as udev makes them."""
    site = sites(tmp_path_factory.mktemp("site"))
    try:
        site.serial_number = site.laser.twin._serial
        text = site.laser.file.read_text()
        site.laser.file.write_text(
            text.replace("        driver:", f'        serial_number: "{site.serial_number}"\n        driver:')
        )
        site.start()
        yield site
    finally:
        site.close()


@pytest.fixture
def site(named):
    """The site, well and lit."""
    if named.status()["fault"]:
        named.until(lambda: named.node()["fault"])
        named.to_coordinator().request(Ack(0, "charlie"))
    named.until(named.well)
    named.anna = named.light()
    return named


def test_row_11_another_unit_on_the_port_is_refused_and_the_right_port_named(site, other_laser):
    """Two cables were swapped: what is found, and where the right one is, from the lasting name of its port."""
    other_laser.twin._serial = "99999"
    other_laser.twin._start()
    site.laser.unplug()
    site.laser.port.symlink_to(other_laser.twin.main_port.path)
    right = site.laser.port.with_name(f"usb-Cobolt_06-01_Laser_{site.serial_number}-if00")
    site.laser.plug_in_as(right)
    (why,) = site.until(
        lambda: "expected serial number" in str(site.status()["not_dark"]) and site.status()["not_dark"]
    )
    assert f"expected serial number {site.serial_number}, found Cobolt" in why
    assert "serial 99999" in why
    assert f"should be at {right}" in why
    assert {command[0] for command in other_laser.commands()} <= {"?", "g"}, "asked who it is, and nothing else"
    assert site.laser.lit, "what is not at its port cannot be switched off"

    back_s = time.monotonic()
    site.laser.port.unlink()
    right.rename(site.laser.port)
    site.until(lambda: not site.laser.lit, "it was not made dark when it was back at its port")
    assert "gsn?" in site.laser.commands(back_s)
    site.until(lambda: site.status()["dark"])


def test_row_12_a_port_that_is_numbered_anew_is_found_by_its_lasting_name(site):
    before = site.laser.port.readlink()
    site.laser.unplug()
    site.refused(site.anna, Get(0, site.pump, "power", 0), InstrumentError)
    site.until(lambda: site.status()["fault"])
    site.laser.plug_in()
    assert site.laser.port.readlink() != before, "another number"
    site.until(lambda: not site.laser.lit)
    site.until(lambda: site.status()["dark"])


def test_row_12_the_doctor_lists_ports_and_names_the_candidate(site, tmp_path, monkeypatch):
    by_id = tmp_path / "by-id"
    by_id.mkdir()
    monkeypatch.setattr(serial_ports, "BY_ID", by_id)
    names = [f"usb-Cobolt_06-01_Laser_{site.serial_number}-if00", "usb-FTDI_FT232R_A1B2-if00-port0"]
    (by_id / names[0]).symlink_to(site.laser.port.readlink())
    (by_id / names[1]).symlink_to("/dev/null")
    file = tmp_path / "lab.yaml"

    file.write_text(site.laser.file.read_text().replace(str(site.laser.port), "/dev/ttyUSB7"))
    gone = {each.check: each for each in file_ports(file, "")}
    assert gone["charlie.pump"].state == "bad"
    assert gone["charlie.pump"].fix.startswith(f"its serial number is at {by_id / names[0]}")

    text = file.read_text().replace(f'serial_number: "{site.serial_number}"', 'serial_number: "0"')
    file.write_text(text)
    unknown = next(each for each in file_ports(file, "") if each.check == "charlie.pump")
    assert f"there are: {by_id / names[0]}, {by_id / names[1]}" in unknown.fix

    file.write_text(site.laser.file.read_text().replace(str(site.laser.port), "/dev/null"))
    swapped = next(each for each in file_ports(file, "") if each.check == "charlie.pump")
    assert swapped.state == "warn"
    assert swapped.fix == f"if the ports were numbered anew: resource: serial://{by_id / names[0]}"

    file.write_text(site.laser.file.read_text())
    well = list(file_ports(file, ""))
    assert [each.state for each in well[:2]] == ["ok", "ok"]
    assert f"{by_id / names[1]} (/dev/null) is no port of this file" in [each.text for each in well]


@pytest.mark.parametrize("kind", ["garbage", "truncate", "corrupt", "drop", "late", "echo"])
def test_row_13_a_spoilt_reply_is_never_passed_off_as_a_value(site, kind):
    """Each value is right or an error; the reply after it is its own. The measured power scatters by a thousandth."""
    anna, twin = site.anna, site.laser.twin
    anna.request(Set(0, site.pump, "power", 0.01, 0))
    site.until(lambda: abs(twin.inspect()["power_w"] - 0.01) < 1e-6)
    for name, right in (("power_now", 0.01), ("emitting", True)):
        spoil(twin, kind)
        answer = answered(anna, Get(0, site.pump, name, 0))
        assert isinstance(answer, InstrumentError) or answer == pytest.approx(right, rel=0.01), (name, answer)
        assert answered(anna, Get(0, site.pump, "hours", 0)) > 900.0
    spoil(twin, kind)
    answer = answered(anna, Set(0, site.pump, "power", 0.012, 0))
    assert not isinstance(answer, LimitError)
    assert anna.request(Get(0, site.pump, "power", 0)) == twin.inspect()["setpoint_w"]


def spoil(twin, kind):
    """Spoil the next reply of the laser, whoever asks for it."""
    if kind != "echo":
        twin.main_port.faults.append(Fault(kind, 1, 1.0))
        return
    execute = twin._execute

    def echo(command):
        twin._execute = execute
        return f"{command}\r\n{execute(command)}"

    twin._execute = echo


def answered(client, request):
    try:
        return client.request(request, timeout_s=PATIENCE_S)
    except InstrumentError as error:
        return error
