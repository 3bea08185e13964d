"""``Desk``: the coordinator's state without sockets, files or clocks, and what nodes and people ask of it."""

import pytest
from bellringer.orchestrator.coordinator.state import State
from bellringer.orchestrator.coordinator.terms import Caller
from bellringer.orchestrator.wire.messages import Own, Register, Renew
from bellringer.testbed.errors import BellringerError

ALICE, BOB = Caller("a" * 40, "alice-agent"), Caller("b" * 40, "bob-agent")
ANNA, BEN = Caller("n" * 40, "anna"), Caller("m" * 40, "ben")
UTC = "2026-01-31T12:05:00+00:00"


class Desk:
    """A state whose clock the test sets, and which can be restarted from what it wrote."""

    def __init__(self):
        self.now, self.epoch, self.journal, self.events, self.enrolled = 100.0, 1, [], [], set()
        self.revoked = ()
        self.state = self._state()

    def _state(self):
        return State(self.epoch, lambda: UTC, lambda key: key not in self.enrolled, lambda: self.revoked)

    def ask(self, caller, message):
        try:
            return self.state.answer(caller, message, self.now)
        finally:
            self.collect()

    def refused(self, caller, message, match):
        with pytest.raises(BellringerError, match=match) as caught:
            self.state.answer(caller, message, self.now)
        assert not [change for change in self.state.taken_changes() if change.durable]
        return caught.value

    def collect(self):
        for change in self.state.taken_changes():
            self.events.append(change.name)
            if change.durable:
                self.journal.append((change.name, change.body))

    def wait(self, seconds):
        self.now += seconds
        self.state.tick(self.now)
        self.collect()

    def restart(self):
        self.epoch += 1
        self.now -= 77.0  # another process, another zero of its clock
        self.state = self._state()
        for name, body in self.journal:
            self.state.restore(name, body, self.now)
        assert not self.state.taken_changes()


def register(caller=ALICE, node="alice", boot="b1", **more):
    return Register(
        **{
            "id": 1,
            "node": node,
            "boot": boot,
            "control": f"tcp://{node}:1",
            "stream": f"tcp://{node}:2",
            "public_key": caller.key,
            "instruments": (f"{node}.laser", f"{node}.tagger"),
            **more,
        }
    )


def renew(node="alice", boot="b1", **more):
    return Renew(1, node, boot, 5.0, **more)


def own(*instruments, run="r1", seconds=20.0):
    return Own(1, run, instruments, seconds)
