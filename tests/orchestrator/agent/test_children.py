"""Driver processes: real children with real drivers on a simulated lab in step with the wall."""

import contextlib
import os
import select
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from bellringer.orchestrator.agent import children
from bellringer.orchestrator.agent.children import SILENT_S, Child
from bellringer.orchestrator.agent.desk import Endpoint, groups
from bellringer.orchestrator.agent.forking import ForkServer
from bellringer.orchestrator.wire.messages import Call, Do, Get, Refusal, Reply, Set
from bellringer.orchestrator.wire.nonces import elapsed_s
from bellringer.sim_backends.lab.build import build_lab, endpoints
from bellringer.testbed.loader import load

pytestmark = pytest.mark.process

EXAMPLE = Path(__file__).parents[3] / "examples" / "bell_three_node.yaml"
PATIENCE_S = 20.0
PUMP = "charlie.pump"


class Bench:
    """One child for Charlie's group, what started it, and the lab it drives."""

    def __init__(self, lab, server, child, reports):
        self.lab, self.server, self.child, self.reports = lab, server, child, reports

    def until(self, what):
        """Serve the child until ``what()``; fail after a long while."""
        end = time.monotonic() + PATIENCE_S
        while not what():
            assert time.monotonic() < end, "it never happened"
            if select.select([self.child.connection], [], [], 0.02)[0]:
                self.child.take_in()
            self.child.watch()

    def ask(self, job):
        answers = []
        self.child.submit(job, answers.append)
        self.until(lambda: answers)
        return answers[0]

    def start(self, job):
        answers = []
        self.child.submit(job, answers.append)
        return answers

    @property
    def lit(self):
        return self.lab.twins[PUMP].inspect()["power_w"] > 0


@pytest.fixture
def bench():
    testbed = load(EXAMPLE, {"charlie.pump.model.warm_up": "0 s"}).testbed
    lab = build_lab(testbed, 1)
    where = {name: Endpoint(body["resource"], body["options"]) for name, body in endpoints(lab).items()}
    thread = threading.Thread(target=lab.run)
    thread.start()
    entries = testbed.instruments()
    group = next(group for group in groups(entries) if PUMP in group)
    reports = []
    server = ForkServer()
    child = Child(
        server,
        {name: entry for name, entry in entries.items() if name in group},
        where,
        "",
        lambda kind, text: reports.append((kind, text)),
    )
    bench = Bench(lab, server, child, reports)
    try:
        yield bench
    finally:
        bench.until(lambda: child.pid is not None)  # one that was started last
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGCONT)
        child.stop()
        server.close()
        lab.stop()
        thread.join(10)


def light(bench):
    assert bench.ask(Do(0, PUMP, "open", 0)).value.startswith("Cobolt")
    bench.ask(Set(0, PUMP, "power", 0.01, 0))
    bench.ask(Call(0, PUMP, "emission_on", 0))
    bench.until(lambda: bench.lit)


def test_a_child_that_has_nothing_to_do_is_left_alone(bench):
    bench.child.dark("start", reopen=True)
    bench.until(lambda: bench.reports)
    end = time.monotonic() + 2 * SILENT_S
    bench.until(lambda: time.monotonic() > end)
    assert (bench.child.restarts, bench.reports) == (0, [("dark", "")])


def test_values_come_back_and_errors_keep_their_kind(bench):
    bench.ask(Do(0, PUMP, "open", 0))
    assert bench.ask(Get(0, PUMP, "power", 0)).value == 0.0
    refused = bench.ask(Set(0, PUMP, "power", 0.06, 0))
    assert isinstance(refused, Refusal)
    assert refused.error == "LimitError"
    assert "50" in refused.what or "0.05" in refused.what
    assert "did you mean 'power'" in bench.ask(Get(0, PUMP, "powr", 0)).hint


def test_dark_interrupts_a_call_in_flight_and_refuses_what_waits(bench):
    light(bench)
    bench.ask(Do(0, "charlie.oven", "open", 0))
    bench.ask(Call(0, "charlie.oven", "enable", 0))
    settling = bench.start(Call(0, "charlie.oven", "wait_settled", 0))
    waiting = bench.start(Set(0, PUMP, "power", 0.02, 0))
    reading = bench.start(Get(0, PUMP, "power", 0))
    bench.child.dark("e-stop")
    bench.until(lambda: settling and waiting and reading and not bench.child.darkening)
    assert reading[0].value == 0.01
    assert (settling[0].error, settling[0].what) == ("Aborted", "e-stop")
    assert (waiting[0].error, waiting[0].what) == ("Aborted", "e-stop")
    assert not bench.lit
    assert bench.ask(Get(0, PUMP, "emitting", 0)).value is False


def test_one_instrument_made_dark_says_nothing_of_the_others_of_its_group(bench):
    bench.child.dark("start", reopen=True)
    bench.until(lambda: bench.child.clean)
    light(bench)
    bench.child.dark("asked for", "charlie.oven")
    bench.until(lambda: not bench.child.darkening)
    assert bench.lit
    assert not bench.child.clean, "a run that is killed now leaves light behind"
    assert bench.child.touched == {PUMP}
    bench.child.dark("asked for", PUMP)
    power = bench.start(Set(0, PUMP, "power", 0.02, 0))
    bench.until(lambda: power and not bench.child.darkening)
    assert bench.child.touched == {PUMP}, "asked for after the order"
    bench.child.dark("the run has ended")
    bench.until(lambda: bench.child.clean)


def test_a_killed_child_is_replaced_by_one_that_makes_dark(bench):
    light(bench)
    settling = bench.start(Call(0, PUMP, "snapshot", 0))
    os.kill(bench.child.pid, signal.SIGKILL)
    bench.until(lambda: not bench.lit and not bench.child.darkening)
    assert bench.child.restarts == 1
    assert bench.child.failures == () or "charlie.source" in bench.child.failures[0]
    assert settling
    assert any(kind == "died" for kind, _ in bench.reports)
    assert bench.ask(Get(0, PUMP, "emitting", 0)).value is False


def test_a_frozen_child_is_killed_and_replaced(bench):
    light(bench)
    os.kill(bench.child.pid, signal.SIGSTOP)
    bench.until(lambda: not bench.lit and not bench.child.darkening)
    assert bench.child.restarts == 1


def test_row_03_a_frozen_child_that_is_flooded_holds_nobody_up_and_is_replaced(bench):
    light(bench)
    os.kill(bench.child.pid, signal.SIGSTOP)
    refused = []
    for _ in range(3000):  # one that waited for the child would never come to its end
        bench.child.submit(Get(0, PUMP, "power", 0), refused.append)
    for _ in range(20):
        bench.child.submit(Call(0, PUMP, "set_shape", 0, (np.zeros(1 << 17),)), refused.append)
    bench.child.dark("e-stop")
    bench.until(lambda: not bench.lit and not bench.child.darkening)
    assert bench.child.restarts == 1
    assert len(refused) == 3020
    assert bench.ask(Get(0, PUMP, "emitting", 0)).value is False


def test_the_end_of_the_pipe_makes_dark_and_ends_the_child(bench):
    light(bench)
    process = bench.child._process
    bench.child.connection.close()
    assert process.join(PATIENCE_S)
    assert not bench.lit
    process.close()
    bench.child._start()


def test_a_killed_fork_server_is_not_missed_before_the_next_start(bench):
    light(bench)
    os.kill(bench.server.pid, signal.SIGKILL)
    assert bench.ask(Get(0, PUMP, "emitting", 0)).value is True
    os.kill(bench.child.pid, signal.SIGKILL)
    bench.until(lambda: not bench.lit and not bench.child.darkening)
    assert bench.child.restarts == 1
    assert bench.ask(Get(0, PUMP, "emitting", 0)).value is False


def test_a_frozen_fork_server_is_replaced_like_a_frozen_child(bench, monkeypatch):
    light(bench)
    monkeypatch.setattr(children, "STARTING_S", 0.2)
    frozen = bench.server.pid
    os.kill(frozen, signal.SIGSTOP)
    os.kill(bench.child.pid, signal.SIGKILL)
    bench.until(lambda: bench.child.restarts == 2)
    monkeypatch.undo()  # the fresh one is given the time that a slow machine may need
    bench.child._heard += children.STARTING_S
    bench.until(lambda: not bench.lit and not bench.child.darkening)
    assert bench.server.pid != frozen


def test_row_34_a_command_that_waited_too_long_behind_reading_is_not_carried_out(bench):
    light(bench)
    for _ in range(2):
        bench.start(Do(0, PUMP, "snapshot", 0))
    now_s, late, dark, own = elapsed_s(), [], [], []
    bench.child.submit(Set(0, PUMP, "power", 0.02, 0), late.append, key="anna", until_s=now_s + 0.001)
    bench.child.submit(Set(0, PUMP, "power", 0.03, 0), own.append, key="anna", until_s=now_s + PATIENCE_S)
    bench.child.submit(Do(0, PUMP, "rest", 0), dark.append, key="anna")
    bench.until(lambda: late and own and dark)
    assert late[0].error == "Stale"
    assert "nothing was done" in late[0].what
    assert isinstance(own[0], Reply)
    assert isinstance(dark[0], Reply)
    assert not bench.lit


def test_row_34_so_many_requests_of_one_key_may_wait_and_those_beyond_are_refused(bench):
    light(bench)
    os.kill(bench.child.pid, signal.SIGSTOP)
    otto, anna, ours = [], [], []
    for _ in range(children.MOST_OF_ONE + 10):
        bench.child.submit(Get(0, PUMP, "power", 0), otto.append, key="otto")
    bench.child.submit(Set(0, PUMP, "power", 0.02, 0), anna.append, key="anna")
    bench.child.submit(Do(0, PUMP, "guard", 0), ours.append, ahead=True)
    assert len(otto) == 10
    assert "busy" in otto[0].what
    assert not anna
    os.kill(bench.child.pid, signal.SIGCONT)
    bench.until(lambda: len(otto) == children.MOST_OF_ONE + 10 and anna and ours)
    assert isinstance(anna[0], Reply)
    assert isinstance(ours[0], Reply)


def test_row_34_what_guards_the_light_goes_ahead_of_what_waits(bench):
    light(bench)
    os.kill(bench.child.pid, signal.SIGSTOP)
    came = []
    for number in range(10):
        bench.child.submit(Get(0, PUMP, "power", 0), lambda _, number=number: came.append(number), key="otto")
    for name in ("interlock", "guard"):
        bench.child.submit(Do(0, PUMP, "guard", 0), lambda _, name=name: came.append(name), ahead=True)
    os.kill(bench.child.pid, signal.SIGCONT)
    bench.until(lambda: len(came) == 12)
    assert came.index("interlock") <= 1
    assert came.index("guard") <= 3
    assert [each for each in came if isinstance(each, int)] == list(range(10))
