"""A driver process in a dry run: when an order to go dark may hold lab time."""

import multiprocessing

import pytest
from bellringer.orchestrator.agent.child import DriverProcess
from bellringer.orchestrator.agent.core_orders import Look
from bellringer.orchestrator.agent.pipe import Dark
from bellringer.orchestrator.wire.messages import Call, Get, Set
from bellringer.testbed.lockstep import LockstepClock


@pytest.fixture
def process(mocker):
    """The work of a driver process whose clock and instruments are doubles."""
    near, far = multiprocessing.Pipe()
    with near, far:
        clock = mocker.MagicMock(spec=LockstepClock)
        desk = mocker.Mock(entries={"alice.memory": None})
        yield DriverProcess(near, desk, clock, mocker.Mock(), "tcp://127.0.0.1:*")


def ordered(process):
    process._take(Dark(1, "abort", ticket="7-1"))
    return process._urgent.pop().ticket


def test_between_jobs_lab_time_stands_still_until_it_is_dark(process):
    assert ordered(process) == "7-1"


def test_in_a_job_it_gives_its_ticket_back_for_the_job_may_need_lab_time_to_its_end(process):
    found = []
    process._desk.get.side_effect = lambda name, value: found.append(ordered(process))
    process._carry_out(Get(2, "alice.memory", "status", 0, ticket="7-2"))
    assert found == [""]
    process._clock.forget.assert_called_once()
    process._strangers = 0  # as when it was carried out
    assert ordered(process) == "7-1", "the job has ended"


def test_a_look_that_comes_in_a_job_gives_its_ticket_back_too(process):
    """The job may be a batch that was ended, on its way to the dark; the look has to wait for it."""
    look = Look(3, "alice.memory", (), "7-3")
    process._take(look)
    assert process._jobs.pop().ticket == "7-3", "nothing is in its way"
    process._desk.get.side_effect = lambda name, value: process._take(look)
    process._carry_out(Get(2, "alice.memory", "status", 0, ticket="7-2"))
    assert process._jobs.pop().ticket == ""
    process._clock.forget.assert_called_once()


def test_row_34_waiting_for_what_else_is_done_is_no_waiting(process, mocker):
    now_s, done = [100.0], []
    mocker.patch("bellringer.orchestrator.agent.child.elapsed_s", side_effect=lambda: now_s[0])
    process._in_real_time = True

    def do(name, verb, args, keywords=None):
        now_s[0] += args[1]
        done.append((verb, args[0]))

    process._desk.do.side_effect = do
    process._desk.get.side_effect = lambda name, value: now_s.append(now_s.pop() + 1.5)
    for number in (1, 2, 3):
        process._take(Call(number, "alice.memory", "move", 0, (60,), ttl_s=102.0))
    process._take(Get(4, "alice.memory", "angle", 0))
    process._take(Set(5, "alice.memory", "power", 1, 0, ttl_s=102.0))
    process._take(Get(6, "alice.memory", "angle", 0))
    process._take(Set(7, "alice.memory", "late", 1, 0, ttl_s=102.0))
    while process._jobs:
        process._carry_out(process._jobs.popleft())
    assert done == [("call", "move")] * 3 + [("set", "power")]
