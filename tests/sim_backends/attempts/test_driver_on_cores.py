"""The contract of a core behind its driver: real sockets, lockstep time."""

import pytest
from bellringer.drivers import open_instrument
from bellringer.drivers.interfaces import (
    Applied,
    AttemptController,
    BatchReport,
    HeraldRecord,
    Outcome,
    QuantumMemory,
    Refused,
)
from bellringer.sim_backends.lab.byte_ports import Fault
from bellringer.testbed.errors import InstrumentError, LimitError, ProgramError

S = 10**12
P = 5_000_000


def test_it_is_both_capabilities_and_says_who_it_is(driven):
    cores = driven()
    assert isinstance(cores.alice, AttemptController)
    assert isinstance(cores.alice, QuantumMemory)
    assert str(cores.alice.identity).startswith("bellringer reference serial ")
    assert cores.alice.boot != cores.bob.boot
    assert cores.alice.traits().feedforward_in
    assert not cores.alice.traits().records_heralds
    assert cores.charlie.traits().records_heralds
    assert cores.alice.traits().resolution_ps == 1
    assert (cores.alice.slot_count(), cores.charlie.slot_count()) == (1, 0)
    assert cores.alice.snapshot() == {
        "state": "EMPTY",
        "clock_locked": True,
        "outputs_on": False,
        "boot": cores.alice.boot,
        "garbage": 0,
        "records_lost": 0,
    }
    before_ps = cores.now()
    shown_ps, locked = cores.alice.read_clock()
    assert before_ps <= shown_ps <= cores.now()
    assert locked


def test_a_batch_from_loading_to_its_report(driven):
    cores = driven()
    start_ps = cores.run(cores.bench.program(keep="measure"))
    assert cores.charlie.state == "COMMITTED"
    first = cores.charlie.read_heralds(1.5)
    cores.wait(1.0)
    heralds = first + cores.charlie.read_heralds(0.0)
    assert heralds == [
        HeraldRecord(1, 7, 3, 0b01, start_ps + 3 * P + 1_000_000, ""),
        HeraldRecord(2, 7, 7, 0b11, start_ps + 7 * P + 1_000_000, "unknown pattern"),
        HeraldRecord(3, 7, 9, 0b10, start_ps + 9 * P + 1_000_000, ""),
    ]
    assert cores.charlie.report(7) == BatchReport(7, "DONE", 1000, 1, 3, (), 0, 0, "attempts")
    assert cores.alice.report(7) == BatchReport(7, "DONE", 1000, 1, 2, (), 0, 0, "attempts")


def test_a_herald_is_there_as_soon_as_its_bytes_are(driven):
    cores = driven()
    start_ps = cores.run(cores.bench.program(keep="measure"), ahead_ps=S // 2)
    (first,) = cores.charlie.read_heralds(1.0)
    assert cores.now() == first.t_ps + 20_000_000 == start_ps + 3 * P + 21_000_000


def test_reading_waits_no_longer_than_asked(driven):
    cores = driven()
    before = cores.now()
    assert cores.charlie.read_heralds(0.25) == []
    assert cores.now() - before == S // 4


def test_a_correction_is_written_at_once_and_its_fate_is_read(driven):
    cores = driven()
    start_ps = cores.run(cores.bench.program(), ahead_ps=S // 2)
    (herald,) = cores.charlie.read_heralds(1.0)
    asked = cores.now()
    cores.alice.apply(7, herald.k, herald.hseq, "Z", herald.t_ps + 10**9)
    assert cores.now() == asked, "nothing is waited for"
    assert not cores.alice.heard_end(7)
    assert cores.alice.read_applied(0.1) == [], "the end of the batch, one herald being enough, comes first"
    assert cores.alice.heard_end(7)
    assert cores.alice.read_applied(0.1) == [Applied(7, 3, 1, "Z", asked + 20_000_000, "")]
    cores.alice.apply(7, herald.k, herald.hseq, "Z", 10**18)
    (double,) = cores.alice.read_applied(0.1)
    assert double.reason == "double"
    (qubit,) = cores.alice.held()
    assert (qubit.slot, qubit.batch, qubit.k) == (0, 7, 3)
    assert qubit.age_ps == pytest.approx(cores.now() - start_ps - 3 * P, abs=10**9)
    report = cores.alice.report(7)
    assert [each.reason for each in report.applied] == ["", "double"]
    assert (report.state, report.attempts, report.stopped_by) == ("DONE", 4, "memory full")
    cores.alice.operate(0, "H")
    assert cores.alice.measure(0, "X") == 1
    assert cores.alice.held() == []
    with pytest.raises(Refused, match="slot") as refusal:
        cores.alice.measure(0, "X")
    assert refusal.value.code == "slot"


def test_row_22_a_late_correction_is_reported_and_leaves_the_qubit_alone(driven):
    cores = driven()
    cores.run(cores.bench.program(), ahead_ps=S // 2)
    (herald,) = cores.charlie.read_heralds(1.0)
    cores.alice.apply(7, herald.k, herald.hseq, "Z", herald.t_ps)
    assert cores.alice.read_applied(0.1) == [], "the end of the batch"
    assert [each.reason for each in cores.alice.read_applied(0.1)] == ["late correction"]
    assert cores.bench.source.done == []


def test_outcomes_of_measured_qubits_are_read(driven):
    cores = driven()
    readout = ({"node": "bob", "bases": ("X", "Z")},)
    cores.run(cores.bench.program(keep="measure", readout=readout), ahead_ps=S // 2)
    outcomes = cores.bob.read_outcomes(1.0)
    cores.clock.sleep(0.1)
    assert outcomes + cores.bob.read_outcomes(0.0) == [Outcome(7, 3, "Z", 1), Outcome(7, 9, "Z", 1)]


def test_hundreds_of_corrections_are_all_in_the_report(driven):
    cores = driven()
    cores.run(cores.bench.program(), ahead_ps=S // 2)
    cores.charlie.read_heralds(1.0)
    for number in range(300):
        cores.alice.apply(7, number, number, "X", 10**18)
    cores.clock.sleep(0.001)
    applied = cores.alice.report(7).applied
    assert [each.hseq for each in applied] == [*range(300)]


# --- refusals -------------------------------------------------------------------------------------------------


def test_a_program_that_the_core_cannot_run_is_refused_before_it_is_sent(driven):
    cores = driven(resolution="500 ps")
    with pytest.raises(ProgramError, match="it has 1 memory slots"):
        cores.alice.load(cores.bench.program(memory_modes=2, period_ps=4_000_000))
    with pytest.raises(ProgramError, match=r"steps of 500 ps(.|\n)*grid_s=5e-10"):
        cores.alice.load(cores.bench.program(period_ps=5_000_100))
    with pytest.raises(ProgramError, match="it is charlie, the program is for dora"):
        cores.charlie.load(cores.bench.program(station="dora"))
    assert cores.alice.state == "EMPTY"


def test_row_23_what_was_not_loaded_cannot_be_armed(driven):
    cores = driven()
    with pytest.raises(Refused, match="no such program is loaded") as refusal:
        cores.alice.arm(7, 1, cores.now() + S, cores.bench.program().digest)
    assert refusal.value.code == "hash"
    assert refusal.value.hint == "load the program again"


def test_refusals_carry_their_code(driven):
    cores = driven()
    program = cores.bench.program()
    cores.alice.load(program)
    codes = []
    for start_ps, epoch in ((1, 1), (cores.now() + 10**8, 1)):
        with pytest.raises(Refused) as refusal:
            cores.alice.arm(7, epoch, start_ps, program.digest)
        codes.append(refusal.value.code)
    cores.alice.arm(7, 2, cores.now() + S, program.digest)
    for batch, epoch in ((8, 2), (7, 3)):
        with pytest.raises(Refused) as refusal:
            cores.alice.arm(batch, epoch, cores.now() + S, program.digest)
        codes.append(refusal.value.code)
    with pytest.raises(Refused) as refusal:
        cores.alice.report(7)
    codes.append(refusal.value.code)
    cores.alice.abort(7, "no * reason = at\nall")
    assert cores.alice.report(7).stopped_by == "no  reason = atall"
    for batch, epoch in ((7, 2), (8, 1)):
        with pytest.raises(Refused) as refusal:
            cores.alice.arm(batch, epoch, cores.now() + S, program.digest)
        codes.append(refusal.value.code)
    cores.bench.alice.own_fault("unlock")
    with pytest.raises(Refused) as refusal:
        cores.alice.arm(9, 2, cores.now() + S, program.digest)
    codes.append(refusal.value.code)
    assert codes == ["past", "lead", "busy", "busy", "busy", "repeated", "epoch", "clock"]


def test_row_21_a_commit_that_comes_too_late_never_runs(driven):
    cores = driven()
    program = cores.bench.program()
    cores.alice.load(program)
    cores.alice.arm(7, 1, cores.now() + S // 2, program.digest)
    cores.clock.sleep(0.6)
    with pytest.raises(Refused, match="late, by") as refusal:
        cores.alice.commit(7)
    assert refusal.value.code == "late"
    report = cores.alice.report(7)
    assert (report.state, report.attempts, report.stopped_by) == ("DARK", 0, "not committed")


@pytest.mark.parametrize("fault", ["underflow", "late_pulse"])
def test_row_21_lateness_and_underflow_stand_in_the_report(driven, fault):
    cores = driven()
    cores.bench.alice.own_fault(fault)
    cores.run(cores.bench.program(keep="measure"), ahead_ps=S // 2)
    cores.wait(1.0)
    report = cores.alice.report(7)
    if fault == "underflow":
        assert (report.state, report.underflows, report.stopped_by) == ("DARK", 1, "underflow")
        assert report.attempts < 1000
    else:
        assert (report.state, report.lateness_ps) == ("DONE", 1_500_000)
    assert not cores.alice.outputs_on


@pytest.mark.parametrize(
    "call",
    [
        lambda core: core.apply(1, 1, 1, "H", 1),
        lambda core: core.operate(0, "x"),
        lambda core: core.measure(0, "W"),
    ],
)
def test_row_10_wrong_words_are_refused_before_anything_is_sent(driven, call):
    cores = driven()
    with pytest.raises(LimitError, match="valid: "):
        call(cores.alice)


# --- the dark -------------------------------------------------------------------------------------------------


def running(cores):
    cores.run(cores.bench.program(keep="measure", most_attempts=10**7, most_ps=50 * S), ahead_ps=S // 2)
    cores.wait(1.0)
    assert cores.alice.outputs_on


def test_the_safe_state_is_dark_and_read_back(driven):
    cores = driven()
    running(cores)
    cores.alice.safe_state()
    assert not cores.bench.alice.inspect()["emitting"]
    assert cores.alice.report(7).stopped_by == "dark"


def test_closing_and_losing_the_connection_end_in_the_dark(driven):
    cores = driven()
    running(cores)
    cores.alice.close()
    cores.bob.abandon()
    cores.clock.sleep(0.001)
    assert not cores.bench.alice.inspect()["emitting"]
    assert cores.bench.bob.run.stopped_by == "connection lost"


def test_a_host_that_falls_silent_loses_its_lease_and_reading_keeps_it(driven):
    cores = driven()
    running(cores)
    for _ in range(5):
        cores.charlie.read_heralds(3.0)  # longer than the lease of 2 s
    assert cores.bench.charlie.run.state == "RUNNING"
    assert (cores.bench.alice.run.state, cores.bench.alice.run.stopped_by) == ("DARK", "lease out")
    assert cores.alice.state == "DARK"


def test_outputs_that_stay_on_are_no_safe_state(driven, monkeypatch):
    cores = driven()
    running(cores)
    monkeypatch.setattr(cores.bench.alice, "switch", lambda on: None)
    with pytest.raises(InstrumentError, match="cannot confirm that the core's outputs are off"):
        cores.alice.safe_state()


def test_a_broken_control_connection_is_made_anew_to_confirm_the_dark(driven):
    cores = driven()
    running(cores)
    cores.bench.alice.main_port.faults.append(Fault("disconnect"))
    cores.alice.safe_state()
    assert cores.alice.state == "DARK"
    assert not cores.bench.alice.inspect()["emitting"]


@pytest.mark.parametrize("lease_s", [0.05, 61.0, float("nan")])
def test_row_07_and_08_a_lease_out_of_range_is_refused(lease_s):
    with pytest.raises(LimitError, match="lease_s"):
        open_instrument("attempt_core", "socket://127.0.0.1:1", lease_s=lease_s)


def test_the_same_lab_gives_the_same_answers_six_times(driven, tmp_path):
    cores = driven()
    seen = set()
    for batch in range(1, 7):
        start_ps = cores.run(cores.bench.program(keep="measure"), batch, S // 2)
        cores.wait(1.0)
        heralds = cores.charlie.read_heralds(0.0)
        seen.add(tuple((each.k, each.pattern, each.t_ps - start_ps) for each in heralds))
        assert [each.hseq for each in heralds] == [*range(3 * batch - 2, 3 * batch + 1)]
    assert len(seen) == 1


def test_a_stored_qubit_sits_through_the_attempts_that_are_made_beside_it(driven):
    cores = driven()
    cores.alice.prepare(0, "X+")
    cores.run(cores.bench.program(keep="measure"))
    cores.wait(2.0)
    assert cores.alice.report(7).attempts == 1000
    assert [each for each in cores.bench.source.done if each[0] == "attempts"] == [
        ("attempts", "alice.core", 0, 1, 1000)
    ]
