"""Which core of a node a batch is for, and who its peers are: three nodes in a row, two cores in the middle."""

from pathlib import Path

import pytest
from bellringer.orchestrator.agent.core_orders import Look, Progress
from bellringer.orchestrator.agent.cores import Cores, cores_of
from bellringer.orchestrator.wire.messages import Reply
from bellringer.testbed.attempts.terms import Terms
from bellringer.testbed.errors import BellringerError
from bellringer.testbed.loader import load
from bellringer.testbed.memory_programs import attempt_program
from bellringer.testbed.wiring import Wiring

FILE = Path(__file__).parents[3] / "examples" / "memory_three_node.yaml"
TESTBED = load(FILE).testbed
LINKS = TESTBED.memory_links
LANES = {end: (f"tcp://{end}", f"key of {end}") for link in LINKS.values() for end in (*link.memories, link.station)}


class Child:
    """A driver process that tells what a look showed."""

    darkening = False

    def __init__(self, seen, traits=(("absolute_start",), 100)):
        self.seen, self.traits, self.jobs = seen, traits, []
        self.busy, self.waiting = False, []

    def submit(self, job, answer, hear):
        self.jobs.append(job)
        self.waiting.append((answer, hear))
        if not self.busy:
            self.go_on()

    def go_on(self):
        self.busy = False
        for answer, hear in self.waiting:
            hear(Progress(1, seen=self.seen, traits=self.traits))
            answer(Reply(1))
        self.waiting.clear()


def seen(known_s=1.0, locked=True, slots=1, offset_ps=0):
    return offset_ps, known_s, locked, slots, "tcp://here", "key"


def cores(node, lab_time=True, **children):
    made = {name: children.get(name.partition(".")[2], Child(seen())) for name in cores_of(LINKS, node)}
    return Cores(node, LINKS, made, lab_time)


def program(link):
    terms = Terms(most_attempts=100, most_s=1.0, keep="measure", target=None)
    return attempt_program(TESTBED, Wiring(TESTBED), link, terms)


@pytest.mark.parametrize(
    ("node", "link", "core"),
    [
        ("bob", "alice-bob", "bob.left"),
        ("bob", "bob-charlie", "bob.right"),
        ("west", "alice-bob", "west.core"),
        ("charlie", "bob-charlie", "charlie.memory"),
    ],
)
def test_a_program_is_for_the_core_of_its_own_link(node, link, core):
    assert cores(node).core_for(program(link)) == core


def test_a_program_of_a_link_that_is_not_here_is_refused():
    with pytest.raises(BellringerError, match="no memory link of 'bob' has alice and bob and station north"):
        cores("bob").core_for(program("alice-bob").model_copy(update={"station": "north"}))


def test_each_core_knows_the_other_ends_of_its_link_only():
    bob, west = cores("bob"), cores("west")
    assert bob.peers("bob.left") == ()
    assert not bob.connected
    for each in (bob, west):
        each.hear_of_lanes(LANES)
    assert bob.peers("bob.left") == (("west", "tcp://west.core", "key of west.core"),)
    assert [peer[0] for peer in bob.peers("bob.right")] == ["east"]
    assert west.peers("west.core", program("alice-bob")) == (
        ("alice", "tcp://alice.memory", "key of alice.memory"),
        ("bob", "tcp://bob.left", "key of bob.left"),
    )


def test_a_node_is_connected_when_it_has_seen_its_cores_and_knows_all_other_ends():
    bob = cores("bob")
    bob.look(0.0, 0, idle=True)
    assert not bob.connected
    bob.hear_of_lanes({end: lane for end, lane in LANES.items() if end != "east.core"})
    assert not bob.connected
    bob.hear_of_lanes(LANES)
    assert bob.connected


def test_in_lockstep_a_core_counts_as_locked_once_it_was_looked_at_under_a_ticket():
    left = Child(seen(known_s=float("-inf"), locked=False, slots=0))
    bob = cores("bob", left=left, right=Child(seen(known_s=float("-inf"), locked=False, slots=0)))
    bob.look(0.0, 0, idle=True)
    assert not bob.locked
    left.seen = seen(slots=3)
    bob.look_at("bob.left", lambda answer: None, 4, "1-7")
    assert isinstance(left.jobs[-1], Look)
    assert left.jobs[-1].ticket == "1-7"
    assert bob.locked
    assert (bob.room("bob.left"), bob.room("bob.right")) == ((3, 4), (0, 0))


def test_in_real_time_all_cores_must_have_been_seen_locked_lately():
    bob = cores("bob", lab_time=False, left=Child(seen(known_s=float("inf"))), right=Child(seen(known_s=0.0)))
    bob.look(0.0, 0, idle=True)
    assert not bob.locked
    assert [core.instrument for core in bob.described(0, "cal")] == ["bob.left"]


def test_hardware_time_is_always_that_of_the_same_core():
    bob = cores("bob", left=Child(seen(1.0, offset_ps=7)), right=Child(seen(2.0, offset_ps=9)))
    bob.look(0.0, 0, idle=True)
    bob.look_at("bob.right", lambda answer: None, 0)
    assert bob.offset_ps == 7


def test_the_coordinator_hears_what_each_core_declares_of_itself():
    bob = cores("bob", left=Child(seen()), right=Child(seen(), (("absolute_start", "branching"), 1)))
    bob.look(0.0, 0, idle=True)
    declared = {core.instrument: (core.traits, core.resolution_ps) for core in bob.described(0, "cal")}
    assert declared == {
        "bob.left": (("absolute_start",), 100),
        "bob.right": (("absolute_start", "branching"), 1),
    }


def test_a_look_counts_the_batches_that_were_over_when_it_was_asked_for_and_the_next_one_comes_at_once():
    left = Child(seen(slots=2))
    bob = cores("bob", lab_time=False, left=left)
    bob.look(0.0, 4, idle=True)
    assert bob.room("bob.left") == (2, 4)
    bob.look(0.1, 4, idle=True)
    assert len(left.jobs) == 1, "it is not time"
    left.busy = True  # batch 5 is under way
    bob.look(0.3, 4, idle=False)
    left.seen = seen(slots=1)
    bob.note("bob.left", Progress(2, seen=left.seen, traits=left.traits), 4)
    assert bob.room("bob.left") == (1, 4)
    left.go_on()
    assert bob.room("bob.left") == (1, 4), "asked for before the end"
    bob.look(0.4, 5, idle=True)
    assert bob.room("bob.left") == (1, 5)
    assert len(left.jobs) == 3
    bob.look(0.41, 6, idle=False)
    assert len(left.jobs) == 3, "nothing comes before a batch that begins"
