"""Pause, resume and abort."""

import threading

import pytest
from bellringer.sequences.control import RunControl
from bellringer.testbed.clock import WallClock
from bellringer.testbed.errors import Aborted


def test_a_checkpoint_passes_when_nothing_was_asked():
    control = RunControl()
    control.checkpoint()
    control.wait_resumed()
    assert not control.paused


def test_a_paused_run_waits_at_its_checkpoint_until_resumed():
    control, passed = RunControl(), []
    control.pause()
    thread = threading.Thread(target=lambda: passed.append(control.wait_resumed()))
    thread.start()
    thread.join(0.05)
    assert not passed
    control.resume()
    thread.join(10)
    assert passed == [None]


def test_an_abort_ends_a_pause_and_interrupts_waits():
    control, clock, ended = RunControl(), WallClock(), []
    control.attach(clock)

    def sleeper():
        try:
            clock.sleep(3600.0)
        except Aborted:
            ended.append(True)

    thread = threading.Thread(target=sleeper)
    thread.start()
    control.pause()
    control.abort()
    thread.join(10)
    assert ended
    with pytest.raises(Aborted):
        control.checkpoint()


def test_an_abort_before_the_clock_is_there_still_counts():
    control, clock = RunControl(), WallClock()
    control.abort()
    control.attach(clock)
    with pytest.raises(Aborted):
        clock.sleep(0.0)
