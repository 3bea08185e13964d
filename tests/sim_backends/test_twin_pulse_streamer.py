"""The Pulse Streamer twin against the sheet's calls, and its driver on it in lockstep: a back-end that lacks much."""

import contextlib
import json
import threading

import pytest
from bellringer.drivers import open_instrument
from bellringer.drivers.interfaces import AttemptController, BatchReport, PulseGenerator, Refused
from bellringer.sim_backends.lab.byte_ports import Fault
from bellringer.sim_backends.lab.lab import Lab
from bellringer.sim_backends.twins.timing.pulse_streamer import PulseStreamerTwin
from bellringer.testbed.attempts import program
from bellringer.testbed.attempts.compile import compile_program
from bellringer.testbed.attempts.traits import Traits
from bellringer.testbed.errors import InstrumentError, ProgramError
from bellringer.testbed.lockstep import LockstepClock
from bellringer.testbed.models import PulseStreamerModel

S = 10**12
EXAMPLE = "AAAAZAEAAAAAAAADhAAAAAAA"
"""Of the sheet: 100 ns output 0, 900 ns nothing."""


@pytest.fixture
def twin(lab):
    return PulseStreamerTwin(lab, "alice.streamer", PulseStreamerModel(kind="pulse_streamer", trigger_rate="4 Hz"))


@pytest.fixture
def call(lab, twin, wire):
    """``call(method, *params)``: the result or the error of one remote call."""
    line = wire("tcp", twin.main_port)

    def ask(method, *params, path="/json-rpc", verb="POST"):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        head = f"{verb} {path} HTTP/1.1\r\nHost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        head, _, said = line.ask(head + body).partition(b"\r\n\r\n")
        if not said:
            return head.split(b"\r\n")[0].decode()
        found = json.loads(said)
        assert found["id"] == 1
        return found.get("result", found.get("error"))

    return ask


def test_calls_of_the_sheet(call, twin):
    assert call("getSerial", 0).startswith("00:26:32:")
    assert call("getFirmwareVersion") == "1.7.2"
    assert (call("isStreaming"), call("hasSequence"), call("hasFinished")) == (False, False, False)
    assert (call("getTriggerStart"), call("getTriggerRearm"), call("getClock")) == (0, 0, 0)
    assert call("selectClock", 2) == 0
    assert call("getClock") == 2
    assert call("constant", [0, 0x81, 0, 0]) == 0
    assert twin.inspect()["outputs"] == 0x81


def test_an_immediate_sequence_is_played_so_often_and_ends_in_its_final_state(call, twin, lab):
    call("stream", EXAMPLE, 3, [0, 2, 0, 0])
    began = twin._sequence.start_ps
    seen = [twin.outputs(began + t * 1000) for t in (0, 99, 100, 999, 1000, 1099, 1100, 2099, 2999, 3000)]
    assert seen == [1, 1, 0, 0, 1, 1, 0, 1, 0, 2]
    assert (call("isStreaming"), call("hasFinished")) == (False, True)


def test_software_start_waits_for_it_and_edges_do_nothing(call, twin, lab):
    call("setTrigger", 1, 1)
    call("stream", EXAMPLE, -1, [0, 0, 0, 0])
    lab.run_for(1.0)
    assert (call("isStreaming"), call("hasSequence")) == (False, True)
    call("startNow")
    assert call("isStreaming") is True
    lab.run_for(100.0)
    assert call("isStreaming") is True
    call("constant", [0, 0, 0, 0])
    assert (call("isStreaming"), call("hasSequence")) == (False, False)


def test_an_edge_starts_it_at_its_time_to_the_picosecond(call, twin, lab):
    lab.run_for(0.3)
    call("setTrigger", 2, 1)
    call("stream", EXAMPLE, 1, [0, 0, 0, 0])
    lab.run_for(1.0)
    first = twin._sequence.start_ps
    assert first % (S // 4) == 0
    assert call("rearm") == 0
    lab.run_for(0.3)
    assert twin._sequence.start_ps > first
    assert twin._sequence.start_ps % (S // 4) == 0
    assert call("hasFinished") is True


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("stream", ("@@@", 1, [0, 0, 0, 0])),
        ("stream", ("AAAA", 1, [0, 0, 0, 0])),
        ("stream", ("", 1, [0, 0, 0, 0])),
        ("stream", (EXAMPLE, 1.5, [0, 0, 0, 0])),
        ("stream", (EXAMPLE, 1, [0, 256, 0, 0])),
        ("constant", ([0, 0],)),
        ("setTrigger", (5, 0)),
        ("setTrigger", (2,)),
        ("selectClock", (3,)),
    ],
)
def test_wrong_parameters_are_an_error_of_json_rpc(call, method, params):
    assert call(method, *params)["code"] == -32602


def test_unknown_methods_paths_and_verbs(call):
    assert call("selfDestruct")["code"] == -32601
    assert call("getSerial", 0, path="/") == "HTTP/1.1 404 Not Found"
    assert call("getSerial", 0, verb="GET") == "HTTP/1.1 405 Method Not Allowed"


def test_what_is_no_http_or_no_json_is_answered(lab, twin, wire):
    assert wire("tcp", twin.main_port).ask(b"hello\r\n\r\n").startswith(b"HTTP/1.1 400 Bad Request")
    said = wire("tcp", twin.main_port).ask(b"POST /json-rpc HTTP/1.1\r\nContent-Length: 3\r\n\r\n{:}")
    assert json.loads(said.partition(b"\r\n\r\n")[2])["error"]["code"] == -32700


# --- the driver on it -----------------------------------------------------------------------------------------


class Driven:
    def __init__(self, lab, twin, clock, unit):
        self.lab, self.twin, self.clock, self.unit = lab, twin, clock, unit

    def now(self):
        return round(self.clock.monotonic_s() * 1e12)

    def outputs(self):
        return self.twin.inspect()["outputs"]


@pytest.fixture
def driven(tmp_path):
    endpoint = f"ipc://{tmp_path}/clock"
    lab = Lab(seed=1, clock_endpoint=endpoint)
    twin = PulseStreamerTwin(lab, "alice.streamer", PulseStreamerModel(kind="pulse_streamer", trigger_rate="1 Hz"))
    thread = threading.Thread(target=lab.run)
    thread.start()
    clock = LockstepClock(endpoint, "test")
    with contextlib.ExitStack() as stack:
        stack.callback(thread.join, 10)
        stack.callback(lab.stop)
        stack.callback(clock.close)
        unit = open_instrument(
            "pulse_streamer", twin.resource, name="alice.streamer", clock=clock, channels={"pump": 0, "gate": 3}
        )
        stack.callback(unit.abandon)
        yield Driven(lab, twin, clock, unit)


def batch_program(**changes):
    fields = {
        "scheme": "spdc_bsm",
        "keep": "measure",
        "nodes": ("alice",),
        "station": "charlie",
        "period_ps": 10**9,
        "pulses": ({"node": "alice", "channel": "pump", "begin_ps": 1000, "length_ps": 500_000_000},),
        "windows": ({"name": "w", "begin_ps": 0, "length_ps": 1000},),
        "detectors": ("d0",),
        "heralds": ({"clicks": (("d0", "w"),), "label": "psi+"},),
        "most_attempts": 1500,
        "most_ps": 100 * S,
        **changes,
    }
    return program(**fields)


def armed(driven, batch=7, made=None):
    """Load and arm for the trigger after the next; return the start time."""
    made = made or batch_program()
    start_ps = (driven.now() // S + 2) * S
    driven.unit.load(made)
    driven.unit.arm(batch, 1, start_ps, made.digest)
    return start_ps


def test_it_is_both_capabilities_and_has_no_trait(driven):
    assert isinstance(driven.unit, PulseGenerator)
    assert isinstance(driven.unit, AttemptController)
    assert driven.unit.traits() == Traits(False, False, False, False, False, resolution_ps=1000)
    station = Traits(True, True, False, True, False)
    plan = compile_program(batch_program(), {"alice": driven.unit.traits(), "charlie": station})
    assert plan.externally_triggered == ("alice",)


def test_a_committed_batch_starts_at_its_trigger_and_is_reported(driven):
    start_ps = armed(driven)
    driven.clock.sleep((start_ps - driven.now()) / S - 0.5)
    driven.unit.commit(7)
    assert driven.unit.playing
    assert driven.outputs() == 0
    with pytest.raises(Refused, match="the batch is COMMITTED") as refusal:
        driven.unit.report(7)
    assert refusal.value.code == "busy"
    driven.clock.sleep((start_ps - driven.now()) / S + 10e-6)
    assert driven.twin._sequence.start_ps == start_ps
    assert driven.outputs() == 1
    driven.clock.sleep(2.0)
    assert driven.unit.report(7) == BatchReport(7, "DONE", 1500, 0, 0, (), 0, 0, "attempts")
    assert driven.unit.report(7).state == "DONE"
    assert driven.unit.read_heralds(0.1) == driven.unit.read_applied(0.1) == []


def test_without_commit_no_edge_starts_anything(driven):
    armed(driven)
    driven.clock.sleep(5.0)
    assert driven.twin._sequence is None
    with pytest.raises(Refused, match="late, by") as refusal:
        driven.unit.commit(7)
    assert refusal.value.code == "late"
    assert driven.unit.report(7).stopped_by == "not committed"
    assert driven.outputs() == 0


def test_row_21_an_underflow_voids_the_batch(driven):
    armed(driven)
    driven.twin.own_fault("underflow")
    driven.unit.commit(7)
    driven.clock.sleep(4.0)
    assert driven.unit.report(7) == BatchReport(7, "DARK", 0, 0, 0, (), 0, 1, "underflow")


def test_an_abort_makes_it_dark_in_mid_batch(driven):
    start_ps = armed(driven)
    driven.unit.commit(7)
    driven.clock.sleep((start_ps - driven.now()) / S + 0.5 + 1e-6)
    driven.unit.abort(7, "operator")
    assert driven.outputs() == 0
    driven.clock.sleep(3.0)
    assert driven.twin._sequence is None
    assert (driven.unit.report(7).state, driven.unit.report(7).stopped_by) == ("DARK", "operator")


def test_refusals_carry_their_code(driven):
    unit, made = driven.unit, batch_program()
    codes = []

    def refused(call):
        with pytest.raises(Refused) as refusal:
            call()
        codes.append(refusal.value.code)

    refused(lambda: unit.arm(1, 1, driven.now() + S, made.digest))
    armed(driven, 7)
    unit.commit(7)
    refused(lambda: unit.arm(8, 1, driven.now() + 5 * S, made.digest))
    unit.abort(7, "")
    refused(lambda: unit.arm(7, 1, driven.now() + 5 * S, made.digest))
    refused(lambda: unit.arm(8, 0, driven.now() + 5 * S, made.digest))
    refused(lambda: unit.arm(8, 1, driven.now(), made.digest))
    refused(lambda: unit.commit(8))
    unit.abort(9, "never came")
    refused(lambda: unit.arm(9, 1, driven.now() + 5 * S, made.digest))
    refused(lambda: unit.apply(9, 1, 1, "X", 1))
    refused(lambda: unit.report(7))
    assert codes == ["hash", "busy", "repeated", "epoch", "past", "state", "repeated", "state", "gone"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {
                "keep": "keep",
                "round_trip_ps": 10,
                "max_age_ps": 10**6,
                "feedforward": ({"label": "psi+", "node": "alice", "operation": "I", "deadline_ps": 1},),
            },
            "it cannot keep qubits",
        ),
        ({"stop": {"kind": "first"}}, "it cannot stop at a herald"),
        ({"calibration": {"every": 1, "length": 1}}, "it cannot change its pulses"),
        ({"nodes": ("bob",), "pulses": ()}, "it is at alice, the program is for bob"),
    ],
)
def test_programs_that_it_cannot_run_are_refused(driven, changes, said):
    with pytest.raises(ProgramError, match=said):
        driven.unit.load(batch_program(**changes))


def test_a_generator_s_pulses_are_played_at_once_at_an_edge_or_at_start(driven):
    unit = driven.unit
    unit.set_pulses([("gate", 0, 10**9)], 2 * 10**9, 100)
    unit.start()
    assert driven.twin.inspect()["streaming"]
    assert unit.is_playing()
    driven.clock.sleep(1.0)
    assert not unit.is_playing()
    unit.trigger = "RISING"
    unit.start()
    assert unit.is_playing()
    unit.stop()
    assert driven.twin._sequence is None
    assert not unit.underflowed()
    assert unit.trigger == "SOFTWARE"


@pytest.mark.parametrize("kind", ["drop", "corrupt", "garbage", "truncate", "late", "disconnect"])
def test_row_13_questions_survive_a_spoilt_answer_and_the_dark_survives_all(driven, kind):
    armed(driven)
    driven.unit.commit(7)
    if kind != "disconnect":
        driven.twin.main_port.faults.append(Fault(kind, 2))
        assert driven.unit.trigger == "RISING"
    driven.twin.main_port.faults.append(Fault(kind, 1))
    driven.unit.safe_state()
    assert driven.twin._sequence is None


def test_a_unit_that_cannot_be_reached_is_not_called_dark(driven):
    driven.twin.main_port.faults.append(Fault("drop", 100))
    with pytest.raises(InstrumentError, match="cannot confirm that all outputs are low"):
        driven.unit.safe_state()
