"""``Lab``: the coordinator's part in batches, and nodes that arm, run batches for their time, and renew.

Without sockets: what is said is heard at once, on a clock that the test turns.
"""

import itertools
from pathlib import Path

from bellringer.orchestrator.coordinator import batches as module
from bellringer.orchestrator.coordinator.nodes import Nodes
from bellringer.orchestrator.coordinator.party_lines import PartyLines
from bellringer.orchestrator.coordinator.terms import Caller
from bellringer.orchestrator.heralding.entries import Ended, to_bytes
from bellringer.orchestrator.heralding.messages import Abort, Aborted, Armed, Commit, Prepare, Result
from bellringer.orchestrator.heralding.terms import end_ps
from bellringer.orchestrator.wire.messages import Core, Entangle, Entangled, Register, Renew
from bellringer.testbed.attempts import from_json
from bellringer.testbed.loader import load

ROOT = Path(__file__).parents[3]
ONE_LINK, TWO_LINKS = ROOT / "tests" / "data" / "memory_link.yaml", ROOT / "examples" / "memory_three_node.yaml"
ANNA = Caller("n" * 40, "anna")
EPOCH_PS = 10**15
TURN_S, RENEW_S = 0.02, 0.25


class Node:
    """A node: ``slots`` are free in each of its cores; its hardware time is off by ``off_ps``, ``locked`` or not."""

    def __init__(self, name, cores):
        self.name, self.cores, self.caller = name, cores, Caller(name, name)
        self.slots, self.off_ps, self.locked = 1, 0, True
        self.stores = 0
        """Qubits that each batch stores."""
        self.armed, self.mark, self.numbers = None, 0, itertools.count(1)
        self.committed = False
        self.starts_ps, self.renew_s = [], 0.0

    @property
    def over(self):
        return self.mark if self.armed is None else self.armed.batch - 1

    def word(self, hw_ps, kind=Renew, **more):
        at = (hw_ps + self.off_ps, "tcp://127.0.0.1:9", "k" * 40, "cal", self.slots, 2, self.locked)
        cores = tuple(Core(core, *at, over=self.over) for core in self.cores)
        return kind(0, self.name, "boot", **more, cores=cores)

    def hear(self, message):
        match message:
            case Prepare() if self.armed is None and message.batch > self.mark:
                self.armed, self.mark, self.committed = message, message.batch, False
                self.starts_ps.append(message.start_ps)
                yield self.say(Armed, message, start_ps=message.start_ps, digest=message.digest)
            case Commit() if self.armed is not None and self.armed.batch == message.batch:
                self.committed = True
            case Abort():
                self.armed, self.mark = None, max(self.mark, message.batch)
                yield self.say(Aborted, message, reason=message.reason)

    def turn(self, hw_ps):
        """Say what became of a batch whose time is over."""
        order = self.armed
        if order is not None and self.committed and hw_ps >= end_ps(from_json(order.program), order.start_ps):
            self.armed = None
            self.slots -= self.stores
            key = (order.run, order.batch)
            ended = Ended(*key, order.epoch, order.start_ps, order.digest, True, "", 5, 0, 0, ())
            yield self.say(Result, order, body=to_bytes(ended))

    def say(self, kind, message, **fields):
        return kind(0, message.epoch, message.run, message.batch, "boot", next(self.numbers), **fields)


class Lab:
    """The coordinator and all nodes of a file's memory links.

    Attributes:
        silent: names of nodes whose renewals are lost.
    """

    def __init__(self, folder, monkeypatch, file, epoch=1, nodes=None):
        said = self._said = []

        class Lines(PartyLines):
            def say(self, party, message):
                said.append((party, message))

        monkeypatch.setattr(module, "PartyLines", Lines)
        testbed = load(file).testbed
        ends = {end for link in testbed.memory_links.values() for end in (*link.memories, link.station)}
        names = sorted({end.partition(".")[0] for end in ends})
        at = {name: tuple(sorted(end for end in ends if end.startswith(f"{name}."))) for name in names}
        self.nodes = nodes or {name: Node(name, cores) for name, cores in at.items()}
        self.now_s, self.silent = 100.0 * epoch, set()
        self.table = Nodes(1, lambda change: None, lambda key: True)
        self.batches = module.Batches(testbed, epoch, f"boot {epoch}", folder, None, self.table, self.now_s)
        self.batches._lab.check_timing = lambda *what: None
        for number, node in enumerate(self.nodes.values()):
            node.renew_s = self.now_s + number * 2 * TURN_S  # each at its own time
            where = {"control": "tcp://x:1", "stream": "tcp://x:2", "public_key": node.name, "instruments": ()}
            word = node.word(self.hw_ps, Register, **where)
            self.table.register(node.caller, word, self.now_s)
            self.batches.heard(word, self.now_s)

    @property
    def hw_ps(self):
        return EPOCH_PS + round(self.now_s * 1e12)

    def run(self, seconds, then=lambda: None):
        """Let time pass, and call ``then`` after every turn."""
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += TURN_S
            for node in self.nodes.values():
                self._take(node, node.turn(self.hw_ps))
            for node in self.nodes.values():
                if self.now_s >= node.renew_s and node.name not in self.silent:
                    node.renew_s = self.now_s + RENEW_S
                    self.batches.heard(node.word(self.hw_ps, asked_at=0.0), self.now_s)
            self.batches.turn(self.now_s)
            said, self._said[:] = list(self._said), []
            for party, message in said:
                self._take(self.nodes[party], self.nodes[party].hear(message))
            then()

    def _take(self, node, messages):
        for message in messages:
            self.batches.answer(node.caller, message, self.now_s)

    def ask(self, name, nodes, **fields):
        asked = {"id": name, "nodes": nodes, "kind": "measure", "pairs": 1000, "deadline_s": 600.0, **fields}
        reply = self.batches.answer(ANNA, Entangle(0, asked), self.now_s)
        assert reply["reply"] == "Accepted", reply

    def counts(self, name):
        return self.batches.answer(ANNA, Entangled(0, name), self.now_s)["counts"]

    def under_way(self, name):
        requests = self.batches.described(self.now_s)["service"]["requests"]
        return next(len(each["batches"]) for each in requests if each["request"] == name)
