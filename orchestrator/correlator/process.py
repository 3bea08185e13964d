"""The correlator of one link as a process of its own.

    python -m bellringer.orchestrator.correlator.process

Reads its set-up, one JSON object, from standard input (so that no key is ever on a command line), gets its compiled
loops ready, prints one JSON line with its address when its port is open, and runs until SIGTERM, or until standard
input ends if ``leave_at_end``. It only listens: whether it lives, lags or dies is nothing to agents and recordings; but
a ``run`` whose services are its own ends with any of them. What it does not take in time is lost to it alone, and
counted.

Published on topic ``link``: the result, ten times a second while tags stream, or once for every pair of recordings.
"""

import contextlib
import os
import signal
import sys
import time
from typing import Any

import msgspec
import zmq

from ...testbed.errors import BellringerError
from ..wire.enrolled import Enrolled
from ..wire.keys import KeyPair
from ..wire.messages import Event
from ..wire.stream import Publisher, Subscriber
from ..wire.zap import Zap
from .correlator import Correlator, LinkEnds
from .intake import Intake
from .warm import warm_up

PUBLISH_S = 0.1
QUEUE = 50
"""Blocks of one end that wait for us: ten seconds of a stream."""
RESULTS = 20
"""Results that wait for a slow display."""
TAKEN = 20
"""Blocks of one end taken in a turn, so that results are published in between."""
SILENT_S = 2.0
"""Tags that are older than this are not shown as if they were new."""


class Source(msgspec.Struct, frozen=True):
    """Where one end's tags come from: the agent's stream, the key it must hold, and the tagger with its inputs."""

    name: str
    stream: str
    public_key: str
    tagger: str
    transmitted: int
    reflected: int


class Setup(msgspec.Struct, frozen=True):
    """What a correlator needs to know.

    Attributes:
        link: its name.
        sources: the two ends.
        window_ps: the coincidence window.
        keys: name, public and secret half of the pair with which it listens and publishes.
        enrolled: (public key, name, role) of who may have the results.
        bind: address of the results.
        recent_s: over how long recent rates are taken, s.
    """

    link: str
    sources: tuple[Source, Source]
    window_ps: int
    keys: tuple[str, str, str]
    enrolled: tuple[tuple[str, str, str], ...]
    bind: str = "tcp://127.0.0.1:*"
    recent_s: float = 1.0
    leave_at_end: bool = False


def main() -> int:
    """Run the correlator that standard input asks for; return the exit status."""
    warm_up(lambda text: sys.stderr.write(f"a correlator: {text}\n"))
    try:
        if line := sys.stdin.readline():
            run_correlator(msgspec.json.decode(line, type=Setup))
    except (BellringerError, msgspec.MsgspecError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def run_correlator(setup: Setup) -> None:
    """Correlate until told to end."""
    keys, enrolled = KeyPair(*setup.keys), Enrolled.in_memory(setup.enrolled)
    with contextlib.ExitStack() as stack:
        zap = Zap()
        stack.callback(zap.close)
        publisher = stack.enter_context(
            Publisher(setup.bind, keys, zap, enrolled, name=f"link {setup.link}", hwm=RESULTS)
        )
        subscribers = [
            stack.enter_context(Subscriber(each.stream, each.public_key, keys, topics=("tags",), hwm=QUEUE))
            for each in setup.sources
        ]
        loop = Loop(setup, publisher, subscribers)
        signal.signal(signal.SIGTERM, lambda number, frame: loop.stop())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.stdout.write(msgspec.json.encode({"results": publisher.endpoint}).decode() + "\n")
        sys.stdout.flush()
        loop.run()


class Loop:
    """Takes in what both agents publish and publishes what follows from it."""

    def __init__(self, setup: Setup, publisher: Publisher, subscribers: list[Subscriber]) -> None:
        one, two = setup.sources
        inputs = (one.transmitted, one.reflected), (two.transmitted, two.reflected)
        ends = LinkEnds(setup.link, (one.name, two.name), inputs, setup.window_ps)
        self._intake = Intake(Correlator(ends, setup.recent_s), (one.tagger, two.tagger))
        self._setup, self._publisher, self._subscribers = setup, publisher, subscribers
        self._stopped = False
        self._published_s = 0.0
        self._heard_s = [time.monotonic()] * 2

    def stop(self) -> None:
        """Make ``run`` return after the present turn."""
        self._stopped = True

    def run(self) -> None:
        """Run until ``stop``, or until standard input ends if we are to leave then."""
        while not self._stopped:
            self._wait()
            for end, subscriber in enumerate(self._subscribers):
                for _ in range(TAKEN):
                    published = subscriber.receive()
                    if published is None:
                        break
                    self._heard_s[end] = time.monotonic()
                    result = self._intake.take(end, published.message, published.arrays)
                    if result is not None:
                        self._publish(result)
            now_s = time.monotonic()
            if self._intake.streaming and now_s - self._published_s >= PUBLISH_S:
                self._published_s = now_s
                self._publish(self._intake.correlator.result(self._silent(now_s)))

    def _silent(self, now_s: float) -> str:
        silent = [
            f"nothing from {source.name} for {now_s - heard_s:.0f} s"
            for source, heard_s in zip(self._setup.sources, self._heard_s)
            if now_s - heard_s > SILENT_S
        ]
        return "; ".join(silent)

    def _wait(self) -> None:
        poller = zmq.Poller()
        for subscriber in self._subscribers:
            poller.register(subscriber.socket, zmq.POLLIN)
        if self._setup.leave_at_end:
            poller.register(sys.stdin.fileno(), zmq.POLLIN)
        ready = dict(poller.poll(round(PUBLISH_S * 500)))
        if sys.stdin.fileno() in ready and not os.read(sys.stdin.fileno(), 4096):
            self.stop()

    def _publish(self, result: dict[str, Any]) -> None:
        names = [source.name for source in self._setup.sources]
        body = {
            **result,
            "frames_lost": {name: each.lost["tags"] for name, each in zip(names, self._subscribers)},
            "malformed": sum(each.malformed for each in self._subscribers) + self._intake.malformed,
            "unpaired": self._intake.unpaired,
            "problems": {name: str(each.problem) for name, each in zip(names, self._subscribers) if each.problem},
        }
        self._publisher.publish("link", Event(0, "link", self._setup.link, 0, body))


if __name__ == "__main__":
    sys.exit(main())
