"""An agent waits for nobody for ever: not for a watchdog that is frozen, nor does its link end of what goes wrong."""

import os
import signal
import threading
import time

import pytest
from bellringer.orchestrator.agent import watchdog
from bellringer.orchestrator.agent.forking import ForkServer
from bellringer.orchestrator.agent.link import CoordinatorLink
from bellringer.orchestrator.agent.watchdog import Watchdog
from bellringer.orchestrator.wire.messages import Register

PATIENCE_S = 20.0


def until(what):
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


@pytest.mark.process
def test_row_02_an_agent_that_ends_does_not_wait_for_a_frozen_watchdog(tmp_path, monkeypatch):
    monkeypatch.setattr(watchdog, "LEAVE_S", 0.2)
    server = ForkServer()
    ours = Watchdog({}, {}, None, tmp_path / "watchdog.jsonl", print, server)
    ours.turn(time.monotonic(), [])
    until(lambda: ours.described()["pid"])
    pid = ours.described()["pid"]
    os.kill(pid, signal.SIGSTOP)
    closing = threading.Thread(target=lambda: ours.close(dark=True), daemon=True)
    closing.start()
    closing.join(PATIENCE_S)
    try:
        assert not closing.is_alive()
    finally:
        if closing.is_alive():
            os.kill(pid, signal.SIGKILL)
        server.close()


class Coordinator:
    """A client that notes what it is asked."""

    def __init__(self):
        self.asked = []

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        pass

    def request(self, message):
        self.asked.append(message)
        return {}


def test_a_link_goes_on_whatever_goes_wrong_in_it_and_says_what(capsys):
    coordinator, wrong = Coordinator(), [RuntimeError("dictionary changed size during iteration"), KeyError("core")]
    problems = []

    def registration():
        problems.append(link.problem)
        if wrong:
            raise wrong.pop(0)
        return Register(0, "charlie", "boot", "tcp://a", "tcp://b", "key", ())

    link = CoordinatorLink(lambda: coordinator, registration)
    link.start()
    try:
        until(lambda: coordinator.asked)
    finally:
        link.close()
    assert "dictionary changed size" in problems[1]
    assert "core" in problems[2]
