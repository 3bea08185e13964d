"""Raw TCP: answers come whole, whatever the pieces; silence, a far end that left or does not read become errors."""

import socket
import threading

import pytest
from bellringer.drivers.transports import byte_transport, tcp
from bellringer.testbed.clock import SLICE_S, WallClock
from bellringer.testbed.errors import Aborted, TransportError, TransportTimeout

PATIENCE_S = 20.0


class Line:
    """An open transport and the far end of its connection."""

    def __init__(self, listener):
        self.clock = WallClock()
        self.port = byte_transport(f"socket://127.0.0.1:{listener.getsockname()[1]}", self.clock, "unit", baudrate=9600)
        self.port.open()
        self.far, _ = listener.accept()

    def close(self):
        self.port.close()
        self.far.close()


@pytest.fixture
def line():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line = Line(listener)
        yield line
        line.close()


def test_an_answer_in_pieces_is_read_whole_and_what_follows_it_stays(line):
    line.port.write(b"who?")
    assert line.far.recv(100) == b"who?"
    later = threading.Timer(3 * SLICE_S, line.far.sendall, [b"EY\r\nmore"])
    line.far.sendall(b"TH")
    later.start()
    assert line.port.read_until(b"\r\n", PATIENCE_S) == b"THEY\r\n"
    assert line.port.read_exactly(4, PATIENCE_S) == b"more"
    later.join()
    assert (line.port.sent, line.port.received) == (4, 10)


def test_silence_is_told_with_what_did_come(line):
    line.far.sendall(b"half")
    with pytest.raises(TransportTimeout, match=r"a reply ending in b'\\r', got b'half'"):
        line.port.read_until(b"\r", 0.1)
    assert line.port.is_open


@pytest.mark.timeout(30)
def test_nothing_there_is_known_without_waiting_for_the_answer_to_what_was_asked(line):
    line.port.write(b"who?")
    assert line.port.discard_input() == b""
    assert not line.port.has_input(0.001)
    line.far.sendall(b"me")
    assert line.port.read_some(PATIENCE_S) == b"me"


def test_a_far_end_that_left_closes_the_port_and_says_so(line):
    line.far.close()
    with pytest.raises(TransportError, match="the far end closed it"):
        line.port.read_some(PATIENCE_S)
    assert not line.port.is_open
    with pytest.raises(TransportError, match="is closed"):
        line.port.write(b"?")


def test_a_far_end_that_does_not_read_holds_nobody_for_ever(monkeypatch):
    monkeypatch.setattr(tcp, "SEND_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line = Line(listener)
        with pytest.raises(TransportError, match="the connection broke"):
            line.port.write(bytes(100 << 20))
        line.close()


def test_an_abort_ends_the_wait_for_an_answer(line):
    abort = threading.Timer(0.05, line.clock.abort)
    abort.start()
    with pytest.raises(Aborted):
        line.port.read_some(PATIENCE_S)
    abort.join()
    line.far.sendall(b"ok")
    with line.clock.shielded():
        assert line.port.read_exactly(2, PATIENCE_S) == b"ok"


@pytest.mark.parametrize("resource", ["socket://127.0.0.1", "socket://:5000", "socket://127.0.0.1:99999"])
def test_an_address_that_is_none_cannot_be_opened(resource):
    with pytest.raises(TransportError, match=r"cannot open socket://"):
        byte_transport(resource, WallClock()).open()
