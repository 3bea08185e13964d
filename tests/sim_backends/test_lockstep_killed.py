"""kill -9 of a process that takes part in lockstep, or of the lab: nobody waits for what it had begun."""

import subprocess
import sys
import threading

import pytest
from bellringer.sim_backends.lab.lab import Lab
from bellringer.sim_backends.lab.participants import Participants
from bellringer.testbed.lockstep import LabStopped, LockstepClock


@pytest.fixture
def endpoint(tmp_path):
    """Where a lab's clock is that has no instruments."""
    lab = Lab(clock_endpoint=f"ipc://{tmp_path}/clock")
    thread = threading.Thread(target=lab.run)
    thread.start()
    yield f"ipc://{tmp_path}/clock"
    lab.stop()
    thread.join()


def test_a_killed_process_no_longer_holds_time(endpoint):
    clock = "from bellringer.testbed.lockstep import LockstepClock"
    code = f"import os; {clock}; LockstepClock({endpoint!r}, 'x'); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    worker, ends = LockstepClock(endpoint), []
    ticket = worker.register("dark")

    def work():
        with worker.running(ticket):
            worker.sleep(1.0)
            ends.append(True)
        worker.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert ends == [True]


def test_a_call_that_a_killed_process_carried_out_no_longer_holds_time(endpoint):
    clock = LockstepClock(endpoint, "test")
    ticket = clock.register("batch")
    code = f"""
import os
from bellringer.testbed.lockstep import LockstepClock
clock = LockstepClock({endpoint!r})
with clock.running(clock.adopt({ticket.number!r}, "batch", "")):
    os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    clock.wait_for([ticket])
    clock.close()


def test_a_call_goes_on_when_the_process_that_had_registered_it_is_killed(endpoint):
    """Its own process waits for its sleep to end."""
    code = f"""
import os
from bellringer.testbed.lockstep import LockstepClock
clock = LockstepClock({endpoint!r})
print(clock.register("batch").number, flush=True)
input()
os._exit(9)
"""
    told = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], **told) as caller:
        number = caller.stdout.readline().strip()
        worker, other = LockstepClock(endpoint), LockstepClock(endpoint, "other")
        begun, ends = threading.Event(), []

        def work():
            with worker.running(worker.adopt(number, "batch", "")):
                begun.set()
                worker.sleep(1.0)
                ends.append(True)
            worker.close()

        thread = threading.Thread(target=work)
        thread.start()
        assert begun.wait(10)
        caller.communicate("\n")
    other.sleep(2.0)
    thread.join(10)
    assert ends == [True]
    other.close()


@pytest.mark.parametrize("wait", ["sleep", "wait_for", "running", "look"])
def test_a_killed_lab_ends_every_wait(tmp_path, wait):
    endpoint = f"ipc://{tmp_path}/clock"
    code = f"from bellringer.sim_backends.lab.lab import Lab; Lab(clock_endpoint={endpoint!r}).run()"
    with subprocess.Popen([sys.executable, "-c", code]) as lab:
        clock = LockstepClock(endpoint, "test")
        other = clock.register("somebody")  # who never begins: lab time stands still
        worker, seen = LockstepClock(endpoint), []

        def work():
            try:
                if wait == "look":
                    seen.append(worker.look_ps())
                with worker.running(worker.register("it", after=other if wait == "running" else None)):
                    worker.sleep(1.0) if wait == "sleep" else worker.wait_for([other])
            except LabStopped as error:
                seen.append(error.what)

        thread = threading.Thread(target=work)
        thread.start()
        lab.kill()
        thread.join(30)  # nobody has waited for the lab yet: its process is still listed
        assert not thread.is_alive()
        assert seen[-1] == "the simulated lab has stopped"
        for each in (worker, clock):
            each.close()


@pytest.mark.parametrize("verb", ["sleep", "read", "wait", "done"])
def test_the_last_words_of_a_killed_process_do_not_bring_its_call_back(verb):
    """They were on their way when it was killed, and come after its death was noticed."""
    participants = Participants(lambda line: (-1, -1))
    participants.register("7-1", "batch", None, False)
    participants.begin("7-1", 9, lambda now_ps: None, 0)
    participants.drop(9)
    said = {"sleep": [5, {}], "read": ["tcp:1:2", 3, 4, 5, {}], "wait": [["7-2"], {}], "done": [{}]}[verb]
    getattr(participants, verb)("7-1", *said, lambda now_ps: None)
    assert participants.processes() == set()
    assert participants.next_wake_ps() is None
    participants.begin("7-1", 8, lambda now_ps: None, 0)
    assert participants.processes() == {8}, "another process may carry it out"
