"""The reference core against attempt/1: corrections and their deadlines, qubits in memory, outcomes."""

from types import SimpleNamespace

import pytest
from bellringer.sim_backends.twins.timing.attempt_memory import Memory
from bellringer.sim_backends.twins.timing.attempt_run import Qubit

S = 10**12
P = 5_000_000


@pytest.fixture
def held(three, all_three, talk, lab, started):
    """Alice's qubit of attempt 3 is in memory since 1 s + 3 * 5 us; ``apply(text)`` gives the record that follows."""
    started(all_three.values(), three.program())
    lab.advance_to(S + 10**9)
    records, line = talk(three.alice, "records", "0"), talk(three.alice, "feedforward", "")

    def apply(text):
        line.send(text)
        assert line.said() == []
        return [each.partition(" ")[2].partition(" ")[2] for each in records.said(1e-3)]

    three.apply = apply
    return three


def test_a_correction_in_time_is_applied_and_says_when(held, lab):
    begun = lab.now_ps
    assert held.apply(f"APPLY 7 3 1 Z {2 * S}") == [f"7 3 1 Z {begun + 20_000_000} -"]
    assert held.source.done == [("operate", "alice", 7, 3, "Z", begun + 20_000_000)]


def test_row_22_a_late_correction_leaves_the_qubit_alone(held, lab):
    begun = lab.now_ps
    assert held.apply(f"APPLY 7 3 1 Z {begun + 19_999_999}") == [f"7 3 1 Z {begun + 20_000_000} late correction"]
    assert held.source.done == []
    assert held.apply(f"APPLY 7 3 1 Z {lab.now_ps + 20_000_000}")[0].endswith(" -")


def test_row_22_double_unknown_and_old_corrections_are_recorded_with_their_reason(held, lab):
    assert held.apply(f"APPLY 7 3 1 X {2 * S}")[0].endswith(" -")
    assert held.apply(f"APPLY 7 3 1 X {2 * S}")[0].endswith(" double")
    assert held.apply(f"APPLY 8 3 1 X {2 * S}")[0].endswith(" unknown batch")
    assert held.apply(f"APPLY 7 4 1 X {2 * S}")[0].endswith(" too old")
    assert len(held.source.done) == 1


def test_a_qubit_older_than_the_cut_off_is_too_old(held, lab):
    lab.advance_to(S + 3 * P + 10**10 + 1 - 20_000_000)
    assert held.apply(f"APPLY 7 3 1 X {2 * S}")[0].endswith(" too old")


@pytest.mark.parametrize("line", ["APPLY 7 3 1 Q 9", "APPLY 7 3 1 X", "APPLY 7 3 1 X 1e12", "HELLO", "2 STATUS"])
def test_row_13_a_spoilt_correction_is_counted_and_never_applied(held, all_three, line):
    assert held.apply(line) == []
    assert held.source.done == []
    assert all_three["alice"].status()["garbage"] == "1"


def test_a_qubit_in_memory_is_operated_on_measured_once_and_gone(held, all_three, lab):
    line = all_three["alice"]
    slots = line.ask("SLOTS")
    assert slots[0].endswith("OK lines=1")
    assert slots[1].split(" ")[1:4] == ["0", "7", "3"]
    assert line.ask("OPERATE 0 H")[0].split(" ")[1:2] == ["OK"]
    bit = line.raw("500 MEASURE 0 X")
    assert bit == line.raw("500 MEASURE 0 X") == ["500 OK bit=1"]
    assert [each[0] for each in held.source.done] == ["operate", "measure"]
    assert "ERR slot" in line.ask("MEASURE 0 X")[0]
    assert line.ask("SLOTS")[0].endswith("OK lines=0")


def test_a_correction_that_is_quicker_than_the_herald_has_the_qubit_kept_once():
    """Over a fast network it comes before the herald on the core's own line."""
    core = SimpleNamespace(lab=SimpleNamespace(now_ps=100), link=None, name="alice")
    run = SimpleNamespace(
        batch=7,
        qubit=lambda k: Qubit("alice", 7, k, 10 * k),
        still_there=lambda k: True,
        program=SimpleNamespace(max_age_ps=1000),
        corrected=set(),
    )
    memory = Memory(core, 2)
    assert memory.correct(run, 3, "I", 200) == ""
    memory.store(run, 3)
    assert memory.lines() == ["0 7 3 70"]


def test_a_keep_program_is_not_armed_without_a_free_slot(held, all_three, lab):
    line, program = all_three["alice"], held.program()
    assert "ERR slot" in line.ask(f"ARM 8 1 {2 * S} {program.digest}")[0]
    assert line.ask("RESET 0")[0].endswith("OK")
    assert held.source.done == [("drop", "alice", 7, 3)]
    assert line.ask(f"ARM 8 1 {2 * S} {program.digest}")[0].endswith("OK state=ARMED")


def test_outcomes_of_heralded_attempts_are_recorded_in_their_bases(three, all_three, talk, lab, started):
    records = talk(three.alice, "records", "0")
    readout = ({"node": "alice", "bases": ("X", "Y", "Z", "X")},)
    started(all_three.values(), three.program(keep="measure", readout=readout))
    lab.advance_to(2 * S)
    assert records.said() == ["M 1 7 3 X 1", "M 2 7 9 Y 1", "E 3 7 DONE attempts"]
    assert three.source.done[0] == ("measure", "alice", 7, 3, "X", S + 3 * P + 1500)


def test_without_a_line_a_qubit_is_there_until_the_next_attempt_overwrites_it(bench, talk, lab, started):
    three = bench([(3, 0b01), (9, 0b10)], lines={})
    lines = [talk(getattr(three, name)) for name in ("alice", "bob", "charlie")]
    records, line = talk(three.alice, "records", "0"), talk(three.alice, "feedforward", "")
    started(lines, three.program(most_attempts=10))
    lab.advance_to(S + 10**9)
    assert three.alice.run.stopped_by == "attempts"
    for k in (3, 9):
        line.send(f"APPLY 7 {k} 1 Z {2 * S}")
    assert [each.split(" ", 2)[2] for each in records.said(1e-3) if each.startswith("A")] == [
        f"7 3 1 Z {lab.now_ps - 980_000_000} too old",
        f"7 9 1 Z {lab.now_ps - 980_000_000} -",
    ]


def test_faults_that_it_does_not_have(three):
    with pytest.raises(ValueError, match=r"alice\.core has no fault 'flood'"):
        three.alice.own_fault("flood")
