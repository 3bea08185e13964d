"""Opening an ID900 and its settings and readings: the text on the wire."""

from typing import Any

import pytest
from bellringer.drivers import open_instrument
from bellringer.drivers.interfaces import TagStreamer, TimeTagger
from bellringer.drivers.time_taggers.id900 import Id900
from bellringer.testbed.clock import Line
from bellringer.testbed.errors import (
    BellringerError,
    IdentityError,
    InstrumentError,
    LimitError,
    ProtocolError,
    TransportTimeout,
)

from .far_ends import LOST, Rack, RackClock, unopened


def test_opening_identifies_and_wires_each_input_to_its_own_raw_data(rack: Rack) -> None:
    with unopened(rack) as unit:
        assert isinstance(unit, TimeTagger)
        assert isinstance(unit, TagStreamer)
        assert str(unit.identity) == "ID Quantique ID900 serial 2104012"
        assert unit.identity is not None
        assert unit.identity.firmware == "1.30.2"
        assert rack.log[:4] == [
            "*IDN?",
            "INPU1:ENAB ON;SELE UNSHAPED",
            "INPU1:COUN:MODE CYCL",
            "RAW1:STOP:LINK INPU1;:RAW1:REF:LINK NONE",
        ]
        assert len(rack.log) == 1 + 3 * 4
        rack.log.clear()
    assert rack.log == ["REC:STOP", "RAW1:SEND OFF;:RAW2:SEND OFF;:RAW3:SEND OFF;:RAW4:SEND OFF", "REC:STAG?"]


@pytest.mark.parametrize("reply", ["IDQ,ID1000,2208001,2.1.0", "IDQ ID1000 Time Controller"])
def test_an_id1000_is_one_too_also_with_a_short_identity(rack: Rack, reply: str) -> None:
    rack.replies["*IDN?"] = reply
    with unopened(rack) as unit:
        assert unit.identity is not None
        assert unit.identity.model == "ID1000"


@pytest.mark.parametrize("reply", ["KEYSIGHT,53230A,MY1,02.05", "IDQ,ID281,1,1", "", '{"error": "unknown"}'])
def test_anything_else_is_refused_by_its_identity(rack: Rack, reply: str) -> None:
    rack.replies["*IDN?"] = reply
    with pytest.raises(IdentityError, match="expected an ID900 or ID1000"):
        unopened(rack).open()
    assert rack.log == ["*IDN?"]


def test_another_unit_than_the_testbed_files_is_refused(rack: Rack) -> None:
    with pytest.raises(IdentityError, match="2104012"):
        unopened(rack, serial_number="2104013").open()
    assert rack.log == ["*IDN?"]


def test_silence_is_a_timeout_that_names_instrument_and_command(rack: Rack) -> None:
    rack.replies["*IDN?"] = LOST
    with pytest.raises(TransportTimeout, match=r"no answer to '\*IDN\?'") as error:
        unopened(rack).open()
    assert "alice.tagger" in error.value.where


def test_firmware_with_another_command_tree_is_refused_at_opening(rack: Rack) -> None:
    rack.replies["RAW1:STOP:LINK INPU1;:RAW1:REF:LINK NONE"] = "SCPI_ERR_UNKNOWN_COMMAND"
    with pytest.raises(InstrumentError, match="SCPI_ERR_UNKNOWN_COMMAND") as error:
        unopened(rack).open()
    assert "too old" in error.value.hint


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"resource": "tcp://host:5555"}, "no resource of an ID900"),
        ({"resource": "zmq://host"}, "no resource of an ID900"),
        ({"stream_ports": [4242, 4243]}, "stream_ports"),
        ({"stream_ports": 70000}, "stream_ports"),
    ],
)
def test_connection_options_that_make_no_sense_are_refused(change: dict[str, Any], why: str) -> None:
    options = {"resource": "zmq://host:5555", **change}
    with pytest.raises(BellringerError, match=why):
        Id900(options.pop("resource"), **options).open()


def test_the_registry_opens_it_by_name_with_its_ports(rack: Rack) -> None:
    rack.replies["INPU1:THRE?;:INPU2:THRE?;:INPU3:THRE?;:INPU4:THRE?"] = "0.1V\n0.1V\n0.1V\n0.1V"
    unit = open_instrument(
        "id900", f"zmq://127.0.0.1:{rack.tagger.port}", clock=RackClock(rack), dlt_port=rack.datalink.port,
        dlt_host="127.0.0.1", stream_ports=4241, threshold=0.1,
    )  # fmt: skip
    assert rack.log[-2].startswith("INPU1:THRE 0.1000V;:INPU2")
    unit.close()


@pytest.mark.parametrize(
    ("name", "value", "sent", "asked", "reply"),
    [
        (
            "threshold",
            -0.25,
            "INPU1:THRE -0.2500V;:INPU2:THRE -0.2500V;:INPU3:THRE -0.2500V;:INPU4:THRE -0.2500V",
            "INPU1:THRE?;:INPU2:THRE?;:INPU3:THRE?;:INPU4:THRE?",
            "-0.25V\n-250mV\n-0.2495\n-0.251V",
        ),
        (
            "edge",
            "FALL",
            "INPU1:EDGE FALL;:INPU2:EDGE FALL;:INPU3:EDGE FALL;:INPU4:EDGE FALL",
            "INPU1:EDGE?;:INPU2:EDGE?;:INPU3:EDGE?;:INPU4:EDGE?",
            "FALL\nFALLing\nfall\nFALLING",
        ),
        (
            "count_period",
            0.25,
            "INPU1:COUN:INTE 250;:INPU2:COUN:INTE 250;:INPU3:COUN:INTE 250;:INPU4:COUN:INTE 250",
            "INPU1:COUN:INTE?;:INPU2:COUN:INTE?;:INPU3:COUN:INTE?;:INPU4:COUN:INTE?",
            "250\n250\n250ms\n250",
        ),
        ("resolution", "HIRES", "DEVI:RES HIRES", "DEVI:RES?", "HIRes"),
        ("clock_reference", "EXTERNAL", "DEVI:SYNC EXTERNAL", "DEVI:SYNC?", "EXTernal"),
    ],
)
def test_a_setting_is_one_message_and_is_read_back(
    rack: Rack, unit: Id900, name: str, value: Any, sent: str, asked: str, reply: str
) -> None:
    rack.replies |= {sent: "Value set to something\n\n", asked: reply}
    setattr(unit, name, value)
    assert rack.log == [sent, asked]


def test_readings_strip_units_and_long_forms(rack: Rack, unit: Id900) -> None:
    rack.replies |= {
        "INPU1:THRE?": "250mV", "INPU1:EDGE?": "RISIng", "INPU1:COUN:INTE?": "1000", "DEVI:RES?": "LOWRES",
        "DEVI:SYNC?": "INT", "DEVI:RES:BWID?": "100TB", "STAT?": "DEVI:RES LOWRES;SYNC INTERNAL",
    }  # fmt: skip
    assert unit.snapshot() == {
        "threshold": 0.25, "edge": "RISI", "count_period": 1.0, "resolution": "LOWRES",
        "clock_reference": "INTERNAL", "resolution_bin": 100.0, "state": "DEVI:RES LOWRES;SYNC INTERNAL",
    }  # fmt: skip


def test_one_input_that_did_not_take_a_setting_is_named(rack: Rack, unit: Id900) -> None:
    rack.replies["INPU1:THRE?;:INPU2:THRE?;:INPU3:THRE?;:INPU4:THRE?"] = "0.5V\n0.5V\n0V\n0.5V"
    with pytest.raises(InstrumentError, match=r"INPU3:THRE was set to 0.5000V and reads 0\.0"):
        unit.threshold = 0.5


@pytest.mark.parametrize(
    "text", ["SCPI_ERR_VALUE", "Error: no such mode", '-222,"Data out of range"', "Unknown command"]
)
def test_a_refusal_in_the_reply_of_a_set_is_an_error(rack: Rack, unit: Id900, text: str) -> None:
    rack.replies["DEVI:RES HIRES"] = text
    with pytest.raises(InstrumentError, match="'DEVI:RES HIRES' was refused"):
        unit.resolution = "HIRES"


@pytest.mark.parametrize(
    ("name", "value"),
    [("threshold", 2.1), ("threshold", float("nan")), ("edge", "BOTH"), ("resolution", 1), ("count_period", 0.0)],
)
def test_a_setting_outside_its_limits_is_refused_before_anything_is_sent(
    rack: Rack, unit: Id900, name: str, value: Any
) -> None:
    with pytest.raises(LimitError):
        setattr(unit, name, value)
    assert rack.log == []


def test_count_rates_wait_for_a_whole_fresh_period(rack: Rack, unit: Id900) -> None:
    rack.replies |= {
        "INPU1:COUN:INTE?;:INPU2:COUN:INTE?;:INPU3:COUN:INTE?;:INPU4:COUN:INTE?": "100\n100\n100\n500",
        "INPU1:COUN?;:INPU2:COUN?;:INPU3:COUN?;:INPU4:COUN?": "48213\n0\n7\n1000",
    }
    before_s = unit.clock.monotonic_s()
    assert unit.count_rates() == {1: 482130.0, 2: 0.0, 3: 70.0, 4: 2000.0}
    assert unit.clock.monotonic_s() - before_s == pytest.approx(1.0)


@pytest.mark.parametrize("reply", ["1\n2\n3", "1\n2\n3\nx", "", "\x00\ufffd~#"])
def test_counts_that_cannot_be_read_are_refused(rack: Rack, unit: Id900, reply: str) -> None:
    rack.replies["INPU1:COUN:INTE?;:INPU2:COUN:INTE?;:INPU3:COUN:INTE?;:INPU4:COUN:INTE?"] = "100\n100\n100\n100"
    rack.replies["INPU1:COUN?;:INPU2:COUN?;:INPU3:COUN?;:INPU4:COUN?"] = reply
    with pytest.raises(ProtocolError):
        unit.count_rates()


@pytest.mark.parametrize("reply", ["IDLE\ufffd", "\x00IDLE", "ID\x1bLE"])
def test_a_reply_that_is_no_text_is_refused(rack: Rack, unit: Id900, reply: str) -> None:
    rack.replies["STAT?"] = reply
    with pytest.raises(ProtocolError, match="expected text"):
        _ = unit.state


def test_a_lost_reply_is_named_and_a_late_one_never_answers_the_next_question(rack: Rack, unit: Id900) -> None:
    rack.replies |= {"INPU1:THRE?": LOST, "DEVI:RES:BWID?": "100"}
    with pytest.raises(TransportTimeout, match=r"no answer to 'INPU1:THRE\?'"):
        _ = unit.threshold
    rack.tagger.answer_late("0.5V")
    assert unit.resolution_bin == 100.0


def test_an_interrupt_while_waiting_leaves_the_way_to_the_dark_open(
    rack: Rack, unit: Id900, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(line: Line, timeout_s: float) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(unit.clock, "wait_readable", interrupted)
        with pytest.raises(KeyboardInterrupt):
            _ = unit.resolution_bin
    unit.safe_state()


def test_safe_state_stops_everything_and_insists_that_it_stopped(rack: Rack, unit: Id900) -> None:
    unit.safe_state()
    assert rack.log == ["REC:STOP", "RAW1:SEND OFF;:RAW2:SEND OFF;:RAW3:SEND OFF;:RAW4:SEND OFF", "REC:STAG?"]
    rack.replies["REC:STAG?"] = "PLAYing"
    with pytest.raises(InstrumentError, match="still records"):
        unit.safe_state()
    rack.replies["REC:STAG?"] = "42"
    with pytest.raises(ProtocolError):
        unit.safe_state()
