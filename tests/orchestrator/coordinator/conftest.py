"""``site``: a coordinator on real sockets of this machine, in a thread, and clients with keys of every role.

``desk`` is the coordinator's state alone.
"""

import threading
from contextlib import ExitStack, contextmanager

import pytest
import zmq
from bellringer.orchestrator.coordinator.service import Ports, Setup, run_coordinator
from bellringer.orchestrator.wire import Client, Enrolled, KeyPair, Subscriber, elapsed_s
from bellringer.orchestrator.wire.messages import Own, Register, Renew

from .desk import ALICE, BOB, Desk, register

ROLES = {"alice": "node", "bob": "node", "anna": "operator", "ben": "operator", "visitor": "observer", "root": "admin"}


class Site:
    """One state folder, its keys, and the coordinator that runs on it now."""

    local = Ports("tcp://127.0.0.1:*", "tcp://127.0.0.1:*", "tcp://127.0.0.1:*")

    def __init__(self, folder, context):
        self.folder, self.context = folder, context
        self.stack = ExitStack()
        self.keys = {name: KeyPair.ephemeral(name) for name in (*ROLES, "coordinator")}
        self.enrolled = Enrolled()
        for name, role in ROLES.items():
            self.enrolled.enrol(self.keys[name].public, name, role)
        self.ports, self.error = None, None

    def setup(self, **more):
        return Setup(**{**vars(Setup(self.folder, self.keys["coordinator"], self.enrolled, self.local)), **more})

    @contextmanager
    def running(self, clock=elapsed_s, **more):
        """Run a coordinator as long as the context lasts; ``error`` is what it ended with."""
        stop, ready = threading.Event(), threading.Event()
        self.error = None

        def is_ready(ports):
            self.ports = ports
            ready.set()

        def run():
            try:
                run_coordinator(self.setup(**more), stop, is_ready, clock)
            except Exception as error:
                self.error = error
            finally:
                ready.set()

        self.thread = threading.Thread(target=run)
        self.thread.start()
        try:
            assert ready.wait(20)
            if self.error is not None:
                raise self.error
            yield self
        finally:
            stop.set()
            self.thread.join()

    def client(self, name, port="control"):
        public = self.keys["coordinator"].public
        return self.stack.enter_context(
            Client(getattr(self.ports, port), public, self.keys[name], timeout_s=20.0, context=self.context)
        )

    def subscriber(self, name="visitor"):
        """Return a subscriber that has heard the coordinator already."""
        public = self.keys["coordinator"].public
        subscriber = self.stack.enter_context(
            Subscriber(self.ports.events, public, self.keys[name], ("events",), context=self.context)
        )
        self.heard(subscriber, "epoch")
        return subscriber

    def register(self, node="alice", boot="b1", control="tcp://here:1", **more):
        names = (f"{node}.laser", f"{node}.tagger")
        return Register(0, node, boot, control, "tcp://here:2", self.keys[node].public, names, **more)

    @staticmethod
    def heard(subscriber, name):
        """Return the next event of this name."""
        while True:
            published = subscriber.receive(20.0)
            assert published is not None, f"no event '{name}' came"
            if published.message.name == name:
                return published.message

    @staticmethod
    def renew(node="alice", boot="b1", **more):
        return Renew(0, node, boot, 5.0, **more)

    @staticmethod
    def own(*instruments, run="r1", seconds=20.0):
        return Own(0, run, instruments, seconds)


@pytest.fixture
def site(tmp_path):
    with zmq.Context() as context:
        site = Site(tmp_path / "state", context)
        with site.stack:
            yield site


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def two(desk):
    """A desk where Alice and Bob are registered."""
    desk.ask(ALICE, register())
    desk.ask(BOB, register(BOB, node="bob"))
    return desk
