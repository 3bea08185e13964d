"""Counts summed up line by line: none is missed, none is waited for, and what says nothing is left out."""

import types
from typing import Any

import pytest
from bellringer.drivers.detectors.websq_counts import LATE_S, CountsSum
from bellringer.testbed.errors import ProtocolError, TransportTimeout


class Line:
    """A connection whose bytes the test brings."""

    resource = "socket://192.0.2.1:12345"

    def __init__(self) -> None:
        self.is_open, self.came = False, b""

    def open(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False

    def discard_input(self) -> bytes:
        came, self.came = self.came, b""
        return came


def refusal(what: str, data: bytes, why: str) -> ProtocolError:
    return ProtocolError(f"{what}: {why}")


class Port:
    """Two detectors, lines of 0.2 s."""

    def __init__(self) -> None:
        self.line, self.now_s = Line(), 0.0
        clock = types.SimpleNamespace(monotonic_s=lambda: self.now_s)
        unit = types.SimpleNamespace(clock=clock, label="charlie.snspd", protocol_error=refusal)
        line: Any = self.line
        self.sum = CountsSum(line, unit, 2)  # type: ignore[arg-type]

    def take(self, text: bytes = b"", period_s: float = 0.2) -> tuple[float, list[int]]:
        self.line.came += text
        self.sum.take(period_s)
        return round(self.sum.live_s, 9), self.sum.clicks


@pytest.fixture
def port() -> Port:
    port = Port()
    port.take(b"3,7,7\n")  # what was left over from before
    return port


def test_what_comes_first_is_left_out_whatever_it_holds() -> None:
    assert Port().take(b"onsense\n1.2,3,4\n") == (0.2, [3, 4])


def test_lines_add_up_also_several_at_once_and_cut_anywhere(port: Port) -> None:
    assert port.take() == (0.0, [0, 0])
    assert port.take(b"1.2,3,4\n1.4,1,") == (0.2, [3, 4])
    assert port.take(b"0\n1.6,10,20\n") == (0.6, [14, 24])


def test_lines_around_a_change_of_the_period_are_left_out(port: Port) -> None:
    assert port.take(b"1.2,3,4\n", period_s=0.5) == (0.0, [0, 0])
    assert port.take(b"1.9,100,100\n", period_s=0.5) == (0.0, [0, 0])
    assert port.take(b"2.4,5,6\n", period_s=0.5) == (0.5, [5, 6])


def test_counts_that_do_not_come_are_an_error_and_the_next_call_connects_anew(port: Port) -> None:
    port.take(b"1.2,3,4\n")
    port.now_s = 0.2 + LATE_S
    port.take()
    port.now_s += 0.01
    with pytest.raises(TransportTimeout, match=r"no counts came for 5\.2 s"):
        port.take()
    assert not port.line.is_open
    assert port.take(b"9,9,9\n9.2,1,1\n") == (0.4, [4, 5]), "sums only grow"


def test_time_counts_from_the_line_that_came_last(port: Port) -> None:
    for _ in range(4):
        port.now_s += LATE_S - 1.0
        port.take(b"1.2,1,1\n")
    assert port.sum.clicks == [4, 4]
    port.now_s += LATE_S
    port.take()


def test_a_line_that_makes_no_sense_is_refused(port: Port) -> None:
    with pytest.raises(ProtocolError, match="counts port"):
        port.take(b"1.2,3\n")
