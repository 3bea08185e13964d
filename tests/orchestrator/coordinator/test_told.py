"""What clients were told: kept before they are told, and a restarted coordinator ends what was open."""

import tracemalloc

import pytest
from bellringer.orchestrator.coordinator.told import AT_ONCE, KEPT, RESTARTED, Told
from bellringer.orchestrator.heralding.delivery import Pair as Confirmed
from bellringer.orchestrator.heralding.entries import Corrected
from bellringer.orchestrator.heralding.service.replies import Accepted, Ended, Estimate, Herald, Pair, State
from bellringer.orchestrator.heralding.store import Store
from bellringer.orchestrator.wire.messages import Entangle, Unwanted
from bellringer.testbed.errors import BellringerError

from .test_conditions import ANNA, NODES, REQUEST, Coordinator

WHO = "K" * 40


def asked(name):
    return {"id": name, "nodes": ["alice", "bob"], "kind": "measure", "pairs": 3, "deadline_s": 60.0}


def begun(told, name):
    told.begin(asked(name), WHO, Accepted(name, "a-b", Estimate(0.0, 1.0, 0.1, 0.99)))


def pair(told, name, number):
    done = {node: Corrected(name, 7, number, number, "psi-", "I", 5, 1, "") for node in ("alice", "bob")}
    told.confirmed(name, 1, Confirmed(name, 7, number, number, "psi-", 4, done))
    told.tell(Pair(name, number, "psi-", Herald(1, number, number, "psi-", 4)))


@pytest.fixture
def restarted(tmp_path):
    """``restarted()``: what a coordinator started now knows; the one before it was killed."""
    epochs = iter(range(1, 100))
    stores = []

    def start():
        stores.append(Store(tmp_path / "batches.sqlite", next(epochs)))
        return Told(stores[-1])

    yield start
    for store in stores:
        store.close()


def test_after_a_restart_an_open_request_has_ended_and_its_pairs_are_told_again(restarted):
    told = restarted()
    begun(told, "some")
    begun(told, "none")
    pair(told, "some", 1)
    pair(told, "some", 2)
    told.keep()
    before = told.since("some", 0)["pairs"]
    pair(told, "some", 3)  # killed before it was kept: nobody was told
    told = restarted()
    found = told.since("some", 0)
    assert found["pairs"] == before
    assert (found["end"]["state"], found["end"]["delivered"], found["end"]["why"]) == ("PARTIAL", 2, RESTARTED)
    assert told.since("some", 1)["pairs"] == before[1:]
    end = told.since("none", 0)["end"]
    assert (end["state"], end["delivered"]) == ("EXPIRED", 0)
    assert restarted().since("none", 0)["end"] == end


def test_an_end_stays_what_it_was(restarted):
    told = restarted()
    begun(told, "done")
    pair(told, "done", 1)
    told.tell(Ended("done", State.OK, 1, "all were delivered"))
    told.keep()
    end = told.since("done", 1)["end"]
    told = restarted()
    assert told.since("done", 1)["end"] == end
    assert end["state"] == "OK"
    assert told.taken_back_before("done", WHO) == end
    assert told.taken_back_before("done", "another") is None


def test_a_request_asked_again_after_a_restart_is_answered_as_before_and_not_begun_again(restarted):
    told = restarted()
    begun(told, "some")
    told.keep()
    for later in (told, restarted()):
        reply = later.answered_before(asked("some"), WHO)
        assert (reply["reply"], reply["link"], reply["estimate"]["chance"]) == ("Accepted", "a-b", 0.99)
        assert later.answered_before({**asked("some"), "min_fidelity": 0.0}, WHO) == reply, "it says the same"
        for request, who in ((asked("some"), "another"), ({**asked("some"), "pairs": 4}, WHO), ({"id": "some"}, WHO)):
            assert later.answered_before(request, who)["code"] == "BADREQ"
        assert later.answered_before(asked("new"), WHO) is None


def test_no_request_is_ever_forgotten_not_by_those_after_it_and_not_by_the_next_coordinator(restarted):
    told = restarted()
    begun(told, "open")
    pair(told, "open", 1)
    for number in range(KEPT + 1):
        begun(told, str(number))
        told.tell(Ended(str(number), State.EXPIRED, 0, "no batch began"))
    pair(told, "open", 2)
    told.keep()
    assert [each["number"] for each in told.since("open", 0)["pairs"]] == [1, 2]
    assert told.since("open", 0)["end"] is None
    for later in (told, restarted()):
        assert later.answered_before(asked("0"), WHO)["reply"] == "Accepted", "and it is not done a second time"
        assert later.since("0", 0)["end"]["state"] == "EXPIRED"
        assert later.taken_back_before("0", WHO)["state"] == "EXPIRED"
        with pytest.raises(BellringerError, match="no request 'none'"):
            later.since("none", 0)


def test_pairs_are_told_out_of_the_store_and_take_no_memory(restarted):
    told, most = restarted(), 5000
    begun(told, "long")
    told.keep()
    tracemalloc.start()
    try:
        for number in range(1, most + 1):
            pair(told, "long", number)
            if not number % 50:
                told.keep()
        assert tracemalloc.get_traced_memory()[0] < 100 * most, "bytes"
    finally:
        tracemalloc.stop()
    told.tell(Ended("long", State.OK, most, "all were delivered"))
    told.keep()
    for later in (told, restarted()):
        taken, end = [], None
        while end is None:
            found = later.since("long", len(taken))
            assert len(found["pairs"]) <= AT_ONCE
            taken += [each["number"] for each in found["pairs"]]
            end = found["end"]
        assert taken == [*range(1, most + 1)]
    assert told.since("long", 2**63)["pairs"] == []


def test_a_request_that_the_service_has_forgotten_is_not_done_again(tmp_path, monkeypatch):
    monkeypatch.setattr("bellringer.orchestrator.heralding.service.service.ENDED_KEPT", 1)
    coordinator = Coordinator(tmp_path)
    for node in NODES:
        coordinator.hear(node)
    first = coordinator.ask("one")
    for name in ("one", "two"):
        assert coordinator.ask(name)["reply"] == "Accepted"
        coordinator.batches.answer(ANNA, Unwanted(0, name), coordinator.now_s)
    shown = coordinator.batches.described(coordinator.now_s)["service"]["requests"]
    assert [each["request"] for each in shown] == ["two"]
    assert coordinator.ask("one") == first
    shown = coordinator.batches.described(coordinator.now_s)["service"]["requests"]
    assert [each["request"] for each in shown] == ["two"]
    assert coordinator.batches.answer(ANNA, Unwanted(0, "one"), coordinator.now_s)["state"] == "CANCELLED"
    changed = {**REQUEST, "id": "one", "pairs": 7}
    assert coordinator.batches.answer(ANNA, Entangle(0, changed), coordinator.now_s)["code"] == "BADREQ"
    coordinator.batches.close()
