"""A run's hold on its instruments: how soon it hears that its coordinator is gone, and what it tells of the run."""

import threading
import time

from bellringer.orchestrator.client import ownership as module
from bellringer.orchestrator.client.ownership import Ownership
from bellringer.orchestrator.wire.errors import NoAnswer
from bellringer.orchestrator.wire.messages import RunCommand
from bellringer.sequences.control import RunControl
from bellringer.testbed.errors import BellringerError


class Frozen:
    """Stands for a client of a coordinator that freezes after the first answer."""

    def __init__(self):
        self.asked = 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def request(self, message, timeout_s=5.0):
        self.asked += 1
        if self.asked == 1:
            return {"trouble": "", "command": "", "kept": True, "run": "r"}
        time.sleep(timeout_s)
        raise NoAnswer("frozen")


def test_a_run_hears_of_a_frozen_coordinator_as_soon_as_its_instruments_may_be_lost(monkeypatch):
    for name, value in (("HELD_S", 1.0), ("RENEW_S", 0.1), ("TIMEOUT_S", 0.4)):
        monkeypatch.setattr(module, name, value)
    client, lost = Frozen(), threading.Event()
    begun_s = time.monotonic()
    with Ownership("r", ["a.b"], lambda: client, lambda command: None, lambda error: lost.set()):
        assert lost.wait(20)
        assert 0.9 < time.monotonic() - begun_s < 2.5
    assert client.asked > 2, "one lost answer is not the end"


class Coordinator:
    """Stands for a client of one that keeps what was asked of the run last, by anybody."""

    def __init__(self):
        self.command, self.told = "", []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def request(self, message, timeout_s=5.0):
        if isinstance(message, RunCommand):
            if self.command == "abort":
                raise BellringerError("it is being aborted")
            self.told.append(message.command)
            self.command = message.command
            return {"command": message.command}
        return {"trouble": "", "command": self.command, "kept": True, "run": "r"}


def until(what):
    end_s = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_the_coordinator_hears_what_was_asked_where_the_run_was_started_and_the_run_what_was_asked_there(monkeypatch):
    monkeypatch.setattr(module, "RENEW_S", 0.01)
    client, control = Coordinator(), RunControl()
    orders = {"pause": control.pause, "resume": control.resume, "abort": control.abort}
    told = ("r", ["a.b"], lambda: client, lambda command: orders[command](), control.abort)
    with Ownership(*told, wanted=lambda: control.wanted):
        control.pause()
        until(lambda: client.command == "pause")
        client.command = "resume"
        until(lambda: not control.paused)
        control.pause()
        until(lambda: client.command == "pause")
        client.command = "resume"  # once more: what was said last counts, wherever it was said
        until(lambda: not control.paused)
        client.command = "pause"
        until(lambda: control.paused)
        control.resume()
        until(lambda: client.command == "resume")
        control.pause()
        client.command = "abort"
        until(lambda: control.aborted)
    assert client.told[:3] == ["pause", "pause", "resume"]


def test_a_run_that_no_person_ended_tells_of_no_abort():
    control = RunControl()
    control.abort(BellringerError("the lease was lost"))
    assert control.wanted == ""
    (other := RunControl()).abort()
    assert other.wanted == "abort"
