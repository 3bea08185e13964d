"""Round trips of commands, from a client through a running agent, and of bare sockets beside them.

    python benchmarks/command_latency.py [--json]

``ratio_loop_p50``: a command that the agent answers from its own loop after every check that a set goes through (key,
rate, role, freshness, e-stop, lease, ownership), over a pyzmq DEALER/ROUTER echo of as many bytes with the same
security. The command is "check": may I set this instrument now? Nothing is kept from one answer to the next.
``ratio_driver_p50``: a reading through the agent, its driver process and the driver of an Elliptec mount, to a mount on
TCP that answers at once, over a bare chain of the same hops: DEALER/ROUTER, a pipe to a spawned process, TCP.

Ours and bare take turns, a few requests each; a figure is the median of the rounds' ratios of the median times. Times
in us stand beside them. An agent takes 1000 requests a second from one key, and 2000 at once: no more is asked here.
"""

import argparse
import contextlib
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import zmq
from bellringer.orchestrator.wire import encode
from bellringer.orchestrator.wire.messages import Do, Get, Reply
from parts.instruments import ROTATOR_ANSWERS, echo, rotator
from parts.raw import chain_child, chain_server, dealer, echo_server
from parts.site import Site, process

ROUNDS, REQUESTS, BLOCK = 9, 200, 20
PLATE = "alice.plate"
WAY = Callable[[], object]


def ways(stack: contextlib.ExitStack, folder: Path) -> dict[str, WAY]:
    """Start everything and return the four round trips by name."""
    port = stack.enter_context(process(rotator)).recv()
    instruments = {"plate": ("elliptec_ell14", f"socket://127.0.0.1:{port}")}
    site = stack.enter_context(Site.running(folder, instruments))
    loop, driver = site.client("anna"), site.client("otto")
    request, get = Do(1000, PLATE, "check", 1 << 61), Get(1000, PLATE, "angle", 1 << 61)
    public, secret = zmq.curve_keypair()
    size = len(encode(Reply(1000, None, 1 << 61))[0])
    raw = dealer(stack.enter_context(process(echo_server, secret, size)).recv(), public)
    echo_port = stack.enter_context(process(echo, ROTATOR_ANSWERS[b"0gp"])).recv()
    near, far = multiprocessing.get_context("spawn").Pipe()
    stack.enter_context(process(chain_child, far, echo_port, b"0gp"))
    size = len(encode(Reply(1000, 45.0, 1 << 61))[0])
    chain = dealer(stack.enter_context(process(chain_server, secret, size, near)).recv(), public)
    for socket in (raw, chain):
        stack.callback(socket.close)

    def bare(socket: zmq.Socket[bytes], message: bytes) -> WAY:
        def once() -> None:
            socket.send(message)
            socket.recv()

        return once

    return {
        "loop": lambda: loop.request(request),
        "bare_loop": bare(raw, encode(request)[0]),
        "driver": lambda: driver.request(get),
        "bare_driver": bare(chain, encode(get)[0]),
    }


def round_of(all_ways: dict[str, WAY], requests: int) -> dict[str, list[float]]:
    """Take every way ``requests`` times, in turns of a few; return the times in us, sorted."""
    times: dict[str, list[float]] = {name: [] for name in all_ways}
    for _ in range(0, requests, BLOCK):
        for name, way in all_ways.items():
            for _ in range(BLOCK):
                start = time.perf_counter()
                way()
                times[name].append((time.perf_counter() - start) * 1e6)
    return {name: sorted(values) for name, values in times.items()}


def ratio(rounds: list[dict[str, list[float]]], name: str) -> float:
    """Return the median of the rounds' ratios of p50, ours over bare."""
    return statistics.median(statistics.median(each[name]) / statistics.median(each[f"bare_{name}"]) for each in rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--requests", type=int, default=REQUESTS, help="of each kind in every round")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        print("starting coordinator, agent and the bare peers", file=sys.stderr)
        all_ways = ways(stack, folder)
        round_of(all_ways, BLOCK)  # warm
        rounds = []
        for number in range(options.rounds):
            rounds.append(round_of(all_ways, options.requests))
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    figures = {"ratio_loop_p50": ratio(rounds, "loop"), "ratio_driver_p50": ratio(rounds, "driver")}
    for name in all_ways:
        times = sorted(value for each in rounds for value in each[name])
        figures |= {f"{name}_p50_us": statistics.median(times), f"{name}_p99_us": times[int(0.99 * len(times))]}
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:20} {value:8.2f}")


if __name__ == "__main__":
    main()
