"""Broadcasts at any time, broken answers, garbage; and the counts port."""

import contextlib
from typing import Any

import pytest
from bellringer.drivers.detectors import websq
from bellringer.drivers.detectors.websq import WebSq
from bellringer.drivers.transports import ByteTransport, byte_transport
from bellringer.testbed.errors import InstrumentError, ProtocolError, TransportTimeout

from .far_end import Connection, Eos


def test_the_late_half_of_a_broken_answer_is_never_taken_for_the_next_one(eos: Eos, unit: WebSq) -> None:
    def first_half(request: dict[str, Any], client: Connection) -> None:
        for label in ("NumberOfDetectors", "BiasCurrent"):
            eos.broadcast(label, eos.labels[label])

    eos.on_request = first_half
    with pytest.raises(TransportTimeout, match="TriggerLevel did not come"):
        _ = unit.trigger_level
    eos.broadcast("TriggerLevel", {"value": [1, 1, 1, 1]})  # to the connection that was left
    eos.on_request = eos.behave
    assert unit.trigger_level == 0.05
    assert len(eos.connections) == 2


def test_garbage_is_an_error_and_the_next_reading_is_right(eos: Eos, unit: WebSq) -> None:
    def garbled(request: dict[str, Any], client: Connection) -> None:
        client.say(b"\x00\xfe~#")
        eos.behave(request, client)

    eos.on_request = garbled
    with pytest.raises(ProtocolError, match="expected JSON objects"):
        _ = unit.bias_current
    eos.on_request = eos.behave
    eos.labels["BiasCurrent"]["value"] = [5.0] * 4  # the garbled answer, of which a part is still to come, said 0
    assert unit.bias_current == 5e-6


def test_changes_made_elsewhere_do_not_disturb_the_next_command(eos: Eos, unit: WebSq) -> None:
    for value in range(20):
        eos.broadcast("BiasCurrent", [value] * 4)
    eos.labels["BiasCurrent"]["value"] = [19] * 4
    assert unit.bias_current == 19e-6


def test_safe_state_keeps_the_bias_and_tells_a_dead_link(eos: Eos, unit: WebSq) -> None:
    unit.enable()
    unit.safe_state()
    assert eos.labels["DetectorEnable"]["value"] is True
    eos.on_request = lambda request, client: None
    with pytest.raises(TransportTimeout):
        unit.safe_state()


# --- counts ---------------------------------------------------------------------------------------------------


def test_the_first_line_of_counts_is_dropped_whatever_it_holds(eos: Eos, unit: WebSq) -> None:
    eos.counts_text = b"0.25,7,7\n1700000000.25,2,4,6,8\n1700000000.45,0,0,0,0\n"
    assert unit.count_rates() == [10.0, 20.0, 30.0, 40.0]


@pytest.mark.parametrize("line", [b"1700000000.25,2,4,6,8\n", b"nonsense\n", b""])
def test_the_counts_connection_is_closed_again(
    eos: Eos, unit: WebSq, monkeypatch: pytest.MonkeyPatch, line: bytes
) -> None:
    made: list[ByteTransport] = []

    def remembered(*args: Any) -> ByteTransport:
        made.append(byte_transport(*args))
        return made[-1]

    monkeypatch.setattr(websq, "byte_transport", remembered)
    eos.counts_text = b"0,0\n" + line
    with pytest.raises(InstrumentError) if not line.startswith(b"17") else contextlib.nullcontext():
        unit.count_rates()
    assert [each.is_open for each in made] == [False]


@pytest.mark.parametrize("line", [b"1700000000.25,2,4,6\n", b"1700000000.25,2,4,6,8,9\n", b"1,2,x,6,8\n",
                                  b"1,2,-4,6,8\n", b"1,2,nan,6,8\n", b"\xff\xfe\n", b"\n"])  # fmt: skip
def test_a_line_of_counts_that_does_not_fit_is_refused(eos: Eos, unit: WebSq, line: bytes) -> None:
    eos.counts_text = b"0,0\n" + line
    with pytest.raises(ProtocolError, match="counts port"):
        unit.count_rates()


def test_counts_that_do_not_come_are_a_timeout(eos: Eos, unit: WebSq) -> None:
    eos.counts_text = b"1700000000.25,2,4,6,8\n1700000000.45,2,4"
    with pytest.raises(TransportTimeout, match=r"1700000000\.45,2,4"):
        unit.count_rates()
