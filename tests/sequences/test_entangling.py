"""A request for pairs as a sequence makes it: each pair once, whenever it was told of, and progress in step with it."""

import pytest
from bellringer.sequences.entangling import entangle
from bellringer.testbed.errors import Aborted


class Clock:
    """Looks ``looks`` times while it waits; the last one may be an abort."""

    def __init__(self, looks, aborted=False):
        self.looks, self.aborted, self.forgotten = looks, aborted, False

    def register(self, name):
        return name

    def forget(self, ticket):
        self.forgotten = True

    def check_aborted(self):
        if self.aborted and not self.looks:
            raise Aborted("aborted")

    def wait_for(self, tickets, *, meanwhile):
        while self.looks or self.aborted:
            self.looks -= 1
            meanwhile()


class Coordinator:
    """Tells of three more pairs whenever it is asked, until all are told."""

    def __init__(self, clock, pairs):
        self.clock, self.pairs, self.made, self.taken_back = clock, pairs, 0, False
        self.uncounted = []

    def ask_coordinator(self, message):
        kind = type(message).__name__
        if kind == "Entangle":
            return {"reply": "Accepted", "link": "alice-bob", "estimate": {}}
        if kind == "Unwanted":
            self.taken_back = True
            return None
        self.made = min(self.made + 3, self.pairs)
        end = {"state": "OK", "why": "all pairs delivered"} if self.made == self.pairs else None
        told = [pair(number) for number in range(message.since + 1, self.made + 1)]
        return {
            "pairs": told,
            "end": end,
            "counts": {"delivered": self.made},
            "attempts": 100,
            "seconds": 1.0,
            "held_up": "",
            "uncounted": self.uncounted,
        }


class Noted:
    """Progress that notes what it is told."""

    def __init__(self):
        self.done = []

    def start(self, label, total):
        self.done.append((label, total))

    def advance(self, count):
        self.done.append(count)

    def end(self):
        self.done.append("end")


def pair(number):
    node = {"operation": "I", "applied_ps": 0, "age_ps": 0, "basis": "X", "bit": number % 2}
    names = {"number": number, "hseq": number, "k": number, "batch": 7, "t_ps": number}
    return {**names, "state": "psi+", "label": "psi+", "nodes": {"alice": node, "bob": node}}


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    """Look whenever it is possible."""
    monkeypatch.setattr("bellringer.sequences.entangling.LOOK_S", 0.0)


@pytest.mark.parametrize("looks", [0, 1, 2, 5])
def test_every_pair_comes_once_and_progress_counts_it(looks):
    """Ten pairs, some of them or all told of while lab time was waited for."""
    progress = Noted()
    found = entangle(Coordinator(Clock(looks), 10), ("alice", "bob"), {"pairs": 10}, progress)
    assert [each.hseq for each in found.pairs] == list(range(1, 11))
    assert (found.state, found.heralds) == ("OK", 10)
    assert (progress.done[0], progress.done[-1]) == (("pairs on alice-bob", 10), "end")
    assert sum(progress.done[1:-1]) == 10


def test_one_pair_alone_has_no_bar_of_its_own():
    progress = Noted()
    assert len(entangle(Coordinator(Clock(1), 1), ("alice", "bob"), {"pairs": 1}, progress).pairs) == 1
    assert progress.done == []


def test_batches_that_made_pairs_in_nobody_knows_how_many_attempts_are_named():
    coordinator = Coordinator(Clock(1), 10)
    coordinator.uncounted = [7, 8]
    assert entangle(coordinator, ("alice", "bob"), {"pairs": 10}, Noted()).uncounted == {7}, "8 made no pair"


def test_an_abort_takes_the_request_back_and_ends_the_bar():
    progress, coordinator = Noted(), Coordinator(Clock(2, aborted=True), 100)
    with pytest.raises(Aborted):
        entangle(coordinator, ("alice", "bob"), {"pairs": 100}, progress)
    assert coordinator.taken_back
    assert progress.done[-1] == "end"
