"""The reference core against attempt/1: how batches begin and end, what is recorded, what is late."""

import pytest

S = 10**12
P = 5_000_000


# --- batches -----------------------------------------------------------------------------------------------------


def test_a_batch_runs_at_its_time_and_its_heralds_are_recorded(three, all_three, talk, lab, started):
    records = talk(three.charlie, "records", "0")
    started(all_three.values(), three.program(keep="measure"))
    assert [core.inspect()["emitting"] for core in (three.alice, three.bob)] == [False, False]
    lab.advance_to(S)
    assert [core.inspect()["emitting"] for core in (three.alice, three.bob)] == [True, True]
    lab.advance_to(S + 1000 * P + 10**10)
    assert records.said() == [
        f"H 1 1 7 3 1 {S + 3 * P + 1_000_000} -",
        f"H 2 2 7 7 3 {S + 7 * P + 1_000_000} unknown pattern",
        f"H 3 3 7 9 2 {S + 9 * P + 1_000_000} -",
        "E 4 7 DONE attempts",
    ]
    assert not any(core.inspect()["emitting"] for core in (three.alice, three.bob))
    done = "batch=7 state=DONE attempts=1000 first=1 heralds=3 applied=0 lateness=0 underflows=0 records=4"
    assert all_three["charlie"].ask("REPORT 7")[0].endswith(f" OK {done} stopped=attempts")
    assert three.source.asked == [(7, 1000, ("alice", "bob"))]


def test_a_lab_that_is_late_misses_no_herald(three, all_three, talk, lab, started):
    """In step with the wall on a busy machine: a whole batch is due before the lab looks again."""
    records = talk(three.charlie, "records", "0")
    started(all_three.values(), three.program(keep="measure"))
    lab._now_ps = S + 1000 * P + 10**10
    lab.advance_to(lab.now_ps)
    assert [line.split(" ")[:4] for line in records.said(0.1)] == [
        *(["H", str(n), str(n), "7"] for n in (1, 2, 3)),
        ["E", "4", "7", "DONE"],
    ]


def test_numbers_go_on_from_batch_to_batch(three, all_three, talk, lab, started):
    records = talk(three.charlie, "records", "0")
    for batch in (7, 8):
        started(all_three.values(), three.program(keep="measure"), batch, batch * S)
        lab.advance_to(batch * S + S // 2)
    assert [line.split(" ")[:3] for line in records.said()] == [
        *(["H", str(n), str(n)] for n in (1, 2, 3)),
        ["E", "4", "7"],
        *(["H", str(n), str(n - 1)] for n in (5, 6, 7)),
        ["E", "8", "8"],
    ]


def test_without_commit_nothing_is_emitted(three, all_three, lab):
    program = three.program()
    for line in all_three.values():
        line.arm(program, 7, S)
    lab.advance_to(2 * S)
    assert not any(three.alice.emitting.at(at) for at in three.alice.emitting.changes(0, 2 * S))
    assert all_three["alice"].status()["state"] == "DARK"
    assert "attempts=0" in all_three["alice"].ask("REPORT 7")[0]
    assert all_three["alice"].ask("REPORT 7")[0].endswith("stopped=not committed")


def test_a_node_that_was_not_committed_does_not_emit_and_the_source_knows(three, all_three, lab):
    program = three.program(keep="measure")
    for line in all_three.values():
        line.arm(program, 7, S)
    for name in ("bob", "charlie"):
        all_three[name].ask("COMMIT 7")
    lab.advance_to(2 * S)
    assert three.source.asked == [(7, 1000, ("bob",))]


def test_row_21_a_commit_after_the_start_never_runs_and_is_told_how_late_it_is(three, talk, lab):
    line, program = talk(three.alice), three.program()
    line.arm(program, 7, S)
    lab.advance_to(S - 10_000_000)  # it takes effect 20 us after its bytes: 10 us late
    assert line.ask("COMMIT 7") == ["4 ERR late by 10000000 ps"]
    lab.advance_to(2 * S)
    assert not any(three.alice.emitting.at(at) for at in three.alice.emitting.changes(0, 2 * S))


@pytest.mark.parametrize(
    ("ahead_ps", "said"),
    [
        (0, "past the start was 20000000 ps ago"),
        (20_000_000, "past the start was 0 ps ago"),
        (520_000_000, "lead 500000000 ps too near"),
        (1_019_999_999, "lead 1 ps too near"),
    ],
)
def test_arming_too_late_is_refused_and_told_by_how_much(three, talk, lab, ahead_ps, said):
    line, program = talk(three.alice), three.program()
    line.load(program)
    assert line.ask(f"ARM 7 1 {lab.now_ps + ahead_ps} {program.digest}") == [f"3 ERR {said}"]


def test_arming_is_refused_for_every_other_reason(three, talk, lab):
    line, program = talk(three.alice), three.program()
    assert line.arm(program, 7, S, epoch=5) == "OK state=ARMED"
    arm = f"ARM 7 5 {S} {program.digest}"
    assert line.ask(arm)[0].endswith("OK state=ARMED")  # the same words again
    assert "ERR busy batch 7 is ARMED" in line.ask(f"ARM 8 5 {S} {program.digest}")[0]
    assert line.ask("ABORT 7 no reason")[0].endswith("OK state=DARK")
    assert "ERR repeated" in line.ask(arm)[0]
    assert "ERR epoch epoch 5 was seen" in line.ask(f"ARM 8 4 {S} {program.digest}")[0]
    assert line.ask("ABORT 9 never came")[0].endswith("OK state=DARK")
    assert "ERR repeated" in line.ask(f"ARM 9 5 {S} {program.digest}")[0]
    three.alice.own_fault("unlock")
    assert "ERR clock" in line.ask(f"ARM 8 5 {S} {program.digest}")[0]
    three.alice.own_fault("lock")
    assert line.ask(f"ARM 8 5 {S} {program.digest}")[0].endswith("OK state=ARMED")


def test_an_abort_ends_a_running_batch_in_the_dark_and_no_herald_comes_after_it(three, all_three, talk, lab, started):
    records = talk(three.charlie, "records", "0")
    started(all_three.values(), three.program(keep="measure"))
    lab.advance_to(S + 5 * P)
    all_three["alice"].send("90 ABORT 7 operator says so")
    lab.run_for(30e-6)  # attempts 9 and 10 begin after the abort took effect
    assert not three.alice.inspect()["emitting"]
    assert all_three["alice"].said() == ["90 OK state=DARK"]
    lab.advance_to(2 * S)
    assert [line.split(" ")[4] for line in records.said() if line.startswith("H")] == ["3", "7"]
    assert all_three["alice"].ask("REPORT 7")[0].endswith("stopped=operator says so")
    assert " attempts=10 " in all_three["alice"].ask("REPORT 7")[0]


@pytest.mark.parametrize("how", ["connection", "lease", "clock", "dark"])
def test_a_running_core_goes_dark_by_itself(three, all_three, lab, started, how):
    program = three.program(keep="measure", most_attempts=10**6, most_ps=10 * S)
    line = all_three["alice"]
    started(all_three.values(), program)
    lab.advance_to(S + 10**9)
    assert three.alice.inspect()["emitting"]
    if how == "connection":
        line.close()
        lab.take_in(lambda: three.alice.control is None)
    elif how == "lease":
        three.alice._lease_s = 0.5
        line.ask("KEEPALIVE")
        lab.run_for(0.49)
        assert three.alice.inspect()["emitting"]
        lab.run_for(0.02)
    elif how == "clock":
        three.alice.own_fault("unlock")
    else:
        assert line.ask("DARK")[0].endswith("OK outputs=off")
    assert not three.alice.inspect()["emitting"]
    why = {"connection": "connection lost", "lease": "lease out", "clock": "clock unlocked", "dark": "dark"}[how]
    assert (three.alice.run.state, three.alice.run.stopped_by) == ("DARK", why)


def test_every_line_renews_the_lease(three, all_three, lab, started):
    three.alice._lease_s = 0.5
    started(all_three.values(), three.program(keep="measure", most_attempts=10**6, most_ps=10 * S))
    for _ in range(20):
        all_three["alice"].ask("STATUS")
        lab.run_for(0.4)
    assert three.alice.run.stopped_by == "attempts"


@pytest.mark.parametrize(
    ("fault", "state", "lateness", "underflows", "stopped"),
    [("underflow", "DARK", 0, 1, "underflow"), ("late_pulse", "DONE", 1_500_000, 0, "attempts")],
)
def test_row_21_an_underflow_ends_the_batch_and_a_late_pulse_is_told(
    three, all_three, lab, fault, state, lateness, underflows, stopped, started
):
    three.alice.own_fault(fault)
    started(all_three.values(), three.program(keep="measure"))
    lab.advance_to(2 * S)
    said = all_three["alice"].ask("REPORT 7")[0]
    assert f" state={state} " in said
    assert f" lateness={lateness} underflows={underflows} " in said
    assert said.endswith(f"stopped={stopped}")
    assert not three.alice.inspect()["emitting"]
    assert " lateness=0 underflows=0 " in all_three["bob"].ask("REPORT 7")[0]


@pytest.mark.parametrize(
    ("changes", "records", "stopped"),
    [
        ({"keep": "measure", "stop": {"kind": "first"}}, 1, "heralds"),
        ({"keep": "measure", "stop": {"kind": "count", "count": 2}}, 3, "heralds"),
        ({"keep": "measure", "stop": {"kind": "count", "count": 3}}, 3, "attempts"),
        ({}, 1, "memory full"),
    ],
)
def test_a_batch_stops_by_its_rule_and_the_nodes_hear_of_it(three, all_three, lab, changes, records, stopped, started):
    started(all_three.values(), three.program(**changes))
    lab.advance_to(2 * S)
    said = {name: line.ask("REPORT 7")[0] for name, line in all_three.items()}
    assert f" heralds={records} " in said["charlie"]
    assert all(each.endswith(f"stopped={stopped}") for each in said.values())
    if stopped != "attempts":
        begun = {1: 4, 3: 10}[records]
        assert f" attempts={begun} " in said["charlie"]
        assert f" attempts={begun} " in said["alice"]  # heard 3 us after the attempt began, within 5 us


def test_clicks_of_calibration_periods_herald_nothing(three, all_three, talk, lab, started):
    records = talk(three.charlie, "records", "0")
    started(all_three.values(), three.program(keep="measure", calibration={"every": 6, "length": 2}))
    lab.advance_to(2 * S)
    assert [line.split(" ")[4] for line in records.said() if line.startswith("H")] == ["3", "9"]


def test_a_detector_that_clicks_twice_in_a_window_heralds_nothing(three, all_three, talk, lab, started):
    records = talk(three.charlie, "records", "0")
    three.source.twice = {3}
    started(all_three.values(), three.program())
    lab.advance_to(2 * S)
    assert [line.split(" ", 6)[4:] for line in records.said() if line.startswith("H")] == [
        ["3", "1", f"{S + 3 * P + 1_000_000} two clicks in one window"],
        ["7", "3", f"{S + 7 * P + 1_000_000} unknown pattern"],
        ["9", "2", f"{S + 9 * P + 1_000_000} -"],
    ]
    assert three.alice.memory.lines()[0].startswith("0 7 9 ")


def test_row_17_lost_input_is_no_herald(three, all_three, talk, lab, started):
    records = talk(three.charlie, "records", "0")
    three.charlie.own_fault("overflow")
    started(all_three.values(), three.program(keep="measure"))
    lab.advance_to(2 * S)
    assert records.said()[0].endswith(" overflow")


# --- records -----------------------------------------------------------------------------------------------------


def test_lost_records_show_in_the_numbers_and_can_be_had_again(three, all_three, talk, lab, started):
    records = talk(three.charlie, "records", "0")
    three.charlie.own_fault("lose_records")
    started(all_three.values(), three.program(keep="measure"))
    lab.advance_to(2 * S)
    assert records.said() == ["E 4 7 DONE attempts"]
    again = all_three["charlie"].ask("RECORDS 1 3")
    assert again[0].endswith("OK lines=3")
    assert [line.split(" ")[1:4] for line in again[1:]] == [["H", str(n), str(n)] for n in (1, 2, 3)]
    late = talk(three.charlie, "records", "2")
    assert [line.split(" ")[1] for line in late.opened[1:]] == ["2", "3", "4"]


def test_records_that_are_no_longer_known_are_gone(three, all_three):
    for number in range(5000):
        three.charlie.record("E", f"{number} DONE attempts")
    assert "ERR gone" in all_three["charlie"].ask("RECORDS 1 10")[0]
    assert all_three["charlie"].ask("RECORDS 4000 9999")[0].endswith("OK lines=256")
