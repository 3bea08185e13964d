"""A node's watchdog: a process that darkens what emits there when its agent cannot, nor the agent's driver processes.

The agent's fork server forks it (``fork_server``), so it begins with what it needs imported.

Reads its plan, one JSON object, from standard input, then a line for each beat of the agent, and answers each with a
byte. If standard input ends without a good-bye, or the agent falls silent, it waits until the driver processes have
left their ports, kills those that do not, opens what emits itself and makes it dark, verified by readback; again and
again, less and less often, until that is confirmed or another process drives the instrument. What it did is in its log.

Between beats it sleeps; its drivers are imported and their objects made before the first one. It is in a session of its
own and leaves by the pipe only: what ends a whole terminal or group of processes leaves it alone.
"""

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from ...testbed.clock import WallClock
from ...testbed.errors import BellringerError
from ...testbed.testbed import InstrumentEntry
from ..wire.history import utc_now
from .desk import Desk, Endpoint
from .port_locks import PortLocks

SILENT_S = 3.0
"""An agent that has not given a beat for this long is stopped or caught in a loop, and cannot end its lease in time."""
PATIENCE_S = 3.0
"""How long driver processes whose agent died have for making dark and leaving; then they are killed."""
AGAIN_S, LONGEST_AGAIN_S = 0.25, 10.0
"""How long until darkness is tried again where it could not be confirmed: at first, and at most; doubled each time."""
LONGEST_S = 600.0
"""After this long it is given up: a person has to look."""
LOOK_S = 0.02


class Plan(msgspec.Struct, frozen=True):
    """What a watchdog needs to know.

    Attributes:
        instruments: what emits, by full name: the entries of the testbed file, as JSON, without their models.
        endpoints: (resource, options) that replace the file's.
        locks: folder of the files that keep two processes from one port, "" for none.
        log: file to which it adds a line of JSON for everything it does.
        pids: the driver processes.
    """

    instruments: dict[str, str]
    endpoints: dict[str, tuple[str, dict[str, Any]]]
    locks: str
    log: str
    pids: tuple[int, ...]


class Beat(msgspec.Struct, frozen=True):
    """The agent's loop turns; these are its driver processes now. With ``leave``: good-bye, all is dark."""

    pids: tuple[int, ...] = ()
    leave: bool = False


class Port:
    """What emits at one port, and how to make it dark."""

    def __init__(self, entries: dict[str, InstrumentEntry], endpoints: dict[str, Endpoint], locks: Path | None) -> None:
        self.names = tuple(entries)
        self._desk = Desk(entries, WallClock(), endpoints)
        self._locks = PortLocks(locks, (instrument.resource for instrument in self._desk.instruments.values()))
        self._tick = threading.Event()

    def darken(self, pids: Sequence[int], patience_s: float, longest_s: float = LONGEST_S) -> tuple[bool, str]:
        """Make it dark, unless another process than ``pids`` has the port; return whether it is taken care of, and how.

        Args:
            pids: driver processes that may be killed for the port, after ``patience_s`` (s).
        """
        began_s, again_s = time.monotonic(), AGAIN_S
        while True:
            try:
                other = self._take(pids, began_s + patience_s)
                problem = "" if other else self._make_dark()
            finally:
                self._locks.release()
            took_s = time.monotonic() - began_s
            if other:
                return True, f"process {other} has the port now; it begins by making dark"
            if not problem:
                return True, f"made dark and confirmed after {took_s:.2f} s"
            if took_s > longest_s:
                return False, f"NOT CONFIRMED DARK after {took_s:.0f} s, given up: {problem}"
            self._tick.wait(again_s)
            again_s = min(2 * again_s, LONGEST_AGAIN_S)

    def _take(self, pids: Sequence[int], until_s: float) -> str:
        """Take the port, by force after ``until_s``; return the process that has it if that is none of ``pids``."""
        while (taken := self._locks.take()) is not None:
            _, holder = taken
            ours = holder.isdecimal() and int(holder) in pids
            if holder.isdecimal() and not ours:
                return holder
            if time.monotonic() >= until_s:
                for pid in [int(holder)] if ours else pids:  # on a full disk a lock may not say whose it is
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            self._tick.wait(LOOK_S)
        return ""

    def _make_dark(self) -> str:
        """Open, identify, make dark and read back; return what could not be confirmed, "" for nothing."""
        problems = []
        for name, instrument in self._desk.instruments.items():
            try:
                self._desk.do(name, "open")
                self._desk.do(name, "safe_state")
            except Exception as error:  # whatever a driver raises: the light may still be on
                problems.append(f"{name}: {' '.join(str(error).split())}")
            finally:
                instrument.abandon()
        return "; ".join(problems)


class Watchdog:
    """The process: waits for the end of the agent, and sees to what it leaves behind."""

    def __init__(self, plan: Plan, source: int, answers: int) -> None:
        self._pids, self._log = plan.pids, Path(plan.log)
        self._source, self._answers = source, answers
        self._rest = b""
        self._noting = threading.Lock()
        endpoints = {name: Endpoint(*endpoint) for name, endpoint in plan.endpoints.items()}
        by_port: dict[str, dict[str, InstrumentEntry]] = {}
        for name, text in plan.instruments.items():
            entry = InstrumentEntry.model_validate_json(text)
            resource = endpoints[name].resource if name in endpoints else entry.resource
            by_port.setdefault(resource, {})[name] = entry
        locks = Path(plan.locks) if plan.locks else None
        self._ports = [Port(entries, endpoints, locks) for entries in by_port.values()]

    def run(self) -> None:
        """Return after a good-bye, or when everything is dark, or given up, after the agent's end."""
        seen_to = False
        while True:
            if not select.select([self._source], [], [], None if seen_to else SILENT_S)[0]:
                self._darken(f"the agent has given no sign of life for {SILENT_S:g} s", 0.0)
                seen_to = True
                continue
            data = os.read(self._source, 65536)
            if not data:
                break
            for beat in self._beats(data):
                if beat.leave:
                    return
                self._pids, seen_to = beat.pids, False
        self._darken("the agent ended without a good-bye", PATIENCE_S)

    def _beats(self, data: bytes) -> list[Beat]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        with contextlib.suppress(BrokenPipeError):  # it has died since
            os.write(self._answers, b"." * len(lines))
        return [msgspec.json.decode(line, type=Beat) for line in lines]

    def _darken(self, why: str, patience_s: float) -> None:
        """See to all ports side by side; one that hangs holds up none of the others, nor does a log on a full disk."""
        threads = {
            port: threading.Thread(target=self._darken_port, args=(port, patience_s), daemon=True)
            for port in self._ports
        }
        with self._noting:  # why comes before what came of it
            for thread in threads.values():
                thread.start()
            self._add(why, [name for port in self._ports for name in port.names])
        end_s = time.monotonic() + LONGEST_S + 2 * LONGEST_AGAIN_S
        for port, thread in threads.items():
            thread.join(max(0.0, end_s - time.monotonic()))
            if thread.is_alive():
                why = "NOT CONFIRMED DARK, given up: its port is not let go, or its driver does not come back"
                self._note(why, port.names, dark=False)

    def _darken_port(self, port: Port, patience_s: float) -> None:
        dark, text = port.darken(self._pids, patience_s)
        self._note(text, port.names, dark=dark)

    def _note(self, text: str, instruments: Sequence[str], **more: bool) -> None:
        with self._noting:
            self._add(text, instruments, **more)

    def _add(self, text: str, instruments: Sequence[str], **more: bool) -> None:
        """Add a line to the log, if there is room for it."""
        line = msgspec.json.encode({"utc": utc_now(), "text": text, "instruments": list(instruments), **more})
        with contextlib.suppress(OSError), open(self._log, "ab") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())


def main() -> int:
    """Run the watchdog whose plan comes on standard input; return the exit status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    source = sys.stdin.fileno()
    text = b""
    while not text.endswith(b"\n"):
        data = os.read(source, 1)  # no more than the plan: beats may follow at once
        if not data:
            return 0
        text += data
    try:
        Watchdog(msgspec.json.decode(text, type=Plan), source, sys.stdout.fileno()).run()
    except (BellringerError, msgspec.MsgspecError) as error:
        sys.stderr.write(f"watchdog: {error}\n")
        return 1
    return 0
