"""Corrections from a station process to a node process: who may send them, which are applied, what is counted."""

import queue
import time

import pytest
import zmq
from bellringer.orchestrator.heralding.feedforward import Correction, FeedforwardIn, FeedforwardOut, Notice, Peer
from bellringer.orchestrator.wire.keys import KeyPair
from bellringer.orchestrator.wire.zap import Zap
from bellringer.testbed.errors import InstrumentError

TABLE = {0b01: Correction("I", 500), 0b10: Correction("Z", 1_000)}
FOREVER_S = 10.0


class Node:
    """A node's end, and everything that it was told to apply."""

    def __init__(self, zap: Zap, station_key: str, apply=None) -> None:
        self.applied: queue.Queue = queue.Queue()
        self.keys = KeyPair.ephemeral("alice")
        self.end = FeedforwardIn("alice", self.keys, zap, station_key, apply or self._keep)
        self.end.expect(3, 7, TABLE)
        self.peer = Peer("alice", self.end.endpoint, self.keys.public)

    def _keep(self, *what: object) -> None:
        self.applied.put(what)


@pytest.fixture
def zap():
    with zmq.Context() as context, Zap(context) as zap:
        yield zap


@pytest.fixture
def station():
    return KeyPair.ephemeral("station")


@pytest.fixture
def node(zap, station):
    node = Node(zap, station.public)
    with node.end:
        yield node


def notice(hseq: int, pattern: int = 0b10, epoch: int = 3, batch: int = 7) -> Notice:
    return Notice(epoch, batch, hseq, 40 + hseq, pattern, 1_000_000 * hseq)


def told(out: FeedforwardOut, *notices: Notice) -> None:
    """Send and wait until the node has seen each."""
    out.wait_connected(FOREVER_S)
    for each in notices:
        out.send(each, ("alice",))
        assert out.wait_handed_over("alice", FOREVER_S)


def test_a_herald_becomes_the_operation_of_the_nodes_own_table_with_its_deadline(node, station):
    with FeedforwardOut(station, (node.peer,)) as out:
        told(out, notice(1), notice(2, pattern=0b01))
    assert node.applied.get_nowait() == (notice(1), "Z", 1_001_000)
    assert node.applied.get_nowait() == (notice(2, pattern=0b01), "I", 2_000_500)
    assert node.end.counters == {"received": 2}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (notice(2, epoch=2), "not for this batch"),
        (notice(2, batch=8), "not for this batch"),
        (notice(1), "old"),
        (notice(2, pattern=0b11), "unknown pattern"),
    ],
)
def test_row_22_a_late_double_or_unknown_herald_is_counted_and_nothing_is_applied(node, station, wrong, why):
    with FeedforwardOut(station, (node.peer,)) as out:
        told(out, notice(1), wrong)
    assert node.applied.qsize() == 1
    assert node.end.counters == {"received": 2, why: 1}


def test_only_the_stations_key_gets_in(node, zap):
    stranger = KeyPair.ephemeral("stranger")
    with FeedforwardOut(stranger, (node.peer,)) as out:
        with pytest.raises(InstrumentError, match="cannot reach node 'alice'"):
            out.wait_connected(0.3)
        out.send(notice(1), ("alice",))
        assert out.counters == {"undelivered": 1}
    assert node.end.counters == {}


def test_a_node_with_another_key_is_told_nothing(node, station):
    impostor = node.peer._replace(public_key=KeyPair.ephemeral("other").public)
    with FeedforwardOut(station, (impostor,)) as out, pytest.raises(InstrumentError, match="cannot reach"):
        out.wait_connected(0.3)
    assert node.end.counters == {}


@pytest.mark.parametrize("data", [b"", b"\x00" * 40, b"\xc1", b"[1,2,3]", b"\x96\x03\x07\x01\x01\x02\xa1x"])
def test_malformed_notices_are_counted_and_the_next_one_is_taken(node, station, data):
    with FeedforwardOut(station, (node.peer,)) as out:
        out.wait_connected(FOREVER_S)
        out._sockets["alice"].send(data)
        told(out, notice(1))
    assert node.applied.qsize() == 1
    assert node.end.counters == {"received": 2, "malformed": 1}


def test_a_core_that_has_gone_is_kept_as_the_reason_and_the_thread_goes_on(zap, station):
    def gone(*what: object) -> None:
        raise InstrumentError("the core has gone", where="alice.core")

    node = Node(zap, station.public, gone)
    with node.end, FeedforwardOut(station, (node.peer,)) as out:
        told(out, notice(1), notice(2))
    assert str(node.end.problem).startswith("the core has gone")
    assert node.end.counters == {"received": 2, "failed": 2}


def test_a_node_that_is_far_behind_costs_corrections_and_never_the_stations_time(zap, station):
    holding = queue.Queue()
    node = Node(zap, station.public, lambda *what: holding.get(timeout=FOREVER_S))
    with FeedforwardOut(station, (node.peer,)) as out:
        out.wait_connected(FOREVER_S)
        sent = 0
        while not out.counters["undelivered"]:
            sent += 1
            out.send(notice(sent), ("alice",))
            assert sent < 1_000_000
        for _ in range(sent):
            holding.put(None)
        until = time.monotonic() + FOREVER_S
        while node.end.counters["received"] < sent - out.counters["undelivered"] and time.monotonic() < until:
            time.sleep(0.01)
        node.end.close()
    assert node.end.counters["received"] == sent - out.counters["undelivered"]
