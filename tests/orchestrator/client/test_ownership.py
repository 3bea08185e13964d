"""A run's hold on its instruments: how soon it hears that its coordinator is gone."""

import threading
import time

from bellringer.orchestrator.client import ownership as module
from bellringer.orchestrator.client.ownership import Ownership
from bellringer.orchestrator.wire.errors import NoAnswer


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
