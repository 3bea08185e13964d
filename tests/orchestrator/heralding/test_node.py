"""When a node arms, begins and tells: one machine, moved by hand."""

import pytest
from bellringer.orchestrator.heralding.entries import (
    Barred,
    Corrected,
    Ended,
    Met,
    Opened,
    body_hash,
    records_of,
    result_of,
)
from bellringer.orchestrator.heralding.messages import (
    Abort,
    Aborted,
    Armed,
    Ask,
    Commit,
    Confirm,
    NotArmed,
    Recorded,
    Result,
)
from bellringer.orchestrator.heralding.readiness import Conditions
from bellringer.orchestrator.heralding.recovered import recover
from bellringer.orchestrator.heralding.terms import Dark, Load, Report, Start, Stop
from bellringer.testbed.errors import ProgramError

from .simulated_node import BATCH, GOOD, T_PS, Bench
from .simulated_world import MS, PROGRAM


def kinds(effects):
    return [type(effect) for effect in effects]


def corrected(hseq=1, k=0, **changes):
    fields = {"run": "run", "batch": BATCH, "label": "psi-", "operation": "Z", "applied_ps": T_PS + MS, "age_ps": MS}
    return Corrected(hseq=hseq, k=k, **{**fields, "reason": "", **changes})


def test_a_batch_from_prepare_to_the_acknowledged_result():
    bench = Bench()
    assert bench.state == "IDLE"
    assert bench.prepare() == [Load(BATCH, 3, T_PS, PROGRAM.digest, PROGRAM.canonical())]
    assert bench.entries[-1] == Opened("run", BATCH, 3, T_PS, PROGRAM.digest)
    assert bench.state == "ARMING"
    assert bench.sent == []
    bench.do(bench.machine.on_armed, BATCH)
    assert bench.state == "ARMED"
    assert [type(message) for message in bench.sent] == [Armed]
    assert bench.commit() == [Start(BATCH)]
    assert bench.state == "COMMITTED"
    bench.wait(110)
    assert bench.state == "RUNNING"
    bench.do(bench.machine.on_record, corrected())
    assert records_of(bench.sent[-1].body) == [corrected()]
    bench.wait(100)
    assert bench.end() == []
    assert bench.state == "IDLE"
    ended = result_of(bench.sent[-1].body)
    assert (ended.complete, ended.reason, ended.attempts, ended.records) == (True, "", 100, (corrected(),))
    assert bench.machine.unacknowledged == 1
    bench.tell(Recorded, body_hash=body_hash(bench.sent[-1].body))
    assert bench.machine.unacknowledged == 0


# --- arming ------------------------------------------------------------------------------------------------------


def no_lease(bench):
    bench.lease(asked_s=bench.mono_s - 1.6)


def estop(bench):
    bench.authority.press_estop({"latched": True, "number": 1, "presses": []}, 3)


def fault(bench):
    bench.authority.latch("hot")


def conditions(**changes):
    return lambda bench: bench.do(bench.machine.on_conditions, Conditions(**{**vars(GOOD), **changes}))


def not_dark(bench):
    bench.machine._dark = False


@pytest.mark.parametrize(
    ("before", "changes", "reason"),
    [
        (no_lease, {}, "the lease is out"),
        (estop, {}, "e-stop"),
        (fault, {}, "hot"),
        (conditions(interlock_closed=False), {}, "interlock is open"),
        (conditions(interlock_closed=None), {}, "interlock cannot be read"),
        (conditions(clock_locked=False), {}, "clock is not locked"),
        (conditions(calibration=""), {"calibration": ""}, "calibration is out of spec"),
        (conditions(room=False), {}, "disk is full"),
        (conditions(suspended="detector latched"), {}, "detector latched"),
        (not_dark, {}, "not confirmed dark"),
        (None, {"calibration": "of last week"}, "the calibration here is 'cal'"),
        (None, {"start_ps": 4_999 * MS}, "is -1.000 ms away"),
        (None, {"start_ps": 5_019 * MS}, "20 ms are needed"),
        (None, {"digest": "0" * 64}, "not the one that its hash names"),
        (None, {"epoch": 2}, "wrong epoch"),
    ],
)
def test_arming_is_refused(before, changes, reason):
    bench = Bench()
    if before:
        before(bench)
    assert Load not in kinds(bench.prepare(**changes))
    assert isinstance(bench.sent[-1], NotArmed)
    assert reason in bench.sent[-1].reason
    assert bench.machine.batch is None
    assert not any(isinstance(entry, Opened) for entry in bench.entries)


def test_row_23_a_program_that_cannot_run_here_is_refused_with_the_reason():
    def read(text):
        raise ProgramError("nothing is said about psi+, which a herald can announce")

    bench = Bench(read=read)
    bench.prepare()
    assert "nothing is said about psi+" in bench.sent[-1].reason


def test_a_second_batch_while_one_is_under_way_is_refused_for_now():
    bench = Bench().armed()
    bench.prepare(batch=BATCH + 1)
    assert "busy" in bench.sent[-1].reason
    assert bench.sent[-1].again


def test_prepared_twice_it_is_loaded_once_and_armed_is_said_again():
    bench = Bench()
    bench.prepare()
    assert bench.prepare() == []
    assert bench.sent == []
    bench.do(bench.machine.on_armed, BATCH)
    assert bench.prepare() == []
    assert [type(message) for message in bench.sent] == [Armed, Armed]


def test_a_batch_with_other_contents_than_before_is_refused():
    bench = Bench().armed()
    bench.prepare(start_ps=T_PS + MS)
    assert isinstance(bench.sent[-1], NotArmed)
    assert bench.machine.batch.grant.start_ps == T_PS


def test_armed_is_said_only_when_the_opening_is_on_disk():
    bench = Bench()
    bench.syncing = False
    assert bench.prepare() == []
    assert [type(entry) for entry in bench.entries[-1:]] == [Opened]
    effects = bench.machine.on_journalled(bench.number, bench.now())
    assert kinds(effects) == [Load]


def test_a_core_that_refuses_ends_the_batch():
    bench = Bench()
    bench.prepare()
    bench.end(attempts=0, stopped_by="no such channel")
    assert result_of(bench.sent[-1].body).reason == "no such channel"
    assert bench.state == "IDLE"


# --- beginning ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [{"batch": BATCH + 1}, {"epoch": 2}, {"start_ps": T_PS + 1}])
def test_only_the_commit_of_this_very_batch_counts(wrong):
    bench = Bench().armed()
    fields = {"start_ps": T_PS, **wrong}
    assert Start not in kinds(bench.tell(Commit, **fields))
    assert bench.state == "ARMED"


def test_a_commit_after_the_start_begins_nothing():
    bench = Bench().armed()
    bench.mono_s, bench.hw_ps = bench.mono_s + 0.0995, bench.hw_ps + 99_500 * 10**6  # as if it had been frozen
    assert kinds(bench.commit()) == [Stop, Dark, Report]
    bench.end(attempts=0)
    assert result_of(bench.sent[-1].body).reason == "it was not committed before its start"


def test_without_a_commit_it_is_dark_before_the_start():
    bench = Bench().armed()
    assert bench.machine.due_s(bench.now()) == pytest.approx(5.099, abs=1e-9)
    assert bench.wait(98) == []
    assert kinds(bench.wait(1.5)) == [Stop, Dark, Report]


# --- what is over ------------------------------------------------------------------------------------------------


def test_a_batch_that_never_came_is_barred_on_disk_before_that_is_said():
    bench = Bench()
    bench.syncing = False
    bench.tell(Abort, reason="void")
    bench.tell(Ask)
    assert bench.sent == []
    assert bench.entries[-1] == Barred(BATCH)
    bench.syncing = True
    bench.do(bench.machine.on_journalled, bench.number)
    assert [type(message) for message in bench.sent] == [Aborted]
    bench.prepare()
    assert "closed" in bench.sent[-1].reason
    again = bench.restarted()
    again.tell(Ask)
    assert isinstance(again.sent[-1], Aborted)


def test_a_result_is_told_after_it_is_on_disk_and_until_it_is_acknowledged():
    bench = Bench().running()
    bench.syncing = False
    bench.end()
    assert isinstance(bench.entries[-1], Ended)
    assert not any(isinstance(message, Result) for message in bench.sent)
    bench.syncing = True
    bench.do(bench.machine.on_journalled, bench.number)
    (first,) = [message for message in bench.sent if isinstance(message, Result)]
    bench.wait(999)
    assert bench.sent[-1] is first
    bench.wait(2)
    assert bench.sent[-1].body == first.body
    bench.tell(Recorded, body_hash="another one")
    assert bench.machine.unacknowledged == 1
    bench.tell(Recorded, body_hash=body_hash(first.body))
    bench.wait(2000)
    count = len(bench.sent)
    bench.tell(Ask)
    assert len(bench.sent) == count + 1
    assert bench.sent[-1].body == first.body  # kept for a coordinator that never had it


def test_after_a_restart_results_are_the_same_and_an_open_batch_has_ended():
    bench = Bench().running()
    bench.do(bench.machine.on_record, corrected())
    bench.end()
    body = bench.sent[-1].body
    assert [message.body for message in bench.restarted().sent if isinstance(message, Result)] == [body]

    bench = Bench().running()
    bench.do(bench.machine.on_record, corrected())
    again = bench.restarted()
    ended = result_of(again.sent[-1].body)
    assert (ended.complete, ended.reason) == (False, "the process died in this batch")
    assert ended.records == (corrected(),)
    again.prepare()
    assert "closed" in again.sent[-1].reason


def test_asked_for_the_batch_it_died_in_it_does_not_answer_before_the_result_is_on_disk():
    before = Bench().running()
    again = Bench(recover(before.entries), ready=False, syncing=False)
    again.tell(Ask)
    again.tell(Abort, reason="the coordinator was restarted")
    assert again.sent == []
    again.do(again.machine.on_journalled, again.number)
    assert [type(message) for message in again.sent] == [Result]


def test_a_higher_epoch_is_remembered_over_a_restart():
    bench = Bench()
    bench.tell(Ask, epoch=7)
    assert Met(7) in bench.entries
    again = bench.restarted()
    assert again.authority.epoch == 7
    again.lease(epoch=3)
    assert not again.authority.leased(again.mono_s)
    again.prepare(epoch=3)
    assert "wrong epoch" in again.sent[-1].reason
    assert again.sent[-1].epoch == 7  # by which the old coordinator learns that it is one


def test_a_record_of_another_batch_is_told_and_not_kept():
    bench = Bench().running()
    effects = bench.do(bench.machine.on_record, corrected(batch=BATCH + 5))
    assert kinds(effects) == [Report]
    assert not any(isinstance(entry, Corrected) for entry in bench.entries)


def test_records_of_one_sync_are_confirmed_together():
    bench = Bench().running()
    bench.syncing = False
    for hseq in (1, 2, 3):
        bench.do(bench.machine.on_record, corrected(hseq, hseq))
    bench.do(bench.machine.on_journalled, bench.number)
    (confirm,) = [message for message in bench.sent if isinstance(message, Confirm)]
    assert [record.hseq for record in records_of(confirm.body)] == [1, 2, 3]


def test_what_is_not_on_disk_yet_is_not_confirmed():
    bench = Bench().running()
    bench.syncing = False
    for hseq in (1, 2):
        bench.do(bench.machine.on_record, corrected(hseq, hseq))
    bench.do(bench.machine.on_journalled, bench.number - 1)
    assert [record.hseq for record in records_of(bench.sent[-1].body)] == [1]
