"""A coordinator as a process of its own.

    python -m bellringer.orchestrator.coordinator.process

Reads its set-up, one JSON object, from standard input (so that no key is ever on a command line), prints one JSON line
with its addresses when its ports are open, and runs until SIGTERM or Ctrl-C, or until standard input ends if
``leave_at_end`` is set. Ends with status 1 and a readable error if it could not start or must not go on.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import msgspec

from ...testbed.errors import BellringerError
from ...testbed.signal_safe import beside
from ..wire.enrolled import Enrolled
from ..wire.keys import KeyPair
from .service import Ports, Setup, run_coordinator

if TYPE_CHECKING:
    from ...testbed.testbed import Testbed

AUDIT = "audit.jsonl"


class Start(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a coordinator process needs to know.

    Attributes:
        keys: name, public and secret half of its own pair.
        state: folder of its epoch, journal and, unless ``enrolled`` is given, the list of enrolled keys.
        enrolled: (public key, name, role) of who may connect, in memory; for dry runs.
        control, estop, events: where it listens; port ``*`` lets the system choose.
        testbed: the testbed file whose memory links may be asked for pairs, "" for none; ``overrides`` as in a run.
        latency: file in which measured latencies of its memory links are kept, "" for one in ``state``.
        latch: folder in which a latched e-stop is kept beyond ``state``, "" if ``state`` itself stays.
        clock_endpoint: the simulated lab's clock socket in a dry run in lockstep, "" for real time.
        audit: file of the audit log, "" for one in ``state``.
        above: its epoch shall be greater than this, after a coordinator whose folder is lost.
        leave_at_end: end when standard input does.
    """

    keys: tuple[str, str, str]
    state: str
    enrolled: tuple[tuple[str, str, str], ...] = ()
    control: str = Ports.control
    estop: str = Ports.estop
    events: str = Ports.events
    testbed: str = ""
    overrides: dict[str, str] = {}
    latency: str = ""
    latch: str = ""
    clock_endpoint: str = ""
    audit: str = ""
    above: int = 0
    leave_at_end: bool = False


def serve(start: Start, ready: Callable[[Ports], object]) -> None:
    """Run a coordinator in the main thread until SIGTERM or Ctrl-C; ``ready`` is told where it listens.

    Raises:
        BellringerError: as ``run_coordinator``.
    """
    stop = threading.Event()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        beside(stop.set)

    before = {number: signal.signal(number, ask_to_stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        if start.leave_at_end:
            threading.Thread(target=_stop_at_end, args=(stop,), name="end of input", daemon=True).start()
        state = Path(start.state)
        ports, audit = Ports(start.control, start.estop, start.events), Path(start.audit or state / AUDIT)
        enrolled = Enrolled.of_service(state, start.enrolled)
        latency = Path(start.latency) if start.latency else None
        latch = Path(start.latch) if start.latch else None
        about = (_testbed(start), start.above, latency, latch, start.clock_endpoint)
        setup = Setup(state, KeyPair(*start.keys), enrolled, ports, audit, *about)
        run_coordinator(setup, stop, ready)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _testbed(start: Start) -> "Testbed | None":
    if not start.testbed:
        return None
    from ...testbed.loader import load  # so that a coordinator without one need not load what that needs

    return load(start.testbed, start.overrides).testbed


def main() -> int:
    """Serve what standard input asks for; return the exit status."""
    try:
        if line := sys.stdin.buffer.readline():
            serve(msgspec.json.decode(line, type=Start), _print_ports)
    except (BellringerError, msgspec.MsgspecError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _print_ports(ports: Ports) -> None:
    sys.stdout.write(msgspec.json.encode(ports).decode() + "\n")
    sys.stdout.flush()


def _stop_at_end(stop: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):  # not through sys.stdin, whose lock a daemon thread holds to the last
        pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
