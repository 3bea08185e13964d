"""The correlator as a process: two publishers in place of agents, and a correlator that freezes or is killed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import msgspec
import numpy as np
import pytest
import zmq
from bellringer.orchestrator.correlator.process import QUEUE, Setup
from bellringer.orchestrator.correlator.process import Source as Where
from bellringer.orchestrator.wire.enrolled import Enrolled
from bellringer.orchestrator.wire.keys import KeyPair
from bellringer.orchestrator.wire.messages import Event
from bellringer.orchestrator.wire.stream import Publisher, Subscriber
from bellringer.orchestrator.wire.zap import Zap

pytestmark = pytest.mark.process

PATIENCE_S = 30.0
S = 10**12
TAGGERS = ("alice.tagger", "bob.tagger")


class Link:
    """Both agents' streams, and a correlator that listens to them."""

    def __init__(self, stack):
        self.stack = stack
        self.keys = {name: KeyPair.ephemeral(name) for name in ("alice", "bob", "anna")}
        enrolled = Enrolled()
        enrolled.enrol(self.keys["anna"].public, "anna", "operator")
        self.context = zmq.Context()
        stack.callback(self.context.term)
        zap = Zap(self.context)
        stack.callback(zap.close)
        self.publishers = [
            stack.enter_context(
                Publisher("tcp://127.0.0.1:*", self.keys[name], zap, enrolled, name=f"stream {name}", hwm=QUEUE)
            )
            for name in ("alice", "bob")
        ]
        self.start()

    def start(self):
        anna = self.keys["anna"]
        sources = tuple(
            Where(name, publisher.endpoint, self.keys[name].public, tagger, *inputs)
            for name, publisher, tagger, inputs in zip(("alice", "bob"), self.publishers, TAGGERS, ((1, 2), (3, 4)))
        )
        setup = Setup("alice-bob", sources, 600, anna.parts, ((anna.public, "anna", "observer"),), leave_at_end=True)
        command = [sys.executable, "-m", "bellringer.orchestrator.correlator.process"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.stack.callback(self.end)
        self.process.stdin.write(msgspec.json.encode(setup) + b"\n")
        self.process.stdin.flush()
        endpoint = json.loads(self.process.stdout.readline())["results"]
        self.results = self.stack.enter_context(
            Subscriber(endpoint, anna.public, anna, topics=("link",), conflate=True, context=self.context)
        )
        for publisher in self.publishers:
            self.wait(lambda publisher=publisher: publisher.subscribed(), "the correlator did not subscribe")

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()
            self.process.wait()

    def wait(self, what, message):
        end = time.monotonic() + PATIENCE_S
        while not (found := what()):
            assert time.monotonic() < end, message
            time.sleep(0.01)
        return found

    def result(self, condition):
        """Return the first result of which ``condition`` is true."""

        def look():
            published = self.results.receive(0.1)
            return published is not None and condition(published.message.body) and published.message.body

        return self.wait(look, "no such result came")

    def publish(self, end, block, number, clock_map, stream="s"):
        body = {
            "instrument": TAGGERS[end], "stream": stream, "block": number, "begin_ps": block.begin_ps,
            "end_ps": block.end_ps, "gaps_ps": [], "clock_map": vars(clock_map),
        }  # fmt: skip
        self.publishers[end].publish("tags", Event(0, "tags", TAGGERS[end], 0, body), block.times_ps, block.channels)


@pytest.fixture
def link():
    with contextlib.ExitStack() as stack:
        yield Link(stack)


def stream(link, source, numbers):
    """Publish these blocks of 0.2 s (from 0) of both ends, side by side."""
    edges = [number * S // 5 for number in range(round(5 * source.seconds))]
    blocks = [source.blocks(end, edges) for end in (0, 1)]
    for number in numbers:
        for end in (0, 1):
            link.publish(end, blocks[end][number], number + 1, source.maps[end])


def test_streams_and_recordings_become_results_and_the_process_leaves_with_its_parent(link, make_source):
    source = make_source(seconds=5.0)
    assert link.result(lambda body: True)["state"] == "waiting"
    stream(link, source, range(20))
    body = link.result(lambda body: [each["received"] for each in body["blocks"].values()] == [20, 20])
    assert (body["state"], body["total"]["seconds"] > 3.5) == ("aligned", True)
    assert abs(body["total"]["E"]["value"] - source.E) < 5 * body["total"]["E"]["error"]
    assert body["blocks"] == {name: {"received": 20, "lost": 0, "late": 0} for name in ("alice", "bob")}
    silent = link.result(lambda body: body["state"] == "silent")
    assert "nothing from " in silent["reason"], "either end, whose last block was heard first"
    assert silent["recent"]["E"]["value"] is None
    for end in (0, 1):
        recording = source.recording(end)
        body = {
            "instrument": TAGGERS[end], "duration_ps": recording.duration_ps, "gaps_ps": [],
            "clock_map": vars(recording.clock_map), "number": 1,
        }  # fmt: skip
        event = Event(0, "tags", TAGGERS[end], 0, body)
        link.publishers[end].publish("tags", event, recording.times_ps, recording.channels)
        link.publishers[end].publish("tags", Event(0, "tags", TAGGERS[end], 0, {**body, "gaps_ps": "?"}))
        link.publishers[end].publish("tags", Event(0, "tags", "another.tagger", 0, {}))
    body = link.result(lambda body: body["source"] == "recording")
    assert body["state"] == "aligned"
    assert abs(body["total"]["E"]["value"] - source.E) < 5 * body["total"]["E"]["error"]
    assert link.end() == 0


def test_a_frozen_correlator_loses_blocks_counts_them_and_goes_on_and_nobody_waits_for_it(link, make_source):
    source = make_source(seconds=64.0, rate=300.0, noise=300.0)
    padding = np.arange(400_000, dtype=np.int64)
    stream(link, source, range(10))
    link.result(lambda body: body["state"] == "aligned")
    os.kill(link.process.pid, signal.SIGSTOP)
    began_s = time.monotonic()
    for _ in range(3 * QUEUE):  # blocks of another tagger, of 3.6 MB each, for which it has no room
        for publisher in link.publishers:
            publisher.publish("tags", Event(0, "tags", "another.tagger", 0, {"instrument": "another"}), padding)
    stream(link, source, range(10, 300))
    assert time.monotonic() - began_s < PATIENCE_S, "a publisher never waits"
    os.kill(link.process.pid, signal.SIGCONT)

    numbers = iter(range(300, 319))

    def noticed(body):
        if body["state"] == "silent":  # it has worked off what waited for it, so a block more shows what was lost
            stream(link, source, [next(numbers)])
        return body["frames_lost"]["alice"] > 0 and body["frames_lost"]["bob"] > 0

    link.result(noticed)
    stream(link, source, numbers)
    body = link.result(lambda body: body["blocks"]["alice"]["lost"] > 0 and body["state"] == "aligned")
    assert body["frames_lost"]["alice"] > QUEUE
    assert abs(body["total"]["E"]["value"] - source.E) < 5 * body["total"]["E"]["error"]


def test_another_correlator_takes_over_from_a_killed_one(link, make_source):
    source = make_source(seconds=9.0)
    stream(link, source, range(10))
    link.result(lambda body: body["state"] == "aligned")
    link.process.kill()
    link.end()
    link.start()
    stream(link, source, range(15, 30))
    body = link.result(lambda body: body["state"] == "aligned" and body["blocks"]["bob"]["received"] == 15)
    assert body["blocks"]["bob"]["lost"] == 0, "it does not know what was before it"
