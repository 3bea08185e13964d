"""Speed of heralded entanglement.

    python benchmarks/heralding.py [--json] [--attempts 1000000000]

``attempts_per_s``: attempts of a simulated memory link drawn in bulk, per second of this thread's time on the CPU. A
click follows one attempt in 10 000 (single-click, alpha 0.05, efficiency 1e-3 at both nodes), batches have 100 000
attempts: table look-up, waits, patterns and hardware times of every click included. ``attempts_slow_per_s``: the same
by drawing a number for every attempt, as the tests' reference does.
"""

import argparse
import json
import time

import numpy as np
from bellringer.sim_backends.bench.memories.link import MemoryLink
from bellringer.sim_backends.bench.memories.link_physics import Arm, LinkPhysics
from bellringer.sim_backends.bench.memories.memories import Memories
from bellringer.testbed.attempts import AttemptProgram, Stop, builders
from bellringer.testbed.attempts.terms import Arm as Way
from bellringer.testbed.attempts.terms import Terms
from bellringer.testbed.memory_models import SpinQubitModel

BATCH = 100_000
SLOW = 2_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--attempts", type=int, default=1_000_000_000, help="attempts to draw")
    options = parser.parse_args()
    found = {
        "attempts_per_s": bulk(options.attempts),
        "attempts_slow_per_s": one_by_one(min(SLOW, options.attempts)),
    }
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:30} {value:10.4g}")


def link() -> tuple[MemoryLink, AttemptProgram]:
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
    made, program = link()
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


if __name__ == "__main__":
    main()
