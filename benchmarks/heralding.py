"""Speed of heralded entanglement.

    python benchmarks/heralding.py [--json] [--attempts 1000000000] [--rounds 8] [--corrections 300]

``attempts_per_s``: attempts of a simulated memory link drawn in bulk, per second of this thread's time on the CPU. A
click follows one attempt in 10 000 (single-click, alpha 0.05, efficiency 1e-3 at both nodes), batches have 100 000
attempts: table look-up, waits, patterns and hardware times of every click included. ``attempts_slow_per_s``: the same
by drawing a number for every attempt, as the tests' reference does.

``correction_p50_ratio``, ``correction_p99_ratio``: from the moment at which the station's driver process has read a
herald from its core to that at which the node's driver process makes the write to its core, over one message of as many
bytes from process to process on bare pyzmq DEALER and ROUTER sockets with CURVE. Both are real driver processes with
the real driver; the cores are small servers on TCP, the program has one node. Ours and bare take turns, message by
message, at random intervals of 0.5 to 2.5 ms; a figure is the median of the rounds' ratios of p50, or p99. Times in us
stand beside them, also of the writes themselves, which are the system's time and which the bare way has not. All
processes are woken from sleep for each message.

``heralds_per_s``: heralds that are durably in the coordinator's store as pairs, each exactly once, per second: station
and two nodes note theirs in their journals, confirm them, and end the batch with their results, all in one process
after one another, messages encoded and decoded. A party makes ``records_per_sync`` records durable with one fdatasync,
and the store as many pairs with one transaction: what comes in 10 ms at 5000 a second. The median of the batches.
"""

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from bellringer.sim_backends.bench.memories.link import MemoryLink
from bellringer.sim_backends.bench.memories.link_physics import Arm, LinkPhysics
from bellringer.sim_backends.bench.memories.memories import Memories
from bellringer.testbed.attempts import AttemptProgram, Stop, builders
from bellringer.testbed.attempts.terms import Arm as Way
from bellringer.testbed.attempts.terms import Terms
from bellringer.testbed.memory_models import SpinQubitModel
from parts.corrections import Ways
from parts.heralds import Link, link_program

BATCH = 100_000
SLOW = 2_000_000
ROUNDS, CORRECTIONS = 8, 300
BATCHES, HERALDS, GROUP = 5, 5000, 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--attempts", type=int, default=1_000_000_000, help="attempts to draw")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of corrections")
    parser.add_argument("--corrections", type=int, default=CORRECTIONS, help="in every round")
    parser.add_argument("--heralds", type=int, default=HERALDS, help="in every batch that is recorded")
    options = parser.parse_args()
    found = {
        "attempts_per_s": bulk(options.attempts),
        "attempts_slow_per_s": one_by_one(min(SLOW, options.attempts)),
        **recorded(options.heralds),
        **corrections(options.rounds, options.corrections),
    }
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:30} {value:10.4g}")


def bench_link() -> tuple[MemoryLink, AttemptProgram]:
    """Return a link that clicks once in 10 000 attempts, and its program."""
    memory = SpinQubitModel(kind="spin_qubit", t2="10 ms", emission=1e-3, lifetime="1 ns")  # type: ignore[arg-type]
    arms = Arm("alice.memory", memory, 1.0, 5e-6), Arm("bob.memory", memory, 1.0, 5e-6)
    physics = LinkPhysics(arms, (1.0, 1.0), (1.0, 1.0), bright=0.05, visibility=0.9, phase_noise_rad=0.3)
    terms = Terms(most_attempts=BATCH, most_s=10.0, keep="measure", target=None, stop=Stop(kind="full"))
    ways = [Way("alice", 5e-6, 5e-6), Way("bob", 5e-6, 5e-6)]
    program = builders.single_click(ways, "charlie", terms, prepare_s=1e-6, pulse_s=1e-9, window_s=50e-9)
    memories = Memories({"alice.memory": memory, "bob.memory": memory}, np.random.default_rng(1))
    return MemoryLink("benchmark", 1, lambda now_ps: physics, memories), program


def bulk(attempts: int) -> float:
    """Return attempts per second, drawn batch by batch as a run does."""
    made, program = bench_link()
    made.batch(program, 0, 0, BATCH, program.nodes)
    begin, done, number = time.thread_time(), 0, 0
    while done < attempts:
        number += 1
        made.batch(program, number, 0, BATCH, program.nodes)
        done += BATCH
    return done / (time.thread_time() - begin)


def one_by_one(attempts: int) -> float:
    """Return attempts per second with a uniform number for each."""
    rng, clicks = np.random.default_rng(1), 0
    begin = time.thread_time()
    for _ in range(attempts):
        clicks += rng.random() < 1e-4
    return attempts / (time.thread_time() - begin)


def corrections(rounds: int, messages: int) -> dict[str, float]:
    """Return the figures of the way of corrections."""
    found: dict[str, list[list[float]]] = {"correction": [], "bare": [], "write": []}
    with Ways.running(messages) as ways:
        ways.round(min(messages, 20))  # warm
        for number in range(rounds):
            for name, times in zip(found, ways.round(messages), strict=True):
                found[name].append(times)
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
    figures = {}
    for name, share in (("correction_p50_ratio", 0.5), ("correction_p99_ratio", 0.99)):
        pairs = zip(found["correction"], found["bare"], strict=True)
        figures[name] = statistics.median(at(ours, share) / at(bare, share) for ours, bare in pairs)
        for way, each in found.items():
            figures[f"{way}_p{share * 100:.0f}_us"] = at(sorted(itertools.chain.from_iterable(each)), share)
    return figures


def at(times: list[float], share: float) -> float:
    """Return the time that a share of all, which are sorted, does not exceed."""
    return times[min(int(share * len(times)), len(times) - 1)]


def recorded(heralds: int) -> dict[str, float]:
    """Return how many heralds a second are recorded, and how many are made durable together."""
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        link = Link(Path(folder))
        for _ in range(BATCHES):
            seconds, pairs = link.batch(link_program(heralds), GROUP)
            if pairs != heralds:
                raise SystemExit(f"of {heralds} heralds {pairs} are in the store")
            rates.append(heralds / seconds)
        link.close()
    return {"heralds_per_s": statistics.median(rates), "records_per_sync": GROUP}


if __name__ == "__main__":
    main()
