"""Streams: numbered topic by topic; losses are known; the slow hold up nobody; strangers get nothing."""

import contextlib
import time

import numpy as np
import pytest
import zmq
from bellringer.orchestrator.wire import (
    KeyPair,
    KeyRefused,
    Limits,
    NobodyThere,
    Publisher,
    Subscriber,
    encode,
    sockets,
)
from bellringer.orchestrator.wire.messages import Event, Status
from bellringer.orchestrator.wire.publisher import NUMBER
from bellringer.orchestrator.wire.sockets import serve_curve
from bellringer.testbed.errors import BellringerError

PATIENCE_S = 20.0


def event(number: int = 0) -> Event:
    return Event(0, "reading", "alice", 1, {"number": number})


@pytest.fixture
def publisher(bench):
    return bench.closing(Publisher("tcp://127.0.0.1:*", bench.service_keys, bench.zap, bench.enrolled, name="stream"))


@pytest.fixture
def bob(bench):
    return bench.key("bob", "observer")


@pytest.fixture
def subscribe(bench, publisher):
    def subscribe(keys, topics=("",), **options) -> Subscriber:
        """Return a subscriber that the publisher knows of."""
        options = {"context": bench.context, **options}
        subscriber = bench.closing(Subscriber(publisher.endpoint, bench.service_keys.public, keys, topics, **options))
        heard: list[str] = []
        end = time.monotonic() + PATIENCE_S
        while len(heard) < len(topics) and time.monotonic() < end:
            subscriber.receive(0.01)
            heard += publisher.subscribed()
        assert sorted(heard) == sorted(topics)
        return subscriber

    return subscribe


def until(subscriber: Subscriber, topic: str) -> list:
    """Return the events up to the first of ``topic``."""
    events = [subscriber.receive(PATIENCE_S)]
    while events[-1] is not None and events[-1].topic != topic:
        events.append(subscriber.receive(PATIENCE_S))
    return events[:-1]


def test_events_arrive_in_order_numbered_with_their_arrays(publisher, subscribe, bob):
    subscriber = subscribe(bob)
    for number in range(3):
        assert publisher.publish("tags.alice", event(number), np.arange(number * 1000), np.zeros(2)) == number + 1
    for number in range(3):
        got = subscriber.receive(PATIENCE_S)
        assert (got.topic, got.number, got.lost, got.message) == ("tags.alice", number + 1, 0, event(number))
        np.testing.assert_array_equal(got.arrays[0], np.arange(number * 1000))
        assert not got.arrays[0].flags.writeable
    assert subscriber.receive(0) is None
    assert subscriber.problem is None


def test_topics_are_numbered_each_by_itself_and_chosen_by_prefix(publisher, subscribe, bob):
    some, everything = subscribe(bob, ("alice.",)), subscribe(bob)
    for topic in ("alice.a", "bob.a", "alice.b", "alice.a", "alice.end"):
        publisher.publish(topic, event())
    assert [(got.topic, got.number) for got in until(some, "alice.end")] == [
        ("alice.a", 1),
        ("alice.b", 1),
        ("alice.a", 2),
    ]
    assert len(until(everything, "alice.end")) == 4
    assert not +everything.lost


def test_a_late_subscriber_misses_what_was_before_and_that_is_no_loss(publisher, subscribe, bob):
    publisher.publish("a", event())
    subscriber = subscribe(bob)
    publisher.publish("a", event())
    got = subscriber.receive(PATIENCE_S)
    assert (got.number, got.lost) == (2, 0)


def test_a_slow_subscriber_loses_events_knows_how_many_and_holds_up_nobody(bench, bob):
    publisher = bench.closing(
        Publisher("tcp://127.0.0.1:*", bench.service_keys, bench.zap, bench.enrolled, name="narrow", hwm=5)
    )
    slow = bench.closing(Subscriber(publisher.endpoint, bench.service_keys.public, bob, context=bench.context, hwm=5))
    end = time.monotonic() + PATIENCE_S
    while not publisher.subscribed() and time.monotonic() < end:
        slow.receive(0.01)
    publisher.publish("a", event())
    assert slow.receive(PATIENCE_S).number == 1
    block = np.zeros(10_000)
    for number in range(1000):
        publisher.publish("a", event(number), block)
    received, last, got = 1, 1001, None
    end = time.monotonic() + PATIENCE_S
    while (got is None or got.number != last) and time.monotonic() < end:
        got = slow.receive(0.2)
        if got is None:
            last = publisher.publish("a", event())  # the last one may have been dropped too
        else:
            received += 1
    assert slow.lost["a"] > 0
    assert received + slow.lost["a"] == got.number == last


def test_a_display_sees_the_newest_of_every_topic_and_what_it_skipped_is_no_loss(publisher, subscribe, bob):
    subscriber = subscribe(bob, conflate=True)
    for number in range(50):
        publisher.publish("alice", event(number))
        publisher.publish("bob", event(number))
    newest: dict[str, int] = {}
    end = time.monotonic() + PATIENCE_S
    seen = 0
    while newest != {"alice": 50, "bob": 50} and time.monotonic() < end:
        time.sleep(0.05)
        got = subscriber.receive(1.0)
        if got is not None:
            seen += 1
            newest[got.topic] = got.number
    assert newest == {"alice": 50, "bob": 50}
    assert seen < 100
    assert not +subscriber.lost
    assert subscriber.receive(0) is None


def test_an_unknown_key_gets_nothing_and_is_told_why(bench, publisher):
    eve = bench.closing(
        Subscriber(publisher.endpoint, bench.service_keys.public, KeyPair.ephemeral("eve"), context=bench.context)
    )
    publisher.publish("a", event())
    assert eve.receive(0.5) is None
    assert isinstance(eve.problem, KeyRefused)
    assert publisher.subscribed() == []


def test_without_an_authentication_handler_nobody_gets_anything(bench, publisher, bob):
    """Libzmq's default would be to publish to everybody."""
    bench.zap.close()
    subscriber = bench.closing(Subscriber(publisher.endpoint, bench.service_keys.public, bob, context=bench.context))
    for _ in range(50):
        publisher.publish("a", event())
        assert subscriber.receive(0.02) is None
    assert publisher.subscribed() == []


def test_nobody_there(bench, publisher, bob):
    publisher.close()
    subscriber = bench.closing(Subscriber(publisher.endpoint, bench.service_keys.public, bob, context=bench.context))
    assert subscriber.receive(0.3) is None
    assert isinstance(subscriber.problem, NobodyThere)


def test_a_revoked_subscriber_gets_nothing_more_and_the_others_go_on(bench, publisher, subscribe, bob):
    carol = bench.key("carol", "observer")
    revoked, good = subscribe(bob), subscribe(carol)
    publisher.publish("a", event())
    assert revoked.receive(PATIENCE_S).number == good.receive(PATIENCE_S).number == 1
    bench.enrolled.revoke("bob")
    end = time.monotonic() + PATIENCE_S
    got = None
    while got is None and time.monotonic() < end:
        publisher.publish("a", event())
        got = good.receive(0.05)
    assert got.lost == got.number - 2 > 0
    while not isinstance(revoked.problem, KeyRefused) and time.monotonic() < end:
        assert revoked.receive(0.05) is None
    publisher.publish("a", event())
    assert revoked.receive(0.2) is None
    assert isinstance(revoked.problem, KeyRefused)


def test_a_publisher_that_was_restarted_counts_from_one_and_that_is_no_loss(bench, publisher, subscribe, bob):
    subscriber = subscribe(bob)
    publisher.publish("a", event())
    assert subscriber.receive(PATIENCE_S).number == 1
    publisher.close()
    again = None
    end = time.monotonic() + PATIENCE_S
    while again is None and time.monotonic() < end:
        try:
            again = Publisher(publisher.endpoint, bench.service_keys, bench.zap, bench.enrolled, name="again")
        except BellringerError:
            time.sleep(0.02)
    bench.closing(again)
    for _ in range(5):
        again.publish("a", event())  # before the subscriber is back
    got = None
    while got is None and time.monotonic() < end:
        again.publish("a", event())
        got = subscriber.receive(0.05)
    assert got.lost == 0
    assert not +subscriber.lost


@pytest.fixture
def odd(bench, bob):
    """A publisher that sends whatever frames it is told to, and its one subscriber."""

    def odd(**options):
        bench.zap.add("odd", bench.enrolled)
        socket = bench.closing(serve_curve(bench.context.socket(zmq.XPUB), bench.service_keys, "odd"))
        endpoint = f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}"
        options = {"context": bench.context, **options}
        subscriber = bench.closing(Subscriber(endpoint, bench.service_keys.public, bob, **options))
        assert socket.poll(PATIENCE_S * 1000)  # it subscribed
        return socket, subscriber

    return odd


def test_garbage_is_counted_and_passed_over(odd):
    socket, subscriber = odd(limits=Limits(header_bytes=1000))
    number = NUMBER.pack(1, 1)
    garbage = [
        [b"a"], [b"\xff", number, *encode(event())], [b"a", b"short", *encode(event())], [b"a", number],
        [b"a", number, b"random"], [b"a", number, *encode(Status(1))], [b"a", number, *encode(event()), b"extra"],
        [b"a", number, b"x" * 2000], [b""],
    ]  # fmt: skip
    for frames in garbage:
        socket.send_multipart(frames)
    socket.send_multipart([b"a", NUMBER.pack(1, 2), *encode(event())])
    assert subscriber.receive(PATIENCE_S).number == 2
    assert subscriber.malformed == len(garbage)


def test_a_display_still_knows_what_was_lost_among_what_it_skipped(odd):
    socket, subscriber = odd(conflate=True)
    for number in (1, 4, 6):
        socket.send_multipart([b"a", NUMBER.pack(1, number), *encode(event())])
    time.sleep(0.2)
    lost = 0
    for _ in range(3):
        got = subscriber.receive(PATIENCE_S)
        lost += got.lost
        if got.number == 6:
            break
    assert lost == 3


def test_what_cannot_be_sent_takes_no_number(publisher):
    with pytest.raises(BellringerError, match="cannot be sent"):
        publisher.publish("a", event(), np.array([object()]))
    assert publisher.publish("a", event()) == 1


def test_a_full_queue_outlives_its_publisher_and_goes_on_with_the_next(bench, publisher, subscribe, bob, monkeypatch):
    monkeypatch.setattr(sockets, "HEARTBEAT_MS", 20)  # ZeroMQ reads nothing into a full queue: only silence tells it
    monkeypatch.setattr(sockets, "SILENCE_MS", 100)
    subscriber = subscribe(bob, hwm=2)
    for number in range(50):
        publisher.publish("a", event(number), np.zeros(10_000))
    time.sleep(0.2)  # until the queue is full and ZeroMQ has stopped to read for it
    publisher.close()
    time.sleep(0.2)
    end = time.monotonic() + PATIENCE_S
    again = None
    while again is None and time.monotonic() < end:
        with contextlib.suppress(BellringerError):  # ZeroMQ frees the address a moment later
            again = Publisher(publisher.endpoint, bench.service_keys, bench.zap, bench.enrolled, name="again")
    bench.closing(again)
    time.sleep(0.5)  # time for a connection anew, with the queue still full
    first = subscriber.receive()
    assert first is not None
    assert first.message.body == {"number": 0}
    while (came := subscriber.receive(0.05)) is None or came.topic != "b":
        again.publish("b", event())
        assert time.monotonic() < end


def test_a_stream_is_never_connected_anew_by_zeromq_itself(bench):
    """It may abort the process if the queue was full then; ``Link`` opens another socket."""
    subscriber = bench.closing(
        Subscriber("tcp://127.0.0.1:1", bench.service_keys.public, bench.key("eve", "observer"), context=bench.context)
    )
    told = subscriber.socket.getsockopt(zmq.RECONNECT_IVL_MAX), subscriber.socket.getsockopt(zmq.RECONNECT_IVL)
    assert told[0] == 0, "any other value replaces a longer interval"
    assert told[1] >= 24 * 3600 * 1000
