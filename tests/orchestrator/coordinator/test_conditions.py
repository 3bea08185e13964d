"""What nodes tell of their clocks reaches the entanglement service: batches end, new requests are refused."""

from pathlib import Path

import pytest
from bellringer.orchestrator.coordinator.batches import Batches
from bellringer.orchestrator.coordinator.state import State
from bellringer.orchestrator.coordinator.terms import Caller
from bellringer.orchestrator.wire.keys import KeyPair
from bellringer.orchestrator.wire.messages import Core, Entangle, Entangled, Renew
from bellringer.testbed.loader import load

FILE = Path(__file__).parents[2] / "data" / "memory_link.yaml"
ANNA = Caller("n" * 40, "anna")
CORES = {"alice": "alice.memory", "bob": "bob.memory", "charlie": "charlie.core"}
NODES = tuple(CORES)
REQUEST = {"id": "one", "nodes": ["alice", "bob"], "kind": "measure", "pairs": 100000, "deadline_s": 3000.0}


class Coordinator:
    """The coordinator's part in batches, and nodes that only renew; nobody answers what is said to them."""

    def __init__(self, folder):
        self.now_s, testbed = 100.0, load(FILE).testbed
        self.state = State(1, lambda: "now", lambda key: True)
        nodes, keys = self.state.nodes, KeyPair.ephemeral("coordinator")
        self.batches = Batches(testbed, 1, "boot", folder, keys, nodes, self.now_s)

    def hear(self, node, *, locked=True, unlocks=0):
        hw_ps, where = 10**15 + round(self.now_s * 1e12), ("tcp://127.0.0.1:9", "k" * 40)
        core = Core(CORES.get(node, f"{node}.core"), hw_ps, *where, "cal", 2, 2, locked, unlocks)
        self.batches.heard(Renew(0, node, "boot", 0.0, cores=(core,)), self.now_s)

    def wait(self, seconds, **odd):
        """Let nodes renew four times a second; ``odd`` is what charlie tells."""
        for _ in range(round(seconds * 4)):
            self.now_s += 0.25
            for node in NODES:
                self.hear(node, **(odd if node == "charlie" else {}))
            self.batches.turn(self.now_s)

    def ask(self, name="one"):
        return self.batches.answer(ANNA, Entangle(0, {**REQUEST, "id": name}), self.now_s)

    def conditions(self):
        return self.batches.described(self.now_s)["service"]["conditions"]

    def void(self):
        return self.batches.answer(ANNA, Entangled(0, "one"), self.now_s)["counts"]


@pytest.fixture
def coordinator(tmp_path):
    coordinator = Coordinator(tmp_path)
    for node in NODES:
        coordinator.hear(node)
    yield coordinator
    coordinator.batches.close()


def test_a_request_is_taken_as_soon_as_nodes_are_there(coordinator):
    assert coordinator.ask()["reply"] == "Accepted"
    assert all(each["good"] for each in coordinator.conditions().values())


def test_row_20_a_clock_that_unlocks_ends_the_batch_at_once_and_the_link_waits_for_the_hold_off(coordinator):
    coordinator.ask()
    assert len(coordinator.batches.described(coordinator.now_s)["batches"]) == 1
    coordinator.hear("charlie", locked=False, unlocks=1)
    assert list(coordinator.void()) == ["batch VOID: 'clock of charlie' tripped: the clock is not locked (False)"]
    coordinator.wait(2.0, locked=False, unlocks=1)
    refused = coordinator.ask("two")
    assert (refused["reply"], refused["code"]) == ("Rejected", "NORES")
    assert "'clock of charlie': the clock is not locked" in refused["what"]
    coordinator.wait(9.0, locked=True, unlocks=1)
    assert coordinator.ask("three")["code"] == "NORES", "good for 9 s only"
    assert sum(coordinator.void().values()) == 1, "no batch has begun meanwhile"
    coordinator.wait(2.0, locked=True, unlocks=1)
    assert coordinator.ask("four")["reply"] == "Accepted"


def test_row_20_an_unlock_that_came_and_went_between_two_looks_counts_too(coordinator):
    coordinator.ask()
    coordinator.hear("charlie", locked=True, unlocks=1)
    coordinator.wait(0.25, locked=True, unlocks=1)
    assert coordinator.ask("two")["code"] == "NORES"
    assert sum(coordinator.void().values()) == 1


def test_a_node_that_is_on_no_link_is_nothing_to_the_service(coordinator):
    before = coordinator.conditions()
    coordinator.hear("dave", locked=False, unlocks=3)
    assert coordinator.conditions() == before
    assert coordinator.ask()["reply"] == "Accepted"
