"""Row 28: packets between a node and its coordinator are dropped for a while, both ways or one way.

Alice, Bob and Charlie have a laser each; Charlie's computer also runs the coordinator; Anna operates from her own.
"""

import contextlib
import threading
import time

import pytest
from bellringer.orchestrator.agent.service import CoordinatorAddress, Setup
from bellringer.orchestrator.coordinator.nodes import LEASE_S, LOST_AFTER_S
from bellringer.orchestrator.coordinator.process import Start
from bellringer.orchestrator.wire import Client, KeyPair
from bellringer.orchestrator.wire.messages import Call, Set, Status
from bellringer.sim_backends.lab.build import build_lab
from bellringer.testbed.loader import load

pytestmark = pytest.mark.process

GRACE_S = 5.0
"""For a busy machine, on top of what is promised."""
NODES = ("alice", "bob", "charlie")
LAB = """
bellringer: 1
name: three lasers
nodes:
"""
NODE = """
  {node}:
    instruments:
      pump:
        driver: cobolt_06
        resource: {resource}
        model: {{kind: laser, wavelength: "785 nm", max_power: "100 mW"}}
"""
PATIENCE_S = 60.0


def until(what, message="what the test waits for did not happen"):
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end, message
        time.sleep(0.02)


class ThreeSites:
    def __init__(self, folder, net, processes):
        self.net, self.folder = net, folder
        file = folder / "lab.yaml"
        file.write_text(LAB + "".join(NODE.format(node=node, resource=f"serial:///dev/{node}") for node in NODES))
        self.lab = build_lab(load(file).testbed, 1)
        where = {node: self.lab.twins[f"{node}.pump"].resource for node in NODES}
        file.write_text(LAB + "".join(NODE.format(node=node, resource=where[node]) for node in NODES))
        self.open = contextlib.ExitStack()
        thread = threading.Thread(target=self.lab.run)
        thread.start()
        self.open.callback(thread.join)
        self.open.callback(self.lab.stop)
        keys = self.keys = {name: KeyPair.ephemeral(name) for name in ("coordinator", "anna", *NODES)}
        anna = (keys["anna"].public, "anna", "operator")
        enrolled = (anna, *((keys[node].public, node, "node") for node in NODES))
        ports = {
            name: f"tcp://{net.addresses['charlie']}:{5570 + n}"
            for n, name in enumerate(("control", "estop", "events"))
        }
        start = Start(keys["coordinator"].parts, str(folder / "coordinator"), enrolled, **ports, leave_at_end=True)
        self.ports = {"coordinator": ports["control"]}

        def started(module, setup, host):
            process = processes(module, setup, folder / f"{host}.err", None, net.inside(host))
            self.open.callback(process.end)
            return process.ready()

        started("bellringer.orchestrator.coordinator.process", start, "charlie")
        for node in NODES:
            setup = Setup(
                node, str(file), keys[node].parts,
                CoordinatorAddress(ports["control"], ports["events"], keys["coordinator"].public),
                str(folder / node), enrolled=(anna,), bind=f"tcp://{net.addresses[node]}:*", leave_at_end=True,
            )  # fmt: skip
            self.ports[node] = started("bellringer.orchestrator.agent.service", setup, node)["control"]
        context = net.context("anna")
        self.open.callback(context.term)
        self.clients = {}
        for name, endpoint in self.ports.items():
            client = Client(endpoint, keys[name].public, keys["anna"], timeout_s=20.0, context=context)
            self.clients[name] = self.open.enter_context(client)

    def ask(self, service, message):
        return self.clients[service].request(message)

    def well(self, node):
        status = self.ask(node, Status(0))
        return status["lease_left_s"] > 0.5 and status["dark"]

    def lit(self, node):
        return self.lab.twins[f"{node}.pump"].inspect()["power_w"] > 0

    def light(self, *nodes):
        for node in nodes:
            until(lambda node=node: self.well(node))
            self.ask(node, Set(0, f"{node}.pump", "power", 0.01, 0))
            self.ask(node, Call(0, f"{node}.pump", "emission_on", 0))
            until(lambda node=node: self.lit(node))

    def known(self, node):
        nodes = self.ask("coordinator", Status(0))["nodes"]
        return next(each for each in nodes if each["node"] == node)


@pytest.fixture(scope="module")
def sites(net, processes, tmp_path_factory):
    sites = ThreeSites(tmp_path_factory.mktemp("sites"), net, processes)
    try:
        yield sites
    finally:
        sites.open.close()


HOME = "charlie"
CUTS = {
    "both ways": [("alice", HOME), (HOME, "alice")],
    "what the node says": [("alice", HOME)],
    "what it is told": [(HOME, "alice")],
}


def wait(seconds):
    threading.Event().wait(seconds)


@pytest.mark.parametrize("seconds", [0.01, 1.0])
def test_row_28_a_short_partition_leaves_everything_lawful_and_well(sites, seconds):
    sites.light(*NODES)
    with sites.net.cut(*CUTS["both ways"]):
        wait(seconds)
    healed_s = time.monotonic()
    until(lambda: sites.ask("alice", Status(0))["lease_left_s"] > LEASE_S - 0.4, "it did not converge by itself")
    print(f"{seconds:g} s: leased again {time.monotonic() - healed_s:.2f} s after it was healed")
    assert all(sites.lit(node) for node in ("bob", HOME))
    assert not sites.ask("alice", Status(0))["fault"]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    "seconds", [LOST_AFTER_S + 1.0, *(pytest.param(long, marks=pytest.mark.soak) for long in (60.0, 600.0))]
)
def test_row_28_a_partition_beyond_the_lease_makes_the_lost_side_dark_and_heals_without_a_hand(sites, cut, seconds):
    sites.light(*NODES)
    with sites.net.cut(*CUTS[cut]):
        cut_s = time.monotonic()
        until(lambda: not sites.lit("alice"), "the lost side is lit")
        dark_s = time.monotonic() - cut_s
        print(f"{cut}: dark after {dark_s:.2f} s (promised {LEASE_S:g})")
        assert dark_s < LEASE_S + GRACE_S
        status = sites.ask("alice", Status(0))  # Anna still reaches Alice
        assert not status["leased"]
        assert status["coordinator"], "it says what is wrong"
        wait(max(0.0, cut_s + seconds - time.monotonic()))
        if cut != "what it is told":
            assert sites.known("alice")["state"] == "lost"
        assert all(sites.lit(node) for node in ("bob", HOME)), "the others are not disturbed"
    until(lambda: sites.well("alice"), "it did not converge by itself")
    assert sites.known("alice")["state"] == "here"
    assert not sites.lit("alice"), "light does not come back by itself"
    assert not sites.ask("alice", Status(0))["fault"]
    sites.light("alice")
