"""What stops a batch at a node: light ends, the result says why, and what has to be looked at stays dark."""

import pytest
from bellringer.orchestrator.heralding.entries import Corrected, result_of
from bellringer.orchestrator.heralding.messages import Abort, Ask, Confirm, Result
from bellringer.orchestrator.heralding.readiness import Conditions
from bellringer.orchestrator.heralding.terms import Dark, Report, Stop, Watchdog
from bellringer.orchestrator.heralding.under_way import SILENT_S
from bellringer.orchestrator.wire import encode
from bellringer.orchestrator.wire.messages import Event

from .simulated_node import BATCH, GOOD, T_PS, Bench
from .simulated_world import MS


def kinds(effects):
    return [type(effect) for effect in effects]


def corrected(hseq=1, k=0, **changes):
    fields = {"run": "run", "batch": BATCH, "label": "psi-", "operation": "Z", "applied_ps": T_PS + MS, "age_ps": MS}
    return Corrected(hseq=hseq, k=k, **{**fields, "reason": "", **changes})


def estop(bench):
    bench.authority.press_estop({"latched": True, "number": 1, "presses": []}, 3)


def lease_out(bench):
    return bench.wait(1600)


def interlock_open(bench):
    return bench.do(bench.machine.on_conditions, Conditions(True, False, "cal"))


def unlocked(bench):
    return bench.do(bench.machine.on_conditions, Conditions(False, True, "cal"))


def stepped(by_ps):
    def step(bench):
        bench.hw_ps += by_ps
        return bench.wait(1)

    return step


def pressed(bench):
    estop(bench)
    return bench.wait(1)


def aborted(bench):
    return bench.tell(Abort, reason="a person said so")


def superseded(bench):
    return bench.tell(Ask, batch=BATCH - 1, epoch=4)


def core_lost(bench):
    return bench.do(bench.machine.on_core_lost, "its driver died")


STOPS = {
    "lease": (lease_out, "the lease is out"),
    "interlock": (interlock_open, "the interlock is open"),
    "unlock": (unlocked, "untimed"),
    "step": (stepped(50 * MS), "untimed"),
    "step back": (stepped(-50 * MS), "untimed"),
    "e-stop": (pressed, "an e-stop"),
    "takeover": (superseded, "wrong epoch: a coordinator with epoch 4 took over"),
    "driver": (core_lost, "its driver died"),
}


@pytest.mark.parametrize("phase", ["armed", "running"])
def test_a_batch_that_is_taken_back_ends_without_making_dark_what_the_run_has_lit(phase):
    bench = getattr(Bench(), phase)()
    assert kinds(aborted(bench)) == [Stop, Report]
    bench.do(bench.machine.on_record, corrected())
    assert not any(isinstance(message, Confirm) for message in bench.sent)
    bench.end(attempts=17)
    (result,) = [result_of(message.body) for message in bench.sent if isinstance(message, Result)][:1]
    assert (result.complete, result.reason) == (False, "a person said so")
    assert bench.machine._refusal(bench.now()) == ""


def test_what_forbids_light_makes_dark_also_when_the_batch_was_taken_back_before():
    bench = Bench().running()
    aborted(bench)
    assert kinds(interlock_open(bench))[0] is Dark


@pytest.mark.parametrize("phase", ["armed", "running"])
@pytest.mark.parametrize("why", STOPS)
def test_whatever_forbids_light_stops_the_batch_in_every_state(why, phase):
    event, reason = STOPS[why]
    bench = getattr(Bench(), phase)()
    effects = event(bench)
    assert kinds(effects)[:2] == [Stop, Dark]
    (published,) = (effect.body for effect in effects if isinstance(effect, Report))
    assert encode(Event(0, "batch stopped", "alice", 1, published)), "plain values only"
    bench.do(bench.machine.on_record, corrected())
    assert not any(isinstance(message, Confirm) for message in bench.sent)
    bench.end(attempts=17)
    (result,) = [result_of(message.body) for message in bench.sent if isinstance(message, Result)][:1]
    assert (result.complete, result.reason) == (False, reason)
    assert bench.machine.batch is None
    assert bench.machine._refusal(bench.now())  # dark has to be confirmed again before anything is armed


def test_row_04_an_interlock_that_opens_in_a_batch_latches_the_node_until_it_is_acknowledged():
    bench = Bench().running()
    interlock_open(bench)
    bench.end()
    assert bench.state == "FAULT"
    bench.do(bench.machine.on_conditions, GOOD)
    bench.do(bench.machine.on_dark, True)
    assert bench.state == "FAULT"
    bench.lease(acknowledged=bench.authority.fault)
    assert bench.state == "IDLE"


def test_a_fault_that_names_the_interlock_is_kept():
    bench = Bench().running()
    bench.authority.latch("interlock 'door' is open")
    interlock_open(bench)
    assert bench.authority.fault == "1: interlock 'door' is open"


def test_an_interlock_that_opens_while_nothing_is_armed_latches_nothing():
    bench = Bench()
    interlock_open(bench)
    assert bench.state == "SAFE"
    bench.do(bench.machine.on_conditions, GOOD)
    assert bench.state == "IDLE"


@pytest.mark.parametrize("step_ps", [-1000 * MS, -2 * MS, 2 * MS, 1000 * MS])
def test_row_19_a_step_of_hardware_time_stops_the_batch_and_nothing_is_armed_for_two_seconds(step_ps):
    bench = Bench().running()
    bench.hw_ps += step_ps
    assert kinds(bench.wait(0)) == [Stop, Dark, Report]
    bench.end()
    bench.do(bench.machine.on_dark, True)
    for _ in range(19):
        bench.wait(100)
        bench.lease()
        assert bench.state == "SAFE"
    bench.wait(101)
    bench.lease()
    assert bench.state == "IDLE"


@pytest.mark.parametrize("slew", [-4e-4, 4e-4])
def test_row_19_a_slewed_host_clock_is_no_step(slew):
    bench = Bench().running()
    for ms in (1, 10, 50, 30):
        bench.mono_s += ms * slew / 1e3
        assert bench.wait(ms) == []
    assert bench.state == "RUNNING"


def test_row_20_an_unlocked_clock_stops_the_batch_untimed_and_arms_again_by_itself_when_it_was_locked_long_enough():
    bench = Bench().running()
    unlocked(bench)
    bench.end()
    assert result_of(bench.sent[-1].body).reason == "untimed"
    bench.do(bench.machine.on_dark, True)
    bench.wait(1000)
    bench.do(bench.machine.on_conditions, GOOD)
    bench.wait(1900)
    bench.lease()
    assert bench.state == "SAFE"
    bench.wait(200)
    bench.lease()
    assert bench.state == "IDLE"


@pytest.mark.parametrize(
    ("report", "reason"), [({"lateness_ps": 1}, "late"), ({"underflows": 2, "lateness_ps": 5}, "underflow")]
)
def test_row_21_a_late_pulse_or_an_underflow_makes_the_result_incomplete(report, reason):
    bench = Bench().running()
    bench.end(**report)
    ended = result_of(bench.sent[-1].body)
    assert (ended.complete, ended.reason) == (False, reason)
    assert ended.lateness_ps == report["lateness_ps"]


def test_a_core_that_says_nothing_after_it_was_stopped_latches_the_node():
    bench = Bench().running()
    stopped_s = bench.mono_s
    aborted(bench)
    for _ in range(4):
        bench.lease()
        bench.wait(1400)
        assert bool(bench.authority.fault) == (bench.mono_s >= stopped_s + SILENT_S)
    assert "does not say what it did" in bench.authority.fault
    assert result_of(bench.sent[-1].body).reason == "a person said so"


@pytest.mark.parametrize("first", ["a record", "the end"])
def test_what_a_stopped_core_said_while_the_agent_was_frozen_is_no_silence(first):
    bench = Bench().running()
    aborted(bench)
    bench.mono_s += 2 * SILENT_S
    bench.hw_ps += round(2000 * SILENT_S) * MS
    if first == "a record":
        bench.do(bench.machine.on_record, corrected())
    bench.end()
    assert bench.authority.fault == ""
    assert result_of(bench.sent[-1].body).reason == "a person said so"


def test_row_20_a_core_that_stops_by_itself_because_its_clock_unlocked_is_untimed():
    bench = Bench().running()
    bench.end(stopped_by="clock unlocked")
    ended = result_of(bench.sent[-1].body)
    assert (ended.complete, ended.reason) == (False, "untimed")


def test_a_core_that_does_not_report_its_end_is_stopped():
    bench = Bench().running()
    for ms in (1000, 1092):  # its end is 102.5 ms after the start, and two seconds are allowed
        bench.lease()
        assert bench.wait(ms) == []
    assert kinds(bench.wait(1)) == [Stop, Dark, Report]
    bench.end()
    assert result_of(bench.sent[-1].body).reason == "the core did not report its end"


def test_an_emitter_that_does_not_confirm_dark_latches_the_node():
    bench = Bench()
    bench.do(bench.machine.on_dark, False)
    assert bench.state == "FAULT"


def test_the_watchdog_is_told_every_lease_and_its_end():
    bench = Bench(ready=False)
    assert Watchdog(0.0) in bench.others
    assert bench.lease() == [Watchdog(6.5)]
    assert bench.lease() == []
    assert bench.wait(1500) == [Watchdog(0.0)]
