"""The coordinator's part in lab time, on a simulated lab without instruments."""

import threading

import pytest
from bellringer.orchestrator.coordinator.lab_time import LabTime
from bellringer.sim_backends.lab.lab import Lab
from bellringer.testbed.lockstep import LockstepClock


@pytest.fixture
def endpoint(tmp_path):
    lab = Lab(seed=1, clock_endpoint=f"ipc://{tmp_path}/clock")
    thread = threading.Thread(target=lab.run)
    thread.start()
    yield f"ipc://{tmp_path}/clock"
    lab.stop()
    thread.join(10)


def test_a_step_is_due_from_the_first_call_that_was_registered_until_it_begins(endpoint):
    """Or else the coordinator would wait for messages that need lab time."""
    runner = LockstepClock(endpoint, "runner")
    ticket = runner.register("request")
    lab_time = LabTime(endpoint)
    assert not lab_time.step_due
    lab_time.begin(ticket.number)
    assert lab_time._over.wait(10)
    assert lab_time.at_work
    assert not lab_time.step_due
    lab_time.register("prepare", "alice")
    assert lab_time.step_due
    assert lab_time.wait()
    assert not lab_time.step_due
    lab_time.give_up()
    assert lab_time._over.wait(10)
    lab_time.end()
    runner.wait_for([ticket])
    runner.close()
    lab_time.close()
