"""What a person who acknowledges something is told of what stays latched."""

import pytest
from bellringer.orchestrator.client.emergency import acknowledge
from bellringer.orchestrator.wire.messages import Ack
from bellringer.testbed.errors import BellringerError

PRESS = {"number": 3, "who": "anna", "reason": "smoke", "utc": "2026-01-31T12:05:00.123+00:00"}
PRESSED = "pressed by anna at 2026-01-31 12:05:00 UTC: smoke"


class Coordinator:
    """Two nodes, one with a fault, and an e-stop that was pressed."""

    def __init__(self):
        self.faults = {"alice": "3: too hot", "bob": ""}
        self.presses = [PRESS]

    def ask(self, message):
        if isinstance(message, Ack):
            if message.node:
                self.faults[message.node] = ""
            else:
                self.presses.clear()
            return {}
        return {
            "estop": {"latched": bool(self.presses), "number": 3, "presses": [*self.presses]},
            "nodes": [{"node": name, "fault": fault} for name, fault in self.faults.items()],
        }


def test_who_acknowledges_a_node_is_told_of_the_estop():
    found = acknowledge(Coordinator(), "alice")
    assert (found.done, found.left, found.estop) == (("alice",), {}, PRESSED)


def test_who_acknowledges_the_estop_is_told_of_other_faults_without_their_numbers():
    found = acknowledge(Coordinator())
    assert (found.done, found.left, found.estop) == ((f"e-stop by anna at {PRESSED[19:]}",), {"alice": "too hot"}, "")


def test_a_node_that_only_the_estop_keeps_dark_says_so():
    with pytest.raises(BellringerError, match=f"no fault of its own.*the e-stop, {PRESSED}") as caught:
        acknowledge(Coordinator(), "bob")
    assert "bellringer ack, without a node" in caught.value.hint
