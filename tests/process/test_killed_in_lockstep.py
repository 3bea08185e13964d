"""kill -9 within a batch of a dry run in lockstep: nothing waits for what the dead process had begun."""

import os
import signal
import time

import pytest
from bellringer.orchestrator.coordinator.rehearsal import GIVE_UP_S

from .processes import children_of, drivers_of, the_child_of

pytestmark = pytest.mark.process


def killed(bellringer, pairs, find):
    """Kill what ``find(runner)`` names as soon as pairs are asked for; return the exit status and how long it took."""
    words = ("run", bellringer.example.with_name("memory_two_node.yaml"), "heralded_bell", "--dry-run", "--seed", "1")
    with bellringer.started(*words, "--pairs", str(pairs)) as process:

        def asked():
            begun = list((bellringer.folder / "runs").glob("*/events.jsonl"))
            return begun and any(each["event"] == "entangle" for each in bellringer.events(begun[0].parent))

        bellringer.wait_until(lambda: asked() or process.poll() is not None)
        os.kill(find(process.pid), signal.SIGKILL)
        killed_s = time.monotonic()
        return process.wait(120), time.monotonic() - killed_s


def test_the_simulated_lab_is_killed_and_the_run_says_so(bellringer):
    status, took_s = killed(bellringer, 20_000, lambda runner: the_child_of(runner, "simulated lab"))
    assert status == 1
    assert "error: the simulated lab has stopped" in bellringer.stderr()
    assert "Traceback" not in bellringer.stderr()
    assert bellringer.events(bellringer.run_folder())[-1]["event"] == "failed"
    assert took_s < GIVE_UP_S / 2, "somebody waited for the lab"


@pytest.mark.parametrize("node", ["alice", "charlie"])
def test_the_driver_process_of_a_core_is_killed_and_the_run_goes_on_with_its_next_batch(bellringer, node):
    number = ("alice", "bob", "charlie").index(node)

    def core(runner):
        return drivers_of(children_of(runner, "agent ")[number])[0]

    status, took_s = killed(bellringer, 18, core)
    assert status == 0, bellringer.stderr()
    (told,) = [each for each in bellringer.events(bellringer.run_folder()) if each["event"] == "entangled"]
    assert (told["state"], told["pairs"]) == ("OK", 18)
    assert set(told["batches"]) > {"RECORDED"}
    assert took_s < GIVE_UP_S, "lab time stood still until the dead process was given up"
