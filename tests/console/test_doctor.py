"""What ``bellringer doctor`` finds: each check can come out good and bad, and a bad one says what to do."""

import errno
import os
import socket

import pytest
from bellringer.console import doctor_host
from bellringer.console.doctor import doctor_command
from bellringer.console.doctor_file import file_ports, look_at
from bellringer.console.doctor_host import STA_UNSYNC, TIME_ERROR, clock_is_set, disk, host
from bellringer.console.doctor_network import clock, keys_and_contact
from bellringer.console.findings import BAD, OK, UNKNOWN, WARN
from bellringer.testbed.errors import BellringerError


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("BELLRINGER_CONTACT", "BELLRINGER_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_this_computer_is_fit_to_run_the_tests(home):
    found = {each.check: each for each in host(home / "runs", ())}
    assert {found[name].state for name in ("python", "packages", "zeromq")} == {OK}
    assert str(home) in found["disk for runs"].text, "the folder is not there yet, so the one it will be in"
    assert {"clock", "disk for recordings", "port 5570", "port 5571", "port 5572"} <= set(found)


@pytest.mark.parametrize(
    ("returned", "status", "state"),
    [(0, 0, OK), (TIME_ERROR, 0, WARN), (0, STA_UNSYNC, WARN)],
)
def test_the_kernel_tells_whether_its_clock_is_kept_right(returned, status, state):
    finding = clock_is_set(lambda: (returned, status, 12_000))
    assert finding.state == state
    assert ("12 ms" in finding.text) == (state == OK)


def test_a_kernel_that_does_not_tell_is_no_fault():
    def refuse():
        raise OSError(errno.EPERM, "not allowed")

    assert clock_is_set(refuse).state == UNKNOWN


@pytest.mark.parametrize(
    ("total", "free", "state"), [(1e12, 6e10, OK), (1e12, 4e10, WARN), (1e10, 4.9e9, WARN), (2e10, 5.1e9, OK)]
)
def test_a_disk_should_have_five_gigabytes_and_five_per_cent(monkeypatch, tmp_path, total, free, state):
    monkeypatch.setattr(doctor_host.shutil, "disk_usage", lambda place: (total, total - free, free))
    assert disk("disk", tmp_path).state == state


@pytest.mark.parametrize(
    ("ahead_s", "within_s", "state"),
    [(0.004, 0.001, OK), (-0.02, 0.001, WARN), (0.02, 0.03, OK), (-5.0, 0.1, BAD), (0.5, 2.0, UNKNOWN)],
)
def test_clocks_are_judged_by_what_is_sure(ahead_s, within_s, state):
    finding = clock("node alice", ahead_s, within_s)
    assert finding.state == state
    assert ("ahead of" in finding.text) == (ahead_s > 0)


def test_without_a_testbed_there_is_nothing_wrong_but_a_named_contact_file_must_be_there(home):
    found, network = keys_and_contact(None, None, "")
    assert ([each.state for each in found], network) == ([WARN, WARN], None)
    found, _ = keys_and_contact(home / "contact.json", None, "")
    assert found[0].state == BAD


def test_a_port_in_use_is_a_warning_unless_it_is_our_coordinators(home, monkeypatch):
    with socket.create_server(("", 0)) as listening:
        port = listening.getsockname()[1]
        monkeypatch.setattr(doctor_host, "PORTS", (port,))
        assert list(host(home, ()))[-1].state == WARN
        assert list(host(home, (port,)))[-1].state == OK
    assert list(host(home, ()))[-1].state == OK


# --- ports of a testbed file ------------------------------------------------------------------------------------------


@pytest.fixture
def terminal():
    ours, theirs = os.openpty()
    yield os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("form", ["serial://{}", "ASRL{}::INSTR"])
def test_a_serial_port_must_be_there_and_ours_to_use(terminal, monkeypatch, form):
    assert look_at(form.format(terminal))[0] == OK
    with pytest.raises(BellringerError, match="no such serial port"):
        look_at(form.format("/dev/ttyNOT"))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(BellringerError, match="dialout"):
        look_at(form.format(terminal))


@pytest.mark.parametrize("form", ["socket://127.0.0.1:{}", "zmq://127.0.0.1:{}", "TCPIP::127.0.0.1::{}::SOCKET"])
def test_a_tcp_port_must_take_connections_and_is_sent_nothing(form):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert look_at(form.format(port))[0] == OK
        connection, _ = server.accept()
        with connection:
            assert connection.recv(1) == b"", "closed without a word"
    with pytest.raises(BellringerError, match="cannot connect"):
        look_at(form.format(port))


def test_a_visa_resource_is_parsed_and_not_opened():
    assert look_at("GPIB0::15::INSTR")[0] == UNKNOWN
    assert look_at("TCPIP::192.0.2.10::INSTR")[0] == UNKNOWN
    with pytest.raises(BellringerError, match="no VISA resource"):
        look_at("GPYB0::15::INSTR")


FILE = """\
bellringer: 1
name: two
nodes:
  here:
    instruments:
      lamp: {{driver: cobolt_06, resource: "serial://{}"}}
  there:
    instruments:
      lamp: {{driver: cobolt_06, resource: "serial:///dev/ttyNOT"}}
"""


def test_a_file_is_checked_whole_or_for_one_node(home, terminal, capsys):
    file = home / "lab.yaml"
    file.write_text(FILE.format(terminal))
    states = {each.check: each.state for each in file_ports(file, "")}
    assert states == {"testbed file": OK, "here.lamp": OK, "there.lamp": BAD}
    assert [each.state for each in file_ports(file, "here")] == [OK, OK]
    assert [each.state for each in file_ports(file, "nowhere")] == [BAD]
    words = (home / "runs", None, None, "")
    assert doctor_command(file, "here", *words, as_json=False) == 0
    assert doctor_command(file, "", *words, as_json=False) == 1
    told = capsys.readouterr().out
    assert "there is no such serial port (/dev/ttyNOT)" in told
    assert "-> is it plugged in" in told
