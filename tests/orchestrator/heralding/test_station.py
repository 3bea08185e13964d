"""Which clicks the station takes for a herald, and what it says about the others."""

from types import SimpleNamespace

import pytest
from bellringer.orchestrator.heralding.entries import Opened
from bellringer.orchestrator.heralding.station import Arbiter
from bellringer.testbed.attempts import program

from .simulated_world import MS, PROGRAM

T_PS = 5_000 * MS
BATCH = 3_000_000_007
GRANT = Opened("run", BATCH, 3, T_PS, PROGRAM.digest)
D0_EARLY, D0_LATE, D1_EARLY, D1_LATE = 1, 2, 4, 8
PSI_PLUS, PSI_MINUS = D0_EARLY | D0_LATE, D0_EARLY | D1_LATE


def clicks(hseq=1, k=10, pattern=PSI_MINUS, inside_ps=MS // 10, **changes):
    """Return a record of attempt ``k``, ``inside_ps`` after the beginning of its period at the station."""
    t_ps = T_PS + (k + PROGRAM.shift) * PROGRAM.period_ps + inside_ps
    plain = {"hseq": hseq, "batch": BATCH, "k": k, "pattern": pattern, "t_ps": t_ps, "reason": ""}
    return SimpleNamespace(**{**plain, **changes})


def arbiter(of=PROGRAM):
    there = Arbiter("boot1")
    there.begin(GRANT, of)
    return there


@pytest.mark.parametrize(("pattern", "label"), [(PSI_PLUS, "psi+"), (PSI_MINUS, "psi-")])
def test_a_pattern_of_the_table_is_a_herald_and_every_node_is_told_with_the_batchs_epoch(pattern, label):
    verdict = arbiter().take(clicks(pattern=pattern))
    assert (verdict.reason, verdict.kept.label, verdict.kept.pattern) == ("", label, pattern)
    assert [send.to for send in verdict.sends] == ["alice", "bob"]
    for send in verdict.sends:
        message = send.message
        assert (message.batch, message.epoch, message.k, message.hseq, message.label) == (BATCH, 3, 10, 1, label)
        assert message.t_ps == clicks().t_ps


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (clicks(pattern=D0_EARLY), "unknown pattern"),
        (clicks(pattern=D0_EARLY | D1_EARLY), "two clicks in one window"),
        (clicks(inside_ps=MS // 4), "outside window"),
        (clicks(inside_ps=MS * 3 // 4), "outside window"),
        (clicks(k=-1, inside_ps=0), "early"),
        (clicks(k=100, inside_ps=0), "late"),
        (clicks(t_ps=T_PS + MS), "early"),
        (clicks(t_ps=clicks(k=11).t_ps), "outside window"),
        (clicks(reason="overflow"), "overflow"),
        (clicks(reason="underflow"), "underflow"),
    ],
)
def test_row_22_what_is_no_herald_is_kept_with_the_reason_and_nobody_is_told(record, reason):
    verdict = arbiter().take(record)
    assert verdict.reason == reason
    assert (verdict.kept.reason, verdict.kept.label, verdict.kept.t_ps) == (reason, "", record.t_ps)
    assert verdict.sends == ()


@pytest.mark.parametrize(
    ("batch", "reason"), [(BATCH + 1, "unknown batch"), (BATCH - 1, "unknown batch"), (2_000_000_007, "wrong epoch")]
)
def test_row_22_clicks_of_another_batch_are_no_herald(batch, reason):
    verdict = arbiter().take(clicks(batch=batch))
    assert (verdict.kept, verdict.reason, verdict.sends) == (None, reason, ())


def test_row_22_without_a_batch_nothing_is_a_herald():
    there = arbiter()
    there.end()
    assert there.take(clicks()).reason == "unknown batch"


def test_row_22_a_second_herald_of_one_attempt_is_double_and_a_repeated_record_is_dropped():
    there = arbiter()
    assert there.take(clicks(1)).reason == ""
    second = there.take(clicks(2))
    assert (second.reason, second.kept.reason, second.sends) == ("double", "double", ())
    assert there.take(clicks(2, k=50)).kept is None
    assert there.take(clicks(1, k=51)).kept is None


def test_numbers_that_are_passed_over_are_counted_also_over_batches():
    there = arbiter()
    assert there.take(clicks(5)).missing == 0  # the first one it hears of
    assert there.take(clicks(6, k=1)).missing == 0
    there.end()
    there.begin(GRANT, PROGRAM)
    assert there.take(clicks(9, k=2)).missing == 2


def test_calibrating_attempts_herald_nothing():
    calibrating = program(**{**PROGRAM.model_dump(), "calibration": {"every": 10, "length": 2}})
    assert arbiter(calibrating).take(clicks(k=9)).reason == ""
    assert arbiter(calibrating).take(clicks(k=10)).reason == "calibration"


def test_row_17_clicks_whose_input_overflowed_herald_nothing_and_those_after_them_do():
    there = arbiter()
    verdict = there.take(clicks(1, k=10, reason="overflow"))
    assert (verdict.kept.reason, verdict.kept.label, verdict.sends) == ("overflow", "", ())
    verdict = there.take(clicks(2, k=11))
    assert (verdict.reason, len(verdict.sends)) == ("", 2)
