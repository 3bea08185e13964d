"""Signals that come at the worst moment: while the thread that handles them is about to wait for what they set."""

import signal

import pytest
from bellringer.console.interrupts import interrupts
from bellringer.console.services import asked_to_end
from bellringer.sequences.control import RunControl

PATIENCE_S = 20.0


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_service_asked_to_end_as_it_begins_to_wait_ends(number):
    with asked_to_end() as stop:
        with stop._cond:  # as ``wait`` does
            signal.raise_signal(number)
        assert stop.wait(PATIENCE_S)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_aborted_as_it_begins_to_wait_is_aborted(number):
    control = RunControl()
    with interrupts(control):
        with control._aborted._cond, control._resumed._cond:
            signal.raise_signal(number)
        assert control._aborted.wait(PATIENCE_S)
    assert control.wanted == "abort"


@pytest.mark.timeout(60)
def test_ctrl_c_pauses_a_run_that_looks_whether_it_is_paused_and_once_more_aborts_it(capfd):
    control = RunControl()
    with interrupts(control):
        with control._resumed._cond:
            signal.raise_signal(signal.SIGINT)
        while not control.paused:
            pass
        assert control.wanted == "pause"
        signal.raise_signal(signal.SIGINT)
        assert control._aborted.wait(PATIENCE_S)
    assert "the run pauses at its next checkpoint" in capfd.readouterr().err
