"""What clients were told: kept before they are told, and a restarted coordinator ends what was open."""

import pytest
from bellringer.orchestrator.coordinator.told import KEPT, RESTARTED, Told
from bellringer.orchestrator.heralding.delivery import Pair as Confirmed
from bellringer.orchestrator.heralding.entries import Corrected
from bellringer.orchestrator.heralding.service.replies import Accepted, Ended, Estimate, Herald, Pair, State
from bellringer.orchestrator.heralding.store import Store
from bellringer.testbed.errors import BellringerError

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
    assert told.answered_before(asked("some"), WHO) is None, "this life's are the service's to answer"
    told = restarted()
    reply = told.answered_before(asked("some"), WHO)
    assert (reply["reply"], reply["link"], reply["estimate"]["chance"]) == ("Accepted", "a-b", 0.99)
    for request, who in ((asked("some"), "another"), ({**asked("some"), "pairs": 4}, WHO)):
        assert told.answered_before(request, who)["code"] == "BADREQ"
    assert told.answered_before(asked("new"), WHO) is None


def test_the_oldest_are_forgotten_but_their_ids_are_never_used_again(restarted):
    told = restarted()
    for number in range(KEPT + 1):
        begun(told, str(number))
        told.tell(Ended(str(number), State.EXPIRED, 0, "no batch began"))
    told.keep()
    with pytest.raises(BellringerError, match="no request '0'"):
        told.since("0", 0)
    for later in (told, restarted()):
        assert later.answered_before(asked("0"), WHO)["code"] == "BADREQ", "it would be done a second time"
