"""The ID900 twin's recordings and its data service, tags compared with the clicks that went in."""

import json

import numpy as np
import pytest
from bellringer.sim_backends.twins.time_taggers.id900 import Id900Twin
from bellringer.testbed.models import TaggerModel

S, MS = 10**12, 10**9
ERROR = 2.5e-6


@pytest.fixture
def clicks():
    """Poissonian clicks at 100 kHz on inputs 1 and 2, for one second; seed 5."""
    rng = np.random.default_rng(5)
    return {f"alice.tagger.{n}": np.sort(rng.integers(0, S, 100_000)) for n in (1, 2)}


@pytest.fixture
def twin(lab, clicks, fake_bench):
    lab.bench = fake_bench(clicks)
    return Id900Twin(
        lab, "alice.tagger", TaggerModel(kind="time_tagger", frequency_error="2.5 ppm", start_latency="2 ms")
    )


@pytest.fixture
def unit(twin, wire):
    unit = wire("request", twin.main_port)
    unit.ask(
        "DEVI:RES HIRES;:INPU1:ENAB ON;:INPU2:ENAB ON;:REC:ENAB ON;:REC:STOP;:REC:NUM 3;PWID 100GTB;PPER 100000040000"
    )
    return unit


@pytest.fixture
def service(twin, wire):
    service = wire("request", twin.datalink.port)
    return lambda text: json.loads(service.ask(text))


@pytest.fixture
def stream(twin, service, wire):
    """Return ``open(channel)``: the reading end of a started stream."""

    def start(channel, options=""):
        number = twin.connection()["stream_ports"][channel - 1]
        reply = service(f"start-stream --address 127.0.0.1 --channel {channel} --stream-port {number} {options}")
        assert reply == {"id": f"127.0.0.1:{5555 + channel}"}
        return wire("stream", number)

    return start


def expected(times, start_ps, begin, end):
    """Device times in [begin, end) since ``begin``, of lab times, from a clock that is fast by ERROR."""
    since = times[times >= start_ps] - start_ps
    device = since + np.rint(since * ERROR).astype(np.int64)
    return device[(device >= begin) & (device < end)] - begin


def test_each_sub_acquisition_is_one_message_of_device_times(unit, stream, twin, lab, clicks):
    first, second = stream(1), stream(2)
    unit.ask("RAW1:SEND ON;:RAW2:SEND ON")
    unit.ask("REC:PLAY", 0.5)
    for channel, wire in ((1, first), (2, second)):
        messages = [np.frombuffer(message, "<u8") for message in wire.receive(3)]
        for k, tags in enumerate(messages):
            begin = k * 100_000_040_000
            want = expected(clicks[f"alice.tagger.{channel}"], twin.inspect()["start_ps"], begin, begin + 100 * 10**9)
            assert len(want) > 9000
            assert np.array_equal(tags, want)
    assert lab.bench.open == 0


def test_start_latency_differs_by_up_to_half(unit, twin, lab):
    unit.ask("REC:NUM 1;PWID 1000000")
    latencies = []
    for _ in range(20):
        played = lab.now_ps
        unit.ask("REC:PLAY", 0.02)
        latencies.append((twin.inspect()["start_ps"] - played) / S)
    assert 1e-3 <= min(latencies) < 1.5e-3
    assert 2.5e-3 < max(latencies) <= 3e-3


def test_data_comes_only_at_the_end_of_a_sub_acquisition_and_even_if_empty(unit, stream, twin, lab):
    wire = stream(3)
    unit.ask("RAW3:SEND ON;:REC:NUM 1")
    unit.ask("REC:PLAY", 0.09)
    assert wire.sent() == 0
    lab.run_for(0.05)
    assert wire.receive(1) == [b""]
    assert unit.ask("REC:STAG?") == "IDLE"


def test_nothing_is_sent_without_raw_send(unit, stream, service, lab):
    stream(1)
    unit.ask("REC:PLAY", 0.5)
    assert service("status --id 127.0.0.1:5556")["acquisitions_count"] == 0


def test_low_resolution_cuts_to_100_ps(unit, stream, twin, lab, clicks):
    wire = stream(1)
    unit.ask("DEVI:RES LOWRES;:RAW1:SEND ON;:REC:NUM 1")
    unit.ask("REC:PLAY", 0.3)
    tags = np.frombuffer(wire.receive(1)[0], "<u8")
    want = expected(clicks["alice.tagger.1"], twin.inspect()["start_ps"], 0, 100 * 10**9)
    assert np.array_equal(tags, want // 100 * 100)


def test_stop_sends_what_there_is(unit, stream, twin, lab, clicks):
    wire = stream(1)
    unit.ask("RAW1:SEND ON;:REC:NUM INF")
    unit.ask("REC:PLAY", 0.15)
    assert unit.ask("REC:STOP;:REC:STAG?") == "IDLE"
    whole, part = (np.frombuffer(message, "<u8") for message in wire.receive(2))
    assert len(whole) > 9000
    assert 3000 < len(part) < 6000
    assert unit.ask("REC:STOP") == ""
    lab.run_for(1)
    assert wire.sent() == 2


def test_duration_counts_when_no_width_is_set(unit, stream, lab):
    wire = stream(1)
    unit.ask("REC:NUM 1;PWID 0;PPER 0;DUR 50000000000;:RAW1:SEND ON")
    unit.ask("REC:PLAY", 0.2)
    assert len(np.frombuffer(wire.receive(1)[0], "<u8")) == pytest.approx(5000, abs=5 * 71)  # five sigma


@pytest.mark.parametrize("setup", ["REC:PPER 100000039999", "REC:ENAB OFF", "REC:PWID 0;DUR 0"])
def test_play_refuses_what_cannot_be_recorded(unit, setup):
    unit.ask(setup)
    assert unit.ask("REC:PLAY").startswith("ERROR")
    assert unit.ask("REC:STAG?") == "IDLE"


def test_a_second_play_is_refused(unit):
    assert unit.ask("REC:PLAY") == ""
    assert unit.ask("REC:PLAY").startswith("ERROR")


def test_tags_can_count_from_a_reference_and_through_a_delay(unit, stream, twin, lab, clicks):
    wire = stream(1, "--with-ref-index")
    unit.ask("DELA1:LINK INPU1;VALU 700;:RAW1:STOP:LINK DELA1;:RAW1:REF:LINK INPU1;:RAW1:SEND ON;:REC:NUM 1")
    unit.ask("REC:PLAY", 0.3)
    pairs = np.frombuffer(wire.receive(1)[0], "<u8").reshape(-1, 2)
    want = expected(clicks["alice.tagger.1"], twin.inspect()["start_ps"], 0, 100 * 10**9)
    isolated = np.diff(want) > 700
    assert np.array_equal(pairs[:-1][isolated, 0], np.full(isolated.sum(), 700))
    assert np.array_equal(pairs[:-1][isolated, 1], np.arange(len(want) - 1)[isolated])


# --- overflow -----------------------------------------------------------------------------------------------------


def test_too_many_tags_are_an_overflow_and_that_sub_acquisition_is_lost(unit, stream, service, lab, clicks):
    burst = np.arange(6_000_000, dtype=np.int64) * 50_000  # 20 MHz for 0.3 s
    lab.bench.clicks["alice.tagger.1"] = burst[burst > 150 * MS]
    wire = stream(1)
    unit.ask("RAW1:SEND ON;:REC:NUM 3;PWID 100GTB;PPER 110GTB")
    unit.ask("REC:PLAY", 0.6)
    status = service("status --id 127.0.0.1:5556")
    assert 1 <= len(status["errors"]) <= 2
    assert all("overflow" in error["description"] for error in status["errors"])
    assert status["acquisitions_count"] == 3 - len(status["errors"])
    assert int(unit.ask("RAW1:ERRO?")) == len(status["errors"])
    assert unit.ask("RAW1:ERRO:CLEA;:RAW1:ERRO?") == "0"
    assert wire.sent() == status["acquisitions_count"]


def test_own_overflow_hits_the_next_recording_only(unit, stream, service, twin, lab):
    wire = stream(1)
    twin.own_fault("overflow")
    unit.ask("RAW1:SEND ON;:REC:NUM 1")
    unit.ask("REC:PLAY", 0.3)
    assert wire.sent() == 0
    assert unit.ask("RAW1:ERRO?") == "1"
    assert len(service("status --id 127.0.0.1:5556")["errors"]) == 1
    unit.ask("REC:PLAY", 0.3)
    assert len(wire.receive(1)) == 1


def test_a_client_that_does_not_read_is_reported_and_memory_does_not_grow(unit, service, twin, lab, monkeypatch):
    monkeypatch.setattr("bellringer.sim_backends.twins.time_taggers.datalink._MOST_WAITING", 2)
    number = twin.connection()["stream_ports"][0]
    service(f"start-stream --address 127.0.0.1 --channel 1 --stream-port {number}")  # and nobody connects
    unit.ask("RAW1:SEND ON;:REC:NUM INF")
    unit.ask("REC:PLAY", 0.6)
    status = service("status --id 127.0.0.1:5556")
    assert status["acquisitions_count"] == 2
    assert status["errors"][0] == {"description": "the client of channel 1 does not read"}
    unit.ask("REC:STOP")


# --- data service -------------------------------------------------------------------------------------------------


def test_list_status_and_stop(unit, stream, service, lab):
    assert service("list") == []
    wire = stream(2)
    assert service("list") == ["127.0.0.1:5557"]
    unit.ask("RAW2:SEND ON;:REC:NUM 1")
    unit.ask("REC:PLAY", 0.3)
    tags = len(np.frombuffer(wire.receive(1)[0], "<u8"))
    status = service("status --id 127.0.0.1:5557")
    assert status == {
        "acquisitions_count": 1,
        "inactivity": pytest.approx(0.22, abs=0.05),
        "timestamps_count": tags,
        "errors": [],
    }
    assert service("stop --id 127.0.0.1:5557")["status"]["timestamps_count"] == tags
    assert service("list") == []


def test_a_stream_can_be_started_again_on_its_port(unit, stream, service, lab):
    unit.ask("RAW1:SEND ON;:REC:NUM 1")
    for _ in range(3):
        wire = stream(1)
        unit.ask("REC:PLAY", 0.2)
        assert len(wire.receive(1)[0]) > 8000
        service("stop --id 127.0.0.1:5556")
        wire.close()


def test_messages_can_be_fetched_after_the_stop(unit, stream, service, lab):
    wire = stream(1)
    unit.ask("RAW1:SEND ON")
    unit.ask("REC:PLAY", 0.5)
    lab.take_in(lambda: wire.sent() == 3)
    service("stop --id 127.0.0.1:5556")
    assert len(wire.receive(3)) == 3


def test_files_hold_the_same_tags(unit, service, twin, lab, clicks, tmp_path):
    binary, text = tmp_path / "one file.bin", tmp_path / "two.txt"
    assert service(f'start-save --address 127.0.0.1 --channel 1 --filename "{binary}" --format bin') == {
        "id": "127.0.0.1:5556"
    }
    assert service(f"start-save --address 127.0.0.1 --channel 1 --filename {text} --format ascii --id x") == {"id": "x"}
    unit.ask("RAW1:SEND ON;:REC:NUM 2")
    unit.ask("REC:PLAY", 0.4)
    tags = np.fromfile(binary, "<u8")
    start = twin.inspect()["start_ps"]
    parts = [
        expected(clicks["alice.tagger.1"], start, k * 100_000_040_000, k * 100_000_040_000 + 100 * 10**9)
        for k in (0, 1)
    ]
    assert np.array_equal(tags, np.concatenate(parts))
    assert np.array_equal(np.loadtxt(text, np.uint64), tags)


@pytest.mark.parametrize("command", [
    "dance", "", "status", "status --id nobody", "stop --id nobody", "start-stream --address 127.0.0.1 --channel 1",
    "start-stream --address 127.0.0.1 --channel 7 --stream-port 5",
    "start-save --address x --channel 1 --filename /nowhere/x",
    "start-save --address x --channel 1 --filename f --format xml", "start-stream --channel", 'list "', "status loose",
])  # fmt: skip
def test_the_service_describes_what_it_cannot_do(service, command):
    if command == 'list "':
        assert "quotation" in service(command)["error"]["description"]
    else:
        assert service(command)["error"]["description"]
    assert service("list") == []


def test_a_running_acquisition_is_not_started_twice(stream, service, twin):
    stream(1)
    assert "already" in service("start-stream --address 127.0.0.1 --channel 1 --stream-port 1")["error"]["description"]
    number = twin.connection()["stream_ports"][0]
    reply = service(f"start-stream --address 127.0.0.1 --channel 2 --stream-port {number}")
    assert "in use" in reply["error"]["description"]


def test_connection_offers_four_free_stream_ports(twin):
    connection = twin.connection()
    assert connection["dlt_port"] == twin.datalink.port.number
    assert len(set(connection["stream_ports"])) == 4
