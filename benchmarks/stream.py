"""Throughput of the tag streams: 8 MB arrays from a publisher to a subscriber in another process, encrypted.

    python benchmarks/stream.py [--json]

``throughput_ratio``: bytes a second through our publisher and subscriber over bytes a second through a bare pyzmq
pair, PUB and SUB with the same security on this machine, in turns (median of the rounds' ratios). Both send without
copying, and have room for a whole round in their queues, so that nothing is dropped for want of room. A round lasts
from the order to send to the last array received and looked into. ``lost`` counts arrays that did not arrive.
"""

import argparse
import contextlib
import json
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

import numpy as np
import zmq
from bellringer.orchestrator.wire import Enrolled, KeyPair, Publisher, Subscriber, Zap
from bellringer.orchestrator.wire.messages import Event
from parts.site import process

ROUNDS, ARRAYS, MEGABYTES = 8, 30, 8
PATIENCE_S = 30.0


def publish_ours(pipe: Connection, keys: tuple[str, str, str], subscriber: tuple[str, str, str], size: int) -> None:
    """Publish as many arrays as every message on ``pipe`` asks for."""
    enrolled = Enrolled()
    enrolled.enrol(*subscriber)
    array = np.arange(size // 8, dtype=np.int64)
    with Zap() as zap, Publisher("tcp://127.0.0.1:*", KeyPair(*keys), zap, enrolled, name="stream") as publisher:
        pipe.send(publisher.endpoint)
        while not publisher.subscribed():
            threading.Event().wait(0.01)
        pipe.send("subscribed")
        while True:
            for number in range(pipe.recv()):
                publisher.publish("tags", Event(0, "tags", "bench", 0, {"number": number}), array)


def publish_bare(pipe: Connection, secret: bytes, size: int) -> None:
    """The same with pyzmq alone."""
    socket = zmq.Context.instance().socket(zmq.XPUB)
    socket.linger, socket.sndhwm, socket.curve_server, socket.curve_secretkey = 0, 1000, 1, secret
    array = np.arange(size // 8, dtype=np.int64)
    pipe.send(f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}")
    socket.recv()
    pipe.send("subscribed")
    while True:
        for _ in range(pipe.recv()):
            socket.send_multipart([b"tags", array], copy=False)


@contextlib.contextmanager
def ours(size: int) -> Iterator[tuple[Connection, Subscriber]]:
    """Run our publisher; give the pipe that orders arrays, and a subscriber."""
    keys, reader = KeyPair.ephemeral("stream"), KeyPair.ephemeral("anna")
    with (
        process(publish_ours, keys.parts, (reader.public, reader.name, "observer"), size) as pipe,
        Subscriber(pipe.recv(), keys.public, reader, ("tags",)) as subscriber,
    ):
        pipe.recv()
        yield pipe, subscriber


@contextlib.contextmanager
def bare(size: int) -> Iterator[tuple[Connection, zmq.Socket[bytes]]]:
    """The same with pyzmq alone."""
    public, secret = zmq.curve_keypair()
    with process(publish_bare, secret, size) as pipe, zmq.Context.instance().socket(zmq.SUB) as socket:
        socket.linger, socket.rcvhwm, socket.curve_serverkey = 0, 1000, public
        socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
        socket.rcvtimeo = round(PATIENCE_S * 1000)
        socket.subscribe(b"tags")
        socket.connect(pipe.recv())
        pipe.recv()
        yield pipe, socket


def through_ours(pipe: Connection, subscriber: Subscriber, arrays: int) -> float:
    """Return the seconds that so many arrays took."""
    start = time.perf_counter()
    pipe.send(arrays)
    for _ in range(arrays):
        published = subscriber.receive(PATIENCE_S)
        if published is None:
            raise SystemExit(f"arrays were lost: {dict(subscriber.lost)}")
        assert published.arrays[0][-1] == published.arrays[0].size - 1
    return time.perf_counter() - start


def through_bare(pipe: Connection, socket: zmq.Socket[bytes], arrays: int) -> float:
    """The same with pyzmq alone."""
    start = time.perf_counter()
    pipe.send(arrays)
    for _ in range(arrays):
        _, frame = socket.recv_multipart(copy=False)
        array = np.frombuffer(frame, np.int64)
        assert array[-1] == array.size - 1
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--arrays", type=int, default=ARRAYS, help="in every round")
    parser.add_argument("--megabytes", type=int, default=MEGABYTES, help="size of one array")
    options = parser.parse_args()
    size = options.megabytes * 1_000_000
    times: list[tuple[float, float]] = []
    with ours(size) as (our_pipe, subscriber), bare(size) as (bare_pipe, socket):
        through_ours(our_pipe, subscriber, 2)  # warm
        through_bare(bare_pipe, socket, 2)
        for number in range(options.rounds):
            times.append(
                (through_ours(our_pipe, subscriber, options.arrays), through_bare(bare_pipe, socket, options.arrays))
            )
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        lost = subscriber.lost.total()
    sent = options.arrays * size / 1e6
    figures = {
        "throughput_ratio": statistics.median(theirs / mine for mine, theirs in times),
        "ours_MB_per_s": sent / statistics.median(mine for mine, _ in times),
        "bare_MB_per_s": sent / statistics.median(theirs for _, theirs in times),
        "lost": lost,
    }
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:18} {value:10.4g}")


if __name__ == "__main__":
    main()
