"""Random histories of nodes, runs, people and restarts against a model that knows only the promises.

The promises: no instrument has two owners; a run keeps its instruments until its time is over and no longer; a request
gets all or nothing; no lease while an e-stop is latched or a fault is not acknowledged, whatever was restarted in
between; one process speaks for a node; a refusal changes nothing durable; epochs grow.

The model keeps no tables of the state's own: only who was told what, and when. Times are multiples of 1/4 s, which
are exact in binary, so that "just over" is never a matter of rounding.
"""

import msgspec
from bellringer.orchestrator.coordinator.nodes import LEASE_S, LOST_AFTER_S
from bellringer.orchestrator.coordinator.runs import GRACE_S
from bellringer.orchestrator.coordinator.state import State
from bellringer.orchestrator.coordinator.terms import Caller, Outdated
from bellringer.orchestrator.wire.messages import Ack, EStop, Own, Register, Release, Renew, Status
from bellringer.testbed.errors import BellringerError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

NODES = ("alice", "bob")
INSTRUMENTS = tuple(f"{node}.{name}" for node in NODES for name in ("laser", "tagger"))
PEOPLE = tuple(Caller(name[0] * 40, name) for name in ("xenia", "yves"))
AGENTS = tuple(Caller(name[0] * 40, name) for name in ("agent", "impostor"))

nodes, people = st.sampled_from(NODES), st.sampled_from(PEOPLE)
boots = st.sampled_from(("b1", "b1", "b1", "b2"))
agents = st.sampled_from((AGENTS[0], *AGENTS))
runs = st.sampled_from(("r1", "r2", "r3"))
some_instruments = st.sets(st.sampled_from(INSTRUMENTS), min_size=1).map(lambda names: tuple(sorted(names)))


class Histories(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.now, self.epoch, self.journal = 0.0, 0, b""
        self.estopped = False
        self.pressed = {}  # key -> when its last press counted
        self.faults = dict.fromkeys(NODES, "")
        self.acknowledged = dict.fromkeys(NODES, "")  # the fault that a node may still report
        self.speaker = {}  # node -> (key, boot), as last accepted
        self.heard = {}  # node -> when its speaker was last accepted
        self.registered = set()  # nodes that registered with this epoch and were heard ever since
        self.owned = {}  # run -> (key, instruments, until)
        self.start()

    def start(self):
        before, self.epoch = self.epoch, self.epoch + 1
        self.state = State(self.epoch, lambda: "now", lambda key: True)
        for line in self.journal.splitlines():
            self.state.restore(*msgspec.json.decode(line), self.now)
        assert self.state.status(self.now)["epoch"] > before

    def ask(self, caller, message):
        """Return the reply, or None for a refusal."""
        try:
            value = self.state.answer(caller, message, self.now)
        except Outdated:
            raise
        except BellringerError:
            assert self.note_changes() <= {"expired"}
            return None
        self.note_changes()
        return msgspec.json.decode(msgspec.json.encode(value))

    def note_changes(self):
        durable = [change for change in self.state.taken_changes() if change.durable]
        self.journal += b"".join(msgspec.json.encode((change.name, change.body)) + b"\n" for change in durable)
        return {change.name for change in durable}

    def living(self):
        return {run: held for run, held in self.owned.items() if self.now < held[2]}

    def silent(self, node):
        return self.now - self.heard[node] > LOST_AFTER_S

    def reports(self, node, fault):
        """A fault counts unless it is the one that was acknowledged and has been reported without a break since."""
        if fault != self.acknowledged[node]:
            self.acknowledged[node] = ""
            self.faults[node] = fault or self.faults[node]

    # --- what can happen ----------------------------------------------------------------------------------------

    @rule(quarters=st.integers(1, 16), looked=st.booleans())
    def wait(self, quarters, looked):
        self.now += quarters / 4
        if looked:
            self.state.tick(self.now)
            self.note_changes()
        self.registered -= {node for node in self.registered if self.silent(node)}

    @rule()
    def restart(self):
        self.owned = {run: (key, names, self.now + GRACE_S) for run, (key, names, _) in self.living().items()}
        self.registered.clear()
        self.pressed.clear()
        self.heard = dict.fromkeys(self.heard, self.now)
        self.start()

    @rule(node=nodes, boot=boots, agent=agents)
    def register(self, node, boot, agent):
        own_instruments = tuple(name for name in INSTRUMENTS if name.startswith(node))
        message = Register(1, node, boot, f"c-{boot}", "s", agent.key, own_instruments, epoch=self.epoch)
        reply = self.ask(agent, message)
        known = self.speaker.get(node)
        same_key_may = known is not None and known[0] == agent.key and (known[1] == boot or self.silent(node))
        assert (reply is not None) == (known is None or same_key_may)
        if reply is not None:
            self.speaker[node], self.heard[node] = (agent.key, boot), self.now
            self.registered.add(node)
            self.reports(node, "")
            assert reply["epoch"] == self.epoch
            assert reply["estop"]["latched"] == self.estopped
            assert {(name, body["run"]) for name, body in reply["ownership"].items()} == {
                (name, run) for run, held in self.living().items() for name in held[1] if name.startswith(node)
            }

    @rule(node=nodes, boot=boots, agent=agents, fault=st.sampled_from(("", "1: hot", "2: hot")))
    def renew(self, node, boot, agent, fault):
        reply = self.ask(agent, Renew(1, node, boot, self.now - 0.1, self.epoch, fault))
        may = node in self.registered and self.speaker[node] == (agent.key, boot)
        assert (reply is not None) == may
        if reply is not None:
            self.heard[node] = self.now
            self.reports(node, fault)
            granted = not self.estopped and not self.faults[node]
            assert reply["lease_s"] == (LEASE_S if granted else 0.0)
            assert bool(reply["refused"]) != granted
            assert reply["asked_at"] == self.now - 0.1

    @rule(run=runs, person=people, names=some_instruments, quarters=st.integers(1, 40))
    def own(self, run, person, names, quarters):
        reply = self.ask(person, Own(1, run, names, quarters / 4))
        living = self.living()
        taken = {name for other, held in living.items() if other != run for name in held[1]}
        mine = living[run][1] if run in living else ()
        unreachable = {
            name
            for name in names
            if (node := name.partition(".")[0]) not in self.speaker or (self.silent(node) and name not in mine)
        }
        theirs = run in living and living[run][0] != person.key
        assert (reply is not None) == (not taken & set(names) and not unreachable and not theirs)
        if reply is not None:
            assert reply["kept"] == (run in living)
            nodes = {name.partition(".")[0] for name in names}
            stuck = self.estopped or any(self.faults[node] or self.silent(node) for node in nodes)
            assert bool(reply["trouble"]) == stuck
            self.owned[run] = (person.key, names, self.now + quarters / 4)

    @rule(run=runs, person=people)
    def release(self, run, person):
        living = self.living()
        reply = self.ask(person, Release(1, run))
        assert (reply is not None) == (run in living and living[run][0] == person.key)
        if reply is not None:
            del self.owned[run]

    @rule(person=people)
    def estop(self, person):
        self.ask(person, EStop(1, "smoke"))
        if person.key not in self.pressed or self.now - self.pressed[person.key] >= 1.0:
            self.pressed[person.key] = self.now
            self.faults.update({node: "away" for node in self.speaker if node not in self.registered})
        self.estopped = True

    @rule(person=people)
    def acknowledge(self, person):
        assert (self.ask(person, Ack(1)) is not None) == self.estopped
        self.estopped = False
        self.pressed.clear()

    @rule(person=people, node=nodes)
    def acknowledge_node(self, person, node):
        assert (self.ask(person, Ack(1, node)) is not None) == bool(self.faults[node])
        if self.faults[node]:
            self.acknowledged[node], self.faults[node] = self.faults[node], ""

    # --- what always holds --------------------------------------------------------------------------------------

    @invariant()
    def nothing_has_two_owners_and_everybody_has_what_was_promised(self):
        status = self.ask(PEOPLE[0], Status(1))
        told = [
            (run["run"], run["key"], tuple(run["instruments"]), run["seconds_left"])
            for run in status["runs"]
            if run["seconds_left"] > 0
        ]
        names = [name for run in told for name in run[2]]
        assert len(names) == len(set(names))
        living = self.living().items()
        assert sorted(told) == sorted((run, key, names, until - self.now) for run, (key, names, until) in living)

    @invariant()
    def the_latches_show(self):
        status = self.ask(PEOPLE[0], Status(1))
        assert status["estop"]["latched"] == self.estopped
        for node in status["nodes"]:
            assert bool(node["fault"]) == bool(self.faults[node["node"]])
            assert (node["state"] == "here") == (node["node"] in self.registered)
            assert (node["state"] == "lost") <= self.silent(node["node"])


Histories.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestHistories = Histories.TestCase
