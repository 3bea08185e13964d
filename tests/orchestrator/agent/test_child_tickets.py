"""A driver process in a dry run: when an order to go dark may hold lab time."""

import multiprocessing

import pytest
from bellringer.orchestrator.agent.child import DriverProcess
from bellringer.orchestrator.agent.pipe import Dark
from bellringer.orchestrator.wire.messages import Get
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
