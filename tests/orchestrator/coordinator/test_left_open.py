"""Row 25: a coordinator dies before or after every write to its store: its client is told of every pair exactly once.

The coordinator's part in batches is the real one; nodes and station are doubles that answer at once and keep results.
"""

import itertools
from pathlib import Path

import pytest
from bellringer.orchestrator.coordinator import batches as module
from bellringer.orchestrator.coordinator.batches import Batches
from bellringer.orchestrator.coordinator.nodes import Nodes
from bellringer.orchestrator.coordinator.party_lines import PartyLines
from bellringer.orchestrator.coordinator.terms import Caller
from bellringer.orchestrator.coordinator.told import RESTARTED
from bellringer.orchestrator.heralding.entries import Corrected, Ended, Heralded, records_to_bytes, to_bytes
from bellringer.orchestrator.heralding.messages import Abort, Aborted, Armed, Commit, Confirm, Prepare, Recorded, Result
from bellringer.orchestrator.heralding.store import Store
from bellringer.orchestrator.wire.messages import Core, Entangle, Entangled, Register, Unwanted
from bellringer.testbed.attempts import from_json
from bellringer.testbed.loader import load

from ..dying import Dying

TESTBED = load(Path(__file__).parents[2] / "data" / "memory_link.yaml").testbed
PARTIES = {name: Caller(name[0] * 40, name) for name in ("alice", "bob", "charlie")}
CORES = {"alice": "alice.memory", "bob": "bob.memory", "charlie": "charlie.core"}
ANNA = Caller("n" * 40, "anna")
HERALDS, PAIRS = 4, 6
"""Heralds in a batch, of which the second one is no pair; and pairs asked for."""
TURN_S = 0.02
BEGIN_S, MOST_S = 100.0, 60.0
REQUESTS = {"single pairs": {}, "packets of two": {"packet_pairs": 2, "packet_window_s": 100.0}}


class Killed(BaseException):
    """The process ends this instant."""


class Fragile(Dying, Store):
    """See ``Dying``."""

    killed = Killed


class Party:
    """A node or the station: arms, runs, and has its result until it is recorded."""

    def __init__(self, name):
        self.name, self.sent = name, itertools.count(1)
        self.armed, self.results, self.over = {}, {}, 0

    def hear(self, message):
        """Return what it says to a message."""
        key = (message.run, message.batch)
        self.over = max(self.over, message.batch - 1)
        match message:
            case Prepare():
                self.armed[key] = message
                yield self.say(Armed, message, start_ps=message.start_ps, digest=message.digest)
            case Commit() if key in self.armed:
                order, self.over = self.armed.pop(key), message.batch
                records = self.records(order)
                self.results[key] = to_bytes(
                    Ended(*key, order.epoch, order.start_ps, order.digest, True, "", HERALDS, 0, 0, records)
                )
                yield self.say(Confirm, message, body=records_to_bytes(records[:1]))
                yield self.say(Confirm, message, body=records_to_bytes(records[:3]))
                yield self.say(Result, message, body=self.results[key])
            case Abort() if key not in self.results:
                self.armed.pop(key, None)
                self.over = message.batch
                yield self.say(Aborted, message, reason=message.reason)
            case Recorded():
                self.results.pop(key, None)
            case _ if key in self.results:
                yield self.say(Result, message, body=self.results[key])

    def records(self, order):
        pattern, label = next(iter(from_json(order.program).table().items()))
        key, numbers = (order.run, order.batch), range(1, HERALDS + 1)
        if self.name == "charlie":
            return tuple(Heralded(*key, n, n, pattern, order.start_ps + n, label, "") for n in numbers)
        return tuple(Corrected(*key, n, n, label, "I", 0, 0, "late herald" if n == 2 else "", "X", 0) for n in numbers)

    def say(self, kind, message, **fields):
        return kind(0, message.epoch, message.run, message.batch, f"boot of {self.name}", next(self.sent), **fields)


class Coordinators:
    """One coordinator after the other on one folder, and a client that takes what it is told."""

    def __init__(self, folder, monkeypatch, dies_at=None, after=False, **request):
        self.folder, self.now_s, self.epoch = folder, BEGIN_S, 0
        folder.mkdir()
        self.parties = {name: Party(name) for name in PARTIES}
        self.taken, self.end = [], None
        self.asked = {"id": "r", "nodes": ["alice", "bob"], "kind": "measure", "pairs": PAIRS, "deadline_s": 600.0}
        self.asked |= request
        self.Store = type("Dying", (Fragile,), {"dies_at": dies_at, "after": after, "done": 0})
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(module, "Store", self.Store)

    def live(self):
        """Have one coordinator after the other until the client has the end; return how often one died."""
        died = 0
        while self.end is None:
            heard, batches = [], None
            try:
                batches = self.begin(heard)
                while self.end is None:
                    self.step(batches, heard)
            except Killed:
                died += 1
            finally:
                if batches is not None:
                    batches.close()
        return died

    def begin(self, heard):
        class Lines(PartyLines):
            def say(self, party, message):
                heard.append((party, message))

        self._monkeypatch.setattr(module, "PartyLines", Lines)
        self.epoch += 1
        nodes = Nodes(self.epoch, lambda change: None, lambda key: True)
        folder = self.folder
        batches = Batches(TESTBED, self.epoch, f"boot {self.epoch}", folder, None, nodes, self.now_s)
        for name, caller in PARTIES.items():
            core = Core(CORES[name], round(self.now_s * 1e12), "", "", "", slots=2, batches=1)
            here = Register(0, name, "b", "tcp://x:1", "tcp://x:2", caller.key, (CORES[name],), cores=(core,))
            nodes.register(caller, here, self.now_s)
            batches.heard(here, self.now_s)
        return batches

    def step(self, batches, heard):
        """The client asks, first for the same request again as if the answer had been lost; then the parties answer."""
        assert self.now_s < BEGIN_S + MOST_S, "the request does not end"
        reply = batches.answer(ANNA, Entangle(0, dict(self.asked)), self.now_s)
        assert reply["reply"] == "Accepted", reply
        told = batches.answer(ANNA, Entangled(0, "r", len(self.taken)), self.now_s)
        self.taken += told["pairs"]
        self.end = told["end"]
        messages, heard[:] = heard[:], []
        for party, message in messages:
            for said in self.parties[party].hear(message):
                batches.answer(PARTIES[party], said, self.now_s)
        for name, core in CORES.items():
            batches._room(core, 1, 2, self.parties[name].over, "b")
        self.now_s += TURN_S
        batches.turn(self.now_s)

    def stored(self):
        with Store(self.folder / "batches.sqlite", self.epoch) as store:
            return store.pairs("r"), store.open_batches(), store.told("r")


@pytest.fixture
def history(tmp_path, monkeypatch):
    """``history(dies_at, after, **request)``: the coordinators of one history, which is over."""
    numbers = itertools.count()

    def run(*dies, **request):
        lives = Coordinators(tmp_path / str(next(numbers)), monkeypatch, *dies, **request)
        lives.died = lives.live()
        return lives

    return run


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_row_25_killed_at_every_write_every_pair_is_told_once_and_before_the_end(history, after, request_):
    whole = history(**request_)
    assert (whole.died, whole.end["state"]) == (0, "OK")
    assert whole.Store.done > 15
    ends = set()
    for point in range(2, whole.Store.done + 1):  # the first one only claims the empty store
        lives = history(point, after, **request_)
        pairs, still_open, told = lives.stored()
        assert lives.died == 1, point
        assert not still_open, point
        assert lives.taken == told, point
        assert [each["number"] for each in told] == [*range(1, len(told) + 1)], point
        names = [(each["batch"], each["hseq"]) for each in told]
        wanted = [(each["batch"], each["hseq"]) for each in pairs][:PAIRS]
        assert names == (wanted[: len(wanted) // 2 * 2] if request_ else wanted), point
        complete = len(told) == PAIRS
        assert lives.end["state"] == ("OK" if complete else "PARTIAL" if told else "EXPIRED"), point
        assert complete or lives.end["why"] == RESTARTED, point
        assert lives.end["delivered"] == len(told), point
        for each in told:
            assert each["nodes"]["alice"] == {"operation": "I", "applied_ps": 0, "age_ps": 0, "basis": "X", "bit": 0}
        ends.add(lives.end["state"])
    assert ends == {"OK", "PARTIAL", "EXPIRED"}


def test_a_request_left_open_can_be_taken_back_while_its_batches_have_no_end(tmp_path, monkeypatch):
    lives = Coordinators(tmp_path / "one", monkeypatch)
    heard = []
    first = lives.begin(heard)
    while not any(isinstance(message, Commit) for _, message in heard):
        lives.step(first, heard)
    first.close()
    second = lives.begin([])
    assert second.answer(ANNA, Entangled(0, "r", 0), lives.now_s)["end"] is None, "its batch may bring pairs"
    end = second.answer(ANNA, Unwanted(0, "r"), lives.now_s)
    assert (end["state"], end["delivered"]) == ("CANCELLED", 0)
    assert second.answer(ANNA, Entangled(0, "r", 0), lives.now_s)["end"] == end
    second.close()
