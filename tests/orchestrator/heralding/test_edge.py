"""What a node does about a herald: the correction it owes, in time, once, and nothing else."""

from types import SimpleNamespace

import pytest
from bellringer.orchestrator.heralding.edge import Apply, Dropped, Edge
from bellringer.orchestrator.heralding.entries import Corrected, Opened
from bellringer.orchestrator.heralding.messages import Feedforward
from bellringer.testbed.attempts import program

from .simulated_world import MS, PROGRAM

T_PS = 5_000 * MS
BATCH = 3_000_000_007
GRANT = Opened("run", BATCH, 3, T_PS, PROGRAM.digest)
HERALD_PS = T_PS + 12 * MS


def told(hseq=1, k=10, label="psi-", **changes):
    fields = {"epoch": 3, "run": "run", "batch": BATCH, "boot": "s", "seq": 1, "t_ps": HERALD_PS}
    return Feedforward(0, hseq=hseq, k=k, label=label, **{**fields, **changes})


def edge(node="alice", of=PROGRAM):
    there = Edge(node)
    there.begin(GRANT, of)
    return there


def word(apply, t_ps=HERALD_PS + MS, reason=""):
    return SimpleNamespace(batch=apply.batch, k=apply.k, hseq=apply.hseq, t_ps=t_ps, reason=reason)


@pytest.mark.parametrize(("node", "operation"), [("alice", "Z"), ("bob", "X")])
def test_the_programs_correction_of_this_node_is_applied_before_its_deadline(node, operation):
    there = edge(node)
    apply = there.take("charlie", told(), HERALD_PS + 1)
    assert apply == Apply(BATCH, 10, 1, operation, HERALD_PS + 10 * MS)
    record = there.applied(word(apply))
    assert record == Corrected("run", BATCH, 1, 10, "psi-", operation, HERALD_PS + MS, 3 * MS, "")


def test_where_none_is_owed_a_kept_pair_is_held_if_the_core_says_that_it_has_the_qubit():
    there = edge()
    apply = there.take("charlie", told(label="psi+"), HERALD_PS + 1)
    assert apply == Apply(BATCH, 10, 1, "I", T_PS + 10 * MS + PROGRAM.max_age_ps)
    record = there.applied(word(apply))
    assert record == Corrected("run", BATCH, 1, 10, "psi+", "I", HERALD_PS + MS, 3 * MS, "")


def test_a_kept_pair_whose_qubit_the_core_has_no_more_is_no_pair_although_no_correction_is_owed():
    there = edge()
    apply = there.take("charlie", told(label="psi+"), HERALD_PS + 1)
    record = there.applied(word(apply, reason="too old"))
    assert (record.operation, record.applied_ps, record.reason) == ("I", 0, "too old")


def test_where_none_is_owed_a_pair_that_was_measured_is_held_as_it_is():
    record = edge("bob", MEASURING).take("charlie", told(label="psi+"), HERALD_PS + 1)
    assert record == Corrected("run", BATCH, 1, 10, "psi+", "I", HERALD_PS + 1, 2 * MS + 1, "")


@pytest.mark.parametrize(
    ("changes", "now_ps", "reason"),
    [
        ({}, HERALD_PS + 10 * MS + 1, "late correction"),
        ({"k": 0}, T_PS + 40 * MS + 1, "too old"),
        ({"label": "psi+"}, T_PS + 50 * MS + 1, "too old"),
        ({"k": 100}, HERALD_PS, "late"),
        ({"t_ps": T_PS - 1}, HERALD_PS, "early"),
        ({}, T_PS - 1, "early"),
        ({"label": "phi+"}, HERALD_PS, "unknown pattern"),
    ],
)
def test_row_22_a_herald_that_cannot_be_is_recorded_with_the_reason_and_not_applied(changes, now_ps, reason):
    record = edge().take("charlie", told(**changes), now_ps)
    assert isinstance(record, Corrected)
    assert (record.reason, record.applied_ps, record.age_ps) == (reason, 0, 0)


@pytest.mark.parametrize(
    ("sender", "changes", "reason"),
    [
        ("charlie", {"batch": BATCH + 1}, "unknown batch"),
        ("charlie", {"run": "another"}, "unknown batch"),
        ("charlie", {"epoch": 2}, "wrong epoch"),
        ("bob", {}, "stranger"),
    ],
)
def test_row_22_a_herald_of_another_batch_or_epoch_or_from_somebody_else_is_dropped(sender, changes, reason):
    assert edge().take(sender, told(**changes), HERALD_PS) == Dropped(told(**changes).batch, 1, reason)


def test_row_22_a_repeated_herald_is_dropped_and_a_second_one_of_the_attempt_is_double():
    there = edge()
    assert isinstance(there.take("charlie", told(), HERALD_PS), Apply)
    assert there.take("charlie", told(), HERALD_PS).reason == "double"
    second = there.take("charlie", told(2), HERALD_PS)
    assert (type(second), second.reason) == (Corrected, "double")


def test_after_a_gap_the_missing_heralds_are_expired():
    there = edge()
    there.take("charlie", told(1, 1), HERALD_PS)
    assert isinstance(there.take("charlie", told(4, 4), HERALD_PS), Apply)
    assert there.take("charlie", told(2, 2), HERALD_PS) == Dropped(BATCH, 2, "sequence gap")
    assert isinstance(there.take("charlie", told(5, 5), HERALD_PS), Apply)


@pytest.mark.parametrize(
    ("t_ps", "core_says", "reason"),
    [
        (HERALD_PS + 10 * MS, "", ""),
        (HERALD_PS + 10 * MS + 1, "", "late correction"),  # whatever the core thinks of it
        (HERALD_PS + MS, "underflow", "underflow"),
    ],
)
def test_a_correction_counts_if_it_was_made_in_time(t_ps, core_says, reason):
    there = edge()
    apply = there.take("charlie", told(), HERALD_PS)
    record = there.applied(word(apply, t_ps, core_says))
    assert (record.reason, record.applied_ps) == (reason, 0 if reason else t_ps)
    assert isinstance(there.applied(word(apply)), Dropped)  # the second word about it


def test_the_qubits_age_limits_a_correction_too():
    young = program(**{**PROGRAM.model_dump(), "max_age_ps": 10 * MS})
    there = edge(of=young)
    apply = there.take("charlie", told(), HERALD_PS)
    assert apply.not_after_ps == T_PS + 10 * MS + 10 * MS
    assert there.applied(word(apply, apply.not_after_ps + 1)).reason == "too old"


READOUT = ({"node": "alice", "bases": ("X", "Z")},)
MEASURING = program(**{**PROGRAM.model_dump(), "keep": "measure", "readout": READOUT})


def outcome(k=10, basis="X", bit=1, batch=BATCH):
    return SimpleNamespace(batch=batch, k=k, basis=basis, bit=bit)


@pytest.mark.parametrize("order", ["outcome first", "herald first", "between"])
def test_where_qubits_are_measured_the_pair_is_held_when_its_outcome_is_known(order):
    there = edge(of=MEASURING)
    if order == "outcome first":
        assert there.measured(outcome()) is None
    apply = there.take("charlie", told(), HERALD_PS)
    if order == "between":
        assert there.measured(outcome()) is None
    record = there.applied(word(apply))
    if order == "herald first":
        assert record is None
        record = there.measured(outcome())
    assert (record.operation, record.reason, record.basis, record.bit) == ("Z", "", "X", 1)
    assert there.measured(outcome(k=11, basis="Z")) is None  # of another attempt


def test_a_node_without_readout_waits_for_no_outcome():
    assert edge("bob", MEASURING).take("charlie", told(label="psi+"), HERALD_PS).basis == ""


@pytest.mark.parametrize("wrong", [{"basis": "Z"}, {"bit": 2}])
def test_an_outcome_that_was_not_asked_for_is_no_pair(wrong):
    there = edge(of=MEASURING)
    assert there.take("charlie", told(label="psi+"), HERALD_PS) is None
    assert there.measured(outcome(**wrong)).reason == "unconfirmed"


def test_an_outcome_of_another_batch_is_dropped():
    there = edge(of=MEASURING)
    assert isinstance(there.measured(outcome(batch=BATCH + 1)), Dropped)
    there.end()
    assert isinstance(there.measured(outcome()), Dropped)


def test_after_its_end_a_batch_is_unknown():
    there = edge()
    apply = there.take("charlie", told(), HERALD_PS)
    there.end()
    assert there.take("charlie", told(2, 2), HERALD_PS).reason == "unknown batch"
    assert isinstance(there.applied(word(apply)), Dropped)
