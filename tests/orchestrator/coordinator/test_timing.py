"""What the coordinator keeps of measured latencies, and what it refuses because of them."""

import pytest
from bellringer.orchestrator.coordinator.timing import Timing
from bellringer.orchestrator.heralding.service.lab import Unmeasured
from bellringer.testbed.attempts import program
from bellringer.testbed.attempts.latency import Measurement
from bellringer.testbed.errors import BellringerError, ProgramError

MS = 10**9
PROGRAM = program(
    scheme="single_click",
    keep="keep",
    nodes=("alice",),
    station="charlie",
    period_ps=10_000_000,
    round_trip_ps=4_000_000,
    windows=({"name": "w", "begin_ps": 100, "length_ps": 1000},),
    detectors=("d0",),
    heralds=({"clicks": (("d0", "w"),), "label": "psi+"},),
    feedforward=({"label": "psi+", "node": "alice", "operation": "X", "deadline_ps": 30 * MS},),
    most_attempts=1000,
    most_ps=10**12,
    max_age_ps=10**12,
)


def measured(ps, node="alice", latency_class="S1"):
    return Measurement.of(latency_class, "charlie", node, [ps] * 10_000, 0).model_dump_json()


def timing(folder, testbed="lab"):
    return Timing(folder / "latency.json", testbed, lambda: "now")


def test_without_a_measurement_nobody_knows_and_the_error_says_how_to(tmp_path):
    with pytest.raises(Unmeasured, match="from charlie to alice was not measured") as raised:
        timing(tmp_path).check("west", PROGRAM, None)
    assert raised.value.hint == "bellringer link measure west"


def test_what_was_measured_outlives_the_process_and_judges_programs(tmp_path):
    timing(tmp_path).take([measured(29 * MS), measured(1, node="bob")])
    timing(tmp_path).check("west", PROGRAM, None)
    timing(tmp_path).take([measured(31 * MS)])
    with pytest.raises(ProgramError, match=f"S1 misses it by {MS} ps"):
        timing(tmp_path).check("west", PROGRAM, None)
    assert {each.node for each in timing(tmp_path).measured.measurements} == {"alice", "bob"}


@pytest.mark.parametrize("text", ["", "{}", '{"latency_class": "S9"}', "[]"])
def test_what_is_no_measurement_is_refused_and_the_older_one_stays(tmp_path, text):
    ours = timing(tmp_path)
    ours.take([measured(MS)])
    with pytest.raises(BellringerError, match="this is no measurement"):
        ours.take([measured(2 * MS), text])
    assert timing(tmp_path).measured.measurements[0].p50_ps == ours.measured.measurements[0].p50_ps == MS


def test_a_class_in_which_nothing_carries_corrections_is_refused(tmp_path):
    ours = timing(tmp_path)
    with pytest.raises(BellringerError, match="corrections to alice are messages from charlie, in no class H2"):
        ours.take([measured(1, latency_class="H2")])
    assert ours.measured is None


def test_another_testbeds_file_is_refused(tmp_path):
    timing(tmp_path).take([measured(MS)])
    with pytest.raises(BellringerError, match="measured on 'lab', not on 'other'"):
        timing(tmp_path, "other")


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b'{"version": 2}'])
def test_a_file_that_is_none_is_refused(tmp_path, data):
    (tmp_path / "latency.json").write_bytes(data)
    with pytest.raises(BellringerError, match="latencies"):
        timing(tmp_path)


def test_a_disk_that_does_not_take_it_leaves_the_older_one(tmp_path):
    ours = timing(tmp_path)
    ours.take([measured(MS)])
    (tmp_path / "latency.json.part").mkdir()
    with pytest.raises(BellringerError, match="cannot be written"):
        ours.take([measured(2 * MS)])
    assert ours.measured.measurements[0].p50_ps == MS
