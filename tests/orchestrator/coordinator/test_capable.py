"""What cores declare they can do: requests that one of them cannot run are refused at once, before any batch."""

from dataclasses import replace
from pathlib import Path

import pytest
from bellringer.drivers.timing.pulse_streamer import TRAITS as STREAMER
from bellringer.orchestrator.coordinator.batches import Batches
from bellringer.orchestrator.coordinator.state import State
from bellringer.orchestrator.coordinator.terms import Caller
from bellringer.orchestrator.wire.keys import KeyPair
from bellringer.orchestrator.wire.messages import Core, Entangle, Register
from bellringer.testbed.attempts.traits import Traits
from bellringer.testbed.loader import load

FILE = Path(__file__).parents[2] / "data" / "memory_link.yaml"
ANNA = Caller("n" * 40, "anna")
NODE = Traits(True, True, True, False, True)
STATION = Traits(True, True, False, True, False)


@pytest.fixture
def batches(tmp_path):
    nodes = State(1, lambda: "now", lambda key: True).nodes
    found = Batches(load(FILE).testbed, 1, "boot", tmp_path, KeyPair.ephemeral("coordinator"), nodes, 100.0)
    yield found
    found.close()


def register(batches, **cores):
    """Let all nodes register, their cores with these traits."""
    for name, traits in {"alice": NODE, "bob": NODE, "charlie": STATION, **cores}.items():
        has = tuple(flag for flag in Traits.flags() if getattr(traits, flag))
        instrument = f"{name}.core" if name == "charlie" else f"{name}.memory"
        at = (10**15, "tcp://127.0.0.1:9", "k" * 40, "cal", 2, 2, True, 0)
        core = Core(instrument, *at, has, traits.resolution_ps)
        batches.heard(Register(0, name, "boot", "tcp://a:1", "tcp://a:2", "k" * 40, (), cores=(core,)), 100.0)


def ask(batches, **more):
    asked = {"id": "one", "nodes": ["alice", "bob"], "kind": "measure", "pairs": 10, "deadline_s": 100.0, **more}
    return batches.answer(ANNA, Entangle(0, asked), 100.0)


def test_cores_with_all_that_is_needed_are_asked(batches):
    register(batches)
    assert ask(batches)["reply"] == "Accepted"
    assert len(batches.described(100.0)["batches"]) == 1


@pytest.mark.parametrize(
    ("cores", "said"),
    [
        ({"bob": replace(NODE, herald_in_loop=False)}, "bob: lacks herald_in_loop: it cannot stop at a herald"),
        ({"alice": replace(NODE, absolute_start=False)}, "alice: lacks absolute_start"),
        ({"charlie": replace(STATION, records_heralds=False)}, "charlie: lacks records_heralds"),
        ({"alice": replace(NODE, resolution_ps=7777)}, "alice: period or pulses do not lie on its clock of 7777 ps"),
        ({"alice": STREAMER}, "alice: lacks herald_in_loop"),
    ],
)
def test_a_core_that_lacks_something_has_the_request_refused_before_any_batch(batches, cores, said):
    register(batches, **cores)
    refused = ask(batches)
    assert (refused["reply"], refused["code"], refused["where"]) == ("Rejected", "UNSUPP", "alice-bob")
    assert said in refused["what"]
    assert batches.described(100.0)["batches"] == {}


def test_pairs_are_kept_only_where_the_core_can_branch(batches):
    register(batches, bob=replace(NODE, branching=False))
    assert ask(batches)["reply"] == "Accepted"
    refused = ask(batches, id="two", kind="keep", max_age_s=1.0)
    assert refused["code"] == "UNSUPP"
    assert "bob: lacks branching" in refused["what"]


def test_a_core_that_was_not_heard_yet_has_nothing_refused(batches):
    assert ask(batches)["reply"] == "Accepted"
    assert batches.described(100.0)["batches"] == {}, "there is no room at who was not heard"
