"""Heralds from a station process to a node process: who may send them, what is taken, what is counted."""

import queue
import time

import msgspec
import pytest
import zmq
from bellringer.orchestrator.heralding.feedforward import FeedforwardIn, FeedforwardOut, Peer
from bellringer.orchestrator.heralding.messages import Feedforward
from bellringer.orchestrator.heralding.terms import Send
from bellringer.orchestrator.wire.errors import KeyFileError
from bellringer.orchestrator.wire.keys import KeyPair
from bellringer.orchestrator.wire.zap import Zap
from bellringer.testbed.errors import InstrumentError

FOREVER_S = 10.0


class Node:
    """A node's end, and everything that it took."""

    def __init__(self, zap: Zap, station_key: str, take=None) -> None:
        self.taken: queue.Queue = queue.Queue()
        self.keys = KeyPair.ephemeral("alice")
        self.end = FeedforwardIn("alice", self.keys, zap, take or (lambda *what: self.taken.put(what)))
        self.end.admit("charlie", station_key)
        self.peer = Peer("alice", self.end.endpoint, self.keys.public)


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


def heralded(hseq: int) -> Feedforward:
    return Feedforward(0, 3, "run", 7, "boot", hseq, hseq=hseq, k=40 + hseq, label="psi-", t_ps=1_000_000 * hseq)


def told(out: FeedforwardOut, *messages: Feedforward) -> None:
    """Send and wait until the node has seen to each."""
    out.wait_connected(("alice",), FOREVER_S)
    for each in messages:
        out.send((Send("alice", each),))
        assert out.wait_handed_over("alice", FOREVER_S)


def test_a_herald_arrives_as_it_was_sent_with_the_stations_name_from_its_key(node, station):
    with FeedforwardOut(station, (node.peer,)) as out:
        told(out, heralded(1), heralded(2))
    assert [node.taken.get_nowait() for _ in range(2)] == [("charlie", heralded(1)), ("charlie", heralded(2))]
    assert node.end.counters == {"received": 2}


def test_only_an_admitted_key_gets_in(node):
    stranger = KeyPair.ephemeral("stranger")
    with FeedforwardOut(stranger, (node.peer,)) as out:
        with pytest.raises(InstrumentError, match="cannot reach node 'alice'"):
            out.wait_connected(("alice",), 0.3)
        out.send((Send("alice", heralded(1)),))
        assert out.counters == {"undelivered": 1}
    assert node.end.counters == {}


def test_a_station_that_connects_before_it_is_admitted_gets_in_as_soon_as_it_is(node):
    newcomer = KeyPair.ephemeral("newcomer")
    with FeedforwardOut(newcomer, (node.peer,)) as out:
        with pytest.raises(InstrumentError, match="cannot reach"):
            out.wait_connected(("alice",), 0.3)
        node.end.admit("charlie", newcomer.public)
        told(out, heralded(1))
    assert node.taken.get_nowait() == ("charlie", heralded(1))


def test_a_stations_former_key_is_shut_out_although_it_is_connected(node, station):
    with FeedforwardOut(station, (node.peer,)) as out:
        told(out, heralded(1))
        node.end.admit("charlie", KeyPair.ephemeral("restarted").public)
        told(out, heralded(2))
    assert node.taken.qsize() == 1
    assert node.end.counters == {"received": 2, "strangers": 1}
    with pytest.raises(KeyFileError, match="revoked"):
        node.end.admit("charlie", station.public)


def test_where_several_stations_are_heard_each_is_called_by_its_own_name(node, station):
    other = KeyPair.ephemeral("other")
    with FeedforwardOut(station, (node.peer,)) as out:
        told(out, heralded(1))
        node.end.admit("dora", other.public)
        with FeedforwardOut(other, (node.peer,)) as second:
            told(second, heralded(2))
            told(out, heralded(3))
    assert [node.taken.get_nowait()[0] for _ in range(3)] == ["charlie", "dora", "charlie"]


@pytest.mark.parametrize("several", [False, True])
def test_frames_behind_a_message_are_passed_over(node, station, several):
    if several:
        node.end.admit("dora", KeyPair.ephemeral("other").public)
    with FeedforwardOut(station, (node.peer,)) as out:
        out.wait_connected(("alice",), FOREVER_S)
        out._sockets["alice"].send_multipart([msgspec.msgpack.encode(heralded(1)), b"more", b"and more"])
        assert out.wait_handed_over("alice", FOREVER_S)
        told(out, heralded(2))
    assert [node.taken.get_nowait() for _ in range(2)] == [("charlie", heralded(1)), ("charlie", heralded(2))]


def test_a_node_with_another_key_is_told_nothing(node, station):
    impostor = node.peer._replace(public_key=KeyPair.ephemeral("other").public)
    with FeedforwardOut(station, (impostor,)) as out, pytest.raises(InstrumentError, match="cannot reach"):
        out.wait_connected(("alice",), 0.3)
    assert node.end.counters == {}


def test_a_node_that_was_never_named_cannot_be_reached(node, station):
    with FeedforwardOut(station, (node.peer,)) as out, pytest.raises(InstrumentError, match="'bob' has not said"):
        out.wait_connected(("bob",), 0.3)


@pytest.mark.parametrize("data", [b"", b"\x00" * 40, b"\xc1", b"[1,2,3]", b"\x81\xa4kind\xa4mine"])
def test_malformed_messages_are_counted_and_the_next_one_is_taken(node, station, data):
    with FeedforwardOut(station, (node.peer,)) as out:
        out.wait_connected(("alice",), FOREVER_S)
        out._sockets["alice"].send(data)
        assert out.wait_handed_over("alice", FOREVER_S)
        told(out, heralded(1))
        node.taken.get(timeout=FOREVER_S)  # what was handed over first may have been the malformed one
    assert node.taken.empty()
    assert node.end.counters == {"received": 2, "malformed": 1}


def test_a_core_that_has_gone_is_kept_as_the_reason_and_the_thread_goes_on(zap, station):
    def gone(*what: object) -> None:
        raise InstrumentError("the core has gone", where="alice.core")

    node = Node(zap, station.public, gone)
    with node.end, FeedforwardOut(station, (node.peer,)) as out:
        told(out, heralded(1), heralded(2))
    assert str(node.end.problem).startswith("the core has gone")
    assert node.end.counters == {"received": 2, "failed": 2}


def test_a_node_that_is_far_behind_costs_corrections_and_never_the_stations_time(zap, station):
    holding = queue.Queue()
    node = Node(zap, station.public, lambda *what: holding.get(timeout=FOREVER_S))
    with FeedforwardOut(station, (node.peer,)) as out:
        out.wait_connected(("alice",), FOREVER_S)
        sent = 0
        while not out.counters["undelivered"]:
            sent += 1
            out.send((Send("alice", heralded(sent)),))
            assert sent < 1_000_000
        for _ in range(sent):
            holding.put(None)
        until = time.monotonic() + FOREVER_S
        while node.end.counters["received"] < sent - out.counters["undelivered"] and time.monotonic() < until:
            time.sleep(0.01)
        node.end.close()
    assert node.end.counters["received"] == sent - out.counters["undelivered"]
