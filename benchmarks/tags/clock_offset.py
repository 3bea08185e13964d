"""Cost and accuracy of finding two taggers' clocks from their tags alone.

    python benchmarks/tags/clock_offset.py [--json] [--seeds N] [--pairs SHARE]

2 million tags in 10 s (100 kcps an end, 10 % pairs), 300 ps FWHM a detector, offset within +-1 s and drift within
+-1 ppm drawn by the seed, with all four combinations of signs. ``clock_cpu_s`` is the median over the seeds of one
call's CPU time (all threads of the process, FFTs included, kernels warm); no C kernel to compare with. A seed is good
if the offset is within 5 ps and the drift within 1.5e-12.
"""

import argparse
import json
import math
import statistics
import time
from typing import Any

import numpy as np
from bellringer.analysis import NoPeak, clock_offset

SECONDS, RATE, JITTER_PS = 10.0, 1e5, 300 / (2 * math.sqrt(2 * math.log(2)))
GOOD_PS, GOOD_DRIFT = 5.0, 1.5e-12


def recording(seed: int, share: float) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Return (alice, bob, offset at mid-recording in ps, drift); int64 ps."""
    rng, length = np.random.default_rng(seed), SECONDS * 1e12
    offset, drift = rng.uniform(0, 1e12) * (-1) ** seed, rng.uniform(0, 1e-6) * (-1) ** (seed // 2)
    emitted, ends = rng.uniform(0, length, rng.poisson(RATE * share * SECONDS)), []
    for _ in range(2):
        alone = rng.uniform(0, length, rng.poisson(RATE * (1 - share) * SECONDS))
        ends.append(np.concatenate([emitted + rng.normal(0, JITTER_PS, len(emitted)), alone]))
    ends[1] += offset + drift * (ends[1] - length / 2)
    alice, bob = (np.sort(np.rint(end).astype(np.int64)) for end in ends)
    return alice, bob, offset, drift


def figures(seeds: int = 20, share: float = 0.1) -> dict[str, Any]:
    """Return the benchmark's figures; JSON values."""
    costs, offsets, drifts, pulls = [], [], [], []
    clock_offset(*recording(seeds, share)[:2])  # warms the kernels
    for seed in range(seeds):
        alice, bob, offset, drift = recording(seed, share)
        start = time.process_time()
        try:
            found = clock_offset(alice, bob)
        except NoPeak:
            offsets.append(math.inf)
            drifts.append(math.inf)
            continue
        finally:
            costs.append(time.process_time() - start)
        offsets.append(abs(found.offset_ps - offset - drift * (found.t_ref_ps - SECONDS * 5e11)))
        drifts.append(abs(found.drift - drift))
        pulls.append(offsets[-1] / found.offset_error_ps)
    return {
        "clock_cpu_s": statistics.median(costs),
        "clock_cpu_s_worst": max(costs),
        "clock_seeds": seeds,
        "clock_seeds_good": sum(o <= GOOD_PS and d <= GOOD_DRIFT for o, d in zip(offsets, drifts)),
        "clock_offset_error_ps": max(offsets),
        "clock_drift_error": max(drifts),
        "clock_offset_error_rms_sigma": math.sqrt(statistics.fmean(pull**2 for pull in pulls)) if pulls else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--pairs", type=float, default=0.1, help="share of each end's tags that are pairs")
    options = parser.parse_args()
    result = figures(options.seeds, options.pairs)
    if options.json:
        print(json.dumps(result))
        return
    print(f"{result['clock_cpu_s'] * 1e3:.0f} ms of CPU a call (worst {result['clock_cpu_s_worst'] * 1e3:.0f} ms)")
    print(f"{result['clock_seeds_good']} of {result['clock_seeds']} seeds within {GOOD_PS:g} ps and {GOOD_DRIFT:g}")
    print(f"largest errors {result['clock_offset_error_ps']:.2f} ps, {result['clock_drift_error']:.2g}")


if __name__ == "__main__":
    main()
