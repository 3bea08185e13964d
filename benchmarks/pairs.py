"""Speed of the optical bench's hot loop: pairs in, detector clicks out.

    python benchmarks/pairs.py [--json]

1e6 generated pairs a second, two 10 km arms, a polarising splitter and two detectors (efficiency 0.8, 100 dark
counts a second, 50 ps jitter, 30 ns dead time) at each end, 10 ms blocks, one core. ``pairs_per_s`` counts generated
pairs; ``cost_over_random_draws`` is the whole time over the time of just the random draws the bench made, with the
same sizes and distributions, interleaved in the same run (median of the rounds' ratios).
"""

import argparse
import json
import statistics
import time

import numpy as np
from bellringer.sim_backends.bench.pairs import PairClicks, Rates

PAIRS_PER_S, SECONDS, BLOCK_PS, ROUNDS = 1e6, 1.0, 10_000_000_000, 9


def example_rates() -> Rates:
    """Return the rates of the benchmark's testbed: polarisation-entangled pairs, matched bases."""
    arm = 10 ** (-0.2 * 10 / 10) * 0.8
    both = PAIRS_PER_S * arm * arm / 2 * np.eye(2)
    alone = np.full(4, PAIRS_PER_S * arm * (1 - arm) / 2 + 100.0)
    return Rates(both, alone, (-60.0, 60.0), np.full(4, 50 / 2.3548), np.full(4, 30_000.0))


class Recorder:
    """A generator that notes every draw, so that the same draws can be timed alone."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.calls = rng, []

    def __getattr__(self, name: str):
        def draw(*args):
            self.calls.append((name, args))
            return getattr(self.rng, name)(*args)

        return draw


def bench_once(rates: Rates, seed: int, recorder: bool = False) -> tuple[float, list]:
    """Run one simulated stretch; return CPU seconds and the draws it made."""
    blocks = round(SECONDS * 1e12 / BLOCK_PS)
    clicks, calls = PairClicks(4), []
    streams = [np.random.Generator(np.random.SFC64([seed, block])) for block in range(blocks)]
    start = time.process_time()
    for block, rng in enumerate(streams):
        source = Recorder(rng) if recorder else rng
        clicks.segment(rates, block * BLOCK_PS, BLOCK_PS, source)  # type: ignore[arg-type]
        if recorder:
            calls.append(source.calls)
    return time.process_time() - start, calls


def draws_once(calls: list, seed: int) -> float:
    """Make only the noted draws; return CPU seconds."""
    streams = [np.random.Generator(np.random.SFC64([seed, block])) for block in range(len(calls))]
    start = time.process_time()
    for rng, block in zip(streams, calls):
        for name, args in block:
            getattr(rng, name)(*args)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    rates = example_rates()
    calls = bench_once(rates, 0, recorder=True)[1]
    ratios, speeds = [], []
    for seed in range(ROUNDS):
        whole, draws = bench_once(rates, seed)[0], draws_once(calls, seed)
        ratios.append(whole / draws)
        speeds.append(PAIRS_PER_S * SECONDS / whole)
    figures = {"pairs_per_s": statistics.median(speeds), "cost_over_random_draws": statistics.median(ratios)}
    if options.json:
        print(json.dumps(figures))
    else:
        print(f"{figures['pairs_per_s']:.3g} generated pairs a second on one core")
        print(f"{figures['cost_over_random_draws']:.2f} times the cost of the random draws alone")


if __name__ == "__main__":
    main()
