"""From a press of the e-stop to the darkening command on a laser's wire, with every core of the machine busy.

    python benchmarks/estop.py [--json]

``estop_ms_p50``, ``estop_ms_p99`` and ``estop_ms_max``: from just before the press is sent to the coordinator's e-stop
socket until the command l0 arrives at a Cobolt laser on TCP, which notes the time: press, coordinator, its events, the
agent, its driver process, the driver. One busy process per core runs beside them at the same priority. The laser is lit
before every press and has been left alone since for longer than the 100 ms that its maker wants between two commands:
that wait, if there is one, comes on top.
"""

import argparse
import contextlib
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from bellringer.orchestrator.wire.messages import Ack, Call, EStop
from parts.instruments import laser
from parts.site import PATIENCE_S, Site, process

PRESSES = 25
PUMP = "alice.pump"
AFTER_LIGHT_S = (0.2, 0.5)
"""How long after it was lit the e-stop is pressed: at random, so at any moment of everybody's turns."""


def compute(pipe: Connection) -> None:
    """Keep a core busy."""
    while True:
        sum(range(1000))


@contextlib.contextmanager
def busy(processes: int) -> Iterator[None]:
    """Keep so many cores busy."""
    with contextlib.ExitStack() as stack:
        for _ in range(processes):
            stack.enter_context(process(compute))
        yield


def press_and_see(site: Site, wire: Connection, wait_s: float) -> float:
    """Light the laser, press, and return the ms until ``l0`` came; then acknowledge."""
    site.client("anna").request(Call(0, PUMP, "emission_on", 0))
    threading.Event().wait(wait_s)
    while wire.poll(0):
        wire.recv()  # an ``l0`` of before
    estop = site.client("otto", "estop")
    estop.connect()  # a press over a connection that is there; one that is not takes a handshake more
    start_ns = time.monotonic_ns()
    estop.request(EStop(0, "benchmark"))
    if not wire.poll(PATIENCE_S):
        raise SystemExit("the laser was not told to go dark")
    took_ms = (wire.recv() - start_ns) / 1e6
    site.wait_until(lambda status: status["estop"] and status["dark"])
    site.client("anna", "control").request(Ack(0))
    site.wait_until(lambda status: status["leased"])
    return took_ms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--presses", type=int, default=PRESSES)
    options = parser.parse_args()
    cores, rng, times = len(os.sched_getaffinity(0)), random.Random(1), []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        wire = stack.enter_context(process(laser))
        site = stack.enter_context(Site.running(folder, {"pump": ("cobolt_06", f"socket://127.0.0.1:{wire.recv()}")}))
        stack.enter_context(busy(cores))
        for number in range(options.presses):
            times.append(press_and_see(site, wire, rng.uniform(*AFTER_LIGHT_S)))
            print(f"press {number + 1} of {options.presses}: {times[-1]:.1f} ms", file=sys.stderr)
    times.sort()
    figures = {
        "estop_ms_p50": times[len(times) // 2],
        "estop_ms_p99": times[min(len(times) - 1, int(0.99 * len(times)))],
        "estop_ms_max": times[-1],
        "presses": len(times),
        "busy_processes": cores,
    }
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:16} {value:8.1f}")


if __name__ == "__main__":
    main()
