"""No memory is promised twice: neither to the next batch of a request, nor after a restart of the coordinator."""

import pytest

from .answering_nodes import ONE_LINK, Lab

KEEP = {"kind": "keep", "pairs": 10, "max_age_s": 0.1}


@pytest.fixture
def lab(tmp_path, monkeypatch):
    lab = Lab(tmp_path, monkeypatch, ONE_LINK)
    yield lab
    lab.batches.close()


def test_memories_promised_to_a_batch_are_not_promised_again_however_often_nodes_renew(lab):
    lab.ask("one", ["alice", "bob"], **KEEP)
    most = []
    lab.run(10.0, lambda: most.append(lab.under_way("one")))
    assert max(most) == 1, "the one memory is the first batch's"
    assert lab.counts("one")["batch RECORDED"] > 3, "it has them until a look after its end"


def test_what_a_batch_has_stored_is_known_before_the_next_one_is_ordered(lab):
    alice = lab.nodes["alice"]
    alice.stores = 1
    lab.ask("one", ["alice", "bob"], **KEEP)
    while "batch RECORDED" not in lab.counts("one"):
        if alice.armed is not None and alice.committed:
            lab.silent = {"alice"}  # what she said last is from before the end
        lab.run(0.02)
    lab.run(2.0)
    lab.silent = set()
    lab.run(2.0)
    assert len(alice.starts_ps) == 1
    alice.stores, alice.slots = 0, 1
    lab.run(2.0)
    assert len(alice.starts_ps) > 1
    assert set(lab.counts("one")) == {"batch RECORDED"}


def test_a_batch_that_no_node_was_armed_for_gives_its_memories_back_without_a_word_of_theirs(lab):
    lab.nodes["bob"].mark = 2**62  # bars everything
    lab.ask("one", ["alice", "bob"], **KEEP)
    lab.run(0.5)
    lab.silent = {"alice", "charlie"}
    before = sum(lab.counts("one").values())
    lab.run(2.0)
    assert sum(lab.counts("one").values()) > before


def test_after_a_restart_what_an_open_batch_may_have_stored_is_not_promised(lab, tmp_path, monkeypatch):
    lab.ask("one", ["alice", "bob"], **KEEP)
    alice = lab.nodes["alice"]
    while not alice.committed:
        lab.run(0.02)
    lab.batches.close()
    alice.hear = lambda message: ()  # she does not hear that the batch is void
    second = Lab(tmp_path, monkeypatch, ONE_LINK, epoch=2, nodes=lab.nodes)
    room = second.batches.described(second.now_s)["service"]["room"]
    assert (room["alice.memory"]["memories"], room["bob.memory"]["memories"]) == (0, 0)
    alice.armed = None
    second.run(1.0)
    room = second.batches.described(second.now_s)["service"]["room"]
    assert (room["alice.memory"]["memories"], room["bob.memory"]["memories"]) == (1, 1)
    lab.batches = second.batches
