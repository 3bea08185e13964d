"""What nodes tell of clocks, interlocks and detectors suspends links: batches end, new requests are refused."""

from pathlib import Path

import pytest
from bellringer.orchestrator.client.overview import suspended
from bellringer.orchestrator.coordinator.batches import Batches
from bellringer.orchestrator.coordinator.conditions import LinkConditions
from bellringer.orchestrator.coordinator.state import State
from bellringer.orchestrator.coordinator.terms import Caller
from bellringer.orchestrator.heralding.entries import Ended, to_bytes
from bellringer.orchestrator.heralding.messages import Result
from bellringer.orchestrator.wire.keys import KeyPair
from bellringer.orchestrator.wire.messages import Core, Entangle, Entangled, Register, Renew, Watched
from bellringer.testbed.loader import load
from bellringer.testbed.memory_models import Suspension
from bellringer.testbed.testbed import Interlock

FILE = Path(__file__).parents[2] / "data" / "memory_link.yaml"
ANNA = Caller("n" * 40, "anna")
CORES = {"alice": "alice.memory", "bob": "bob.memory", "charlie": "charlie.core"}
NODES = tuple(CORES)
REQUEST = {"id": "one", "nodes": ["alice", "bob"], "kind": "measure", "pairs": 100000, "deadline_s": 3000.0}


def with_door(testbed):
    """Give alice an interlock."""
    alice = testbed.nodes["alice"].model_copy(update={"interlocks": {"door": Interlock(reading="m.c", closed=True)}})
    return testbed.model_copy(update={"nodes": {**testbed.nodes, "alice": alice}})


class Coordinator:
    """The coordinator's part in batches, and nodes that only renew; nobody answers what is said to them."""

    def __init__(self, folder):
        self.now_s, testbed = 100.0, with_door(load(FILE).testbed)
        self.state = State(1, lambda: "now", lambda key: True)
        nodes, keys = self.state.nodes, KeyPair.ephemeral("coordinator")
        self.happened = []
        told = {"latch": self.state.estop, "happened": lambda name, body: self.happened.append((name, body))}
        self.batches = Batches(testbed, 1, "boot", folder, keys, nodes, self.now_s, **told)

    def register(self, node):
        where = ("tcp://127.0.0.1:9", "tcp://127.0.0.1:9", node)
        self.state.nodes.register(Caller(node, node), Register(0, node, "boot", *where, ()), self.now_s)

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


# --- interlocks, faults, detectors ------------------------------------------------------------------------------------


def told(coordinator, name, why, trips):
    """Have the node that watches it say how a condition is."""
    node = "alice" if "alice" in name else "charlie"
    word = Renew(0, node, "boot", 0.0, watched=(Watched(name, why, trips),))
    coordinator.batches.heard(word, coordinator.now_s)


@pytest.mark.parametrize(
    ("name", "why", "code"),
    [
        ("interlocks of alice", "interlock 'door' is open: relay.closed is False", "INTERLOCK"),
        ("detector charlie.detectors.2", "the detector is latched or blind: no click in 3 s", "NORES"),
    ],
)
def test_row_04_and_24_what_a_node_tells_ends_the_batch_at_once_and_refuses_requests_with_the_reason(
    coordinator, name, why, code
):
    coordinator.ask()
    told(coordinator, name, why, 1)
    assert list(coordinator.void()) == [f"batch VOID: '{name}' tripped: {why}"]
    assert coordinator.happened == [("suspended", {"links": ["alice-bob"], "condition": name, "why": why})]
    refused = coordinator.ask("two")
    assert (refused["reply"], refused["code"], refused["where"]) == ("Rejected", code, name)
    assert refused["what"] == f"link 'alice-bob' is suspended by '{name}': {why}"
    assert suspended({"entanglement": coordinator.batches.described(coordinator.now_s)}) == [
        f"link alice-bob is suspended by '{name}': {why}"
    ]
    assert coordinator.batches.answer(ANNA, Entangled(0, "one"), coordinator.now_s)["held_up"] == (
        f"suspended by '{name}': {why}"
    )
    told(coordinator, name, "", 1)
    coordinator.wait(9.75)
    assert coordinator.ask("three")["hint"].startswith("it is well again; ask in 0.")
    assert sum(coordinator.void().values()) == 1, "no batch has begun meanwhile"
    coordinator.wait(0.5)
    assert coordinator.ask("four")["reply"] == "Accepted"


def test_row_24_a_trip_that_came_and_went_between_two_looks_is_seen_by_its_count(coordinator):
    coordinator.ask()
    told(coordinator, "detector charlie.detectors.1", "", 0)
    told(coordinator, "detector charlie.detectors.1", "", 1)
    assert len(coordinator.void()) == 1
    assert coordinator.ask("two")["code"] == "NORES"


def test_nobody_tells_of_what_is_anothers_to_watch(coordinator):
    word = Renew(0, "bob", "boot", 0.0, watched=(Watched("interlocks of alice", "open", 1), Watched("moon", "full", 1)))
    coordinator.batches.heard(word, coordinator.now_s)
    assert coordinator.ask()["reply"] == "Accepted"


def test_row_04_a_node_that_is_latched_dark_takes_no_requests_and_says_who_must_do_what(coordinator):
    coordinator.ask()
    coordinator.register("alice")
    coordinator.state.nodes.note_fault(coordinator.state.nodes.table["alice"], "7: interlock 'door' is open")
    coordinator.hear("alice")
    assert len(coordinator.void()) == 1
    refused = coordinator.ask("two")
    assert refused["code"] == "INTERLOCK"
    assert (
        "alice is latched dark: interlock 'door' is open; when it is safe there: bellringer ack alice"
        in refused["what"]
    )
    coordinator.state.nodes.acknowledge(ANNA, "alice")
    coordinator.wait(10.25)
    assert coordinator.ask("three")["reply"] == "Accepted"


def test_an_e_stop_suspends_every_link_until_it_was_acknowledged_for_the_hold_off(coordinator):
    coordinator.ask()
    coordinator.state.estop.press(ANNA, "smoke", coordinator.now_s)
    coordinator.batches.turn(coordinator.now_s)
    assert len(coordinator.void()) == 1
    refused = coordinator.ask("two")
    assert (refused["code"], refused["where"]) == ("INTERLOCK", "e-stop")
    assert "pressed by 'anna'" in refused["what"]
    assert "smoke" in refused["what"]
    coordinator.state.estop.acknowledge(ANNA, 0)
    coordinator.wait(10.5)
    assert coordinator.ask("three")["reply"] == "Accepted"


def test_results_that_contradict_each_other_stop_the_link_and_everybody_is_told(coordinator):
    coordinator.ask()
    number = next(iter(coordinator.batches.described(coordinator.now_s)["batches"]))
    coordinator.register("alice")
    for reason in ("it said so", "it said otherwise"):
        ended = Ended("one", int(number), 1, 0, "digest", False, reason, 0, 0, 0)
        word = Result(0, 1, "one", int(number), "boot", 1, body=to_bytes(ended))
        coordinator.batches.answer(Caller("alice", "alice"), word, coordinator.now_s)
    what, body = coordinator.happened[0]
    assert what == "distrusted"
    assert body == {"what": "contradicting results", "from": "alice", "batch": int(number)}
    assert coordinator.happened[1][1]["condition"] == "results of charlie"
    coordinator.wait(60.0)
    refused = coordinator.ask("two")
    assert refused["code"] == "NORES"
    assert f"'alice' sent two different results of batch {number}; both are kept" in refused["what"]


def test_a_result_that_cannot_be_understood_is_told_to_people_and_stops_nothing(coordinator):
    coordinator.register("alice")
    word = Result(0, 1, "one", 5, "boot", 1, body=b"nonsense")
    coordinator.batches.answer(Caller("alice", "alice"), word, coordinator.now_s)
    assert [(name, body["what"], body["from"]) for name, body in coordinator.happened] == [
        ("distrusted", "a result cannot be understood", "alice")
    ]
    assert coordinator.ask()["reply"] == "Accepted"


def test_a_detector_at_a_node_that_takes_no_part_must_be_told_of(tmp_path):
    text = (
        FILE.read_text()
        .replace("charlie.detectors", "dave.detectors")
        .replace("      detectors: {driver: websq", "  dave:\n    instruments:\n      detectors: {driver: websq")
    )
    head, _, tail = text.partition("  dave:\n")
    detectors, _, optics = tail.partition("    optics:")
    path = tmp_path / "lab.yaml"
    path.write_text(f"{head}    optics:{optics.replace('wiring:', f'  dave:{chr(10)}{detectors}wiring:')}")
    conditions = LinkConditions(load(path).testbed, watched=True)
    silent = {each.name: each.silent_s for each in conditions.all if each.name.startswith("detector")}
    assert silent == {"detector dave.detectors.1": 3.0, "detector dave.detectors.2": 3.0}
    at_rest = LinkConditions(load(path).testbed, watched=False)
    assert all(each.silent_s == float("inf") for each in at_rest.all)


def test_the_files_hold_off_is_the_longest_of_a_conditions_links():
    testbed = load(Path(__file__).parents[3] / "examples" / "memory_three_node.yaml").testbed
    links = dict(testbed.memory_links)
    links["alice-bob"] = links["alice-bob"].model_copy(update={"suspend": Suspension(hold_off="3 s")})
    testbed = testbed.model_copy(update={"memory_links": links})
    found = {each.name: (each.links, each.hold_off_s) for each in LinkConditions(testbed, watched=True).all}
    assert found["clock of alice"] == (("alice-bob",), 3.0)
    assert found["clock of bob"] == (("alice-bob", "bob-charlie"), 10.0)
    assert found["detector west.detectors.1"] == (("alice-bob",), 3.0)
    assert found["e-stop"][1] == 10.0
