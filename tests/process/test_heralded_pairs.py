"""Heralded pairs on a whole testbed: two memory nodes, a station and a coordinator as processes, a simulated lab."""

import json
import os
import signal
from pathlib import Path

import pytest
from bellringer.orchestrator.client.entangle import Pairs, Refused
from bellringer.orchestrator.client.network import Network
from bellringer.orchestrator.wire.messages import Measured, Status
from bellringer.testbed.attempts.latency import Measurement

FILE = Path(__file__).parents[1] / "data" / "memory_link.yaml"
NODES = ("alice", "bob", "charlie")
MINUTE = {"deadline_s": 60.0}
PAIRS = 200
"""Of a request whose batch can be seen to run: it takes a second or two."""


class Testbed:
    """A running testbed with its detectors on, and its operator."""

    __test__ = False

    def __init__(self, bellringer, process):
        self.told = json.loads(process.stdout.readline())
        assert self.told["wrong"] == {}
        self.network = Network.found(Path(self.told["contact"]), None, "")
        self.client = self.network.client()
        for setting in ("detectors_enabled=true", "bias_current=20 uA"):
            done = bellringer.here("set", f"charlie.detectors.{setting}", "--contact", self.told["contact"])
            assert done.returncode == 0, done.stderr
        bellringer.wait_until(lambda: {self.node(name)["batches"]["state"] for name in NODES} == {"IDLE"})

    def node(self, name):
        return self.network.ask_node(self.network.contact.nodes[name], Status(0))

    def entangle(self, **request):
        return Pairs(self.client.request, {"nodes": ("alice", "bob"), **MINUTE, **request})

    def measure(self, bellringer, *words):
        done = bellringer.here("link", "measure", *words, "--json", "--contact", self.told["contact"])
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["measurements"]

    def claim(self, *, ps):
        """Have the coordinator believe that corrections take so long."""
        taken = (Measurement.of("S1", "charlie", node, [ps] * 10_000, 0) for node in ("alice", "bob"))
        self.client.request(Measured(0, tuple(each.model_dump_json() for each in taken)))

    def coordinator(self):
        return self.network.ask(Status(0))["entanglement"]


@pytest.fixture
def testbed(bellringer):
    with bellringer.started("up", FILE, "--dry-run", "--json", "--seed", "1", "--state", bellringer.folder) as process:
        testbed = Testbed(bellringer, process)
        yield testbed
        testbed.client.close()
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def names(pairs):
    return [(each.batch, each.hseq) for each in pairs]


def test_pairs_come_once_each_measured_or_kept_and_what_cannot_be_done_is_refused(testbed, bellringer):
    asked = testbed.entangle(kind="measure", pairs=30, min_fidelity=0.5)
    measured = list(asked)
    assert (asked.state, len(measured)) == ("OK", 30)
    assert [each.number for each in measured] == list(range(1, 31))
    assert len(set(names(measured))) == 30
    for each in measured:
        outcomes = {node: (body["basis"], body["bit"]) for node, body in each.nodes.items()}
        assert set(outcomes) == {"alice", "bob"}
        assert outcomes["alice"][0] == "XXXYYYZZZ"[each.k % 9]
        assert outcomes["bob"][0] == "XYZ"[each.k % 3]
        assert {bit for _, bit in outcomes.values()} <= {0, 1}

    with pytest.raises(Refused, match=r"UNCAL: .* from charlie to alice was not measured"):
        testbed.entangle(kind="keep", pairs=2, max_age_s=1.0)
    figures = testbed.measure(bellringer, "--samples", "1000")
    assert {(each["station"], each["node"]) for each in figures} == {("charlie", "alice"), ("charlie", "bob")}
    for each in figures:
        assert each["samples"] == 1000
        assert 0 < each["p50_ps"] <= each["p99_ps"] <= each["p999_ps"]
    with pytest.raises(Refused, match=r"UNSUPP: .* S1 misses it by \d+ ps"):
        testbed.entangle(kind="keep", pairs=1, max_age_s=5e-5, miss_budget=0.5)
    asked = testbed.entangle(kind="keep", pairs=2, max_age_s=1.0, miss_budget=0.01)
    kept = list(asked)
    assert (asked.state, len(kept)) == ("OK", 2)
    assert {each.state for each in kept} == {"psi+"}, "corrections make every herald the link's target"
    for each in kept:
        alice, bob = each.nodes["alice"], each.nodes["bob"]
        assert (alice["operation"], bob["operation"]) == ("Z" if each.label == "psi-" else "I", "I")
        assert max(alice["age_ps"], bob["age_ps"]) <= 1e12
    with pytest.raises(Refused, match="UNSUPP"):
        testbed.entangle(nodes=("alice", "charlie"), kind="measure", pairs=1)
    with pytest.raises(Refused, match=r"BADREQ: .*memory cut-off"):
        testbed.entangle(kind="keep", pairs=1)


def test_a_correction_that_is_later_than_its_deadline_is_counted_and_its_pair_never_delivered(testbed):
    """Nothing between two processes takes less than the 100 us after which a kept qubit is too old here."""
    testbed.claim(ps=1)
    asked = testbed.entangle(kind="keep", pairs=1, max_age_s=1e-4, deadline_s=6.0, miss_budget=0.5)
    assert list(asked) == []
    assert asked.state == "TIMEOUT"
    late = {reason: count for reason, count in asked.counts.items() if reason in ("late correction", "too old")}
    assert sum(late.values()) >= 1
    assert "delivered" not in asked.counts


@pytest.mark.parametrize("victim", ["alice", "charlie"])
def test_the_driver_process_of_a_core_is_killed_in_a_batch_and_no_pair_is_lost_or_doubled(testbed, victim):
    core = f"{victim}.{'memory' if victim == 'alice' else 'core'}"
    for kills in range(1, 6):  # a busy machine may be past the batch that was seen to run
        asked, taken = testbed.entangle(kind="measure", pairs=PAIRS), []
        found = testbed.node(victim)["driver_processes"]
        while "RUNNING" not in testbed.coordinator()["batches"].values() and not asked.state:
            taken += asked.take()
        os.kill(next(int(pid) for pid, names in found.items() if core in names), signal.SIGKILL)
        taken += asked
        assert (asked.state, len(taken), len(set(names(taken)))) == ("OK", PAIRS, PAIRS)
        assert testbed.node(victim)["restarts"] == kills
        assert testbed.coordinator()["batches"] == {}
        if any(reason.startswith("batch VOID") for reason in asked.counts):
            return
    pytest.fail("no kill came while a batch ran")
