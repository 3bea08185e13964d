"""An agent as a process of its own.

    python -m bellringer.orchestrator.agent.service

Reads its set-up, one JSON object, from standard input (so that no key is ever on a command line), prints one JSON line
with its addresses when its ports are open, and runs until SIGTERM, or until standard input ends if ``leave_at_end``.
Without a set-up it leaves.
"""

import contextlib
import gc
import secrets
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from ...testbed.errors import BellringerError
from ...testbed.loader import load
from ...testbed.lockstep import LockstepClock
from ..heralding.messages import Commit, Show
from ..heralding.watched import detectors_of
from ..wire.audit import Audit
from ..wire.client import Client
from ..wire.codec import RESULTS
from ..wire.enrolled import Enrolled
from ..wire.errors import KeyFileError
from ..wire.keys import KeyPair
from ..wire.messages import Call, Do, EStop, Get, Keys, Log, Message, Probe, Register, Set, Status, Stream, Subscribe
from ..wire.public_keys import fingerprint
from ..wire.server import Server
from ..wire.stream import Publisher, Subscriber
from ..wire.zap import Zap
from . import batches
from .agent import Agent
from .authority import Authority
from .batches import Batches
from .children import Child
from .cores import Cores, cores_of
from .desk import Endpoint
from .forking import ForkServer
from .link import CoordinatorLink
from .recorder import TagRecorder

ACCEPTS = (Get, Set, Call, Do, Stream, Probe, Subscribe, Log, Status, Keys, EStop, Show, *batches.ACCEPTS)
PUBLISHED = 50
"""Events and blocks of tags that wait for one slow subscriber: ten seconds of a stream."""


class CoordinatorAddress(msgspec.Struct, frozen=True):
    """Where a coordinator is, and the key it must hold."""

    control: str
    events: str
    public_key: str


class Setup(msgspec.Struct, frozen=True):
    """What an agent needs to know.

    Attributes:
        keys: name, public and secret half of its own pair.
        state: folder for recordings, the audit log and, unless ``enrolled`` is given, the list of enrolled keys.
        enrolled: (public key, name, role) of who may connect, in memory; for dry runs.
        bind: address of the control port.
        stream: address of the stream, "" for a free port on the control port's interface.
        endpoints: (resource, options) that replace the file's, by instrument; for dry runs.
        clock_endpoint: the simulated lab's clock socket, "" for real time.
        boot_tickets: participants under which the groups are first made dark; see ``Agent``.
        audit: file of the audit log, "" for one in ``state``.
        journal: folder of the journal of batches, "" for one in ``state``.
        locks: folder of the files that keep two driver processes of this computer from one port; "" for ``state``.
    """

    node: str
    testbed: str
    keys: tuple[str, str, str]
    coordinator: CoordinatorAddress
    state: str
    overrides: dict[str, str] = {}
    enrolled: tuple[tuple[str, str, str], ...] = ()
    bind: str = "tcp://127.0.0.1:*"
    stream: str = ""
    endpoints: dict[str, tuple[str, dict[str, object]]] = {}
    clock_endpoint: str = ""
    boot_tickets: dict[str, str] = {}
    audit: str = ""
    journal: str = ""
    locks: str = ""
    leave_at_end: bool = False


def main() -> int:
    """Run the agent that standard input asks for; return the exit status."""
    fork_server = ForkServer()
    fork_server.fork()  # now: nothing is open yet, and no key was read
    try:
        if line := sys.stdin.readline():
            run_agent(msgspec.json.decode(line, type=Setup), fork_server)
    except (BellringerError, msgspec.MsgspecError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        fork_server.close()
    return 0


def run_agent(setup: Setup, fork_server: ForkServer) -> None:
    """Run the agent until it is told to end; leaves in the dark."""
    state = Path(setup.state)
    state.mkdir(parents=True, exist_ok=True)
    keys = KeyPair(*setup.keys)
    testbed = load(setup.testbed, setup.overrides).testbed
    entries = {name: entry for name, entry in testbed.instruments().items() if name.partition(".")[0] == setup.node}
    boot, authority = secrets.token_hex(8), Authority()
    links = testbed.memory_links
    takes_part = bool(cores_of(links, setup.node))
    enrolled = Enrolled.of_service(state, setup.enrolled)
    if takes_part and setup.coordinator.public_key not in enrolled.ls():
        enrolled.enrol(setup.coordinator.public_key, "coordinator", "node")
    with contextlib.ExitStack() as stack:
        zap = Zap()
        stack.callback(zap.close)
        audit = Audit(Path(setup.audit or state / "audit.jsonl"))
        stack.callback(audit.close)
        server = stack.enter_context(
            Server(
                setup.bind, keys, zap, enrolled, name=f"agent {setup.node}", accepts=ACCEPTS, audit=audit, emits=_emits
            )
        )
        stream = setup.stream or setup.bind.rpartition(":")[0] + ":*"
        publisher = stack.enter_context(
            Publisher(stream, keys, zap, enrolled, name=f"stream {setup.node}", hwm=PUBLISHED)
        )
        recorder = TagRecorder(state / "tags", publisher)
        stack.callback(recorder.close)
        where = setup.coordinator
        events = stack.enter_context(Subscriber(where.events, where.public_key, keys, topics=("events",)))
        endpoints = (server.endpoint, publisher.endpoint)

        def registration() -> Register:
            names = tuple(entries)
            ready = () if agent.batches is None else agent.batches.ready()
            who = (setup.node, boot, *endpoints, keys.public)
            return Register(0, *who, names, authority.epoch, authority.fault, ready, agent.watched())

        def connect() -> Client:
            return Client(where.control, where.public_key, keys, name=setup.node, timeout_s=1.0, request_limits=RESULTS)

        def revoke(public_keys: Sequence[str]) -> None:
            try:
                revoked, result = enrolled.take_revoked(public_keys), "done"
            except KeyFileError as error:  # refused until this process ends; then the coordinator tells it again
                revoked, result = list(public_keys), f"refused from now on, but not noted: {error}"
            for key in revoked:
                who = f"{fingerprint(where.public_key)} coordinator"
                said = {"command": "revoke", "public_key": key}
                audit.append(who=who, role="", verb="keys", arguments=said, result=result, durable=True)

        def make_batches(
            children: Mapping[str, Child],
            closed: Callable[[], bool | None],
            publish: Callable[[str, dict[str, Any]], None],
        ) -> Batches:
            every = tuple(dict.fromkeys(children.values()))
            journal = Path(setup.journal) if setup.journal else state / "batches"
            about = (boot, authority, journal, where.public_key, connect, testbed.fingerprint(setup.node))
            cores = Cores(setup.node, links, children, bool(setup.clock_endpoint))
            lab_clock = LockstepClock(setup.clock_endpoint) if setup.clock_endpoint else None
            return Batches(cores, every, *about, closed, publish, lab_clock)

        agent = Agent(
            setup.node,
            entries,
            testbed.nodes[setup.node].interlocks,
            server,
            publisher,
            recorder,
            events,
            CoordinatorLink(connect, registration, revoke),
            authority,
            fork_server,
            {name: Endpoint(resource, dict(options)) for name, (resource, options) in setup.endpoints.items()},
            setup.clock_endpoint,
            setup.boot_tickets,
            Path(setup.locks or setup.state),
            state / "watchdog.jsonl",
            {
                "bellringer": version("bellringer"),
                "testbed": testbed.fingerprint(setup.node),
                "file": testbed.flat(setup.node),
                "simulated": bool(setup.endpoints),
                "links": {name: link.model_dump() for name, link in testbed.links.items()},
            },
            make_batches if takes_part else None,
            setup.bind.rpartition(":")[0] + ":*",
            [each for each in detectors_of(testbed) if each.node == setup.node],
        )
        stack.callback(agent.close)
        signal.signal(signal.SIGTERM, lambda number, frame: agent.stop())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if setup.leave_at_end:
            agent.leave_at_end_of(sys.stdin.fileno())
        sys.stdout.write(msgspec.json.encode({"control": endpoints[0], "stream": endpoints[1]}).decode() + "\n")
        sys.stdout.flush()
        gc.freeze()  # what was loaded is never garbage; to look through it again and again would hold the loop up
        agent.run()


def _emits(message: Message) -> bool:
    """Return whether carrying this out could raise light; settings that are applied switch some lasers on."""
    return isinstance(message, (Set, Call, Commit)) or (isinstance(message, Do) and message.verb == "apply")


if __name__ == "__main__":
    sys.exit(main())
