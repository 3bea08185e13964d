"""A core's end of its link over real sockets: the way of corrections measured, what is left behind, and the lease."""

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from bellringer.drivers.interfaces import BatchReport, Held, HeraldRecord, Refused
from bellringer.orchestrator.heralding import lane as lane_module
from bellringer.orchestrator.heralding.entries import Opened
from bellringer.orchestrator.heralding.feedforward import Peer
from bellringer.orchestrator.heralding.lane import LEASE_OUT, LEFT_PS, NO_BATCH, Lane
from bellringer.orchestrator.heralding.messages import Feedforward
from bellringer.orchestrator.wire.nonces import elapsed_s
from bellringer.testbed.attempts.terms import Terms
from bellringer.testbed.clock import WallClock
from bellringer.testbed.errors import Aborted, InstrumentError
from bellringer.testbed.loader import load
from bellringer.testbed.memory_programs import attempt_program
from bellringer.testbed.wiring import Wiring

from .simulated_world import PROGRAM, TEXT

TICK_PS = 1000


class Core:
    """A core whose time goes on by 1000 ps whenever it is asked or told something."""

    def __init__(self):
        self.now_ps = 10**12
        self.told, self.words, self.qubits = [], [], {}
        self.lock = threading.Lock()

    def read_clock(self):
        with self.lock:
            self.now_ps += TICK_PS
            return self.now_ps, True

    def apply(self, batch, k, hseq, operation, not_after_ps):
        with self.lock:
            self.now_ps += TICK_PS
            self.told.append((batch, operation))
            self.words.append(SimpleNamespace(batch=batch, hseq=hseq, t_ps=self.now_ps))

    def slot_count(self):
        return 3

    def held(self):
        return [Held(slot, batch, 0, age_ps) for slot, (batch, age_ps) in self.qubits.items()]

    def reset(self, slot):
        del self.qubits[slot]

    def read_applied(self, wait_s):
        with self.lock:
            found, self.words = self.words, []
        return found


@pytest.fixture
def clock():
    return WallClock()


@pytest.fixture
def core():
    return Core()


@pytest.fixture(scope="module")
def shared():
    """A process has one lane a core; its authentication handler stays with the process."""
    lane = Lane("alice", Core(), WallClock(), "tcp://127.0.0.1:*")
    lane.meet((Peer("alice", lane.endpoint, lane.keys.public),))
    return lane


@pytest.fixture
def lane(shared, core, clock):
    shared._core, shared._clock, shared.permitted_s = core, clock, float("inf")
    shared._begun = shared._ended = 0, ""
    return shared


def test_every_probe_is_named_when_it_began_and_when_the_core_had_it(lane, core):
    began = lane.send_probes("alice", 500, 20)
    heard = dict(lane.hear_probes(500, 20, 5.0))
    assert sorted(heard) == list(range(500, 520))
    assert [heard[number] - began_ps for number, began_ps in enumerate(began, 500)] == [TICK_PS] * 20
    assert core.told == [(NO_BATCH, "I")] * 20, "of no batch, and nothing to do: no qubit is touched"


def test_probes_of_another_measurement_and_words_about_batches_are_passed_over(lane, core):
    lane.send_probes("alice", 100, 3)
    core.words.append(SimpleNamespace(batch=7, hseq=200, t_ps=1))
    lane.send_probes("alice", 200, 2)
    assert [number for number, _ in lane.hear_probes(200, 2, 5.0)] == [200, 201]


def test_who_waits_for_probes_that_never_come_waits_no_longer_than_it_was_told(lane):
    assert lane.hear_probes(1, 5, 0.05) == []


def test_a_node_that_was_never_named_cannot_be_measured(lane):
    with pytest.raises(InstrumentError, match="'dave' has not said where corrections go"):
        lane.send_probes("dave", 1, 1)


def test_an_order_to_go_dark_ends_a_measurement_at_once(lane, core, clock):
    clock.abort()
    with pytest.raises(Aborted):
        lane.send_probes("alice", 1, 1000)
    assert core.told == []


def test_kept_qubits_are_given_up_a_second_after_their_cut_off_and_others_never(lane, core):
    cut_off_ps = 10**11
    lane._oldest_ps = {7: cut_off_ps + LEFT_PS}
    core.qubits = {0: (7, cut_off_ps + LEFT_PS), 1: (7, cut_off_ps + LEFT_PS + 1), 2: (0, 10**15)}
    lane.look()
    assert set(core.qubits) == {0, 2}, "one that was prepared by hand has no cut-off"
    assert lane.free_slots == 1


class RunningCore(Core):
    """A core that runs a batch without heralds and says its end by itself, after so many looks for records."""

    def __init__(self, looks):
        super().__init__()
        self.looks, self.asked = looks, 0

    def load(self, program):
        self.begun = False

    def arm(self, batch, epoch, start_ps, digest):
        pass

    def commit(self, batch):
        self.begun = True

    def read_applied(self, wait_s):
        self.looks -= self.begun
        return []

    def read_outcomes(self, wait_s):
        return []

    def heard_end(self, batch):
        return self.looks <= 0

    def report(self, batch):
        assert self.looks <= 0, "it was asked while it was at work"
        self.asked += 1
        return BatchReport(batch, "DONE", 100, 0, 0, (), 0, 0, "attempts")


def test_a_core_is_asked_what_it_did_as_soon_as_it_says_that_it_has_ended(shared, clock, monkeypatch):
    """And not before, however long that takes."""
    monkeypatch.setattr(lane_module, "REPORT_S", float("inf"))
    monkeypatch.setattr(lane_module, "GRACE_PS", 0)
    core = RunningCore(looks=50)
    shared._core, shared._clock, shared.permitted_s = core, clock, float("inf")
    shared.look()
    shared.begin(7)
    grant = Opened("run", 7, 1, 0, PROGRAM.digest)
    told = SimpleNamespace(armed=lambda: None, records=lambda records: None, seen=lambda lane: None)
    report = shared.run(grant, TEXT, (), told)
    assert (report.attempts, core.asked) == (100, 1)


def test_what_was_dropped_is_counted_by_reason_for_whoever_asks(lane):
    before = lane.traffic().get("dropped, unknown batch", 0)
    lane._heralded("charlie", Feedforward(0, 1, "run", 99, "boot", 1, 1, 1, "psi-", 10**12))
    assert lane.traffic()["dropped, unknown batch"] == before + 1


def test_a_port_that_cannot_be_had_is_told_of_each_time_and_leaves_nothing_behind(core, clock, monkeypatch):
    handlers = []

    class Handler:
        def __init__(self):
            handlers.append(self)
            self.closed = False

        def close(self):
            self.closed = True

    def taken(*what):
        raise InstrumentError("cannot listen: address already in use")

    monkeypatch.setattr(lane_module, "Zap", Handler)
    monkeypatch.setattr(lane_module, "FeedforwardIn", taken)
    for _ in range(2):
        with pytest.raises(InstrumentError, match="address already in use"):
            Lane("alice", core, clock, "tcp://127.0.0.1:1")
    assert [each.closed for each in handlers] == [True, True]


# --- the lease --------------------------------------------------------------------------------------------------------


class EndlessCore(Core):
    """A core whose batch goes on until it is told to end."""

    def __init__(self):
        super().__init__()
        self.ended = ""

    def load(self, program):
        self.told.append("load")

    def arm(self, batch, epoch, start_ps, digest):
        self.told.append("arm")

    def commit(self, batch):
        self.told.append("commit")

    def abort(self, batch, reason):
        self.ended = reason

    def read_outcomes(self, wait_s):
        return []

    def heard_end(self, batch):
        return False

    def report(self, batch):
        state = "DARK" if self.ended else "RUNNING"
        return BatchReport(batch, state, 5, 0, 0, (), 0, 0, self.ended)


@pytest.fixture
def batch():
    testbed = load(Path(__file__).parents[2] / "data" / "memory_link.yaml").testbed
    terms = Terms(most_attempts=10**9, most_s=1.0, keep="measure", target=None)
    program = attempt_program(testbed, Wiring(testbed), "alice-bob", terms)
    return Opened("run", 7, 1, 2 * 10**15, program.digest), program.canonical()


class Told:
    def __init__(self, lane, until_s):
        self.lane, self.until_s = lane, until_s

    def armed(self):
        self.lane.permitted_s = self.until_s()
        self.lane.begin(7)

    def records(self, records):
        raise AssertionError("nothing was heralded")

    def seen(self, lane):
        pass


@pytest.mark.parametrize("left_s", [0.2, 0.0])
def test_row_02_a_batch_ends_with_the_lease_though_nobody_ends_it(lane, batch, left_s):
    core = lane._core = EndlessCore()
    permitted = []

    def until_s():
        permitted.append(elapsed_s() + left_s)
        return permitted[0]

    report = lane.run(*batch, (), Told(lane, until_s))
    assert (core.ended, report.stopped_by) == (LEASE_OUT, LEASE_OUT)
    assert elapsed_s() >= permitted[0]
    assert core.told == ["load", "arm", "commit"]


def test_with_a_lease_a_batch_goes_on_until_somebody_ends_it(lane, batch):
    core = lane._core = EndlessCore()
    looks = iter(range(20))

    def read_applied(wait_s):
        if next(looks, None) is None:
            lane.end(7, "that is enough")
        return []

    core.read_applied = read_applied
    lane.run(*batch, (), Told(lane, lambda: elapsed_s() + 3600.0))
    assert core.ended == "that is enough"


# --- cores that refuse, and what a batch was ended by ----------------------------------------------------------------


@pytest.mark.parametrize("command", ["load", "arm"])
def test_a_batch_that_the_core_refuses_is_over_before_it_began_and_nothing_is_lit(lane, batch, command):
    core = lane._core = EndlessCore()

    def refuse(*what):
        raise Refused("no memory slot is free", code="slot")

    setattr(core, command, refuse)
    report = lane.run(*batch, (), Told(lane, lambda: pytest.fail("it was armed")))
    assert (report.state, report.attempts, report.stopped_by) == ("REFUSED", 0, "no memory slot is free")
    assert core.told == (["load"] if command == "arm" else [])


def test_a_core_that_refuses_to_begin_is_made_to_forget_the_batch(lane, batch):
    core = lane._core = EndlessCore()

    def late(batch):
        raise Refused("the start is over", code="late")

    core.commit = late
    report = lane.run(*batch, (), Told(lane, lambda: elapsed_s() + 3600.0))
    assert (core.ended, report.stopped_by) == ("the start is over", "the start is over")


def test_a_batch_that_is_made_dark_has_not_ended_for_the_reason_of_one_before_it(lane, batch, clock):
    core = lane._core = EndlessCore()
    lane.end(6, "its request has ended")
    looks = []

    def read_applied(wait_s):
        looks.append(wait_s)
        raise Aborted("a person made it dark")

    core.read_applied = read_applied
    lane.run(*batch, (), Told(lane, lambda: elapsed_s() + 3600.0))
    assert core.ended == "made dark"


def test_what_clicked_before_a_station_was_dark_is_told_though_no_node_hears_of_it(lane, batch, monkeypatch):
    core, records, sent = EndlessCore(), [], []
    told = Told(lane, lambda: elapsed_s() + 3600.0)
    told.records = records.extend

    def read_heralds(wait_s):
        if not core.ended:
            lane.end(7, "its request has ended")
            return []
        return [HeraldRecord(1, 7, 4, 1, batch[0].start_ps, "")]

    core.read_heralds = read_heralds
    lane._core, out = core, SimpleNamespace(wait_connected=lambda nodes, s: None, send=sent.append)
    out.forget_answers = out.retry = lambda: None
    out.peers = frozenset()
    monkeypatch.setattr(lane, "_out", out)
    monkeypatch.setattr(lane, "node", "charlie")
    report = lane.run(*batch, (), told)
    assert (core.ended, report.attempts) == ("its request has ended", 5)
    assert [(each.hseq, each.k) for each in records] == [(1, 4)]
    assert sent == []


def test_qubits_of_pairs_that_are_held_outlive_the_end_of_their_batch_by_others(lane, batch):
    """They may have been delivered: the end of a request, say, ends the batch that has just given the last pair."""
    core = lane._core = EndlessCore()
    core.qubits = {0: (7, 10**9), 1: (7, 10**9), 2: (6, 10**9)}
    core.held = lambda: [Held(slot, of, slot, age_ps) for slot, (of, age_ps) in core.qubits.items()]

    def read_applied(wait_s):
        lane._taken.add(0)
        lane.end(7, "its request has ended")
        return []

    core.read_applied = read_applied
    lane.run(*batch, (), Told(lane, lambda: elapsed_s() + 3600.0))
    assert set(core.qubits) == {0, 2}, "and those of other batches are left alone"
